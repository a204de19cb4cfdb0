// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title How much MLB may have been issued by a moment
/// @notice 3 % of the nominal supply at the beginning of each of the first ten years, 0.5 % of it in every later year,
/// evenly over the year's whole epochs. The nominal supply is the genesis supply and all that the formula issued since:
/// what was burned does not come back, and what nobody minted in time is still there to mint.
/// @dev The answer is a running total, so no order or number of calls can mint more than one call would. A year's amount
/// and an epoch's place in it are rounded down; at the end of a year the year's amount is reached in full, so no dust is
/// lost from year to year. mlbridge/protocol/inflation.py says the same in Python.
library Inflation {
    /// @dev MLB with 18 decimals.
    uint256 internal constant GENESIS_SUPPLY = 1_000_000_000e18;
    /// @dev Basis points a year, in the first ten years and after them.
    uint256 internal constant RATE = 300;
    uint256 internal constant LATE_RATE = 50;
    uint256 internal constant EARLY_YEARS = 10;
    /// @dev Seconds of an epoch; a year of 365 days has whole epochs.
    uint256 internal constant EPOCH = 300;
    uint256 internal constant EPOCHS_A_YEAR = 365 days / EPOCH;
    uint256 private constant BASIS = 10_000;

    /// @param elapsed seconds since genesis
    /// @return amount MLB that may have been issued beyond the genesis supply; rounded down
    function issuable(uint256 elapsed) internal pure returns (uint256 amount) {
        uint256 epochs = elapsed / EPOCH;
        uint256 year = epochs / EPOCHS_A_YEAR;
        uint256 nominal = GENESIS_SUPPLY;
        // One turn for each year that the token has lived: nobody can lengthen it.
        for (uint256 i; i < year; ++i) {
            nominal += inYear(nominal, i);
        }
        return nominal - GENESIS_SUPPLY + inYear(nominal, year) * (epochs % EPOCHS_A_YEAR) / EPOCHS_A_YEAR;
    }

    /// @param nominal supply at the beginning of the year
    /// @param year counted from 0
    /// @return MLB issued over that whole year; rounded down
    function inYear(uint256 nominal, uint256 year) internal pure returns (uint256) {
        return nominal * (year < EARLY_YEARS ? RATE : LATE_RATE) / BASIS;
    }
}
