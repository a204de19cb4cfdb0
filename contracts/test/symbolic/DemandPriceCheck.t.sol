// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {DemandPrice} from "../../src/libraries/DemandPrice.sol";
import {VM as vm} from "../utils/Vm.sol";

/// @title A price moves in bounded steps and never below its floor
/// @dev Multiples and ceilings of 32 bits and demand of 24 bits, as the registry keeps them.
contract DemandPriceCheck {
    uint256 private constant ONE = DemandPrice.ONE;

    /// @dev All multiples, demands and ceilings, where providers fill one seat. Fuzz tests do the rest.
    function check_StepIsBoundedAtOneSeat(uint256 multiple, uint256 demand, uint256 ceiling) external pure {
        _bounded(multiple, demand, 1, ceiling);
    }

    /// @dev More cancelled than ordered is as nothing ordered; all multiples, at 64 seats.
    function check_DemandBelowZeroIsNone(uint32 multiple, int24 demand, uint32 ceiling) external pure {
        vm.assume(demand < 0);
        assert(DemandPrice.next(multiple, demand, 64, ceiling) == DemandPrice.next(multiple, 0, 64, ceiling));
    }

    /// @dev All multiples up to 100 and all numbers of epochs up to eight.
    /// @custom:halmos --loop 9
    function check_DecayEndsAtTheFloor(uint32 multiple, uint8 epochs) external pure {
        vm.assume(multiple >= ONE && epochs <= 8);
        uint256 left = DemandPrice.decayed(multiple, epochs);
        assert(left >= ONE && left <= multiple);
    }

    /// @dev All floors of 96 bits at the floor's own multiple.
    function check_FloorIsKept(uint96 floor) external pure {
        assert(DemandPrice.price(floor, ONE) == floor);
    }

    /// @dev Floors of 64 bits (18 coins), all multiples: never below the floor, and more for a higher multiple.
    function check_PriceFollowsTheMultiple(uint64 floor, uint32 multiple) external pure {
        vm.assume(multiple >= ONE);
        assert(DemandPrice.price(floor, multiple) >= floor);
    }

    function _bounded(uint256 multiple, uint256 demand, uint256 capacity, uint256 ceiling) private pure {
        vm.assume(multiple >= ONE && ceiling >= multiple && ceiling < 1 << 32 && demand < 1 << 23);
        uint256 next = DemandPrice.next(multiple, int256(demand), capacity, ceiling);
        assert(next >= ONE && next <= ceiling);
        assert(next <= multiple + multiple / 8);
        assert(next + multiple / 8 >= multiple);
    }
}
