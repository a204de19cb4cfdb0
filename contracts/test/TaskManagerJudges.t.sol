// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ITaskManager} from "../src/interfaces/ITaskManager.sol";
import {Role, RoundKind, Seat, TaskStatus} from "../src/interfaces/Types.sol";
import {BaseTest} from "./utils/BaseTest.sol";

/// @title Dissent: judges, their verdicts and what follows; votes of Numeric models
contract TaskManagerJudgesTest is BaseTest {
    function setUp() public override {
        super.setUp();
        addPool(10, 12);
    }

    // ---- exact ----

    function testJudgesSlashTheDissenterWithinTheBand() public {
        (bytes32 taskId, uint32[] memory accounts) = dissent(exactModel, 1);
        assertStatus(taskId, TaskStatus.Escalated);
        uint256 before = bondedOf(accounts[1]);
        uint256 honest = bondedOf(accounts[0]);
        draw(taskId);
        ITaskManager.TaskView memory task = tasks.getTask(taskId);
        assertEq(uint256(task.kind), uint256(RoundKind.Result));
        assertEq(task.seats, 5);
        Seat[] memory judges = committee(taskId);
        for (uint256 i; i < judges.length; ++i) {
            assertEq(uint256(judges[i].account & 1), 1, "verifiers first");
        }
        // Four of five equal judges: 80 %.
        bytes[] memory payloads = new bytes[](5);
        for (uint256 i; i < 5; ++i) {
            payloads[i] = i == 2 ? bytes("44") : RIGHT;
        }
        playRound(taskId, payloads);
        assertStatus(taskId, TaskStatus.Finalized);
        assertEq(bondedOf(accounts[1]), before - before * (1_000 + uint256(4_000) / 3) / 10_000, "23.33 %");
        assertGt(ledger.accounts(accounts[1]).jailedUntil, 0);
        assertEq(bondedOf(accounts[0]), honest);
        assertGt(ledger.claimable(operatorOf(accounts[0])), 0);
        assertGt(ledger.claimable(operatorOf(accounts[2])), 0);
        assertEq(ledger.claimable(operatorOf(accounts[1])), 0);
        for (uint256 i; i < 5; ++i) {
            assertEq(ledger.claimableTokens(operatorOf(judges[i].account)), JUDGE_FEE, "whatever a judge found");
            assertEq(bondedOf(judges[i].account), 2 * VERIFIER_MIN, "never slashed for it");
        }
        assertEq(registry.terms(exactModel).index, 1);
    }

    function testJudgesMayOverruleEverybody() public {
        (bytes32 taskId, uint32[] memory accounts) = dissent(exactModel, 1);
        uint256 payment = tasks.getTask(taskId).reward;
        draw(taskId);
        uint32 first = committee(taskId)[0].account;
        commitAll(taskId, "44");
        Seat[] memory judges = committee(taskId);
        for (uint256 i; i < 4; ++i) {
            revealAs(judges[i].account, taskId, "44");
        }
        vm.expectEmit(address(tasks));
        emit ITaskManager.TaskFinalized(taskId, digestOf(taskId, "44"), first, 1, 10_000, new uint32[](0));
        revealAs(judges[4].account, taskId, "44");
        for (uint256 i; i < 3; ++i) {
            assertEq(bondedOf(accounts[i]), COMPUTE_MIN, "half, against a unanimous bench");
            assertEq(ledger.claimable(operatorOf(accounts[i])), 0);
        }
        uint256 fees = MODEL_PRICE + payment * 500 / 10_000;
        assertEq(ledger.claimable(requester), payment - fees - 2 * parameters().tip, "no seat fee was earned");
    }

    function testJudgesWithoutVerdictAreFollowedByMoreThenByARefund() public {
        (bytes32 taskId, uint32[] memory accounts) = dissent(exactModel, 1);
        uint256 payment = tasks.getTask(taskId).reward;
        draw(taskId);
        _split(taskId);
        assertStatus(taskId, TaskStatus.Escalated);
        draw(taskId);
        assertEq(committee(taskId).length, 9);
        (,,,,, uint256 reputation) = registry.models(exactModel);
        assertEq(reputation, 10_000);
        _split(taskId);
        assertStatus(taskId, TaskStatus.Refunded);
        (,,,,, reputation) = registry.models(exactModel);
        assertEq(reputation, 7_500, "flagged");
        assertEq(ledger.claimable(requester), payment - 3 * parameters().tip);
        for (uint256 i; i < 3; ++i) {
            assertEq(bondedOf(accounts[i]), 2 * COMPUTE_MIN, "nobody is slashed for disagreeing");
        }
    }

    function testJudgesTakeComputeOperatorsWhenVerifiersRunOut() public {
        // Five of the twelve verifiers in the first round leave seven for nine seats.
        (bytes32 taskId, uint32[] memory accounts) = dissent(exactModel, 0);
        draw(taskId);
        Seat[] memory first = committee(taskId);
        _split(taskId);
        draw(taskId);
        Seat[] memory last = committee(taskId);
        uint256 compute;
        for (uint256 i; i < 9; ++i) {
            if (last[i].account & 1 == 0) ++compute;
            for (uint256 j; j < 3; ++j) {
                assertNotEq(last[i].account >> 1, accounts[j] >> 1);
            }
            for (uint256 j; j < 5; ++j) {
                assertNotEq(last[i].account >> 1, first[j].account >> 1);
            }
            for (uint256 j; j < i; ++j) {
                assertNotEq(last[i].account >> 1, last[j].account >> 1);
            }
        }
        assertEq(compute, 2);
    }

    function testJudgesNeverIncludeTheOtherAccountOfASeatedOperator() public {
        // Every compute operator is a verifier as well, of far more weight than the real ones.
        for (uint256 i; i < 10; ++i) {
            stakeAs(operators[i].cold, Role.Verifier, 1_000 * VERIFIER_MIN);
            uint32 account = ledger.accountId(operators[i].cold, Role.Verifier);
            nodeOf[account] = operators[i].node;
            vm.prank(operators[i].cold);
            tasks.serveModel(exactModel, account, CLASS);
        }
        nextEpoch();
        (bytes32 taskId, uint32[] memory accounts) = dissent(exactModel, 0);
        draw(taskId);
        Seat[] memory judges = committee(taskId);
        for (uint256 i; i < 5; ++i) {
            for (uint256 j; j < 3; ++j) {
                assertNotEq(judges[i].account >> 1, accounts[j] >> 1);
            }
        }
    }

    function testSilentJudgeIsReplacedAndWithoutReplacementThreeSuffice() public {
        (bytes32 taskId,) = dissent(exactModel, 1);
        draw(taskId);
        Seat[] memory judges = committee(taskId);
        for (uint256 i; i < 4; ++i) {
            commitAs(judges[i].account, taskId, RIGHT);
        }
        uint32 last = judges[4].account;
        for (uint256 i; i < 4; ++i) {
            passPhase(taskId);
            poke(taskId);
            assertLt(bondedOf(last), 2 * VERIFIER_MIN, "absent");
            if (i == 3) break;
            assertStatus(taskId, TaskStatus.Redrawing);
            draw(taskId);
            last = committee(taskId)[4].account;
        }
        // No redraw is left, four of five committed: that is enough to go on, and 80 % to decide.
        assertStatus(taskId, TaskStatus.Revealing);
        for (uint256 i; i < 4; ++i) {
            revealAs(judges[i].account, taskId, RIGHT);
        }
        assertStatus(taskId, TaskStatus.Finalized);
    }

    function testSilentJudgesWithFewerThanThreeCommittedRefund() public {
        (bytes32 taskId, uint32[] memory accounts) = dissent(exactModel, 1);
        draw(taskId);
        commitAs(committee(taskId)[0].account, taskId, RIGHT);
        commitAs(committee(taskId)[1].account, taskId, RIGHT);
        uint32 loyal = committee(taskId)[0].account;
        for (uint256 i; status(taskId) != TaskStatus.Refunded; ++i) {
            assertLt(i, 8);
            if (status(taskId) == TaskStatus.Redrawing) {
                draw(taskId);
                continue;
            }
            passPhase(taskId);
            poke(taskId);
        }
        assertEq(bondedOf(loyal), 2 * VERIFIER_MIN, "a round that never came to opening punishes no commitment");
        assertEq(bondedOf(accounts[1]), 2 * COMPUTE_MIN);
    }

    function testEscalateWithAnEmptyReserveRefunds() public {
        vm.mockCall(address(ledger), abi.encodeWithSelector(ledger.earmarkJudges.selector), abi.encode(false));
        (bytes32 taskId, uint32[] memory accounts) = dissent(exactModel, 1);
        assertStatus(taskId, TaskStatus.Refunded);
        assertEq(bondedOf(accounts[1]), 2 * COMPUTE_MIN);
        (,,,,, uint256 reputation) = registry.models(exactModel);
        assertEq(reputation, 10_000, "no judges, no flag");
    }

    function testEscalateWithTooFewJudgesRefunds() public {
        for (uint256 i; i < operators.length; ++i) {
            if (i % 3 == 0) continue;
            vm.startPrank(operators[i].cold);
            if (i > 2) tasks.stopServing(exactModel, operators[i].account);
            vm.stopPrank();
        }
        nextEpoch();
        (bytes32 taskId,) = dissent(exactModel, 1);
        draw(taskId);
        _split(taskId);
        draw(taskId);
        assertStatus(taskId, TaskStatus.Refunded);
        (,,,,, uint256 reputation) = registry.models(exactModel);
        assertEq(reputation, 7_500, "the first bench could not agree");
    }

    // ---- numeric ----

    function testNumericWithEqualDigestsNeedsNoVote() public {
        bytes32 taskId = begin(numericModel, 3);
        playRound(taskId, RIGHT);
        assertStatus(taskId, TaskStatus.Finalized);
    }

    function testNumericVoteAcceptsAllAndPaysAll() public {
        (bytes32 taskId, uint32[] memory accounts) = dissent(numericModel, 1);
        ITaskManager.TaskView memory task = tasks.getTask(taskId);
        assertEq(uint256(task.status), uint256(TaskStatus.Committing));
        assertEq(uint256(task.kind), uint256(RoundKind.Vote));
        assertEq(task.round, 1);
        Seat[] memory seats = committee(taskId);
        for (uint256 i; i < 3; ++i) {
            assertEq(seats[i].account, accounts[i], "the same members");
        }
        commitAll(taskId, _votes(ACCEPT, ACCEPT, ACCEPT));
        for (uint256 i; i < 2; ++i) {
            revealAs(accounts[i], taskId, _votes(ACCEPT, ACCEPT, ACCEPT));
        }
        assertEq(uint256(committee(taskId)[1].value), 21, "as the member packed them");
        vm.expectEmit(address(tasks));
        emit ITaskManager.TaskFinalized(taskId, digestOf(taskId, RIGHT), accounts[0], 0, 10_000, accounts);
        revealAs(accounts[2], taskId, _votes(ACCEPT, ACCEPT, ACCEPT));
        for (uint256 i; i < 3; ++i) {
            assertGt(ledger.claimable(operatorOf(accounts[i])), 0);
        }
    }

    function testNumericRejectionGoesToJudgesWhoVote() public {
        (bytes32 taskId, uint32[] memory accounts) = dissent(numericModel, 1);
        playRound(taskId, _votes(ACCEPT, REJECT, ACCEPT));
        assertStatus(taskId, TaskStatus.Escalated);
        draw(taskId);
        assertEq(uint256(tasks.getTask(taskId).kind), uint256(RoundKind.Vote));
        uint256 before = bondedOf(accounts[1]);
        playRound(taskId, _votes(ACCEPT, REJECT, ACCEPT));
        assertStatus(taskId, TaskStatus.Finalized);
        assertEq(bondedOf(accounts[1]), before / 2);
        assertGt(ledger.claimable(operatorOf(accounts[0])), 0);
        assertGt(ledger.claimable(operatorOf(accounts[2])), 0);
        assertEq(ledger.claimable(operatorOf(accounts[1])), 0);
    }

    function testNumericGreyDecidesNothing() public {
        (bytes32 taskId, uint32[] memory accounts) = dissent(numericModel, 1);
        playRound(taskId, _votes(ACCEPT, GREY, ACCEPT));
        draw(taskId);
        playRound(taskId, _votes(GREY, GREY, GREY));
        assertStatus(taskId, TaskStatus.Escalated);
        draw(taskId);
        playRound(taskId, _votes(GREY, GREY, GREY));
        assertStatus(taskId, TaskStatus.Refunded);
        for (uint256 i; i < 3; ++i) {
            assertEq(bondedOf(accounts[i]), 2 * COMPUTE_MIN);
        }
    }

    function testNumericGreyCondemnsNobody() public {
        (bytes32 taskId, uint32[] memory accounts) = dissent(numericModel, 1);
        playRound(taskId, _votes(ACCEPT, GREY, ACCEPT));
        assertStatus(taskId, TaskStatus.Escalated);
        draw(taskId);
        // Two of five judges belong to seat 0 and abstain on everybody else.
        bytes[] memory votes = new bytes[](5);
        for (uint256 i; i < 5; ++i) {
            votes[i] = i < 2 ? _votes(ACCEPT, GREY, GREY) : _votes(ACCEPT, ACCEPT, ACCEPT);
        }
        playRound(taskId, votes);
        assertStatus(taskId, TaskStatus.Finalized);
        for (uint256 i; i < 3; ++i) {
            assertEq(bondedOf(accounts[i]), 2 * COMPUTE_MIN, "nobody rejected it");
        }
        assertGt(ledger.claimable(operatorOf(accounts[0])), 0);
        assertEq(ledger.claimable(operatorOf(accounts[1])), 0, "and nobody pays for it");
    }

    function testNumericCommitteeOfLiarsIsPunishedThoughNothingIsRight() public {
        bytes32 taskId = begin(numericModel, 3);
        uint256 payment = tasks.getTask(taskId).reward;
        Seat[] memory seats = committee(taskId);
        bytes[] memory payloads = new bytes[](3);
        for (uint256 i; i < 3; ++i) {
            payloads[i] = abi.encode("garbage", i);
        }
        playRound(taskId, payloads);
        playRound(taskId, _votes(ACCEPT, ACCEPT, ACCEPT));
        // They accept each other and would be paid; so one must differ for judges to come.
        assertStatus(taskId, TaskStatus.Finalized);
        taskId = begin(numericModel, 3);
        seats = committee(taskId);
        playRound(taskId, payloads);
        playRound(taskId, _votes(ACCEPT, REJECT, REJECT));
        assertStatus(taskId, TaskStatus.Escalated);
        draw(taskId);
        uint256 before = ledger.claimable(requester);
        playRound(taskId, _votes(REJECT, REJECT, REJECT));
        assertStatus(taskId, TaskStatus.Refunded);
        assertEq(ledger.claimable(requester) - before, payment - 2 * parameters().tip, "both draws were paid");
        for (uint256 i; i < 3; ++i) {
            assertEq(bondedOf(seats[i].account), COMPUTE_MIN, "rejected by all");
        }
        (,,,,, uint256 reputation) = registry.models(numericModel);
        assertEq(reputation, 10_000, "the model is not to blame");
    }

    function testPrivateCasesCannotDrainWhatOtherModelsPayJudgesWith() public {
        // Somebody is all the operators of a model, and has its cases come to nothing.
        uint32 exact = registry.terms(exactModel).index;
        uint256 others = ledger.disputeReserve(registry.terms(numericModel).index) + ledger.disputeReserve(0);
        for (uint256 n; n < 3; ++n) {
            (bytes32 taskId,) = dissent(exactModel, 1);
            draw(taskId);
            _split(taskId);
            for (uint256 i; status(taskId) != TaskStatus.Refunded; ++i) {
                assertLt(i, 4);
                draw(taskId);
                if (status(taskId) == TaskStatus.Committing) _split(taskId);
            }
            assertEq(ledger.earmarked(taskId), 0);
        }
        assertLt(ledger.disputeReserve(exact), 50_000e18);
        assertEq(ledger.disputeReserve(registry.terms(numericModel).index) + ledger.disputeReserve(0), others);
    }

    function testNumericVoterThatIsSilentIsPunishedAndNotReplaced() public {
        (bytes32 taskId, uint32[] memory accounts) = dissent(numericModel, 1);
        commitAs(accounts[0], taskId, _votes(ACCEPT, ACCEPT, ACCEPT));
        commitAs(accounts[1], taskId, _votes(ACCEPT, ACCEPT, ACCEPT));
        passPhase(taskId);
        poke(taskId);
        assertStatus(taskId, TaskStatus.Revealing);
        assertEq(bondedOf(accounts[2]), 2 * COMPUTE_MIN * 95 / 100);
        revealAs(accounts[0], taskId, _votes(ACCEPT, ACCEPT, ACCEPT));
        revealAs(accounts[1], taskId, _votes(ACCEPT, ACCEPT, ACCEPT));
        // The silent one still stands by its own result, but the others' lack a third voice.
        assertStatus(taskId, TaskStatus.Escalated);
    }

    function testNumericVoteOfNobodyIsTalliedAtOnce() public {
        (bytes32 taskId, uint32[] memory accounts) = dissent(numericModel, 1);
        passPhase(taskId);
        poke(taskId);
        assertStatus(taskId, TaskStatus.Escalated);
        for (uint256 i; i < 3; ++i) {
            assertEq(bondedOf(accounts[i]), 2 * COMPUTE_MIN * 95 / 100);
        }
    }

    function testNumericVoteOfAnotherShapeIsUnreadable() public {
        (bytes32 taskId, uint32[] memory accounts) = dissent(numericModel, 1);
        commitAll(taskId, hex"0000000000");
        vm.startPrank(nodeOf[accounts[0]]);
        vm.expectRevert(ITaskManager.BadResult.selector);
        bridge.submitResult(taskId, hex"000000000000", abi.encode(saltOf(accounts[0])));
        vm.expectRevert(ITaskManager.BadResult.selector);
        bridge.submitResult(
            taskId, bytes.concat(hex"01", keccak256(hex"00000015"), hex"01"), abi.encode(saltOf(accounts[0]))
        );
        vm.stopPrank();
    }

    function testNumericWithoutAnyCandidateIsRefunded() public {
        bytes32 taskId = begin(numericModel, 3);
        Seat[] memory seats = committee(taskId);
        commitAll(taskId, RIGHT);
        passPhase(taskId);
        poke(taskId);
        assertStatus(taskId, TaskStatus.Refunded);
        for (uint256 i; i < 3; ++i) {
            assertEq(bondedOf(seats[i].account), 2 * COMPUTE_MIN * 90 / 100, "unopened");
        }
    }

    function testNumericWithOneMuteMemberCanStillBeVotedOn() public {
        bytes32 taskId = begin(numericModel, 5);
        Seat[] memory seats = committee(taskId);
        for (uint256 i; i < 5; ++i) {
            commitAs(seats[i].account, taskId, i == 1 ? WRONG : RIGHT);
        }
        for (uint256 i; i < 4; ++i) {
            revealAs(seats[i].account, taskId, i == 1 ? WRONG : RIGHT);
        }
        passPhase(taskId);
        poke(taskId);
        assertEq(uint256(tasks.getTask(taskId).kind), uint256(RoundKind.Vote));
        uint8[] memory votes = new uint8[](5);
        (votes[0], votes[1], votes[2], votes[3]) = (ACCEPT, ACCEPT, ACCEPT, ACCEPT);
        playRound(taskId, packVotes(votes));
        assertStatus(taskId, TaskStatus.Finalized);
        assertEq(bondedOf(seats[4].account), COMPUTE_MIN, "unopened, against a unanimous vote");
        assertEq(ledger.claimable(operatorOf(seats[4].account)), 0);
        assertGt(ledger.claimable(operatorOf(seats[1].account)), 0);
    }

    // ---- silence that proves nothing ----

    function testAMajorityThatIsSilentOnAPointerEndsTheTaskUnpunished() public {
        bytes32 taskId = submit(exactModel, 3, 1 ether, pointer_("nowhere"), 600);
        draw(taskId);
        Seat[] memory seats = committee(taskId);
        // The requester's accomplice has the input.
        commitAs(seats[0].account, taskId, RIGHT);
        passPhase(taskId);
        vm.expectEmit(address(tasks));
        emit ITaskManager.TaskRefunded(taskId, 1 ether - 2 * parameters().tip, "silent committee");
        poke(taskId);
        assertStatus(taskId, TaskStatus.Refunded);
        for (uint256 i; i < 3; ++i) {
            assertEq(bondedOf(seats[i].account), 2 * COMPUTE_MIN);
            assertEq(ledger.accounts(seats[i].account).absences, 0);
        }
        assertEq(ledger.claimable(operatorOf(seats[0].account)), 0, "the accomplice is not paid");
    }

    /// @dev Judges that cannot get the input decide nothing, whatever the accomplices among them say.
    function testJudgesThatCannotGetThePointerEndTheTaskUnpunished() public {
        (bytes32 taskId, Seat[] memory members) = _dissentOnPointer();
        Seat[] memory judges = committee(taskId);
        commitAs(judges[0].account, taskId, WRONG);
        commitAs(judges[1].account, taskId, WRONG);
        passPhase(taskId);
        poke(taskId);
        assertStatus(taskId, TaskStatus.Refunded);
        for (uint256 i; i < 3; ++i) {
            assertEq(bondedOf(members[i].account), 2 * COMPUTE_MIN, "no member is condemned");
        }
        for (uint256 i; i < 5; ++i) {
            assertEq(bondedOf(judges[i].account), 2 * VERIFIER_MIN);
            assertEq(ledger.claimableTokens(operatorOf(judges[i].account)), 0);
        }
        assertEq(ledger.earmarked(taskId), 0);
        assertEq(ledger.disputeReserve(registry.terms(exactModel).index), 50_000e18, "fees go back");
        (,,,,, uint256 reputation) = registry.models(exactModel);
        assertEq(reputation, 10_000, "it does not speak against the model");
    }

    /// @dev The rest of the bench decides, and who was silent is not replaced.
    function testAMinorityOfJudgesThatIsSilentOnAPointerIsAbsentAndNotReplaced() public {
        (bytes32 taskId,) = _dissentOnPointer();
        Seat[] memory judges = committee(taskId);
        for (uint256 i; i < 4; ++i) {
            commitAs(judges[i].account, taskId, RIGHT);
        }
        passPhase(taskId);
        poke(taskId);
        assertStatus(taskId, TaskStatus.Revealing);
        assertEq(bondedOf(judges[4].account), 2 * VERIFIER_MIN * 95 / 100);
        for (uint256 i; i < 4; ++i) {
            revealAs(judges[i].account, taskId, RIGHT);
        }
        assertStatus(taskId, TaskStatus.Finalized);
    }

    function testAMinorityThatIsSilentOnAPointerIsAbsentAndNotReplaced() public {
        bytes32 taskId = submit(exactModel, 3, 1 ether, pointer_("somewhere"), 600);
        draw(taskId);
        Seat[] memory seats = committee(taskId);
        commitAs(seats[0].account, taskId, RIGHT);
        commitAs(seats[1].account, taskId, RIGHT);
        passPhase(taskId);
        poke(taskId);
        assertStatus(taskId, TaskStatus.Refunded);
        assertEq(bondedOf(seats[2].account), 2 * COMPUTE_MIN * 95 / 100);
    }

    function testAMajorityThatIsSilentOnAnInlineInputIsAbsent() public {
        bytes32 taskId = begin(exactModel, 3);
        Seat[] memory seats = committee(taskId);
        passPhase(taskId);
        poke(taskId);
        for (uint256 i; i < 3; ++i) {
            assertEq(bondedOf(seats[i].account), 2 * COMPUTE_MIN * 95 / 100);
        }
    }

    function testMembersThatVoteOnTheirOwnResultsHaveNoExcuse() public {
        bytes32 taskId = submit(numericModel, 3, 1 ether, pointer_("somewhere"), 600);
        draw(taskId);
        Seat[] memory seats = committee(taskId);
        bytes[] memory payloads = new bytes[](3);
        (payloads[0], payloads[1], payloads[2]) = (RIGHT, RIGHT, WRONG);
        playRound(taskId, payloads);
        passPhase(taskId);
        poke(taskId);
        for (uint256 i; i < 3; ++i) {
            assertEq(bondedOf(seats[i].account), 2 * COMPUTE_MIN * 95 / 100);
        }
    }

    // ---- helpers ----

    /// @dev A task whose input lies off chain, disputed; its first judges are drawn.
    function _dissentOnPointer() private returns (bytes32 taskId, Seat[] memory members) {
        taskId = submit(exactModel, 3, 1 ether, pointer_("somewhere"), 600);
        draw(taskId);
        members = committee(taskId);
        bytes[] memory payloads = new bytes[](3);
        (payloads[0], payloads[1], payloads[2]) = (RIGHT, RIGHT, WRONG);
        playRound(taskId, payloads);
        draw(taskId);
    }

    function _split(bytes32 taskId) private {
        Seat[] memory seats = committee(taskId);
        bytes[] memory payloads = new bytes[](seats.length);
        for (uint256 i; i < seats.length; ++i) {
            payloads[i] = i % 2 == 0 ? RIGHT : WRONG;
        }
        playRound(taskId, payloads);
    }

    function _votes(uint8 a, uint8 b, uint8 c) private pure returns (bytes memory) {
        uint8[] memory votes = new uint8[](3);
        (votes[0], votes[1], votes[2]) = (a, b, c);
        return packVotes(votes);
    }
}
