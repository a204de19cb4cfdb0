// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ITaskManager} from "../interfaces/ITaskManager.sol";
import {TaskStatus} from "../interfaces/Types.sol";
import {MAX_SEATS, SEAT_SLOTS} from "../libraries/SeatPacking.sol";
import {Body, Head} from "../libraries/TaskWords.sol";
import {PoolStore} from "./PoolStore.sol";

/// @title Where tasks and rounds are kept
/// @notice Third layer of the TaskManager and its module.
abstract contract TaskStore is PoolStore {
    struct Task {
        Head head;
        bytes32 inputHash;
        Body body;
    }

    /// @dev Dropped when the task ends; events keep the history.
    struct Round {
        uint256[SEAT_SLOTS] seats;
        /// Zero, then the commitment, then once opened the digest or the tagged votes.
        bytes32[MAX_SEATS] values;
        Head past; // the task's head when the round ended; empty while it runs
    }

    /// @dev Blocks from arming to the block whose hash decides: whoever arms cannot know it.
    uint256 internal constant RANDOMNESS_DELAY = 2;

    /// @dev Set on stored votes, so that a round of GREY votes is not mistaken for an empty slot.
    uint256 internal constant VOTE_TAG = 1 << 32;

    mapping(bytes32 taskId => Task) internal _tasks;
    mapping(bytes32 taskId => mapping(uint256 round => Round)) internal _rounds;
    /// @dev Accounts that lost their seat; they are never drawn again for this task.
    mapping(bytes32 taskId => uint32[]) internal _replaced;

    // ---- internal ----

    /// @dev Whether the task waits for a draw, so that its phase is a block number.
    function _waits(TaskStatus status) internal pure returns (bool) {
        return status == TaskStatus.Submitted || status == TaskStatus.Redrawing || status == TaskStatus.Escalated;
    }

    function _requireStatus(bytes32 taskId, Head head, TaskStatus wanted) internal pure {
        TaskStatus status = head.status();
        if (status == wanted) return;
        if (status == TaskStatus.None) revert ITaskManager.UnknownTask(taskId);
        revert ITaskManager.WrongStatus(taskId, status);
    }

    /// @dev What the head said of a round when it ended, or says of the one that runs.
    function _headAt(bytes32 taskId, Head head, uint256 round) internal view returns (Head) {
        return round == head.round() ? head : _rounds[taskId][round].past;
    }

    /// @dev The first committee cannot commit in time any more if its window is not over by the deadline. Drawing it
    /// all the same would punish members for a window that was too short.
    function _tooLate(Head head, Body body) internal view returns (bool) {
        return head.stage() == 0 && block.timestamp + _runAt[body.version()].commitWindow > body.deadline();
    }

    /// @dev Take a tip out of what was set aside, if any is left.
    function _takeTip(Head head, Body body) internal view returns (Head, uint256) {
        uint256 left = head.tips();
        return left == 0 ? (head, 0) : (head.withTips(left - 1), _runAt[body.version()].tip);
    }

    function _payTip(bytes32 taskId, address to, uint256 amount) internal {
        if (amount == 0) return;
        emit ITaskManager.TipPaid(taskId, to, amount);
        distributor.credit(to, taskId, amount);
    }

    function _openReveal(bytes32 taskId, Head head, Body body) internal {
        uint256 revealDeadline = block.timestamp + _runAt[body.version()].revealWindow;
        _tasks[taskId].head = head.withStatus(TaskStatus.Revealing).withPhaseAt(revealDeadline);
        emit ITaskManager.RevealOpened(taskId, uint8(head.round()), revealDeadline);
    }

    /// @dev What is left of the payment after the tips paid so far.
    function _afterTips(Head head, Body body) internal view returns (uint256) {
        return body.reward() - (TIPS - head.tips()) * _runAt[body.version()].tip;
    }

    function _ones(uint256 mask) internal pure returns (uint256 count) {
        for (; mask != 0; mask &= mask - 1) {
            ++count;
        }
    }
}
