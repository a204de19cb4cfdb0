// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "../src/interfaces/IRewardDistributor.sol";
import {IRewardPool, Stream} from "../src/interfaces/IRewardPool.sol";
import {ITaskManager} from "../src/interfaces/ITaskManager.sol";
import {Role} from "../src/interfaces/Types.sol";
import {LedgerTest} from "./utils/LedgerTest.sol";

/// @title What comes back of the protocol fee, and to whom
contract RewardPoolRebateTest is LedgerTest {
    uint256 private constant LONGEST_TASK = 7 days;

    function setUp() public override {
        super.setUp();
        _protocolFee(500);
        _quality(10_000);
        vm.mockCall(taskManager, abi.encodeCall(ITaskManager.longestTask, ()), abi.encode(LONGEST_TASK));
    }

    function _protocolFee(uint16 fee) private {
        ITaskManager.Parameters memory parameters;
        parameters.protocolFee = fee;
        vm.mockCall(taskManager, abi.encodeCall(ITaskManager.parameters, ()), abi.encode(parameters));
    }

    function _quality(uint256 quality) private {
        vm.mockCall(modelRegistry, abi.encodePacked(IModelRegistry.qualityOf.selector), abi.encode(quality));
    }

    function _rates(uint16 fee, uint96 mlbPerCoin, uint96 budget) private {
        IRewardPool.Rates memory rates = rewardRates();
        (rates.rebateFee, rates.mlbPerCoin, rates.rebateBudget) = (fee, mlbPerCoin, budget);
        vm.prank(governor);
        rewardPool.setRates(rates);
    }

    function _earnModelFee(address provider, uint256 amount) private {
        uint32[] memory nobody = new uint32[](0);
        vm.prank(taskManager);
        ledger.settle(IRewardDistributor.Settlement(TASK, provider, amount, 0, 0, address(0), 0, nobody));
    }

    function _nothing(address earner) private {
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.NothingToCollect.selector, earner));
        rewardPool.collectRebate(earner);
    }

    // ---- what counts ----

    function test_SeatFeesCountWhetherClaimedOrNot() public {
        uint32 id = staked(alice, Role.Compute, COMPUTE_MIN);
        rewardPool.collectRebate(alice);
        win(id, 1 ether);
        vm.expectEmit(true, true, true, true, address(rewardPool));
        emit IRewardPool.Credited(alice, Stream.Participation, 25e18);
        vm.prank(stranger);
        assertEq(rewardPool.collectRebate(alice), 25e18, "half of 5 % at 1,000 a coin");
        ledger.claim(alice);
        _nothing(alice);
        win(id, 0.4 ether);
        assertEq(rewardPool.collectRebate(alice), 10e18);
        (uint256 seatFees, uint256 modelFees) = ledger.feesEarned(alice);
        assertEq(seatFees, 1.4 ether);
        assertEq(modelFees, 0);
        assertEq(rewardPool.owedTo(alice), 35e18);
    }

    function test_ModelFeesCountByQuality() public {
        rewardPool.collectRebate(bob);
        _earnModelFee(bob, 1 ether);
        _quality(7_500);
        vm.expectEmit(true, true, true, true, address(rewardPool));
        emit IRewardPool.Credited(bob, Stream.Quality, 18.75e18);
        assertEq(rewardPool.collectRebate(bob), 18.75e18);
        ledger.claim(bob);
        (, uint256 modelFees) = ledger.feesEarned(bob);
        assertEq(modelFees, 1 ether, "a claim forgets nothing");
    }

    function test_RefundsCreditsAndTipsDoNotCount() public {
        rewardPool.collectRebate(bob);
        vm.startPrank(taskManager);
        ledger.credit(bob, TASK, 5 ether);
        ledger.settle(IRewardDistributor.Settlement(TASK, alice, 0, 1 ether, 0, bob, 3 ether, new uint32[](0)));
        vm.stopPrank();
        assertEq(ledger.claimable(bob), 8 ether);
        _nothing(bob);
    }

    // ---- seasons ----

    function test_WhatWasEarnedBeforeTheFirstCallDoesNotCount() public {
        uint32 id = staked(alice, Role.Compute, COMPUTE_MIN);
        win(id, 1 ether);
        vm.expectEmit(true, true, true, true, address(rewardPool));
        emit IRewardPool.SeasonOpened(alice, 1);
        assertEq(rewardPool.collectRebate(alice), 0);
        _nothing(alice);
    }

    /// @dev Trading with oneself is free while the protocol takes nothing. It must not pay once it does.
    function test_FeesEarnedUnderALowerFeeAreNotPaidAtAHigherOne() public {
        _protocolFee(0);
        uint32 id = staked(alice, Role.Compute, COMPUTE_MIN);
        rewardPool.collectRebate(alice);
        assertEq(rewardPool.rates().rebateFee, 0, "the pool follows the task manager down");
        win(id, 400 ether);
        _protocolFee(500);
        _nothing(alice);
        _rates(500, 1_000e18, 20_000e18);
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.SeasonNotOpen.selector, block.timestamp + LONGEST_TASK));
        rewardPool.collectRebate(alice);
        // A task submitted before, for nothing, that ends only now.
        vm.warp(block.timestamp + LONGEST_TASK);
        win(id, 400 ether);
        assertEq(rewardPool.collectRebate(alice), 0, "a new season");
        ledger.claim(alice);
        _nothing(alice);
        win(id, 1 ether);
        assertEq(rewardPool.collectRebate(alice), 25e18);
    }

    function test_TheRebateIsNotRaisedAboveTheProtocolsFee() public {
        IRewardPool.Rates memory rates = rewardRates();
        rates.rebateFee = 501;
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.BadRate.selector, "rebateFee", 501, 500));
        vm.prank(governor);
        rewardPool.setRates(rates);
    }

    function test_AnyoneLowersTheFeeToWhatTheProtocolTakes() public {
        assertEq(rewardPool.lowerRebateFee(), 500);
        _protocolFee(300);
        vm.expectEmit(true, true, true, true, address(rewardPool));
        emit IRewardPool.RebateFeeLowered(300);
        vm.prank(stranger);
        assertEq(rewardPool.lowerRebateFee(), 300);
        _protocolFee(2_000);
        assertEq(rewardPool.lowerRebateFee(), 300, "never up");
    }

    // ---- budget ----

    function test_WhatTheDaysBudgetCannotPayWaits() public {
        _rates(500, 1_000e18, 30e18);
        uint32 id = staked(alice, Role.Compute, COMPUTE_MIN);
        rewardPool.collectRebate(alice);
        rewardPool.collectRebate(bob);
        win(id, 2 ether);
        _earnModelFee(bob, 0.8 ether);
        assertEq(rewardPool.collectRebate(alice), 30e18);
        _nothing(alice);
        _nothing(bob);
        vm.warp(block.timestamp + 1 days);
        assertEq(rewardPool.collectRebate(alice), 20e18, "the rest");
        assertEq(rewardPool.collectRebate(bob), 10e18, "what that left");
        vm.warp(block.timestamp + 1 days);
        assertEq(rewardPool.collectRebate(bob), 10e18);
        _nothing(bob);
    }

    function test_ALoweredBudgetStopsTheDay() public {
        uint32 id = staked(alice, Role.Compute, COMPUTE_MIN);
        rewardPool.collectRebate(alice);
        win(id, 2 ether);
        rewardPool.collectRebate(alice);
        _rates(500, 1_000e18, 1e18);
        win(id, 2 ether);
        _nothing(alice);
        vm.warp(block.timestamp + 1 days);
        assertEq(rewardPool.collectRebate(alice), 1e18);
    }

    function test_AnEmptyPoolPaysNothingAndForgetsNothing() public {
        uint32 id = staked(alice, Role.Compute, COMPUTE_MIN);
        rewardPool.collectRebate(alice);
        win(id, 1 ether);
        uint256 held = token.balanceOf(address(rewardPool));
        vm.prank(address(rewardPool));
        token.transfer(treasury, held);
        _nothing(alice);
        vm.prank(treasury);
        token.transfer(address(rewardPool), 100e18);
        assertEq(rewardPool.collectRebate(alice), 25e18);
    }

    /// @dev In whatever portions it is earned and collected, it is half the fee's worth, within each day's budget.
    function testFuzz_NeverMoreThanHalfTheFeeNorTheBudget(uint256 seed, uint96 mlbPerCoin, uint256 budget) public {
        budget = bound(budget, 1e18, 100_000e18);
        _rates(500, mlbPerCoin, uint96(budget));
        vm.warp(block.timestamp + LONGEST_TASK);
        uint32 id = staked(alice, Role.Compute, COMPUTE_MIN);
        rewardPool.collectRebate(alice);
        uint256 day = block.timestamp / 1 days;
        uint256 spent;
        uint256 total;
        for (uint256 i; i < 25; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            if (seed % 2 == 0) win(id, seed % 1 ether);
            else _earnModelFee(alice, seed % 1 ether);
            vm.warp(block.timestamp + (seed >> 128) % 12 hours);
            if (block.timestamp / 1 days != day) (day, spent) = (block.timestamp / 1 days, 0);
            (bool ok, bytes memory answer) = address(rewardPool).call(abi.encodeCall(rewardPool.collectRebate, (alice)));
            if (ok) {
                uint256 amount = abi.decode(answer, (uint256));
                spent += amount;
                total += amount;
            }
            assertLe(spent, budget, "the day's budget");
        }
        (uint256 seatFees, uint256 modelFees) = ledger.feesEarned(alice);
        assertLe(total, (seatFees + modelFees) * 500 * uint256(mlbPerCoin) / (2 * 10_000 * 1e18), "half the fee");
        assertEq(rewardPool.owedTo(alice), total);
    }
}
