// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title The formulas of the rewards
/// @notice Amounts are MLB or wei with 18 decimals, rates basis points a year. Every reward is rounded down.
library RewardMath {
    uint256 internal constant BASIS = 10_000;
    uint256 internal constant YEAR = 365 days;
    /// @dev Scale of what a share has earned: rounding it loses less than 1e-17 of a second's reward at one basis point.
    uint256 internal constant RAY = 1e27;
    /// @dev For how long the early bonus falls, from doubling the rate to nothing.
    uint256 internal constant EARLY_SECONDS = 2 * YEAR;
    uint256 private constant COIN = 1e18;
    /// @dev Of the protocol fee's worth at most this part comes back: one half.
    uint256 private constant REBATE_DIVISOR = 2;

    /// @notice What each staked unit earns, in RAY.
    function perShare(uint256 rate, uint256 elapsed) internal pure returns (uint256) {
        return rate * elapsed * RAY / (BASIS * YEAR);
    }

    /// @param rate basis points x basis points a year
    function uptime(uint256 stake, uint256 rate, uint256 elapsed) internal pure returns (uint256) {
        return stake * rate * elapsed / (BASIS * BASIS * YEAR);
    }

    /// @notice Basis points added to the uptime rate: all of it at genesis, none after two years, falling evenly.
    function earlyBonus(uint256 elapsed) internal pure returns (uint256) {
        return elapsed >= EARLY_SECONDS ? 0 : BASIS * (EARLY_SECONDS - elapsed) / EARLY_SECONDS;
    }

    /// @notice Half the worth of the protocol fee on `fees`, within what is left.
    /// @param points basis points x basis points of `fees` that count as protocol fee
    /// @param mlbPerCoin MLB that 10**18 wei count for
    /// @return counted wei of `fees` that this pays for: all of them, or what fits into `left`, rounded down
    /// @return amount MLB; at most `left`
    function rebate(uint256 fees, uint256 points, uint256 mlbPerCoin, uint256 left)
        internal
        pure
        returns (uint256 counted, uint256 amount)
    {
        uint256 numerator = points * mlbPerCoin;
        if (numerator == 0) return (0, 0);
        uint256 denominator = REBATE_DIVISOR * BASIS * BASIS * COIN;
        counted = fees;
        amount = Math.mulDiv(counted, numerator, denominator);
        if (amount > left) {
            // Less than one unit of the budget is not used.
            counted = Math.mulDiv(left, denominator, numerator);
            amount = Math.mulDiv(counted, numerator, denominator);
        }
    }

    /// @notice A voter's part of its period: its share of the budget, but no more than the rate gives on its stake.
    /// @param shares of all voters of the period; not zero
    function vote(uint256 share, uint256 shares, uint256 budget, uint256 rate, uint256 period)
        internal
        pure
        returns (uint256)
    {
        return Math.min(share * budget / shares, share * rate * period / (BASIS * YEAR));
    }
}
