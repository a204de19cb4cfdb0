// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title The verdict rule once more, written another way
/// @dev Weights are sorted and the number of cut seats is tried from the most to the least, where src/ cuts greedily.
library ShadowTally {
    /// @notice Whether the seats that say yes have 70 % of the clipped weight, 2/3 of the seats and 3 seats.
    function passes(uint64[] memory weights, bool[] memory yes) internal pure returns (bool) {
        uint256 heads;
        uint256 share;
        uint256 total;
        (uint256 numerator, uint256 denominator) = ceiling(weights);
        for (uint256 i; i < weights.length; ++i) {
            // min(weight, numerator / denominator), times denominator
            uint256 scaled = weights[i] * denominator;
            if (scaled > numerator) scaled = numerator;
            total += scaled;
            if (!yes[i]) continue;
            share += scaled;
            ++heads;
        }
        return heads >= 3 && 3 * heads >= 2 * weights.length && 10 * share >= 7 * total;
    }

    /// @notice The largest weight c that a seat may count with, as a fraction: 3/10 of the sum of min(weight, c).
    /// @dev With k seats at the ceiling, c = 3 rest / (10 - 3k). The right k is the one for which exactly the k
    /// heaviest exceed it.
    function ceiling(uint64[] memory weights) internal pure returns (uint256 numerator, uint256 denominator) {
        if (weights.length < 4) return (type(uint256).max, 1);
        uint64[] memory sorted = _sorted(weights);
        for (uint256 k = 3;; --k) {
            uint256 rest;
            for (uint256 i = k; i < sorted.length; ++i) {
                rest += sorted[i];
            }
            (numerator, denominator) = (3 * rest, 10 - 3 * k);
            if (k == 0) break;
            // The lightest of the cut seats must exceed the ceiling, or one seat fewer is cut.
            if (sorted[k - 1] * denominator > numerator) return (numerator, denominator);
        }
        return (type(uint256).max, 1);
    }

    function _sorted(uint64[] memory weights) private pure returns (uint64[] memory sorted) {
        sorted = new uint64[](weights.length);
        for (uint256 i; i < weights.length; ++i) {
            uint256 place = i;
            for (; place != 0 && sorted[place - 1] < weights[i]; --place) {
                sorted[place] = sorted[place - 1];
            }
            sorted[place] = weights[i];
        }
    }
}
