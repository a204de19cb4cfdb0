// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ChannelTerms, Evidence, TaskOrder} from "../src/interfaces/ChannelTypes.sol";
import {IPaymentChannels} from "../src/interfaces/IPaymentChannels.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {LedgerLeaf} from "../src/libraries/BatchLeaves.sol";
import {ChallengeTest} from "./utils/ChallengeTest.sol";

/// @title Every way to break a batch's structure, who catches it, and the money afterwards; and false alarms
contract SettlementChallengesTest is ChallengeTest {
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

    function testTheLastLeafOfAChannelWithoutItsMark() public {
        ChannelTerms memory second = openChannel(client, 100, "second", 20 ether);
        advance();
        bytes32 other = channels.channelId(second);
        Draft memory made;
        made.evidence = new Evidence[](2);
        bool later = other > channel;
        made.evidence[later ? 0 : 1] = proven(orderOf(0, 3), 0);
        TaskOrder memory order = orderFor(other, 0, 3);
        made.evidence[later ? 1 : 0] = provenBy(second, clientKey, order, drawn(order), 0);
        assemble(made);
        made.tasks[0].last = false;
        _badTasks(made, 0, 1);
        assertEq(channels.channels(other).balance, 20 ether);
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

    function testALastEntryWithoutItsMark() public {
        Draft memory made = draft(3);
        uint256 end = made.entries.length - 1;
        made.entries[end].last = false;
        _badEntries(made, end, end);
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
