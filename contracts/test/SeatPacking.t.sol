// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {MAX_SEATS, SEAT_SLOTS, SeatPacking} from "../src/libraries/SeatPacking.sol";
import {Test} from "./utils/Test.sol";

/// @title Seats in storage: how many there is room for, and who is found
contract SeatPackingTest is Test {
    using SeatPacking for uint256[SEAT_SLOTS];

    uint256[SEAT_SLOTS] private slots;

    function testEverySeatHasItsPlace() public pure {
        assertEq(MAX_SEATS, 3 * SEAT_SLOTS);
    }

    function testFuzz_OperatorsAreFoundAndOthersAreNot(uint32 first, uint256 count) public {
        count = bound(count, 1, MAX_SEATS);
        uint256 operator = bound(first, 1, type(uint32).max / 2 - MAX_SEATS);
        uint32[] memory accounts = new uint32[](count);
        for (uint256 i; i < count; ++i) {
            accounts[i] = uint32((operator + i) << 1 | (i & 1));
        }
        slots.store(accounts, new uint64[](count), 0);
        for (uint256 i; i < count; ++i) {
            (uint256 seat, uint32 account) = slots.find(count, operator + i);
            assertEq(seat, i);
            assertEq(account, accounts[i]);
        }
        (uint256 none, uint32 nobody) = slots.find(count, operator + MAX_SEATS);
        assertEq(none, count);
        assertEq(nobody, 0);
    }
}
