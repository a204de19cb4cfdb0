// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IMLBridgeToken} from "./interfaces/IMLBridgeToken.sol";
import {IRewardPool} from "./interfaces/IRewardPool.sol";
import {PoolFunds} from "./rewards/PoolFunds.sol";
import {RewardMath} from "./libraries/RewardMath.sol";
import {VoteStream} from "./rewards/VoteStream.sol";

/// @title The community's MLB and inflation, and the rewards paid from them
/// @notice Holds the community's share of the supply and receives all inflation. MLB leaves it only through `claim`, to
/// whom it was credited. What it owes is never more than what it holds.
contract RewardPool is VoteStream, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @param authority_ AccessManager of `setRates` and `setVoteRecorder`
    /// @param token_ MLB, which mints inflation to this contract alone
    /// @param distributor_ the stake ledger
    /// @param taskManager_ knows who serves
    /// @param registry_ knows models
    /// @param rates_ rates and budgets of the streams
    constructor(
        address authority_,
        address token_,
        address distributor_,
        address taskManager_,
        address registry_,
        Rates memory rates_
    ) PoolFunds(authority_, token_, distributor_, taskManager_, registry_, rates_) {}

    /// @inheritdoc IRewardPool
    /// @dev The time before is accounted first: an empty pool cannot pay for it afterwards.
    function mintInflation() external returns (uint256 amount) {
        _advance();
        return IMLBridgeToken(address(token)).mint();
    }

    /// @inheritdoc IRewardPool
    function claim(address claimant) external nonReentrant returns (uint256 amount) {
        _creditStake(claimant);
        amount = _takeCredit(claimant);
        // What was booked for the claimant; MLB that somebody sends the pool can add to that, and never take from it.
        // slither-disable-next-line incorrect-equality
        if (amount == 0) revert NothingToClaim(claimant);
        emit Claimed(claimant, amount);
        token.safeTransfer(claimant, amount);
    }

    /// @inheritdoc IRewardPool
    /// @dev Staking cannot pay for more stake than there is MLB, and uptime not for more than twice that: so neither
    /// budget can be exceeded, and no account's reward waits for another's. A reporter gets part of what uptime does not
    /// pay.
    function dailyBudget() external view returns (uint256) {
        IMLBridgeToken mlb = IMLBridgeToken(address(token));
        uint256 supply = mlb.TOTAL_SUPPLY() + mlb.inflationMinted();
        uint256 points = uint256(_rates.stakingRate) + 2 * uint256(_rates.uptimeRate);
        return supply * points / (RewardMath.BASIS * 365) + _rates.rebateBudget + _rates.voteBudget / 7;
    }
}
