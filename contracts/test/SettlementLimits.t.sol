// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ChannelTerms, Evidence, TaskOrder} from "../src/interfaces/ChannelTypes.sol";
import {IPaymentChannels} from "../src/interfaces/IPaymentChannels.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {ChallengeTest} from "./utils/ChallengeTest.sol";

/// @title What a challenge may not be about, and how far a bond reaches
contract SettlementLimitsTest is ChallengeTest {
    function testNobodyChallengesABatchThatWasNeverPosted() public {
        Draft memory made = draft(3);
        post(made);
        made.header.pot += 1;
        bytes32 unknown = settlement.batchId(made.header);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.UnknownBatch.selector, unknown));
        settlement.challengeTasks(made.header, task(made, 0), task(made, 1));
    }

    function testAVoidBatchIsNotChallengedAgain() public {
        (Draft memory made, bytes32 batch) = _void();
        bytes memory void_ = abi.encodeWithSelector(ISettlement.BatchVoid.selector, batch);
        vm.expectRevert(void_);
        settlement.challengeTasks(made.header, task(made, 0), task(made, 1));
        vm.expectRevert(void_);
        settlement.demand{value: DEMAND}(made.header, false, 0);
    }

    function testALeafThatIsNotInTheBatchProvesNothing() public {
        Draft memory made = draft(3);
        bytes32 batch = post(made);
        Draft memory forged = draft(3);
        forged.tasks[0].rank = 9;
        bytes memory foreign = abi.encodeWithSelector(ISettlement.NotInBatch.selector, batch);
        vm.expectRevert(foreign);
        settlement.challengeTasks(made.header, task(forged, 0), task(made, 1));
        vm.expectRevert(foreign);
        settlement.strikeEvidence(made.header, task(forged, 0), made.evidence[0], made.outcomes[0], made.debits);
    }

    function testRestoreKnowsTheDebitsOfTheBatchOnly() public {
        (Draft memory made, bytes32 batch) = _void();
        bytes memory wrong = abi.encodeWithSelector(ISettlement.WrongData.selector, batch);
        vm.expectRevert(wrong);
        settlement.restore(made.header, made.debits, made.debits.length);
        IPaymentChannels.ChannelDebit[] memory more = new IPaymentChannels.ChannelDebit[](1);
        more[0] = made.debits[0];
        more[0].debit += 1;
        vm.expectRevert(wrong);
        settlement.restore(made.header, more, 0);
    }

    /// @dev Whoever cannot take coins keeps its withdrawal for another time; nobody else waits for it.
    function testAReceiverThatRefusesKeepsItsReward() public {
        Draft memory made = draft(3);
        made.tasks[1].sequence = 0;
        post(made);
        settlement.challengeTasks(made.header, task(made, 0), task(made, 1));
        uint256 reward = settlement.withdrawable(address(this));
        assertGt(reward, 0);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.TransferFailed.selector, address(this), reward));
        settlement.withdraw();
        assertEq(settlement.withdrawable(address(this)), reward);
    }

    function testABondAboveEveryCoinsSupplyIsRefused() public {
        vm.deal(coordinator, 1 << 96);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BadParameter.selector, "bond"));
        vm.prank(coordinator);
        settlement.depositBond{value: 1 << 96}();
    }

    /// @dev Posting asks for one bond, whatever else waits. The second of two lies finds one wei of it; its channel is
    /// made whole all the same.
    function testABondPaysAsFarAsItReaches() public {
        vm.prank(coordinator);
        settlement.withdrawBond(2 * BOND - 1);
        Draft[2] memory lies;
        for (uint256 i; i < 2; ++i) {
            lies[i] = draft(3);
            lies[i].tasks[1].sequence = lies[i].tasks[0].sequence;
            post(lies[i]);
        }
        for (uint256 i; i < 2; ++i) {
            (uint256 bond,) = settlement.bonds(coordinator);
            assertEq(bond, i == 0 ? BOND + 1 : 1);
            vm.prank(stranger);
            settlement.challengeTasks(lies[i].header, task(lies[i], 0), task(lies[i], 1));
            settlement.restore(lies[i].header, lies[i].debits, 0);
        }
        (uint256 left,) = settlement.bonds(coordinator);
        assertEq(left, 0);
        assertEq(settlement.withdrawable(stranger), BOND / 10, "a tenth of one wei is nothing");
        assertEq(settlement.withdrawable(treasury), BOND - BOND / 10 + 1);
        assertEq(channels.channels(channel).balance, DEPOSIT, "the requester lost nothing");
    }

    /// @dev Nobody looked in time. Even so it pays no more than it took from its channels.
    function testAWrongTotalThatNobodyShowedTakesNoMoreThanItsBatch() public {
        Draft memory made = draft(3);
        uint256 end = made.entries.length - 1;
        made.entries[end].total += 1 ether;
        bytes32 batch = post(made);
        finish(batch);
        vm.expectRevert(
            abi.encodeWithSelector(
                ISettlement.BatchEmpty.selector, batch, uint256(made.entries[end].total), uint256(made.header.pot)
            )
        );
        settlement.claim(made.header, entry(made, end));
        for (uint256 i; i < end; ++i) {
            if (made.entries[i].last) settlement.claim(made.header, entry(made, i));
        }
        assertLt(settlement.batches(batch).pot, made.header.pot);
    }

    /// @dev A batch that debits nothing for a leaf is void; there is no debit that a strike could give back.
    function testALeafWithoutADebitCannotBeStruck() public {
        ChannelTerms memory second = openChannel(client, 100, "second", 20 ether);
        advance();
        Draft memory made = draft(2);
        made.evidence[0].orderSignature = signBy(coordinatorKey, hashOf(made.evidence[0].order));
        made.tasks[0].evidence = keccak256(abi.encode(made.evidence[0]));
        made.debits[0].details = detailsOf(second);
        bytes32 batch = post(made);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.WrongData.selector, batch));
        settlement.strikeEvidence(made.header, task(made, 0), made.evidence[0], made.outcomes[0], made.debits);
    }

    function testAnOrderAheadOfItsBatchIsStruck() public {
        Draft memory made;
        made.evidence = new Evidence[](1);
        TaskOrder memory order = orderOf(0, 3);
        beacon.set(++order.epoch, "a seed that nobody can know yet");
        made.evidence[0] = proven(order, 0);
        assemble(made);
        bytes32 batch = post(made);
        settlement.strikeEvidence(made.header, task(made, 0), made.evidence[0], made.outcomes[0], made.debits);
        assertEq(settlement.batches(batch).pot, 0);
        assertEq(channels.channels(channel).balance, DEPOSIT);
    }

    function _void() private returns (Draft memory made, bytes32 batch) {
        made = draft(3);
        made.tasks[1].sequence = 0;
        batch = post(made);
        vm.prank(stranger);
        settlement.challengeTasks(made.header, task(made, 0), task(made, 1));
        vm.deal(address(this), 1 ether);
    }
}
