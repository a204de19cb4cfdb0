// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Blockhash} from "@openzeppelin/contracts/utils/Blockhash.sol";

import {ITaskManager} from "../interfaces/ITaskManager.sol";
import {RoundKind, TaskStatus} from "../interfaces/Types.sol";
import {Hashing} from "../libraries/Hashing.sol";
import {MAX_SEATS, SEAT_SLOTS, SeatPacking} from "../libraries/SeatPacking.sol";
import {Body, Head} from "../libraries/TaskWords.sol";
import {PoolDesk} from "./PoolDesk.sol";

/// @title Arming randomness and drawing seats from it
/// @notice Second layer of the module's own.
abstract contract TaskCommittee is PoolDesk {
    using SeatPacking for uint256;
    using SeatPacking for uint256[SEAT_SLOTS];

    /// @dev Draw the seats that wait. Only a draw that was carried out, or that ended the task, earns the tip.
    function _assign(bytes32 taskId, address caller) internal {
        Head head = _tasks[taskId].head;
        if (head.isEmpty()) revert ITaskManager.UnknownTask(taskId);
        if (!_waits(head.status())) revert ITaskManager.WrongStatus(taskId, head.status());
        Body body = _tasks[taskId].body;
        uint256 tip;
        if (_tooLate(head, body)) {
            (head, tip) = _takeTip(head, body);
            _refund(taskId, head, body, "deadline", false);
        } else {
            uint256 randomnessBlock = head.phaseAt();
            if (block.number <= randomnessBlock) revert ITaskManager.RandomnessPending(taskId, randomnessBlock + 1);
            bytes32 randomness = Blockhash.blockHash(randomnessBlock);
            Lot memory lot;
            if (randomness != 0) lot = _draw(taskId, head, body, randomness);
            if (randomness == 0 || lot.stale) {
                _rearm(taskId, head, body);
                return;
            }
            (head, tip) = _takeTip(head, body);
            if (lot.drawn == lot.wanted) _fill(taskId, head, body, lot);
            else _endDraw(taskId, head, body);
        }
        _payTip(taskId, caller, tip);
    }

    /// @dev Wait for randomness that nobody knows yet, and let the pools be what they are now.
    function _arm(Head head, Body body, TaskStatus status) internal view returns (Head, Body) {
        return (
            head.withStatus(status).withPhaseAt(block.number + RANDOMNESS_DELAY),
            body.withArmedEpoch(_epoch())
        );
    }

    /// @dev Open the commit phase of a round whose seats are all held.
    function _openCommit(bytes32 taskId, Head head, Body body, uint256[] memory seats, bytes32 seed) internal {
        uint256 commitDeadline = block.timestamp + _runAt[body.version()].commitWindow;
        _tasks[taskId].head = head.withStatus(TaskStatus.Committing).withPhaseAt(commitDeadline);
        _rounds[taskId][head.round()].seats.store(seats);
        uint32[] memory accounts = new uint32[](seats.length);
        uint64[] memory weights = new uint64[](seats.length);
        for (uint256 i; i < seats.length; ++i) {
            (accounts[i], weights[i]) = (seats[i].accountOf(), seats[i].weightOf());
        }
        emit ITaskManager.CommitteeDrawn(taskId, uint8(head.round()), head.kind(), accounts, weights, commitDeadline, seed);
    }

    function _draw(bytes32 taskId, Head head, Body body, bytes32 randomness) private view returns (Lot memory lot) {
        uint256 seats = head.seats();
        lot.seed = Hashing.seed(randomness, taskId, head.round(), head.redraws());
        lot.epoch = body.armedEpoch();
        lot.wanted = head.status() == TaskStatus.Redrawing ? seats - head.committed() : seats;
        lot.accounts = new uint32[](lot.wanted);
        lot.weights = new uint64[](lot.wanted);
        _barSeated(taskId, head, lot);
        if (head.stage() != 0) _drawFrom(_poolId(body.model(), true), lot);
        if (lot.drawn < lot.wanted && !lot.stale) _drawFrom(_poolId(body.model(), false), lot);
    }

    /// @dev Every operator that sits or sat in this task, in either role.
    function _barSeated(bytes32 taskId, Head head, Lot memory lot) private view {
        // A running round has no seats before its first draw.
        uint256 rounds = head.status() == TaskStatus.Redrawing ? head.round() + 1 : head.round();
        uint32[] memory gone;
        if (head.replaced()) gone = _replaced[taskId];
        lot.barred = new uint32[](rounds * MAX_SEATS + gone.length + lot.wanted);
        for (uint256 round; round < rounds; ++round) {
            uint256[] memory seats = _rounds[taskId][round].seats.load(_headAt(taskId, head, round).seats());
            for (uint256 i; i < seats.length; ++i) {
                _bar(lot, seats[i].accountOf());
            }
        }
        for (uint256 i; i < gone.length; ++i) {
            _bar(lot, gone[i]);
        }
    }

    function _fill(bytes32 taskId, Head head, Body body, Lot memory lot) private {
        Round storage round = _rounds[taskId][head.round()];
        bool redraw = head.status() == TaskStatus.Redrawing;
        uint256[] memory seats = redraw ? round.seats.load(head.seats()) : new uint256[](head.seats());
        uint256 next;
        for (uint256 i; i < seats.length; ++i) {
            if (redraw) {
                if (round.values[i] != 0) continue;
                _replaced[taskId].push(seats[i].accountOf());
                head = head.withReplaced();
            }
            seats[i] = SeatPacking.pack(lot.accounts[next], lot.weights[next]);
            ++next;
        }
        _openCommit(taskId, head, body, seats, lot.seed);
    }

    /// @dev The pool has too few left. Judges may still decide if enough of them committed; the empty seats then count
    /// as silent.
    function _endDraw(bytes32 taskId, Head head, Body body) private {
        if (head.stage() != 0 && head.committed() >= MIN_SEATS) _openReveal(taskId, head, body);
        else _refund(taskId, head, body, "too few operators", false);
    }

    function _rearm(bytes32 taskId, Head head, Body body) private {
        (head, body) = _arm(head, body, head.status());
        (_tasks[taskId].head, _tasks[taskId].body) = (head, body);
        emit ITaskManager.RandomnessArmed(taskId, uint8(head.round()), head.phaseAt());
    }
}
