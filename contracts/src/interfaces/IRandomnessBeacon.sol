// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Seeds of epochs, for contracts that draw
interface IRandomnessBeacon {
    /// @notice The seed of an epoch: made after the epoch began, by its source's clock, and never changed.
    /// @param epoch counted from 1 at the beacon's genesis
    /// @return 0 while it is not known; it may stay so for ever, so whoever waits for it needs a deadline
    function seedOf(uint256 epoch) external view returns (bytes32);

    /// @notice The epoch that runs now, counted from 1.
    function currentEpoch() external view returns (uint256);
}
