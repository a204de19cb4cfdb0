// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ChannelTerms, Close, Evidence, TaskOrder, Voucher} from "../src/interfaces/ChannelTypes.sol";
import {IPaymentChannels} from "../src/interfaces/IPaymentChannels.sol";
import {ChannelTest} from "./utils/ChannelTest.sol";

/// @title Deposits, vouchers, closing
contract PaymentChannelsTest is ChannelTest {
    function _view() private view returns (IPaymentChannels.ChannelView memory) {
        return channels.channels(channel);
    }

    function _settle(uint32 sequence) private returns (uint256) {
        return channels.settle(proven(orderOf(sequence, 3), 0));
    }

    function _present(uint96 total, uint32 covered) private {
        (Voucher memory voucher, bytes memory signature) = signedVoucher(total, covered);
        vm.prank(coordinator);
        channels.presentVoucher(terms, voucher, signature);
    }

    // ---- open, top up ----

    function testOpen() public {
        assertEq(_view().balance, DEPOSIT);
        assertEq(_view().deposited, DEPOSIT);
        assertEq(address(bridge).balance, DEPOSIT, "wei lie in the bridge");
        assertEq(address(channels).balance, 0);
        assertEq(ledger.laneFunds(), DEPOSIT);
        vm.prank(client);
        bytes32 other = channels.open{value: 1}(coordinator, COORDINATOR_SHARE, "other");
        assertNotEq(other, channel);
    }

    function testOpenRefuses() public {
        vm.startPrank(client);
        vm.expectRevert(IPaymentChannels.ZeroAddress.selector);
        channels.open{value: 1}(address(0), 0, 0);
        vm.expectRevert(IPaymentChannels.ZeroAmount.selector);
        channels.open(coordinator, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.BadShare.selector, 5_001, 5_000));
        channels.open{value: 1}(coordinator, 4_501, 0);
        bytes32 first = channels.open{value: 1}(coordinator, 0, "same");
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.ChannelExists.selector, first));
        channels.open{value: 1}(coordinator, 0, "same");
        vm.deal(client, 1 << 90);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.AmountTooLarge.selector, uint256(1) << 88));
        channels.open{value: 1 << 88}(coordinator, 0, "rich");
        vm.stopPrank();
    }

    /// @dev Far above what anybody pays for one order; nothing is cut to fit.
    function testSharesThatCannotBeCountedAreRefused() public {
        vm.deal(client, 1 << 88);
        terms = openChannel(client, COORDINATOR_SHARE, "rich", 1 << 86);
        channel = channels.channelId(terms);
        advance();
        TaskOrder memory order = orderOf(0, 3);
        order.maxFee = 1 << 76;
        uint256 shares =
            uint256(order.maxFee) * COORDINATOR_SHARE / 10_000 + uint256(order.maxFee) * PROTOCOL_SHARE / 10_000;
        Evidence memory evidence = proven(order, 0);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.AmountTooLarge.selector, shares));
        channels.settle(evidence);
    }

    function testTopUp() public {
        vm.deal(stranger, 2 ether);
        vm.prank(stranger);
        channels.topUp{value: 2 ether}(terms);
        assertEq(_view().balance, DEPOSIT + 2 ether);
        vm.expectRevert(IPaymentChannels.ZeroAmount.selector);
        channels.topUp(terms);
        ChannelTerms memory unknown = terms;
        unknown.salt = "unknown";
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.UnknownChannel.selector, channels.channelId(unknown)));
        channels.topUp{value: 1}(unknown);
        vm.prank(client);
        channels.startClose(terms);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.ChannelClosing.selector, channel, _view().closesAt));
        channels.topUp{value: 1}(terms);
    }

    // ---- vouchers ----

    function testAVoucherPaysWhatIsNotSettledYet() public {
        uint256 spent = _settle(0);
        _present(1 ether, 10);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.TooEarly.selector, _view().dueAt));
        channels.redeemVoucher(terms);
        // A seat that was not paid settles in time, out of what was promised.
        uint256 late = _settle(3);
        skip(SETTLE);
        uint256 paid = channels.redeemVoucher(terms);
        assertEq(paid, 1 ether - spent - late);
        assertEq(_view().balance, DEPOSIT - 1 ether, "the requester pays what it signed");
        assertEq(_view().floor, 10);
        assertEq(ledger.claimable(coordinator), paid - paid * PROTOCOL_SHARE / 10_000);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotPending.selector, channel));
        channels.redeemVoucher(terms);
        // The same voucher again promises nothing new.
        _present(1 ether, 10);
        skip(SETTLE);
        assertEq(channels.redeemVoucher(terms), 0);
        Evidence memory below = proven(orderOf(7, 3), 0);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.AlreadySettled.selector, channel, 7));
        channels.settle(below);
    }

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_VouchersAndOrdersNeverTakeMoreThanSigned(uint256 seed) public {
        uint256 signed;
        uint32 covered;
        for (uint256 i; i < 8; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 act = seed % 3;
            if (act == 0) {
                uint32 sequence = _view().floor + uint32(seed >> 8) % 3;
                if (_view().window >> (sequence - _view().floor) & 1 == 0) _settle(sequence);
            } else if (act == 1) {
                signed += (seed >> 8) % 1 ether;
                covered = _view().floor + uint32(seed >> 8) % 3;
                _present(uint96(signed), covered);
            } else if (_view().dueAt != 0) {
                skip(SETTLE);
                uint256 before = DEPOSIT - _view().balance;
                uint256 promised = _view().promised;
                channels.redeemVoucher(terms);
                uint256 after_ = DEPOSIT - _view().balance;
                assertEq(after_, before > promised ? before : promised, "the larger of both, never their sum");
            }
            assertEq(ledger.laneFunds(), uint256(_view().balance) + _view().kept, "funds");
        }
    }

    function testPresentRefuses() public {
        (Voucher memory voucher, bytes memory signature) = signedVoucher(1 ether, 1);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotParty.selector, channel, stranger));
        vm.prank(stranger);
        channels.presentVoucher(terms, voucher, signature);
        vm.startPrank(coordinator);
        voucher.total = 2 ether;
        vm.expectRevert(
            abi.encodeWithSelector(IPaymentChannels.BadOrderSignature.selector, channels.voucherHash(voucher))
        );
        channels.presentVoucher(terms, voucher, signature);
        voucher.channel = "another";
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.WrongChannel.selector, channel, bytes32("another")));
        channels.presentVoucher(terms, voucher, signature);
        (voucher, signature) = signedVoucher(2 ether, 1);
        channels.presentVoucher(terms, voucher, signature);
        (voucher, signature) = signedVoucher(1 ether, 1);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.VoucherTooLow.selector, 1 ether, 2 ether));
        channels.presentVoucher(terms, voucher, signature);
        (voucher, signature) = signedVoucher(3 ether, 4_097);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.CoversTooMuch.selector, 4_097, 4_096));
        channels.presentVoucher(terms, voucher, signature);
        vm.stopPrank();
    }

    function testAVoucherBeyondTheDepositPaysWhatIsThere() public {
        _present(uint96(DEPOSIT) + 5 ether, 1);
        skip(SETTLE);
        assertEq(channels.redeemVoucher(terms), DEPOSIT);
        assertEq(_view().balance, 0);
    }

    // ---- closing ----

    function testForcedClose() public {
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotParty.selector, channel, coordinator));
        vm.prank(coordinator);
        channels.startClose(terms);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.ChannelNotClosing.selector, channel));
        channels.finishClose(terms);
        Evidence memory evidence = proven(orderOf(0, 3), 0);
        vm.startPrank(client);
        channels.startClose(terms);
        uint256 closesAt = vm.getBlockTimestamp() + CLOSING;
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.ChannelClosing.selector, channel, closesAt));
        channels.startClose(terms);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.TooEarly.selector, closesAt));
        channels.finishClose(terms);
        vm.stopPrank();
        // What was signed is still settled.
        uint256 paid = channels.settle(evidence);
        skip(CLOSING);
        uint256 refund = channels.finishClose(terms);
        assertEq(refund, DEPOSIT - paid);
        assertEq(ledger.claimable(client), refund);
        assertEq(ledger.claimable(coordinator), PRICE * COORDINATOR_SHARE / 10_000, "collected on the way");
        assertEq(ledger.laneFunds(), 0, "all of it found its owner");
        assertEq(channels.finishClose(terms), 0, "once");
    }

    function testAVoucherPresentedInTimeIsPaidBeforeTheRefund() public {
        vm.prank(client);
        channels.startClose(terms);
        uint256 closesAt = _view().closesAt;
        vm.warp(closesAt - 1);
        _present(1 ether, 4);
        vm.warp(closesAt);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.TooEarly.selector, closesAt - 1 + SETTLE));
        channels.finishClose(terms);
        (Voucher memory voucher, bytes memory signature) = signedVoucher(2 ether, 4);
        vm.prank(coordinator);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.ChannelClosing.selector, channel, closesAt));
        channels.presentVoucher(terms, voucher, signature);
        vm.warp(closesAt - 1 + SETTLE);
        assertEq(channels.finishClose(terms), DEPOSIT - 1 ether);
    }

    function testCloseTogether() public {
        Evidence memory evidence = proven(orderOf(0, 3), 0);
        (Close memory close, bytes memory signature) = signedClose(coordinatorKey, 0.5 ether, 5);
        vm.prank(client);
        channels.closeTogether(terms, close, signature);
        // A seat still settles what it attested, out of what the coordinator would get.
        channels.settle(evidence);
        uint256 closesAt = vm.getBlockTimestamp() + SETTLE;
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.TooEarly.selector, closesAt));
        channels.finishClose(terms);
        vm.warp(closesAt);
        // Nobody can put off the end by the same signature.
        vm.prank(client);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.ChannelClosing.selector, channel, closesAt));
        channels.closeTogether(terms, close, signature);
        assertEq(channels.finishClose(terms), DEPOSIT - 0.5 ether);
    }

    function testCloseTogetherShortensAForcedClose() public {
        vm.prank(client);
        channels.startClose(terms);
        (Close memory close, bytes memory signature) = signedClose(clientKey, 1 ether, 5);
        vm.prank(coordinator);
        channels.closeTogether(terms, close, signature);
        uint256 closesAt = vm.getBlockTimestamp() + SETTLE;
        assertEq(_view().closesAt, closesAt);
        skip(60);
        vm.prank(coordinator);
        channels.closeTogether(terms, close, signature);
        assertEq(_view().closesAt, closesAt, "and never lengthens it");
    }

    function testCloseTogetherRefuses() public {
        (Close memory close, bytes memory signature) = signedClose(clientKey, 1 ether, 5);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotParty.selector, channel, stranger));
        channels.closeTogether(terms, close, signature);
        // Its own signature does not close it.
        bytes32 hash = channels.closeHash(close);
        vm.prank(client);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.BadOrderSignature.selector, hash));
        channels.closeTogether(terms, close, signature);
        close.channel = "another";
        vm.prank(client);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.WrongChannel.selector, channel, bytes32("another")));
        channels.closeTogether(terms, close, signature);
    }
}
