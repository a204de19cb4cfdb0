// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Ballot} from "../interfaces/IBallotBox.sol";
import {RoundKind, Verdict} from "../interfaces/Types.sol";

/// @title The verdict rule
/// @notice Every comparison is by cross-multiplication of whole numbers; only the confidence is ever divided.
/// test/vectors/tally.json holds examples.
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

    /// @param found filled in; empty before
    function verdict(Ballot memory ballot, Verdict memory found) internal pure {
        (uint256[] memory weights, uint256 total) = clip(ballot.weights);
        if (ballot.kind == RoundKind.Vote) _votes(ballot, weights, total, found);
        else _results(ballot, weights, total, found);
    }

    /// @notice Weights such that no seat has more than 30 % of their sum, scaled by a common factor so that they are
    /// whole numbers: the heaviest k seats are cut to c, where c = 3/10 (k c + rest), that is c = 3 rest / (10 - 3 k).
    /// @dev k is the least for which no uncut seat exceeds c; with four seats or more it is at most 3.
    function clip(uint256[] memory weights) internal pure returns (uint256[] memory clipped, uint256 total) {
        unchecked {
            uint256 count = weights.length;
            clipped = weights;
            for (uint256 i; i < count; ++i) {
                total += weights[i];
            }
            if (count < CLIP_FROM) return (clipped, total);

            uint256 rest = total;
            uint256 cut; // bit i: seat i is cut
            uint256 factor = CLIP_BASE;
            while (factor > CLIP) {
                (uint256 heaviest, uint256 seat) = _heaviest(weights, cut);
                if (heaviest * factor <= CLIP * rest) break;
                cut |= 1 << seat;
                rest -= heaviest;
                factor -= CLIP;
            }
            if (cut == 0) return (clipped, total);
            clipped = new uint256[](count);
            total = 0;
            for (uint256 i; i < count; ++i) {
                total += clipped[i] = cut >> i & 1 == 1 ? CLIP * rest : weights[i] * factor;
            }
        }
    }

    /// @notice At least 70 % of the weight, 2/3 of the seats, and 3 seats.
    /// @param heads seats that hold a value
    function passes(uint256 weight, uint256 heads, uint256 total, uint256 seats) internal pure returns (bool) {
        unchecked {
            return weight * PERCENT >= total * THRESHOLD && heads * 3 >= seats * 2 && heads >= MIN_SEATS;
        }
    }

    function _results(Ballot memory ballot, uint256[] memory weights, uint256 total, Verdict memory found)
        private
        pure
    {
        uint256 best;
        uint256 bestHeads;
        bytes32 leader;
        uint256 open = ballot.revealed;
        while (open != 0) {
            (uint256 group, bytes32 value) = _group(ballot, open);
            open ^= group;
            (uint256 weight, uint256 heads) = _count(weights, group);
            // Groups come in the order of their first seats: of equals the first stays.
            if (weight > best || bestHeads == 0) (best, bestHeads, leader) = (weight, heads, value);
            if (open != 0) found.dissent = true;
        }
        found.confidence = _share(best, total);
        if (passes(best, bestHeads, total, weights.length)) (found.passed, found.winner) = (true, leader);
    }

    /// @dev The first of the open seats, and all others that revealed the same.
    function _group(Ballot memory ballot, uint256 open) private pure returns (uint256 group, bytes32 value) {
        unchecked {
            uint256 first;
            while (open >> first & 1 == 0) {
                ++first;
            }
            if (ballot.agreeing >> first & 1 == 1) return (ballot.agreeing, ballot.leading);
            value = ballot.others[first];
            open &= ~uint256(ballot.agreeing);
            for (uint256 i = first; open >> i != 0; ++i) {
                if (open >> i & 1 == 1 && ballot.others[i] == value) group |= 1 << i;
            }
        }
    }

    function _count(uint256[] memory weights, uint256 seats) private pure returns (uint256 weight, uint256 heads) {
        unchecked {
            for (uint256 i; seats >> i != 0; ++i) {
                if (seats >> i & 1 == 0) continue;
                weight += weights[i];
                ++heads;
            }
        }
    }

    function _votes(Ballot memory ballot, uint256[] memory weights, uint256 total, Verdict memory found) private pure {
        uint256 highest;
        uint256 least = total;
        for (uint256 candidate; ballot.candidates >> candidate != 0; ++candidate) {
            if (ballot.candidates >> candidate & 1 == 0) continue;
            (uint256 accepting, uint256 rejecting) = _sides(ballot, candidate);
            (uint256 weight, uint256 heads) = _count(weights, accepting);
            if (weight > highest) highest = weight;
            if (passes(weight, heads, total, weights.length)) {
                if (!found.passed) {
                    (found.passed, found.winner) = (true, ballot.digests[candidate]);
                    found.confidence = _share(weight, total);
                }
                found.accepted |= uint16(1 << candidate);
                continue;
            }
            found.dissent = true;
            (weight, heads) = _count(weights, rejecting);
            if (ballot.judges && passes(weight, heads, total, weights.length)) {
                found.rejected |= uint16(1 << candidate);
                if (weight < least) least = weight;
            }
        }
        if (!found.passed) found.confidence = _share(found.rejected == 0 ? highest : least, total);
    }

    /// @dev The seats for and against a candidate.
    function _sides(Ballot memory ballot, uint256 candidate)
        private
        pure
        returns (uint256 accepting, uint256 rejecting)
    {
        if (!ballot.judges && candidate < ballot.weights.length) {
            accepting = 1 << candidate; // an author stands by its result
        }
        for (uint256 i; ballot.revealed >> i != 0; ++i) {
            if (ballot.revealed >> i & 1 == 0 || accepting >> i & 1 == 1) continue;
            bytes32 value = ballot.agreeing >> i & 1 == 1 ? ballot.leading : ballot.others[i];
            uint256 vote = uint256(value) >> (2 * candidate) & 3;
            if (vote == ACCEPT) accepting |= 1 << i;
            else if (vote == REJECT) rejecting |= 1 << i;
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
