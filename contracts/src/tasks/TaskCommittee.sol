// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Blockhash} from "@openzeppelin/contracts/utils/Blockhash.sol";

import {ITaskManager} from "../interfaces/ITaskManager.sol";
import {TaskStatus} from "../interfaces/Types.sol";
import {Hashing} from "../libraries/Hashing.sol";
import {MAX_SEATS, SEAT_SLOTS, SeatPacking} from "../libraries/SeatPacking.sol";
import {Head, HeadWord} from "../libraries/TaskWords.sol";
import {PoolDraw} from "./PoolDraw.sol";

/// @title Arming randomness and drawing seats from it
/// @notice Second layer of the TaskManager's own.
abstract contract TaskCommittee is PoolDraw {
    using SeatPacking for uint256[SEAT_SLOTS];

    /// @dev Draw the seats that wait. Only a draw that was carried out, or that ended the task, earns the tip.
    function _assign(bytes32 taskId, address caller) internal {
        Head head = _tasks[taskId].head;
        TaskStatus status = head.status();
        if (status == TaskStatus.None) revert ITaskManager.UnknownTask(taskId);
        if (!_waits(status)) revert ITaskManager.WrongStatus(taskId, status);
        uint256 tip;
        if (_tooLate(head)) {
            (head, tip) = _takeTip(head);
            _refund(taskId, head, "deadline");
        } else {
            uint256 randomnessBlock = head.phaseAt();
            if (block.number <= randomnessBlock) revert ITaskManager.RandomnessPending(taskId, randomnessBlock + 1);
            bytes32 randomness = Blockhash.blockHash(randomnessBlock);
            Lot memory lot;
            if (randomness != 0) _draw(lot, taskId, head, randomness);
            if (randomness == 0 || lot.stale) {
                if (status == TaskStatus.Submitted) _markRearmed(taskId, head);
                _arm(taskId, head, status);
                emit ITaskManager.RandomnessArmed(taskId, uint8(head.round()), block.number + RANDOMNESS_DELAY);
                return;
            }
            (head, tip) = _takeTip(head);
            if (lot.drawn == lot.wanted) _fill(taskId, head, status == TaskStatus.Redrawing, lot);
            else _endDraw(taskId, head);
        }
        _payTip(taskId, caller, tip);
    }

    function _draw(Lot memory lot, bytes32 taskId, Head head, bytes32 randomness) private view {
        uint256 wanted = head.seats();
        if (head.status() == TaskStatus.Redrawing) wanted -= HeadWord.ones(head.committed());
        lot.seed = Hashing.seed(randomness, taskId, head.round(), head.redraws());
        lot.epoch = head.armedEpoch();
        lot.wanted = wanted;
        if (head.status() != TaskStatus.Submitted) _barSeated(taskId, head, lot);
        if (head.stage() != 0) _drawFrom(_poolId(head.model(), true), lot);
        if (lot.drawn < wanted && !lot.stale) _drawFrom(_poolId(head.model(), false), lot);
    }

    /// @dev Every operator that sits or sat in this task, in either role.
    function _barSeated(bytes32 taskId, Head head, Lot memory lot) private view {
        // A running round has no seats before its first draw.
        uint256 rounds = head.status() == TaskStatus.Redrawing ? head.round() + 1 : head.round();
        uint32[] memory gone;
        if (head.replaced()) gone = _replaced[taskId];
        lot.barred = new uint32[](rounds * MAX_SEATS + gone.length + lot.wanted);
        for (uint256 round; round < rounds; ++round) {
            (uint32[] memory accounts,) = _roundAt(taskId, head, round).seats.load(_headAt(taskId, head, round).seats());
            for (uint256 i; i < accounts.length; ++i) {
                _bar(lot, accounts[i]);
            }
        }
        for (uint256 i; i < gone.length; ++i) {
            _bar(lot, gone[i]);
        }
    }

    function _fill(bytes32 taskId, Head head, bool redraw, Lot memory lot) private {
        if (redraw) {
            _refill(taskId, head, lot);
            return;
        }
        _roundAt(taskId, head, head.round()).seats.store(lot.accounts, lot.weights, _runAt[head.version()].revealWindow);
        _openCommit(taskId, head, lot.accounts, lot.weights, lot.seed);
    }

    /// @dev Give the seats of those that did not commit to those that were drawn.
    function _refill(bytes32 taskId, Head head, Lot memory lot) private {
        Round storage round = _roundAt(taskId, head, head.round());
        (uint32[] memory accounts, uint64[] memory weights) = round.seats.load(head.seats());
        uint256 next;
        for (uint256 i; i < accounts.length; ++i) {
            if (head.committed() >> i & 1 == 1) continue;
            _replaced[taskId].push(accounts[i]);
            (accounts[i], weights[i]) = (lot.accounts[next], lot.weights[next]);
            ++next;
        }
        round.seats.store(accounts, weights, round.seats.extraOf());
        _openCommit(taskId, head.withReplaced(), accounts, weights, lot.seed);
    }

    /// @dev The pool has too few left. Judges may still decide if enough of them committed; the empty seats then count
    /// as silent.
    function _endDraw(bytes32 taskId, Head head) private {
        if (head.stage() != 0 && HeadWord.ones(head.committed()) >= MIN_SEATS) {
            _openReveal(taskId, head, _roundAt(taskId, head, head.round()));
        } else {
            _refund(taskId, head, "too few operators");
        }
    }
}
