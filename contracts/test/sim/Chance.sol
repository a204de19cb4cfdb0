// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title What chance alone gives a coalition, where all seats weigh the same
/// @notice Draws without replacement from `population` accounts of which `own` belong to the coalition. Probabilities
/// are parts of ONE, rounded down; a sum of them may fall short by one part per term.
library Chance {
    uint256 internal constant ONE = 1e12;
    /// @dev The verdict rule at equal weights: 4 of 5 and 7 of 9.
    uint256 private constant FIRST_BENCH = 5;
    uint256 private constant FIRST_NEED = 4;
    uint256 private constant LAST_BENCH = 9;
    uint256 private constant LAST_NEED = 7;

    /// @notice Exactly `hits` of `draws` are the coalition's.
    function exactly(uint256 population, uint256 own, uint256 draws, uint256 hits) internal pure returns (uint256) {
        if (hits > own || draws > population || draws - hits > population - own) return 0;
        return ONE * choose(own, hits) * choose(population - own, draws - hits) / choose(population, draws);
    }

    /// @notice `need` or more of `draws` are the coalition's.
    function atLeast(uint256 population, uint256 own, uint256 draws, uint256 need)
        internal
        pure
        returns (uint256 chance)
    {
        for (uint256 hits = need; hits <= draws; ++hits) {
            chance += exactly(population, own, draws, hits);
        }
    }

    /// @notice Judges give the coalition's verdict, when all its judges say the same and all others the contrary.
    function benchWon(uint256 population, uint256 own) internal pure returns (uint256 chance) {
        for (uint256 hits; hits <= FIRST_BENCH; ++hits) {
            uint256 here = exactly(population, own, FIRST_BENCH, hits);
            if (here == 0 || FIRST_BENCH - hits >= FIRST_NEED) continue;
            if (hits >= FIRST_NEED) chance += here;
            else chance += here * atLeast(population - FIRST_BENCH, own - hits, LAST_BENCH, LAST_NEED) / ONE;
        }
    }

    /// @notice Neither bench comes to a verdict, when the coalition's judges agree with nobody.
    function benchBlocked(uint256 population, uint256 own) internal pure returns (uint256 chance) {
        for (uint256 hits = FIRST_BENCH - FIRST_NEED + 1; hits <= FIRST_BENCH; ++hits) {
            uint256 here = exactly(population, own, FIRST_BENCH, hits);
            if (here == 0) continue;
            uint256 need = LAST_BENCH - LAST_NEED + 1;
            chance += here * atLeast(population - FIRST_BENCH, own - hits, LAST_BENCH, need) / ONE;
        }
    }

    /// @notice One or more successes in `tries` of this chance each.
    function once(uint256 chance, uint256 tries) internal pure returns (uint256) {
        uint256 never = ONE;
        for (uint256 i; i < tries; ++i) {
            never = never * (ONE - chance) / ONE;
        }
        return ONE - never;
    }

    function choose(uint256 from, uint256 many) internal pure returns (uint256 ways) {
        if (many > from) return 0;
        ways = 1;
        for (uint256 i; i < many; ++i) {
            ways = ways * (from - i) / (i + 1);
        }
    }
}
