// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

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

    function _void() private returns (Draft memory made, bytes32 batch) {
        made = draft(3);
        made.tasks[1].sequence = 0;
        batch = post(made);
        vm.prank(stranger);
        settlement.challengeTasks(made.header, task(made, 0), task(made, 1));
        vm.deal(address(this), 1 ether);
    }
}
