// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Fault} from "../../src/interfaces/Types.sol";
import {SlashMath} from "../../src/libraries/SlashMath.sol";
import {VM as vm} from "../utils/Vm.sol";

/// @title What a fault costs, for every input
contract SlashMathCheck {
    /// @dev No bound: all absences, all confidences.
    function check_Bands(uint256 absences, uint256 confidence) external pure {
        vm.assume(absences != 0);
        uint256 absent = SlashMath.basisPoints(Fault.Absent, absences, confidence);
        assert(absent >= 500 && absent <= 1_500);
        uint256 wrong = SlashMath.basisPoints(Fault.Incorrect, absences, confidence);
        assert(wrong >= 1_000 && wrong <= 5_000);
        assert(wrong == SlashMath.basisPoints(Fault.Unopened, absences, confidence));
        assert(SlashMath.basisPoints(Fault.Malicious, absences, confidence) == 10_000);
    }

    /// @dev No bound.
    function check_PenaltyGrowsWithConfidence(uint256 low, uint256 high) external pure {
        vm.assume(low <= high);
        assert(SlashMath.basisPoints(Fault.Incorrect, 0, low) <= SlashMath.basisPoints(Fault.Incorrect, 0, high));
    }

    /// @dev Stakes of 96 bits, as the ledger keeps them; the most that each kind of fault costs. A smaller part takes less.
    function check_NeverOverStakeForMalice(uint96 bonded, uint96 unbonding) external pure {
        _takes(bonded, unbonding, 10_000);
    }

    /// @dev Stakes of 96 bits; half, the most for a wrong result.
    function check_NeverOverStakeForAWrongResult(uint96 bonded, uint96 unbonding) external pure {
        _takes(bonded, unbonding, 5_000);
    }

    /// @dev Stakes of 96 bits; 15 %, the most for an absence.
    function check_NeverOverStakeForAbsence(uint96 bonded, uint96 unbonding) external pure {
        _takes(bonded, unbonding, 1_500);
    }

    /// @dev Amounts of 128 bits: more than all MLB.
    function check_SplitLosesNothing(uint128 amount, bool reported) external pure {
        (uint256 toReserve, uint256 toReporter, uint256 burned) = SlashMath.split(amount, reported);
        assert(toReserve + toReporter + burned == amount);
        assert(toReporter * 10 <= amount);
        assert(reported || toReporter == 0);
        assert(burned == toReserve || burned == toReserve + 1);
    }

    function _takes(uint256 bonded, uint256 unbonding, uint256 points) private pure {
        (uint256 fromBonded, uint256 fromUnbonding) = SlashMath.take(bonded, unbonding, points);
        assert(fromBonded <= bonded);
        assert(fromUnbonding <= unbonding);
        assert(fromUnbonding == 0 || fromBonded == bonded);
    }
}
