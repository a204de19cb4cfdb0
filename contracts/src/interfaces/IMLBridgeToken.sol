// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title MLB beyond ERC-20, ERC-2612 and ERC-5805: the white paper's staking face
interface IMLBridgeToken {
    error InvalidStakeAmount();

    event Staked(address indexed holder, uint256 amount);

    function TOTAL_SUPPLY() external view returns (uint256);
    function INFLATION_RATE() external view returns (uint256);
    function INFLATION_CAP() external view returns (uint256);
    /// @notice MLB staked by an address over all roles; kept by the RewardDistributor.
    function stakingBalances(address holder) external view returns (uint256);
    /// @notice MLB rewards that an address can claim from the RewardDistributor.
    function stakingRewards(address holder) external view returns (uint256);
    /// @notice Stake as a plain holder.
    function stake(uint256 amount) external;
}
