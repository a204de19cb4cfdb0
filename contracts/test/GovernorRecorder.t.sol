// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";

import {Category, IMLBridgeGovernor} from "../src/interfaces/IMLBridgeGovernor.sol";
import {IVoteRecorder} from "../src/interfaces/IVoteRecorder.sol";
import {GovernanceTest} from "./utils/GovernanceTest.sol";

/// @dev Writes down what it is told, or misbehaves.
contract Recorder is IVoteRecorder {
    enum Mood {
        Honest,
        Refusing,
        Burning,
        Shouting,
        Returning
    }

    Mood public mood;
    address public voter;
    uint256 public weight;
    uint256 public epochEnd;
    uint256 public proposalId;

    function become(Mood mood_, uint256 proposalId_) external {
        (mood, proposalId) = (mood_, proposalId_);
    }

    function recordVote(address voter_, uint256 weight_, uint256 epochEnd_) external {
        if (mood == Mood.Refusing) revert("no");
        if (mood == Mood.Burning) while (true) {}
        if (mood == Mood.Shouting) {
            assembly ("memory-safe") {
                revert(0, 150000)
            }
        }
        if (mood == Mood.Returning) IGovernor(msg.sender).castVote(proposalId, 1);
        (voter, weight, epochEnd) = (voter_, weight_, epochEnd_);
    }
}

/// @title Telling a reward pool of votes, whatever the pool does
contract GovernorRecorderTest is GovernanceTest {
    Recorder private recorder;

    function setUp() public override {
        super.setUp();
        recorder = new Recorder();
        carry(Category.Governance, proposal(address(dao), abi.encodeCall(dao.setVoteRecorder, (address(recorder)))));
        assertEq(dao.voteRecorder(), address(recorder));
    }

    function testARecorderIsToldVoterAmountAndEnd() public {
        uint256 id = _open(Category.Technical);
        vote(whale, id, AGAINST);
        assertEq(recorder.voter(), whale);
        assertEq(recorder.weight(), 100_000_000e18);
        assertEq(recorder.epochEnd(), dao.proposalDeadline(id));
    }

    function testARecorderIsToldStakeWhereVotesAreQuadratic() public {
        address[] memory members = addRoll(1, 40_000e18);
        uint256 id = _open(Category.Ecosystem);
        vote(members[0], id, FOR);
        assertEq(recorder.weight(), 40_000e18, "MLB, not its root");
        (, uint256 for_,) = dao.proposalVotes(id);
        assertEq(for_, 2e11);
    }

    function testNoRecorderStopsAVote() public {
        for (uint256 mood = 1; mood < 5; ++mood) {
            uint256 id = _open(Category.Technical);
            recorder.become(Recorder.Mood(mood), id);
            vm.expectEmit(address(dao));
            emit IMLBridgeGovernor.VoteNotRecorded(id, whale);
            uint256 before = gasleft();
            vote(whale, id, FOR);
            assertLt(before - gasleft(), 600_000, "it uses no more than it is given");
            assertTrue(dao.hasVoted(id, whale));
        }
    }

    function testARecorderWithoutCodeAndNoneAtAll() public {
        carry(Category.Governance, proposal(address(dao), abi.encodeCall(dao.setVoteRecorder, (stranger))));
        vote(whale, _open(Category.Technical), FOR);
        carry(Category.Governance, proposal(address(dao), abi.encodeCall(dao.setVoteRecorder, (address(0)))));
        vote(whale, _open(Category.Technical), FOR);
    }

    /// @dev Whoever passes on a signed vote cannot starve the recorder and have the vote count all the same.
    function testFuzzAVoteIsRecordedOrRefused(uint256 gas) public {
        uint256 id = _open(Category.Technical);
        gas = bound(gas, 60_000, 900_000);
        vm.prank(whale);
        (bool voted,) = address(dao).call{gas: gas}(abi.encodeCall(dao.castVote, (id, FOR)));
        assertTrue(voted == (recorder.epochEnd() == dao.proposalDeadline(id)), "one without the other");
        assertTrue(voted == dao.hasVoted(id, whale));
        if (gas > 500_000) assertTrue(voted, "with enough gas");
    }

    function _open(Category category) private returns (uint256 id) {
        id = propose(whale, category, sample(category));
        openVote(id);
    }
}
