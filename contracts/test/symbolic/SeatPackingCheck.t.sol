// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SEAT_SLOTS, SeatPacking} from "../../src/libraries/SeatPacking.sol";
import {VM as vm} from "../utils/Vm.sol";

/// @title Seats come back as they were put away
/// @dev All accounts of 32 bits and all weights of 48; committees of one, three, four and seven, which fill a slot in part,
/// whole, one more, and three slots.
contract SeatPackingCheck {
    using SeatPacking for uint256[SEAT_SLOTS];

    uint256[SEAT_SLOTS] private slots;

    /// @custom:halmos --loop 16
    function check_OneSeat(uint32 account, uint48 weight, uint16 extra) external {
        _keeps(1, account, weight, extra);
    }

    /// @custom:halmos --loop 16
    function check_ThreeSeats(uint32 account, uint48 weight, uint16 extra) external {
        _keeps(3, account, weight, extra);
    }

    /// @custom:halmos --loop 16
    function check_FourSeats(uint32 account, uint48 weight, uint16 extra) external {
        _keeps(4, account, weight, extra);
    }

    /// @custom:halmos --loop 16
    function check_SevenSeats(uint32 account, uint48 weight, uint16 extra) external {
        _keeps(7, account, weight, extra);
    }

    /// @dev Each seat has a value of its own that follows from the same unknowns, so a mix-up shows.
    function _keeps(uint256 count, uint32 account, uint48 weight, uint16 extra) private {
        uint32[] memory accounts = new uint32[](count);
        uint64[] memory weights = new uint64[](count);
        for (uint256 i; i < count; ++i) {
            accounts[i] = account ^ uint32(i << 4);
            weights[i] = weight ^ uint48(i << 8);
        }
        slots.store(accounts, weights, extra);
        (uint32[] memory back, uint64[] memory heavy) = slots.load(count);
        for (uint256 i; i < count; ++i) {
            assert(back[i] == accounts[i] && heavy[i] == weights[i]);
        }
        assert(slots.extraOf() == extra);
        vm.assume(account >> 1 != 0 && account >> 8 != 0);
        (uint256 index, uint32 found) = slots.find(count, account >> 1);
        assert(index < count && found >> 1 == account >> 1);
    }
}
