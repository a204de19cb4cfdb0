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

    error NotAnOperator(address caller);
    error BadScheme(uint8 scheme);
    error BadKeyLength(uint256 length, uint256 expected);
    error BadLocation(uint256 length);
    error BadStart(uint256 validFrom, uint256 earliest, uint256 latest);
    error DigestMismatch(bytes32 actual, bytes32 given);
    error SameKey(bytes32 digest);
    error TooManyKeys(uint256 maximum);
    error UnknownKey(address operator, uint256 index);
    error AlreadyRevoked(uint256 index);
    error ZeroAddress();

    /// @param index of the key among the operator's, from 0
    event SealingKeyRegistered(
        address indexed operator, uint256 index, uint8 scheme, bytes32 digest, uint256 validFrom, bytes location
    );
    event SealingKeyRevoked(address indexed operator, uint256 index, uint256 revokedAt);

    /// @notice Add the caller's next key. The caller must have staked for a seat.
    /// @param scheme 1: X25519, `location` is the key of 32 bytes. 2: MLKEM768-X25519, a key of 1,216 bytes; `location`
    /// is its CID and `digest` its keccak256
    /// @param digest scheme 1: keccak256 of the key, or 0
    /// @param validFrom unix seconds; later than the key before, not in the past, at most a year ahead; 0: now
    /// @return index of the key
    function register(uint8 scheme, bytes32 digest, bytes calldata location, uint64 validFrom)
        external
        returns (uint256 index);

    /// @notice Say that nothing may be sealed to a key of the caller's any more, from now on. It stays readable.
    function revoke(uint256 index) external;

    /// @notice The key that input is sealed to at a time.
    /// @return found false: none has begun, or it was revoked by then
    function keyAt(address operator, uint256 time)
        external
        view
        returns (bool found, uint256 index, SealingKey memory key);

    /// @dev Reverts with UnknownKey.
    function keyOf(address operator, uint256 index) external view returns (SealingKey memory);
    function keyCount(address operator) external view returns (uint256);
}
