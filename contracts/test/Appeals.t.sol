// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Appeals} from "../src/Appeals.sol";
import {IAppeals} from "../src/interfaces/IAppeals.sol";
import {IRewardDistributor} from "../src/interfaces/IRewardDistributor.sol";
import {ISlashEscrow, SlashCase} from "../src/interfaces/ISlashEscrow.sol";
import {ITaskManager} from "../src/interfaces/ITaskManager.sol";
import {Fault, Role, RoundKind, Seat, TaskStatus} from "../src/interfaces/Types.sol";
import {AppealsTest} from "./utils/AppealsTest.sol";

/// @title Cases judged again: by whom, on what, and what it costs
contract AppealsContractTest is AppealsTest {
    function setUp() public override {
        super.setUp();
        addPool(8, 16);
    }

    function _status(SlashCase memory found) private view returns (uint256) {
        (ISlashEscrow.CaseStatus now_,) = escrow.caseState(escrow.caseIdOf(found));
        return uint256(now_);
    }

    /// @dev Judges ruled RIGHT wrong: the honest member's slash waits.
    function _unjust() private returns (Papers memory papers) {
        // Of the first committee two say RIGHT and one WRONG, and judges find WRONG.
        return judgedCase(exactModel, 0, WRONG);
    }

    // ---- exact ----

    function test_AnHonestMemberWinsItsStakeBack() public {
        Papers memory papers = _unjust();
        uint32 account = papers.slashCase.account;
        address who = operatorOf(account);
        uint256 before = bondedOf(account) + papers.slashCase.fromBonded;
        bytes32 reviewId = appealOf(papers, RIGHT, "");
        assertStatus(reviewId, TaskStatus.Escalated);
        assertEq(_status(papers.slashCase), uint256(ISlashEscrow.CaseStatus.Appealed));
        draw(reviewId);
        Seat[] memory panel = committee(reviewId);
        assertEq(panel.length, 7, "two more than the five judges");
        for (uint256 i; i < panel.length; ++i) {
            assertEq(uint256(panel[i].account & 1), 1, "verifiers first");
            for (uint256 j; j < papers.record.accounts.length; ++j) {
                assertTrue(panel[i].account >> 1 != papers.record.accounts[j] >> 1, "sat before");
            }
        }
        playRound(reviewId, RIGHT);
        assertStatus(reviewId, TaskStatus.Finalized);
        assertEq(uint256(appeals.appeals(reviewId).outcome), uint256(IAppeals.Outcome.Won));
        vm.prank(stranger);
        appeals.conclude(reviewId, papers.slashCase);
        assertEq(bondedOf(account), before);
        assertEq(ledger.accounts(account).jailedUntil, 0);
        assertEq(token.balanceOf(who), 1_400e18, "the bond");
        assertEq(token.balanceOf(address(appeals)), 0);
        assertEq(_status(papers.slashCase), uint256(ISlashEscrow.CaseStatus.Closed));
    }

    function test_ALiarLosesItsBond() public {
        Papers memory papers = judgedCase(exactModel, 2, RIGHT);
        bytes32 reviewId = appealOf(papers, WRONG, "");
        draw(reviewId);
        playRound(reviewId, RIGHT);
        uint256 reserve = ledger.disputeReserve(registry.terms(exactModel).index);
        uint256 supply = token.totalSupply();
        appeals.conclude(reviewId, papers.slashCase);
        assertEq(ledger.disputeReserve(registry.terms(exactModel).index), reserve + 700e18, "pays the panel of seven");
        assertEq(token.totalSupply(), supply - 700e18);
        assertEq(token.balanceOf(address(appeals)), 0);
        assertEq(_status(papers.slashCase), uint256(ISlashEscrow.CaseStatus.Heard));
        skip(WINDOW + 1);
        escrow.finalise(papers.slashCase);
        assertEq(ledger.heldSlashes(), 0);
    }

    function test_AnUndecidedPanelReturnsTheBondAndTheSlashStands() public {
        Papers memory papers = judgedCase(exactModel, 2, RIGHT);
        address who = operatorOf(papers.slashCase.account);
        bytes32 reviewId = appealOf(papers, WRONG, "");
        draw(reviewId);
        bytes[] memory payloads = new bytes[](7);
        for (uint256 i; i < 7; ++i) {
            payloads[i] = i < 4 ? RIGHT : WRONG;
        }
        playRound(reviewId, payloads);
        assertStatus(reviewId, TaskStatus.Refunded);
        (,,,,, uint256 modelReputation) = registry.models(exactModel);
        assertEq(modelReputation, 10_000, "a panel does not flag the model");
        appeals.conclude(reviewId, papers.slashCase);
        assertEq(token.balanceOf(who), 1_400e18);
        assertEq(_status(papers.slashCase), uint256(ISlashEscrow.CaseStatus.Heard));
    }

    function test_TooFewOperatorsLeaveTheAppealUndecided() public {
        Papers memory papers = judgedCase(exactModel, 2, RIGHT);
        for (uint256 i; i < operators.length; ++i) {
            vm.prank(operators[i].cold);
            tasks.stopServing(exactModel, operators[i].account);
        }
        nextEpoch();
        bytes32 reviewId = appealOf(papers, WRONG, "");
        draw(reviewId);
        assertStatus(reviewId, TaskStatus.Refunded);
        appeals.conclude(reviewId, papers.slashCase);
        assertEq(_status(papers.slashCase), uint256(ISlashEscrow.CaseStatus.Heard));
    }

    function test_JudgesOfAPanelArePaidWhateverTheyFoundAndPunishedForSilence() public {
        Papers memory papers = judgedCase(exactModel, 2, RIGHT);
        bytes32 reviewId = appealOf(papers, WRONG, "");
        draw(reviewId);
        Seat[] memory panel = committee(reviewId);
        commitAll(reviewId, RIGHT);
        for (uint256 i = 1; i < 7; ++i) {
            revealAs(panel[i].account, reviewId, RIGHT);
        }
        uint256 before = bondedOf(panel[0].account);
        passPhase(reviewId);
        poke(reviewId);
        assertStatus(reviewId, TaskStatus.Finalized);
        assertLt(bondedOf(panel[0].account), before, "unopened");
        assertEq(ledger.claimableTokens(operatorOf(panel[0].account)), 0);
        assertEq(ledger.claimableTokens(operatorOf(panel[1].account)), JUDGE_FEE);
    }

    // ---- numeric ----

    function _playVotes(bytes32 reviewId, uint8 mine, uint8 delivered) private {
        uint8[] memory votes = new uint8[](2);
        (votes[0], votes[1]) = (mine, delivered);
        playRound(reviewId, packVotes(votes));
    }

    function _numeric(uint8 mine, uint8 delivered, IAppeals.Outcome expected) private {
        Papers memory papers = judgedCase(numericModel, 0, RIGHT);
        bytes32 reviewId = appealOf(papers, WRONG, RIGHT);
        assertEq(uint256(tasks.getTask(reviewId).kind), uint256(RoundKind.Vote));
        Seat[] memory candidates = tasks.getSeats(reviewId, 0);
        assertEq(candidates.length, 2);
        assertEq(candidates[0].account, papers.slashCase.account);
        assertEq(candidates[0].value, digestOf(reviewId, WRONG));
        assertEq(candidates[1].value, digestOf(reviewId, RIGHT));
        assertTrue(candidates[0].revealed && candidates[1].revealed);
        draw(reviewId);
        _playVotes(reviewId, mine, delivered);
        assertEq(uint256(appeals.appeals(reviewId).outcome), uint256(expected));
        appeals.conclude(reviewId, papers.slashCase);
        bool restored = expected == IAppeals.Outcome.Won;
        assertEq(
            _status(papers.slashCase),
            uint256(restored ? ISlashEscrow.CaseStatus.Closed : ISlashEscrow.CaseStatus.Heard)
        );
        assertEq(tasks.getSeats(reviewId, 0).length, 0);
    }

    function test_NumericAcceptedWins() public {
        _numeric(ACCEPT, REJECT, IAppeals.Outcome.Won);
    }

    function test_NumericAcceptedBesideTheDeliveredWins() public {
        _numeric(ACCEPT, ACCEPT, IAppeals.Outcome.Won);
    }

    function test_NumericRejectedLoses() public {
        _numeric(REJECT, ACCEPT, IAppeals.Outcome.Lost);
    }

    function test_NumericBothRejectedLoses() public {
        _numeric(REJECT, REJECT, IAppeals.Outcome.Lost);
    }

    function test_NumericGreyBesideAnAcceptedOneIsUndecided() public {
        _numeric(GREY, ACCEPT, IAppeals.Outcome.Undecided);
    }

    function test_NumericAllGreyIsUndecided() public {
        _numeric(GREY, GREY, IAppeals.Outcome.Undecided);
    }

    /// @dev Judges rejected all three results, so nothing was delivered that the appellant's could be held against.
    function test_AResultThatFellWithAllOthersStandsAlone() public {
        vm.recordLogs();
        (bytes32 taskId,) = dissent(numericModel, 0);
        playRound(taskId, packVotes(new uint8[](3)));
        draw(taskId);
        uint8[] memory votes = new uint8[](3);
        (votes[0], votes[1], votes[2]) = (REJECT, REJECT, REJECT);
        playRound(taskId, packVotes(votes));
        assertStatus(taskId, TaskStatus.Refunded);
        Papers memory papers = collect(taskId);
        assertEq(papers.record.winner, 0);
        bytes32 reviewId = appealOf(papers, papers.seat == 0 ? WRONG : RIGHT, "");
        assertEq(tasks.getSeats(reviewId, 0).length, 1);
        draw(reviewId);
        votes = new uint8[](1);
        votes[0] = ACCEPT;
        playRound(reviewId, packVotes(votes));
        assertEq(uint256(appeals.appeals(reviewId).outcome), uint256(IAppeals.Outcome.Won));
        appeals.conclude(reviewId, papers.slashCase);
        assertEq(bondedOf(papers.slashCase.account), 2 * COMPUTE_MIN);
    }

    function test_APanelThatCannotBePaidIsNotCalled() public {
        Papers memory papers = judgedCase(exactModel, 2, RIGHT);
        address who = operatorOf(papers.slashCase.account);
        vm.prank(governor);
        ledger.setJudgeFee(500e18);
        while (ledger.disputeReserve(papers.record.model) >= 7 * 500e18) {
            vm.prank(address(tasks));
            ledger.earmarkJudges(bytes32(gasleft()), papers.record.model, 7);
        }
        _refused(papers, inline_(WRONG), who, ITaskManager.NoJudgeFees.selector);
        fundReserve(exactModel, 7 * 500e18);
        vm.prank(treasury);
        token.transfer(who, 7_000e18);
        vm.prank(who);
        appeals.appeal(papers.slashCase, papers.record, papers.seat, INPUT, inline_(WRONG), "");
        assertEq(_status(papers.slashCase), uint256(ISlashEscrow.CaseStatus.Appealed));
    }

    // ---- liars ----

    function _refused(Papers memory papers, bytes memory mine, address caller, bytes4 wanted) private {
        vm.prank(caller);
        token.approve(address(appeals), type(uint256).max);
        expectError(wanted);
        vm.prank(caller);
        appeals.appeal(papers.slashCase, papers.record, papers.seat, INPUT, mine, "");
    }

    function test_NobodyAppealsWithAnotherAnswerSeatOrRecord() public {
        Papers memory papers = judgedCase(exactModel, 2, RIGHT);
        address who = operatorOf(papers.slashCase.account);
        _refused(papers, inline_(RIGHT), who, IAppeals.ContentMismatch.selector);
        _refused(papers, "", who, IAppeals.ContentMismatch.selector);
        _refused(papers, inline_(WRONG), stranger, IAppeals.NotAppellant.selector);
        uint256 seat = papers.seat;
        papers.seat = (seat + 1) % 3;
        _refused(papers, inline_(RIGHT), who, IAppeals.BadSeat.selector);
        papers.seat = papers.record.accounts.length;
        _refused(papers, inline_(RIGHT), who, IAppeals.BadSeat.selector);
        papers.seat = seat;
        papers.record.accounts[papers.record.accounts.length - 1] = 0;
        _refused(papers, inline_(WRONG), who, IAppeals.RecordMismatch.selector);
    }

    function test_NobodyInventsACase() public {
        Papers memory papers = judgedCase(exactModel, 2, RIGHT);
        address who = operatorOf(papers.slashCase.account);
        papers.slashCase.fromBonded += 1;
        _refused(papers, inline_(WRONG), who, ISlashEscrow.WrongCaseStatus.selector);
        papers.slashCase.fromBonded -= 1;
        papers.slashCase.fault = Fault.Unopened;
        _refused(papers, inline_(WRONG), who, IAppeals.NotAppealable.selector);
    }

    function test_OtherInputIsRefused() public {
        Papers memory papers = judgedCase(exactModel, 2, RIGHT);
        address who = operatorOf(papers.slashCase.account);
        expectError(IAppeals.ContentMismatch.selector);
        vm.prank(who);
        appeals.appeal(papers.slashCase, papers.record, papers.seat, hex"00ff", inline_(WRONG), "");
    }

    function test_NumericNeedsTheDeliveredResult() public {
        Papers memory papers = judgedCase(numericModel, 0, RIGHT);
        address who = operatorOf(papers.slashCase.account);
        expectError(IAppeals.ContentMismatch.selector);
        vm.prank(who);
        appeals.appeal(papers.slashCase, papers.record, papers.seat, INPUT, inline_(WRONG), inline_(WRONG));
    }

    function test_OneAppealACase() public {
        Papers memory papers = judgedCase(exactModel, 2, RIGHT);
        address who = operatorOf(papers.slashCase.account);
        bytes32 reviewId = appealOf(papers, WRONG, "");
        _refused(papers, inline_(WRONG), who, ISlashEscrow.WrongCaseStatus.selector);
        draw(reviewId);
        playRound(reviewId, RIGHT);
        appeals.conclude(reviewId, papers.slashCase);
        _refused(papers, inline_(WRONG), who, ISlashEscrow.WrongCaseStatus.selector);
        vm.expectRevert(abi.encodeWithSelector(IAppeals.NotDecided.selector, reviewId, IAppeals.Outcome.Concluded));
        appeals.conclude(reviewId, papers.slashCase);
    }

    function test_ConcludeNeedsAVerdictAndItsOwnCase() public {
        Papers memory papers = judgedCase(exactModel, 2, RIGHT);
        bytes32 reviewId = appealOf(papers, WRONG, "");
        vm.expectRevert(abi.encodeWithSelector(IAppeals.NotDecided.selector, reviewId, IAppeals.Outcome.Pending));
        appeals.conclude(reviewId, papers.slashCase);
        vm.expectRevert(abi.encodeWithSelector(IAppeals.NotDecided.selector, bytes32(0), IAppeals.Outcome.None));
        appeals.conclude(bytes32(0), papers.slashCase);
        draw(reviewId);
        playRound(reviewId, WRONG);
        papers.slashCase.fromBonded += 1;
        expectError(IAppeals.WrongCase.selector);
        appeals.conclude(reviewId, papers.slashCase);
    }

    function test_OnlyTheTaskManagerReports() public {
        vm.expectRevert(IAppeals.OnlyTaskManager.selector);
        appeals.onVerdict(0, 0, 0, 0, 0);
        vm.expectRevert(IAppeals.OnlyTaskManager.selector);
        appeals.onNoVerdict(0);
    }

    function test_AVetoDuringTheReviewLeavesTheBondToTheReview() public {
        Papers memory papers = judgedCase(exactModel, 2, RIGHT);
        bytes32 reviewId = appealOf(papers, WRONG, "");
        vm.prank(governor);
        escrow.veto(papers.slashCase);
        draw(reviewId);
        playRound(reviewId, RIGHT);
        appeals.conclude(reviewId, papers.slashCase);
        assertEq(token.balanceOf(address(appeals)), 0);
        assertEq(_status(papers.slashCase), uint256(ISlashEscrow.CaseStatus.Closed));
    }

    // ---- bond and panel ----

    function test_BondPaysForThePanel() public {
        assertEq(appeals.bondFor(7), 2 * 7 * JUDGE_FEE);
        vm.startPrank(governor);
        ledger.setJudgeFee(0);
        assertEq(appeals.bondFor(7), MINIMUM_BOND);
        expectError(IAppeals.BadMinimumBond.selector);
        appeals.setMinimumBond(100_001e18);
        vm.expectEmit(true, true, true, true, address(appeals));
        emit IAppeals.MinimumBondChanged(5);
        appeals.setMinimumBond(5);
        assertEq(appeals.bondFor(7), 5);
        vm.stopPrank();
        expectError(bytes4(keccak256("AccessManagedUnauthorized(address)")));
        vm.prank(stranger);
        appeals.setMinimumBond(0);
    }

    function test_PanelIsLargerThanAnyRound() public view {
        for (uint8 largest = 3; largest <= 13; ++largest) {
            assertEq(appeals.panelSize(largest), largest + 2);
        }
        assertEq(appeals.panelSize(14), 15);
        assertEq(appeals.panelSize(15), 15);
        assertEq(appeals.panelSize(255), 15);
    }

    function test_ConstructorRefusesZeroAddresses() public {
        address[7] memory a = [
            address(manager),
            address(token),
            address(escrow),
            address(ledger),
            address(tasks),
            address(registry),
            dissentCasesAt()
        ];
        for (uint256 i; i < 7; ++i) {
            address kept = a[i];
            a[i] = address(0);
            vm.expectRevert(IAppeals.ZeroAddress.selector);
            new Appeals(a[0], a[1], a[2], a[3], a[4], a[5], a[6], 0);
            a[i] = kept;
        }
    }
}
