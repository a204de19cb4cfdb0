// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC20Votes} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {Time} from "@openzeppelin/contracts/utils/types/Time.sol";

import {IMLBridgeToken} from "./interfaces/IMLBridgeToken.sol";
import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {IRewardPool} from "./interfaces/IRewardPool.sol";
import {Inflation} from "./libraries/Inflation.sol";

/// @title MLB
/// @notice Stake, slashes, judge fees and rewards are paid in it. The genesis supply is minted at construction. After that
/// the RewardPool alone can mint, only to itself, and never more than `Inflation` allows by that moment.
contract MLBridgeToken is ERC20, ERC20Burnable, ERC20Permit, ERC20Votes, IMLBridgeToken {
    /// @inheritdoc IMLBridgeToken
    /// @dev What was minted at genesis. `totalSupply` has inflation added and burned slashes taken off.
    uint256 public constant TOTAL_SUPPLY = Inflation.GENESIS_SUPPLY;
    /// @inheritdoc IMLBridgeToken
    uint256 public constant INFLATION_RATE = Inflation.RATE;
    /// @inheritdoc IMLBridgeToken
    uint256 public constant INFLATION_CAP = Inflation.LATE_RATE;

    uint256 private constant HUNDREDTH = TOTAL_SUPPLY / 100;

    /// @notice The stake ledger: holds every staked MLB.
    IRewardDistributor public immutable distributor;
    /// @inheritdoc IMLBridgeToken
    address public immutable rewardPool;
    /// @inheritdoc IMLBridgeToken
    uint256 public immutable genesis;

    /// @inheritdoc IMLBridgeToken
    uint256 public inflationMinted;

    /// @notice An address argument is the zero address.
    error ZeroAddress();

    /// @param allocation who receives the genesis supply; contracts among them may not exist yet
    /// @param distributor_ the RewardDistributor, whose address may be predicted before it exists
    constructor(Allocation memory allocation, address distributor_) ERC20("ML Bridge", "MLB") ERC20Permit("ML Bridge") {
        // The zero address cannot receive MLB, so only the distributor has to be asked for.
        if (distributor_ == address(0)) revert ZeroAddress();
        distributor = IRewardDistributor(distributor_);
        rewardPool = allocation.community;
        genesis = block.timestamp;
        _mint(allocation.community, 40 * HUNDREDTH);
        _mint(allocation.team, 15 * HUNDREDTH);
        _mint(allocation.ecosystem, 20 * HUNDREDTH);
        _mint(allocation.liquidity, 10 * HUNDREDTH);
        _mint(allocation.reserve, 15 * HUNDREDTH);
    }

    /// @inheritdoc IMLBridgeToken
    function mint() external returns (uint256 amount) {
        if (msg.sender != rewardPool) revert OnlyRewardPool(msg.sender);
        uint256 minted = inflationMinted;
        amount = mintable();
        // It follows from the time and from what was minted, and from no balance.
        // slither-disable-next-line incorrect-equality
        if (amount == 0) revert NothingToMint(minted);
        inflationMinted = minted + amount;
        emit InflationMinted(amount, minted + amount);
        _mint(msg.sender, amount);
    }

    /// @inheritdoc IMLBridgeToken
    function mintable() public view returns (uint256) {
        return Inflation.issuable(block.timestamp - genesis) - inflationMinted;
    }

    /// @inheritdoc IMLBridgeToken
    function stake(uint256 amount) external {
        if (amount == 0) revert InvalidStakeAmount();
        emit Staked(msg.sender, amount);
        // The tokens move first, so that the ledger never counts stake that it does not hold.
        _transfer(msg.sender, address(distributor), amount);
        distributor.onTokenStake(msg.sender, amount);
    }

    /// @inheritdoc IMLBridgeToken
    function stakingBalances(address holder) external view returns (uint256) {
        return distributor.totalStakeOf(holder);
    }

    /// @inheritdoc IMLBridgeToken
    function stakingRewards(address holder) external view returns (uint256) {
        return distributor.claimableTokens(holder) + IRewardPool(rewardPool).owedTo(holder);
    }

    /// @notice Voting checkpoints are kept by time, not by block number, so that they mean the same on every chain.
    function clock() public view override returns (uint48) {
        return Time.timestamp();
    }

    /// @notice EIP-6372.
    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    /// @notice One sequence for permits and delegations.
    /// @param owner whose it is
    function nonces(address owner) public view override(ERC20Permit, Nonces) returns (uint256) {
        return super.nonces(owner);
    }

    /// @dev Balances and voting units move together.
    function _update(address from, address to, uint256 value) internal override(ERC20, ERC20Votes) {
        super._update(from, to, value);
    }
}
