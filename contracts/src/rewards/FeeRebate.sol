// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IChannelLedger} from "../interfaces/IChannelLedger.sol";
import {IPaymentChannels} from "../interfaces/IPaymentChannels.sol";
import {IRewardPool, Stream} from "../interfaces/IRewardPool.sol";
import {RewardMath} from "../libraries/RewardMath.sol";
import {UptimeStream} from "./UptimeStream.sol";

/// @title Participation and quality bonus: part of the protocol fee comes back in MLB to who earned the fees
/// @notice Fourth layer of the RewardPool. Seat fees count in full, model fees by the provider's quality. Whoever pays
/// itself for tasks pays the whole protocol fee and gets back less than half its worth.
/// @dev The ledger counts fees as it pays them, and is asked only here: a task pays no gas for its bonus.
abstract contract FeeRebate is UptimeStream {
    /// @dev Fees of an earner that are paid for, in wei, within a season.
    /// @param seatFees wei earned as seat fees
    /// @param modelFees wei earned as model fees
    struct Counted {
        uint128 seatFees;
        uint128 modelFees;
    }

    mapping(address earner => Counted) private _counted;
    mapping(address earner => uint256) private _seasonOf;
    /// @dev Days since 1970, and MLB credited on that day.
    uint64 private _rebateDay;
    uint128 private _rebateSpent;

    // ---- anyone ----

    /// @inheritdoc IRewardPool
    function collectRebate(address earner) external returns (uint256 amount) {
        (uint256 seatFees, uint256 modelFees) = distributor.feesEarned(earner);
        uint256 fee = lowerRebateFee();
        if (_seasonOf[earner] != season) {
            if (block.timestamp < seasonFrom) revert SeasonNotOpen(seasonFrom);
            _seasonOf[earner] = season;
            _counted[earner] = Counted(uint128(seatFees), uint128(modelFees));
            emit SeasonOpened(earner, season);
            return 0;
        }
        _advance();
        uint256 left = Math.min(_budgetLeft(), _free());
        Counted memory counted = _counted[earner];
        (uint256 seats, uint256 bonus) =
            RewardMath.rebate(seatFees - counted.seatFees, fee * RewardMath.BASIS, _rates.mlbPerCoin, left);
        (uint256 models, uint256 quality) = RewardMath.rebate(
            modelFees - counted.modelFees, fee * registry.qualityOf(earner), _rates.mlbPerCoin, left - bonus
        );
        amount = bonus + quality;
        // No fee is left to pay for, or no MLB to pay with; sending the pool some can only turn it into a payment.
        // slither-disable-next-line incorrect-equality
        if (amount == 0) revert NothingToCollect(earner);
        _counted[earner] = Counted(counted.seatFees + uint128(seats), counted.modelFees + uint128(models));
        _rebateSpent += uint128(amount);
        if (bonus != 0) _book(earner, Stream.Participation, bonus);
        if (quality != 0) _book(earner, Stream.Quality, quality);
    }

    /// @inheritdoc IRewardPool
    function lowerRebateFee() public returns (uint256 rebateFee) {
        rebateFee = _rates.rebateFee;
        uint256 taken = _leastTaken();
        if (taken >= rebateFee) return rebateFee;
        rebateFee = taken;
        _rates.rebateFee = uint16(rebateFee);
        emit RebateFeeLowered(rebateFee);
    }

    // ---- internal ----

    /// @dev The least of both lanes, because nobody asks a fee which one it was earned in. A channel keeps the share that
    /// it was opened with, so for channels it is the least that ever held.
    function _leastTaken() private view returns (uint256 taken) {
        taken = taskManager.parameters().protocolFee;
        address channels = IChannelLedger(address(distributor)).channels();
        if (channels != address(0)) taken = Math.min(taken, IPaymentChannels(channels).leastProtocolShare());
    }

    function _budgetLeft() private returns (uint256) {
        uint256 today = block.timestamp / 1 days;
        if (_rebateDay != today) (_rebateDay, _rebateSpent) = (uint64(today), 0);
        uint256 budget = _rates.rebateBudget;
        // A budget may have been lowered below what was spent today.
        return budget - Math.min(budget, _rebateSpent);
    }
}
