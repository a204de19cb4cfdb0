// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SlashEscrow} from "../src/SlashEscrow.sol";
import {IRewardDistributor} from "../src/interfaces/IRewardDistributor.sol";
import {ISlashEscrow, SlashCase} from "../src/interfaces/ISlashEscrow.sol";
import {Fault, Role} from "../src/interfaces/Types.sol";
import {EscrowTest} from "./utils/EscrowTest.sol";

/// @title Held slashes: who may move them, when, and where the money is meanwhile
contract SlashEscrowTest is EscrowTest {
    // ---- what is held ----

    function test_SlashAboveTheThresholdWaits() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        uint256 supply = token.totalSupply();
        SlashCase memory found = heldSlash(id, Fault.Incorrect, 10_000);
        assertEq(account(id).bonded, STAKE / 2, "the stake is gone at once");
        assertEq(ledger.heldSlashes(), STAKE / 2);
        assertEq(ledger.disputeReserve(MODEL), 0);
        assertEq(token.totalSupply(), supply, "nothing burned yet");
        assertEq(found.fromBonded, STAKE / 2);
        assertEq(found.basisPoints, 5_000);
        assertEq(found.reputationBefore, 2_500);
        assertEq(found.reputationAfter, 1_250);
        (ISlashEscrow.CaseStatus status, uint256 until) = escrow.caseState(escrow.caseIdOf(found));
        assertEq(uint256(status), uint256(ISlashEscrow.CaseStatus.Held));
        assertEq(until, block.timestamp + WINDOW);
    }

    function test_SlashAtTheThresholdIsFinalAtOnce() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        slash(id, Fault.Incorrect, 7_000); // 10 %
        assertEq(ledger.heldSlashes(), 0);
        assertEq(ledger.disputeReserve(MODEL), STAKE / 20);
    }

    function test_FirstAndSecondAbsenceAreFinalTheThirdWaits() public {
        uint32 id = staked(alice, Role.Compute, 10 * STAKE);
        absent(id);
        absent(id);
        assertEq(ledger.heldSlashes(), 0);
        skip(JAIL);
        SlashCase memory found = heldSlash(id, Fault.Absent, 0);
        assertEq(found.basisPoints, 1_500);
    }

    function test_ContradictionAlwaysWaits() public {
        vm.prank(governor);
        escrow.setRules(9_999, 1);
        uint32 id = staked(alice, Role.Compute, STAKE);
        heldContradiction(id, bob);
        assertEq(ledger.heldSlashes(), STAKE);
        assertEq(ledger.claimableTokens(bob), 0, "the reporter waits too");
    }

    function testFuzz_ThresholdDecides(uint256 threshold, uint256 confidence) public {
        threshold = bound(threshold, 0, 9_999);
        vm.prank(governor);
        escrow.setRules(uint16(threshold), WINDOW);
        uint32 id = staked(alice, Role.Compute, STAKE);
        uint256 taken = slash(id, Fault.Incorrect, confidence);
        bool waits = taken * 10_000 > threshold * STAKE;
        assertEq(ledger.heldSlashes(), waits ? taken : 0);
        assertEq(ledger.disputeReserve(MODEL), waits ? 0 : taken / 2);
    }

    // ---- finalise ----

    function test_FinaliseSplitsAfterTheWindow() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        SlashCase memory found = heldContradiction(id, bob);
        uint256 supply = token.totalSupply();
        bytes32 caseId = escrow.caseIdOf(found);
        vm.expectRevert(abi.encodeWithSelector(ISlashEscrow.WindowOpen.selector, caseId, block.timestamp + WINDOW));
        escrow.finalise(found);
        skip(WINDOW + 1);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.SlashSplit(TASK, STAKE * 45 / 100, STAKE / 10, STAKE * 45 / 100);
        vm.prank(stranger);
        escrow.finalise(found);
        assertEq(ledger.heldSlashes(), 0);
        assertEq(ledger.disputeReserve(MODEL), STAKE * 45 / 100);
        assertEq(ledger.claimableTokens(bob), STAKE / 10);
        assertEq(token.totalSupply(), supply - STAKE * 45 / 100);
        assertCase(found, ISlashEscrow.CaseStatus.Closed);
        vm.expectRevert(
            abi.encodeWithSelector(ISlashEscrow.WrongCaseStatus.selector, caseId, ISlashEscrow.CaseStatus.Closed)
        );
        escrow.finalise(found);
    }

    function test_InventedCasesMoveNothing() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        SlashCase memory found = heldSlash(id, Fault.Incorrect, 10_000);
        skip(WINDOW + 1);
        SlashCase[5] memory lies;
        for (uint256 i; i < 5; ++i) {
            lies[i] = abi.decode(abi.encode(found), (SlashCase));
        }
        lies[0].fromBonded /= 2;
        lies[1].reporter = stranger;
        lies[2].account ^= 1;
        lies[3].slashedAt += 1;
        lies[4].reputationBefore = 10_000;
        for (uint256 i; i < 5; ++i) {
            expectError(ISlashEscrow.WrongCaseStatus.selector);
            escrow.finalise(lies[i]);
            expectError(ISlashEscrow.WrongCaseStatus.selector);
            vm.prank(governor);
            escrow.veto(lies[i]);
            expectError(ISlashEscrow.WrongCaseStatus.selector);
            vm.prank(appeals);
            escrow.beginAppeal(lies[i]);
            expectError(ISlashEscrow.WrongCaseStatus.selector);
            vm.prank(appeals);
            escrow.endAppeal(lies[i], true);
        }
        assertEq(ledger.heldSlashes(), STAKE / 2);
    }

    // ---- veto ----

    function test_VetoRestoresEverything() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        unbond(alice, Role.Compute, STAKE / 4);
        SlashCase memory found = heldContradiction(id, bob);
        assertEq(account(id).reputation, 0);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.SlashRestored(id, TASK, Fault.Malicious, STAKE * 3 / 4, STAKE / 4);
        vm.prank(governor);
        escrow.veto(found);
        assertEq(account(id).bonded, STAKE * 3 / 4);
        assertEq(account(id).unbonding, STAKE / 4);
        assertEq(account(id).reputation, 2_500);
        assertEq(account(id).jailedUntil, 0);
        assertGt(ledger.weightOf(id), 0);
        assertEq(ledger.heldSlashes(), 0);
        assertEq(ledger.disputeReserve(MODEL) + ledger.claimableTokens(bob), 0);
        skip(UNBONDING);
        vm.prank(alice);
        assertEq(ledger.withdraw(Role.Compute), STAKE / 4, "as it could have without the fault");
    }

    function test_VetoEndsWithTheWindow() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        SlashCase memory found = heldSlash(id, Fault.Unopened, 10_000);
        skip(WINDOW);
        uint256 mark = vm.snapshotState();
        vm.prank(governor);
        escrow.veto(found);
        vm.revertToState(mark);
        skip(1);
        expectError(ISlashEscrow.WindowClosed.selector);
        vm.prank(governor);
        escrow.veto(found);
    }

    function test_OnlyGovernanceVetoesAndSetsRules() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        SlashCase memory found = heldSlash(id, Fault.Incorrect, 10_000);
        address[4] memory callers = [stranger, alice, appeals, taskManager];
        for (uint256 i; i < 4; ++i) {
            expectError(bytes4(keccak256("AccessManagedUnauthorized(address)")));
            vm.prank(callers[i]);
            escrow.veto(found);
            expectError(bytes4(keccak256("AccessManagedUnauthorized(address)")));
            vm.prank(callers[i]);
            escrow.setRules(0, 1);
            expectError(bytes4(keccak256("AccessManagedUnauthorized(address)")));
            vm.prank(callers[i]);
            ledger.setSlashEscrow(callers[i]);
        }
    }

    function test_OnlyTheLedgerOpensOnlyAppealsAppealsOnlyTheEscrowMoves() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        SlashCase memory found = heldSlash(id, Fault.Incorrect, 10_000);
        address[4] memory callers = [stranger, alice, governor, taskManager];
        for (uint256 i; i < 4; ++i) {
            vm.startPrank(callers[i]);
            vm.expectRevert(ISlashEscrow.OnlyRewardDistributor.selector);
            escrow.open(found);
            vm.expectRevert(ISlashEscrow.OnlyAppeals.selector);
            escrow.beginAppeal(found);
            vm.expectRevert(ISlashEscrow.OnlyAppeals.selector);
            escrow.endAppeal(found, true);
            vm.expectRevert(IRewardDistributor.OnlySlashEscrow.selector);
            ledger.restoreSlash(found);
            vm.expectRevert(IRewardDistributor.OnlySlashEscrow.selector);
            ledger.splitSlash(found);
            vm.stopPrank();
        }
    }

    // ---- appeals ----

    function _appealed() private returns (uint32 id, SlashCase memory found) {
        id = staked(alice, Role.Compute, STAKE);
        found = heldSlash(id, Fault.Incorrect, 10_000);
        vm.prank(appeals);
        escrow.beginAppeal(found);
    }

    function test_NothingIsFinalWhileAReviewRuns() public {
        (, SlashCase memory found) = _appealed();
        skip(100 days);
        expectError(ISlashEscrow.WrongCaseStatus.selector);
        escrow.finalise(found);
        expectError(ISlashEscrow.WrongCaseStatus.selector);
        vm.prank(appeals);
        escrow.beginAppeal(found);
    }

    function test_AppealOnlyWithinTheWindow() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        SlashCase memory found = heldSlash(id, Fault.Incorrect, 10_000);
        skip(WINDOW + 1);
        expectError(ISlashEscrow.WindowClosed.selector);
        vm.prank(appeals);
        escrow.beginAppeal(found);
    }

    function test_AppealWonRestores() public {
        (uint32 id, SlashCase memory found) = _appealed();
        vm.prank(appeals);
        escrow.endAppeal(found, true);
        assertEq(account(id).bonded, STAKE);
        assertEq(account(id).reputation, 2_500);
        assertEq(account(id).jailedUntil, 0);
        assertCase(found, ISlashEscrow.CaseStatus.Closed);
    }

    function test_AppealLostLeavesAWindowForAVetoAlone() public {
        (uint32 id, SlashCase memory found) = _appealed();
        skip(10 days);
        vm.prank(appeals);
        escrow.endAppeal(found, false);
        assertCase(found, ISlashEscrow.CaseStatus.Heard);
        expectError(ISlashEscrow.WrongCaseStatus.selector);
        vm.prank(appeals);
        escrow.beginAppeal(found);
        expectError(ISlashEscrow.WrongCaseStatus.selector);
        vm.prank(appeals);
        escrow.endAppeal(found, true);
        expectError(ISlashEscrow.WindowOpen.selector);
        escrow.finalise(found);
        uint256 mark = vm.snapshotState();
        vm.prank(governor);
        escrow.veto(found);
        assertEq(account(id).bonded, STAKE);
        vm.revertToState(mark);
        skip(WINDOW + 1);
        escrow.finalise(found);
        assertEq(ledger.disputeReserve(MODEL), STAKE / 4);
    }

    function test_AVetoDuringTheReviewWinsWhateverTheReviewSays() public {
        (uint32 id, SlashCase memory found) = _appealed();
        skip(10 days);
        vm.prank(governor);
        escrow.veto(found);
        for (uint256 i; i < 2; ++i) {
            vm.prank(appeals);
            escrow.endAppeal(found, i == 0);
        }
        assertEq(account(id).bonded, STAKE, "once");
        assertEq(ledger.heldSlashes(), 0);
    }

    // ---- rules ----

    function test_RulesAreBounded() public {
        vm.startPrank(governor);
        expectError(ISlashEscrow.BadEscrowRules.selector);
        escrow.setRules(10_000, WINDOW);
        expectError(ISlashEscrow.BadEscrowRules.selector);
        escrow.setRules(0, 0);
        expectError(ISlashEscrow.BadEscrowRules.selector);
        escrow.setRules(0, 30 days + 1);
        vm.expectEmit(true, true, true, true, address(escrow));
        emit ISlashEscrow.EscrowRulesChanged(0, 30 days);
        escrow.setRules(0, 30 days);
        (uint16 threshold, uint32 window) = escrow.rules();
        assertEq(threshold, 0);
        assertEq(window, 30 days);
    }

    function test_NewRulesDoNotTouchHeldCases() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        SlashCase memory found = heldSlash(id, Fault.Incorrect, 10_000);
        vm.prank(governor);
        escrow.setRules(9_999, 1);
        skip(2);
        expectError(ISlashEscrow.WindowOpen.selector);
        escrow.finalise(found);
    }

    function test_TheEscrowIsChosenOnce() public {
        vm.startPrank(governor);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.SlashEscrowSet.selector, address(escrow)));
        ledger.setSlashEscrow(stranger);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.BadParameter.selector, "escrow"));
        ledger.setSlashEscrow(address(0));
    }

    function test_ConstructorRefusesZeroAddresses() public {
        vm.expectRevert(ISlashEscrow.ZeroAddress.selector);
        new SlashEscrow(address(0), address(ledger), appeals, THRESHOLD, WINDOW);
        vm.expectRevert(ISlashEscrow.ZeroAddress.selector);
        new SlashEscrow(address(manager), address(0), appeals, THRESHOLD, WINDOW);
        vm.expectRevert(ISlashEscrow.ZeroAddress.selector);
        new SlashEscrow(address(manager), address(ledger), address(0), THRESHOLD, WINDOW);
    }

    // ---- what restoring may and may not do ----

    function test_NobodyRunsFromAHeldSlash() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        unbond(alice, Role.Compute, STAKE);
        skip(UNBONDING);
        heldSlash(id, Fault.Incorrect, 10_000);
        vm.prank(alice);
        assertEq(ledger.withdraw(Role.Compute), STAKE / 2, "held money is no stake");
        vm.expectRevert(IRewardDistributor.ZeroAmount.selector);
        vm.prank(alice);
        ledger.withdraw(Role.Compute);
    }

    function test_ALaterSlashTakesOnlyWhatIsLeft() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        SlashCase memory first = heldSlash(id, Fault.Incorrect, 10_000);
        SlashCase memory second = heldSlash(id, Fault.Unopened, 10_000);
        assertEq(second.fromBonded, STAKE / 4, "half of what the first left: nothing is counted twice");
        vm.prank(governor);
        escrow.veto(first);
        assertEq(account(id).bonded, STAKE * 3 / 4);
        assertEq(account(id).reputation, 1_250, "the second fault still counts");
        assertGt(account(id).jailedUntil, 0);
        assertEq(ledger.heldSlashes(), STAKE / 4);
    }

    function test_JailOfALaterFaultStays() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        SlashCase memory first = heldSlash(id, Fault.Incorrect, 10_000);
        skip(100);
        SlashCase memory second = heldSlash(id, Fault.Unopened, 10_000);
        uint256 until = account(id).jailedUntil;
        vm.startPrank(governor);
        escrow.veto(first);
        assertEq(account(id).jailedUntil, until);
        // Undoing the second brings back the term that it found.
        escrow.veto(second);
        assertEq(account(id).jailedUntil, until - 100);
        assertEq(ledger.weightOf(id), 0);
    }

    function test_WhoeverLeftJailStaysOut() public {
        uint32 id = staked(alice, Role.Compute, 3 * STAKE);
        SlashCase memory found = heldSlash(id, Fault.Incorrect, 10_000);
        skip(JAIL);
        vm.prank(alice);
        ledger.unjail(id);
        vm.prank(governor);
        escrow.veto(found);
        assertEq(account(id).jailedUntil, 0);
        assertGt(ledger.weightOf(id), 0);
    }

    function test_AnAbsenceUndoneShortensTheStreak() public {
        uint32 id = staked(alice, Role.Compute, 10 * STAKE);
        absent(id);
        absent(id);
        skip(JAIL);
        uint256 before = account(id).reputation;
        SlashCase memory third = heldSlash(id, Fault.Absent, 0);
        vm.prank(governor);
        escrow.veto(third);
        assertEq(account(id).absences, 2);
        assertGe(before, account(id).reputation);
        assertApproxEqAbs(account(id).reputation, before, 1);
        assertEq(account(id).jailedUntil, 0);
    }

    /// @dev Whatever happened meanwhile: never more stake than was taken, never a better record than before the fault.
    function testFuzz_RestoringNeverGivesMoreThanWasTaken(uint256 wins, uint256 confidence, uint256 part, bool later)
        public
    {
        uint32 id = staked(alice, Role.Compute, STAKE);
        for (uint256 i; i < 40; ++i) {
            win(id, 0);
        }
        part = bound(part, 0, STAKE - COMPUTE_MIN);
        if (part != 0) unbond(alice, Role.Compute, part);
        IRewardDistributor.Account memory before = account(id);
        SlashCase memory found = heldSlash(id, Fault.Incorrect, bound(confidence, 7_001, 10_000));
        wins = bound(wins, 0, 50);
        for (uint256 i; i < wins; ++i) {
            win(id, 0);
        }
        if (later) slash(id, Fault.Absent, 0);
        uint256 left = uint256(account(id).bonded) + account(id).unbonding;
        vm.prank(governor);
        escrow.veto(found);
        IRewardDistributor.Account memory afterwards = account(id);
        assertEq(
            uint256(afterwards.bonded) + afterwards.unbonding, left + found.fromBonded + found.fromUnbonding, "stake"
        );
        if (!later) assertEq(uint256(afterwards.unbonding), before.unbonding, "to where it was taken from");
        // Fifty wins from half the record may pass the old record by themselves; restoring adds nothing then.
        assertLe(afterwards.reputation, before.reputation > 6_250 ? before.reputation : 10_000);
        assertEq(token.balanceOf(address(ledger)), uint256(afterwards.bonded) + afterwards.unbonding + _rest());
    }

    function _rest() private view returns (uint256) {
        return ledger.disputeReserve(MODEL) + ledger.heldSlashes();
    }

    /// @dev Vetoed and punished again in one second, everything as before: that is final at once, and no unit is lost.
    function test_ACaseEqualToAnEarlierOneIsFinalAtOnce() public {
        uint32 id = staked(alice, Role.Compute, STAKE);
        SlashCase memory found = heldContradiction(id, bob);
        vm.prank(governor);
        escrow.veto(found);
        vm.prank(verifier);
        ledger.slash(id, TASK, MODEL, Fault.Malicious, 0, bob);
        assertEq(ledger.heldSlashes(), 0);
        assertEq(ledger.claimableTokens(bob), STAKE / 10);
        assertEq(token.balanceOf(address(ledger)), ledger.disputeReserve(MODEL) + ledger.claimableTokens(bob));
    }
}
