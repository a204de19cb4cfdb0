// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

import {PaymentChannels} from "../src/PaymentChannels.sol";
import {Outcome, Voucher} from "../src/interfaces/ChannelTypes.sol";
import {IChannelLedger} from "../src/interfaces/IChannelLedger.sol";
import {IPaymentChannels} from "../src/interfaces/IPaymentChannels.sol";
import {IRewardDistributor} from "../src/interfaces/IRewardDistributor.sol";
import {Fault} from "../src/interfaces/Types.sol";
import {ChannelTest} from "./utils/ChannelTest.sol";

/// @title Who may call what, what a pause stops, and what the ledger lets PaymentChannels do
contract PaymentChannelsAccessTest is ChannelTest {
    function _settle(uint32 sequence) private returns (uint256) {
        return channels.settle(proven(orderOf(sequence, 3), 0));
    }

    function _present(uint96 total, uint32 covered) private {
        (Voucher memory voucher, bytes memory signature) = signedVoucher(total, covered);
        vm.prank(coordinator);
        channels.presentVoucher(terms, voucher, signature);
    }

    function testOnlySettlement() public {
        vm.startPrank(stranger);
        vm.expectRevert(IPaymentChannels.OnlySettlement.selector);
        channels.debit("batch", coordinator, new IPaymentChannels.ChannelDebit[](0));
        vm.expectRevert(IPaymentChannels.OnlySettlement.selector);
        channels.restore("batch", channel, 1);
        vm.expectRevert(IPaymentChannels.OnlySettlement.selector);
        channels.reopen(channel, 0, 0, 1, 0);
        vm.expectRevert(IPaymentChannels.OnlySettlement.selector);
        channels.paySeat("batch", 2, 1);
        vm.expectRevert(IPaymentChannels.OnlySettlement.selector);
        channels.payOut("batch", stranger, 1, 0);
        vm.stopPrank();
    }

    function testOnlyGovernance() public {
        bytes memory no = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger);
        vm.startPrank(stranger);
        vm.expectRevert(no);
        channels.setProtocolShare(1);
        vm.expectRevert(no);
        channels.pause();
        vm.expectRevert(no);
        channels.unpause();
        vm.expectRevert(no);
        ledger.setChannels(stranger);
        vm.stopPrank();
    }

    function testAChannelKeepsItsShares() public {
        vm.prank(governor);
        channels.setProtocolShare(2_500);
        uint256 paid = _settle(0);
        channels.collect(terms);
        assertEq(ledger.protocolFees(), PRICE * PROTOCOL_SHARE / 10_000);
        assertLe(paid, PRICE);
        vm.prank(governor);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.BadShare.selector, 2_501, 2_500));
        channels.setProtocolShare(2_501);
    }

    function testThePauseHoldsNothingBack() public {
        vm.prank(governor);
        channels.pause();
        vm.startPrank(client);
        vm.expectRevert(Pausable.EnforcedPause.selector);
        channels.open{value: 1}(coordinator, 0, "new");
        vm.expectRevert(Pausable.EnforcedPause.selector);
        channels.topUp{value: 1}(terms);
        vm.stopPrank();
        _settle(0);
        _present(1 ether, 5);
        skip(SETTLE);
        channels.redeemVoucher(terms);
        channels.collect(terms);
        vm.prank(client);
        channels.startClose(terms);
        skip(CLOSING);
        channels.finishClose(terms);
        ledger.claim(client);
        vm.prank(governor);
        channels.unpause();
    }

    // ---- the ledger ----

    function testTheLedgerTrustsPaymentChannelsAlone() public {
        Outcome memory outcome = channels.check(proven(orderOf(0, 3), 0));
        vm.startPrank(stranger);
        vm.expectRevert(IChannelLedger.OnlyChannels.selector);
        ledger.settleLane(outcome);
        vm.expectRevert(IChannelLedger.OnlyChannels.selector);
        ledger.creditLane("x", stranger, 1, 0);
        vm.expectRevert(IChannelLedger.OnlyChannels.selector);
        ledger.creditSeat("x", 2, 1);
        vm.expectRevert(IChannelLedger.OnlyChannels.selector);
        ledger.slashLane(2, "x", Fault.Malicious, stranger);
        vm.expectRevert(IChannelLedger.OnlyBridge.selector);
        ledger.fundLane(address(channels), 1 ether);
        vm.deal(stranger, 1 ether);
        vm.expectRevert(IChannelLedger.OnlyChannels.selector);
        bridge.fundLane{value: 1 ether}();
        vm.stopPrank();
        vm.prank(governor);
        vm.expectRevert(abi.encodeWithSelector(IChannelLedger.ChannelsSet.selector, address(channels)));
        ledger.setChannels(stranger);
        vm.prank(governor);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.BadParameter.selector, "channels"));
        ledger.setChannels(address(0));
    }

    /// @dev More than any coin's supply, which would not fit the word that counts the lane's wei.
    function testTheLaneHoldsNoMoreThanItCanCount() public {
        uint256 most = type(uint96).max - DEPOSIT;
        vm.startPrank(address(bridge));
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.AmountTooLarge.selector, most + 1));
        ledger.fundLane(address(channels), most + 1);
        ledger.fundLane(address(channels), most);
        assertEq(ledger.laneFunds(), type(uint96).max);
        vm.stopPrank();
    }

    /// @dev Even PaymentChannels cannot spend what was not paid in for channels, nor punish for other faults.
    function testTheLaneCannotReachOtherMoney() public {
        submit(exactModel, 3, 1 ether);
        vm.startPrank(address(channels));
        vm.expectRevert(abi.encodeWithSelector(IChannelLedger.LaneFundsExceeded.selector, DEPOSIT + 1, DEPOSIT));
        ledger.creditLane("x", stranger, DEPOSIT, 1);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.UnknownAccount.selector, 9_998));
        ledger.creditSeat("x", 9_998, 1);
        vm.expectRevert(abi.encodeWithSelector(IChannelLedger.LaneFault.selector, Fault.Absent));
        ledger.slashLane(pool[0], "x", Fault.Absent, stranger);
        vm.stopPrank();
        assertEq(ledger.channels(), address(channels));
    }

    function testConstructorRefuses() public {
        PaymentChannels.Neighbours memory good = PaymentChannels.Neighbours({
            authority: address(manager),
            bridge: address(bridge),
            ledger: address(ledger),
            beacon: address(beacon),
            genesis: beacon.genesis(),
            epochSeconds: EPOCH,
            snapshots: address(snapshots),
            taskManager: address(tasks),
            settlement: settlementAt
        });
        bytes memory zero = abi.encodeWithSelector(IPaymentChannels.ZeroAddress.selector);
        for (uint256 i; i < 7; ++i) {
            PaymentChannels.Neighbours memory bad = abi.decode(abi.encode(good), (PaymentChannels.Neighbours));
            if (i == 0) bad.authority = address(0);
            if (i == 1) bad.bridge = address(0);
            if (i == 2) bad.ledger = address(0);
            if (i == 3) bad.beacon = address(0);
            if (i == 4) bad.snapshots = address(0);
            if (i == 5) bad.taskManager = address(0);
            if (i == 6) bad.settlement = address(0);
            _refuse(bad, CLOSING, SETTLE, ORDER_EPOCHS, zero);
        }
        _refuse(good, 2 * SETTLE - 1, SETTLE, 3, _delay("closingDelay"));
        _refuse(good, 91 days, SETTLE, 3, _delay("closingDelay"));
        _refuse(good, CLOSING, 0, 3, _delay("settleWindow"));
        _refuse(good, CLOSING, SETTLE, 0, _delay("orderEpochs"));
        good.epochSeconds = 150;
        _refuse(good, CLOSING, SETTLE, 3, _delay("epochSeconds"));
    }

    function _delay(string memory name) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IPaymentChannels.BadDelay.selector, name);
    }

    function _refuse(
        PaymentChannels.Neighbours memory neighbours,
        uint256 closing,
        uint256 window,
        uint256 epochs,
        bytes memory why
    ) private {
        vm.expectRevert(why);
        this.build(abi.encode(neighbours, closing, window, epochs, PROTOCOL_SHARE));
    }

    function build(bytes memory arguments) external {
        make("PaymentChannels", arguments);
    }
}
