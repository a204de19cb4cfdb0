// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {DemandPrice} from "../src/libraries/DemandPrice.sol";
import {Test} from "./utils/Test.sol";

contract DemandPriceTest is Test {
    uint256 private constant ONE = 1_000_000;
    uint256 private constant CEILING = 16 * ONE;

    /// @dev One seat of one is what providers are meant to fill; none, or more cancelled than ordered, is a quiet epoch.
    function test_OneSeatCountsAndLessThanNoneDoesNot() public pure {
        assertEq(DemandPrice.next(2e6, 1, 1, 1e8), 2e6);
        assertEq(DemandPrice.next(2e6, 0, 1, 1e8), 1.75e6);
        assertEq(DemandPrice.next(2e6, -1, 1, 1e8), 1.75e6);
        assertEq(DemandPrice.next(2e6, -5, 4, 1e8), 1.75e6);
        assertEq(DemandPrice.next(2e6, 2, 1, 1e8), 2.25e6);
    }

    function test_StepsByHand() public pure {
        assertEq(DemandPrice.next(ONE, 60, 60, CEILING), ONE, "met");
        assertEq(DemandPrice.next(ONE, 120, 60, CEILING), 1_125_000, "twice: an eighth more");
        assertEq(DemandPrice.next(ONE, 90, 60, CEILING), 1_062_500, "half more: a sixteenth more");
        assertEq(DemandPrice.next(ONE, 100_000, 60, CEILING), 1_125_000, "never more than an eighth");
        assertEq(DemandPrice.next(2 * ONE, 0, 60, CEILING), 1_750_000, "nothing ordered: an eighth less");
        assertEq(DemandPrice.next(2 * ONE, -7, 60, CEILING), 1_750_000, "more cancelled than ordered");
        assertEq(DemandPrice.next(2 * ONE, 30, 60, CEILING), 1_875_000);
        assertEq(DemandPrice.next(ONE, 0, 60, CEILING), ONE, "the floor");
        assertEq(DemandPrice.next(CEILING, 120, 60, CEILING), CEILING, "the ceiling");
        assertEq(DemandPrice.next(CEILING, 120, 60, 2 * ONE), 2 * ONE, "a ceiling that was lowered");
        assertEq(DemandPrice.next(3 * ONE, 1_000, 0, CEILING), 3 * ONE, "no capacity known");
    }

    function testFuzz_AStepIsAtMostAnEighth(uint256 multiple, int256 demand, uint256 capacity) public pure {
        multiple = bound(multiple, ONE, CEILING);
        capacity = bound(capacity, 0, 1e15);
        demand = int256(bound(uint256(demand), 0, 2e9)) - 1e9;
        uint256 next = DemandPrice.next(multiple, demand, capacity, CEILING);
        assertGe(next, ONE);
        assertLe(next, CEILING);
        assertLe(next, multiple + multiple / 8);
        assertGe(next, multiple - multiple / 8);
        if (demand > int256(capacity) && capacity != 0) assertGe(next, multiple, "scarce");
        if (demand < int256(capacity)) assertLe(next, multiple, "plenty");
    }

    function testFuzz_MoreDemandNeverLowersThePrice(uint256 multiple, uint256 demand, uint256 more, uint256 capacity)
        public
        pure
    {
        multiple = bound(multiple, ONE, CEILING);
        demand = bound(demand, 0, 1e9);
        more = bound(more, 0, 1e9);
        capacity = bound(capacity, 1, 1e12);
        assertLe(
            DemandPrice.next(multiple, int256(demand), capacity, CEILING),
            DemandPrice.next(multiple, int256(demand + more), capacity, CEILING)
        );
    }

    function testFuzz_QuietEpochsAreSteps(uint256 multiple, uint256 epochs) public pure {
        multiple = bound(multiple, ONE, 100 * ONE);
        epochs = bound(epochs, 0, 60);
        uint256 expected = multiple;
        for (uint256 i; i < epochs; ++i) {
            expected = DemandPrice.next(expected, 0, 1, 100 * ONE);
        }
        assertEq(DemandPrice.decayed(multiple, epochs), expected);
    }

    function test_AnyNumberOfQuietEpochsIsShort() public view {
        uint256 before = gasleft();
        assertEq(DemandPrice.decayed(100 * ONE, type(uint256).max), ONE);
        // However the tests are compiled.
        assertLt(before - gasleft(), 25_000);
        assertGt(DemandPrice.decayed(100 * ONE, 34), ONE);
        assertEq(DemandPrice.decayed(100 * ONE, 35), ONE);
    }

    function testFuzz_PriceIsNeverBelowTheFloor(uint256 floor, uint256 multiple) public pure {
        floor = bound(floor, 0, type(uint96).max);
        multiple = bound(multiple, ONE, 100 * ONE);
        uint256 price = DemandPrice.price(floor, multiple);
        assertGe(price, floor);
        if (price < type(uint96).max) {
            assertLe(price * ONE, floor * multiple);
            assertGt((price + 1) * ONE, floor * multiple);
        }
    }
}
