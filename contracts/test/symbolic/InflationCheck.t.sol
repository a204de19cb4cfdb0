// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Inflation} from "../../src/libraries/Inflation.sol";
import {VM as vm} from "../utils/Vm.sol";

/// @title No calls mint more than the formula
/// @dev The token mints what `issuable` says now less what it minted before, so two facts are enough: `issuable` never
/// falls, and over a year it is exactly the year's amount.
contract InflationCheck {
    /// @dev Every second of the first year.
    /// @custom:halmos --loop 3
    function check_NeverFallsInTheFirstYear(uint32 earlier, uint32 later) external pure {
        vm.assume(earlier <= later && later < 365 days);
        assert(Inflation.issuable(earlier) <= Inflation.issuable(later));
    }

    /// @dev Every second of the years in which the rate changes: the tenth and the eleventh.
    /// @custom:halmos --loop 12
    function check_NeverFallsWhereTheRateChanges(uint32 earlier, uint32 later) external pure {
        vm.assume(earlier >= 9 * 365 days && earlier <= later && later < 11 * 365 days);
        assert(Inflation.issuable(earlier) <= Inflation.issuable(later));
    }

    /// @dev Every second of the first 12 years: never more than 3 % of the nominal supply in the running year.
    /// @custom:halmos --loop 13
    function check_NeverMoreThanTheYearsAmount(uint32 elapsed) external pure {
        vm.assume(elapsed < 12 * 365 days);
        uint256 year = elapsed / 365 days;
        uint256 before = Inflation.issuable(year * 365 days);
        uint256 nominal = Inflation.GENESIS_SUPPLY + before;
        assert(Inflation.issuable(elapsed) - before <= nominal * (year < 10 ? 300 : 50) / 10_000);
    }

    /// @dev Any split of a stretch of the first year in two mints what one call would.
    /// @custom:halmos --loop 3
    function check_SplittingGainsNothing(uint32 first, uint32 second) external pure {
        vm.assume(first <= second && second < 365 days);
        uint256 minted = Inflation.issuable(first);
        minted += Inflation.issuable(second) - minted;
        assert(minted == Inflation.issuable(second));
    }
}
