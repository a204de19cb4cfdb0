// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Fault} from "../interfaces/Types.sol";

/// @title How an account's reputation moves
/// @notice Basis points. Concave and capped, so that a long record is worth at most four newcomers; decaying, so
/// that a record must be kept up.
library Reputation {
    /// @notice What a new account starts with, and what a high reputation decays to.
    uint256 internal constant START = 2_500;
    uint256 internal constant CAP = 10_000;
    uint256 internal constant DECAY_PERIOD = 1 weeks;

    /// @notice The reputation now, and the time up to which decay has been counted.
    /// @dev Only whole weeks count and the rest of a week is kept for later. Were the clock set to now at every
    /// update, an account that is updated daily would never decay. What lies above START shrinks by an eighth each
    /// step, rounded down, so it is gone after at most 58 steps and the loop ends there whatever the distance.
    /// @param value reputation when decay was last counted
    /// @param since time up to which it was counted, unix seconds
    /// @param time now
    function decayed(uint256 value, uint256 since, uint256 time) internal pure returns (uint256, uint256) {
        unchecked {
            if (time < since + DECAY_PERIOD) return (value, since);
            // The clock moves by whole weeks: the rest of one is kept for later.
            // slither-disable-next-line divide-before-multiply
            uint256 steps = (time - since) / DECAY_PERIOD;
            since += steps * DECAY_PERIOD;
            if (value <= START) return (value, since);
            uint256 excess = value - START;
            for (; steps != 0 && excess != 0; --steps) {
                excess = excess * 7 / 8;
            }
            return (START + excess, since);
        }
    }

    /// @notice After a task won: the gap to the cap shrinks by one part in 64.
    function afterSuccess(uint256 value) internal pure returns (uint256) {
        return value >= CAP ? CAP : value + (CAP - value) / 64;
    }

    /// @notice After a fault.
    function afterFault(uint256 value, Fault fault) internal pure returns (uint256) {
        if (fault == Fault.Absent) return value * 3 / 4;
        if (fault == Fault.Malicious) return 0;
        return value / 2;
    }

    /// @notice After a fault was undone: what it took by proportion is given back, so that later faults and successes
    /// keep their part; never more than stood before the fault and would be left of it now. Rounded down.
    /// @param value reputation now
    /// @param before reputation before the fault
    /// @param afterwards what the fault left of it
    /// @param ceiling `before`, decayed to now
    function afterRestoring(uint256 value, uint256 before, uint256 afterwards, uint256 ceiling)
        internal
        pure
        returns (uint256)
    {
        uint256 restored = afterwards == 0 ? ceiling : value * before / afterwards;
        if (restored > ceiling) restored = ceiling;
        return restored > value ? restored : value;
    }
}
