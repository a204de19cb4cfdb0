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

/// @title MLB
/// @notice Stake, slashes and judge fees are paid in it. The whole supply is minted once, to the treasury; this
/// contract has no way to mint more.
contract MLBridgeToken is ERC20, ERC20Burnable, ERC20Permit, ERC20Votes, IMLBridgeToken {
    /// @inheritdoc IMLBridgeToken
    /// @dev What was minted. `totalSupply` is less once slashes have burned some.
    uint256 public constant TOTAL_SUPPLY = 1_000_000_000e18;

    /// @inheritdoc IMLBridgeToken
    /// @dev Basis points a year. A bound for a future issuance module; nothing here issues.
    uint256 public constant INFLATION_RATE = 300;

    /// @inheritdoc IMLBridgeToken
    /// @dev Basis points a year from the eleventh year on.
    uint256 public constant INFLATION_CAP = 50;

    /// @notice The stake ledger: holds every staked MLB.
    IRewardDistributor public immutable distributor;

    error ZeroAddress();

    /// @param treasury receives the whole supply
    /// @param distributor_ the RewardDistributor, whose address may be predicted before it exists
    constructor(address treasury, address distributor_) ERC20("ML Bridge", "MLB") ERC20Permit("ML Bridge") {
        if (treasury == address(0) || distributor_ == address(0)) revert ZeroAddress();
        distributor = IRewardDistributor(distributor_);
        _mint(treasury, TOTAL_SUPPLY);
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
        return distributor.claimableTokens(holder);
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
    function nonces(address owner) public view override(ERC20Permit, Nonces) returns (uint256) {
        return super.nonces(owner);
    }

    /// @dev Balances and voting units move together.
    function _update(address from, address to, uint256 value) internal override(ERC20, ERC20Votes) {
        super._update(from, to, value);
    }
}
