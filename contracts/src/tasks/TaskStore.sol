// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ITaskManager} from "../interfaces/ITaskManager.sol";
import {TaskStatus} from "../interfaces/Types.sol";
import {MAX_SEATS, SEAT_SLOTS, SeatPacking} from "../libraries/SeatPacking.sol";
import {Head, Purse} from "../libraries/TaskWords.sol";
import {PoolStore} from "./PoolStore.sol";

/// @title Where tasks and rounds are kept
/// @notice Third layer of the TaskManager and its task module.
abstract contract TaskStore is PoolStore {
    using SeatPacking for uint256[SEAT_SLOTS];

    /// @dev What is kept for ever, so that no task id is ever used twice.
    /// @param head everything of a task that moves, see HeadWord
    struct Task {
        Head head;
    }

    /// @dev Which values mean something is for the head to say: what a desk held before is never cleared.
    /// @param purse of the task: in its first round, until it ends
    /// @param inputHash the same
    /// @param seats seats of the committee
    /// @param values wei for each target
    /// @param past the task's head when the round ended
    struct Round {
        Purse purse;
        bytes32 inputHash;
        uint256[SEAT_SLOTS] seats;
        /// The commitment. Once opened: the digest, tagged votes, or FAULT; but nothing new with the lead's value.
        bytes32[MAX_SEATS] values;
        Head past;
    }

    /// @dev Blocks from arming to the block whose hash decides: whoever arms cannot know it.
    uint256 internal constant RANDOMNESS_DELAY = 2;
    /// @dev Value of a seat that opened wrongly. Nobody may commit to it.
    bytes32 internal constant FAULT = bytes32(uint256(1));
    /// @dev Set on stored votes, so that none of them can be FAULT.
    uint256 internal constant VOTE_TAG = 1 << 32;
    uint256 internal constant DESK_TABLES = 3;

    mapping(bytes32 taskId => Task) internal _tasks;
    /// @dev Rounds of judges, votes, and first rounds that found no desk.
    mapping(bytes32 taskId => mapping(uint256 round => Round)) internal _rounds;
    /// @dev What tasks need while they live, and first rounds. Changing a word that is used again and again costs a
    /// quarter of writing a new one, so a task borrows a desk at its submission and hands it back dirty at its end. Three tables: few desks that little traffic keeps in use, and more for
    /// when those are taken.
    mapping(uint256 desk => Round) private _desks;
    /// @dev Accounts that lost their seat, or that a review excludes; they are never drawn for this task.
    mapping(bytes32 taskId => uint32[]) internal _replaced;
    /// @dev Of cases in which judges ruled against somebody: what an appeal must say again, hashed.
    // TaskModule writes it by delegatecall, and a mapping needs no first value.
    // slither-disable-next-line uninitialized-state
    mapping(bytes32 taskId => bytes32) internal _records;

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
        return round == head.round() ? head : _roundAt(taskId, head, round).past;
    }

    function _roundAt(bytes32 taskId, Head head, uint256 round) internal view returns (Round storage) {
        uint256 table = head.desk();
        return round == 0 && table != 0 ? _desk(taskId, table) : _rounds[taskId][round];
    }

    /// @dev Where a new task and its first round are kept: at a desk, if one of its desks is free.
    function _place(bytes32 taskId, Head head) internal view returns (Head, Round storage round) {
        for (uint256 table = 1; table <= DESK_TABLES; ++table) {
            round = _desk(taskId, table);
            if (!round.purse.live()) return (head.withDesk(table), round);
        }
        return (head, _rounds[taskId][0]);
    }

    /// @dev Who paid for a task that lives, and how much.
    function _purseOf(bytes32 taskId, Head head) internal view returns (Purse) {
        return _roundAt(taskId, head, 0).purse;
    }

    function _markRearmed(bytes32 taskId, Head head) internal {
        Round storage first = _roundAt(taskId, head, 0);
        first.purse = first.purse.withRearmed();
    }

    /// @dev The task needs what it was submitted with no more.
    function _vacate(bytes32 taskId, Head head, Purse purse) internal {
        Round storage first = _roundAt(taskId, head, 0);
        _modelFacts[head.model()] -= _headAt(taskId, head, 0).seats() << OPEN_SEATS;
        if (head.desk() != 0) first.purse = purse.ended();
        else (first.purse, first.inputHash) = (Purse.wrap(0), 0);
    }

    /// @dev The task's place in a table of 4, 64 or 1,024 desks.
    function _desk(bytes32 taskId, uint256 table) internal view returns (Round storage) {
        return _desks[table << 16 | uint256(taskId) & ((1 << (4 * table - 2)) - 1)];
    }

    /// @dev The first committee cannot commit in time any more if its window is not over by the deadline. Drawing it
    /// all the same would punish members for a window that was too short.
    function _tooLate(Head head) internal view returns (bool) {
        return head.stage() == 0 && block.timestamp + _runAt[head.version()].commitWindow > head.deadline();
    }

    /// @dev Take a tip out of what was set aside, if any is left.
    function _takeTip(Head head) internal view returns (Head, uint256) {
        uint256 left = head.tips();
        return left == 0 ? (head, 0) : (head.lessTip(), _runAt[head.version()].tip);
    }

    function _payTip(bytes32 taskId, address to, uint256 amount) internal {
        if (amount == 0) return;
        emit ITaskManager.TipPaid(taskId, to, amount);
        distributor.credit(to, taskId, amount);
    }

    /// @dev Wait for randomness that nobody knows yet, and let the pools be what they are now.
    function _arm(bytes32 taskId, Head head, TaskStatus status) internal {
        _tasks[taskId].head = head.armed(status, block.number + RANDOMNESS_DELAY, _epoch());
    }

    /// @dev Open the commit phase of a round whose seats are all held.
    function _openCommit(bytes32 taskId, Head head, uint32[] memory accounts, uint64[] memory weights, bytes32 seed)
        internal
    {
        uint256 commitDeadline = block.timestamp + _runAt[head.version()].commitWindow;
        _tasks[taskId].head = head.withPhase(TaskStatus.Committing, commitDeadline);
        emit ITaskManager.CommitteeDrawn(
            taskId, uint8(head.round()), head.kind(), accounts, weights, commitDeadline, seed
        );
    }

    function _openReveal(bytes32 taskId, Head head, Round storage round) internal {
        uint256 revealDeadline = block.timestamp + round.seats.extraOf();
        _tasks[taskId].head = head.withPhase(TaskStatus.Revealing, revealDeadline);
        emit ITaskManager.RevealOpened(taskId, uint8(head.round()), revealDeadline);
    }

    /// @dev What is left of the payment after the tips paid so far.
    function _afterTips(Head head, Purse purse) internal view returns (uint256) {
        return purse.reward() - (TIPS - head.tips()) * _runAt[head.version()].tip;
    }

    /// @dev Bit i: seat i opened rightly.
    function _revealed(Round storage round, Head head) internal view returns (uint256 mask) {
        mask = head.agreeing();
        uint256 apart = head.apart();
        for (uint256 i; apart >> i != 0; ++i) {
            if (apart >> i & 1 == 1 && round.values[i] != FAULT) mask |= 1 << i;
        }
    }

    /// @dev What the seats revealed; zero for a seat that did not.
    function _values(Round storage round, Head head, uint256 mask) internal view returns (bytes32[] memory values) {
        values = new bytes32[](head.seats());
        uint256 agreeing = head.agreeing();
        bytes32 leading;
        if (agreeing != 0) leading = round.values[head.lead()];
        unchecked {
            for (uint256 i; mask >> i != 0; ++i) {
                if (agreeing >> i & 1 == 1) values[i] = leading;
                else if (mask >> i & 1 == 1) values[i] = round.values[i];
            }
        }
    }
}
