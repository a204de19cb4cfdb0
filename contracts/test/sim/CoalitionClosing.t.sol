// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ChannelTerms, Close, Evidence, TaskOrder, Voucher} from "../../src/interfaces/ChannelTypes.sol";
import {Chance} from "./Chance.sol";
import {LaneArena} from "./LaneArena.sol";

/// @title Coalitions that want work for nothing, or pay for none
/// @notice As requesters they close over work that is not paid yet, or empty the channel first; as coordinator and seats
/// they try to take more than the requester signed.
contract CoalitionClosingTest is LaneArena {
    uint32 private constant ORDERS = 4;
    /// @dev Until seats that nobody settled do it themselves.
    uint256 private constant MARGIN = 10 minutes;
    uint16 private constant SHARE = 300;

    // ---- episodes: the requester ----

    /// @dev It closes by itself, or with a coordinator of its own, or has one present a voucher for everything. A win is
    /// work that stays unpaid.
    function close(uint256 seed) external {
        uint256 way = seed % 3;
        ChannelTerms memory opened = _openOwn(way == 0 ? coordinator : raider, SHARE, seed, ORDERS * PRICE);
        _nextSeed(seed);
        Evidence[] memory work = _ordered(opened, 0);
        if (way == 0) _closeAlone(opened);
        else if (way == 1) _closeTogether(opened);
        else _coverAll(opened);
        skip(MARGIN);
        bool unpaid = _settleAll(work) != ORDERS;
        _goHome(opened, way);
        _end(unpaid);
    }

    /// @dev It looks for a committee of its own first, and has the rest done by others. Then an order for the whole deposit,
    /// by that committee, comes before theirs. A win is work that stays unpaid.
    function emptyByDraw(uint256 seed) external {
        ChannelTerms memory opened = _openOwn(coordinator, SHARE, seed, ORDERS * PRICE);
        for (uint256 i; i < ORDER_EPOCHS; ++i) {
            _nextSeed(seed);
        }
        (bool found, TaskOrder memory order) = _search(opened);
        bool unpaid;
        if (found) {
            Evidence[] memory work = _ordered(opened, order.sequence);
            order.maxFee = uint96(ORDERS * PRICE);
            Evidence memory proof = provenOf(opened, raiderKey, order, drawn(order), 0, LIE);
            channels.settle(proof);
            unpaid = _settleAll(work) == 0;
            assertEq(_watchSeats(proof), 0, "no seat is false");
        }
        _end(unpaid);
    }

    /// @dev The same without a draw, so it never has to look.
    function emptyByForce(uint256 seed) external {
        ChannelTerms memory opened = _openOwn(coordinator, SHARE, seed, ORDERS * PRICE);
        _nextSeed(seed);
        TaskOrder memory order = orderFor(channels.channelId(opened), ORDERS, LANE_SEATS);
        order.maxFee = uint96(ORDERS * PRICE);
        uint32[] memory seated = _boughtSeats(order);
        bool unpaid;
        if (seated.length != 0) {
            Evidence[] memory work = _ordered(opened, ORDERS);
            Evidence memory proof = provenOf(opened, raiderKey, order, seated, 0, LIE);
            channels.settle(proof);
            unpaid = _settleAll(work) == 0;
            _watchSeats(proof);
        }
        _end(unpaid);
    }

    // ---- episodes: coordinator and seats ----

    /// @dev An honest requester signed two orders, and a voucher for their price. A win is a wei beyond it.
    function overdraw(uint256 seed) external {
        vm.prank(client);
        bytes32 id = channels.open{value: 1 ether}(raider, SHARE, bytes32(seed));
        ChannelTerms memory opened =
            ChannelTerms(client, raider, uint32(beacon.currentEpoch()), SHARE, PROTOCOL_SHARE, bytes32(seed));
        _nextSeed(seed);
        channel = id; // whose voucher is signed below
        Evidence[] memory proofs = new Evidence[](2);
        for (uint32 i; i < 2; ++i) {
            TaskOrder memory order = orderFor(id, i, LANE_SEATS);
            uint32[] memory seated = _boughtSeats(order);
            if (seated.length == 0) proofs[i] = _work(opened, clientKey, order);
            else proofs[i] = provenOf(opened, clientKey, order, seated, 0, LIE);
        }
        (Voucher memory voucher, bytes memory signature) = signedVoucher(2 * PRICE, 2);
        _takeAll(opened, proofs, voucher, signature, seed);
        uint256 spent = 1 ether - channels.channels(id).balance;
        for (uint256 i; i < 2; ++i) {
            _watchSeats(proofs[i]);
        }
        channels.collect(opened);
        _end(spent > 2 * PRICE);
    }

    // ---- what must hold ----

    /// @notice Until a close or a voucher is through, everything signed can be settled, and seats need nobody for it.
    function testNobodyClosesOverUnpaidWork() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            Row memory row = _sample("close over unpaid work", shares[i], UNKNOWN, this.close);
            _assertNeverWon(row);
            _assertCoinLost(row);
            assertTrue(row.others == 0 && row.mlb == 0, "nobody's stake");
        }
    }

    /// @notice Who finds a committee of its own can spend the deposit on itself before the work of others is settled, and
    /// saves all but model fee and shares by it. Nothing but the chance of the draw stands against it.
    function testDrawnCommitteesEmptyChannelsByChance() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            uint256 all = Chance.exactly(COMPUTE, _members(COMPUTE, shares[i]), LANE_SEATS, LANE_SEATS);
            uint256 chance = Chance.once(all, LANE_WINDOW * ORDER_EPOCHS);
            Row memory row = _sample("empty a channel by a drawn committee", shares[i], chance, this.emptyByDraw);
            _assertChance(row);
            if (row.wins != 0) assertTrue(row.coin < 0, "shares and the model's fee");
            assertTrue(row.others == 0 && row.mlb == 0, "nobody's stake");
        }
    }

    /// @notice Without a draw it costs a tenth of each false seat's stake, whatever is in the channel.
    function testFalseSeatsPayForAnEmptiedChannel() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            Row memory row = _sample("empty a channel by force", shares[i], UNKNOWN, this.emptyByForce);
            if (_members(COMPUTE, shares[i]) < LANE_SEATS) _assertNeverWon(row);
            else assertTrue(_worth(row.mlb, row.coin + int256(row.runs * ORDERS * PRICE)) < 0, "more than it saves");
        }
    }

    /// @notice Whatever coordinator and seats do together, the requester pays what it signed, once.
    function testNobodyTakesMoreThanWasSigned() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            Row memory row = _sample("take more than was signed", shares[i], UNKNOWN, this.overdraw);
            _assertNeverWon(row);
            if (_members(COMPUTE, shares[i]) >= LANE_SEATS) _assertMlbLost(row);
        }
    }

    // ---- internal: the requester ----

    /// @dev Four orders beside one sequence, done by whoever was drawn.
    function _ordered(ChannelTerms memory opened, uint32 taken) private view returns (Evidence[] memory work) {
        work = new Evidence[](ORDERS);
        bytes32 id = channels.channelId(opened);
        for (uint32 i; i < ORDERS; ++i) {
            work[i] = _work(opened, raiderKey, orderFor(id, (taken + 1 + i) % uint32(LANE_WINDOW), LANE_SEATS));
        }
    }

    function _settleAll(Evidence[] memory work) private returns (uint256 count) {
        for (uint256 i; i < work.length; ++i) {
            (bool ok,) = address(channels).call(abi.encodeCall(channels.settle, (work[i])));
            if (ok) ++count;
        }
    }

    function _closeAlone(ChannelTerms memory opened) private {
        vm.prank(raider);
        channels.startClose(opened);
    }

    function _closeTogether(ChannelTerms memory opened) private {
        channel = channels.channelId(opened);
        (Close memory agreed, bytes memory signature) =
            signedClose(raiderKey, uint96(ORDERS * PRICE), uint32(LANE_WINDOW));
        vm.prank(raider);
        channels.closeTogether(opened, agreed, signature);
    }

    function _coverAll(ChannelTerms memory opened) private {
        (channel, clientKey) = (channels.channelId(opened), raiderKey);
        (Voucher memory voucher, bytes memory signature) = signedVoucher(uint96(ORDERS * PRICE), uint32(LANE_WINDOW));
        vm.prank(raider);
        channels.presentVoucher(opened, voucher, signature);
    }

    /// @dev Whatever is left comes back.
    function _goHome(ChannelTerms memory opened, uint256 way) private {
        skip(3 days);
        if (way == 2) channels.redeemVoucher(opened);
        else channels.finishClose(opened);
        channels.collect(opened);
    }

    // ---- internal: coordinator and seats ----

    function _takeAll(
        ChannelTerms memory opened,
        Evidence[] memory proofs,
        Voucher memory voucher,
        bytes memory signature,
        uint256 seed
    ) private {
        bool voucherFirst = seed & 1 == 1;
        if (voucherFirst) _redeem(opened, voucher, signature);
        for (uint256 round; round < 2; ++round) {
            _settleAll(proofs);
        }
        _settleAll(_dearer(proofs));
        _settleAll(_renumbered(proofs));
        for (uint32 to = 1; to <= 2; ++to) {
            (bool again,) = address(channels).call(abi.encodeCall(channels.settleReopened, (proofs[to - 1], to)));
            assertFalse(again, "nothing was opened again");
        }
        if (!voucherFirst) _redeem(opened, voucher, signature);
        voucher.total += PRICE;
        _redeem(opened, voucher, signature);
        Close memory agreed = Close(voucher.channel, voucher.total, voucher.covered);
        vm.prank(raider);
        (bool closed,) = address(channels).call(abi.encodeCall(channels.closeTogether, (opened, agreed, signature)));
        assertFalse(closed, "a voucher is no close");
    }

    function _redeem(ChannelTerms memory opened, Voucher memory voucher, bytes memory signature) private {
        vm.prank(raider);
        (bool shown,) = address(channels).call(abi.encodeCall(channels.presentVoucher, (opened, voucher, signature)));
        if (!shown) return;
        skip(HOUR);
        channels.redeemVoucher(opened);
    }

    /// @dev The same orders at ten times the price, under the old signatures.
    function _dearer(Evidence[] memory proofs) private pure returns (Evidence[] memory made) {
        made = abi.decode(abi.encode(proofs), (Evidence[]));
        for (uint256 i; i < made.length; ++i) {
            made[i].order.maxFee *= 10;
        }
    }

    function _renumbered(Evidence[] memory proofs) private pure returns (Evidence[] memory made) {
        made = abi.decode(abi.encode(proofs), (Evidence[]));
        for (uint256 i; i < made.length; ++i) {
            made[i].order.sequence += 2;
        }
    }
}
