// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IRewardPool, Stream} from "../src/interfaces/IRewardPool.sol";
import {Category} from "../src/interfaces/IMLBridgeGovernor.sol";
import {Role} from "../src/interfaces/Types.sol";
import {GovernanceTest} from "./utils/GovernanceTest.sol";

/// @title From a vote to what it earns: the real governor and the real pool, joined as a deployment joins them
contract GovernorRewardsTest is GovernanceTest {
    uint256 private constant STAKE = 73_000e18;
    uint256 private constant WEEK = 7 days;

    function setUp() public override {
        super.setUp();
        stakeAs(whale, Role.ModelProvider, STAKE);
    }

    function testTheGovernorAndThePoolNameEachOther() public view {
        assertEq(dao.voteRecorder(), address(rewardPool));
        assertEq(rewardPool.voteRecorder(), address(dao));
    }

    function testAVoteOnAProposalBecomesACredit() public {
        uint256 id = propose(whale, Category.Technical, sample(Category.Technical));
        openVote(id);
        vote(whale, id, FOR);
        uint256 period = dao.proposalDeadline(id) / WEEK;
        assertEq(rewardPool.voteShare(period, whale), STAKE);
        vm.warp((period + 1) * WEEK);
        vm.expectEmit(address(rewardPool));
        emit IRewardPool.Credited(whale, Stream.Vote, 14e18);
        assertEq(rewardPool.collectVotes(whale, period), 14e18, "a week at 1 % of 73,000 a year");
    }

    function testWhoStakesNothingAsAProviderVotesAndEarnsNothing() public {
        giveVotes(stranger, 10e18);
        uint256 id = propose(whale, Category.Technical, sample(Category.Technical));
        openVote(id);
        vote(stranger, id, FOR);
        assertTrue(dao.hasVoted(id, stranger));
        assertEq(rewardPool.voteShare(dao.proposalDeadline(id) / WEEK, stranger), 0);
    }
}
