// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IRandomnessBeacon} from "./IRandomnessBeacon.sol";

/// @title The randomness beacon as its posters and governance see it
interface IEpochBeacon is IRandomnessBeacon {
    /// @notice The value for `name` is not allowed.
    /// @param name which value
    error BadParameter(string name);
    /// @notice The epoch lies in the future.
    /// @param epoch number of the epoch
    /// @param current what holds now
    error EpochNotBegun(uint256 epoch, uint256 current);
    /// @notice The epoch is older than the beacon's first source, so it never gets a seed.
    /// @param epoch number of the epoch
    error NoSource(uint256 epoch);
    /// @notice The epoch has its seed.
    /// @param epoch number of the epoch
    error SeedExists(uint256 epoch);
    /// @param readyAt unix seconds
    /// @param epoch number of the epoch
    error SeedNotReady(uint256 epoch, uint256 readyAt);

    /// @notice An epoch's seed became known.
    /// @param epoch number of the epoch
    /// @param seed what the draw follows from
    /// @param poster who posted it
    event SeedPosted(uint256 indexed epoch, bytes32 seed, address indexed poster);
    /// @param fromEpoch first epoch whose seed comes from it
    /// @param source where the seeds of later epochs come from
    event SourceChanged(address indexed source, uint256 indexed fromEpoch);

    /// @notice Prove and keep the seed of an epoch; anyone. Reverts with EpochNotBegun, NoSource, SeedExists,
    /// SeedNotReady, or the source's own errors.
    /// @param proof in the form of the epoch's source
    /// @return seed never 0
    /// @param epoch number of the epoch
    function post(uint256 epoch, bytes calldata proof) external returns (bytes32 seed);

    /// @notice Governance only: take seeds from another source, from the second epoch after this one. Reverts with
    /// BadParameter if `source` is none.
    /// @param source where the seeds of later epochs come from
    function setSource(address source) external;

    /// @notice Where the seed of an epoch comes from; 0 if from nowhere. Settled for good one whole epoch before.
    /// @param epoch number of the epoch
    function sourceOf(uint256 epoch) external view returns (address);

    /// @notice Unix seconds at which an epoch begins. Reverts with BadParameter for epoch 0.
    /// @param epoch number of the epoch
    function startOf(uint256 epoch) external view returns (uint256);

    /// @notice Unix seconds from which the seed of an epoch can be proven. Reverts with NoSource.
    /// @param epoch number of the epoch
    function readyAt(uint256 epoch) external view returns (uint256);

    /// @notice Unix seconds at which epoch 1 began.
    function genesis() external view returns (uint256);

    /// @notice Length of an epoch.
    function epochSeconds() external view returns (uint256);
}
