// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Evidence, Voucher} from "../../src/interfaces/ChannelTypes.sol";
import {IPaymentChannels} from "../../src/interfaces/IPaymentChannels.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {BatchTest} from "../utils/BatchTest.sol";

/// @title Plays requester, coordinator (honest or not), seats and challengers of one channel
/// @dev It keeps a record of its own of what every order, voucher and batch should have moved, and compares.
contract ChannelHandler is BatchTest {
    enum Lie {
        None,
        Total, // a wrong total in the ledger: void
        Forged // a leaf without the requester's signature: struck
    }

    struct Posted {
        bytes32 id;
        Lie lie;
        bool done; // struck leaf or void batch was shown
        bool claimed;
        bool restored;
        uint256 pot;
    }

    Posted[] private posted;
    bytes[] private drafts;
    /// @dev Wei that left the channel for good, by the handler's own count.
    uint256 private spent;
    uint256 private deposited = DEPOSIT;
    uint256 private signedTotal;
    mapping(uint32 sequence => uint256) private paidFor;
    mapping(string what => uint256) public seen;

    function act(uint256 seed) external {
        beacon.draw();
        uint256 kind = seed % 10;
        seed = uint256(keccak256(abi.encode(seed)));
        if (kind < 2) _settle(seed);
        else if (kind < 5) _post(seed);
        else if (kind == 5) _challenge(seed);
        else if (kind == 6) _voucher(seed);
        else if (kind == 7) _finish(seed);
        else if (kind == 8) _reopened(seed);
        else _pass(seed);
        check();
    }

    // ---- acts ----

    function _floor() private view returns (uint32) {
        return channels.channels(channel).floor;
    }

    function _settle(uint256 seed) private {
        uint32 sequence = _floor() + uint32(seed % 4);
        Evidence memory evidence = proven(orderOf(sequence, 3), 0);
        bool taken = channels.channels(channel).window >> (sequence - _floor()) & 1 == 1;
        try channels.settle(evidence) returns (uint256 paid) {
            assertFalse(taken, "a sequence was settled twice");
            _paid(sequence, paid);
            ++seen["settled"];
        } catch (bytes memory why) {
            assertTrue(taken || bytes4(why) == IPaymentChannels.InsufficientDeposit.selector, "refused for no reason");
        }
    }

    function _post(uint256 seed) private {
        if (posted.length != 0 && !posted[posted.length - 1].claimed && !posted[posted.length - 1].restored) return;
        (uint256 bond,) = settlement.bonds(coordinator);
        if (bond < BOND) {
            vm.deal(coordinator, BOND);
            vm.prank(coordinator);
            settlement.depositBond{value: BOND}();
        }
        Draft memory made = _free(seed);
        if (made.evidence.length == 0) return;
        Lie lie = Lie((seed >> 8) % 3);
        if (lie == Lie.Total) made.entries[1].total += 1;
        if (lie == Lie.Forged) {
            made.evidence[0].orderSignature = signBy(coordinatorKey, hashOf(made.evidence[0].order));
            made.tasks[0].evidence = keccak256(abi.encode(made.evidence[0]));
        }
        if (made.debits[0].debit > channels.channels(channel).balance) return;
        bytes32 id = post(made);
        posted.push(Posted(id, lie, false, false, false, made.header.pot));
        drafts.push(abi.encode(made));
        ++seen["posted"];
    }

    /// @dev Orders of the sequences from the floor on that were not settled one by one.
    function _free(uint256 seed) private view returns (Draft memory made) {
        uint256 count = 1 + seed % 3;
        made.evidence = new Evidence[](count);
        uint64 window = channels.channels(channel).window;
        uint256 found;
        for (uint32 i; i < 8 && found < count; ++i) {
            if (window >> i & 1 == 0) made.evidence[found++] = proven(orderOf(_floor() + i, 3), 0);
        }
        if (found != count) made.evidence = new Evidence[](0);
        else assemble(made);
    }

    function _challenge(uint256 seed) private {
        if (posted.length == 0) return;
        Posted storage last = posted[posted.length - 1];
        if (last.done || vm.getBlockTimestamp() >= settlement.batches(last.id).finalAt) return;
        Draft memory made = abi.decode(drafts[posted.length - 1], (Draft));
        vm.startPrank(stranger);
        if (last.lie == Lie.Total) {
            settlement.challengeLedger(made.header, entry(made, 0), entry(made, 1));
            last.done = true;
            settlement.restore(made.header, made.debits, 0);
            last.restored = true;
            ++seen["void"];
        } else if (last.lie == Lie.Forged) {
            settlement.strikeEvidence(made.header, task(made, 0), made.evidence[0], made.outcomes[0], made.debits);
            last.done = true;
            last.pot -= made.tasks[0].debit;
            ++seen["struck"];
        } else {
            // An honest batch stands against whatever is said of it.
            uint256 i = seed % made.tasks.length;
            try settlement.strikeEvidence(made.header, task(made, i), made.evidence[i], made.outcomes[i], made.debits) {
                fail("an honest leaf was struck");
            } catch {}
            try settlement.challengeTasks(made.header, task(made, 0), task(made, i)) {
                fail("an honest batch was voided");
            } catch {}
            ++seen["false alarm"];
        }
        vm.stopPrank();
    }

    function _voucher(uint256 seed) private {
        IPaymentChannels.ChannelView memory now_ = channels.channels(channel);
        if (now_.dueAt == 0) {
            uint256 total = deposited - now_.balance + seed % 0.5 ether;
            if (total > signedTotal) signedTotal = total;
            (Voucher memory voucher, bytes memory signature) = signedVoucher(uint96(total), now_.floor + 1);
            vm.prank(coordinator);
            channels.presentVoucher(terms, voucher, signature);
        } else if (vm.getBlockTimestamp() >= now_.dueAt) {
            uint256 paid = channels.redeemVoucher(terms);
            spent += paid;
            assertLe(deposited - channels.channels(channel).balance, _most(now_), "more than was signed");
            ++seen["voucher"];
        }
    }

    /// @dev What the channel had spent, or the voucher's total, whichever is more.
    function _most(IPaymentChannels.ChannelView memory before) private view returns (uint256) {
        uint256 then = deposited - before.balance;
        return then > before.promised ? then : before.promised;
    }

    function _finish(uint256) private {
        if (posted.length == 0) return;
        Posted storage last = posted[posted.length - 1];
        // A watcher looks at every batch: nothing wrong becomes final.
        if (last.claimed || last.restored || (last.lie != Lie.None && !last.done)) return;
        finish(last.id);
        beacon.draw();
        Draft memory made = abi.decode(drafts[posted.length - 1], (Draft));
        claimAll(made);
        last.claimed = true;
        assertEq(settlement.batches(last.id).pot, 0, "honest leaves are paid in full, and nobody else");
        for (uint256 i; i < made.tasks.length; ++i) {
            if (last.lie == Lie.Forged && i == 0) continue;
            _paid(made.tasks[i].sequence, made.tasks[i].debit);
        }
        ++seen["final"];
    }

    function _reopened(uint256 seed) private {
        if (posted.length == 0) return;
        uint256 index = seed % posted.length;
        Posted memory one = posted[index];
        if (!one.done) return;
        Draft memory made = abi.decode(drafts[index], (Draft));
        uint256 i = one.lie == Lie.Forged ? 0 : (seed >> 8) % made.tasks.length;
        Evidence memory evidence = made.evidence[i];
        evidence.orderSignature = signBy(clientKey, hashOf(evidence.order));
        uint32 sequence = evidence.order.sequence;
        uint32 to = one.lie == Lie.Forged ? sequence + 1 : made.debits[0].to;
        bool taken = paidFor[sequence] != 0;
        try channels.settleReopened(evidence, to) returns (uint256 paid) {
            assertFalse(taken, "settled twice");
            _paid(sequence, paid);
            ++seen["reopened"];
        } catch {}
    }

    function _pass(uint256 seed) private {
        vm.warp(vm.getBlockTimestamp() + seed % 700);
        beacon.draw();
        vm.prank(client);
        channels.topUp{value: 1 ether}(terms);
        deposited += 1 ether;
        channels.collect(terms);
    }

    function _paid(uint32 sequence, uint256 amount) private {
        assertEq(paidFor[sequence], 0, "one sequence, one payment");
        paidFor[sequence] = amount;
        spent += amount;
    }

    // ---- what always holds ----

    function check() public view {
        IPaymentChannels.ChannelView memory now_ = channels.channels(channel);
        uint256 pots;
        for (uint256 i; i < posted.length; ++i) {
            uint256 pot = settlement.batches(posted[i].id).pot;
            pots += pot;
            if (posted[i].restored) assertEq(pot, 0, "a void batch holds nothing");
        }
        assertEq(uint256(now_.balance) + pots + spent, deposited, "what left the channel was signed for");
        assertEq(ledger.laneFunds(), uint256(now_.balance) + now_.kept + pots, "funds of the lane");
        uint256 owed = ledger.claimable(provider) + ledger.claimable(coordinator) + ledger.protocolFees();
        for (uint256 i; i < pool.length; ++i) {
            owed += ledger.claimable(operatorOf(pool[i]));
        }
        assertEq(address(bridge).balance, ledger.laneFunds() + owed, "every wei has one owner");
        uint256 bonds = settlement.withdrawable(stranger) + settlement.withdrawable(treasury);
        (uint256 bond,) = settlement.bonds(coordinator);
        assertEq(address(settlement).balance, bonds + bond, "bonds");
    }

    /// @dev The end: whatever waits is finished, and the requester takes the rest home.
    function drain() external {
        if (posted.length != 0) {
            _challenge(0);
            _finish(0);
        }
        vm.prank(client);
        channels.startClose(terms);
        vm.warp(vm.getBlockTimestamp() + CLOSING);
        uint256 before = channels.channels(channel).balance;
        uint256 refund = channels.finishClose(terms);
        assertEq(ledger.claimable(client), refund, "credited");
        assertLe(refund, before, "and no more than was left");
        ledger.claim(client);
    }
}
