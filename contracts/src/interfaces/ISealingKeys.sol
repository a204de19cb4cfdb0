// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Public keys that confidential input is sealed to
/// @notice An operator's keys follow one another. A key is the current one from the moment that it names until the next
/// one begins; older ones stay readable, because orders sealed before name them. A short key stands on chain, a long
/// one by its hash and where it can be fetched.
interface ISealingKeys {
    /// @param validFrom unix seconds from which it is the operator's current key
    /// @param revokedAt unix seconds; 0 unless the operator said that nothing may be sealed to it any more
    /// @param scheme what kind of key it is; see `register`
    /// @param digest keccak256 of the key
    /// @param location the key itself, or the CID of a longer one in binary form
    struct SealingKey {
        uint64 validFrom;
        uint64 revokedAt;
        uint8 scheme;
        bytes32 digest;
        bytes location;
    }

    /// @notice `caller` has not staked for a seat.
    /// @param caller who called
    error NotAnOperator(address caller);
    /// @notice There is no key scheme `scheme`.
    /// @param scheme number of the scheme
    error BadScheme(uint8 scheme);
    /// @notice The key has `length` bytes instead of `expected`.
    /// @param length bytes given
    /// @param expected what was to be given
    error BadKeyLength(uint256 length, uint256 expected);
    /// @notice A long key needs its digest and a CID of 1 to 64 bytes; the CID has `length`.
    /// @param length bytes given
    error BadLocation(uint256 length);
    /// @notice A key cannot begin at `validFrom`.
    /// @param earliest the earliest that is allowed
    /// @param latest the latest that is allowed
    /// @param validFrom unix seconds from which it counts
    error BadStart(uint256 validFrom, uint256 earliest, uint256 latest);
    /// @notice The key hashes to `actual`, not to `given`.
    /// @param actual what was given
    /// @param given what was given
    error DigestMismatch(bytes32 actual, bytes32 given);
    /// @notice The key `digest` is the current one already.
    /// @param digest what was attested: hash of task and result
    error SameKey(bytes32 digest);
    /// @notice An operator registers at most `maximum` keys.
    /// @param maximum the most that is allowed
    error TooManyKeys(uint256 maximum);
    /// @notice `operator` has no key number `index`.
    /// @param operator cold address that staked
    /// @param index position among the caller's keys, from 0
    error UnknownKey(address operator, uint256 index);
    /// @notice The key number `index` was revoked already.
    /// @param index position among the caller's keys, from 0
    error AlreadyRevoked(uint256 index);
    /// @notice An address argument is the zero address.
    error ZeroAddress();

    /// @param index of the key among the operator's, from 0
    /// @param operator cold address that staked
    /// @param digest what was attested: hash of task and result
    /// @param scheme number of the scheme
    /// @param validFrom unix seconds from which it counts
    /// @param location where the key's data lies
    event SealingKeyRegistered(
        address indexed operator, uint256 index, uint8 scheme, bytes32 digest, uint256 validFrom, bytes location
    );
    /// @param operator cold address that staked
    /// @param index position among the caller's keys, from 0
    /// @param revokedAt unix seconds at which it was revoked
    event SealingKeyRevoked(address indexed operator, uint256 index, uint256 revokedAt);

    /// @notice Add the caller's next key. The caller must have staked for a seat.
    /// @param scheme 1: X25519, `location` is the key of 32 bytes. 2: MLKEM768-X25519, a key of 1,216 bytes; `location`
    /// is its CID and `digest` its keccak256
    /// @param digest scheme 1: keccak256 of the key, or 0
    /// @param validFrom unix seconds; later than the key before, not in the past, at most a year ahead; 0: now
    /// @return index of the key
    /// @param location where the key's data lies
    function register(uint8 scheme, bytes32 digest, bytes calldata location, uint64 validFrom)
        external
        returns (uint256 index);

    /// @notice Say that nothing may be sealed to a key of the caller's any more, from now on. It stays readable.
    /// @param index position among the caller's keys, from 0
    function revoke(uint256 index) external;

    /// @notice The key that input is sealed to at a time.
    /// @param operator cold address that staked
    /// @param time unix seconds
    /// @return found false: none has begun, or it was revoked by then
    /// @return index position among the operator's keys, from 0
    /// @return key the key
    function keyAt(address operator, uint256 time)
        external
        view
        returns (bool found, uint256 index, SealingKey memory key);

    /// @dev Reverts with UnknownKey.
    /// @param operator cold address that staked
    /// @param index position among the caller's keys, from 0
    function keyOf(address operator, uint256 index) external view returns (SealingKey memory);
    /// @param operator cold address that staked
    function keyCount(address operator) external view returns (uint256);
}
