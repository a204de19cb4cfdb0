// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ITaskManager} from "../../src/interfaces/ITaskManager.sol";
import {Role, RoundKind, Seat, TaskStatus} from "../../src/interfaces/Types.sol";
import {Vm} from "../utils/Vm.sol";
import {Arena} from "./Arena.sol";

/// @title A task played to its end by honest operators and a coalition
/// @notice The coalition moves last in every phase and knows everything said before.
abstract contract Player is Arena {
    /// @notice What the coalition's member does in a seat.
    enum Move {
        Honest,
        Lie, // the coalition's one wrong result; votes for it
        LieIfAll, // lies where the whole committee is the coalition's, else honest
        LieOne, // the coalition's first seat lies, its others are honest
        Silent, // never commits
        Withhold, // commits and does not open
        Copy, // sends an honest member's commitment as its own, and later that member's opening
        Follow, // says what most of the first committee said, without running anything
        Accept, // votes for every candidate
        Grey, // abstains on every candidate
        Shield, // abstains on the wrong candidates and votes for the right ones
        Block // agrees with nobody, so that there is no verdict
    }

    struct Strategy {
        Move member;
        Move judge;
        bool unbonds; // all its stake, as soon as it committed
        bool starvesMembers; // only the coalition can get the input
        bool starvesJudges; // the input vanishes before judges are drawn
        uint8 planted; // outsiders in the first seats who give the wrong result
    }

    uint256 private constant MOST_STEPS = 64;
    uint256 private constant TASK_TIME = 2 hours;

    /// @dev What a seat committed to.
    mapping(bytes32 taskId => mapping(uint256 round => mapping(uint32 account => bytes))) internal said;
    /// @dev Whose commitment an account copied, plus one.
    mapping(bytes32 taskId => mapping(uint256 round => mapping(uint32 account => uint256))) private copied;
    mapping(bytes32 taskId => uint8) private firstSeats;
    bool internal escaped;

    // ---- a task ----

    function _submit(address from, bytes32 modelId, uint8 seats, bool pointer, uint256 salt)
        internal
        returns (bytes32 taskId)
    {
        uint256 payment = tasks.quote(modelId, seats);
        uint256 deadline = vm.getBlockTimestamp() + TASK_TIME;
        bytes memory input = pointer ? pointer_(INPUT) : INPUT;
        vm.prank(from);
        taskId = bridge.submitTaskWith{value: payment}(modelId, input, deadline, seats, bytes32(salt));
        firstSeats[taskId] = seats;
    }

    function _play(bytes32 taskId, Strategy memory strategy) internal {
        for (uint256 i; i < MOST_STEPS; ++i) {
            if (!_step(taskId, strategy)) return;
        }
        fail("a task without an end");
    }

    /// @return whether the wrong result became final
    function _playedWrong(bytes32 taskId, Strategy memory strategy) internal returns (bool) {
        vm.recordLogs();
        _play(taskId, strategy);
        return status(taskId) == TaskStatus.Finalized && _delivered() == digestOf(taskId, WRONG);
    }

    /// @dev The digest in the last TaskFinalized.
    function _delivered() private returns (bytes32 digest) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] == ITaskManager.TaskFinalized.selector) digest = bytes32(logs[i].data);
        }
    }

    /// @return whether the task goes on
    function _step(bytes32 taskId, Strategy memory strategy) internal returns (bool) {
        ITaskManager.TaskView memory task = tasks.getTask(taskId);
        if (task.status == TaskStatus.Committing) _commitPhase(task, strategy);
        else if (task.status == TaskStatus.Revealing) _revealPhase(task, strategy);
        else if (_waits(task.status)) draw(taskId);
        else return false;
        if (strategy.unbonds && !_over(taskId)) _tryToLeave();
        return true;
    }

    function _waits(TaskStatus current) private pure returns (bool) {
        return current == TaskStatus.Submitted || current == TaskStatus.Redrawing || current == TaskStatus.Escalated;
    }

    function _over(bytes32 taskId) internal view returns (bool) {
        TaskStatus current = status(taskId);
        return current == TaskStatus.Finalized || current == TaskStatus.Refunded || current == TaskStatus.Cancelled;
    }

    // ---- phases ----

    function _commitPhase(ITaskManager.TaskView memory task, Strategy memory strategy) private {
        Seat[] memory seats = tasks.getSeats(task.id, task.round);
        for (uint256 turn; turn < 2; ++turn) {
            for (uint256 i; i < seats.length; ++i) {
                uint32 account = seats[i].account;
                if (seats[i].committed || own[account] != (turn == 1)) continue;
                bytes memory payload = _answer(task, seats, i, strategy);
                if (payload.length == 0) continue;
                _remember(task.id, task.round, account, payload);
                if (turn == 0 || _move(task, strategy) != Move.Copy || !_copy(task, account)) {
                    commitAs(account, task.id, payload);
                }
                if (turn == 1 && strategy.unbonds) _unbondAll(account);
            }
        }
        _closeLate(task);
    }

    function _revealPhase(ITaskManager.TaskView memory task, Strategy memory strategy) private {
        Seat[] memory seats = tasks.getSeats(task.id, task.round);
        for (uint256 turn; turn < 2; ++turn) {
            for (uint256 i; i < seats.length; ++i) {
                uint32 account = seats[i].account;
                if (!seats[i].committed || own[account] != (turn == 1)) continue;
                if (turn == 1 && _move(task, strategy) == Move.Withhold) continue;
                _open(task, account);
            }
        }
        _closeLate(task);
    }

    /// @dev A phase in which everybody acted has ended by itself.
    function _closeLate(ITaskManager.TaskView memory task) private {
        ITaskManager.TaskView memory now_ = tasks.getTask(task.id);
        if (now_.status != task.status || now_.round != task.round) return;
        passPhase(task.id);
        poke(task.id);
    }

    function _open(ITaskManager.TaskView memory task, uint32 account) private {
        uint256 from = copied[task.id][task.round][account];
        bytes32 salt = saltOf(from == 0 ? account : uint32(from - 1));
        vm.prank(nodeOf[account]);
        bridge.submitResult(task.id, inline_(said[task.id][task.round][account]), abi.encode(salt));
    }

    /// @dev What the account will open.
    function _remember(bytes32 taskId, uint256 round, uint32 account, bytes memory payload) internal {
        said[taskId][round][account] = payload;
    }

    /// @dev The value of a seat that committed and did not open is its commitment.
    function _copy(ITaskManager.TaskView memory task, uint32 account) private returns (bool) {
        Seat[] memory seats = tasks.getSeats(task.id, task.round);
        for (uint256 i; i < seats.length; ++i) {
            if (!seats[i].committed || own[seats[i].account]) continue;
            copied[task.id][task.round][account] = uint256(seats[i].account) + 1;
            vm.prank(nodeOf[account]);
            bridge.commitResult(task.id, seats[i].value);
            return true;
        }
        return false;
    }

    // ---- answers ----

    function _judging(ITaskManager.TaskView memory task) private view returns (bool) {
        return task.round != 0 && task.seats != firstSeats[task.id];
    }

    function _move(ITaskManager.TaskView memory task, Strategy memory strategy) private view returns (Move) {
        return _judging(task) ? strategy.judge : strategy.member;
    }

    /// @return what seat `i` commits to; nothing for silence
    function _answer(ITaskManager.TaskView memory task, Seat[] memory seats, uint256 i, Strategy memory strategy)
        private
        view
        returns (bytes memory)
    {
        bool vote = task.kind == RoundKind.Vote;
        if (!own[seats[i].account]) {
            if (_judging(task) ? strategy.starvesJudges : strategy.starvesMembers) return "";
            bool planted = !_judging(task) && i < strategy.planted;
            return vote ? _votes(task.id, planted, REJECT) : bytes(planted ? WRONG : RIGHT);
        }
        Move move = _move(task, strategy);
        if (move == Move.Silent) return "";
        if (move == Move.Accept && vote) return _everyCandidate(ACCEPT);
        if (move == Move.Grey && vote) return _everyCandidate(GREY);
        if (move == Move.Shield && vote) return _votes(task.id, false, GREY);
        if (move == Move.Block) return vote ? _everyCandidate(GREY) : abi.encode("own", i);
        bool lie = move == Move.Lie || (move == Move.LieIfAll && _ownOf(seats, seats.length) == seats.length)
            || (move == Move.LieOne && _ownOf(seats, i) == 0) || (move == Move.Follow && _mostWrong(task.id));
        return vote ? _votes(task.id, lie, REJECT) : bytes(lie ? WRONG : RIGHT);
    }

    /// @dev How many of the first `count` seats are the coalition's.
    function _ownOf(Seat[] memory seats, uint256 count) internal view returns (uint256 many) {
        for (uint256 i; i < count; ++i) {
            if (own[seats[i].account]) ++many;
        }
    }

    function _mostWrong(bytes32 taskId) private view returns (bool) {
        Seat[] memory first = tasks.getSeats(taskId, 0);
        uint256 wrong;
        for (uint256 i; i < first.length; ++i) {
            if (first[i].value == digestOf(taskId, WRONG)) ++wrong;
        }
        return 2 * wrong > first.length;
    }

    /// @dev For one of the two results, and `otherwise` on the other.
    function _votes(bytes32 taskId, bool lie, uint8 otherwise) private view returns (bytes memory) {
        Seat[] memory first = tasks.getSeats(taskId, 0);
        bytes32 wanted = digestOf(taskId, lie ? WRONG : RIGHT);
        uint8[] memory votes = new uint8[](first.length);
        for (uint256 i; i < first.length; ++i) {
            if (first[i].revealed) votes[i] = first[i].value == wanted ? ACCEPT : otherwise;
        }
        return packVotes(votes);
    }

    function _everyCandidate(uint8 vote) private pure returns (bytes memory) {
        uint8[] memory votes = new uint8[](15);
        for (uint256 i; i < votes.length; ++i) {
            votes[i] = vote;
        }
        return packVotes(votes);
    }

    // ---- leaving ----

    function _unbondAll(uint32 account) internal {
        uint256 all = bondedOf(account);
        vm.prank(operatorOf(account));
        ledger.requestUnbond(_roleOf(account), all);
    }

    function _roleOf(uint32 account) internal pure returns (Role) {
        return account & 1 == 1 ? Role.Verifier : Role.Compute;
    }

    /// @dev Take home whatever can be, while the task lives.
    function _tryToLeave() private {
        for (uint256 i; i < operators.length; ++i) {
            uint32 account = operators[i].account;
            if (!own[account] || ledger.accounts(account).unbonding == 0) continue;
            vm.prank(operators[i].cold);
            (bool left,) = address(ledger).call(abi.encodeCall(ledger.withdraw, (_roleOf(account))));
            if (left) escaped = true;
        }
    }
}
