// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Fault} from "../src/interfaces/Types.sol";
import {SlashMath} from "../src/libraries/SlashMath.sol";
import {Test} from "./utils/Test.sol";

contract SlashMathTest is Test {
    function test_AbsenceCostsMoreEachTimeInARow() public pure {
        assertEq(SlashMath.basisPoints(Fault.Absent, 1, 0), 500);
        assertEq(SlashMath.basisPoints(Fault.Absent, 2, 0), 1_000);
        assertEq(SlashMath.basisPoints(Fault.Absent, 3, 0), 1_500);
        assertEq(SlashMath.basisPoints(Fault.Absent, 4, 0), 1_500);
        assertEq(SlashMath.basisPoints(Fault.Absent, 255, 10_000), 1_500);
    }

    function test_WrongResultCostsByHowLopsidedTheVerdictWas() public pure {
        Fault[2] memory faults = [Fault.Incorrect, Fault.Unopened];
        for (uint256 i; i < 2; ++i) {
            assertEq(SlashMath.basisPoints(faults[i], 0, 0), 1_000, "refunded");
            assertEq(SlashMath.basisPoints(faults[i], 0, 6_999), 1_000);
            assertEq(SlashMath.basisPoints(faults[i], 0, 7_000), 1_000);
            assertEq(SlashMath.basisPoints(faults[i], 0, 7_750), 2_000);
            assertEq(SlashMath.basisPoints(faults[i], 0, 8_500), 3_000);
            assertEq(SlashMath.basisPoints(faults[i], 0, 10_000), 5_000);
            assertEq(SlashMath.basisPoints(faults[i], 0, type(uint256).max), 5_000);
        }
    }

    function test_ContradictionCostsEverything() public pure {
        assertEq(SlashMath.basisPoints(Fault.Malicious, 0, 0), 10_000);
    }

    function testFuzz_BandsHoldForEveryInput(uint256 absences, uint256 confidence) public pure {
        absences = bound(absences, 1, type(uint256).max);
        uint256 absent = SlashMath.basisPoints(Fault.Absent, absences, confidence);
        assertTrue(absent >= 500 && absent <= 1_500);
        uint256 wrong = SlashMath.basisPoints(Fault.Incorrect, absences, confidence);
        assertTrue(wrong >= 1_000 && wrong <= 5_000);
        assertEq(wrong, SlashMath.basisPoints(Fault.Unopened, absences, confidence), "silence is no cheaper");
    }

    function testFuzz_PenaltyGrowsWithConfidence(uint16 low, uint16 high) public pure {
        if (low > high) (low, high) = (high, low);
        assertLe(SlashMath.basisPoints(Fault.Incorrect, 0, low), SlashMath.basisPoints(Fault.Incorrect, 0, high));
    }

    /// @dev Every step of the band, so nothing is left to chance.
    function test_PenaltyGrowsAtEveryStepOfConfidence() public pure {
        uint256 last;
        for (uint256 confidence = 6_999; confidence <= 10_001; ++confidence) {
            uint256 points = SlashMath.basisPoints(Fault.Incorrect, 0, confidence);
            assertGe(points, last);
            last = points;
        }
        assertEq(last, 5_000);
    }

    function testFuzz_TakeEmptiesBondedFirst(uint96 bonded, uint96 unbonding, uint256 points) public pure {
        points = bound(points, 0, 10_000);
        (uint256 fromBonded, uint256 fromUnbonding) = SlashMath.take(bonded, unbonding, points);
        assertEq(fromBonded + fromUnbonding, (uint256(bonded) + unbonding) * points / 10_000);
        assertLe(fromBonded, bonded);
        assertLe(fromUnbonding, unbonding);
        if (fromUnbonding != 0) assertEq(fromBonded, bonded);
    }

    function test_SplitGivesNobodyWhoDecidesAnything() public pure {
        (uint256 toReserve, uint256 toReporter, uint256 burned) = SlashMath.split(1_000, false);
        assertEq(toReserve, 500);
        assertEq(toReporter, 0);
        assertEq(burned, 500);
        (toReserve, toReporter, burned) = SlashMath.split(1_000, true);
        assertEq(toReserve, 450);
        assertEq(toReporter, 100);
        assertEq(burned, 450);
    }

    function testFuzz_SplitLosesNothing(uint128 amount, bool reported) public pure {
        (uint256 toReserve, uint256 toReporter, uint256 burned) = SlashMath.split(amount, reported);
        assertEq(toReserve + toReporter + burned, amount);
        assertLe(toReporter * 10, amount, "reporter at most a tenth");
        assertTrue(burned == toReserve || burned == toReserve + 1, "the rest in halves");
    }
}
