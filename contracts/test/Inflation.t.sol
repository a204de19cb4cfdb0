// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Inflation} from "../src/libraries/Inflation.sol";
import {Test} from "./utils/Test.sol";

/// @title What may be issued by a moment: examples made in Python, and what holds at any moment
contract InflationTest is Test {
    uint256 private constant YEAR = 365 days;
    uint256 private constant GENESIS = 1_000_000_000e18;

    function test_Vectors() public view {
        string memory json = vm.readFile("test/vectors/inflation.json");
        uint256[] memory elapsed = vm.parseJsonUintArray(json, ".elapsed");
        uint256[] memory wanted = vm.parseJsonUintArray(json, ".issuable");
        assertGt(elapsed.length, 50);
        assertEq(wanted.length, elapsed.length);
        for (uint256 i; i < elapsed.length; ++i) {
            assertEq(Inflation.issuable(elapsed[i]), wanted[i], vm.toString(elapsed[i]));
        }
    }

    function test_YearsByHand() public pure {
        assertEq(Inflation.issuable(YEAR), 30_000_000e18, "3 % of a billion");
        assertEq(Inflation.issuable(2 * YEAR), 60_900_000e18, "and 3 % of 1.03 billion");
        // 1.03 ** 10 has 20 decimals, so ten years are exact.
        assertEq(Inflation.issuable(10 * YEAR), 10 ** 7 * 103 ** 10 - GENESIS);
        assertEq(Inflation.issuable(11 * YEAR), 10 ** 7 * 103 ** 10 * 201 / 200 - GENESIS, "0.5 % from then on");
    }

    function test_NothingWithinTheFirstEpoch() public pure {
        assertEq(Inflation.issuable(0), 0);
        assertEq(Inflation.issuable(299), 0);
        assertEq(Inflation.issuable(300), uint256(30_000_000e18) / 105_120);
        assertEq(Inflation.issuable(599), uint256(30_000_000e18) / 105_120);
    }

    function testFuzz_NeverFallsAndMovesOnlyWithWholeEpochs(uint256 elapsed, uint256 more) public pure {
        elapsed = bound(elapsed, 0, 200 * YEAR);
        more = bound(more, 0, 10 * YEAR);
        uint256 then = Inflation.issuable(elapsed);
        assertLe(then, Inflation.issuable(elapsed + more), "falls");
        assertEq(then, Inflation.issuable(elapsed - elapsed % 300), "within an epoch");
    }

    /// @dev No year brings more than its rate of what there was at its beginning.
    function testFuzz_AYearNeverExceedsItsRate(uint256 year, uint256 into) public pure {
        year = bound(year, 0, 199);
        into = bound(into, 0, YEAR);
        uint256 before = Inflation.issuable(year * YEAR);
        uint256 rate = year < 10 ? 300 : 50;
        uint256 most = (GENESIS + before) * rate / 10_000;
        uint256 issued = Inflation.issuable(year * YEAR + into) - before;
        assertLe(issued, most);
        if (into == YEAR) assertEq(issued, most, "reached in full");
        // Rounded down by less than one unit.
        assertGt((issued + 1) * 105_120, most * (into / 300));
    }
}
