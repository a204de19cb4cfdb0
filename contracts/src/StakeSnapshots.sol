// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IRandomnessBeacon} from "./interfaces/IRandomnessBeacon.sol";
import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {IStakeSnapshots} from "./interfaces/IStakeSnapshots.sol";
import {ITaskManager} from "./interfaces/ITaskManager.sol";

/// @title Weights and prices by epoch, fixed before the epoch's seed is known
/// @notice Whoever wants to be drawn records itself; whoever sees a record that is too high corrects it. Stake that
/// leaves after it was recorded stays slashable while it unbonds, which is far longer than an epoch.
contract StakeSnapshots is IStakeSnapshots {
    using Checkpoints for Checkpoints.Trace208;

    /// @dev `recent` holds the newest record and the one before it, value (96 bits) and epoch (32) each: orders are settled
    /// within few epochs, so almost every look-up ends there. The whole history stands in the trace.
    /// @param recent latest values
    /// @param history values of earlier epochs
    struct Series {
        uint256 recent;
        Checkpoints.Trace208 history;
    }

    uint256 private constant VALUE_BITS = 96;
    uint256 private constant RECORD_BITS = 128;
    uint256 private constant PRICE_AT = 160;
    uint256 private constant EPOCH_AT = 208;
    uint256 private constant GWEI = 1e9;

    /// @notice Knows the epochs and their seeds.
    IRandomnessBeacon public immutable beacon;
    /// @notice Knows the weights.
    IRewardDistributor public immutable distributor;
    /// @notice Knows who serves what.
    ITaskManager public immutable taskManager;
    /// @notice Knows models and prices.
    IModelRegistry public immutable registry;

    mapping(bytes32 modelId => mapping(uint32 account => Series)) private _weights;
    /// @dev Provider (160 bits), newest price in gwei plus one (48; 0: not active), epoch of that record (32).
    mapping(bytes32 modelId => uint256) private _offers;
    /// @dev Prices in gwei plus one.
    mapping(bytes32 modelId => Checkpoints.Trace208) private _prices;

    /// @notice Deploy for these neighbours; the addresses are fixed for ever.
    /// @param beacon_ gives the seed of an epoch
    /// @param distributor_ stakes, reputation and credits
    /// @param taskManager_ runs the tasks
    /// @param registry_ models and their terms
    constructor(address beacon_, address distributor_, address taskManager_, address registry_) {
        if (
            beacon_ == address(0) || distributor_ == address(0) || taskManager_ == address(0) || registry_ == address(0)
        ) {
            revert ZeroAddress();
        }
        beacon = IRandomnessBeacon(beacon_);
        distributor = IRewardDistributor(distributor_);
        taskManager = ITaskManager(taskManager_);
        registry = IModelRegistry(registry_);
    }

    // ---- anyone ----

    /// @inheritdoc IStakeSnapshots
    /// @dev Committees of the channel lane are of Compute accounts alone, so an operator holds at most one seat.
    function recordWeight(bytes32 modelId, uint32 account) external returns (uint256 epoch) {
        if (account & 1 == 1) revert NotCompute(account);
        uint64 weight = taskManager.isServing(modelId, account) ? distributor.weightOf(account) : 0;
        epoch = _open();
        _push(_weights[modelId][account], epoch, weight);
        emit WeightRecorded(modelId, account, epoch, weight);
    }

    /// @inheritdoc IStakeSnapshots
    function recordModel(bytes32 modelId) external returns (uint256 epoch) {
        IModelRegistry.Terms memory terms = registry.terms(modelId);
        // The event tells the price as it is kept, which is in whole gwei.
        // slither-disable-next-line divide-before-multiply
        uint256 price = terms.price / GWEI;
        if (price >= type(uint48).max) revert ModelTooDear(modelId, terms.price);
        epoch = _open();
        uint256 record = terms.active ? price + 1 : 0;
        _offers[modelId] = uint160(terms.provider) | record << PRICE_AT | epoch << EPOCH_AT;
        _prices[modelId].push(uint48(epoch), uint208(record));
        emit ModelRecorded(modelId, epoch, terms.active, uint96(price * GWEI));
    }

    // ---- views ----

    /// @inheritdoc IStakeSnapshots
    function weightAt(bytes32 modelId, uint256 epoch, uint32 account) external view returns (uint64) {
        return uint64(_at(_weights[modelId][account], epoch));
    }

    /// @inheritdoc IStakeSnapshots
    function termsAt(bytes32 modelId, uint256 epoch, uint32[] calldata accounts)
        external
        view
        returns (uint96 price, address provider, uint64[] memory weights)
    {
        uint256 offer = _offers[modelId];
        uint256 record =
            epoch >= offer >> EPOCH_AT ? uint48(offer >> PRICE_AT) : _prices[modelId].upperLookupRecent(uint48(epoch));
        if (record == 0) revert ModelNotRecorded(modelId, epoch);
        provider = address(uint160(offer));
        mapping(uint32 account => Series) storage series = _weights[modelId];
        weights = new uint64[](accounts.length);
        unchecked {
            price = uint96((record - 1) * GWEI);
            for (uint256 i; i < accounts.length; ++i) {
                weights[i] = uint64(_at(series[accounts[i]], epoch));
            }
        }
    }

    // ---- internal ----

    /// @dev The first epoch whose draws a record may still change: one whose seed nobody knows.
    function _open() private view returns (uint256 epoch) {
        epoch = beacon.currentEpoch() + 1;
        if (beacon.seedOf(epoch) != 0) revert SeedKnown(epoch);
    }

    function _push(Series storage series, uint256 epoch, uint96 value) private {
        uint256 recent = series.recent;
        uint256 record = epoch << VALUE_BITS | value;
        uint256 older = uint32(recent >> VALUE_BITS) == epoch ? recent >> RECORD_BITS : uint128(recent);
        series.recent = older << RECORD_BITS | record;
        series.history.push(uint48(epoch), value);
    }

    function _at(Series storage series, uint256 epoch) private view returns (uint96) {
        uint256 recent = series.recent;
        if (epoch >= uint32(recent >> VALUE_BITS)) return uint96(recent);
        recent >>= RECORD_BITS;
        if (epoch >= recent >> VALUE_BITS) return uint96(recent);
        return uint96(series.history.upperLookupRecent(uint48(epoch)));
    }
}
