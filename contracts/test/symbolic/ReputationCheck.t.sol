// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Fault} from "../../src/interfaces/Types.sol";
import {Reputation} from "../../src/libraries/Reputation.sol";
import {VM as vm} from "../utils/Vm.sol";

/// @title How a reputation moves, for every value it can have
contract ReputationCheck {
    uint256 private constant START = Reputation.START;
    uint256 private constant CAP = Reputation.CAP;

    /// @dev All reputations up to the cap.
    function check_SuccessRaisesWithinTheCap(uint16 value) external pure {
        vm.assume(value <= CAP);
        uint256 after_ = Reputation.afterSuccess(value);
        assert(after_ >= value && after_ <= CAP);
    }

    /// @dev All pairs: the higher a reputation, the less a success adds, and order is kept.
    function check_SuccessIsConcaveAndMonotone(uint16 low, uint16 high) external pure {
        vm.assume(low <= high && high <= CAP);
        uint256 afterLow = Reputation.afterSuccess(low);
        uint256 afterHigh = Reputation.afterSuccess(high);
        assert(afterLow <= afterHigh);
        assert(afterLow - low >= afterHigh - high);
    }

    /// @dev All reputations; a heavier fault never leaves more.
    function check_FaultsLower(uint16 value) external pure {
        uint256 absent = Reputation.afterFault(value, Fault.Absent);
        uint256 incorrect = Reputation.afterFault(value, Fault.Incorrect);
        assert(absent <= value && incorrect <= absent);
        assert(incorrect == Reputation.afterFault(value, Fault.Unopened));
        assert(Reputation.afterFault(value, Fault.Malicious) == 0);
    }

    /// @dev All clocks of 40 bits.
    function check_FourWeeksAreAtMostThreeSteps(uint40 since, uint40 elapsed) external pure {
        vm.assume(elapsed < 4 weeks);
        assert((uint256(since) + elapsed - since) / Reputation.DECAY_PERIOD <= 3);
    }

    /// @dev All reputations, up to four weeks at once, all clocks of 40 bits.
    /// @custom:halmos --loop 4
    /// @custom:cut check_FourWeeksAreAtMostThreeSteps
    function check_DecayStaysBetween(uint16 value, uint40 since, uint40 elapsed) external pure {
        vm.assume(value <= CAP && elapsed < 4 weeks);
        (uint256 left, uint256 counted) = Reputation.decayed(value, since, uint256(since) + elapsed);
        assert(left <= value);
        assert(left >= (value < START ? value : START));
        assert(counted >= since && counted <= uint256(since) + elapsed);
        assert(uint256(since) + elapsed - counted < 1 weeks);
    }
}
