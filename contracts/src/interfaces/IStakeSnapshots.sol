// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Weights and prices by epoch, fixed before the epoch's seed is known
/// @notice An account counts with what was last recorded for it. A record takes effect with a later epoch and is then
/// fixed for ever, so whoever reads an epoch that has begun reads the same always.
interface IStakeSnapshots {
    error ZeroAddress();
    error NotCompute(uint32 account);
    error SeedKnown(uint256 epoch);
    error ModelNotRecorded(bytes32 modelId, uint256 epoch);
    error ModelTooDear(bytes32 modelId, uint256 price);

    event WeightRecorded(bytes32 indexed modelId, uint32 indexed account, uint256 epoch, uint64 weight);
    event ModelRecorded(bytes32 indexed modelId, uint256 epoch, bool active, uint96 price);

    /// @notice Record an account's present weight for a model, from the next epoch on; anyone, for any account. Up or
    /// down: whatever is true now. Zero while it does not serve the model.
    /// @return epoch with which the record takes effect
    /// @dev Reverts with NotCompute for a Verifier account, UnknownModel, SeedKnown.
    function recordWeight(bytes32 modelId, uint32 account) external returns (uint256 epoch);

    /// @notice Record a model's present price, rounded down to whole gwei, from the next epoch on; anyone. A model that
    /// is not active has none.
    /// @return epoch with which the record takes effect
    /// @dev Reverts with UnknownModel, ModelTooDear, SeedKnown.
    function recordModel(bytes32 modelId) external returns (uint256 epoch);

    /// @notice The weight that an account has in an epoch's draws; 0 if it has none.
    function weightAt(bytes32 modelId, uint256 epoch, uint32 account) external view returns (uint64);

    /// @notice Price in wei, provider, and weights of accounts in one epoch.
    /// @dev Reverts with ModelNotRecorded if the model had no price in that epoch.
    function termsAt(bytes32 modelId, uint256 epoch, uint32[] calldata accounts)
        external
        view
        returns (uint96 price, address provider, uint64[] memory weights);
}
