// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {ITaskManager} from "../interfaces/ITaskManager.sol";
import {Fault, Policy, RoundKind, TaskStatus, Verdict} from "../interfaces/Types.sol";
import {SEAT_SLOTS, SeatPacking} from "../libraries/SeatPacking.sol";
import {Body, Head} from "../libraries/TaskWords.sol";
import {Rules} from "./Rules.sol";
import {TaskCommittee} from "./TaskCommittee.sol";

/// @title The half of the TaskManager that needs no speed
/// @notice Draws, closings, escalation, serving, parameters. Code of the TaskManager that runs by delegatecall on its
/// storage, because one contract may not exceed 24,576 bytes. The TaskManager makes it at its construction and can
/// never change it. Called directly it works on its own empty storage and has no rights anywhere.
contract TaskModule is TaskCommittee {
    using SeatPacking for uint256;
    using SeatPacking for uint256[SEAT_SLOTS];

    uint256 private constant LAST_STAGE = 2;

    constructor(
        address authority,
        address bridge_,
        address verifier_,
        address distributor_,
        address registry_,
        uint256 epochSeconds_
    ) AccessManaged(authority) Rules(bridge_, verifier_, distributor_, registry_, epochSeconds_) {}

    // ---- anyone ----

    /// @notice See ITaskManager.
    function assign(bytes32 taskId) external {
        _assign(taskId, msg.sender);
    }

    /// @notice See ITaskManager.
    function poke(bytes32 taskId) external {
        TaskStatus status = _tasks[taskId].head.status();
        if (status == TaskStatus.Committing) _closeCommit(taskId, msg.sender);
        else if (status == TaskStatus.Revealing) _closeReveal(taskId);
        else _assign(taskId, msg.sender);
    }

    // ---- ConsensusVerifier only ----

    /// @notice The verdicts that do not settle the task. See ITaskManager.
    function applyVerdict(bytes32 taskId, Verdict calldata verdict, address caller) external {
        (Head head, Body body, uint256 tip) = _closing(taskId, caller);
        if (head.stage() == LAST_STAGE) _refund(taskId, head, body, "no verdict", true);
        else _continue(taskId, head, body, verdict.dissent);
        _payTip(taskId, caller, tip);
    }

    // ---- governance ----

    /// @notice See ITaskManager.
    function setParameters(ITaskManager.Parameters calldata parameters_) external restricted {
        _setParameters(parameters_, distributor.unbondingDelay());
    }

    // ---- internal ----

    /// @dev Close a commit phase with silent seats.
    function _closeCommit(bytes32 taskId, address caller) internal {
        Head head = _tasks[taskId].head;
        if (block.timestamp <= head.phaseAt()) revert ITaskManager.PhaseOpen(taskId, head.phaseAt());
        Body body = _tasks[taskId].body;
        uint256 tip;
        (head, tip) = _takeTip(head, body);
        uint32[] memory silent = _punishSilent(taskId, head);

        if (head.stage() == 0 && head.kind() == RoundKind.Vote) {
            // Nobody can step in: a newcomer holds no result of its own to compare with.
            _openReveal(taskId, head, body);
            if (head.committed() == 0) verifier.processVerificationRound(taskId);
        } else {
            emit ITaskManager.SeatsVacated(taskId, uint8(head.round()), silent);
            if (head.redraws() < _runAt[body.version()].maxRedraws && !_tooLate(head, body)) {
                _armRedraw(taskId, head, body);
            } else if (head.stage() != 0 && head.committed() >= MIN_SEATS) {
                _openReveal(taskId, head, body);
            } else {
                _refund(taskId, head, body, "silent committee", false);
            }
        }
        _payTip(taskId, caller, tip);
    }

    function _punishSilent(bytes32 taskId, Head head) private returns (uint32[] memory silent) {
        Round storage round = _rounds[taskId][head.round()];
        uint256[] memory seats = round.seats.load(head.seats());
        silent = new uint32[](seats.length - head.committed());
        uint256 count;
        for (uint256 i; i < seats.length; ++i) {
            if (round.values[i] != 0) continue;
            silent[count] = seats[i].accountOf();
            distributor.slash(silent[count], taskId, Fault.Absent, 0, address(0));
            ++count;
        }
    }

    function _armRedraw(bytes32 taskId, Head head, Body body) private {
        (head, body) = _arm(head.withRedraws(head.redraws() + 1), body, TaskStatus.Redrawing);
        (_tasks[taskId].head, _tasks[taskId].body) = (head, body);
        emit ITaskManager.RandomnessArmed(taskId, uint8(head.round()), head.phaseAt());
    }

    /// @dev A round that did not decide: the first committee votes, or judges come, or more judges.
    function _continue(bytes32 taskId, Head head, Body body, bool dissent) private {
        (, IModelRegistry.Terms memory terms) = registry.termsAt(body.model());
        bool numeric = terms.policy == Policy.Numeric;
        if (numeric && head.stage() == 0 && head.kind() == RoundKind.Result && dissent) {
            uint256[] memory seats = _rounds[taskId][head.round()].seats.load(head.seats());
            _rounds[taskId][head.round()].past = head;
            _openCommit(taskId, head.nextRound(0, RoundKind.Vote, seats.length), body, seats, 0);
        } else {
            _escalate(taskId, head, body, numeric);
        }
    }

    function _escalate(bytes32 taskId, Head head, Body body, bool numeric) private {
        RunRules storage rules = _runAt[body.version()];
        bool judged = head.stage() != 0;
        uint256 judges = judged ? rules.lastJudgeSeats : rules.firstJudgeSeats;
        if (numeric && _headAt(taskId, head, 0).revealed() == 0) {
            _refund(taskId, head, body, "no candidate", judged);
            return;
        }
        if (!distributor.canPayJudges(judges)) {
            _refund(taskId, head, body, "dispute reserve", judged);
            return;
        }
        _rounds[taskId][head.round()].past = head;
        head = head.nextRound(head.stage() + 1, numeric ? RoundKind.Vote : RoundKind.Result, judges);
        (head, body) = _arm(head, body, TaskStatus.Escalated);
        (_tasks[taskId].head, _tasks[taskId].body) = (head, body);
        emit ITaskManager.TaskEscalated(taskId, uint8(head.round()), uint8(judges), head.phaseAt());
    }

    function _closeReveal(bytes32 taskId) private {
        Head head = _tasks[taskId].head;
        if (block.timestamp <= head.phaseAt()) revert ITaskManager.PhaseOpen(taskId, head.phaseAt());
        uint256 tip;
        (head, tip) = _takeTip(head, _tasks[taskId].body);
        _tasks[taskId].head = head;
        verifier.processVerificationRound(taskId);
        _payTip(taskId, msg.sender, tip);
    }
}
