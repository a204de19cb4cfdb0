// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {IRewardDistributor} from "../src/interfaces/IRewardDistributor.sol";
import {Fault, Role} from "../src/interfaces/Types.sol";
import {LedgerTest} from "./utils/LedgerTest.sol";

/// @title Slashes, jail, the dispute reserve, judge fees
contract RewardDistributorSlashTest is LedgerTest {
    uint256 private constant STAKE = 100_000e18;

    function _contradiction(uint32 id, address reporter) private returns (uint256) {
        vm.prank(verifier);
        return ledger.slash(id, TASK, 0, Fault.Malicious, 0, reporter);
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
                ledger.slash(id, TASK, MODEL, faults[i], 10_000, callers[j]);
            }
        }
    }

    function test_OnlyTheVerifierPunishesContradictions() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        address[3] memory callers = [stranger, taskManager, governor];
        for (uint256 i; i < 3; ++i) {
            vm.expectRevert(IRewardDistributor.OnlyConsensusVerifier.selector);
            vm.prank(callers[i]);
            ledger.slash(id, TASK, MODEL, Fault.Malicious, 0, callers[i]);
        }
    }

    function test_UnknownAccountsCannotBePunished() public {
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.UnknownAccount.selector, uint32(42)));
        vm.prank(taskManager);
        ledger.slash(42, TASK, MODEL, Fault.Absent, 0, address(0));
    }

    // ---- how much ----

    function test_AbsencesInARow() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        assertEq(absent(id), STAKE * 5 / 100);
        assertEq(account(id).absences, 1);
        assertEq(account(id).reputation, 1_875);
        assertEq(account(id).jailedUntil, 0);
        uint256 left = account(id).bonded;
        assertEq(absent(id), left / 10);
        assertEq(account(id).jailedUntil, 0);
        left = account(id).bonded;
        assertEq(absent(id), left * 15 / 100);
        assertEq(account(id).jailedUntil, block.timestamp + JAIL, "the third in a row jails");
    }

    function test_ABurstOfAbsencesCountsAsOne() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        absent(id);
        bytes memory before = abi.encode(account(id));
        for (uint256 i; i < 30; ++i) {
            assertEq(slash(id, Fault.Absent, 0), 0);
        }
        skip(JAIL / 24 - 1);
        assertEq(slash(id, Fault.Absent, 0), 0);
        assertEq(abi.encode(account(id)), before);
        skip(1);
        assertGt(slash(id, Fault.Absent, 0), 0);
    }

    function test_AbsenceInJailCostsNothing() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        slash(id, Fault.Unopened, 0);
        uint256 left = account(id).bonded;
        skip(2 * JAIL);
        assertEq(absent(id), 0, "it waits for its operator");
        assertEq(account(id).bonded, left);
        vm.prank(alice);
        ledger.unjail(id);
        assertEq(absent(id), left * 5 / 100);
    }

    function test_AWinEndsTheStreak() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        absent(id);
        absent(id);
        win(id, 0);
        assertEq(account(id).absences, 0);
        uint256 left = account(id).bonded;
        assertEq(absent(id), left * 5 / 100);
    }

    function test_ServingAsJudgeEndsTheStreak() public {
        uint32 id = staked(alice, Role.Verifier, STAKE);
        absent(id);
        _fundReserve(JUDGE_FEE);
        uint32[] memory judges = new uint32[](1);
        judges[0] = id;
        judged(judges, 1);
        assertEq(account(id).absences, 0);
    }

    function test_TheStreakCounterSaturates() public {
        uint32 id = staked(alice, Role.Compute, 1e26);
        for (uint256 i; i < 260; ++i) {
            absent(id);
            if (account(id).jailedUntil == 0) continue;
            skip(JAIL);
            staked(alice, Role.Compute, COMPUTE_MIN);
            vm.prank(alice);
            ledger.unjail(id);
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
        assertEq(ledger.disputeReserve(MODEL), taken / 2);
        assertEq(ledger.disputeReserve(0), 0);
        assertEq(token.totalSupply(), supply - taken / 2);
    }

    function test_TheTaskManagerCannotNameAReporter() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        vm.prank(taskManager);
        ledger.slash(id, TASK, MODEL, Fault.Incorrect, 0, bob);
        assertEq(ledger.claimableTokens(bob), 0, "nobody who decides a case gains by it");
    }

    function test_TheReporterOfAContradictionGetsATenth() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.SlashSplit(TASK, STAKE * 45 / 100, STAKE / 10, STAKE * 45 / 100);
        _contradiction(id, bob);
        assertEq(ledger.claimableTokens(bob), STAKE / 10);
        assertEq(ledger.disputeReserve(0), STAKE * 45 / 100, "of no model");
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
        emit IRewardDistributor.ReserveFunded(bob, MODEL, amount);
        vm.prank(bob);
        ledger.fundReserve(MODEL, amount);
    }

    function test_FundReserve() public {
        _fundReserve(10e18);
        assertEq(ledger.disputeReserve(MODEL), 10e18);
        assertEq(ledger.disputeReserve(MODEL + 1), 0, "of another model");
        vm.expectRevert(IRewardDistributor.ZeroAmount.selector);
        ledger.fundReserve(MODEL, 0);
        expectError(IRewardDistributor.AmountTooLarge.selector);
        ledger.fundReserve(MODEL, type(uint256).max);
        expectError(bytes4(keccak256("ERC20InsufficientAllowance(address,uint256,uint256)")));
        vm.prank(stranger);
        ledger.fundReserve(MODEL, 1);
    }

    function test_GovernanceAllocatesTheCommonReserve() public {
        fund(bob, 10e18);
        vm.prank(bob);
        ledger.fundReserve(0, 10e18);
        vm.startPrank(governor);
        vm.expectRevert(IRewardDistributor.ZeroAmount.selector);
        ledger.allocateReserve(MODEL, 0);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.AmountTooLarge.selector, 11e18));
        ledger.allocateReserve(MODEL, 11e18);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.ReserveAllocated(MODEL, 4e18);
        ledger.allocateReserve(MODEL, 4e18);
        vm.stopPrank();
        assertEq(ledger.disputeReserve(0), 6e18);
        assertEq(ledger.disputeReserve(MODEL), 4e18);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        vm.prank(stranger);
        ledger.allocateReserve(MODEL, 1);
    }

    function test_EveryJudgeGetsTheSameFee() public {
        uint32[] memory judges = _judges(5);
        _fundReserve(1_000e18);
        judged(judges, 5);
        for (uint256 i; i < 5; ++i) {
            assertEq(ledger.claimableTokens(account(judges[i]).operator), JUDGE_FEE);
        }
        assertEq(ledger.disputeReserve(MODEL), 500e18);
        assertEq(ledger.earmarked(TASK), 0);
    }

    function test_FeesAreSetAsideSoThatCasesDoNotSpendThemTwice() public {
        _fundReserve(5 * JUDGE_FEE);
        bytes32 other = keccak256("another task");
        vm.startPrank(taskManager);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.JudgesEarmarked(TASK, MODEL, 5 * JUDGE_FEE);
        assertTrue(ledger.earmarkJudges(TASK, MODEL, 5));
        assertFalse(ledger.earmarkJudges(other, MODEL, 1), "nothing left");
        assertFalse(ledger.earmarkJudges(other, MODEL + 1, 1), "and nothing of another model");
        assertFalse(ledger.earmarkJudges(other, MODEL, 256));
        vm.stopPrank();
        assertEq(ledger.earmarked(TASK), 5 * JUDGE_FEE);
        assertEq(ledger.disputeReserve(MODEL), 0);
        // A fee that rises in between is not paid out of what others count on.
        vm.prank(governor);
        ledger.setJudgeFee(2 * JUDGE_FEE);
        uint32[] memory judges = _judges(3);
        vm.prank(taskManager);
        ledger.payJudges(TASK, judges);
        assertEq(ledger.claimableTokens(account(judges[2]).operator), JUDGE_FEE);
        assertEq(ledger.disputeReserve(MODEL), 2 * JUDGE_FEE, "who did not reveal is not paid");
        // Paid once.
        vm.prank(taskManager);
        ledger.payJudges(TASK, judges);
        assertEq(ledger.claimableTokens(account(judges[2]).operator), JUDGE_FEE);
    }

    function test_NoMoreJudgesThanWereCalled() public {
        uint32[] memory judges = _judges(3);
        _fundReserve(2 * JUDGE_FEE);
        vm.startPrank(taskManager);
        ledger.earmarkJudges(TASK, MODEL, 2);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.AmountTooLarge.selector, 3));
        ledger.payJudges(TASK, judges);
        vm.stopPrank();
    }

    function testFuzz_JudgePayNeverExceedsTheReserve(uint256 reserve, uint256 count, uint256 silent) public {
        reserve = bound(reserve, 1, 2_000e18);
        uint32[] memory judges = _judges(bound(count, 1, 15));
        uint256 seats = judges.length + bound(silent, 0, 3);
        _fundReserve(reserve);
        vm.startPrank(taskManager);
        bool paid = ledger.earmarkJudges(TASK, MODEL, seats);
        ledger.payJudges(TASK, judges);
        vm.stopPrank();
        assertEq(paid, seats * JUDGE_FEE <= reserve);
        uint256 sum;
        for (uint256 i; i < judges.length; ++i) {
            sum += ledger.claimableTokens(account(judges[i]).operator);
        }
        assertEq(sum, paid ? judges.length * JUDGE_FEE : 0);
        assertEq(sum + ledger.disputeReserve(MODEL), reserve);
    }
}
