// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {RewardPool} from "../src/RewardPool.sol";
import {IRewardPool, Stream} from "../src/interfaces/IRewardPool.sol";
import {ITaskManager} from "../src/interfaces/ITaskManager.sol";
import {Role} from "../src/interfaces/Types.sol";
import {LedgerTest} from "./utils/LedgerTest.sol";

/// @title What the pool holds and owes, its rates, and what bonded stake earns
contract RewardPoolTest is LedgerTest {
    uint256 private constant YEAR = 365 days;

    function setUp() public override {
        super.setUp();
        ITaskManager.Parameters memory parameters;
        parameters.protocolFee = 3_000;
        vm.mockCall(taskManager, abi.encodeCall(ITaskManager.parameters, ()), abi.encode(parameters));
        vm.mockCall(taskManager, abi.encodeCall(ITaskManager.longestTask, ()), abi.encode(7 days));
    }

    function _rates() private view returns (IRewardPool.Rates memory) {
        return rewardPool.rates();
    }

    function _set(IRewardPool.Rates memory rates) private {
        vm.prank(governor);
        rewardPool.setRates(rates);
    }

    /// @dev Leave the pool with this much.
    function _leave(uint256 amount) private {
        uint256 held = token.balanceOf(address(rewardPool));
        vm.prank(address(rewardPool));
        token.transfer(treasury, held - amount);
    }

    // ---- construction and rates ----

    function test_HoldsTheCommunitysShare() public view {
        assertEq(token.balanceOf(address(rewardPool)), 400_000_000e18);
        assertEq(rewardPool.owed(), 0);
        assertEq(rewardPool.genesis(), block.timestamp);
    }

    function test_TheConstructorRefusesZeroAddresses() public {
        address[5] memory named = [address(1), address(2), address(3), address(4), address(5)];
        for (uint256 i; i < 5; ++i) {
            address kept = named[i];
            named[i] = address(0);
            vm.expectRevert(IRewardPool.ZeroAddress.selector);
            new RewardPool(named[0], named[1], named[2], named[3], named[4], rewardRates());
            named[i] = kept;
        }
    }

    function test_OnlyGovernanceSetsRatesAndRecorder() public {
        vm.startPrank(stranger);
        bytes memory refused = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger);
        vm.expectRevert(refused);
        rewardPool.setRates(rewardRates());
        vm.expectRevert(refused);
        rewardPool.setVoteRecorder(stranger);
        vm.stopPrank();

        IRewardPool.Rates memory rates = rewardRates();
        rates.stakingRate = 1;
        vm.expectEmit(true, true, true, true, address(rewardPool));
        emit IRewardPool.RatesChanged(rates, 1);
        _set(rates);
        assertEq(abi.encode(_rates()), abi.encode(rates));
        vm.expectEmit(true, true, true, true, address(rewardPool));
        emit IRewardPool.VoteRecorderChanged(bob);
        vm.prank(governor);
        rewardPool.setVoteRecorder(bob);
        assertEq(rewardPool.voteRecorder(), bob);
    }

    function test_RatesHaveLimits() public {
        string[6] memory names = ["stakingRate", "uptimeRate", "voteRate", "rebateFee", "rebateBudget", "voteBudget"];
        uint256[6] memory most = [uint256(500), 500, 200, 3_000, 100_000e18, 100_000e18];
        for (uint256 i; i < 6; ++i) {
            _set(_with(i, most[i]));
            assertEq(abi.encode(_rates()), abi.encode(_with(i, most[i])));
            vm.expectRevert(abi.encodeWithSelector(IRewardPool.BadRate.selector, names[i], most[i] + 1, most[i]));
            _set(_with(i, most[i] + 1));
        }
    }

    function _with(uint256 field, uint256 value) private view returns (IRewardPool.Rates memory rates) {
        rates = rewardRates();
        if (field == 0) rates.stakingRate = uint16(value);
        else if (field == 1) rates.uptimeRate = uint16(value);
        else if (field == 2) rates.voteRate = uint16(value);
        else if (field == 3) rates.rebateFee = uint16(value);
        else if (field == 4) rates.rebateBudget = uint96(value);
        else rates.voteBudget = uint96(value);
    }

    function test_RaisingTheRebateOpensASeasonAndNothingElseDoes() public {
        assertEq(rewardPool.season(), 1);
        assertEq(rewardPool.seasonFrom(), rewardPool.genesis());
        IRewardPool.Rates memory rates = rewardRates();
        rates.uptimeRate = 400;
        rates.rebateBudget = 30_000e18;
        rates.rebateFee = 499;
        _set(rates);
        assertEq(rewardPool.season(), 1);
        rates.rebateFee = 500;
        _set(rates);
        assertEq(rewardPool.season(), 2);
        assertEq(rewardPool.seasonFrom(), block.timestamp + 7 days);
        rates.mlbPerCoin += 1;
        _set(rates);
        assertEq(rewardPool.season(), 3);
        rates.mlbPerCoin -= 1;
        _set(rates);
        assertEq(rewardPool.season(), 3);
    }

    function test_TheDailyBudgetByHand() public view {
        // 2 % + 2 x 3 % of a billion a year, 20,000 a day, 20,000 a week.
        assertEq(rewardPool.dailyBudget(), uint256(80_000_000e18) / 365 + 20_000e18 + uint256(20_000e18) / 7);
    }

    // ---- who may call ----

    function test_OnlyTheLedgerTellsOfStake() public {
        vm.expectRevert(IRewardPool.OnlyRewardDistributor.selector);
        rewardPool.stakeChanged(stranger, 0, 1e24);
        vm.expectRevert(IRewardPool.OnlyRewardDistributor.selector);
        rewardPool.interrupt(2);
    }

    // ---- staking ----

    function test_HolderAndModelProviderStakeEarnByTime() public {
        staked(alice, Role.Holder, 1_000e18);
        staked(bob, Role.ModelProvider, PROVIDER_MIN);
        vm.warp(block.timestamp + YEAR / 2);
        assertEq(rewardPool.owedTo(alice), 10e18);
        assertEq(rewardPool.owedTo(bob), 100e18);
        assertEq(rewardPool.owed(), 110e18);
        uint256 before = token.balanceOf(alice);
        vm.expectEmit(true, true, true, true, address(rewardPool));
        emit IRewardPool.Credited(alice, Stream.Staking, 10e18);
        vm.expectEmit(true, true, true, true, address(rewardPool));
        emit IRewardPool.Claimed(alice, 10e18);
        vm.prank(stranger);
        assertEq(rewardPool.claim(alice), 10e18);
        assertEq(token.balanceOf(alice) - before, 10e18, "to the owner, whoever calls");
        assertEq(rewardPool.owed(), 100e18);
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.NothingToClaim.selector, alice));
        rewardPool.claim(alice);
    }

    function test_SeatHoldingStakeEarnsNothingHere() public {
        staked(alice, Role.Compute, COMPUTE_MIN);
        staked(bob, Role.Verifier, VERIFIER_MIN);
        vm.warp(block.timestamp + YEAR);
        assertEq(rewardPool.owed(), 0);
    }

    function test_UnbondingStakeEarnsNoMore() public {
        staked(alice, Role.Holder, 1_000e18);
        vm.warp(block.timestamp + YEAR);
        unbond(alice, Role.Holder, 600e18);
        assertEq(rewardPool.owedTo(alice), 20e18, "what was earned stays");
        vm.warp(block.timestamp + YEAR);
        assertEq(rewardPool.owedTo(alice), 28e18);
        unbond(alice, Role.Holder, 400e18);
        vm.warp(block.timestamp + YEAR);
        assertEq(rewardPool.owedTo(alice), 28e18);
    }

    function test_ANewRateCountsFromNowOn() public {
        staked(alice, Role.Holder, 1_000e18);
        vm.warp(block.timestamp + YEAR);
        IRewardPool.Rates memory rates = rewardRates();
        rates.stakingRate = 500;
        _set(rates);
        assertEq(rewardPool.owedTo(alice), 20e18);
        vm.warp(block.timestamp + YEAR);
        assertEq(rewardPool.owedTo(alice), 70e18);
        rates.stakingRate = 0;
        _set(rates);
        vm.warp(block.timestamp + YEAR);
        assertEq(rewardPool.owedTo(alice), 70e18);
    }

    /// @dev What another has, gains or loses changes nothing.
    function testFuzz_NobodysRewardDependsOnAnothersStake(uint256 mine, uint256 others, uint256 time) public {
        mine = bound(mine, 1, 100_000_000e18);
        others = bound(others, PROVIDER_MIN, 100_000_000e18);
        time = bound(time, 0, YEAR);
        staked(alice, Role.Holder, mine);
        staked(bob, Role.ModelProvider, others);
        vm.warp(block.timestamp + time);
        unbond(bob, Role.ModelProvider, others);
        vm.warp(block.timestamp + time);
        assertApproxEqAbs(rewardPool.owedTo(alice), mine * 200 * 2 * time / (10_000 * YEAR), 1);
    }

    function testFuzz_SplittingStakeGainsNothing(uint256 stake, uint256 part, uint256 time) public {
        stake = bound(stake, 3, 100_000_000e18);
        part = bound(part, 1, stake - 1);
        time = bound(time, 0, 10 * YEAR);
        staked(alice, Role.Holder, stake);
        staked(bob, Role.Holder, part);
        staked(carol, Role.Holder, stake - part);
        vm.warp(block.timestamp + time);
        assertLe(rewardPool.owedTo(bob) + rewardPool.owedTo(carol), rewardPool.owedTo(alice));
    }

    function test_StakingIsNotARewardForAMoment() public {
        staked(alice, Role.Holder, 100_000_000e18);
        unbond(alice, Role.Holder, 100_000_000e18);
        assertEq(rewardPool.owedTo(alice), 0);
    }

    // ---- an empty pool ----

    function test_StakeStopsEarningWhenThePoolIsEmptyAndGoesOnWhenItIsNot() public {
        staked(alice, Role.Holder, 1_000e18);
        staked(bob, Role.Holder, 3_000e18);
        _leave(8e18);
        vm.warp(block.timestamp + YEAR);
        assertEq(rewardPool.owedTo(alice), 2e18, "a quarter of what there is");
        assertEq(rewardPool.owedTo(bob), 6e18);
        assertEq(rewardPool.owed(), 8e18);
        rewardPool.claim(alice);
        rewardPool.claim(bob);
        assertEq(token.balanceOf(address(rewardPool)), 0);
        vm.warp(block.timestamp + YEAR);
        assertEq(rewardPool.owed(), 0, "nothing is promised that is not there");
        rewardPool.mintInflation();
        assertEq(rewardPool.owed(), 0, "nor paid afterwards");
        vm.warp(block.timestamp + YEAR);
        assertEq(rewardPool.owedTo(alice), 20e18);
    }

    // ---- inflation ----

    function test_MintingMovesNoReward() public {
        staked(alice, Role.Holder, 1_000e18);
        vm.warp(block.timestamp + YEAR);
        uint256 before = rewardPool.owedTo(alice);
        rewardPool.mintInflation();
        assertEq(rewardPool.owedTo(alice), before);
    }

    /// @dev Whatever is staked, unbonded and claimed when, the pool holds what it owes, owes it to somebody, and paid no
    /// more than its rate.
    /// forge-config: default.fuzz.runs = 64
    function testFuzz_ThePoolOwesWhatItsOwnersAreOwed(uint256 seed) public {
        address[3] memory who = [alice, bob, carol];
        for (uint256 i; i < 3; ++i) {
            fund(who[i], 50_000_000e18);
        }
        if (seed % 3 == 0) _leave(seed % 2_000_000e18);
        uint256 began = block.timestamp;
        uint256 now_ = began;
        uint256 held = token.balanceOf(address(rewardPool));
        for (uint256 i; i < 60; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            address actor = who[seed % 3];
            now_ += (seed >> 8) % 40 days;
            vm.warp(now_);
            uint256 amount = 1 + (seed >> 64) % 20_000_000e18;
            Role role = (seed >> 32) % 2 == 0 ? Role.Holder : Role.ModelProvider;
            uint256 kind = (seed >> 40) % 4;
            vm.prank(actor);
            if (kind == 0) _try(address(ledger), abi.encodeCall(ledger.stake, (role, amount)));
            else if (kind == 1) _try(address(ledger), abi.encodeCall(ledger.requestUnbond, (role, amount)));
            else if (kind == 2) _try(address(ledger), abi.encodeCall(ledger.withdraw, (role)));
            else _try(address(rewardPool), abi.encodeCall(rewardPool.claim, (actor)));
            uint256 balance = token.balanceOf(address(rewardPool));
            uint256 owed = rewardPool.owed();
            uint256 sum = rewardPool.owedTo(alice) + rewardPool.owedTo(bob) + rewardPool.owedTo(carol);
            assertLe(owed, balance, "covered");
            assertLe(sum, owed, "owed to more than it knows");
            assertLe(owed - sum, 3, "owed to nobody, beyond the fractions of three owners");
            assertLe(held - balance + owed, 150_000_000e18 * 200 * (now_ - began) / (10_000 * YEAR), "budget");
        }
    }

    function _try(address target, bytes memory data) private {
        (bool ok,) = target.call(data);
        ok;
    }
}
