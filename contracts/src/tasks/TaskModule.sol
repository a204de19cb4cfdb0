// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {ITaskManager} from "../interfaces/ITaskManager.sol";
import {Fault, Policy, RoundKind, TaskStatus, Verdict} from "../interfaces/Types.sol";
import {SEAT_SLOTS, SeatPacking} from "../libraries/SeatPacking.sol";
import {Body, Head, HeadWord} from "../libraries/TaskWords.sol";
import {Rules} from "./Rules.sol";
import {TaskCommittee} from "./TaskCommittee.sol";

/// @title The half of the TaskManager that needs no speed
/// @notice Draws, closings, escalation, serving, parameters. Code of the TaskManager that runs by delegatecall on its
/// storage, because one contract may not exceed 24,576 bytes. The TaskManager makes it at its construction and can
/// never change it. Called directly it works on its own empty storage and has no rights anywhere.
contract TaskModule is TaskCommittee {
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
        (head, tip) = _takeTip(head);
        uint32[] memory silent = _punishSilent(taskId, head);

        if (head.stage() == 0 && head.kind() == RoundKind.Vote) {
            // Nobody can step in: a newcomer holds no result of its own to compare with.
            _openReveal(taskId, head);
            if (head.committed() == 0) verifier.processVerificationRound(taskId);
        } else {
            emit ITaskManager.SeatsVacated(taskId, uint8(head.round()), silent);
            if (head.redraws() < _runAt[head.version()].maxRedraws && !_tooLate(head, body)) {
                _arm(taskId, head.withRedraw(), body, TaskStatus.Redrawing);
                emit ITaskManager.RandomnessArmed(taskId, uint8(head.round()), block.number + RANDOMNESS_DELAY);
            } else if (head.stage() != 0 && HeadWord.ones(head.committed()) >= MIN_SEATS) {
                _openReveal(taskId, head);
            } else {
                _refund(taskId, head, body, "silent committee", false);
            }
        }
        _payTip(taskId, caller, tip);
    }

    function _punishSilent(bytes32 taskId, Head head) private returns (uint32[] memory silent) {
        (uint32[] memory accounts,) = _roundAt(taskId, head, head.round()).seats.load(head.seats());
        silent = new uint32[](accounts.length - HeadWord.ones(head.committed()));
        uint256 count;
        for (uint256 i; i < accounts.length; ++i) {
            if (head.committed() >> i & 1 == 1) continue;
            silent[count] = accounts[i];
            distributor.slash(silent[count], taskId, Fault.Absent, 0, address(0));
            ++count;
        }
    }

    /// @dev A round that did not decide: the first committee votes, or judges come, or more judges.
    function _continue(bytes32 taskId, Head head, Body body, bool dissent) private {
        bool numeric = _policyOf(body.model()) == Policy.Numeric;
        if (numeric && dissent && head.stage() == 0 && head.kind() == RoundKind.Result) _openVotes(taskId, head);
        else _escalate(taskId, head, body, numeric);
    }

    /// @dev The first committee votes on its own results; nothing is drawn.
    function _openVotes(bytes32 taskId, Head head) private {
        Round storage first = _roundAt(taskId, head, head.round());
        first.past = head;
        (uint32[] memory accounts, uint64[] memory weights) = first.seats.load(head.seats());
        head = head.nextRound(0, RoundKind.Vote, accounts.length);
        _rounds[taskId][head.round()].seats.store(accounts, weights, 0);
        _openCommit(taskId, head, accounts, weights, 0);
    }

    function _escalate(bytes32 taskId, Head head, Body body, bool numeric) private {
        RunRules storage rules = _runAt[head.version()];
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
        _roundAt(taskId, head, head.round()).past = head;
        head = head.nextRound(head.stage() + 1, numeric ? RoundKind.Vote : RoundKind.Result, judges);
        _arm(taskId, head, body, TaskStatus.Escalated);
        emit ITaskManager.TaskEscalated(taskId, uint8(head.round()), uint8(judges), block.number + RANDOMNESS_DELAY);
    }

    function _closeReveal(bytes32 taskId) private {
        Head head = _tasks[taskId].head;
        if (block.timestamp <= head.phaseAt()) revert ITaskManager.PhaseOpen(taskId, head.phaseAt());
        uint256 tip;
        (head, tip) = _takeTip(head);
        _tasks[taskId].head = head;
        verifier.processVerificationRound(taskId);
        _payTip(taskId, msg.sender, tip);
    }
}
