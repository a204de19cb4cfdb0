// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {TaskOrder} from "../src/interfaces/ChannelTypes.sol";
import {ISummons} from "../src/interfaces/ISummons.sol";
import {SummonsTest} from "./utils/SummonsTest.sol";

/// @title Any course of two summonses at once: every wei has an owner, and nobody is punished for what it did
contract SummonsCourseTest is SummonsTest {
    uint256 private constant STEPS = 28;
    uint8 private constant SEATS = 5;
    uint256 private constant EVERY_ACT = 1 + 2 + 4 + 16 + 64 + 128 + 256 + 512;

    TaskOrder[2] private orders;
    uint32[][2] private named;
    uint256[2] private did; // bit i: seat i opened
    uint256 private reached; // bit i: act i went through at least once

    /// @dev Reverts wherever the contract does.
    function act(uint256 kind, uint256 which, uint256 seat) external {
        TaskOrder memory order = orders[which];
        bytes32 id = hashOf(order);
        uint32[] memory seats = drawn(order);
        if (kind == 0 || kind == 1) {
            if (kind == 1) seats = _withOutsider(seats);
            summonAs(seat % 2 == 0 ? client : coordinator, order, seats);
            (named[which], did[which]) = (seats, 0);
        } else if (kind <= 3) {
            commitSeat(id, named[which][seat], RIGHT);
        } else if (kind <= 5) {
            openSeat(id, named[which][seat], RIGHT);
            did[which] |= 1 << seat;
        } else if (kind == 6) {
            vm.prank(stranger);
            summons.refute(order, named[which][seat], seats);
        } else if (kind == 7) {
            vm.prank(stranger);
            summons.show(provenOf(terms, clientKey, order, seats, 0, digestOf(id, RIGHT)), inline_(RIGHT));
        } else if (kind == 8) {
            summons.close(id);
        } else {
            skip(30 + seat * 40);
        }
    }

    function testFuzz_NoCourseLosesAWei(uint256 seed) public {
        _play(seed);
        assertTrue(reached & 3 != 0, "something was summoned");
    }

    /// @dev Otherwise the courses above would show little.
    function test_CoursesReachEveryAct() public {
        uint256 all;
        uint256 start = vm.snapshotState();
        for (uint256 seed; seed < 48 && all != EVERY_ACT; ++seed) {
            _play(seed);
            all |= reached;
            assertTrue(vm.revertToState(start));
        }
        assertEq(all, EVERY_ACT);
    }

    function _play(uint256 seed) private {
        (orders[0], orders[1]) = (asked(0, SEATS), asked(1, SEATS));
        for (uint256 i; i < STEPS; ++i) {
            uint256 dice = uint256(keccak256(abi.encode(seed, i)));
            // Summonses first, or most courses would be over before they began.
            uint256 kind = i < 2 ? dice % 2 : dice % 10;
            uint256 which = i < 2 ? i : dice >> 16 & 1;
            uint256[] memory stakes = _stakes();
            try this.act(kind, which, (dice >> 32) % SEATS) {
                // 3 and 5 do what 2 and 4 do, to come up more often.
                reached |= 1 << (kind == 3 || kind == 5 ? kind - 1 : kind);
                _assertNobodyPaysForWhatItDid(stakes, kind, which);
            } catch {}
            _assertWhole();
        }
    }

    function _stakes() private view returns (uint256[] memory stakes) {
        stakes = new uint256[](pool.length);
        for (uint256 i; i < pool.length; ++i) {
            stakes[i] = bondedOf(pool[i]);
        }
    }

    /// @dev Nothing but `close` takes stake, and nothing from who opened or had no seat.
    function _assertNobodyPaysForWhatItDid(uint256[] memory stakes, uint256 kind, uint256 which) private view {
        for (uint256 i; i < pool.length; ++i) {
            bool free = true;
            for (uint256 k; kind == 8 && k < named[which].length; ++k) {
                if (named[which][k] == pool[i]) free = did[which] >> k & 1 == 1;
            }
            if (free) assertEq(bondedOf(pool[i]), stakes[i], "punished for nothing");
        }
    }

    function _assertWhole() private view {
        uint256 sum = summons.owed(client) + summons.owed(coordinator) + summons.owed(stranger);
        uint256 open;
        uint256 busy;
        for (uint256 i; i < pool.length; ++i) {
            sum += summons.owed(operatorOf(pool[i]));
            busy += summons.openOf(pool[i]);
        }
        for (uint256 i; i < 2; ++i) {
            ISummons.Summoned memory found = summons.summonses(hashOf(orders[i]));
            if (found.status != ISummons.Status.Open) continue;
            ++open;
            sum += DEPOSIT_WEI + (SEATS + 1) * uint256(found.fee);
        }
        assertEq(address(summons).balance, sum, "every wei has an owner");
        assertEq(busy, open * SEATS, "seats are free again");
    }

    function _withOutsider(uint32[] memory seats) private view returns (uint32[] memory all) {
        all = new uint32[](seats.length);
        uint256 found;
        // Of six accounts five sit: leaving out another one gives a false committee, still in order.
        for (uint256 i; i < pool.length && found < all.length; ++i) {
            if (pool[i] != seats[0]) all[found++] = pool[i];
        }
    }
}
