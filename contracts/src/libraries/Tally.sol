// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Ballot} from "../interfaces/IBallotBox.sol";
import {RoundKind, Verdict} from "../interfaces/Types.sol";

/// @title The verdict rule
/// @notice Every comparison is by cross-multiplication of whole numbers; only the confidence is ever divided.
/// tests/integration/test_solidity_agrees.py holds Python to it.
/// @dev Total over all inputs: no ballot makes it revert, because a revert would stop the last reveal of a round.
/// Weights are at most 48 bits and seats at most 15, so nothing overflows.
library Tally {
    uint256 internal constant MIN_SEATS = 3;
    uint256 internal constant THRESHOLD = 70;
    uint256 private constant PERCENT = 100;
    uint256 private constant BASIS = 10_000;
    /// @dev A seat's largest share of the clipped total is 3 in 10.
    uint256 private constant CLIP = 3;
    uint256 private constant CLIP_BASE = 10;
    /// @dev Below this many seats no share of 30 % is possible, so nothing is clipped.
    uint256 private constant CLIP_FROM = 4;

    uint256 private constant ACCEPT = 1;
    uint256 private constant REJECT = 2;

    struct Count {
        uint256 weight;
        uint256 seats;
    }

    function verdict(Ballot memory ballot) internal pure returns (Verdict memory) {
        (uint256[] memory weights, uint256 total) = clip(ballot.weights);
        return ballot.kind == RoundKind.Vote ? _votes(ballot, weights, total) : _results(ballot, weights, total);
    }

    /// @notice Weights such that no seat has more than 30 % of their sum, scaled by a common factor so that they are
    /// whole numbers: the heaviest k seats are cut to c, where c = 3/10 (k c + rest), that is c = 3 rest / (10 - 3 k).
    /// @dev k is the least for which no uncut seat exceeds c; with four seats or more it is at most 3.
    function clip(uint64[] memory weights) internal pure returns (uint256[] memory clipped, uint256 total) {
        uint256 count = weights.length;
        clipped = new uint256[](count);
        unchecked {
            for (uint256 i; i < count; ++i) {
                total += clipped[i] = weights[i];
            }
            if (count < CLIP_FROM) return (clipped, total);

            uint256 rest = total;
            uint256 cut; // bit i: seat i is cut
            uint256 factor = CLIP_BASE;
            while (factor > CLIP) {
                (uint256 heaviest, uint256 seat) = _heaviest(clipped, cut);
                if (heaviest * factor <= CLIP * rest) break;
                cut |= 1 << seat;
                rest -= heaviest;
                factor -= CLIP;
            }
            if (cut == 0) return (clipped, total);
            total = 0;
            for (uint256 i; i < count; ++i) {
                total += clipped[i] = cut >> i & 1 == 1 ? CLIP * rest : clipped[i] * factor;
            }
        }
    }

    /// @notice At least 70 % of the weight, 2/3 of the seats, and 3 seats.
    function passes(Count memory count, uint256 total, uint256 seats) internal pure returns (bool) {
        return count.weight * PERCENT >= total * THRESHOLD && count.seats * 3 >= seats * 2 && count.seats >= MIN_SEATS;
    }

    function _results(Ballot memory ballot, uint256[] memory weights, uint256 total)
        private
        pure
        returns (Verdict memory found)
    {
        Count memory best;
        bytes32 leader;
        uint256 open = ballot.revealed;
        uint256 groups;
        bytes32[] memory values = ballot.values;
        unchecked {
            for (uint256 i; open >> i != 0; ++i) {
                if (open >> i & 1 == 0) continue;
                bytes32 value = values[i];
                (uint256 weight, uint256 seats) = (0, 0);
                for (uint256 j = i; open >> j != 0; ++j) {
                    if (open >> j & 1 == 0 || values[j] != value) continue;
                    weight += weights[j];
                    ++seats;
                    open ^= 1 << j;
                }
                ++groups;
                if (weight > best.weight || groups == 1) {
                    (best.weight, best.seats) = (weight, seats);
                    leader = value;
                }
            }
        }
        found.passed = passes(best, total, weights.length);
        found.dissent = groups > 1;
        found.confidence = _share(best.weight, total);
        if (found.passed) found.winner = leader;
    }

    function _votes(Ballot memory ballot, uint256[] memory weights, uint256 total)
        private
        pure
        returns (Verdict memory found)
    {
        uint256 highest;
        for (uint256 candidate; candidate < ballot.digests.length; ++candidate) {
            if (ballot.candidates >> candidate & 1 == 0) continue;
            (Count memory yes, Count memory no) = _countVotes(ballot, weights, candidate);
            if (yes.weight > highest) highest = yes.weight;
            if (passes(yes, total, weights.length)) {
                if (found.accepted == 0) {
                    found.passed = true;
                    found.winner = ballot.digests[candidate];
                    found.confidence = _share(yes.weight, total);
                }
                found.accepted |= uint16(1 << candidate);
            } else {
                found.dissent = true;
                if (ballot.judges && passes(no, total, weights.length)) found.rejected |= uint16(1 << candidate);
            }
        }
        if (!found.passed) found.confidence = _share(highest, total);
    }

    function _countVotes(Ballot memory ballot, uint256[] memory weights, uint256 candidate)
        private
        pure
        returns (Count memory yes, Count memory no)
    {
        for (uint256 i; i < weights.length; ++i) {
            uint256 vote;
            if (!ballot.judges && i == candidate) vote = ACCEPT;
            else if (ballot.revealed >> i & 1 == 1) vote = uint256(ballot.values[i]) >> (2 * candidate) & 3;
            if (vote == ACCEPT) {
                yes.weight += weights[i];
                ++yes.seats;
            } else if (vote == REJECT) {
                no.weight += weights[i];
                ++no.seats;
            }
        }
    }

    function _heaviest(uint256[] memory weights, uint256 skip) private pure returns (uint256 weight, uint256 seat) {
        unchecked {
            for (uint256 i; i < weights.length; ++i) {
                if (skip >> i & 1 == 0 && weights[i] > weight) (weight, seat) = (weights[i], i);
            }
        }
    }

    function _share(uint256 weight, uint256 total) private pure returns (uint16) {
        return total == 0 ? 0 : uint16(weight * BASIS / total);
    }
}
