// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IRewardPool, Stream} from "../src/interfaces/IRewardPool.sol";
import {Fault, Role, Seat, TaskStatus} from "../src/interfaces/Types.sol";
import {BaseTest} from "./utils/BaseTest.sol";

/// @title What serving earns, and what ends it
contract RewardPoolUptimeTest is BaseTest {
    /// @dev 3 % of 100,000 MLB, doubled by the early bonus of the first day, a day's worth.
    uint256 private constant STAKE = 100_000e18;
    uint256 private began;

    function setUp() public override {
        super.setUp();
        addPool(6, 0);
        began = rewardPool.genesis();
    }

    function _checkIn(Operator memory who, bytes32 modelId) private returns (uint256) {
        vm.prank(who.cold);
        return rewardPool.checkIn(who.account, modelId);
    }

    function _rateAt(uint256 time) private view returns (uint256) {
        return 300 * (10_000 + uint256(10_000) * (730 days - (time - began)) / 730 days);
    }

    function _worth(uint256 rate, uint256 elapsed) private pure returns (uint256) {
        return STAKE * rate * elapsed / (1e8 * 365 days);
    }

    // ---- check-in ----

    function test_ACheckInPaysForTheTimeSinceTheLast() public {
        Operator memory one = operators[0];
        uint256 start = vm.getBlockTimestamp();
        uint256 rate = _rateAt(start);
        vm.expectEmit(true, true, true, true, address(rewardPool));
        emit IRewardPool.CheckedIn(one.account, exactModel, STAKE, rate);
        assertEq(_checkIn(one, exactModel), 0, "nothing for the time before");
        skip(10 hours);
        assertEq(rewardPool.uptimeOf(one.account), _worth(rate, 10 hours));
        vm.expectEmit(true, true, true, true, address(rewardPool));
        emit IRewardPool.Credited(one.cold, Stream.Uptime, _worth(rate, 10 hours));
        // A node key may do it every day; what it earns is the operator's.
        vm.prank(one.node);
        assertEq(rewardPool.checkIn(one.account, exactModel), _worth(rate, 10 hours));
        assertEq(rewardPool.owedTo(one.cold), _worth(rate, 10 hours));
        IRewardPool.Interval memory interval = rewardPool.intervalOf(one.account);
        assertEq(interval.since, vm.getBlockTimestamp());
        assertEq(interval.stake, STAKE);
        assertEq(interval.model, 1);
    }

    function test_ACheckInPaysForADayAtMost() public {
        uint256 rate = _rateAt(vm.getBlockTimestamp());
        _checkIn(operators[0], exactModel);
        skip(30 days);
        assertEq(_checkIn(operators[0], exactModel), _worth(rate, 1 days));
    }

    function testFuzz_HowOftenDoesNotMatter(uint256 seed) public {
        uint256 last = vm.getBlockTimestamp();
        uint256 rate = _rateAt(last);
        uint256 expected;
        _checkIn(operators[0], exactModel);
        for (uint256 i; i < 10; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 time = seed % 1 days;
            skip(time);
            expected += _worth(rate, time);
            assertEq(_checkIn(operators[0], exactModel), _worth(rate, time));
            rate = _rateAt(vm.getBlockTimestamp());
        }
        assertEq(rewardPool.owedTo(operators[0].cold), expected);
    }

    function test_ANewRateCountsFromTheNextCheckIn() public {
        uint256 rate = _rateAt(vm.getBlockTimestamp());
        _checkIn(operators[0], exactModel);
        IRewardPool.Rates memory rates = rewardRates();
        rates.uptimeRate = 0;
        vm.prank(governor);
        rewardPool.setRates(rates);
        skip(1 days);
        assertEq(_checkIn(operators[0], exactModel), _worth(rate, 1 days));
        skip(1 days);
        assertEq(_checkIn(operators[0], exactModel), 0);
    }

    function test_StakeAddedSinceDoesNotCountYet() public {
        Operator memory one = operators[0];
        uint256 rate = _rateAt(vm.getBlockTimestamp());
        _checkIn(one, exactModel);
        skip(1 days - 1);
        stakeAs(one.cold, Role.Compute, 1_000 * STAKE / 10);
        skip(1);
        assertEq(_checkIn(one, exactModel), _worth(rate, 1 days));
    }

    function test_WhoMayCheckIn() public {
        Operator memory one = operators[0];
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.NotOperator.selector, one.account, stranger));
        vm.prank(stranger);
        rewardPool.checkIn(one.account, exactModel);
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.NotOperator.selector, one.account, operators[1].node));
        vm.prank(operators[1].node);
        rewardPool.checkIn(one.account, exactModel);
        vm.prank(one.cold);
        tasks.setNodeKey(one.node, false, "");
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.NotOperator.selector, one.account, one.node));
        vm.prank(one.node);
        rewardPool.checkIn(one.account, exactModel);
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.NotOperator.selector, 4_000, one.cold));
        vm.prank(one.cold);
        rewardPool.checkIn(4_000, exactModel);
    }

    function test_VerifiersAreNotPaidForUptime() public {
        Operator memory verifier_ = addOperator(Role.Verifier, 2 * VERIFIER_MIN);
        serve(verifier_, exactModel);
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.NotCompute.selector, verifier_.account));
        _checkIn(verifier_, exactModel);
    }

    function test_OnlyWhoServesAnActiveModel() public {
        Operator memory idle = addOperator(Role.Compute, STAKE);
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.NotServing.selector, exactModel, idle.account));
        _checkIn(idle, exactModel);
        vm.prank(provider);
        registry.setPaused(exactModel, true);
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.NotServing.selector, exactModel, operators[0].account));
        _checkIn(operators[0], exactModel);
        _checkIn(operators[0], numericModel);
    }

    // ---- what ends it ----

    /// @dev A committee of three of which one says nothing.
    function _silent() private returns (Operator memory absent) {
        bytes32 taskId = begin(exactModel, 3);
        Seat[] memory seats = committee(taskId);
        for (uint256 i; i < 6; ++i) {
            if (operators[i].account == seats[0].account) absent = operators[i];
        }
        commitAs(seats[1].account, taskId, RIGHT);
        commitAs(seats[2].account, taskId, RIGHT);
        passPhase(taskId);
        poke(taskId);
        assertStatus(taskId, TaskStatus.Redrawing);
    }

    function test_AnAbsenceForfeitsTheTimeAndPausesUntilTheNextWonTask() public {
        for (uint256 i; i < 6; ++i) {
            _checkIn(operators[i], exactModel);
        }
        skip(1 hours);
        Operator memory absent = _silent();
        assertEq(rewardPool.uptimeOf(absent.account), 0);
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.NotUp.selector, absent.account));
        _checkIn(absent, exactModel);
        // What it lost went to nobody: the others are paid as if nothing had happened.
        for (uint256 i; i < 6; ++i) {
            if (operators[i].account == absent.account) continue;
            IRewardPool.Interval memory interval = rewardPool.intervalOf(operators[i].account);
            uint256 elapsed = vm.getBlockTimestamp() - interval.since;
            assertEq(rewardPool.uptimeOf(operators[i].account), _worth(interval.rate, elapsed));
        }
        for (uint256 i; i < 40 && ledger.accounts(absent.account).absences != 0; ++i) {
            playRound(begin(exactModel, 3), RIGHT);
        }
        assertEq(_checkIn(absent, exactModel), 0);
        assertGt(rewardPool.intervalOf(absent.account).since, 0);
    }

    function test_JailForfeitsAndUnjailBeginsAnew() public {
        Operator memory one = operators[0];
        _checkIn(one, exactModel);
        skip(1 hours);
        vm.expectEmit(true, true, true, true, address(rewardPool));
        emit IRewardPool.Interrupted(one.account);
        vm.prank(address(tasks));
        ledger.slash(one.account, bytes32(0), 1, Fault.Incorrect, 10_000, address(0));
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.NotUp.selector, one.account));
        _checkIn(one, exactModel);
        skip(JAIL);
        vm.prank(one.cold);
        ledger.unjail(one.account);
        assertEq(_checkIn(one, exactModel), 0);
    }

    function test_TakingStakeOutForfeits() public {
        Operator memory one = operators[0];
        _checkIn(one, exactModel);
        skip(1 days);
        vm.prank(one.cold);
        ledger.requestUnbond(Role.Compute, 1);
        assertEq(rewardPool.uptimeOf(one.account), 0);
        assertEq(_checkIn(one, exactModel), 0);
        vm.prank(one.cold);
        ledger.requestUnbond(Role.Compute, STAKE - 1);
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.NotUp.selector, one.account));
        _checkIn(one, exactModel);
    }

    function test_TheSlasherOfANeighbourGainsNothing() public {
        _checkIn(operators[0], exactModel);
        _checkIn(operators[1], exactModel);
        skip(12 hours);
        uint256 before = rewardPool.uptimeOf(operators[0].account);
        vm.prank(address(tasks));
        ledger.slash(operators[1].account, bytes32(0), 1, Fault.Incorrect, 10_000, operators[0].cold);
        assertEq(rewardPool.uptimeOf(operators[0].account), before);
        assertEq(rewardPool.owedTo(operators[0].cold), 0);
        skip(12 hours);
        uint256 credited = _checkIn(operators[0], exactModel);
        assertEq(credited / 2, before);
    }

    // ---- reports ----

    function test_WhoStopsServingLosesTheTimeToWhoeverShowsIt() public {
        Operator memory one = operators[0];
        uint256 rate = _rateAt(vm.getBlockTimestamp());
        _checkIn(one, exactModel);
        skip(10 hours);
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.StillServing.selector, exactModel, one.account));
        rewardPool.report(one.account);
        vm.prank(one.cold);
        tasks.stopServing(exactModel, one.account);
        vm.expectEmit(true, true, true, true, address(rewardPool));
        emit IRewardPool.Credited(stranger, Stream.Report, _worth(rate, 10 hours) / 10);
        vm.prank(stranger);
        assertEq(rewardPool.report(one.account), _worth(rate, 10 hours) / 10);
        assertEq(rewardPool.owedTo(one.cold), 0);
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.NotCheckedIn.selector, one.account));
        rewardPool.report(one.account);
    }

    function test_ChangingTheModelInTimeIsNoLapse() public {
        Operator memory one = operators[0];
        _checkIn(one, exactModel);
        skip(1 hours);
        _checkIn(one, numericModel);
        vm.prank(one.cold);
        tasks.stopServing(exactModel, one.account);
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.StillServing.selector, numericModel, one.account));
        rewardPool.report(one.account);
    }

    function testFuzz_ReportingOneselfLosesNineTenths(uint256 time) public {
        time = bound(time, 1, 3 days);
        Operator memory one = operators[0];
        _checkIn(one, exactModel);
        skip(time);
        uint256 due = rewardPool.uptimeOf(one.account);
        vm.startPrank(one.cold);
        tasks.stopServing(exactModel, one.account);
        assertEq(rewardPool.report(one.account), due / 10);
        vm.stopPrank();
    }

    // ---- early operators ----

    function test_TheFirstThousandOperatorsAreEarly() public {
        assertEq(rewardPool.earlyBonus(1), rewardPool.earlyBonus(1_000));
        assertGt(rewardPool.earlyBonus(1_000), 9_990);
        assertEq(rewardPool.earlyBonus(1_001), 0);
        skip(365 days - (vm.getBlockTimestamp() - began));
        assertEq(rewardPool.earlyBonus(1_000), 5_000);
        skip(365 days);
        assertEq(rewardPool.earlyBonus(1), 0);
    }

    /// @dev One operator's stake as one account, or as two: the same, less roundings.
    function testFuzz_SybilsGainNothing(uint256 stake, uint256 part, uint256 time) public {
        stake = bound(stake, 2 * COMPUTE_MIN, 100_000_000e18);
        part = bound(part, COMPUTE_MIN, stake - COMPUTE_MIN);
        time = bound(time, 0, 1 days);
        uint256 id = vm.snapshotState();
        Operator memory whole = addOperator(Role.Compute, stake);
        serve(whole, exactModel);
        _checkIn(whole, exactModel);
        skip(time);
        uint256 asOne = _checkIn(whole, exactModel);
        vm.revertToState(id);
        Operator memory left = addOperator(Role.Compute, part);
        Operator memory right = addOperator(Role.Compute, stake - part);
        serve(left, exactModel);
        serve(right, exactModel);
        _checkIn(left, exactModel);
        _checkIn(right, exactModel);
        skip(time);
        assertLe(_checkIn(left, exactModel) + _checkIn(right, exactModel), asOne);
    }

    function test_AnEmptyPoolPaysWhatItHas() public {
        _checkIn(operators[0], exactModel);
        skip(1 days);
        uint256 held = token.balanceOf(address(rewardPool));
        uint256 owed = rewardPool.owed();
        vm.prank(address(rewardPool));
        token.transfer(treasury, held - owed - 5);
        // The model provider's stake goes on earning first.
        assertEq(_checkIn(operators[0], exactModel), 5);
        assertLe(rewardPool.owed(), token.balanceOf(address(rewardPool)));
    }
}
