// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {ITaskManager} from "../interfaces/ITaskManager.sol";
import {Fault, Policy, RoundKind, TaskStatus, Verdict} from "../interfaces/Types.sol";
import {SEAT_SLOTS, SeatPacking} from "../libraries/SeatPacking.sol";
import {Head, HeadWord, Purse} from "../libraries/TaskWords.sol";
import {ReviewDesk} from "./ReviewDesk.sol";
import {Rules} from "./Rules.sol";

/// @title The part of the TaskManager that few tasks need
/// @notice Phases that run out, escalation, reviews. Code of the TaskManager that runs by delegatecall on its storage,
/// because one contract may not exceed 24,576 bytes. The TaskManager is given it at its construction, checks that it was
/// made for the same deployment, and can never change it. Called directly it works on its own empty storage and has no
/// rights anywhere.
contract TaskModule is ReviewDesk {
    using SeatPacking for uint256[SEAT_SLOTS];

    /// @notice Deploy for these neighbours; the addresses are fixed for ever.
    /// @param authority the AccessManager
    /// @param bridge_ holds every wei
    /// @param verifier_ tallies, and punishes contradictions
    /// @param distributor_ stakes, reputation and credits
    /// @param registry_ models and their terms
    /// @param epochSeconds_ seconds of an epoch
    constructor(
        address authority,
        address bridge_,
        address verifier_,
        address distributor_,
        address registry_,
        uint256 epochSeconds_
    ) AccessManaged(authority) Rules(bridge_, verifier_, distributor_, registry_, epochSeconds_, block.timestamp) {}

    /// @notice Names what this was made for: keccak256 of authority, neighbours, epoch length and genesis.
    function configuration() external view returns (bytes32) {
        return _configuration();
    }

    // ---- anyone ----

    /// @notice Close a phase that ran out. See ITaskManager.
    /// @param taskId id of the task
    function poke(bytes32 taskId) external {
        TaskStatus status = _tasks[taskId].head.status();
        if (status == TaskStatus.Committing) _closeCommit(taskId, msg.sender);
        else _closeReveal(taskId);
    }

    // ---- MLBridge only ----

    /// @notice See ITaskManager.
    /// @param taskId id of the task
    /// @param caller who called
    function cancel(bytes32 taskId, address caller) external onlyBridge {
        Head head = _tasks[taskId].head;
        _requireStatus(taskId, head, TaskStatus.Submitted);
        Purse purse = _purseOf(taskId, head);
        if (caller != purse.requester()) revert ITaskManager.NotRequester(taskId, caller);
        // A draw that had to be armed again was foreseeable once: taking the task back then would be choosing.
        if (block.number > head.phaseAt() || purse.rearmed()) revert ITaskManager.TooLateToCancel(taskId);
        _tasks[taskId].head = head.withStatus(TaskStatus.Cancelled);
        _vacate(taskId, head, purse);
        uint256 amount = purse.reward();
        emit ITaskManager.TaskCancelled(taskId, amount);
        registry.cancelOrder(head.model(), head.seats());
        distributor.credit(caller, taskId, amount);
    }

    // ---- the TaskManager itself ----

    /// @notice What follows a verdict, unless a first committee agreed.
    /// @dev The TaskManager gives nobody a way to this function.
    /// @return settle whether judges ruled, so that the TaskManager settles the task now
    /// @param taskId id of the task
    /// @param verdict what the tally says
    function proceed(bytes32 taskId, Verdict calldata verdict) external returns (bool settle) {
        Head head = _tasks[taskId].head;
        bool numeric = _policyOf(head.model()) == Policy.Numeric;
        uint256 rejected = verdict.rejected;
        if (head.stage() == REVIEW) {
            _endReview(taskId, head, verdict);
        } else if (verdict.passed && head.stage() != 0) {
            _noteCondemned(taskId, head, verdict);
            return true;
        } else if (rejected != 0 && rejected == _revealed(_roundAt(taskId, head, 0), _headAt(taskId, head, 0))) {
            // There is a verdict: nothing that was revealed is right.
            _remember(taskId, head, 0, rejected);
            _refund(taskId, head, "all rejected", rejected, verdict.confidence, false);
        } else if (head.stage() == LAST_STAGE) {
            _remember(taskId, head, 0, rejected);
            _refund(taskId, head, "no verdict", rejected, verdict.confidence, true);
        } else if (numeric && verdict.dissent && head.stage() == 0 && head.kind() == RoundKind.Result) {
            _openVotes(taskId, head);
        } else {
            _escalate(taskId, head, numeric, verdict);
        }
    }

    // ---- internal ----

    /// @dev Close a commit phase with silent seats.
    function _closeCommit(bytes32 taskId, address caller) internal {
        Head head = _tasks[taskId].head;
        if (block.timestamp <= head.phaseAt()) revert ITaskManager.PhaseOpen(taskId, head.phaseAt());
        uint256 tip;
        (head, tip) = _takeTip(head);
        uint32[] memory silent = _silentSeats(taskId, head);
        bool voting = head.stage() == 0 && head.kind() == RoundKind.Vote;
        // The first committee's own results, on which it votes, are on chain, wherever the input lies.
        bool named = !voting && _purseOf(taskId, head).named();
        // At least as many were silent as committed: it may be that nobody could get the input.
        bool forgiven = named && 2 * silent.length >= head.seats();
        if (!forgiven) {
            for (uint256 i; i < silent.length; ++i) {
                // Slashing calls the reward pool, the escrow and MLB, and none of them moves a task on.
                // slither-disable-next-line reentrancy-no-eth
                distributor.slash(silent[i], taskId, head.model(), Fault.Absent, 0, address(0));
            }
        }

        if (voting) {
            // Nobody can step in: a newcomer holds no result of its own to compare with.
            _openReveal(taskId, head, _roundAt(taskId, head, head.round()));
            if (head.committed() == 0) verifier.processVerificationRound(taskId);
        } else {
            emit ITaskManager.SeatsVacated(taskId, uint8(head.round()), silent);
            // Whoever alone can serve an input silences whom it likes: were the silent replaced, it could have seats
            // drawn again until its friends held them.
            if (!named && head.redraws() < _sizesAt[head.version()].maxRedraws && !_tooLate(head)) {
                _arm(taskId, head.withRedraw(), TaskStatus.Redrawing);
                emit ITaskManager.RandomnessArmed(taskId, uint8(head.round()), block.number + RANDOMNESS_DELAY);
            } else if (!forgiven && head.stage() != 0 && HeadWord.ones(head.committed()) >= MIN_SEATS) {
                _openReveal(taskId, head, _roundAt(taskId, head, head.round()));
            } else {
                _refund(taskId, head, "silent committee", 0, 0, !forgiven && head.stage() == LAST_STAGE);
            }
        }
        _payTip(taskId, caller, tip);
    }

    function _silentSeats(bytes32 taskId, Head head) private view returns (uint32[] memory silent) {
        (uint32[] memory accounts,) = _roundAt(taskId, head, head.round()).seats.load(head.seats());
        silent = new uint32[](accounts.length - HeadWord.ones(head.committed()));
        uint256 count;
        for (uint256 i; i < accounts.length; ++i) {
            if (head.committed() >> i & 1 == 1) continue;
            silent[count++] = accounts[i];
        }
    }

    /// @dev The first committee votes on its own results; nothing is drawn.
    function _openVotes(bytes32 taskId, Head head) private {
        Round storage first = _roundAt(taskId, head, head.round());
        first.past = head;
        (uint32[] memory accounts, uint64[] memory weights) = first.seats.load(head.seats());
        head = head.nextRound(0, RoundKind.Vote, accounts.length);
        _rounds[taskId][head.round()].seats.store(accounts, weights, first.seats.extraOf());
        _openCommit(taskId, head, accounts, weights, 0);
    }

    function _escalate(bytes32 taskId, Head head, bool numeric, Verdict calldata verdict) private {
        SizeRules storage rules = _sizesAt[head.version()];
        uint256 judges = head.stage() != 0 ? rules.lastJudgeSeats : rules.firstJudgeSeats;
        if (numeric && _revealed(_roundAt(taskId, head, 0), _headAt(taskId, head, 0)) == 0) {
            _refund(taskId, head, "no candidate");
            return;
        }
        if (!distributor.earmarkJudges(taskId, head.model(), judges)) {
            _remember(taskId, head, 0, verdict.rejected);
            _refund(taskId, head, "dispute reserve", verdict.rejected, verdict.confidence, head.stage() != 0);
            return;
        }
        _roundAt(taskId, head, head.round()).past = head;
        head = head.nextRound(head.stage() + 1, numeric ? RoundKind.Vote : RoundKind.Result, judges);
        _arm(taskId, head, TaskStatus.Escalated);
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
