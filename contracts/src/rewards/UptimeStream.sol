// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "../interfaces/IRewardDistributor.sol";
import {IRewardPool, Stream} from "../interfaces/IRewardPool.sol";
import {RewardMath} from "../libraries/RewardMath.sol";
import {StakeStream} from "./StakeStream.sol";

/// @title What bonded Compute stake earns while it serves: stake x time x rate, and more for early operators
/// @notice Third layer of the RewardPool. A check-in pays for the time since the one before, at most a day, at the rate
/// that stood then. A punishment or taking stake out in between forfeits that time, and so does not serving, once anybody
/// shows it. What one account forfeits goes to no other: the rate is the same whoever else is up.
abstract contract UptimeStream is StakeStream {
    /// @dev Longest time that one check-in pays for.
    uint256 private constant LONGEST_INTERVAL = 1 days;
    /// @dev Operators that get the early bonus, by their id.
    uint256 private constant EARLY_OPERATORS = 1_000;
    /// @dev A reporter's part of what is forfeited: a tenth, so reporting oneself loses nine.
    uint256 private constant REPORT_DIVISOR = 10;

    mapping(uint32 account => Interval) private _intervals;

    // ---- operators ----

    /// @inheritdoc IRewardPool
    function checkIn(uint32 account, bytes32 modelId) external returns (uint256 amount) {
        if (account & 1 == 1) revert NotCompute(account);
        IRewardDistributor.Account memory held = distributor.accounts(account);
        if (msg.sender != held.operator && taskManager.operatorOfNode(msg.sender) != account >> 1) {
            revert NotOperator(account, msg.sender);
        }
        if (distributor.weightOf(account) == 0 || held.absences != 0) revert NotUp(account);
        IModelRegistry.Terms memory terms = registry.terms(modelId);
        if (!terms.active || !taskManager.isServing(modelId, account)) revert NotServing(modelId, account);

        amount = uptimeOf(account);
        uint256 rate = _rates.uptimeRate * (RewardMath.BASIS + earlyBonus(account >> 1));
        _intervals[account] =
            Interval({since: uint40(block.timestamp), stake: held.bonded, rate: uint32(rate), model: terms.index});
        emit CheckedIn(account, modelId, held.bonded, rate);
        if (amount != 0) amount = _credit(held.operator, Stream.Uptime, amount);
    }

    // ---- anyone ----

    /// @inheritdoc IRewardPool
    function report(uint32 account) external returns (uint256 amount) {
        Interval memory interval = _intervals[account];
        // The time of the check-in that counts, and zero where none does.
        // slither-disable-next-line incorrect-equality
        if (interval.since == 0) revert NotCheckedIn(account);
        bytes32 modelId = registry.modelAt(interval.model);
        if (taskManager.isServing(modelId, account)) revert StillServing(modelId, account);
        amount = uptimeOf(account) / REPORT_DIVISOR;
        _forfeit(account);
        if (amount != 0) amount = _credit(msg.sender, Stream.Report, amount);
    }

    // ---- RewardDistributor only ----

    /// @inheritdoc IRewardPool
    function interrupt(uint32 account) external onlyDistributor {
        if (_intervals[account].since != 0) _forfeit(account);
    }

    // ---- views ----

    /// @inheritdoc IRewardPool
    function intervalOf(uint32 account) external view returns (Interval memory) {
        return _intervals[account];
    }

    /// @inheritdoc IRewardPool
    function uptimeOf(uint32 account) public view returns (uint256) {
        Interval memory interval = _intervals[account];
        // As in report: zero where no check-in counts.
        // slither-disable-next-line incorrect-equality
        if (interval.since == 0) return 0;
        uint256 elapsed = Math.min(block.timestamp - interval.since, LONGEST_INTERVAL);
        return RewardMath.uptime(interval.stake, interval.rate, elapsed);
    }

    /// @inheritdoc IRewardPool
    function earlyBonus(uint32 operatorId) public view returns (uint256) {
        return operatorId > EARLY_OPERATORS ? 0 : RewardMath.earlyBonus(block.timestamp - genesis);
    }

    // ---- internal ----

    function _forfeit(uint32 account) private {
        delete _intervals[account];
        emit Interrupted(account);
    }
}
