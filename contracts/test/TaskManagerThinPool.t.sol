// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Seat, TaskStatus} from "../src/interfaces/Types.sol";
import {BaseTest} from "./utils/BaseTest.sol";

/// @title Judges' rounds in a pool that holds exactly the judges
contract TaskManagerThinPoolTest is BaseTest {
    function setUp() public override {
        super.setUp();
        addPool(3, 5);
    }

    /// @dev Nobody is left to step in, but enough judges committed to decide: the empty seats count as silent.
    function testJudgesWithoutASubstituteDecideIfThreeCommitted() public {
        bytes32 taskId = _oneJudgeSilent(4);
        assertStatus(taskId, TaskStatus.Revealing);
        Seat[] memory judges = committee(taskId);
        for (uint256 i; i < 4; ++i) {
            revealAs(judges[i].account, taskId, RIGHT);
        }
        assertStatus(taskId, TaskStatus.Finalized);
    }

    function testJudgesWithoutASubstituteRefundIfTwoCommitted() public {
        uint256 before = requester.balance;
        bytes32 taskId = _oneJudgeSilent(2);
        assertStatus(taskId, TaskStatus.Refunded);
        assertGt(ledger.claimable(requester), 0);
        assertGt(before, requester.balance);
    }

    /// @param committed judges that commit; the rest stay silent, and the draw for their seats finds nobody
    function _oneJudgeSilent(uint256 committed) private returns (bytes32 taskId) {
        (taskId,) = dissent(exactModel, 1);
        draw(taskId);
        Seat[] memory judges = committee(taskId);
        assertEq(judges.length, 5);
        for (uint256 i; i < committed; ++i) {
            commitAs(judges[i].account, taskId, RIGHT);
        }
        passPhase(taskId);
        poke(taskId);
        assertStatus(taskId, TaskStatus.Redrawing);
        draw(taskId);
    }
}
