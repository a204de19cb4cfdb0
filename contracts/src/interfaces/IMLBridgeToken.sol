// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title MLB beyond ERC-20, ERC-2612 and ERC-5805: the white paper's staking face, and inflation
interface IMLBridgeToken {
    /// @notice Who receives the genesis supply.
    /// @param community 40 %: the RewardPool, the one minter
    /// @param team 15 %: the vesting wallet of team and advisors
    /// @param ecosystem 20 %
    /// @param liquidity 10 %
    /// @param reserve 15 %
    struct Allocation {
        address community;
        address team;
        address ecosystem;
        address liquidity;
        address reserve;
    }

    /// @notice The amount to stake must be above zero.
    error InvalidStakeAmount();
    /// @notice Only the RewardPool contract mints MLB; `caller` is not it.
    /// @param caller who called
    error OnlyRewardPool(address caller);
    /// @notice Everything that the formula allows so far is minted.
    /// @param minted MLB minted since genesis
    error NothingToMint(uint256 minted);

    /// @notice Somebody staked as a holder.
    /// @param holder who holds the stake
    /// @param amount MLB, 18 decimals
    event Staked(address indexed holder, uint256 amount);
    /// @param amount MLB minted now
    /// @param total MLB minted since genesis, beyond the genesis supply
    event InflationMinted(uint256 amount, uint256 total);

    /// @notice MLB minted at genesis, 18 decimals.
    function TOTAL_SUPPLY() external view returns (uint256);
    /// @notice Basis points of the nominal supply issued in each of the first ten years.
    function INFLATION_RATE() external view returns (uint256);
    /// @notice Basis points of the nominal supply issued in each year after the tenth.
    function INFLATION_CAP() external view returns (uint256);
    /// @notice Unix seconds from which inflation counts.
    function genesis() external view returns (uint256);
    /// @notice The one minter.
    function rewardPool() external view returns (address);
    /// @notice MLB minted since genesis, beyond the genesis supply.
    function inflationMinted() external view returns (uint256);
    /// @notice MLB that `mint` would create now.
    function mintable() external view returns (uint256);
    /// @notice MLB staked by an address over all roles; kept by the RewardDistributor.
    /// @param holder who holds the stake
    function stakingBalances(address holder) external view returns (uint256);
    /// @notice MLB that an address can claim: from the RewardDistributor (judge fees, reporter shares) and from the
    /// RewardPool (rewards).
    /// @param holder who holds the stake
    function stakingRewards(address holder) external view returns (uint256);
    /// @notice Stake as a plain holder.
    /// @dev Reverts with InvalidStakeAmount for 0.
    /// @param amount MLB, 18 decimals
    function stake(uint256 amount) external;
    /// @notice RewardPool only: mint to it what the formula allows now and nobody minted yet.
    /// @dev Reverts with OnlyRewardPool, or with NothingToMint.
    /// @return amount MLB minted
    function mint() external returns (uint256 amount);
}
