// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Attestation, ChannelTerms, Close, Voucher} from "../../src/interfaces/ChannelTypes.sol";
import {IPaymentChannels} from "../../src/interfaces/IPaymentChannels.sol";
import {BatchTest} from "../utils/BatchTest.sol";

/// @title What the parties of several channels do apart from batches, by chance
/// @dev It keeps a record of its own of what every order, voucher and close should have moved, and compares. A channel
/// that was closed is followed by a new one, and its own money is watched to the end.
abstract contract LaneCrowd is BatchTest {
    /// @dev One channel, as its parties know it. Amounts in wei.
    struct Line {
        ChannelTerms terms;
        uint256 key;
        uint256 deposited;
        uint256 held; // in batches
        uint256 left; // left the channel for good
    }

    uint256 internal constant OPEN = 3;
    uint256 private constant MOST_LIARS = 2;
    uint256 private constant SMALL = 2 ether;

    Line[] internal lines;
    uint256[OPEN] internal open;
    mapping(string what => uint256) public seen;
    mapping(bytes32 channel => mapping(uint32 sequence => uint256)) private paidFor;
    mapping(uint32 account => uint256) private stakes;
    uint256 private liars;

    function setUp() public virtual override {
        super.setUp();
        lines.push(Line(terms, clientKey, DEPOSIT, 0, 0));
        for (uint256 slot = 1; slot < OPEN; ++slot) {
            _reopenSlot(slot);
        }
        for (uint256 i; i < pool.length; ++i) {
            stakes[pool[i]] = bondedOf(pool[i]);
        }
        advance();
    }

    // ---- channels ----

    function _reopenSlot(uint256 slot) private {
        uint256 number = lines.length;
        (address who, uint256 key) = makeAddrAndKey(number % 2 == 0 ? "client" : "another client");
        vm.deal(who, 10_000 ether);
        ChannelTerms memory opened = openChannel(who, COORDINATOR_SHARE, bytes32(number), SMALL);
        lines.push(Line(opened, key, SMALL, 0, 0));
        open[slot] = number;
    }

    /// @dev Messages and orders are of this channel from now on.
    function _turn(uint256 number) internal returns (Line storage line) {
        line = lines[number];
        terms = line.terms;
        channel = channels.channelId(terms);
        (client, clientKey) = (line.terms.requester, line.key);
    }

    /// @dev Only seeds later than its opening draw a channel's committees.
    function _ripe(Line storage line) internal view returns (bool) {
        return beacon.currentEpoch() > line.terms.openedIn;
    }

    function _wasPaid(uint32 sequence) internal view returns (bool) {
        return paidFor[channel][sequence] != 0;
    }

    function _paid(Line storage line, uint32 sequence, uint256 amount) internal {
        assertFalse(_wasPaid(sequence), "one sequence, one payment");
        paidFor[channel][sequence] = amount;
        line.left += amount;
    }

    // ---- acts ----

    function _settle(uint256 dice) internal {
        Line storage line = _turn(open[dice % OPEN]);
        if (!_ripe(line)) return;
        IPaymentChannels.ChannelView memory now_ = channels.channels(channel);
        uint32 sequence = now_.floor + uint32((dice >> 8) % 4);
        bool taken = now_.window >> (sequence - now_.floor) & 1 == 1;
        try channels.settle(proven(orderOf(sequence, 3), 0)) returns (uint256 paid) {
            assertFalse(taken, "a sequence was settled twice");
            _paid(line, sequence, paid);
            ++seen["settled"];
        } catch (bytes memory why) {
            bool poor = bytes4(why) == IPaymentChannels.InsufficientDeposit.selector;
            assertTrue(taken || poor, "refused for no reason");
            ++seen[poor ? "too poor" : "settled before"];
        }
    }

    function _voucher(uint256 dice) internal {
        Line storage line = _turn(open[dice % OPEN]);
        IPaymentChannels.ChannelView memory now_ = channels.channels(channel);
        if (now_.dueAt == 0) {
            if (now_.closesAt != 0 && vm.getBlockTimestamp() >= now_.closesAt) return;
            uint256 total = line.deposited - now_.balance + (dice >> 8) % 0.5 ether;
            (Voucher memory voucher, bytes memory signature) = signedVoucher(uint96(total), now_.floor + 1);
            vm.prank(coordinator);
            channels.presentVoucher(terms, voucher, signature);
        } else if (vm.getBlockTimestamp() >= now_.dueAt) {
            uint256 paid = channels.redeemVoucher(terms);
            assertLe(paid, _promised(line, now_), "more than was signed");
            line.left += paid;
            ++seen["voucher"];
        }
    }

    /// @dev Wei that a voucher may still take.
    function _promised(Line storage line, IPaymentChannels.ChannelView memory now_) private view returns (uint256) {
        uint256 spent = line.deposited - now_.balance;
        return now_.dueAt != 0 && now_.promised > spent ? now_.promised - spent : 0;
    }

    function _close(uint256 dice) internal {
        uint256 slot = dice % OPEN;
        Line storage line = _turn(open[slot]);
        IPaymentChannels.ChannelView memory now_ = channels.channels(channel);
        if (now_.closesAt == 0 || (dice >> 16) % 4 == 0) {
            if (now_.closesAt != 0 && vm.getBlockTimestamp() >= now_.closesAt) return;
            bool forced = now_.closesAt == 0 && (dice >> 8) % 2 == 0;
            if (forced) _startClose();
            else _closeTogether(line, now_, (dice >> 24) % 0.2 ether);
            ++seen[forced ? "forced close" : "closed together"];
        } else if (_mayFinish(now_)) {
            _finishClose(line);
            ++seen[line.held == 0 ? "closed" : "closed while a batch waits"];
            _reopenSlot(slot);
        }
    }

    function _startClose() internal {
        vm.prank(client);
        channels.startClose(terms);
    }

    /// @dev By what the coordinator signed, which is never less than what it was promised before.
    function _closeTogether(Line storage line, IPaymentChannels.ChannelView memory now_, uint256 more) private {
        uint256 total = line.deposited - now_.balance + more;
        if (now_.dueAt != 0 && total < now_.promised) total = now_.promised;
        (Close memory close, bytes memory signature) = signedClose(coordinatorKey, uint96(total), now_.floor);
        vm.prank(client);
        channels.closeTogether(terms, close, signature);
    }

    function _mayFinish(IPaymentChannels.ChannelView memory now_) private view returns (bool) {
        uint256 time = vm.getBlockTimestamp();
        return time >= now_.closesAt && (now_.dueAt == 0 || time >= now_.dueAt);
    }

    /// @dev Whatever is there goes to its requester, but for what a voucher takes.
    function _finishClose(Line storage line) internal {
        IPaymentChannels.ChannelView memory now_ = channels.channels(channel);
        uint256 before = ledger.claimable(client);
        uint256 refund = channels.finishClose(terms);
        assertEq(ledger.claimable(client), before + refund, "credited");
        assertLe(now_.balance - refund, _promised(line, now_), "more than was signed");
        assertEq(channels.channels(channel).balance, 0, "all of it");
        line.left += now_.balance;
    }

    /// @dev A few only: whoever contradicts itself never comes back.
    function _contradict(uint256 dice) internal {
        uint32 account = pool[dice % pool.length];
        if (liars == MOST_LIARS || stakes[account] == 0) return;
        bytes32 order = keccak256(abi.encode(dice));
        (Attestation memory a, bytes memory byA) = attest(order, account, RESULT, "root");
        (Attestation memory b, bytes memory byB) = attest(order, account, keccak256("another"), "root");
        vm.prank(stranger);
        channels.reportContradiction(a, byA, b, byB);
        stakes[account] = 0;
        ++liars;
        try channels.reportContradiction(a, byA, b, byB) {
            fail("punished twice");
        } catch {}
        snapshots.recordWeight(exactModel, account);
        ++seen["contradiction"];
    }

    function _topUp(uint256 dice) internal {
        Line storage line = _turn(open[dice % OPEN]);
        channels.collect(terms);
        if (channels.channels(channel).closesAt != 0) return;
        vm.prank(client);
        channels.topUp{value: 0.3 ether}(terms);
        line.deposited += 0.3 ether;
        ++seen["topped up"];
    }

    // ---- what always holds ----

    /// @dev What left a channel was signed for, every wei of the lane has one owner, and only liars lost stake.
    function _checkChannels() internal view {
        uint256 funds;
        for (uint256 i; i < lines.length; ++i) {
            Line storage line = lines[i];
            IPaymentChannels.ChannelView memory now_ = channels.channels(channels.channelId(line.terms));
            assertEq(now_.balance + line.held + line.left, line.deposited, "what left the channel was signed for");
            funds += now_.balance + now_.kept + line.held;
        }
        assertEq(ledger.laneFunds(), funds, "funds of the lane");
        uint256 owed = ledger.claimable(provider) + ledger.claimable(coordinator) + ledger.protocolFees();
        for (uint256 i; i < pool.length; ++i) {
            owed += ledger.claimable(operatorOf(pool[i]));
            assertEq(bondedOf(pool[i]), stakes[pool[i]], "stake");
        }
        // The two requesters, who open all channels in turn.
        owed += ledger.claimable(lines[0].terms.requester) + ledger.claimable(lines[1].terms.requester);
        assertEq(address(bridge).balance, funds + owed, "every wei has one owner");
    }
}
