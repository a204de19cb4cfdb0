// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Fault} from "../src/interfaces/Types.sol";
import {Reputation} from "../src/libraries/Reputation.sol";
import {Test} from "./utils/Test.sol";

contract ReputationTest is Test {
    function test_SuccessAddsASixtyFourthOfTheGap() public pure {
        assertEq(Reputation.afterSuccess(2_500), 2_617);
        assertEq(Reputation.afterSuccess(0), 156);
        assertEq(Reputation.afterSuccess(10_000), 10_000);
    }

    function testFuzz_ConcaveAndCapped(uint16 low, uint16 high) public pure {
        low = uint16(bound(low, 0, 10_000));
        high = uint16(bound(high, low, 10_000));
        uint256 gainLow = Reputation.afterSuccess(low) - low;
        uint256 gainHigh = Reputation.afterSuccess(high) - high;
        assertGe(gainLow, gainHigh, "the higher, the less is gained");
        assertLe(Reputation.afterSuccess(high), 10_000);
    }

    function test_ALongRecordIsWorthAtMostFourNewcomers() public pure {
        uint256 value = Reputation.START;
        for (uint256 i; i < 5_000; ++i) {
            value = Reputation.afterSuccess(value);
        }
        assertGt(value, 9_900);
        assertLe(value, 4 * Reputation.START);
    }

    function test_Faults() public pure {
        assertEq(Reputation.afterFault(8_000, Fault.Absent), 6_000);
        assertEq(Reputation.afterFault(8_000, Fault.Incorrect), 4_000);
        assertEq(Reputation.afterFault(8_000, Fault.Unopened), 4_000);
        assertEq(Reputation.afterFault(8_000, Fault.Malicious), 0);
    }

    function test_DecaysByAnEighthOfTheExcessAWeek() public pure {
        (uint256 value, uint256 since) = Reputation.decayed(10_000, 1_000, 1_000 + 7 days - 1);
        assertEq(value, 10_000);
        assertEq(since, 1_000);
        (value, since) = Reputation.decayed(10_000, 1_000, 1_000 + 7 days);
        assertEq(value, 9_062);
        assertEq(since, 1_000 + 7 days);
        (value, since) = Reputation.decayed(10_000, 1_000, 1_000 + 20 days);
        assertEq(value, 8_241);
        assertEq(since, 1_000 + 14 days, "the rest of a week is kept");
    }

    function test_ALowReputationDoesNotRiseByWaiting() public pure {
        (uint256 value,) = Reputation.decayed(100, 0, 3_650 days);
        assertEq(value, 100);
    }

    function test_DecayStopsAtTheStart() public pure {
        (uint256 value,) = Reputation.decayed(10_000, 0, 58 weeks);
        assertEq(value, 2_500, "58 steps take any excess away");
        (value,) = Reputation.decayed(10_000, 0, type(uint32).max);
        assertEq(value, 2_500);
    }

    function testFuzz_DecayDoesNotDependOnHowOftenItIsCounted(uint16 start, uint32 first, uint32 second) public pure {
        uint256 value = bound(start, 0, 10_000);
        (uint256 once, uint256 sinceOnce) = Reputation.decayed(value, 0, uint256(first) + second);
        (uint256 half, uint256 sinceHalf) = Reputation.decayed(value, 0, first);
        (uint256 twice, uint256 sinceTwice) = Reputation.decayed(half, sinceHalf, uint256(first) + second);
        assertEq(once, twice);
        assertEq(sinceOnce, sinceTwice);
    }

    function test_AnAccountThatWinsEveryDayStillDecays() public pure {
        uint256 value = 9_800;
        uint256 since;
        uint256 idle = value;
        for (uint256 day = 1; day <= 70; ++day) {
            (value, since) = Reputation.decayed(value, since, day * 1 days);
            // One win a week; daily updates must not push the weekly step away.
            if (day % 7 == 3) value = Reputation.afterSuccess(value);
        }
        (idle,) = Reputation.decayed(idle, 0, 70 days);
        assertLt(value, 9_800 - 4_000);
        assertGt(value, idle);
    }

    function testFuzz_RestoringUndoesExactlyTheFaultThatItUndoes(uint16 start, uint8 first, uint8 second) public pure {
        uint256 before = start % (Reputation.CAP + 1);
        Fault a = Fault(first % 3);
        Fault b = Fault(second % 3);
        uint256 afterwards = Reputation.afterFault(before, a);
        uint256 both = Reputation.afterFault(afterwards, b);
        uint256 restored = Reputation.afterRestoring(both, before, afterwards, before);
        uint256 alone = Reputation.afterFault(before, b);
        // Each division rounded down once, and restoring multiplies that by two at most.
        assertLe(restored, alone + 1, "more than without the first fault");
        assertGe(restored + 4, alone, "less than without the first fault");
    }

    function testFuzz_RestoringIsBounded(uint16 value, uint16 before, uint16 ceiling, uint8 kind) public pure {
        uint256 now_ = value % (Reputation.CAP + 1);
        uint256 old = before % (Reputation.CAP + 1);
        uint256 limit = ceiling % (old + 1);
        uint256 restored = Reputation.afterRestoring(now_, old, Reputation.afterFault(old, Fault(kind % 4)), limit);
        assertGe(restored, now_, "never down");
        assertLe(restored, now_ > limit ? now_ : limit, "never above what stood before");
    }

    function test_RestoringAfterExpulsion() public pure {
        assertEq(Reputation.afterRestoring(0, 6_000, 0, 5_500), 5_500);
        assertEq(Reputation.afterRestoring(100, 0, 0, 0), 100);
    }
}
