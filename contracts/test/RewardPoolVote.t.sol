// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IRewardPool, Stream} from "../src/interfaces/IRewardPool.sol";
import {Role} from "../src/interfaces/Types.sol";
import {LedgerTest} from "./utils/LedgerTest.sol";

/// @title What votes earn
contract RewardPoolVoteTest is LedgerTest {
    uint256 private constant WEEK = 7 days;

    address private recorder = makeAddr("recorder");
    uint256 private period;
    uint256 private end;

    function setUp() public override {
        super.setUp();
        vm.prank(governor);
        rewardPool.setVoteRecorder(recorder);
        period = block.timestamp / WEEK;
        end = (period + 1) * WEEK;
    }

    function _vote(address voter, uint256 weight, uint256 epochEnd) private {
        vm.prank(recorder);
        rewardPool.recordVote(voter, weight, epochEnd);
    }

    function test_OnlyTheRecorderReports() public {
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.OnlyVoteRecorder.selector, stranger));
        vm.prank(stranger);
        rewardPool.recordVote(stranger, 1, end);
        vm.prank(governor);
        rewardPool.setVoteRecorder(address(0));
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.OnlyVoteRecorder.selector, recorder));
        _vote(alice, 1, end);
    }

    function test_AWeekAtTheRateForAVote() public {
        staked(alice, Role.ModelProvider, 73_000e18);
        vm.expectEmit(true, true, true, true, address(rewardPool));
        emit IRewardPool.VoteRecorded(alice, period, 73_000e18);
        _vote(alice, 1, block.timestamp);
        assertEq(rewardPool.voteShare(period, alice), 73_000e18);
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.VotePeriodOpen.selector, end));
        rewardPool.collectVotes(alice, period);
        vm.warp(end);
        vm.expectEmit(true, true, true, true, address(rewardPool));
        emit IRewardPool.Credited(alice, Stream.Vote, 14e18);
        assertEq(rewardPool.collectVotes(alice, period), 14e18, "1 % of 73,000 is 2 a day");
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.NothingToCollect.selector, alice));
        rewardPool.collectVotes(alice, period);
    }

    function test_AScarceBudgetIsSharedByStake() public {
        IRewardPool.Rates memory rates = rewardRates();
        rates.voteBudget = 12e18;
        vm.prank(governor);
        rewardPool.setRates(rates);
        staked(alice, Role.ModelProvider, 100_000e18);
        staked(bob, Role.ModelProvider, 300_000e18);
        _vote(alice, 5, end - 1);
        _vote(bob, 1, end - 1);
        // What is changed meanwhile does not touch a period that has votes.
        rates.voteBudget = 0;
        rates.voteRate = 0;
        vm.prank(governor);
        rewardPool.setRates(rates);
        vm.warp(end);
        assertEq(rewardPool.collectVotes(alice, period), 3e18);
        assertEq(rewardPool.collectVotes(bob, period), 9e18);
        IRewardPool.VotePeriod memory found = rewardPool.votePeriods(period);
        assertEq(found.shares, 400_000e18);
        assertEq(found.budget, 12e18);
        assertEq(found.rate, 100);
    }

    function test_OncePeriodHoweverManyProposals() public {
        staked(alice, Role.ModelProvider, 50_000e18);
        for (uint256 i; i < 5; ++i) {
            _vote(alice, 1e24, block.timestamp + i);
        }
        assertEq(rewardPool.votePeriods(period).shares, 50_000e18);
    }

    function test_WhatCannotBeRewardedIsPassedOver() public {
        staked(alice, Role.ModelProvider, 50_000e18);
        _vote(alice, 0, end - 1);
        _vote(alice, 1, block.timestamp - 1);
        _vote(alice, 1, type(uint256).max);
        _vote(alice, 1, block.timestamp + UNBONDING + 1);
        _vote(bob, 1, end - 1);
        staked(bob, Role.Holder, 1_000_000e18);
        _vote(bob, 1, end - 1);
        assertEq(rewardPool.votePeriods(period).shares, 0);
        assertEq(rewardPool.voteShare(period, alice) + rewardPool.voteShare(period, bob), 0);
    }

    /// @dev Stake taken out after a vote cannot be bonded by another in time to vote in the same period.
    function testFuzz_StakeCountsOnceAPeriod(uint256 ahead, uint256 wait) public {
        ahead = bound(ahead, 0, 40 days);
        uint256 epochEnd = block.timestamp + ahead;
        staked(alice, Role.ModelProvider, 50_000e18);
        _vote(alice, 1, epochEnd);
        unbond(alice, Role.ModelProvider, 50_000e18);
        vm.warp(block.timestamp + UNBONDING + bound(wait, 0, 20 days));
        vm.startPrank(alice);
        ledger.withdraw(Role.ModelProvider);
        token.transfer(bob, 50_000e18);
        vm.stopPrank();
        vm.startPrank(bob);
        token.approve(address(ledger), 50_000e18);
        ledger.stake(Role.ModelProvider, 50_000e18);
        vm.stopPrank();
        _vote(bob, 1, epochEnd);
        assertLe(rewardPool.votePeriods(epochEnd / WEEK).shares, 50_000e18);
    }

    function testFuzz_SplittingStakeGainsNothing(uint256 stake, uint256 part, uint256 others, uint256 budget) public {
        stake = bound(stake, 2 * PROVIDER_MIN, 50_000_000e18);
        part = bound(part, PROVIDER_MIN, stake - PROVIDER_MIN);
        others = bound(others, PROVIDER_MIN, 50_000_000e18);
        IRewardPool.Rates memory rates = rewardRates();
        rates.voteBudget = uint96(bound(budget, 0, 100_000e18));
        vm.prank(governor);
        rewardPool.setRates(rates);
        uint256 id = vm.snapshotState();
        staked(carol, Role.ModelProvider, others);
        _vote(carol, 1, end - 1);
        staked(alice, Role.ModelProvider, stake);
        _vote(alice, 1, end - 1);
        vm.warp(end);
        uint256 whole = rewardPool.collectVotes(alice, period);
        assertLe(whole + rewardPool.collectVotes(carol, period), rates.voteBudget, "budget");
        vm.revertToState(id);
        staked(carol, Role.ModelProvider, others);
        _vote(carol, 1, end - 1);
        staked(alice, Role.ModelProvider, part);
        staked(bob, Role.ModelProvider, stake - part);
        _vote(alice, 1, end - 1);
        _vote(bob, 1, end - 1);
        vm.warp(end);
        assertLe(rewardPool.collectVotes(alice, period) + rewardPool.collectVotes(bob, period), whole);
    }
}
