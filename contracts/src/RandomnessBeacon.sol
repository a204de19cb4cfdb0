// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {IEpochBeacon} from "./interfaces/IEpochBeacon.sol";
import {IRandomnessBeacon} from "./interfaces/IRandomnessBeacon.sol";
import {IRandomnessSource} from "./interfaces/IRandomnessSource.sol";

/// @title One seed for each epoch
/// @notice Which source a seed comes from is settled before its value exists, and the source leaves its prover no
/// choice. Whoever posts decides only when, and a seed that waits is the same seed (docs/design/randomness.md).
contract RandomnessBeacon is IEpochBeacon, AccessManaged {
    using Checkpoints for Checkpoints.Trace160;

    bytes32 private constant SEED_TYPEHASH =
        keccak256("MLBridgeSeed(uint256 chainId,address beacon,uint256 epoch,bytes32 value)");
    /// @dev A change of source leaves one whole epoch in between: a chain whose clock runs late lets people read a
    /// source's value before the chain thinks that the epoch has begun.
    uint256 private constant SOURCE_DELAY = 2;
    uint256 private constant LONGEST_EPOCH = 1 days;

    /// @inheritdoc IEpochBeacon
    uint256 public immutable genesis;
    /// @inheritdoc IEpochBeacon
    uint256 public immutable epochSeconds;

    /// @inheritdoc IRandomnessBeacon
    mapping(uint256 epoch => bytes32) public seedOf;

    /// @dev Sources by the first epoch that they serve.
    Checkpoints.Trace160 private _sources;

    /// @param authority AccessManager of `setSource`
    /// @param genesis_ unix seconds, not in the future; that of the TaskManager, so that both count the same epochs
    /// @param epochSeconds_ at most a day
    /// @param source serves from the second epoch after the current one; what came before never gets a seed
    constructor(address authority, uint256 genesis_, uint256 epochSeconds_, address source) AccessManaged(authority) {
        if (authority == address(0)) revert BadParameter("authority");
        if (genesis_ == 0 || genesis_ > block.timestamp) revert BadParameter("genesis");
        if (epochSeconds_ == 0 || epochSeconds_ > LONGEST_EPOCH) revert BadParameter("epochSeconds");
        genesis = genesis_;
        epochSeconds = epochSeconds_;
        _setSource(source, _epochNow(genesis_, epochSeconds_) + SOURCE_DELAY, genesis_);
    }

    // ---- anyone ----

    /// @inheritdoc IEpochBeacon
    function post(uint256 epoch, bytes calldata proof) external returns (bytes32 seed) {
        if (epoch > currentEpoch()) revert EpochNotBegun(epoch, currentEpoch());
        if (seedOf[epoch] != 0) revert SeedExists(epoch);
        uint256 ready = readyAt(epoch);
        if (block.timestamp < ready) revert SeedNotReady(epoch, ready);
        bytes32 value = IRandomnessSource(sourceOf(epoch)).valueOf(startOf(epoch), proof);
        seed = keccak256(abi.encode(SEED_TYPEHASH, block.chainid, address(this), epoch, value));
        seedOf[epoch] = seed;
        emit SeedPosted(epoch, seed, msg.sender);
    }

    // ---- governance ----

    /// @inheritdoc IEpochBeacon
    function setSource(address source) external restricted {
        _setSource(source, currentEpoch() + SOURCE_DELAY, genesis);
    }

    // ---- views ----

    /// @inheritdoc IRandomnessBeacon
    function currentEpoch() public view returns (uint256) {
        return _epochNow(genesis, epochSeconds);
    }

    /// @inheritdoc IEpochBeacon
    function sourceOf(uint256 epoch) public view returns (address) {
        if (epoch > type(uint96).max) epoch = type(uint96).max;
        return address(_sources.upperLookupRecent(uint96(epoch)));
    }

    /// @inheritdoc IEpochBeacon
    function startOf(uint256 epoch) public view returns (uint256) {
        if (epoch == 0 || epoch > type(uint96).max) revert BadParameter("epoch");
        return genesis + (epoch - 1) * epochSeconds;
    }

    /// @inheritdoc IEpochBeacon
    function readyAt(uint256 epoch) public view returns (uint256) {
        address source = sourceOf(epoch);
        if (source == address(0)) revert NoSource(epoch);
        return IRandomnessSource(source).readyAt(startOf(epoch));
    }

    // ---- internal ----

    /// @dev What answers for a time with an earlier one is no source.
    function _setSource(address source, uint256 fromEpoch, uint256 genesis_) private {
        if (source.code.length == 0) revert BadParameter("source");
        uint256 start = genesis_ + (fromEpoch - 1) * epochSeconds;
        if (IRandomnessSource(source).readyAt(start) < start) revert BadParameter("source");
        _sources.push(uint96(fromEpoch), uint160(source));
        emit SourceChanged(source, fromEpoch);
    }

    /// @dev Counted from 1.
    function _epochNow(uint256 genesis_, uint256 epochSeconds_) private view returns (uint256) {
        return (block.timestamp - genesis_) / epochSeconds_ + 1;
    }
}
