// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {DissentCases} from "../src/DissentCases.sol";
import {SlashEscrow} from "../src/SlashEscrow.sol";
import {Attestation, TaskOrder} from "../src/interfaces/ChannelTypes.sol";
import {IDissentCases} from "../src/interfaces/IDissentCases.sol";
import {Fault, Seat} from "../src/interfaces/Types.sol";
import {DissentTest} from "./utils/DissentTest.sol";

/// @title Orders on which seats disagreed: who judges, who is punished, and what opening a case costs
contract DissentCasesTest is DissentTest {
    // ---- who was wrong ----

    function testADissenterThatWasWrongLosesHalf() public {
        Dispute memory found = _ruled(RIGHT, WRONG);
        uint256 stake = bondedOf(found.dissenter);
        judged.condemnReported(found.id, found.dissenter);
        assertEq(bondedOf(found.dissenter), stake / 2, "all of the panel agreed");
        assertGt(ledger.accounts(found.dissenter).jailedUntil, 0);
        for (uint256 i; i < 5; ++i) {
            if (found.evidence.seats[i].account == found.dissenter) continue;
            vm.expectRevert(
                abi.encodeWithSelector(IDissentCases.NotWrong.selector, found.id, found.evidence.seats[i].account)
            );
            _expectedCondemn(found, i);
        }
        judged.conclude(found.id);
        assertEq(token.balanceOf(stranger), 10 * BOND, "the bond, and nothing more");
        assertEq(token.balanceOf(address(judged)), 0);
    }

    function testAQuorumThatWasWrongLosesToTheDissenter() public {
        Dispute memory found = _ruled(WRONG, RIGHT);
        uint256 stake = bondedOf(found.dissenter);
        vm.expectRevert(abi.encodeWithSelector(IDissentCases.NotWrong.selector, found.id, found.dissenter));
        judged.condemnReported(found.id, found.dissenter);
        uint256 taken;
        for (uint256 i; i < 5; ++i) {
            uint32 account = found.evidence.seats[i].account;
            if (account == found.dissenter) continue;
            uint256 before = bondedOf(account);
            _condemnSeat(found, i);
            assertEq(bondedOf(account), before / 2);
            taken += before / 2;
        }
        assertEq(bondedOf(found.dissenter), stake, "who was right keeps everything");
        assertEq(judged.cases(found.id).taken, taken);
        judged.conclude(found.id);
        assertEq(token.balanceOf(stranger), 10 * BOND);
    }

    function testBothMayBeWrong() public {
        Dispute memory found = _ruled(WRONG, "44");
        uint256 stake = bondedOf(found.dissenter);
        judged.condemnReported(found.id, found.dissenter);
        assertEq(bondedOf(found.dissenter), stake / 2);
        uint256 seat = found.evidence.seats[0].account == found.dissenter ? 1 : 0;
        stake = bondedOf(found.evidence.seats[seat].account);
        _condemnSeat(found, seat);
        assertEq(bondedOf(found.evidence.seats[seat].account), stake / 2);
    }

    function testFuzz_TheSlashGrowsWithThePanelsAgreement(uint256 agreeing) public {
        agreeing = bound(agreeing, 0, 9);
        Dispute memory found = _dispute(RIGHT, WRONG);
        _open(found);
        bytes[] memory said = new bytes[](9);
        for (uint256 i; i < 9; ++i) {
            said[i] = i < agreeing ? RIGHT : bytes(vm.toString(i));
        }
        _judge(found, said);
        // Nine equal weights: 70 % of the weight are seven seats.
        if (agreeing < 7) {
            assertEq(_status(found), uint256(IDissentCases.Status.Undecided));
            vm.expectRevert(
                abi.encodeWithSelector(
                    IDissentCases.WrongDissentStatus.selector, found.id, IDissentCases.Status.Undecided
                )
            );
            judged.condemnReported(found.id, found.dissenter);
            return;
        }
        _rule(found, RIGHT);
        uint256 confidence = agreeing * 10_000 / 9;
        assertEq(judged.cases(found.id).confidence, confidence);
        uint256 stake = bondedOf(found.dissenter);
        judged.condemnReported(found.id, found.dissenter);
        uint256 points = 1_000 + 4_000 * (confidence - 7_000) / 3_000;
        assertEq(bondedOf(found.dissenter), stake - stake * points / 10_000);
    }

    function testAHeavySlashWaitsAsEveryOther() public {
        SlashEscrow escrow = new SlashEscrow(address(manager), address(ledger), makeAddr("appeals"), 1_000, 14 days);
        vm.prank(governor);
        ledger.setSlashEscrow(address(escrow));
        Dispute memory found = _ruled(RIGHT, WRONG);
        uint256 stake = bondedOf(found.dissenter);
        judged.condemnReported(found.id, found.dissenter);
        assertEq(ledger.heldSlashes(), stake / 2);
        judged.conclude(found.id);
        assertEq(token.balanceOf(stranger), 10 * BOND);
    }

    // ---- who judges ----

    function testNobodyOfTheOrderJudgesIt() public {
        Dispute memory found = _dispute(RIGHT, WRONG);
        _open(found);
        draw(found.reviewId);
        Seat[] memory panel = committee(found.reviewId);
        assertEq(panel.length, 9, "as many as the last judges of a task");
        for (uint256 i; i < 9; ++i) {
            for (uint256 k; k < 5; ++k) {
                assertTrue(panel[i].account >> 1 != found.evidence.seats[k].account >> 1);
            }
        }
    }

    // ---- the bond ----

    function testAnUndecidedPanelIsPaidByHalfOfTheBond() public {
        Dispute memory found = _dispute(RIGHT, WRONG);
        uint256 reserve = ledger.disputeReserve(1);
        _open(found);
        vm.expectRevert(
            abi.encodeWithSelector(IDissentCases.WrongDissentStatus.selector, found.id, IDissentCases.Status.Judging)
        );
        judged.conclude(found.id);
        bytes[] memory said = new bytes[](9);
        for (uint256 i; i < 9; ++i) {
            said[i] = i < 5 ? RIGHT : WRONG;
        }
        _judge(found, said);
        judged.conclude(found.id);
        assertEq(ledger.disputeReserve(1), reserve, "no case makes the reserve poorer");
        assertEq(token.balanceOf(stranger), 10 * BOND - BOND / 2);
        vm.expectRevert(
            abi.encodeWithSelector(IDissentCases.WrongDissentStatus.selector, found.id, IDissentCases.Status.Closed)
        );
        judged.conclude(found.id);
        vm.expectRevert(abi.encodeWithSelector(IDissentCases.CaseExists.selector, found.id));
        judged.open(found.evidence, found.dissenter, inline_(ASKED));
    }

    /// @dev Whoever has nothing left to lose drains no reserve with dissents.
    function testACaseThatTakesNothingCostsItsBond() public {
        Dispute memory found = _dispute(RIGHT, WRONG);
        vm.prank(address(channels));
        ledger.slashLane(found.dissenter, "another order", Fault.Malicious, address(0));
        uint256 reserve = ledger.disputeReserve(1);
        uint256 supply = token.totalSupply();
        _open(found);
        _judge(found, _one(RIGHT));
        _rule(found, RIGHT);
        judged.condemnReported(found.id, found.dissenter);
        uint256 until = judged.cases(found.id).until;
        vm.expectRevert(abi.encodeWithSelector(IDissentCases.TooEarly.selector, until));
        judged.conclude(found.id);
        vm.warp(until);
        judged.conclude(found.id);
        assertEq(ledger.disputeReserve(1), reserve);
        assertEq(token.totalSupply(), supply - BOND / 2);
        assertEq(token.balanceOf(stranger), 9 * BOND);
        assertEq(token.balanceOf(address(judged)), 0);
    }

    /// @dev Half of what was taken is the reserve's, so what only equals the panel's fees is too little.
    function testACaseThatTakesLessThanItsBondDoesNotGetItBack() public {
        Dispute memory found = _dispute(RIGHT, WRONG);
        while (bondedOf(found.dissenter) > 2 * BOND - 100e18) {
            uint256 excess = bondedOf(found.dissenter) - (2 * BOND - 100e18);
            vm.prank(governor);
            ledger.fine(found.dissenter, "another case", 1, excess < 7_500e18 ? excess : 7_500e18);
        }
        uint256 reserve = ledger.disputeReserve(1);
        _open(found);
        _judge(found, _one(RIGHT));
        _rule(found, RIGHT);
        judged.condemnReported(found.id, found.dissenter);
        assertEq(judged.cases(found.id).taken, BOND - 50e18);
        uint256 until = judged.cases(found.id).until;
        vm.expectRevert(abi.encodeWithSelector(IDissentCases.TooEarly.selector, until));
        judged.conclude(found.id);
        vm.warp(until);
        judged.conclude(found.id);
        assertGe(ledger.disputeReserve(1), reserve);
    }

    /// @dev The bond's end is not the end of what the panel found.
    function testWhoWasWrongStaysPunishableAfterTheBondIsGone() public {
        Dispute memory found = _ruled(WRONG, "44");
        judged.condemnReported(found.id, found.dissenter);
        judged.conclude(found.id);
        uint256 seat = found.evidence.seats[0].account == found.dissenter ? 1 : 0;
        uint256 stake = bondedOf(found.evidence.seats[seat].account);
        _condemnSeat(found, seat);
        assertEq(bondedOf(found.evidence.seats[seat].account), stake / 2);
    }

    // ---- liars ----

    function _refused(Dispute memory found, bytes memory input, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(stranger);
        judged.open(found.evidence, found.dissenter, input);
    }

    // ---- audits ----

    /// @dev Five seats that agree, and nobody on record.
    function _audit(bytes memory verdict) private returns (Dispute memory found) {
        found.order = asked(0, 5);
        found.id = hashOf(found.order);
        uint32[] memory seats = drawn(found.order);
        found.evidence = provenOf(terms, clientKey, found.order, seats, 0, digestOf(found.id, verdict));
        _open(found);
    }

    function testAnAuditFindsACommitteeThatLiedTogether() public {
        Dispute memory found = _audit(WRONG);
        _judge(found, _one(RIGHT));
        _rule(found, RIGHT);
        for (uint256 i; i < 5; ++i) {
            uint256 stake = bondedOf(found.evidence.seats[i].account);
            _expectedCondemn(found, i);
            assertEq(bondedOf(found.evidence.seats[i].account), stake / 2, "all of the panel agreed");
        }
        judged.conclude(found.id);
        assertEq(token.balanceOf(stranger), 10 * BOND, "the bond, and nothing more");
    }

    /// @dev Whoever audits honest seats pays the panel, and as much again is burned: a week later, as the reserve's half.
    function testAnAuditOfHonestSeatsCostsItsBondAndNobodyElse() public {
        Dispute memory found = _audit(RIGHT);
        uint256 reserve = ledger.disputeReserve(1);
        _judge(found, _one(RIGHT));
        _rule(found, RIGHT);
        for (uint256 i; i < 5; ++i) {
            uint32 account = found.evidence.seats[i].account;
            vm.expectRevert(abi.encodeWithSelector(IDissentCases.NotWrong.selector, found.id, account));
            _expectedCondemn(found, i);
        }
        vm.warp(judged.cases(found.id).until);
        judged.conclude(found.id);
        assertEq(token.balanceOf(stranger), 9 * BOND);
        assertEq(ledger.disputeReserve(1), reserve + BOND / 2, "what the panel cost comes back");
    }

    function testNobodyOfAnAuditedOrderJudgesIt() public {
        Dispute memory found = _audit(RIGHT);
        draw(found.reviewId);
        Seat[] memory panel = committee(found.reviewId);
        for (uint256 i; i < panel.length; ++i) {
            for (uint256 k; k < 5; ++k) {
                assertNotEq(panel[i].account / 2, found.evidence.seats[k].account / 2);
            }
        }
    }

    // ---- who may not ----

    function testNoCaseWithoutADissentOnRecord() public {
        Dispute memory found = _dispute(RIGHT, WRONG);
        uint32 other = found.evidence.seats[0].account == found.dissenter
            ? found.evidence.seats[1].account
            : found.evidence.seats[0].account;
        vm.expectRevert(abi.encodeWithSelector(IDissentCases.NotOnRecord.selector, found.id, other));
        judged.open(found.evidence, other, inline_(ASKED));
        vm.expectRevert();
        judged.condemnReported(found.id, other);
    }

    function testNoCaseOnAnotherInputOrOneThatIsNotHere() public {
        Dispute memory found = _dispute(RIGHT, WRONG);
        bytes4 mismatch = IDissentCases.ContentMismatch.selector;
        _refused(found, inline_("other"), abi.encodeWithSelector(mismatch, keccak256(ASKED), keccak256(bytes("other"))));
        _refused(found, pointer_(ASKED), abi.encodeWithSelector(mismatch, keccak256(ASKED), 0));
        _refused(found, "", abi.encodeWithSelector(mismatch, keccak256(ASKED), 0));
    }

    /// @dev Honest results of a numeric model differ, whatever the requester called its order.
    function testNoCaseOnAModelWhoseHonestResultsDiffer() public {
        for (uint256 i; i < pool.length; ++i) {
            serve(operators[i], numericModel);
            snapshots.recordWeight(numericModel, pool[i]);
        }
        for (uint256 i = 6; i < operators.length; ++i) {
            serve(operators[i], numericModel);
        }
        snapshots.recordModel(numericModel);
        nextEpoch();
        advance();
        TaskOrder memory order = asked(0, 5);
        order.modelId = numericModel;
        Dispute memory found = _disputeOf(order, RIGHT, WRONG);
        _refused(found, inline_(ASKED), abi.encodeWithSelector(IDissentCases.NotByDigest.selector, numericModel));
    }

    function testNoCaseWhenStakeMayBeGoneOrNobodyCanJudge() public {
        Dispute memory found = _dispute(RIGHT, WRONG);
        for (uint256 i = 12; i < 18; ++i) {
            vm.prank(operators[i].cold);
            tasks.stopServing(exactModel, operators[i].account);
        }
        nextEpoch();
        _refused(found, inline_(ASKED), abi.encodeWithSelector(IDissentCases.TooFewJudges.selector, 12, 14));
        uint256 until = beacon.genesis() + found.order.epoch * EPOCH + UNBONDING / 2;
        vm.warp(until + 1);
        _refused(found, inline_(ASKED), abi.encodeWithSelector(IDissentCases.TooLateToJudge.selector, found.id, until));
    }

    function testNobodyMisreportsThePanel() public {
        Dispute memory found = _dispute(RIGHT, WRONG);
        vm.expectRevert(
            abi.encodeWithSelector(IDissentCases.WrongDissentStatus.selector, found.id, IDissentCases.Status.None)
        );
        _rule(found, RIGHT);
        _open(found);
        _judge(found, _one(RIGHT));
        bytes4 mismatch = IDissentCases.ContentMismatch.selector;
        bytes32 wrong = digestOf(found.reviewId, WRONG);
        vm.expectRevert(abi.encodeWithSelector(mismatch, digestOf(found.reviewId, RIGHT), wrong));
        _rule(found, WRONG);
        found.values[3] = wrong;
        vm.expectPartialRevert(mismatch);
        _rule(found, RIGHT);
        found.values[3] = digestOf(found.reviewId, RIGHT);
        found.revealed = 1;
        vm.expectPartialRevert(mismatch);
        _rule(found, RIGHT);
        vm.expectRevert(IDissentCases.OnlyTaskManager.selector);
        judged.onVerdict(found.reviewId, wrong, 0, 0, 0);
        vm.expectRevert(IDissentCases.OnlyTaskManager.selector);
        judged.onNoVerdict(found.reviewId);
    }

    function testNobodyIsPunishedTwiceOrForAnothersWord() public {
        Dispute memory found = _ruled(RIGHT, WRONG);
        judged.condemnReported(found.id, found.dissenter);
        bytes memory again =
            abi.encodeWithSelector(IDissentCases.AlreadyProvenFault.selector, found.id, found.dissenter);
        vm.expectRevert(again);
        judged.condemnReported(found.id, found.dissenter);
        (Attestation memory said, bytes memory signature) =
            attest(found.id, found.dissenter, digestOf(found.id, WRONG), "another root");
        vm.expectRevert(again);
        judged.condemn(said, signature);
        // Somebody else's signature under a victim's account.
        uint32 victim = found.evidence.seats[found.evidence.seats[0].account == found.dissenter ? 1 : 0].account;
        said.account = victim;
        bytes memory forged = signBy(nodeKeyOf(found.dissenter), attestationHashOf(said));
        bytes memory bad = abi.encodeWithSelector(IDissentCases.BadSeatSignature.selector, found.id, victim);
        vm.expectRevert(bad);
        judged.condemn(said, forged);
        vm.expectRevert(bad);
        judged.condemn(said, "");
        // A wrong result for an order that nobody judged.
        bytes32 other = hashOf(asked(1, 5));
        (said, signature) = attest(other, victim, digestOf(other, WRONG), "root");
        vm.expectRevert(
            abi.encodeWithSelector(IDissentCases.WrongDissentStatus.selector, other, IDissentCases.Status.None)
        );
        judged.condemn(said, signature);
    }

    /// @dev Nobody knows a payload of zero, so nobody could appeal; it is no way to be punished twice, or not at all.
    function testWhoAttestedNothingIsPunishedOnce() public {
        Dispute memory found = _ruled(RIGHT, WRONG);
        (Attestation memory said, bytes memory signature) = attest(found.id, found.dissenter, 0, "root");
        uint256 stake = bondedOf(found.dissenter);
        judged.condemn(said, signature);
        assertEq(bondedOf(found.dissenter), stake / 2);
        assertEq(judged.condemnedFor(found.id, found.dissenter), bytes32(uint256(1)));
        vm.expectRevert(abi.encodeWithSelector(IDissentCases.AlreadyProvenFault.selector, found.id, found.dissenter));
        judged.condemn(said, signature);
    }

    function testConstructorWantsAddresses() public {
        address[6] memory good =
            [address(token), address(channels), address(dissents), address(ledger), address(tasks), address(registry)];
        for (uint256 i; i < 6; ++i) {
            address[6] memory given = good;
            given[i] = address(0);
            vm.expectRevert(IDissentCases.ZeroAddress.selector);
            new DissentCases(given[0], given[1], given[2], given[3], given[4], given[5]);
        }
    }
}
