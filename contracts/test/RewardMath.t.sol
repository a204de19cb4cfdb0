// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {RewardMath} from "../src/libraries/RewardMath.sol";
import {Test} from "./utils/Test.sol";

contract RewardMathTest is Test {
    uint256 private constant YEAR = 365 days;
    uint256 private constant SUPPLY = 1_500_000_000e18;

    // ---- by time ----

    function test_AYearAtTheRate() public pure {
        assertEq(RewardMath.perShare(200, YEAR), 0.02e27);
        assertEq(RewardMath.uptime(1_000e18, 300 * 10_000, YEAR), 30e18);
        assertEq(RewardMath.uptime(1_000e18, 300 * 20_000, YEAR), 60e18, "doubled");
        assertEq(RewardMath.uptime(0, 300 * 20_000, YEAR), 0);
    }

    function testFuzz_SplittingStakeOrTimeGainsNothing(uint256 stake, uint256 part, uint256 time, uint256 cut)
        public
        pure
    {
        stake = bound(stake, 0, SUPPLY);
        part = bound(part, 0, stake);
        time = bound(time, 0, YEAR);
        cut = bound(cut, 0, time);
        uint256 whole = RewardMath.uptime(stake, 6e6, time);
        assertLe(RewardMath.uptime(part, 6e6, time) + RewardMath.uptime(stake - part, 6e6, time), whole, "stake");
        assertLe(RewardMath.uptime(stake, 6e6, cut) + RewardMath.uptime(stake, 6e6, time - cut), whole, "time");
    }

    function test_TheEarlyBonusFallsEvenlyToNothing() public pure {
        assertEq(RewardMath.earlyBonus(0), 10_000);
        assertEq(RewardMath.earlyBonus(YEAR / 2), 7_500);
        assertEq(RewardMath.earlyBonus(YEAR), 5_000);
        assertEq(RewardMath.earlyBonus(2 * YEAR - 1), 0);
        assertEq(RewardMath.earlyBonus(2 * YEAR), 0);
        assertEq(RewardMath.earlyBonus(type(uint256).max), 0);
    }

    // ---- rebates ----

    function test_HalfTheProtocolFeeAtTheRate() public pure {
        // 5 % of one coin is 0.05; half of it at 1,000 MLB a coin is 25 MLB.
        (uint256 counted, uint256 amount) = RewardMath.rebate(1 ether, 500 * 10_000, 1_000e18, type(uint128).max);
        assertEq(counted, 1 ether);
        assertEq(amount, 25e18);
        (counted, amount) = RewardMath.rebate(1 ether, 500 * 10_000, 1_000e18, 10e18);
        assertEq(amount, 10e18, "what is left");
        assertEq(counted, 0.4 ether, "and the fees that it pays for");
    }

    function test_NoRebateWithoutARate() public pure {
        (uint256 counted, uint256 amount) = RewardMath.rebate(1 ether, 0, 1_000e18, 10e18);
        assertEq(counted + amount, 0);
        (counted, amount) = RewardMath.rebate(1 ether, 500 * 10_000, 0, 10e18);
        assertEq(counted + amount, 0);
    }

    /// @dev Never more than is left, never more than half the fee's worth, and never less than that by more than a unit.
    function testFuzz_RebateIsHalfTheFeeOrWhatIsLeft(uint256 fees, uint256 points, uint256 mlbPerCoin, uint256 left)
        public
        pure
    {
        fees = bound(fees, 0, 2 ** 100);
        points = bound(points, 1, 3_000 * 10_000);
        mlbPerCoin = bound(mlbPerCoin, 1, 2 ** 96 - 1);
        left = bound(left, 0, 100_000e18);
        (uint256 counted, uint256 amount) = RewardMath.rebate(fees, points, mlbPerCoin, left);
        assertLe(counted, fees);
        assertLe(amount, left);
        uint256 worth = counted * points * mlbPerCoin;
        assertLe(amount * 2 * 1e26, worth, "half");
        assertGt((amount + 1) * 2 * 1e26, worth, "rounded down by less than one");
        if (counted < fees) {
            assertGt((counted + 1) * points * mlbPerCoin, left * 2 * 1e26, "one wei more would not fit");
        }
    }

    // ---- votes ----

    function testFuzz_VotersShareTheBudget(uint256[4] memory stakes, uint256 budget, uint256 rate) public pure {
        budget = bound(budget, 0, 100_000e18);
        rate = bound(rate, 0, 200);
        uint256 shares;
        for (uint256 i; i < 4; ++i) {
            stakes[i] = bound(stakes[i], 10_000e18, SUPPLY / 4);
            shares += stakes[i];
        }
        uint256 paid;
        for (uint256 i; i < 4; ++i) {
            uint256 amount = RewardMath.vote(stakes[i], shares, budget, rate, 7 days);
            assertLe(amount, stakes[i] * rate * 7 / (10_000 * 365), "by the rate");
            paid += amount;
        }
        assertLe(paid, budget);
        // Two stakes in one hand are paid no less than apart.
        uint256 apart = RewardMath.vote(stakes[0], shares, budget, rate, 7 days)
            + RewardMath.vote(stakes[1], shares, budget, rate, 7 days);
        assertLe(apart, RewardMath.vote(stakes[0] + stakes[1], shares, budget, rate, 7 days));
    }
}
