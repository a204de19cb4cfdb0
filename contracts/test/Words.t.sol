// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SEAT_SLOTS, SeatPacking} from "../src/libraries/SeatPacking.sol";
import {Facts} from "../src/libraries/ModelWords.sol";
import {Head} from "../src/libraries/TaskWords.sol";
import {WordsCheck} from "./symbolic/WordsCheck.t.sol";
import {Test} from "./utils/Test.sol";

/// @title Packed words, with random values
/// @notice The claims are those of symbolic/WordsCheck.t.sol; here they are tried in every run of the tests.
contract WordsTest is Test {
    using SeatPacking for uint256[SEAT_SLOTS];

    WordsCheck private immutable check = new WordsCheck();
    uint256[SEAT_SLOTS] private slots;

    function testFuzz_HeadIsMadeOfItsFields(uint256 fee, uint256 model, uint256 deadline, uint8 few, uint8 version)
        public
        view
    {
        check.check_HeadMake(fee >> 182, model >> 232, deadline >> 222, few & 15, few >> 5, version);
    }

    function testFuzz_HeadSetters(uint256 word, uint8 few, uint256 far, uint256 epoch) public view {
        uint8 status = few % 9;
        check.check_HeadArmed(word, status, far >> 223, epoch >> 228);
        check.check_HeadPhase(word, status, far >> 223);
        check.check_HeadStatus(word, status);
        Head h = Head.wrap(word);
        if (h.redraws() < 3) check.check_HeadRedraw(word);
        if (h.tips() != 0) check.check_HeadTip(word);
        check.check_HeadDeskAndReplaced(word & ~(uint256(3) << 211), few & 3);
        if (h.round() < 3) check.check_HeadNextRound(word & ~(uint256(15) << 193), few & 3, few >> 2 & 1, few >> 4);
    }

    function testFuzz_HeadMarks(uint256 word, uint8 few) public view {
        uint8 seat = few % 15;
        check.check_HeadMarks(word & ~(uint256(1) << (222 + seat)) & ~(uint256(1) << (237 + seat)), seat);
        uint256 unopened = word & ~(uint256(0x7FFF) << 237) & ~(uint256(15) << 252);
        check.check_HeadLead(unopened | uint256(1) << (222 + seat), seat);
    }

    function testFuzz_Purse(address requester, uint256 reward, bool named, uint256 word) public view {
        check.check_Purse(requester, reward >> 163, named);
        check.check_PurseFlags(word);
    }

    function testFuzz_Facts(uint256 word, uint96 price, uint32 index, int24 ordered, uint8 few) public view {
        check.check_FactsMake(index, price, few % 3, index ^ 5);
        check.check_FactsPrice(word, price);
        check.check_FactsHalts(word, few);
        check.check_FactsOrdered(word, ordered);
        check.check_FactsMoved(word, index, index ^ 7);
        check.check_FactsProviders(word, uint24(index));
    }

    /// @dev What the claims do not name: marks of every kind counted, all opened or not.
    function testHeadKnowsWhenAllHaveOpened() public pure {
        Head h = Head.wrap(0).withCommitted(0).withCommitted(3);
        assertFalse(h.allOpened());
        h = h.withLead(3);
        assertFalse(h.allOpened());
        assertTrue(h.withApart(0).allOpened());
        assertTrue(h.withAgreeing(0).allOpened());
        assertEq(h.lead(), 3);
        assertTrue(Head.wrap(0).isEmpty() && !h.isEmpty());
    }

    function testFactsOfAModelThatWasNeverOrdered() public pure {
        Facts f = Facts.wrap(type(uint256).max).moved(0, 0);
        assertEq(f.ordered(), 0);
        assertEq(f.epoch(), 0);
        assertEq(f.multiple(), 0);
        assertEq(f.providers(), type(uint24).max);
    }

    function testFuzz_SeatsComeBack(uint256 seed, uint8 size, uint16 extra) public {
        uint256 count = 1 + size % 15;
        uint32[] memory accounts = new uint32[](count);
        uint64[] memory weights = new uint64[](count);
        for (uint256 i; i < count; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            // Every operator once: the seats' numbers are part of theirs.
            accounts[i] = uint32(seed) & 0xFFFFFFE1 | uint32(i + 1) << 1;
            weights[i] = uint48(seed >> 64);
        }
        slots.store(accounts, weights, extra);
        (uint32[] memory back, uint64[] memory heavy) = slots.load(count);
        assertEq(back.length, count);
        for (uint256 i; i < count; ++i) {
            assertEq(back[i], accounts[i]);
            assertEq(heavy[i], weights[i]);
            (uint256 index, uint32 account) = slots.find(count, accounts[i] >> 1);
            assertEq(index, i);
            assertEq(account, accounts[i]);
        }
        // No seat has a number whose low bits are zero.
        (uint256 none,) = slots.find(count, 1 << 4);
        assertEq(none, count);
        assertEq(slots.extraOf(), extra);
        slots.clear(count);
        for (uint256 i; i < SEAT_SLOTS; ++i) {
            assertEq(slots[i], 0);
        }
    }
}
