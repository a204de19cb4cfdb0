// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ITaskManager} from "../src/interfaces/ITaskManager.sol";
import {Seat, TaskStatus, Verdict} from "../src/interfaces/Types.sol";
import {TaskModule} from "../src/tasks/TaskModule.sol";
import {BaseTest} from "./utils/BaseTest.sol";

/// @title The transition table: every status, every function
contract TaskManagerTableTest is BaseTest {
    enum Act {
        Cancel,
        Assign,
        Commit,
        Reveal,
        Poke,
        Verify
    }

    uint256 private constant STATUSES = uint256(type(TaskStatus).max) + 1;
    uint256 private constant ACTS = uint256(type(Act).max) + 1;

    function setUp() public override {
        super.setUp();
        addPool(8, 8);
    }

    /// @dev Where an act may lead to from a status when it is due; 0 where it must fail. Bit s: status s.
    function _allowed(TaskStatus from, Act act) private pure returns (uint256) {
        if (from == TaskStatus.Submitted) {
            if (act == Act.Cancel) return _bit(TaskStatus.Cancelled);
            if (act == Act.Assign || act == Act.Poke) return _bit(TaskStatus.Committing);
        }
        if (from == TaskStatus.Committing) {
            if (act == Act.Commit) return _bit(TaskStatus.Committing);
            if (act == Act.Poke) return _bit(TaskStatus.Redrawing);
        }
        if (from == TaskStatus.Redrawing && (act == Act.Assign || act == Act.Poke)) return _bit(TaskStatus.Committing);
        if (from == TaskStatus.Revealing) {
            if (act == Act.Reveal) return _bit(TaskStatus.Revealing);
            if (act == Act.Poke || act == Act.Verify) return _bit(TaskStatus.Escalated);
        }
        if (from == TaskStatus.Escalated && (act == Act.Assign || act == Act.Poke)) return _bit(TaskStatus.Committing);
        return 0;
    }

    function testEveryActInEveryStatus() public {
        for (uint256 s; s < STATUSES; ++s) {
            for (uint256 a; a < ACTS; ++a) {
                uint256 state = vm.snapshotState();
                _check(TaskStatus(s), Act(a));
                vm.revertToState(state);
            }
        }
    }

    function _check(TaskStatus from, Act act) private {
        (bytes32 taskId, uint32 account) = _reach(from);
        assertStatus(taskId, from);
        _makeDue(taskId, from, act);
        (bool done, bytes memory answer) = _act(taskId, account, act);
        string memory where = string.concat(vm.toString(uint256(from)), " x ", vm.toString(uint256(act)));
        uint256 allowed = _allowed(from, act);
        if (done) assertTrue(allowed & _bit(status(taskId)) != 0, where);
        else _checkRefusal(from, answer, where);
        assertTrue(done == (allowed != 0), where);
        if (!done) assertStatus(taskId, from);
    }

    function _checkRefusal(TaskStatus from, bytes memory answer, string memory where) private pure {
        bytes4 selector = bytes4(answer);
        bytes4 wanted = from == TaskStatus.None ? ITaskManager.UnknownTask.selector : ITaskManager.WrongStatus.selector;
        assertTrue(selector == wanted, where);
    }

    function _reach(TaskStatus wanted) private returns (bytes32 taskId, uint32 account) {
        if (wanted == TaskStatus.None) return (keccak256("no task"), operators[0].account);
        taskId = submit(exactModel, 3);
        if (wanted == TaskStatus.Submitted) return (taskId, operators[0].account);
        if (wanted == TaskStatus.Cancelled) {
            vm.prank(requester);
            bridge.cancelTask(taskId);
            return (taskId, operators[0].account);
        }
        draw(taskId);
        Seat[] memory seats = committee(taskId);
        account = seats[0].account;
        if (wanted == TaskStatus.Committing) return (taskId, account);
        if (wanted == TaskStatus.Redrawing || wanted == TaskStatus.Refunded) {
            passPhase(taskId);
            if (wanted == TaskStatus.Refunded) vm.warp(tasks.getTask(taskId).deadline);
            poke(taskId);
            return (taskId, account);
        }
        if (wanted == TaskStatus.Escalated) {
            bytes[] memory payloads = new bytes[](3);
            (payloads[0], payloads[1], payloads[2]) = (RIGHT, RIGHT, WRONG);
            playRound(taskId, payloads);
            return (taskId, account);
        }
        commitAll(taskId, RIGHT);
        if (wanted == TaskStatus.Finalized) revealAll(taskId, RIGHT);
    }

    function _makeDue(bytes32 taskId, TaskStatus from, Act act) private {
        bool waits = from == TaskStatus.Submitted || from == TaskStatus.Redrawing || from == TaskStatus.Escalated;
        if (waits && act != Act.Cancel) passRandomness(taskId);
        bool closes = act == Act.Poke || act == Act.Verify;
        if (closes && (from == TaskStatus.Committing || from == TaskStatus.Revealing)) passPhase(taskId);
    }

    function _act(bytes32 taskId, uint32 account, Act act) private returns (bool, bytes memory) {
        if (act == Act.Cancel) return _call(requester, address(bridge), abi.encodeCall(bridge.cancelTask, (taskId)));
        if (act == Act.Assign) return _call(keeper, address(tasks), abi.encodeCall(tasks.assign, (taskId)));
        if (act == Act.Poke) return _call(keeper, address(tasks), abi.encodeCall(tasks.poke, (taskId)));
        if (act == Act.Verify) {
            return _call(keeper, address(verifier), abi.encodeCall(verifier.processVerificationRound, (taskId)));
        }
        if (act == Act.Commit) {
            bytes32 commitment = commitmentOf(taskId, 0, account, RIGHT, saltOf(account));
            return _call(nodeOf[account], address(bridge), abi.encodeCall(bridge.commitResult, (taskId, commitment)));
        }
        bytes memory proof = abi.encode(saltOf(account));
        return
            _call(
                nodeOf[account], address(bridge), abi.encodeCall(bridge.submitResult, (taskId, inline_(RIGHT), proof))
            );
    }

    function _call(address from, address to, bytes memory data) private returns (bool, bytes memory) {
        vm.prank(from);
        return to.call(data);
    }

    function _bit(TaskStatus state) private pure returns (uint256) {
        return 1 << uint256(state);
    }

    // ---- too early ----

    function testPokeBeforeTheWindowEndsIsRefused() public {
        bytes32 taskId = begin(exactModel, 3);
        vm.warp(tasks.getTask(taskId).phaseDeadline);
        assertFalse(tasks.pokeable(taskId));
        expectError(ITaskManager.PhaseOpen.selector);
        tasks.poke(taskId);
        commitAll(taskId, RIGHT);
        vm.warp(tasks.getTask(taskId).phaseDeadline);
        assertFalse(tasks.pokeable(taskId));
        expectError(ITaskManager.PhaseOpen.selector);
        tasks.poke(taskId);
        expectError(ITaskManager.PhaseOpen.selector);
        verifier.processVerificationRound(taskId);
        vm.warp(vm.getBlockTimestamp() + 1);
        assertTrue(tasks.pokeable(taskId));
    }

    function testPokeableIsFalseAtEnds() public {
        bytes32 taskId = begin(exactModel, 3);
        playRound(taskId, RIGHT);
        skip(1 days);
        assertFalse(tasks.pokeable(taskId));
        assertFalse(tasks.pokeable("no task"));
    }

    // ---- doors ----

    function testDoorsOpenForTheirOwnersOnly() public {
        vm.startPrank(stranger);
        vm.expectRevert(ITaskManager.OnlyMLBridge.selector);
        tasks.create(stranger, exactModel, INPUT, 0, 3, 0, 1 ether);
        vm.expectRevert(ITaskManager.OnlyMLBridge.selector);
        tasks.cancel(0, requester);
        vm.expectRevert(ITaskManager.OnlyMLBridge.selector);
        tasks.commit(0, stranger, "c");
        vm.expectRevert(ITaskManager.OnlyMLBridge.selector);
        tasks.reveal(0, stranger, hex"00", abi.encode(0));
        Verdict memory verdict;
        vm.expectRevert(ITaskManager.OnlyConsensusVerifier.selector);
        tasks.applyVerdict(0, verdict, stranger);
        vm.stopPrank();
    }

    function testModuleCalledDirectlyHasNoPower() public {
        (bytes32 taskId,) = dissent(exactModel, 0);
        (,,,, address module,) = tasks.neighbours();
        // It knows no task, so it does nothing or fails; the TaskManager's task stays where it is.
        Verdict memory verdict;
        bytes memory proceed = abi.encodeCall(TaskModule.proceed, (taskId, verdict));
        (bool done,) = module.call(proceed);
        (done,) = module.call(abi.encodeCall(tasks.poke, (taskId)));
        vm.prank(operators[0].cold);
        (done,) = module.call(abi.encodeCall(tasks.setNodeKey, (stranger, true, "")));
        assertStatus(taskId, TaskStatus.Escalated);
        assertEq(tasks.operatorOfNode(stranger), 0);
        assertEq(address(bridge).balance, tasks.getTask(taskId).reward);
        // And the way to what follows a verdict is closed.
        (done,) = address(tasks).call(proceed);
        assertFalse(done);
    }
}
