// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {TaskOrder} from "../../src/interfaces/ChannelTypes.sol";
import {ISummons} from "../../src/interfaces/ISummons.sol";
import {Role} from "../../src/interfaces/Types.sol";
import {SummonsTest} from "../utils/SummonsTest.sol";

/// @title Who summons, who answers, who shows and who refutes, by chance
/// @dev What everybody is owed is counted here a second time, and so are the summonses that each seat has before it.
abstract contract SummonsCrowd is SummonsTest {
    /// @dev One summons, as a watcher of the chain knows it. Bits are of its seats.
    struct Called {
        TaskOrder order;
        uint32[] seats;
        address by;
        uint256 fee;
        uint256 committed;
        uint256 opened;
        uint256 commitUntil;
        uint256 revealUntil;
        bool honest; // names the seats that were drawn
    }

    uint256 private constant MOST_CALLED = 4;
    /// @dev Fewer than a channel's window, so that no order is ever too far ahead.
    uint32 private constant SEQUENCES = 60;

    Called[] internal called;
    uint32 internal numbered;
    mapping(string what => uint256) public seen;
    mapping(address who => uint256) internal due;
    mapping(uint32 account => uint256) internal busy;
    mapping(uint32 account => uint256) internal stakes;

    // ---- orders ----

    function _nextOrder(uint8 seats) internal returns (TaskOrder memory order) {
        order = asked(numbered % SEQUENCES, seats);
        // Two orders of one sequence differ, as those of a requester that signs twice.
        order.paramsDigest = bytes32(uint256(++numbered));
    }

    // ---- summonses ----

    function _summon(uint256 dice) internal {
        if (called.length == MOST_CALLED) return;
        TaskOrder memory order = _nextOrder(uint8(3 + dice % 3));
        uint32[] memory seats = drawn(order);
        bool honest = (dice >> 8) % 4 != 0;
        if (!honest) seats = _withOutsider(order, seats);
        address by = (dice >> 16) % 2 == 0 ? client : coordinator;
        vm.fee((dice >> 24) % 2 == 0 ? 0 : (dice >> 32) % 1e10);
        if (_full(seats)) {
            bytes memory signature = signBy(clientKey, hashOf(order));
            uint256 bond = summons.bondFor(seats.length);
            vm.expectPartialRevert(ISummons.SeatFull.selector);
            vm.prank(by);
            summons.summon{value: bond}(terms, order, signature, inline_(ASKED), seats);
            ++seen["seat full"];
            return;
        }
        uint256 fee = summons.answerFee();
        summonAs(by, order, seats);
        for (uint256 i; i < seats.length; ++i) {
            ++busy[seats[i]];
        }
        uint256 until = vm.getBlockTimestamp() + COMMIT;
        called.push(Called(order, seats, by, fee, 0, 0, until, until + REVEAL, honest));
        ++seen[honest ? "summoned" : "summoned falsely"];
    }

    /// @dev Another account in the place of the first or the last seat, in order still.
    function _withOutsider(TaskOrder memory order, uint32[] memory seats) private view returns (uint32[] memory all) {
        all = new uint32[](order.seats);
        bool added;
        uint256 found;
        for (uint256 i; i < pool.length && found < all.length; ++i) {
            bool seated;
            for (uint256 k; k < seats.length; ++k) {
                seated = seated || seats[k] == pool[i];
            }
            if (!seated && added) continue;
            // Whoever would be last makes room.
            if (seated && !added && found + 1 == all.length) continue;
            all[found++] = pool[i];
            added = added || !seated;
        }
        require(added && found == all.length, "no outsider");
    }

    function _full(uint32[] memory seats) private view returns (bool) {
        for (uint256 i; i < seats.length; ++i) {
            if (busy[seats[i]] == MOST_OPEN) return true;
        }
        return false;
    }

    /// @dev Every seat of one summons has a try; some are silent.
    function _commit(uint256 dice) internal {
        if (called.length == 0) return;
        Called storage one = called[dice % called.length];
        if (vm.getBlockTimestamp() > one.commitUntil) return;
        uint256 count = one.seats.length;
        for (uint256 i; i < count; ++i) {
            if (one.committed >> i & 1 == 1 || dice >> (16 + 3 * i) & 7 == 0) continue;
            commitSeat(hashOf(one.order), one.seats[i], RIGHT);
            one.committed |= 1 << i;
            if (one.committed == (1 << count) - 1) one.revealUntil = vm.getBlockTimestamp() + REVEAL;
            ++seen["committed"];
        }
    }

    function _open(uint256 dice) internal {
        if (called.length == 0) return;
        Called storage one = called[dice % called.length];
        uint256 count = one.seats.length;
        if (one.committed != (1 << count) - 1 && vm.getBlockTimestamp() <= one.commitUntil) return;
        if (vm.getBlockTimestamp() > one.revealUntil || !_possible(one)) return;
        for (uint256 i; i < count; ++i) {
            if (one.committed >> i & 1 == 0 || one.opened >> i & 1 == 1 || dice >> (16 + 3 * i) & 7 == 0) continue;
            openSeat(hashOf(one.order), one.seats[i], RIGHT);
            one.opened |= 1 << i;
            ++seen["opened"];
        }
    }

    /// @dev Somebody has the answer already.
    function _showAnswer(uint256 dice) internal {
        if (called.length == 0) return;
        uint256 index = dice % called.length;
        Called storage one = called[index];
        if (!one.honest || vm.getBlockTimestamp() > one.revealUntil) return;
        bytes32 id = hashOf(one.order);
        vm.prank(stranger);
        summons.show(provenOf(terms, clientKey, one.order, one.seats, 0, digestOf(id, RIGHT)), inline_(RIGHT));
        due[stranger] += one.fee;
        _end(index, one.committed, DEPOSIT_WEI + one.seats.length * one.fee, one.by);
        ++seen["shown"];
    }

    /// @dev Seats that were drawn cannot be refuted; the others can, by whoever looks.
    function _refute(uint256 dice) internal {
        if (called.length == 0) return;
        uint256 index = dice % called.length;
        Called storage one = called[index];
        uint32[] memory right = drawn(one.order);
        bool found;
        for (uint256 i; i < one.seats.length && !found; ++i) {
            bool seated;
            for (uint256 k; k < right.length; ++k) {
                seated = seated || right[k] == one.seats[i];
            }
            vm.prank(stranger);
            try summons.refute(one.order, one.seats[i], right) {
                assertFalse(seated, "a seat that was drawn was refuted");
                found = true;
                _end(index, one.committed & ~(1 << i), _bondOf(one), stranger);
                ++seen["refuted"];
            } catch {
                assertTrue(seated, "a false seat stands");
                ++seen["not refuted"];
            }
        }
    }

    function _closeOne(uint256 dice) internal {
        if (called.length == 0) return;
        uint256 index = dice % called.length;
        Called storage one = called[index];
        bytes32 id = hashOf(one.order);
        bool possible = _possible(one);
        uint256 answered = possible ? one.opened : one.committed;
        uint256 until = possible ? one.revealUntil : one.commitUntil;
        bool over = answered == (1 << one.seats.length) - 1 || vm.getBlockTimestamp() > until;
        uint32[] memory seats = one.seats;
        try summons.close(id) {
            assertTrue(over, "closed while there was time to answer");
        } catch {
            assertFalse(over, "over, and not closed");
            ++seen["too early"];
            return;
        }
        _end(index, answered, _bondOf(one), one.by);
        for (uint256 i; i < seats.length; ++i) {
            uint256 now_ = bondedOf(seats[i]);
            if (answered >> i & 1 == 1) assertEq(now_, stakes[seats[i]], "slashed, and it answered");
            else if (now_ < stakes[seats[i]]) ++seen["silent"];
            assertLe(now_, stakes[seats[i]], "silence pays");
            stakes[seats[i]] = now_;
        }
        ++seen[answered == 0 ? "nobody answered" : possible ? "answered" : "no verdict possible"];
    }

    function _withdraw(uint256 dice) internal {
        address who = _parties()[dice % (3 + pool.length)];
        if (due[who] == 0) return;
        uint256 before = who.balance;
        summons.withdraw(who);
        assertEq(who.balance, before + due[who], "paid what was owed");
        due[who] = 0;
        ++seen["withdrawn"];
    }

    /// @dev Whoever was punished pays up and comes back.
    function _heal() internal {
        for (uint256 i; i < operators.length; ++i) {
            (address cold, uint32 account) = (operators[i].cold, operators[i].account);
            uint256 wanted = i < pool.length ? 2 * COMPUTE_MIN : 2 * VERIFIER_MIN;
            Role role = account & 1 == 1 ? Role.Verifier : Role.Compute;
            if (bondedOf(account) < wanted) stakeAs(cold, role, wanted - bondedOf(account));
            stakes[account] = bondedOf(account);
            uint256 until = ledger.accounts(account).jailedUntil;
            if (until == 0 || until > vm.getBlockTimestamp()) continue;
            vm.prank(cold);
            ledger.unjail(account);
            ++seen["unjailed"];
        }
    }

    // ---- a second count ----

    function _end(uint256 index, uint256 paid, uint256 left, address to) private {
        Called storage one = called[index];
        for (uint256 i; i < one.seats.length; ++i) {
            --busy[one.seats[i]];
            if (paid >> i & 1 == 0) continue;
            due[operatorOf(one.seats[i])] += one.fee;
            left -= one.fee;
        }
        due[to] += left;
        called[index] = called[called.length - 1];
        called.pop();
    }

    function _bondOf(Called storage one) private view returns (uint256) {
        return DEPOSIT_WEI + (one.seats.length + 1) * one.fee;
    }

    /// @dev Whether those that committed are enough for a verdict: three, and two thirds of the seats.
    function _possible(Called storage one) private view returns (bool) {
        uint256 heads;
        for (uint256 i; i < one.seats.length; ++i) {
            heads += one.committed >> i & 1;
        }
        return heads >= 3 && 3 * heads >= 2 * one.seats.length;
    }

    function _parties() internal view returns (address[] memory all) {
        all = new address[](3 + pool.length);
        (all[0], all[1], all[2]) = (client, coordinator, stranger);
        for (uint256 i; i < pool.length; ++i) {
            all[3 + i] = operatorOf(pool[i]);
        }
    }

    /// @dev Every wei of the contract is owed to somebody or in the bond of an open summons, and openOf counts those.
    function _checkSummonses() internal view {
        uint256 sum;
        for (uint256 i; i < called.length; ++i) {
            sum += _bondOf(called[i]);
        }
        address[] memory all = _parties();
        for (uint256 i; i < all.length; ++i) {
            assertEq(summons.owed(all[i]), due[all[i]], "owed");
            sum += due[all[i]];
        }
        assertEq(address(summons).balance, sum, "every wei has an owner");
        for (uint256 i; i < pool.length; ++i) {
            assertEq(summons.openOf(pool[i]), busy[pool[i]], "open summonses of a seat");
            assertEq(bondedOf(pool[i]), stakes[pool[i]], "stake that nothing took");
        }
    }
}
