// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Inflation} from "../../src/libraries/Inflation.sol";
import {VM as vm} from "../utils/Vm.sol";

/// @title No calls mint more than the formula
/// @dev The token mints what `issuable` says now less what it minted before, so it is enough that `issuable` never falls
/// and never passes the year's amount. Epoch by epoch: what lies within one changes nothing.
contract InflationCheck {
    uint256 private constant EPOCHS = Inflation.EPOCHS_A_YEAR;

    /// @dev Every second of the first year.
    function check_FirstYearIsYearZero(uint256 elapsed) external pure {
        vm.assume(elapsed < 365 days);
        assert(elapsed / Inflation.EPOCH / EPOCHS == 0);
    }

    /// @dev Every epoch of the first two years.
    function check_SecondYearIsYearOne(uint256 epoch) external pure {
        vm.assume(epoch < 2 * EPOCHS);
        assert(epoch * 300 / Inflation.EPOCH / EPOCHS <= 1);
    }

    /// @dev Every second of the first year counts as its epoch.
    /// @custom:halmos --loop 2
    /// @custom:cut check_FirstYearIsYearZero
    function check_OnlyWholeEpochsCount(uint256 elapsed) external pure {
        vm.assume(elapsed < 365 days);
        assert(Inflation.issuable(elapsed) == Inflation.issuable(elapsed / 300 * 300));
    }

    /// @dev Every epoch of the first year.
    /// @custom:halmos --loop 2
    /// @custom:cut check_SecondYearIsYearOne
    function check_NextEpochIsNeverLess(uint256 epoch) external pure {
        vm.assume(epoch < EPOCHS);
        assert(Inflation.issuable(epoch * 300) <= Inflation.issuable((epoch + 1) * 300));
    }

    /// @dev Every epoch of the first year: 30 million at most.
    /// @custom:halmos --loop 2
    /// @custom:cut check_SecondYearIsYearOne
    function check_NeverMoreThanTheFirstYearsAmount(uint256 epoch) external pure {
        vm.assume(epoch < EPOCHS);
        assert(Inflation.issuable(epoch * 300) <= Inflation.GENESIS_SUPPLY * 3 / 100);
    }

    /// @dev Any nominal supply below 2^96, any year: 3 % at most.
    function check_YearsAmountIsAtMostThreePercent(uint96 nominal, uint16 year) external pure {
        assert(Inflation.inYear(nominal, year) * 100 <= uint256(nominal) * 3);
    }
}
