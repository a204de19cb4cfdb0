// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Weights and prices by epoch, fixed before the epoch's seed is known
/// @notice An account counts with what was last recorded for it. A record takes effect with a later epoch and is then
/// fixed for ever, so whoever reads an epoch that has begun reads the same always.
interface IStakeSnapshots {
    /// @notice An address argument is the zero address.
    error ZeroAddress();
    /// @notice The account `account` is not in the compute role.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NotCompute(uint32 account);
    /// @notice The seed of epoch `epoch` is known already, so its draws are fixed.
    /// @param epoch epoch at whose start it stood so
    error SeedKnown(uint256 epoch);
    /// @notice The model `modelId` had no recorded price in epoch `epoch`.
    /// @param modelId id of the model
    /// @param epoch epoch at whose start it stood so
    error ModelNotRecorded(bytes32 modelId, uint256 epoch);
    /// @notice The price `price` of the model `modelId` is too high.
    /// @param modelId id of the model
    /// @param price wei for a task
    error ModelTooDear(bytes32 modelId, uint256 price);

    /// @notice An account's weight for an epoch was recorded.
    /// @param modelId id of the model
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param epoch epoch at whose start it stood so
    /// @param weight stake (whole MLB) x reputation (basis points)
    event WeightRecorded(bytes32 indexed modelId, uint32 indexed account, uint256 epoch, uint64 weight);
    /// @notice A model's terms for an epoch were recorded.
    /// @param modelId id of the model
    /// @param epoch epoch at whose start it stood so
    /// @param active whether it takes tasks
    /// @param price wei for a task
    event ModelRecorded(bytes32 indexed modelId, uint256 epoch, bool active, uint96 price);

    /// @notice Record an account's present weight for a model, from the next epoch on; anyone, for any account. Up or
    /// down: whatever is true now. Zero while it does not serve the model.
    /// @return epoch with which the record takes effect
    /// @dev Reverts with NotCompute for a Verifier account, UnknownModel, SeedKnown.
    /// @param modelId id of the model
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    function recordWeight(bytes32 modelId, uint32 account) external returns (uint256 epoch);

    /// @notice Record a model's present price, rounded down to whole gwei, from the next epoch on; anyone. A model that
    /// is not active has none.
    /// @return epoch with which the record takes effect
    /// @dev Reverts with UnknownModel, ModelTooDear, SeedKnown.
    /// @param modelId id of the model
    function recordModel(bytes32 modelId) external returns (uint256 epoch);

    /// @notice The weight that an account has in an epoch's draws; 0 if it has none.
    /// @param modelId id of the model
    /// @param epoch epoch at whose start it stood so
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    function weightAt(bytes32 modelId, uint256 epoch, uint32 account) external view returns (uint64);

    /// @notice Price in wei, provider, and weights of accounts in one epoch.
    /// @dev Reverts with ModelNotRecorded if the model had no price in that epoch.
    /// @param modelId id of the model
    /// @param epoch epoch at whose start it stood so
    /// @param accounts account ids, in the order of the draw
    /// @return price wei for a task
    /// @return provider who registered the model
    /// @return weights draw weights, in the order of the accounts
    function termsAt(bytes32 modelId, uint256 epoch, uint32[] calldata accounts)
        external
        view
        returns (uint96 price, address provider, uint64[] memory weights);
}
