// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ITaskManager} from "../src/interfaces/ITaskManager.sol";
import {Role, Seat, TaskStatus} from "../src/interfaces/Types.sol";
import {BaseTest} from "./utils/BaseTest.sol";

/// @title Properties that auditors proved of another network and that no other test states in so many words
/// @notice docs/evidence/poco.md names them all.
contract PropertiesTest is BaseTest {
    function setUp() public override {
        super.setUp();
        addPool(10, 12);
    }

    /// @dev 1.10: what was agreed on never changes, through dissent, judges and the end of it.
    function testTermsOfATaskNeverChange() public {
        bytes32 taskId = submit(exactModel, 3);
        bytes32 terms = _terms(taskId);
        draw(taskId);
        assertEq(_terms(taskId), terms);
        Seat[] memory seats = committee(taskId);
        for (uint256 i; i < seats.length; ++i) {
            commitAs(seats[i].account, taskId, i == 1 ? bytes("43") : RIGHT);
            assertEq(_terms(taskId), terms);
        }
        for (uint256 i; i < seats.length; ++i) {
            revealAs(seats[i].account, taskId, i == 1 ? bytes("43") : RIGHT);
            assertEq(_terms(taskId), terms);
        }
        assertStatus(taskId, TaskStatus.Escalated);
        ITaskManager.Parameters memory other = parameters();
        (other.seatFee, other.tip) = (2 * other.seatFee, 2 * other.tip);
        vm.prank(governor);
        tasks.setParameters(other);
        draw(taskId);
        assertEq(_terms(taskId), terms);
        commitAll(taskId, RIGHT);
        assertEq(_terms(taskId), terms);
    }

    /// @dev 2.5, 2.7 and 2.8: what each status must hold, and what it must not hold yet.
    function testEachStatusHoldsWhatItNeeds() public {
        bytes32 taskId = submit(exactModel, 3);
        ITaskManager.TaskView memory task = tasks.getTask(taskId);
        assertGt(task.randomnessBlock, block.number, "nobody knows the draw yet");
        assertEq(uint256(task.committed) + task.revealed, 0);
        assertEq(committee(taskId).length, 0);
        draw(taskId);
        task = tasks.getTask(taskId);
        assertGt(task.phaseDeadline, block.timestamp);
        assertLe(task.phaseDeadline, task.deadline, "2.9: the first committee commits by the deadline");
        assertEq(uint256(task.committed) + task.revealed, 0);
        Seat[] memory seats = committee(taskId);
        for (uint256 i; i < seats.length; ++i) {
            assertTrue(!seats[i].committed && seats[i].value == 0, "no value before its commitment");
        }
        commitAll(taskId, RIGHT);
        task = tasks.getTask(taskId);
        assertEq(uint256(task.status), uint256(TaskStatus.Revealing));
        assertEq(task.committed, 3);
        assertEq(task.revealed, 0);
        assertGt(task.phaseDeadline, block.timestamp);
        seats = committee(taskId);
        for (uint256 i; i < seats.length; ++i) {
            assertTrue(seats[i].committed && !seats[i].revealed && seats[i].value != 0, "a commitment and no more");
        }
    }

    /// @dev 2.13: a reveal counts one, and nothing else counts.
    function testOnlyARevealCounts() public {
        bytes32 taskId = begin(exactModel, 3);
        Seat[] memory seats = committee(taskId);
        commitAll(taskId, RIGHT);
        for (uint256 i; i < 2; ++i) {
            assertEq(tasks.getTask(taskId).revealed, i);
            assertFalse(tasks.pokeable(taskId));
            revealAs(seats[i].account, taskId, RIGHT);
            assertEq(tasks.getTask(taskId).revealed, i + 1);
        }
    }

    /// @dev 1.5 and 1.6: MLB that somebody just sends is nobody's stake and no claim, and every stake can still leave.
    function testMlbSentWithoutACallIsNobodysStake() public {
        Operator memory one = addOperator(Role.Compute, COMPUTE_MIN);
        vm.prank(treasury);
        token.transfer(address(ledger), 5e18);
        assertEq(ledger.stakeOf(one.cold, Role.Compute), COMPUTE_MIN);
        assertEq(ledger.claimableTokens(one.cold), 0);
        vm.prank(one.cold);
        ledger.requestUnbond(Role.Compute, COMPUTE_MIN);
        skip(UNBONDING);
        vm.prank(one.cold);
        assertEq(ledger.withdraw(Role.Compute), COMPUTE_MIN);
        assertEq(token.balanceOf(one.cold), COMPUTE_MIN);
    }

    function _terms(bytes32 taskId) private view returns (bytes32) {
        ITaskManager.TaskView memory task = tasks.getTask(taskId);
        return keccak256(
            abi.encode(
                task.requester, task.modelId, task.inputHash, task.reward, task.modelFee, task.deadline, task.policy
            )
        );
    }
}
