// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {EcdsaAttestations} from "../src/EcdsaAttestations.sol";
import {ChannelTerms, Evidence, TaskOrder} from "../src/interfaces/ChannelTypes.sol";
import {IPaymentChannels} from "../src/interfaces/IPaymentChannels.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {Role} from "../src/interfaces/Types.sol";
import {LedgerProof} from "../src/libraries/BatchLeaves.sol";
import {BatchTest} from "./utils/BatchTest.sol";

/// @title Batches that are right, and who may do what with them
contract SettlementTest is BatchTest {
    function _err(bytes4 selector, bytes32 batch) private pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, batch);
    }

    // ---- money ----

    function testAnHonestBatchPaysWhatItsOrdersWouldOneByOne() public {
        Draft memory made = draft(5);
        bytes32 batch = post(made);
        uint256 debit = made.debits[0].debit;
        assertEq(channels.channels(channel).balance, DEPOSIT - debit, "debited at once");
        assertEq(channels.channels(channel).floor, 5, "and passed");
        assertEq(settlement.batches(batch).pot, debit);
        finish(batch);
        claimAll(made);
        assertEq(settlement.batches(batch).pot, 0, "not a wei is left over");
        assertEq(ledger.laneFunds(), DEPOSIT - debit);
        uint256 owed;
        for (uint256 i; i < pool.length; ++i) {
            owed += ledger.claimable(operatorOf(pool[i]));
        }
        assertEq(owed, 15 * uint256(made.outcomes[0].seatFee), "seats");
        assertEq(ledger.claimable(provider), 5 * uint256(MODEL_PRICE), "model provider");
        assertEq(ledger.claimable(coordinator), 5 * uint256(PRICE) * COORDINATOR_SHARE / 10_000, "coordinator");
        assertEq(ledger.protocolFees(), 5 * uint256(PRICE) * PROTOCOL_SHARE / 10_000, "protocol");
    }

    function testSeveralChannelsAndBatches() public {
        ChannelTerms memory second = openChannel(client, 100, "second", 20 ether);
        advance();
        bytes32 other = channels.channelId(second);
        Draft memory made;
        made.evidence = new Evidence[](4);
        bool later = other > channel;
        for (uint32 i; i < 2; ++i) {
            made.evidence[later ? i : i + 2] = proven(orderOf(i, 3), 0);
            TaskOrder memory order = orderFor(other, i * 2, 3);
            made.evidence[later ? i + 2 : i] = provenBy(second, clientKey, order, drawn(order), 0);
        }
        assemble(made);
        bytes32 first = post(made);
        // Sequence 1 of the second channel was not done; the next batch goes on behind it.
        assertEq(channels.channels(other).floor, 3);
        Draft memory next = draft(3);
        bytes32 after_ = post(next);
        finish(after_);
        claimAll(next);
        claimAll(made);
        assertEq(settlement.batches(first).pot + settlement.batches(after_).pot, 0);
    }

    function testClaimsWaitForTheWindowAndPayOnce() public {
        Draft memory made = draft(2);
        bytes32 batch = post(made);
        LedgerProof memory shown = entry(made, made.entries.length - 1);
        uint256 finalAt = vm.getBlockTimestamp() + CHALLENGE;
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BatchNotFinal.selector, batch, finalAt, 0));
        settlement.claim(made.header, shown);
        finish(batch);
        settlement.claim(made.header, shown);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.AlreadyClaimed.selector, batch, shown.leaf.party));
        settlement.claim(made.header, shown);
        LedgerProof memory early = entry(made, 0);
        assertFalse(early.leaf.last);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NotLastEntry.selector, batch, 0));
        settlement.claim(made.header, early);
        early.leaf.last = true;
        vm.expectRevert(_err(ISettlement.NotInBatch.selector, batch));
        settlement.claim(made.header, early);
        made.header.pot += 1;
        bytes32 unknown = settlement.batchId(made.header);
        vm.expectRevert(_err(ISettlement.UnknownBatch.selector, unknown));
        settlement.claim(made.header, shown);
    }

    // ---- posting ----

    function testPostRefuses() public {
        Draft memory made = draft(2);
        bytes memory good = seal(made);
        IPaymentChannels.ChannelDebit[] memory none = new IPaymentChannels.ChannelDebit[](0);
        vm.startPrank(coordinator);
        vm.expectRevert(ISettlement.EmptyBatch.selector);
        settlement.post(made.header, none, good);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.TooManyDebits.selector, 257, 256));
        settlement.post(made.header, new IPaymentChannels.ChannelDebit[](257), good);
        vm.stopPrank();
        // Without a bond, and as somebody else: signatures are for one coordinator.
        vm.prank(stranger);
        vm.expectRevert();
        settlement.post(made.header, made.debits, good);
        vm.startPrank(coordinator);
        settlement.withdrawBond(2 * BOND + 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BondTooLow.selector, BOND - 1, BOND));
        settlement.post(made.header, made.debits, good);
        settlement.depositBond{value: 1}();
        settlement.post(made.header, made.debits, good);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BatchExists.selector, _idOf(made)));
        settlement.post(made.header, made.debits, good);
        vm.stopPrank();
    }

    function _idOf(Draft memory made) private view returns (bytes32) {
        made.header.epoch = uint32(beacon.currentEpoch());
        made.header.postedAt = uint40(vm.getBlockTimestamp());
        made.header.pot = made.debits[0].debit;
        bytes32 id = settlement.batchId(made.header);
        made.header.pot = 12_345; // what a caller says of the pot does not count
        return id;
    }

    function testDebitsMustFitTheirChannels() public {
        Draft memory made = draft(2);
        made.debits[0].from = 1;
        bytes memory signatures = seal(made);
        vm.prank(coordinator);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.WrongFloor.selector, channel, 1, 0));
        settlement.post(made.header, made.debits, signatures);
        made.debits[0].from = 0;
        made.debits[0].to = 0;
        signatures = seal(made);
        vm.prank(coordinator);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.CoversTooMuch.selector, 0, 4_096));
        settlement.post(made.header, made.debits, signatures);
        made.debits[0].to = 2;
        made.debits[0].debit = uint88(DEPOSIT + 1);
        signatures = seal(made);
        vm.prank(coordinator);
        vm.expectRevert(
            abi.encodeWithSelector(IPaymentChannels.InsufficientDeposit.selector, channel, DEPOSIT + 1, DEPOSIT)
        );
        settlement.post(made.header, made.debits, signatures);
        // The same channel twice would be debited twice for one range.
        IPaymentChannels.ChannelDebit[] memory twice = new IPaymentChannels.ChannelDebit[](2);
        made = draft(2);
        twice[0] = made.debits[0];
        twice[1] = IPaymentChannels.ChannelDebit(made.debits[0].details, 1, 2, 3);
        made.debits = twice;
        signatures = seal(made);
        vm.prank(coordinator);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.ChannelsUnsorted.selector, channel));
        settlement.post(made.header, made.debits, signatures);
    }

    function testAnotherCoordinatorCannotDebitAChannel() public {
        Draft memory made = draft(2);
        vm.deal(stranger, BOND);
        vm.startPrank(stranger);
        settlement.depositBond{value: BOND}();
        vm.stopPrank();
        seal(made);
        made.header.coordinator = stranger;
        bytes memory signatures = attested(settlement.attestedDigest(made.header), judges);
        vm.prank(stranger);
        vm.expectPartialRevert(IPaymentChannels.InsufficientDeposit.selector);
        settlement.post(made.header, made.debits, signatures);
    }

    // ---- attesters ----

    function testTooFewAttesters() public {
        Draft memory made = draft(2);
        seal(made);
        uint32[] memory two = new uint32[](2);
        (two[0], two[1]) = (judges[0], judges[1]);
        bytes memory signatures = attested(settlement.attestedDigest(made.header), two);
        uint256 weight = uint256(ledger.weightOf(two[0])) + ledger.weightOf(two[1]);
        vm.prank(coordinator);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.AttestersTooFew.selector, 2, weight));
        settlement.post(made.header, made.debits, signatures);
    }

    function testAttestersCountOnceAndOnlyWithStake() public {
        bytes32 digest = keccak256("digest");
        (uint256 weight, uint256 signers) = attesters.verify(digest, 0, attested(digest, judges));
        assertEq(signers, 3);
        assertEq(weight, 3 * uint256(ledger.weightOf(judges[0])));
        uint32[] memory wrong = new uint32[](2);
        (wrong[0], wrong[1]) = (judges[0], judges[0]);
        bytes memory evidence = attested(digest, wrong);
        vm.expectRevert(EcdsaAttestations.BadAttesters.selector);
        attesters.verify(digest, 0, evidence);
        (wrong[0], wrong[1]) = (pool[0], judges[0]);
        evidence = attested(digest, wrong);
        vm.expectRevert(EcdsaAttestations.BadAttesters.selector);
        attesters.verify(digest, 0, evidence);
        evidence = abi.encode(judges, new bytes[](2));
        vm.expectRevert(EcdsaAttestations.BadAttesters.selector);
        attesters.verify(digest, 0, evidence);
        evidence = attested(keccak256("another"), judges);
        vm.expectRevert(abi.encodeWithSelector(EcdsaAttestations.BadAttesterSignature.selector, judges[0]));
        attesters.verify(digest, 0, evidence);
        // A key that was forbidden, and an operator that left.
        evidence = attested(digest, judges);
        vm.prank(operatorOf(judges[1]));
        tasks.setNodeKey(nodeOf[judges[1]], false, "");
        vm.expectRevert(abi.encodeWithSelector(EcdsaAttestations.BadAttesterSignature.selector, judges[1]));
        attesters.verify(digest, 0, evidence);
        vm.prank(operatorOf(judges[0]));
        ledger.requestUnbond(Role.Verifier, VERIFIER_MIN);
        vm.expectRevert(abi.encodeWithSelector(EcdsaAttestations.NotAttester.selector, judges[0]));
        attesters.verify(digest, 0, evidence);
        vm.expectRevert(EcdsaAttestations.ZeroAddress.selector);
        new EcdsaAttestations(address(0), address(tasks));
    }

    // ---- bonds ----

    function testTheBondIsLockedUntilTheLastBatchIsFinal() public {
        post(draft(2));
        uint256 until = vm.getBlockTimestamp() + CHALLENGE;
        vm.startPrank(coordinator);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BondLocked.selector, until));
        settlement.withdrawBond(1);
        vm.warp(until);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BondTooLow.selector, 3 * BOND, 3 * BOND + 1));
        settlement.withdrawBond(3 * BOND + 1);
        uint256 before = coordinator.balance;
        settlement.withdrawBond(3 * BOND);
        assertEq(coordinator.balance - before, 3 * BOND);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NothingToWithdraw.selector, stranger));
        vm.prank(stranger);
        settlement.withdraw();
    }

    // ---- data ----

    function testAnswersCostTheDemanderItsBond() public {
        Draft memory made = draft(2);
        bytes32 batch = post(made);
        vm.deal(stranger, 10 ether);
        vm.startPrank(stranger);
        settlement.demand{value: DEMAND}(made.header, false, 1);
        settlement.demand{value: DEMAND}(made.header, true, 3);
        vm.stopPrank();
        vm.warp(settlement.batches(batch).finalAt);
        // Nothing is paid while a demand is open, though it is too late now to answer.
        LedgerProof memory shown = entry(made, made.entries.length - 1);
        vm.expectPartialRevert(ISettlement.BatchNotFinal.selector);
        settlement.claim(made.header, shown);
        vm.warp(made.header.postedAt + ANSWER);
        settlement.answerTask(made.header, task(made, 1), made.evidence[1], made.outcomes[1]);
        settlement.answerLedger(made.header, entry(made, 3));
        assertEq(settlement.withdrawable(coordinator), 2 * DEMAND);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NoDemand.selector, batch, 3));
        settlement.answerLedger(made.header, entry(made, 3));
        finish(batch);
        claimAll(made);
        uint256 before = coordinator.balance;
        vm.prank(coordinator);
        settlement.withdraw();
        assertEq(coordinator.balance - before, 2 * DEMAND);
    }

    function testWithheldDataVoidsTheBatch() public {
        Draft memory made = draft(2);
        bytes32 batch = post(made);
        vm.deal(stranger, 10 ether);
        vm.startPrank(stranger);
        settlement.demand{value: DEMAND}(made.header, false, 1);
        settlement.demand{value: DEMAND}(made.header, false, 0);
        vm.stopPrank();
        uint256 dueAt = vm.getBlockTimestamp() + ANSWER;
        vm.expectRevert(abi.encodeWithSelector(ISettlement.DemandNotDue.selector, dueAt));
        settlement.voidUnanswered(made.header, false, 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BatchNotVoid.selector, batch));
        settlement.returnDemand(made.header, false, 0);
        vm.warp(dueAt + 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.DemandOverdue.selector, dueAt));
        settlement.answerTask(made.header, task(made, 1), made.evidence[1], made.outcomes[1]);
        settlement.voidUnanswered(made.header, false, 1);
        settlement.returnDemand(made.header, false, 0);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NoDemand.selector, batch, 0));
        settlement.returnDemand(made.header, false, 0);
        assertEq(settlement.withdrawable(stranger), 2 * DEMAND + BOND / 10, "bonds and a tenth");
        (uint256 bond,) = settlement.bonds(coordinator);
        assertEq(bond, 2 * BOND);
    }

    function testDemandRefuses() public {
        Draft memory made = draft(2);
        bytes32 batch = post(made);
        vm.deal(stranger, 10 ether);
        vm.startPrank(stranger);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.WrongBond.selector, DEMAND - 1, DEMAND));
        settlement.demand{value: DEMAND - 1}(made.header, false, 1);
        vm.expectRevert(_err(ISettlement.NotInBatch.selector, batch));
        settlement.demand{value: DEMAND}(made.header, false, 2);
        settlement.demand{value: DEMAND}(made.header, false, 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.DemandOpen.selector, batch, 1));
        settlement.demand{value: DEMAND}(made.header, false, 1);
        settlement.answerTask(made.header, task(made, 1), made.evidence[1], made.outcomes[1]);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NoDemand.selector, batch, 1));
        settlement.voidUnanswered(made.header, false, 1);
        // Late demands would put off the end for ever.
        vm.warp(made.header.postedAt + CHALLENGE - 1);
        settlement.demand{value: DEMAND}(made.header, false, 1);
        uint256 finalAt = settlement.batches(batch).finalAt;
        assertEq(finalAt, uint256(made.header.postedAt) + CHALLENGE - 1 + 2 * ANSWER, "time to challenge the answer");
        (, uint40 lockedUntil) = settlement.bonds(coordinator);
        assertEq(lockedUntil, finalAt, "and the bond waits with it");
        vm.warp(made.header.postedAt + CHALLENGE);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.BatchFinal.selector, batch, made.header.postedAt + CHALLENGE)
        );
        settlement.demand{value: DEMAND}(made.header, false, 0);
        vm.stopPrank();
    }

    function testWrongAnswers() public {
        Draft memory made = draft(2);
        bytes32 batch = post(made);
        vm.deal(stranger, 1 ether);
        vm.prank(stranger);
        settlement.demand{value: DEMAND}(made.header, false, 1);
        vm.expectRevert(_err(ISettlement.WrongData.selector, batch));
        settlement.answerTask(made.header, task(made, 1), made.evidence[0], made.outcomes[1]);
        vm.expectRevert(_err(ISettlement.WrongData.selector, batch));
        settlement.answerTask(made.header, task(made, 1), made.evidence[1], made.outcomes[0]);
    }

    // ---- limits ----

    function testConstructorRefuses() public {
        ISettlement.Limits memory good = batchLimits();
        for (uint256 i; i < 9; ++i) {
            ISettlement.Limits memory limits = abi.decode(abi.encode(good), (ISettlement.Limits));
            if (i == 0) limits.challengeWindow = 0;
            if (i == 1) limits.challengeWindow = 31 days;
            if (i == 2) limits.answerWindow = 0;
            if (i == 3) limits.answerWindow = 8 days;
            if (i == 4) limits.bond = 0;
            if (i == 5) limits.leafPenalty = 0;
            if (i == 6) limits.leafPenalty = BOND + 1;
            if (i == 7) limits.demandBond = 0;
            if (i == 8) limits.demandBond = BOND + 1;
            vm.expectPartialRevert(ISettlement.BadParameter.selector);
            this.build(address(channels), limits);
        }
        vm.expectRevert(ISettlement.ZeroAddress.selector);
        this.build(address(0), good);
    }

    function build(address channels_, ISettlement.Limits memory limits) external {
        make(
            "Settlement", abi.encode(address(manager), channels_, address(attesters), address(beacon), treasury, limits)
        );
    }
}
