// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Evidence} from "../../src/interfaces/ChannelTypes.sol";
import {IPaymentChannels} from "../../src/interfaces/IPaymentChannels.sol";
import {LaneCrowd} from "./LaneCrowd.sol";

/// @title A coordinator, honest or not, with several batches of several channels at once, and a watcher
/// @dev The watcher shows every lie in time, and the coordinator answers what it can: time passes through `_move` alone.
abstract contract BatchCrowd is LaneCrowd {
    enum Lie {
        None,
        Total, // a wrong total in the ledger: void
        Forged, // a leaf without the requester's signature: struck
        Withheld // nothing wrong with it, but nobody is shown its leaves: void
    }

    struct Posted {
        bytes32 id;
        Lie lie;
        bool shown; // void, or its forged leaf is struck
        uint256 demands; // open ones
        uint256[] channels; // numbers of its channels, as its debits stand
        bytes draft;
    }

    struct Asked {
        uint256 batch;
        bool ledger;
        uint32 index;
        uint256 dueAt;
    }

    uint256 private constant MOST_LIVE = 3;

    Posted[] internal posted;
    uint256[] internal live;
    Asked[] internal asked_;
    /// @dev What the coordinator must have left, by this count.
    uint256 internal bond = 3 * BOND;

    // ---- batches ----

    function _post(uint256 dice) internal {
        if (live.length == MOST_LIVE) return;
        (Draft memory made, uint256[] memory numbers) = _free(dice);
        if (made.evidence.length == 0) return;
        for (uint256 i; i < numbers.length; ++i) {
            _turn(numbers[i]);
            if (made.debits[i].debit > channels.channels(channel).balance) return;
        }
        if (bond < BOND) {
            vm.deal(coordinator, BOND);
            vm.prank(coordinator);
            settlement.depositBond{value: BOND}();
            bond += BOND;
        }
        Lie lie = Lie((dice >> 32) % 4);
        if (lie == Lie.Total) made.entries[1].total += 1;
        if (lie == Lie.Forged) {
            made.evidence[0].orderSignature = signBy(coordinatorKey, hashOf(made.evidence[0].order));
            made.tasks[0].evidence = keccak256(abi.encode(made.evidence[0]));
        }
        bytes32 id = post(made);
        for (uint256 i; i < numbers.length; ++i) {
            lines[numbers[i]].held += made.debits[i].debit;
        }
        live.push(posted.length);
        posted.push(Posted(id, lie, false, 0, numbers, abi.encode(made)));
        ++seen[numbers.length == 1 ? "posted" : "posted for several channels"];
        if (live.length > 1) ++seen["several batches at once"];
    }

    /// @dev One or two orders of each of some channels, in the order of the channels' ids; none that was settled before.
    function _free(uint256 dice) private returns (Draft memory made, uint256[] memory numbers) {
        numbers = _someChannels(dice);
        made.evidence = new Evidence[](2 * numbers.length);
        uint256 found;
        for (uint256 k; k < numbers.length; ++k) {
            _turn(numbers[k]);
            IPaymentChannels.ChannelView memory now_ = channels.channels(channel);
            uint256 count = 1 + (dice >> (16 + k)) % 2;
            for (uint32 i; count != 0; ++i) {
                if (now_.window >> i & 1 == 1) continue;
                made.evidence[found++] = proven(orderOf(now_.floor + i, 3), 0);
                --count;
            }
        }
        Evidence[] memory evidence = made.evidence;
        assembly ("memory-safe") {
            mstore(evidence, found)
        }
        if (found != 0) assemble(made);
    }

    function _someChannels(uint256 dice) private view returns (uint256[] memory numbers) {
        numbers = new uint256[](OPEN);
        uint256 found;
        for (uint256 slot; slot < OPEN; ++slot) {
            if (dice >> slot & 1 == 1 && _ripe(lines[open[slot]])) numbers[found++] = open[slot];
        }
        assembly ("memory-safe") {
            mstore(numbers, found)
        }
        for (uint256 i = 1; i < found; ++i) {
            for (uint256 j = i; j != 0 && _idOf(numbers[j]) < _idOf(numbers[j - 1]); --j) {
                (numbers[j - 1], numbers[j]) = (numbers[j], numbers[j - 1]);
            }
        }
    }

    function _idOf(uint256 number) private view returns (bytes32) {
        return channels.channelId(lines[number].terms);
    }

    /// @dev It becomes final; whoever earned something in it claims.
    function _finish(uint256 dice) internal {
        if (live.length == 0) return;
        uint256 index = live[dice % live.length];
        Posted storage one = posted[index];
        if (one.lie != Lie.None && !one.shown) return;
        _answerAll(index);
        uint256 finalAt = settlement.batches(one.id).finalAt;
        if (vm.getBlockTimestamp() < finalAt) _move(finalAt - vm.getBlockTimestamp());
        Draft memory made = abi.decode(one.draft, (Draft));
        claimAll(made);
        assertEq(settlement.batches(one.id).pot, 0, "honest leaves are paid in full, and nobody else");
        for (uint256 i = one.lie == Lie.Forged ? 1 : 0; i < made.tasks.length; ++i) {
            Line storage line = _turnTo(one, made, made.tasks[i].channel);
            line.held -= made.tasks[i].debit;
            _paid(line, made.tasks[i].sequence, made.tasks[i].debit);
        }
        _forget(index);
        ++seen["final"];
    }

    function _turnTo(Posted storage one, Draft memory made, bytes32 wanted) private returns (Line storage line) {
        for (uint256 i; i < made.debits.length; ++i) {
            line = _turn(one.channels[i]);
            if (channel == wanted) return line;
        }
        revert("not of this batch");
    }

    function _forget(uint256 index) private {
        for (uint256 i; i < live.length; ++i) {
            if (live[i] != index) continue;
            live[i] = live[live.length - 1];
            live.pop();
            return;
        }
    }

    // ---- the watcher ----

    function _watch(uint256 dice) internal {
        if (live.length == 0) return;
        uint256 index = live[dice % live.length];
        Posted storage one = posted[index];
        if (one.lie != Lie.None && !one.shown) _show(index);
        else if (vm.getBlockTimestamp() < settlement.batches(one.id).finalAt) _falseAlarm(one, dice);
    }

    /// @dev What is wrong with a batch becomes known to the chain, however long that takes.
    function _show(uint256 index) internal {
        Posted storage one = posted[index];
        Draft memory made = abi.decode(one.draft, (Draft));
        if (one.lie == Lie.Withheld) {
            if (one.demands == 0) _ask(index, true, 0);
            Asked memory due = _firstOf(index);
            if (vm.getBlockTimestamp() <= due.dueAt) return _refuseEarly(made, due);
            settlement.voidUnanswered(made.header, due.ledger, due.index);
            _drop(index, due);
            _voided(index, made);
            ++seen["unanswered"];
        } else if (one.lie == Lie.Total) {
            vm.prank(stranger);
            settlement.challengeLedger(made.header, entry(made, 0), entry(made, 1));
            _voided(index, made);
            ++seen["void"];
        } else {
            vm.prank(stranger);
            settlement.strikeEvidence(made.header, task(made, 0), made.evidence[0], made.outcomes[0], made.debits);
            one.shown = true;
            bond -= bond < LEAF_PENALTY ? bond : LEAF_PENALTY;
            _turnTo(one, made, made.tasks[0].channel).held -= made.tasks[0].debit;
            ++seen["struck"];
        }
    }

    function _refuseEarly(Draft memory made, Asked memory due) private {
        try settlement.voidUnanswered(made.header, due.ledger, due.index) {
            fail("void while there was time to answer");
        } catch {}
    }

    /// @dev Every channel has its money back, and every demand its wei.
    function _voided(uint256 index, Draft memory made) private {
        Posted storage one = posted[index];
        one.shown = true;
        bond -= bond < BOND ? bond : BOND;
        while (one.demands != 0) {
            Asked memory rest = _firstOf(index);
            settlement.returnDemand(made.header, rest.ledger, rest.index);
            _drop(index, rest);
        }
        for (uint256 i; i < made.debits.length; ++i) {
            settlement.restore(made.header, made.debits, i);
            lines[one.channels[i]].held -= made.debits[i].debit;
        }
        assertEq(settlement.batches(one.id).pot, 0, "a void batch holds nothing");
        _forget(index);
    }

    /// @dev An honest batch stands against whatever is said of it.
    function _falseAlarm(Posted storage one, uint256 dice) private {
        Draft memory made = abi.decode(one.draft, (Draft));
        uint256 i = dice % made.tasks.length;
        if (one.lie == Lie.Forged && i == 0) return;
        try settlement.strikeEvidence(made.header, task(made, i), made.evidence[i], made.outcomes[i], made.debits) {
            fail("an honest leaf was struck");
        } catch {}
        try settlement.challengeTasks(made.header, task(made, 0), task(made, i)) {
            fail("an honest batch was voided");
        } catch {}
        ++seen["false alarm"];
    }

    // ---- demands ----

    function _demand(uint256 dice) internal {
        if (live.length == 0) return;
        uint256 index = live[dice % live.length];
        Draft memory made = abi.decode(posted[index].draft, (Draft));
        if (vm.getBlockTimestamp() >= made.header.postedAt + CHALLENGE) return;
        bool entries = (dice >> 8) % 2 == 0;
        uint32 leaf = uint32((dice >> 16) % (entries ? made.entries.length : made.tasks.length));
        for (uint256 i; i < asked_.length; ++i) {
            Asked storage other = asked_[i];
            if (other.batch == index && other.ledger == entries && other.index == leaf) return;
        }
        _ask(index, entries, leaf);
    }

    function _ask(uint256 index, bool entries, uint32 leaf) private {
        Draft memory made = abi.decode(posted[index].draft, (Draft));
        vm.prank(stranger);
        settlement.demand{value: DEMAND}(made.header, entries, leaf);
        asked_.push(Asked(index, entries, leaf, vm.getBlockTimestamp() + ANSWER));
        ++posted[index].demands;
        ++seen["demanded"];
    }

    function _answerOne(uint256 dice) internal {
        if (asked_.length == 0) return;
        _answerAll(asked_[dice % asked_.length].batch);
    }

    /// @dev The coordinator shows what it was asked for, unless it hides this batch.
    function _answerAll(uint256 index) internal {
        Posted storage one = posted[index];
        if (one.lie == Lie.Withheld) return;
        Draft memory made = abi.decode(one.draft, (Draft));
        while (one.demands != 0) {
            Asked memory due = _firstOf(index);
            uint256 i = due.index;
            if (due.ledger) settlement.answerLedger(made.header, entry(made, i));
            else settlement.answerTask(made.header, task(made, i), made.evidence[i], made.outcomes[i]);
            _drop(index, due);
            ++seen["answered"];
        }
    }

    function _firstOf(uint256 index) private view returns (Asked memory) {
        for (uint256 i; i < asked_.length; ++i) {
            if (asked_[i].batch == index) return asked_[i];
        }
        revert("nothing was asked");
    }

    function _drop(uint256 index, Asked memory due) private {
        for (uint256 i; i < asked_.length; ++i) {
            Asked storage one = asked_[i];
            if (one.batch != index || one.ledger != due.ledger || one.index != due.index) continue;
            asked_[i] = asked_[asked_.length - 1];
            asked_.pop();
            --posted[index].demands;
            return;
        }
    }

    // ---- orders of what was wrong ----

    function _reopened(uint256 dice) internal {
        if (posted.length == 0) return;
        Posted storage one = posted[dice % posted.length];
        if (!one.shown) return;
        Draft memory made = abi.decode(one.draft, (Draft));
        uint256 i = one.lie == Lie.Forged ? 0 : (dice >> 8) % made.tasks.length;
        Line storage line = _turnTo(one, made, made.tasks[i].channel);
        Evidence memory evidence = made.evidence[i];
        evidence.orderSignature = signBy(clientKey, hashOf(evidence.order));
        uint32 sequence = evidence.order.sequence;
        bool taken = _wasPaid(sequence);
        try channels.settleReopened(evidence, _rangeEnd(one, made, sequence)) returns (uint256 paid) {
            assertFalse(taken, "settled twice");
            _paid(line, sequence, paid);
            ++seen["reopened"];
        } catch (bytes memory why) {
            bytes4 reason = bytes4(why);
            bool late = reason == IPaymentChannels.NotOpenAgain.selector;
            bool poor = reason == IPaymentChannels.InsufficientDeposit.selector;
            assertTrue(late || poor || reason == IPaymentChannels.AlreadySettled.selector, "refused for no reason");
        }
    }

    /// @dev A struck leaf is opened alone, a void batch whole.
    function _rangeEnd(Posted storage one, Draft memory made, uint32 sequence) private view returns (uint32) {
        if (one.lie == Lie.Forged) return sequence + 1;
        for (uint256 i; i < made.debits.length; ++i) {
            if (_idOf(one.channels[i]) == channel) return made.debits[i].to;
        }
        revert("not of this batch");
    }

    // ---- time ----

    /// @dev Nothing wrong becomes final, and nothing that could be shown stays hidden, while time passes.
    function _move(uint256 time) internal {
        uint256 to = vm.getBlockTimestamp() + time;
        for (uint256 k = live.length; k != 0; --k) {
            uint256 index = live[k - 1];
            Posted storage one = posted[index];
            _answerAll(index);
            if (one.lie == Lie.None || one.shown) continue;
            uint256 finalAt = settlement.batches(one.id).finalAt;
            // Whoever is asked must have its time.
            if (one.lie == Lie.Withheld ? one.demands != 0 || to + ANSWER >= finalAt : to >= finalAt) _show(index);
        }
        vm.warp(to);
        beacon.draw();
    }
}
