// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IVoterRoll} from "../src/interfaces/IVoterRoll.sol";
import {Role} from "../src/interfaces/Types.sol";
import {VoterRoll} from "../src/governance/VoterRoll.sol";
import {GovernanceTest} from "./utils/GovernanceTest.sol";

/// @title Who votes quadratically, with what weight, and what a cheat gains
contract VoterRollTest is GovernanceTest {
    uint256 private constant STAKE = 40_000e18;

    address private voter = makeAddr("voter");

    // ---- enrol ----

    function testEnrolCountsFromAMaturityLater() public {
        stakeAs(voter, Role.Holder, STAKE);
        vm.expectEmit(address(roll));
        emit IVoterRoll.Enrolled(voter, STAKE);
        vm.prank(voter);
        roll.enrol();
        uint256 entered = vm.getBlockTimestamp();
        skip(MATURITY + 1);
        assertEq(roll.stakeAt(voter, entered + MATURITY - 1), 0, "a second too early");
        assertEq(roll.stakeAt(voter, entered + MATURITY), STAKE);
        assertEq(roll.weightAt(voter, entered + MATURITY), 2e11, "the root of 4e22");
        assertEq(roll.totalWeightAt(entered + MATURITY), 2e11);
        assertEq(roll.totalWeightAt(entered + MATURITY - 1), 0);
    }

    function testEnrolNeedsTheMinimum() public {
        stakeAs(voter, Role.Holder, ROLL_MINIMUM - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IVoterRoll.StakeBelowMinimum.selector, voter, ROLL_MINIMUM - 1, ROLL_MINIMUM)
        );
        vm.prank(voter);
        roll.enrol();
        stakeAs(voter, Role.Holder, 1);
        vm.prank(voter);
        roll.enrol();
        assertEq(roll.weightAt(voter, vm.getBlockTimestamp() + MATURITY), 1e11);
    }

    function testEnrolCountsEveryRole() public {
        stakeAs(voter, Role.Compute, COMPUTE_MIN);
        stakeAs(voter, Role.ModelProvider, 10_000e18);
        vm.prank(voter);
        roll.enrol();
        assertEq(roll.stakeAt(voter, vm.getBlockTimestamp() + MATURITY), COMPUTE_MIN + 10_000e18);
    }

    function testMoreStakeCountsAMaturityAfterItWasEntered() public {
        enrolAs(voter, STAKE);
        skip(MATURITY);
        stakeAs(voter, Role.Holder, STAKE);
        assertEq(roll.stakeAt(voter, vm.getBlockTimestamp()), STAKE, "not entered");
        vm.prank(voter);
        roll.enrol();
        assertEq(roll.stakeAt(voter, vm.getBlockTimestamp()), STAKE, "not mature");
        assertEq(roll.stakeAt(voter, vm.getBlockTimestamp() + MATURITY), 2 * STAKE);
        assertEq(roll.totalWeightAt(vm.getBlockTimestamp() + MATURITY), Math.sqrt(2 * STAKE));
    }

    // ---- leaving, being slashed, coming back ----

    function testStakeThatIsUnbondingCountsNoMore() public {
        enrolAs(voter, STAKE);
        skip(MATURITY + 1);
        vm.prank(voter);
        ledger.requestUnbond(Role.Holder, STAKE / 2);
        assertEq(roll.stakeAt(voter, vm.getBlockTimestamp()), STAKE / 2);
        vm.prank(voter);
        ledger.requestUnbond(Role.Holder, STAKE / 2);
        assertEq(roll.stakeAt(voter, vm.getBlockTimestamp()), 0);
    }

    function testWhoeverComesBackWaitsAgain() public {
        enrolAs(voter, STAKE);
        skip(MATURITY + 1);
        vm.prank(voter);
        ledger.requestUnbond(Role.Holder, STAKE);
        vm.expectEmit(address(roll));
        emit IVoterRoll.Refreshed(voter, 0);
        vm.prank(stranger);
        roll.refresh(voter);
        uint256 now_ = vm.getBlockTimestamp();
        assertEq(roll.totalWeightAt(now_ + MATURITY), 0, "out of the quorum");
        stakeAs(voter, Role.Holder, STAKE);
        assertEq(roll.stakeAt(voter, now_), 0, "the old entry is gone");
        vm.prank(voter);
        roll.enrol();
        assertEq(roll.stakeAt(voter, now_ + MATURITY - 1), 0);
        assertEq(roll.stakeAt(voter, now_ + MATURITY), STAKE);
    }

    function testLoweringOnesOwnEntryBeginsAgainToo() public {
        enrolAs(voter, STAKE);
        skip(MATURITY + 1);
        vm.startPrank(voter);
        ledger.requestUnbond(Role.Holder, STAKE / 2);
        roll.enrol();
        vm.stopPrank();
        uint256 now_ = vm.getBlockTimestamp();
        stakeAs(voter, Role.Holder, STAKE / 2);
        assertEq(roll.stakeAt(voter, now_), 0);
        assertEq(roll.stakeAt(voter, now_ + MATURITY), STAKE / 2);
    }

    function testRefreshOnlyLowers() public {
        enrolAs(voter, STAKE);
        vm.expectRevert(abi.encodeWithSelector(IVoterRoll.NothingToRefresh.selector, voter));
        roll.refresh(voter);
        stakeAs(voter, Role.Holder, STAKE);
        vm.expectRevert(abi.encodeWithSelector(IVoterRoll.NothingToRefresh.selector, voter));
        roll.refresh(voter);
        vm.expectRevert(abi.encodeWithSelector(IVoterRoll.NothingToRefresh.selector, stranger));
        roll.refresh(stranger);
        vm.prank(voter);
        ledger.requestUnbond(Role.Holder, STAKE + STAKE / 4);
        roll.refresh(voter);
        assertEq(roll.stakeAt(voter, vm.getBlockTimestamp() + MATURITY), STAKE * 3 / 4, "what is left");
        assertEq(roll.totalWeightAt(vm.getBlockTimestamp() + MATURITY), Math.sqrt(STAKE * 3 / 4));
    }

    // ---- Sybils ----

    /// @dev S split k ways weighs sqrt(k) times as much, and never more than S / sqrt(minimum).
    function testFuzzSplittingGainsTheRootOfTheNumberAndNoMoreThanPlainVoting(uint256 amount, uint256 parts) public {
        parts = bound(parts, 2, 8);
        amount = bound(amount, parts * ROLL_MINIMUM, 10_000_000e18);
        enrolAs(voter, amount);
        uint256 sum;
        for (uint256 i; i < parts; ++i) {
            address sybil = makeAddr(string.concat("sybil ", vm.toString(i)));
            enrolAs(sybil, amount / parts);
            sum += roll.weightAt(sybil, vm.getBlockTimestamp() + MATURITY);
        }
        uint256 whole = roll.weightAt(voter, vm.getBlockTimestamp() + MATURITY);
        assertApproxEqAbs(sum, Math.sqrt(parts * amount), 2 * parts);
        assertGt(sum, whole);
        assertLe(sum, amount / Math.sqrt(ROLL_MINIMUM), "at the worst it is voting by stake");
        assertEq(roll.totalWeightAt(vm.getBlockTimestamp() + MATURITY), sum + whole);
    }

    /// @dev Many accounts can be entered one after another with the same MLB, but it is bonded to one at a time.
    function testTheSameStakeNeverCountsTwice() public {
        address second = makeAddr("second");
        enrolAs(voter, STAKE);
        vm.prank(voter);
        ledger.requestUnbond(Role.Holder, STAKE);
        skip(UNBONDING);
        vm.startPrank(voter);
        ledger.withdraw(Role.Holder);
        token.transfer(second, STAKE);
        vm.stopPrank();
        vm.startPrank(second);
        token.approve(address(ledger), STAKE);
        ledger.stake(Role.Holder, STAKE);
        roll.enrol();
        vm.stopPrank();
        skip(MATURITY + 1);
        uint256 now_ = vm.getBlockTimestamp();
        assertEq(roll.stakeAt(voter, now_) + roll.stakeAt(second, now_), STAKE);
        // What it did to the total, anybody undoes.
        assertEq(roll.totalWeightAt(now_), 2 * Math.sqrt(STAKE));
        roll.refresh(voter);
        assertEq(roll.totalWeightAt(now_ + MATURITY), Math.sqrt(STAKE));
    }

    /// @dev Whatever is done in whatever order, the total is the sum of the entries' roots.
    function testFuzzTotalIsTheSumOfAllEntries(uint256 seed) public {
        address[] memory members = addRoll(4, STAKE);
        for (uint256 i; i < 24; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            address who = members[seed % 4];
            uint256 amount = bound(seed >> 8, 1e18, STAKE);
            uint256 bonded = ledger.stakeOf(who, Role.Holder);
            if (seed % 3 == 0) stakeAs(who, Role.Holder, amount);
            vm.startPrank(who);
            if (seed % 3 == 1 && bonded >= amount) ledger.requestUnbond(Role.Holder, amount);
            if (seed >> 4 & 1 == 1 && ledger.totalStakeOf(who) >= ROLL_MINIMUM) roll.enrol();
            vm.stopPrank();
            skip(bound(seed >> 16, 0, 2 days));
        }
        for (uint256 i; i < 4; ++i) {
            if (ledger.totalStakeOf(members[i]) < ROLL_MINIMUM) {
                try roll.refresh(members[i]) {} catch {}
                continue;
            }
            vm.prank(members[i]);
            roll.enrol();
        }
        uint256 sum;
        uint256 later = vm.getBlockTimestamp() + MATURITY;
        for (uint256 i; i < 4; ++i) {
            sum += roll.weightAt(members[i], later);
        }
        assertEq(roll.totalWeightAt(later), sum);
    }

    // ---- edges ----

    function testARollYoungerThanItsMaturityIsEmpty() public view {
        assertEq(roll.stakeAt(voter, 0), 0);
        assertEq(roll.totalWeightAt(0), 0);
        assertEq(roll.totalWeightAt(MATURITY), 0);
        assertEq(roll.stakeAt(voter, type(uint256).max), 0);
    }

    function testConstructorRefusesNothing() public {
        vm.expectRevert(IVoterRoll.ZeroAddress.selector);
        new VoterRoll(address(0), ROLL_MINIMUM, MATURITY);
        vm.expectRevert(IVoterRoll.ZeroMinimum.selector);
        new VoterRoll(address(ledger), 0, MATURITY);
    }
}
