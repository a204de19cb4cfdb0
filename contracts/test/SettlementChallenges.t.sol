// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ChannelTerms, Close, Evidence, Outcome, TaskOrder, Voucher} from "../src/interfaces/ChannelTypes.sol";
import {IPaymentChannels} from "../src/interfaces/IPaymentChannels.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {LedgerLeaf, TaskLeaf} from "../src/libraries/BatchLeaves.sol";
import {BatchTest} from "./utils/BatchTest.sol";

/// @title Every way to lie in a batch, who catches it, and the money afterwards
contract SettlementChallengesTest is BatchTest {
    /// @dev A void batch pays nobody, gives every channel its money back and costs the coordinator its bond; its orders
    /// settle one by one.
    function _expectVoid(Draft memory made, bytes32 batch) private {
        assertEq(uint256(settlement.batches(batch).status), uint256(ISettlement.Status.Void), "void");
        (uint256 bond,) = settlement.bonds(coordinator);
        assertEq(bond, 2 * BOND, "the coordinator paid");
        assertEq(settlement.withdrawable(stranger), BOND / 10, "a tenth to the challenger");
        assertEq(settlement.withdrawable(treasury), BOND - BOND / 10, "the rest to the treasury");
        for (uint256 i; i < made.debits.length; ++i) {
            settlement.restore(made.header, made.debits, i);
        }
        assertEq(settlement.batches(batch).pot, 0, "all given back");
        assertEq(channels.channels(channel).balance, DEPOSIT, "the requester lost nothing");
        vm.expectRevert(abi.encodeWithSelector(ISettlement.AlreadyRestored.selector, batch, channel));
        settlement.restore(made.header, made.debits, 0);
        vm.warp(vm.getBlockTimestamp() + CHALLENGE);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BatchVoid.selector, batch));
        settlement.claim(made.header, entry(made, made.entries.length - 1));
    }

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

    // ---- structure: task leaves ----

    function _badTasks(Draft memory made, uint256 a, uint256 b) private {
        bytes32 batch = post(made);
        vm.prank(stranger);
        settlement.challengeTasks(made.header, task(made, a), task(made, b));
        _expectVoid(made, batch);
    }

    function testOneSequenceTwice() public {
        Draft memory made = draft(3);
        made.tasks[1].sequence = 0;
        _badTasks(made, 0, 1);
    }

    function testAWrongChannelTotal() public {
        Draft memory made = draft(3);
        made.tasks[1].total += 1;
        _badTasks(made, 0, 1);
    }

    function testAWrongFirstTotal() public {
        Draft memory made = draft(3);
        made.tasks[0].total += 1;
        _badTasks(made, 0, 0);
    }

    function testAWrongRank() public {
        Draft memory made = draft(3);
        made.tasks[2].rank = 2;
        _badTasks(made, 1, 2);
    }

    function testAnEndThatIsNone() public {
        Draft memory made = draft(3);
        made.tasks[1].last = true;
        _badTasks(made, 1, 2);
    }

    function testALastLeafWithoutItsMark() public {
        Draft memory made = draft(3);
        made.tasks[2].last = false;
        _badTasks(made, 2, 2);
    }

    function testTwoLeavesAtOnePlace() public {
        Draft memory made = draft(3);
        made.tasks[1].index = 0;
        _badTasks(made, 0, 1);
    }

    function testALeafBeyondTheCount() public {
        Draft memory made = draft(3);
        made.tasks[2].index = 3;
        _badTasks(made, 2, 2);
    }

    // ---- structure: ledger leaves ----

    function _badEntries(Draft memory made, uint256 a, uint256 b) private {
        bytes32 batch = post(made);
        vm.prank(stranger);
        settlement.challengeLedger(made.header, entry(made, a), entry(made, b));
        _expectVoid(made, batch);
    }

    function testAWrongTotal() public {
        Draft memory made = draft(3);
        made.entries[1].total += 1;
        _badEntries(made, 0, 1);
    }

    function testAWrongTotalAtTheStart() public {
        Draft memory made = draft(3);
        made.entries[0].total += 1;
        _badEntries(made, 0, 0);
    }

    function testOneTaskPaidTwice() public {
        Draft memory made = draft(3);
        made.entries[1].task = 0;
        _badEntries(made, 0, 1);
    }

    function testAnEntryForNoTask() public {
        Draft memory made = draft(3);
        made.entries[4].task = 3;
        _badEntries(made, 4, 4);
    }

    function testTwoLastEntriesOfOneParty() public {
        Draft memory made = draft(3);
        made.entries[1].last = true;
        _badEntries(made, 1, 2);
    }

    function testAnEntryOfNothing() public {
        Draft memory made = draft(3);
        made.entries[0].amount = 0;
        _badEntries(made, 0, 0);
    }

    // ---- ledger against tasks ----

    function testAnEntryThatGivesTooMuch() public {
        Draft memory made = draft(3);
        made.entries[1].amount += 1;
        sumUp(made);
        bytes32 batch = post(made);
        uint256 index = made.entries[1].task;
        vm.prank(stranger);
        settlement.challengeEntry(made.header, entry(made, 1), task(made, index), made.outcomes[index]);
        _expectVoid(made, batch);
    }

    function testAnEntryForAStranger() public {
        Draft memory made = draft(3);
        LedgerLeaf[] memory more = new LedgerLeaf[](made.entries.length + 1);
        for (uint256 i; i < made.entries.length; ++i) {
            more[i] = made.entries[i];
        }
        more[made.entries.length] =
            LedgerLeaf(uint32(made.entries.length), type(uint256).max, 0, 1 ether, 1 ether, true);
        made.entries = more;
        bytes32 batch = post(made);
        vm.prank(stranger);
        settlement.challengeEntry(made.header, entry(made, more.length - 1), task(made, 0), made.outcomes[0]);
        _expectVoid(made, batch);
    }

    /// @dev Every entry can be left out by turns, and each time its party shows it.
    /// forge-config: default.fuzz.runs = 48
    function testFuzz_AMissingEntry(uint256 gone) public {
        Draft memory made = draft(2);
        gone = bound(gone, 0, made.entries.length - 1);
        LedgerLeaf memory missing = made.entries[gone];
        LedgerLeaf[] memory less = new LedgerLeaf[](made.entries.length - 1);
        for (uint256 i; i < less.length; ++i) {
            less[i] = made.entries[i < gone ? i : i + 1];
            less[i].index = uint32(i);
        }
        made.entries = less;
        sumUp(made);
        bytes32 batch = post(made);
        uint256 a = gone == 0 ? 0 : gone - 1;
        uint256 b = gone == less.length ? less.length - 1 : gone;
        vm.prank(stranger);
        settlement.challengeMissingEntry(
            made.header,
            task(made, missing.task),
            made.outcomes[missing.task],
            missing.party,
            entry(made, a),
            entry(made, b)
        );
        _expectVoid(made, batch);
    }

    // ---- debits ----

    function _badDebit(Draft memory made, uint256 index) private {
        bytes32 batch = post(made);
        vm.prank(stranger);
        settlement.challengeDebit(made.header, made.debits, task(made, index));
        _expectVoid(made, batch);
    }

    function testADebitAboveItsLeaves() public {
        Draft memory made = draft(3);
        made.debits[0].debit += 1;
        _badDebit(made, 2);
    }

    function testASequenceOutsideItsRange() public {
        Draft memory made = draft(3);
        made.debits[0].to = 2;
        _badDebit(made, 2);
    }

    function testASequenceTooFarAhead() public {
        Draft memory made;
        made.evidence = new Evidence[](1);
        made.evidence[0] = proven(orderOf(64, 3), 0);
        assemble(made);
        _badDebit(made, 0);
    }

    function testALeafOfAChannelThatWasNotDebited() public {
        ChannelTerms memory second = openChannel(client, 100, "second", 20 ether);
        advance();
        Draft memory made = draft(2);
        // The debit of another channel in place of the leaves' own.
        made.debits[0].details = detailsOf(second);
        bytes32 batch = post(made);
        vm.prank(stranger);
        settlement.challengeDebit(made.header, made.debits, task(made, 0));
        settlement.restore(made.header, made.debits, 0);
        assertEq(channels.channels(channels.channelId(second)).balance, 20 ether);
        assertEq(settlement.batches(batch).pot, 0);
    }

    function testADebitWithoutALeaf() public {
        ChannelTerms memory second = openChannel(client, 100, "second", 20 ether);
        advance();
        bytes32 other = channels.channelId(second);
        Draft memory made = draft(2);
        IPaymentChannels.ChannelDebit[] memory two = new IPaymentChannels.ChannelDebit[](2);
        bool later = other > channel;
        two[later ? 0 : 1] = made.debits[0];
        two[later ? 1 : 0] = IPaymentChannels.ChannelDebit(detailsOf(second), 1 ether, 0, 1);
        made.debits = two;
        bytes32 batch = post(made);
        uint256 index = later ? 1 : 0;
        // The neighbour of where its leaf would be; and no false alarm about the other channel.
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NoFault.selector, batch));
        settlement.challengeEmptyDebit(made.header, two, 1 - index, task(made, index), task(made, index));
        vm.prank(stranger);
        settlement.challengeEmptyDebit(made.header, two, index, task(made, index), task(made, index));
        _expectVoid(made, batch);
        assertEq(channels.channels(other).balance, 20 ether);
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

    // ---- false alarms ----

    function testAnHonestBatchCannotBeChallenged() public {
        Draft memory made = draft(3);
        bytes32 batch = post(made);
        bytes memory no = abi.encodeWithSelector(ISettlement.NoFault.selector, batch);
        for (uint256 a; a < 3; ++a) {
            for (uint256 b; b < 3; ++b) {
                vm.expectRevert(no);
                settlement.challengeTasks(made.header, task(made, a), task(made, b));
            }
            vm.expectRevert(no);
            settlement.challengeDebit(made.header, made.debits, task(made, a));
            vm.expectRevert(no);
            settlement.strikeEvidence(made.header, task(made, a), made.evidence[a], made.outcomes[a], made.debits);
            vm.expectRevert(no);
            settlement.strikeDuplicate(made.header, task(made, a), made.outcomes[a], made.debits);
            for (uint256 seat; seat < 3; ++seat) {
                vm.expectRevert(no);
                settlement.strikeCommittee(
                    made.header, task(made, a), made.evidence[a], made.outcomes[a], made.debits, seat, _lowThree()
                );
            }
        }
        for (uint256 i; i < made.entries.length; ++i) {
            uint256 next = i + 1 == made.entries.length ? i : i + 1;
            vm.expectRevert(no);
            settlement.challengeLedger(made.header, entry(made, i), entry(made, next));
            LedgerLeaf memory leaf = made.entries[i];
            vm.expectRevert(no);
            settlement.challengeEntry(made.header, entry(made, i), task(made, leaf.task), made.outcomes[leaf.task]);
            vm.expectRevert(no);
            settlement.challengeMissingEntry(
                made.header, task(made, 0), made.outcomes[0], leaf.party, entry(made, i), entry(made, next)
            );
        }
        finish(batch);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.BatchFinal.selector, batch, settlement.batches(batch).finalAt)
        );
        settlement.challengeTasks(made.header, task(made, 0), task(made, 1));
        claimAll(made);
    }

    function _lowThree() private view returns (uint32[] memory seats) {
        seats = new uint32[](3);
        (seats[0], seats[1], seats[2]) = (pool[0], pool[1], pool[2]);
    }

    function testForgedLeavesAndForeignData() public {
        Draft memory made = draft(3);
        bytes32 batch = post(made);
        Draft memory forged = draft(3);
        bytes memory foreign = abi.encodeWithSelector(ISettlement.NotInBatch.selector, batch);
        forged.tasks[1].rank = 9;
        vm.expectRevert(foreign);
        settlement.challengeTasks(made.header, task(made, 0), task(forged, 1));
        forged.entries[1].total += 1;
        vm.expectRevert(foreign);
        settlement.challengeLedger(made.header, entry(made, 0), entry(forged, 1));
        vm.expectRevert(foreign);
        settlement.challengeLedger(made.header, entry(forged, 1), entry(made, 0));
        bytes memory wrong = abi.encodeWithSelector(ISettlement.WrongData.selector, batch);
        IPaymentChannels.ChannelDebit[] memory debits = new IPaymentChannels.ChannelDebit[](0);
        vm.expectRevert(wrong);
        settlement.challengeDebit(made.header, debits, task(made, 0));
        vm.expectRevert(wrong);
        settlement.strikeEvidence(made.header, task(made, 0), made.evidence[1], made.outcomes[0], made.debits);
        vm.expectRevert(wrong);
        settlement.challengeEntry(made.header, entry(made, 0), task(made, 0), made.outcomes[1]);
        vm.expectRevert(wrong);
        settlement.strikeCommittee(
            made.header, task(made, 0), made.evidence[0], made.outcomes[0], made.debits, 3, _lowThree()
        );
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BatchNotVoid.selector, batch));
        settlement.restore(made.header, made.debits, 0);
    }

    /// @dev An inner call that runs out of gas must not pass for evidence that proves nothing.
    function testAStarvedCheckConvictsNobody() public {
        Draft memory made = draft(2);
        post(made);
        bytes memory data = abi.encodeCall(
            settlement.strikeEvidence, (made.header, task(made, 0), made.evidence[0], made.outcomes[0], made.debits)
        );
        for (uint256 gas = 60_000; gas < 400_000; gas += 5_000) {
            (bool ok,) = address(settlement).call{gas: gas}(data);
            assertFalse(ok, "an honest leaf was struck");
        }
    }
}
