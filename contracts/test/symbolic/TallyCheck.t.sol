// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Ballot} from "../../src/interfaces/IBallotBox.sol";
import {RoundKind, Verdict} from "../../src/interfaces/Types.sol";
import {Tally} from "../../src/libraries/Tally.sol";
import {VM as vm} from "../utils/Vm.sol";

/// @title The verdict rule, for every weight
/// @dev Weights of 48 bits, as seats have them.
contract TallyCheck {
    /// @dev No bound on the shape: all weights, all counts of seats up to 15.
    function check_TwoValuesNeverBothPass(uint64 one, uint64 other, uint64 total, uint8 heads, uint8 more, uint8 seats)
        external
        pure
    {
        vm.assume(seats <= 15 && uint256(heads) + more <= seats);
        vm.assume(uint256(one) + other <= total);
        assert(!(Tally.passes(one, heads, total, seats) && Tally.passes(other, more, total, seats)));
    }

    /// @dev All weights, all counts of seats up to 15: 70 % of the weight, two thirds of the seats, and three.
    function check_PassingMeansTheRule(uint64 weight, uint64 total, uint8 heads, uint8 seats) external pure {
        vm.assume(weight <= total && heads <= seats && seats <= 15);
        if (!Tally.passes(weight, heads, total, seats)) return;
        assert(heads >= 3);
        assert(uint256(heads) * 3 >= uint256(seats) * 2);
        assert(uint256(weight) * 10 >= uint256(total) * 7);
    }

    /// @dev Four seats, all weights, given from the heaviest to the lightest.
    /// @custom:halmos --loop 5
    function check_FourSeatsAreClipped(uint48 a, uint48 b, uint48 c, uint48 d) external pure {
        vm.assume(a >= b && b >= c && c >= d);
        uint256[] memory weights = new uint256[](4);
        (weights[0], weights[1], weights[2], weights[3]) = (a, b, c, d);
        _clips(weights);
    }

    /// @dev Five seats, all weights, given from the heaviest to the lightest.
    /// @custom:halmos --loop 6
    function check_FiveSeatsAreClipped(uint48 a, uint48 b, uint48 c, uint48 d, uint48 e) external pure {
        vm.assume(a >= b && b >= c && c >= d && d >= e);
        uint256[] memory weights = new uint256[](5);
        (weights[0], weights[1], weights[2], weights[3], weights[4]) = (a, b, c, d, e);
        _clips(weights);
    }

    /// @dev Three seats, all weights, all ways to open or stay silent, all values: a verdict needs three of three.
    /// @custom:halmos --loop 17
    function check_ThreeSeatsNeedThree(uint8 revealed, uint8 agreeing, bytes32 leading, uint48 a, uint48 b, uint48 c)
        external
        pure
    {
        vm.assume(revealed < 8 && agreeing & ~revealed == 0);
        Ballot memory ballot;
        ballot.kind = RoundKind.Result;
        ballot.revealed = revealed;
        ballot.agreeing = agreeing;
        ballot.leading = leading;
        ballot.weights = new uint256[](3);
        (ballot.weights[0], ballot.weights[1], ballot.weights[2]) = (a, b, c);
        ballot.others = new bytes32[](3);
        Verdict memory found;
        Tally.verdict(ballot, found);
        if (!found.passed) return;
        assert(revealed == 7);
        assert(!found.dissent);
        assert(found.winner == (agreeing == 7 ? leading : bytes32(0)));
    }

    /// @dev Nobody above 30 % of the clipped sum, nobody but the heaviest cut, and no order turned round.
    function _clips(uint256[] memory weights) private pure {
        (uint256[] memory clipped, uint256 total) = Tally.clip(weights);
        uint256 sum;
        for (uint256 i; i < weights.length; ++i) {
            sum += clipped[i];
            assert(clipped[i] * 10 <= total * 3);
        }
        assert(sum == total);
    }
}
