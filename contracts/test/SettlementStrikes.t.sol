// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ChannelTerms, Close, Evidence, Outcome, TaskOrder, Voucher} from "../src/interfaces/ChannelTypes.sol";
import {IPaymentChannels} from "../src/interfaces/IPaymentChannels.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {ChallengeTest} from "./utils/ChallengeTest.sol";

/// @title Leaves that prove nothing, what becomes of their orders, and the money afterwards
contract SettlementStrikesTest is ChallengeTest {
    function _struck(Draft memory made, bytes32 batch, uint256 index) private view {
        assertEq(settlement.withdrawable(stranger), LEAF_PENALTY / 10, "reward");
        (uint256 bond,) = settlement.bonds(coordinator);
        assertEq(bond, 3 * BOND - LEAF_PENALTY, "penalty");
        uint256 back = made.tasks[index].debit;
        assertEq(settlement.batches(batch).pot, made.header.pot - back, "pot");
        assertEq(channels.channels(channel).balance, DEPOSIT - made.header.pot + back, "given back");
    }

    /// @dev What is left pays the honest leaves, and all of it.
    function _honestLeavesStand(Draft memory made, bytes32 batch) private {
        finish(batch);
        claimAll(made);
        assertEq(settlement.batches(batch).pot, 0, "nothing left and nothing missing");
    }

    // ---- leaves ----

    function _strike(Draft memory made, uint256 index) private returns (bytes32 batch) {
        batch = post(made);
        vm.prank(stranger);
        settlement.strikeEvidence(
            made.header, task(made, index), made.evidence[index], made.outcomes[index], made.debits
        );
        _struck(made, batch, index);
        bytes memory again = abi.encodeWithSelector(ISettlement.AlreadyStruck.selector, batch, index);
        vm.expectRevert(again);
        settlement.strikeEvidence(
            made.header, task(made, index), made.evidence[index], made.outcomes[index], made.debits
        );
    }

    function _rehash(Draft memory made, uint256 index) private pure {
        made.tasks[index].evidence = keccak256(abi.encode(made.evidence[index]));
        made.tasks[index].outcome = keccak256(abi.encode(made.outcomes[index]));
    }

    function testAForgedOrder() public {
        Draft memory made = draft(3);
        made.evidence[1].orderSignature = signBy(coordinatorKey, hashOf(made.evidence[1].order));
        _rehash(made, 1);
        _honestLeavesStand(made, _strike(made, 1));
    }

    function testAForgedAttestation() public {
        Draft memory made = draft(3);
        made.evidence[1].seats[2].signature = made.evidence[1].seats[0].signature;
        _rehash(made, 1);
        _honestLeavesStand(made, _strike(made, 1));
    }

    function testAMissingAttestation() public {
        Draft memory made = draft(3);
        made.evidence[1] = proven(made.evidence[1].order, 1);
        _rehash(made, 1);
        _honestLeavesStand(made, _strike(made, 1));
    }

    function testAnOvercharge() public {
        Draft memory made = draft(3);
        Outcome memory outcome = made.outcomes[1];
        outcome.coordinatorFee += 1 ether;
        outcome.debit += 1 ether;
        made.tasks[1].debit += 1 ether;
        made.tasks[1].total += 1 ether;
        made.tasks[2].total += 1 ether;
        made.debits[0].debit += 1 ether;
        _rehash(made, 1);
        fillEntries(made);
        bytes32 batch = _strike(made, 1);
        // The order itself was done: it is settled by itself, for its price.
        channels.settleReopened(made.evidence[1], made.tasks[1].sequence + 1);
        _honestLeavesStand(made, batch);
    }

    function testAnotherOrderUnderALeaf() public {
        Draft memory made = draft(3);
        made.evidence[1] = made.evidence[0];
        made.outcomes[1] = made.outcomes[0];
        _rehash(made, 1);
        _honestLeavesStand(made, _strike(made, 1));
    }

    function testAnOrderOutOfTime() public {
        Draft memory made = draft(3);
        vm.warp(uint256(made.evidence[0].order.deadline) + SETTLE + 1);
        _strike(made, 0);
        // And it cannot come back.
        vm.expectRevert(
            abi.encodeWithSelector(
                IPaymentChannels.OrderExpired.selector,
                hashOf(made.evidence[0].order),
                made.evidence[0].order.deadline + SETTLE
            )
        );
        channels.settleReopened(made.evidence[0], 1);
    }

    function testACommitteeThatWasNotDrawn() public {
        Draft memory made = draft(3);
        TaskOrder memory order = made.evidence[1].order;
        uint32[] memory right = drawn(order);
        uint32[] memory false_ = new uint32[](3);
        uint256 found;
        for (uint256 i; i < pool.length && found < 3; ++i) {
            if (pool[i] != right[0] && pool[i] != right[1] && pool[i] != right[2]) false_[found++] = pool[i];
        }
        made.evidence[1] = provenBy(terms, clientKey, order, false_, 0);
        assemble(made);
        bytes32 batch = post(made);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NoFault.selector, batch));
        settlement.strikeEvidence(made.header, task(made, 1), made.evidence[1], made.outcomes[1], made.debits);
        vm.prank(stranger);
        settlement.strikeCommittee(
            made.header, task(made, 1), made.evidence[1], made.outcomes[1], made.debits, 0, right
        );
        _struck(made, batch, 1);
        // The right committee's work, if there was any, is settled by itself.
        channels.settleReopened(proven(order, 0), order.sequence + 1);
        _honestLeavesStand(made, batch);
        for (uint256 i; i < 3; ++i) {
            uint256 others = _seatsOf(made, false_[i], 1) * uint256(made.outcomes[0].seatFee);
            assertEq(ledger.claimable(operatorOf(false_[i])), others, "nothing for the false seats");
        }
    }

    function _seatsOf(Draft memory made, uint32 account, uint256 except) private pure returns (uint256 count) {
        for (uint256 i; i < made.outcomes.length; ++i) {
            if (i == except) continue;
            for (uint256 k; k < made.outcomes[i].winners.length; ++k) {
                if (made.outcomes[i].winners[k] == account) ++count;
            }
        }
    }

    function testASequenceThatWasSettledBefore() public {
        Evidence memory alone = proven(orderOf(1, 3), 0);
        uint256 paid = channels.settle(alone);
        Draft memory made = draft(3);
        bytes32 batch = post(made);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NoFault.selector, batch));
        settlement.strikeDuplicate(made.header, task(made, 0), made.outcomes[0], made.debits);
        vm.prank(stranger);
        settlement.strikeDuplicate(made.header, task(made, 1), made.outcomes[1], made.debits);
        assertEq(channels.channels(channel).balance, DEPOSIT - paid - 2 * paid, "three orders paid once each");
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotOpenAgain.selector, channel, 1));
        channels.settleReopened(alone, 2);
        finish(batch);
        claimAll(made);
        assertEq(settlement.batches(batch).pot, 0);
    }

    /// @dev A coordinator that plays against another channel: a leaf that says more than its channel was debited, to have
    /// it struck and the difference restored from the other channel's money.
    function testAStrikeNeverGivesBackMoreThanWasTaken() public {
        ChannelTerms memory second = openChannel(client, 100, "second", 20 ether);
        advance();
        bytes32 other = channels.channelId(second);
        Draft memory made;
        made.evidence = new Evidence[](2);
        bool later = other > channel;
        TaskOrder memory order = orderFor(other, 0, 3);
        order.maxFee = 10 ether;
        made.evidence[later ? 0 : 1] = proven(orderOf(0, 3), 0);
        made.evidence[later ? 1 : 0] = provenBy(second, clientKey, order, drawn(order), 0);
        assemble(made);
        uint256 index = later ? 0 : 1;
        made.tasks[index].debit = 5 ether;
        made.tasks[index].total = 5 ether;
        bytes32 batch = post(made);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.StruckTooMuch.selector, batch, channel));
        settlement.strikeEvidence(
            made.header, task(made, index), made.evidence[index], made.outcomes[index], made.debits
        );
        vm.prank(stranger);
        settlement.challengeDebit(made.header, made.debits, task(made, index));
        _expectVoid(made, batch);
        assertEq(channels.channels(other).balance, 20 ether);
    }

    // ---- after the batch ----

    function testOrdersOfAVoidBatchSettleOneByOneAndOnlyOnce() public {
        Evidence memory before = proven(orderOf(1, 3), 0);
        channels.settle(before);
        Draft memory made = draft(3);
        made.tasks[2].rank = 9;
        bytes32 batch = post(made);
        vm.prank(stranger);
        settlement.challengeTasks(made.header, task(made, 1), task(made, 2));
        bytes memory closed = abi.encodeWithSelector(IPaymentChannels.NotOpenAgain.selector, channel, 0);
        vm.expectRevert(closed);
        channels.settleReopened(made.evidence[0], 3);
        settlement.restore(made.header, made.debits, 0);
        channels.settleReopened(made.evidence[0], 3);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.AlreadySettled.selector, channel, 0));
        channels.settleReopened(made.evidence[0], 3);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.AlreadySettled.selector, channel, 1));
        channels.settleReopened(before, 3);
        skip(SETTLE + 1);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotOpenAgain.selector, channel, 2));
        channels.settleReopened(made.evidence[2], 3);
        assertEq(uint256(settlement.batches(batch).status), uint256(ISettlement.Status.Void));
    }

    /// @dev The requester closes while a batch is under way, and the batch turns out to be void: the seats still come
    /// before the refund.
    function testAVoidBatchHoldsUpACloseForItsSeats() public {
        Draft memory made = draft(2);
        made.tasks[1].rank = 9;
        post(made);
        (Close memory close, bytes memory signature) = signedClose(coordinatorKey, 0, 0);
        vm.prank(client);
        channels.closeTogether(terms, close, signature);
        skip(SETTLE);
        channels.finishClose(terms);
        vm.prank(stranger);
        settlement.challengeTasks(made.header, task(made, 0), task(made, 1));
        settlement.restore(made.header, made.debits, 0);
        uint256 until = vm.getBlockTimestamp() + SETTLE;
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.TooEarly.selector, until));
        channels.finishClose(terms);
        channels.settleReopened(made.evidence[0], 2);
        vm.warp(until);
        assertEq(channels.finishClose(terms), made.tasks[1].debit, "what nobody settled goes home");
    }

    /// @dev A voucher signed for the same orders waits for their seats, and pays only what they left; once it paid, they
    /// are settled.
    function testAVoucherAndAVoidBatchNeverTakeTheSameMoney() public {
        Draft memory made = draft(2);
        made.tasks[1].rank = 9;
        post(made);
        uint96 total = uint96(made.header.pot);
        (Voucher memory voucher, bytes memory signature) = signedVoucher(total, 2);
        vm.prank(coordinator);
        channels.presentVoucher(terms, voucher, signature);
        skip(SETTLE - 1);
        vm.prank(stranger);
        settlement.challengeTasks(made.header, task(made, 0), task(made, 1));
        settlement.restore(made.header, made.debits, 0);
        uint256 until = vm.getBlockTimestamp() + SETTLE;
        skip(1);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.TooEarly.selector, until));
        channels.redeemVoucher(terms);
        uint256 paid = channels.settleReopened(made.evidence[0], 2);
        vm.warp(until);
        assertEq(channels.redeemVoucher(terms), total - paid);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.AlreadySettled.selector, channel, 1));
        channels.settleReopened(made.evidence[1], 2);
        assertEq(channels.channels(channel).balance, DEPOSIT - total, "the requester paid what it signed");
    }

    /// @dev A voucher that was paid before leaves the orders of a void batch to their seats.
    function testAVoucherPaidBeforeDoesNotTakeTheSeatsPay() public {
        Draft memory made = draft(2);
        made.tasks[1].rank = 9;
        post(made);
        uint96 total = uint96(made.header.pot);
        (Voucher memory voucher, bytes memory signature) = signedVoucher(total, 2);
        vm.prank(coordinator);
        channels.presentVoucher(terms, voucher, signature);
        skip(SETTLE);
        assertEq(channels.redeemVoucher(terms), 0, "the batch took it");
        vm.prank(stranger);
        settlement.challengeTasks(made.header, task(made, 0), task(made, 1));
        settlement.restore(made.header, made.debits, 0);
        uint256 paid = channels.settleReopened(made.evidence[0], 2) + channels.settleReopened(made.evidence[1], 2);
        assertEq(paid, total);
        vm.prank(coordinator);
        channels.presentVoucher(terms, voucher, signature);
        skip(SETTLE);
        assertEq(channels.redeemVoucher(terms), 0, "nothing is left of it");
    }

    function testAnOrderThatABatchLeftOut() public {
        Evidence memory ignored = proven(orderOf(1, 3), 0);
        Draft memory made;
        made.evidence = new Evidence[](2);
        made.evidence[0] = proven(orderOf(0, 3), 0);
        made.evidence[1] = proven(orderOf(2, 3), 0);
        assemble(made);
        bytes32 batch = post(made);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.AlreadySettled.selector, channel, 1));
        channels.settle(ignored);
        // What the batch holds is not left out.
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NoFault.selector, batch));
        settlement.reopenOmitted(made.header, made.debits, 0, 0, task(made, 0), task(made, 1));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NoFault.selector, batch));
        settlement.reopenOmitted(made.header, made.debits, 0, 3, task(made, 1), task(made, 1));
        settlement.reopenOmitted(made.header, made.debits, 0, 1, task(made, 0), task(made, 1));
        channels.settleReopened(ignored, 2);
        finish(batch);
        claimAll(made);
        assertEq(settlement.batches(batch).pot, 0);
    }
}
