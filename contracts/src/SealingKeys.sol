// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {ISealingKeys} from "./interfaces/ISealingKeys.sol";
import {Role} from "./interfaces/Types.sol";

/// @title Public keys that confidential input is sealed to
/// @notice Immutable, without money and without privileges: an operator writes its own list and nobody else's.
contract SealingKeys is ISealingKeys {
    /// @notice X25519, 32 bytes, on chain.
    uint8 public constant X25519 = 1;
    /// @notice MLKEM768-X25519, 1,216 bytes, by hash and CID.
    uint8 public constant MLKEM768_X25519 = 2;
    /// @notice Most keys that an operator registers. A weekly rotation for ten years fits.
    uint256 public constant MAX_KEYS = 520;

    uint256 private constant X25519_LENGTH = 32;
    uint256 private constant MAX_CID = 64;
    uint256 private constant FURTHEST = 365 days;

    /// @notice Knows who staked.
    IRewardDistributor public immutable distributor;

    // register pushes to its lists through a storage reference.
    // slither-disable-next-line uninitialized-state
    mapping(address operator => SealingKey[]) private _keys;

    /// @notice Deploy for these neighbours; the addresses are fixed for ever.
    /// @param distributor_ stakes, reputation and credits
    constructor(address distributor_) {
        if (distributor_ == address(0)) revert ZeroAddress();
        distributor = IRewardDistributor(distributor_);
    }

    /// @inheritdoc ISealingKeys
    function register(uint8 scheme, bytes32 digest, bytes calldata location, uint64 validFrom)
        external
        returns (uint256 index)
    {
        if (
            distributor.accountId(msg.sender, Role.Compute) == 0
                && distributor.accountId(msg.sender, Role.Verifier) == 0
        ) {
            revert NotAnOperator(msg.sender);
        }
        digest = _checked(scheme, digest, location);
        SealingKey[] storage keys = _keys[msg.sender];
        index = keys.length;
        if (index == MAX_KEYS) revert TooManyKeys(MAX_KEYS);
        if (validFrom == 0) validFrom = uint64(block.timestamp);
        uint256 earliest = block.timestamp;
        if (index != 0) {
            SealingKey storage last = keys[index - 1];
            if (last.digest == digest) revert SameKey(digest);
            if (last.validFrom >= earliest) earliest = last.validFrom + 1;
        }
        uint256 latest = block.timestamp + FURTHEST;
        if (validFrom < earliest || validFrom > latest) revert BadStart(validFrom, earliest, latest);
        keys.push(SealingKey(validFrom, 0, scheme, digest, location));
        emit SealingKeyRegistered(msg.sender, index, scheme, digest, validFrom, location);
    }

    /// @inheritdoc ISealingKeys
    function revoke(uint256 index) external {
        SealingKey[] storage keys = _keys[msg.sender];
        if (index >= keys.length) revert UnknownKey(msg.sender, index);
        if (keys[index].revokedAt != 0) revert AlreadyRevoked(index);
        keys[index].revokedAt = uint64(block.timestamp);
        emit SealingKeyRevoked(msg.sender, index, block.timestamp);
    }

    /// @inheritdoc ISealingKeys
    /// @dev Starts rise, so the last key that began is found by halving.
    function keyAt(address operator, uint256 time)
        external
        view
        returns (bool found, uint256 index, SealingKey memory key)
    {
        SealingKey[] storage keys = _keys[operator];
        uint256 low;
        uint256 high = keys.length;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (keys[middle].validFrom <= time) low = middle + 1;
            else high = middle;
        }
        if (low == 0) return (false, 0, key);
        index = low - 1;
        key = keys[index];
        found = key.revokedAt == 0 || key.revokedAt > time;
    }

    /// @inheritdoc ISealingKeys
    function keyOf(address operator, uint256 index) external view returns (SealingKey memory) {
        if (index >= _keys[operator].length) revert UnknownKey(operator, index);
        return _keys[operator][index];
    }

    /// @inheritdoc ISealingKeys
    function keyCount(address operator) external view returns (uint256) {
        return _keys[operator].length;
    }

    /// @dev What can be checked here: that a short key has its length, and that a long one can be looked for.
    function _checked(uint8 scheme, bytes32 digest, bytes calldata location) private pure returns (bytes32) {
        if (scheme == X25519) {
            if (location.length != X25519_LENGTH) revert BadKeyLength(location.length, X25519_LENGTH);
            bytes32 actual = keccak256(location);
            if (digest != 0 && digest != actual) revert DigestMismatch(actual, digest);
            return actual;
        }
        if (scheme != MLKEM768_X25519) revert BadScheme(scheme);
        if (digest == 0 || location.length == 0 || location.length > MAX_CID) revert BadLocation(location.length);
        return digest;
    }
}
