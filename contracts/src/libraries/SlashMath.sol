// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Fault} from "../interfaces/Types.sol";

/// @title How much a fault costs, and where the money goes
library SlashMath {
    uint256 internal constant BASIS = 10_000;
    /// @notice Each consecutive absence costs one step more, up to the last.
    uint256 internal constant ABSENT_STEP = 500;
    uint256 internal constant ABSENT_STEPS = 3;
    uint256 internal constant WRONG_LEAST = 1_000;
    uint256 internal constant WRONG_MOST = 5_000;
    /// @notice Confidence at which the penalty starts to grow: the share that a verdict needs.
    uint256 internal constant CONFIDENCE_LEAST = 7_000;
    /// @notice A reporter's share is one part in ten.
    uint256 internal constant REPORTER_PART = 10;

    /// @notice The part of bonded and unbonding stake that a fault costs, in basis points.
    /// @param absences consecutive absences, this one included; read for Absent only
    /// @param confidence of the verdict that the account lost against; read for Incorrect and Unopened only.
    /// Anything below the verdict's threshold, zero included, gives the least: so a task that was refunded
    /// punishes a commitment that was never opened by 10 %
    function basisPoints(Fault fault, uint256 absences, uint256 confidence) internal pure returns (uint256) {
        if (fault == Fault.Malicious) return BASIS;
        if (fault == Fault.Absent) {
            return ABSENT_STEP * (absences < ABSENT_STEPS ? absences : ABSENT_STEPS);
        }
        if (confidence <= CONFIDENCE_LEAST) return WRONG_LEAST;
        if (confidence >= BASIS) return WRONG_MOST;
        return WRONG_LEAST + (WRONG_MOST - WRONG_LEAST) * (confidence - CONFIDENCE_LEAST) / (BASIS - CONFIDENCE_LEAST);
    }

    /// @notice Take from bonded stake first, then from unbonding stake, whether or not that could be withdrawn.
    function take(uint256 bonded, uint256 unbonding, uint256 points)
        internal
        pure
        returns (uint256 fromBonded, uint256 fromUnbonding)
    {
        uint256 amount = (bonded + unbonding) * points / BASIS;
        fromBonded = amount < bonded ? amount : bonded;
        fromUnbonding = amount - fromBonded;
    }

    /// @notice Who gets what was taken: the reporter a tenth if there is one, then half and half. Nobody who decides
    /// a case is among them. The odd unit is burned.
    function split(uint256 amount, bool reported)
        internal
        pure
        returns (uint256 toReserve, uint256 toReporter, uint256 burned)
    {
        if (reported) toReporter = amount / REPORTER_PART;
        toReserve = (amount - toReporter) / 2;
        burned = amount - toReporter - toReserve;
    }
}
