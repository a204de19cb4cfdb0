// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {RoundKind, Seat, TaskStatus} from "../src/interfaces/Types.sol";
import {BaseTest} from "./utils/BaseTest.sol";

/// @title GREY abstains, and where it decides the case goes to judges
contract GreyVotesTest is BaseTest {
    function setUp() public override {
        super.setUp();
        addPool(10, 16);
    }

    /// @dev Results of which seat 0's differs, so that the first committee votes.
    function _voting(uint8 seats) private returns (bytes32 taskId) {
        taskId = begin(numericModel, seats);
        bytes[] memory payloads = new bytes[](seats);
        for (uint256 i; i < seats; ++i) {
            payloads[i] = i == 0 ? bytes("41.9") : bytes("42");
        }
        playRound(taskId, payloads);
        assertEq(uint256(tasks.getTask(taskId).kind), uint256(RoundKind.Vote));
    }

    /// @dev Everybody accepts everything, but `grey` seats that say nothing of candidate 0.
    function _vote(bytes32 taskId, uint8 seats, uint256 grey) private {
        bytes[] memory payloads = new bytes[](seats);
        for (uint256 i; i < seats; ++i) {
            uint8[] memory votes = new uint8[](seats);
            for (uint256 j; j < seats; ++j) {
                votes[j] = ACCEPT;
            }
            // The author of candidate 0 counts for it in any case, so the last seats abstain.
            if (i + grey >= seats) votes[0] = GREY;
            payloads[i] = packVotes(votes);
        }
        playRound(taskId, payloads);
    }

    function test_WithoutGreyTheFirstCommitteeSettles() public {
        bytes32 taskId = _voting(5);
        _vote(taskId, 5, 0);
        assertStatus(taskId, TaskStatus.Finalized);
    }

    function test_OneGreyOfFiveDoesNotDecide() public {
        bytes32 taskId = _voting(5);
        _vote(taskId, 5, 1);
        assertStatus(taskId, TaskStatus.Finalized);
    }

    function test_TwoGreyOfFiveDecideSoJudgesAreCalled() public {
        bytes32 taskId = _voting(5);
        _vote(taskId, 5, 2);
        assertStatus(taskId, TaskStatus.Escalated);
    }

    function test_OneGreyOfThreeDecides() public {
        bytes32 taskId = _voting(3);
        _vote(taskId, 3, 1);
        assertStatus(taskId, TaskStatus.Escalated);
    }

    /// @dev What judges find then is what counts: the candidate on which members were in doubt is paid or punished.
    function test_JudgesDecideWhatWasGrey() public {
        for (uint8 verdict = ACCEPT; verdict <= REJECT; ++verdict) {
            bytes32 taskId = _voting(3);
            uint32 doubtful = _firstOf(taskId);
            _vote(taskId, 3, 1);
            uint256 before = bondedOf(doubtful);
            draw(taskId);
            uint8[] memory votes = new uint8[](3);
            (votes[0], votes[1], votes[2]) = (verdict, ACCEPT, ACCEPT);
            playRound(taskId, packVotes(votes));
            assertStatus(taskId, TaskStatus.Finalized);
            assertEq(bondedOf(doubtful) == before, verdict == ACCEPT);
        }
    }

    /// @dev Judges that abstain settle nothing and condemn nobody; the larger bench is asked.
    function test_GreyJudgesCallALargerBench() public {
        bytes32 taskId = _voting(3);
        _vote(taskId, 3, 1);
        draw(taskId);
        playRound(taskId, packVotes(new uint8[](3)));
        assertStatus(taskId, TaskStatus.Escalated);
        assertEq(tasks.getTask(taskId).seats, 9);
    }

    function _firstOf(bytes32 taskId) private view returns (uint32) {
        Seat[] memory first = tasks.getSeats(taskId, 0);
        return first[0].account;
    }
}
