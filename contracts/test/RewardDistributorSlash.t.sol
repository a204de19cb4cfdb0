// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IRewardDistributor} from "../src/interfaces/IRewardDistributor.sol";
import {Fault, Role} from "../src/interfaces/Types.sol";
import {LedgerTest} from "./utils/LedgerTest.sol";

/// @title Slashes, jail, the dispute reserve, judge fees
contract RewardDistributorSlashTest is LedgerTest {
    uint256 private constant STAKE = 100_000e18;

    function _contradiction(uint32 id, address reporter) private returns (uint256) {
        vm.prank(verifier);
        return ledger.slash(id, TASK, Fault.Malicious, 0, reporter);
    }

    // ---- who ----

    function test_OnlyTheTaskManagerPunishesFaults() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        Fault[3] memory faults = [Fault.Absent, Fault.Unopened, Fault.Incorrect];
        address[3] memory callers = [stranger, verifier, governor];
        for (uint256 i; i < 3; ++i) {
            for (uint256 j; j < 3; ++j) {
                vm.expectRevert(IRewardDistributor.OnlyTaskManager.selector);
                vm.prank(callers[j]);
                ledger.slash(id, TASK, faults[i], 10_000, callers[j]);
            }
        }
    }

    function test_OnlyTheVerifierPunishesContradictions() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        address[3] memory callers = [stranger, taskManager, governor];
        for (uint256 i; i < 3; ++i) {
            vm.expectRevert(IRewardDistributor.OnlyConsensusVerifier.selector);
            vm.prank(callers[i]);
            ledger.slash(id, TASK, Fault.Malicious, 0, callers[i]);
        }
    }

    function test_UnknownAccountsCannotBePunished() public {
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.UnknownAccount.selector, uint32(42)));
        vm.prank(taskManager);
        ledger.slash(42, TASK, Fault.Absent, 0, address(0));
    }

    // ---- how much ----

    function test_AbsencesInARow() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        assertEq(slash(id, Fault.Absent, 0), STAKE * 5 / 100);
        assertEq(account(id).absences, 1);
        assertEq(account(id).reputation, 1_875);
        assertEq(account(id).jailedUntil, 0);
        uint256 left = account(id).bonded;
        assertEq(slash(id, Fault.Absent, 0), left / 10);
        assertEq(account(id).jailedUntil, 0);
        left = account(id).bonded;
        assertEq(slash(id, Fault.Absent, 0), left * 15 / 100);
        assertEq(account(id).jailedUntil, block.timestamp + JAIL, "the third in a row jails");
        left = account(id).bonded;
        assertEq(slash(id, Fault.Absent, 0), left * 15 / 100);
    }

    function test_AWinEndsTheStreak() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        slash(id, Fault.Absent, 0);
        slash(id, Fault.Absent, 0);
        win(id, 0);
        assertEq(account(id).absences, 0);
        uint256 left = account(id).bonded;
        assertEq(slash(id, Fault.Absent, 0), left * 5 / 100);
    }

    function test_ServingAsJudgeEndsTheStreak() public {
        uint32 id = staked(alice, Role.Verifier, STAKE);
        slash(id, Fault.Absent, 0);
        uint32[] memory judges = new uint32[](1);
        judges[0] = id;
        vm.prank(taskManager);
        ledger.payJudges(TASK, judges);
        assertEq(account(id).absences, 0);
    }

    function test_TheStreakCounterSaturates() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        for (uint256 i; i < 260; ++i) {
            slash(id, Fault.Absent, 0);
        }
        assertEq(account(id).absences, 255);
    }

    function testFuzz_WrongAndUnopenedStayInTheirBand(uint256 amount, uint256 confidence, bool unopened) public {
        amount = bound(amount, COMPUTE_MIN, 1e26);
        uint32 id = staked(alice, Role.Compute, amount);
        uint256 taken = slash(id, unopened ? Fault.Unopened : Fault.Incorrect, confidence);
        assertGe(taken, amount / 10);
        assertLe(taken, amount / 2);
        assertEq(account(id).bonded, amount - taken);
        assertEq(account(id).reputation, 1_250);
        assertEq(account(id).jailedUntil, block.timestamp + JAIL);
    }

    function test_ContradictionTakesEverything() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        unbond(alice, Role.Compute, STAKE / 4);
        assertEq(_contradiction(id, bob), STAKE);
        assertEq(account(id).bonded, 0);
        assertEq(account(id).unbonding, 0);
        assertEq(account(id).reputation, 0);
        assertGt(account(id).jailedUntil, 0);
    }

    function test_EventsOfASlash() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.ReputationChanged(id, 1_250);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.Jailed(id, block.timestamp + JAIL);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.Slashed(id, TASK, Fault.Incorrect, STAKE / 2, 5_000);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.SlashSplit(TASK, STAKE / 4, 0, STAKE / 4);
        slash(id, Fault.Incorrect, 10_000);
    }

    function test_AnEmptyAccountIsStillJailedAndLosesReputation() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        _contradiction(id, bob);
        skip(JAIL);
        assertEq(slash(id, Fault.Unopened, 0), 0);
        assertEq(account(id).jailedUntil, block.timestamp + JAIL);
    }

    // ---- unbonding stake is always reached ----

    function testFuzz_SlashReachesUnbondingStakeMaturedOrNot(uint256 part, uint256 wait, uint256 confidence) public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        part = bound(part, 1, STAKE - COMPUTE_MIN);
        wait = bound(wait, 0, 10 * UNBONDING);
        unbond(alice, Role.Compute, part);
        skip(wait);
        uint256 taken = slash(id, Fault.Incorrect, confidence);
        assertGe(taken, STAKE / 10, "of bonded and unbonding together");
        assertEq(uint256(account(id).bonded) + account(id).unbonding, STAKE - taken);
    }

    function test_SlashReachesStakeThatCouldHaveBeenWithdrawn() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        unbond(alice, Role.Compute, STAKE);
        skip(UNBONDING + 1 days);
        assertEq(slash(id, Fault.Incorrect, 10_000), STAKE / 2);
        vm.prank(alice);
        assertEq(ledger.withdraw(Role.Compute), STAKE / 2, "only what is left");
    }

    function test_BondedGoesFirst() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        unbond(alice, Role.Compute, STAKE / 2);
        slash(id, Fault.Unopened, 10_000);
        assertEq(account(id).bonded, 0);
        assertEq(account(id).unbonding, STAKE / 2);
    }

    function test_OtherRolesOfTheOperatorAreNotTouched() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        staked(alice, Role.Verifier, VERIFIER_MIN);
        staked(alice, Role.Holder, 5);
        _contradiction(id, bob);
        assertEq(ledger.totalStakeOf(alice), VERIFIER_MIN + 5);
    }

    // ---- where it goes ----

    function test_HalfToTheReserveHalfBurned() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        uint256 supply = token.totalSupply();
        uint256 taken = slash(id, Fault.Incorrect, 0);
        assertEq(ledger.disputeReserve(), taken / 2);
        assertEq(token.totalSupply(), supply - taken / 2);
    }

    function test_TheTaskManagerCannotNameAReporter() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        vm.prank(taskManager);
        ledger.slash(id, TASK, Fault.Incorrect, 0, bob);
        assertEq(ledger.claimableTokens(bob), 0, "nobody who decides a case gains by it");
    }

    function test_TheReporterOfAContradictionGetsATenth() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.SlashSplit(TASK, STAKE * 45 / 100, STAKE / 10, STAKE * 45 / 100);
        _contradiction(id, bob);
        assertEq(ledger.claimableTokens(bob), STAKE / 10);
        assertEq(ledger.claimTokens(bob), STAKE / 10);
        assertEq(token.balanceOf(bob), STAKE / 10);
    }

    function test_ReportingOneselfLosesNineTenths() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        _contradiction(id, alice);
        ledger.claimTokens(alice);
        assertEq(token.balanceOf(alice) + ledger.totalStakeOf(alice), STAKE / 10);
    }

    // ---- reserve and judges ----

    function _judges(uint256 count) private returns (uint32[] memory judges) {
        judges = new uint32[](count);
        for (uint256 i; i < count; ++i) {
            judges[i] = staked(address(uint160(0x1000 + i)), Role.Verifier, VERIFIER_MIN);
        }
    }

    function _fundReserve(uint256 amount) private {
        fund(bob, amount);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.ReserveFunded(bob, amount);
        vm.prank(bob);
        ledger.fundReserve(amount);
    }

    function test_FundReserve() public {
        _fundReserve(10e18);
        assertEq(ledger.disputeReserve(), 10e18);
        vm.expectRevert(IRewardDistributor.ZeroAmount.selector);
        ledger.fundReserve(0);
        expectError(IRewardDistributor.AmountTooLarge.selector);
        ledger.fundReserve(type(uint256).max);
        expectError(bytes4(keccak256("ERC20InsufficientAllowance(address,uint256,uint256)")));
        vm.prank(stranger);
        ledger.fundReserve(1);
    }

    function test_EveryJudgeGetsTheSameFee() public {
        uint32[] memory judges = _judges(5);
        _fundReserve(1_000e18);
        assertTrue(ledger.canPayJudges(10));
        assertFalse(ledger.canPayJudges(11));
        vm.prank(taskManager);
        ledger.payJudges(TASK, judges);
        for (uint256 i; i < 5; ++i) {
            assertEq(ledger.claimableTokens(account(judges[i]).operator), JUDGE_FEE);
        }
        assertEq(ledger.disputeReserve(), 500e18);
    }

    function test_AShortReserveIsSharedEvenlyAndNeverReverts() public {
        uint32[] memory judges = _judges(3);
        vm.prank(taskManager);
        ledger.payJudges(TASK, judges);
        assertEq(ledger.claimableTokens(account(judges[0]).operator), 0);

        _fundReserve(100);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.JudgePaid(judges[0], TASK, 33);
        vm.prank(taskManager);
        ledger.payJudges(TASK, judges);
        for (uint256 i; i < 3; ++i) {
            assertEq(ledger.claimableTokens(account(judges[i]).operator), 33);
        }
        assertEq(ledger.disputeReserve(), 1);
    }

    function test_NoJudgesNoPayment() public {
        _fundReserve(100e18);
        vm.prank(taskManager);
        ledger.payJudges(TASK, new uint32[](0));
        assertEq(ledger.disputeReserve(), 100e18);
        assertFalse(ledger.canPayJudges(type(uint256).max));
        assertTrue(ledger.canPayJudges(0));
    }

    function testFuzz_JudgePayNeverExceedsTheReserve(uint256 reserve, uint256 count) public {
        reserve = bound(reserve, 1, 2_000e18);
        uint32[] memory judges = _judges(bound(count, 1, 15));
        _fundReserve(reserve);
        vm.prank(taskManager);
        ledger.payJudges(TASK, judges);
        uint256 paid;
        for (uint256 i; i < judges.length; ++i) {
            paid += ledger.claimableTokens(account(judges[i]).operator);
        }
        assertEq(paid + ledger.disputeReserve(), reserve);
    }
}
