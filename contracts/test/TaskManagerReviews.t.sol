// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Review} from "../src/interfaces/IReviewer.sol";
import {ITaskManager} from "../src/interfaces/ITaskManager.sol";
import {RoundKind, Seat, TaskStatus} from "../src/interfaces/Types.sol";
import {AppealsTest} from "./utils/AppealsTest.sol";
import {ReviewerStub} from "./utils/ReviewerStub.sol";

/// @title Reviews: who may ask, who sits, and what is reported
contract TaskManagerReviewsTest is AppealsTest {
    ReviewerStub private reviewer;

    function setUp() public override {
        super.setUp();
        reviewer = new ReviewerStub(tasks);
        vm.startPrank(governor);
        allowReviewer(address(reviewer));
        vm.stopPrank();
        addPool(6, 6);
    }

    function _review(uint8 seats, uint256 candidates) private view returns (Review memory review) {
        review.modelId = exactModel;
        review.seats = seats;
        review.inputData = INPUT;
        review.candidates = new bytes[](candidates);
        review.authors = new uint32[](candidates);
        for (uint256 i; i < candidates; ++i) {
            review.candidates[i] = inline_(i == 0 ? RIGHT : WRONG);
            review.authors[i] = operators[i % 12].account;
        }
    }

    function _isDrawn(bytes32 taskId, uint32 account) private view returns (bool) {
        Seat[] memory seats = committee(taskId);
        for (uint256 i; i < seats.length; ++i) {
            if (seats[i].account >> 1 == account >> 1) return true;
        }
        return false;
    }

    function _ballotOf(uint32[] memory accounts, bytes32[] memory values, uint256 revealed)
        private
        pure
        returns (bytes32)
    {
        bytes32 first = keccak256(abi.encodePacked(accounts));
        return keccak256(abi.encode(first, keccak256(abi.encodePacked(values)), revealed));
    }

    // ---- who may ask, for what ----

    function test_OnlyReviewersAsk() public {
        Review memory review = _review(3, 0);
        address[4] memory callers = [stranger, requester, operators[0].cold, provider];
        for (uint256 i; i < 4; ++i) {
            expectError(bytes4(keccak256("AccessManagedUnauthorized(address)")));
            vm.prank(callers[i]);
            tasks.openReview(review);
        }
    }

    function test_UnreadableReviewsAreRefused() public {
        Review memory review = _review(2, 0);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.BadParameter.selector, "review"));
        reviewer.ask(review);
        review.seats = 16;
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.BadParameter.selector, "review"));
        reviewer.ask(review);
        review = _review(3, 0);
        review.inputData = "";
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.BadParameter.selector, "review"));
        reviewer.ask(review);
        review = _review(3, 2);
        review.authors = new uint32[](1);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.BadParameter.selector, "review"));
        reviewer.ask(review);
        review = _review(3, 2);
        review.candidates[1] = hex"02";
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.BadParameter.selector, "review"));
        reviewer.ask(review);
        review = _review(3, 16);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.BadParameter.selector, "review"));
        reviewer.ask(review);
        review = _review(3, 0);
        review.modelId = keccak256("none");
        expectError(bytes4(keccak256("UnknownModel(bytes32)")));
        reviewer.ask(review);
    }

    function test_TheSameReviewTwiceNeedsAnotherSalt() public {
        Review memory review = _review(3, 0);
        bytes32 taskId = reviewer.ask(review);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.TaskExists.selector, taskId));
        reviewer.ask(review);
        review.salt = bytes32(uint256(1));
        assertNotEq(reviewer.ask(review), taskId);
    }

    // ---- who sits ----

    function test_VerifiersSitFirstThenComputeProviders() public {
        bytes32 taskId = reviewer.ask(_review(8, 0));
        draw(taskId);
        Seat[] memory seats = committee(taskId);
        uint256 verifiers;
        for (uint256 i; i < 8; ++i) {
            if (seats[i].account & 1 == 1) ++verifiers;
        }
        assertEq(verifiers, 6, "all verifiers before any compute provider");
    }

    function testFuzz_NobodyExcludedAndNoAuthorSits(uint256 seed) public {
        Review memory review = _review(4, 2);
        review.authors[1] = operators[6].account;
        review.excluded = new uint32[](6);
        for (uint256 i; i < 6; ++i) {
            // Under either account of the operator, and more than once.
            review.excluded[i] = operators[uint256(keccak256(abi.encode(seed, i))) % 12].account ^ uint32(i & 1);
        }
        bytes32 taskId = reviewer.ask(review);
        draw(taskId);
        if (status(taskId) == TaskStatus.Refunded) return;
        for (uint256 i; i < 6; ++i) {
            assertFalse(_isDrawn(taskId, review.excluded[i]), "excluded");
        }
        assertFalse(_isDrawn(taskId, review.authors[0]) || _isDrawn(taskId, review.authors[1]), "author");
    }

    function test_ReplacementsAreNotExcludedOnesEither() public {
        Review memory review = _review(3, 0);
        review.excluded = new uint32[](1);
        review.excluded[0] = operators[6].account;
        bytes32 taskId = reviewer.ask(review);
        for (uint256 round; round < 3; ++round) {
            draw(taskId);
            if (status(taskId) != TaskStatus.Committing) break;
            assertFalse(_isDrawn(taskId, operators[6].account));
            passPhase(taskId);
            poke(taskId);
        }
        assertEq(reviewer.failures() + (status(taskId) == TaskStatus.Refunded ? 0 : 1), 1);
    }

    function test_AReviewUsesRandomnessOfALaterBlock() public {
        bytes32 taskId = reviewer.ask(_review(3, 0));
        assertEq(tasks.getTask(taskId).randomnessBlock, block.number + 2);
        expectError(ITaskManager.RandomnessPending.selector);
        tasks.assign(taskId);
    }

    function test_NobodyCancelsAReview() public {
        bytes32 taskId = reviewer.ask(_review(3, 0));
        expectError(ITaskManager.WrongStatus.selector);
        vm.prank(address(reviewer));
        bridge.cancelTask(taskId);
    }

    // ---- what is reported ----

    function test_AResultIsReportedBySeat() public {
        bytes32 taskId = reviewer.ask(_review(4, 0));
        draw(taskId);
        Seat[] memory seats = committee(taskId);
        bytes[] memory payloads = new bytes[](4);
        for (uint256 i; i < 4; ++i) {
            payloads[i] = i == 2 ? WRONG : RIGHT;
        }
        playRound(taskId, payloads);
        if (reviewer.verdicts() == 0) {
            // The odd seat may hold more than 30 % of the weight.
            assertEq(reviewer.failures(), 1);
            return;
        }
        assertEq(reviewer.lastTask(), taskId);
        assertEq(reviewer.winner(), digestOf(taskId, RIGHT));
        uint32[] memory accounts = new uint32[](4);
        bytes32[] memory values = new bytes32[](4);
        for (uint256 i; i < 4; ++i) {
            accounts[i] = seats[i].account;
            values[i] = digestOf(taskId, payloads[i]);
        }
        assertEq(reviewer.ballot(), _ballotOf(accounts, values, 15));
    }

    function test_VotesAreReportedBySeatAndAuthorsDoNotCount() public {
        bytes32 taskId = reviewer.ask(_review(3, 2));
        assertEq(uint256(tasks.getTask(taskId).kind), uint256(RoundKind.Vote));
        draw(taskId);
        uint32[] memory accounts = new uint32[](3);
        for (uint256 i; i < 3; ++i) {
            accounts[i] = committee(taskId)[i].account;
        }
        uint8[] memory votes = new uint8[](2);
        (votes[0], votes[1]) = (ACCEPT, GREY);
        playRound(taskId, packVotes(votes));
        assertEq(reviewer.accepted(), 1);
        assertEq(reviewer.rejected(), 0);
        assertEq(reviewer.winner(), digestOf(taskId, RIGHT));
        bytes32[] memory values = new bytes32[](3);
        for (uint256 i; i < 3; ++i) {
            values[i] = bytes32(uint256(ACCEPT) | 1 << 32);
        }
        assertEq(reviewer.ballot(), _ballotOf(accounts, values, 7));
    }

    function test_AllRejectedIsAVerdictAndPunishesNobody() public {
        bytes32 taskId = reviewer.ask(_review(3, 2));
        draw(taskId);
        uint8[] memory votes = new uint8[](2);
        (votes[0], votes[1]) = (REJECT, REJECT);
        playRound(taskId, packVotes(votes));
        assertStatus(taskId, TaskStatus.Finalized);
        assertEq(reviewer.verdicts(), 1);
        assertEq(reviewer.rejected(), 3);
        assertEq(reviewer.winner(), 0);
        for (uint256 i; i < 2; ++i) {
            assertEq(bondedOf(operators[i].account), 2 * COMPUTE_MIN, "what it means is for the reviewer to say");
        }
    }

    function test_OpenSeatsAreGivenBack() public {
        bytes32 taskId = reviewer.ask(_review(3, 0));
        assertEq(tasks.openSeats(exactModel), 3);
        draw(taskId);
        playRound(taskId, RIGHT);
        assertEq(tasks.openSeats(exactModel), 0);
        taskId = reviewer.ask(_review(3, 2));
        draw(taskId);
        playRound(taskId, packVotes(new uint8[](2)));
        assertEq(tasks.openSeats(exactModel), 0);
    }

    function test_ManyReviewsAtOnceKeepApart() public {
        bytes32[] memory taskIds = new bytes32[](8);
        for (uint256 i; i < 8; ++i) {
            Review memory review = _review(3, i & 1 == 0 ? 0 : 2);
            review.salt = bytes32(i);
            taskIds[i] = reviewer.ask(review);
        }
        for (uint256 i; i < 8; ++i) {
            draw(taskIds[i]);
        }
        uint8[] memory votes = new uint8[](2);
        (votes[0], votes[1]) = (ACCEPT, REJECT);
        for (uint256 i; i < 8; ++i) {
            playRound(taskIds[i], i & 1 == 0 ? RIGHT : packVotes(votes));
            assertStatus(taskIds[i], TaskStatus.Finalized);
            assertEq(reviewer.winner(), digestOf(taskIds[i], RIGHT));
        }
        assertEq(reviewer.verdicts(), 8);
    }

    function test_SilenceEndsAReviewWithoutVerdict() public {
        bytes32 taskId = reviewer.ask(_review(3, 1));
        while (status(taskId) != TaskStatus.Refunded) {
            if (tasks.getTask(taskId).phaseDeadline == 0) passRandomness(taskId);
            else passPhase(taskId);
            poke(taskId);
        }
        assertEq(reviewer.failures(), 1);
        assertEq(reviewer.verdicts(), 0);
        assertEq(address(bridge).balance, 0);
    }

    function test_AReviewMovesNoWei() public {
        bytes32 taskId = reviewer.ask(_review(3, 0));
        draw(taskId);
        playRound(taskId, RIGHT);
        assertStatus(taskId, TaskStatus.Finalized);
        assertEq(ledger.claimable(keeper), 0, "no tips");
        assertEq(ledger.claimable(address(reviewer)), 0);
        assertEq(tasks.getTask(taskId).reward, 0);
        assertEq(ledger.disputeReserve(registry.terms(exactModel).index), 50_000e18 - 3 * JUDGE_FEE);
    }

    // ---- what is kept for an appeal ----

    function test_NoRecordWithoutSomebodyRuledWrong() public {
        (bytes32 taskId,) = dissent(exactModel, 1);
        draw(taskId);
        playRound(taskId, RIGHT);
        assertNotEq(tasks.recordOf(taskId), 0);

        taskId = begin(exactModel, 3);
        playRound(taskId, RIGHT);
        assertEq(tasks.recordOf(taskId), 0);

        // One member stays silent when it comes to opening: judges decide, and nobody revealed anything wrong.
        taskId = begin(exactModel, 3);
        Seat[] memory seats = committee(taskId);
        commitAll(taskId, RIGHT);
        revealAs(seats[0].account, taskId, RIGHT);
        revealAs(seats[1].account, taskId, RIGHT);
        passPhase(taskId);
        poke(taskId);
        draw(taskId);
        playRound(taskId, RIGHT);
        assertStatus(taskId, TaskStatus.Finalized);
        assertEq(tasks.recordOf(taskId), 0);
    }
}
