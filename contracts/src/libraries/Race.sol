// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title A weighted draw without replacement that anybody can check seat by seat
/// @notice Every account runs a race: its time is -log2(u) / weight, u uniform in (0, 1) and its own for each draw. The
/// first to arrive are seated. Arrival times are exponential with rate weight, so an account is first with probability
/// weight / total, and the next ones are drawn from the rest in the same way. test/vectors/race.json holds examples.
library Race {
    /// @dev Fractional bits of a logarithm.
    uint256 private constant FRACTION = 48;

    /// @notice -log2(u) with 48 fractional bits, rounded up to the next of them. At most 256 * 2^48.
    /// @param draw what this committee follows from
    function distance(bytes32 draw, uint32 account) internal pure returns (uint256) {
        unchecked {
            uint256 u = uint256(keccak256(abi.encode(draw, account)));
            // u / 2^256 is zero once in 2^256.
            if (u == 0) u = 1;
            uint256 whole = Math.log2(u);
            // In [2^127, 2^128): u without its magnitude, rounded down.
            uint256 mantissa = u << (255 - whole) >> 128;
            uint256 log = whole;
            for (uint256 i; i < FRACTION; ++i) {
                mantissa = mantissa * mantissa >> 127;
                uint256 bit = mantissa >> 128;
                mantissa >>= bit;
                log = log << 1 | bit;
            }
            return (256 << FRACTION) - log;
        }
    }

    /// @notice Whether account a arrives before account b. Exact: times are compared by cross-multiplication. Of equals
    /// the lower account is first. An account without weight never arrives.
    function before(bytes32 draw, uint32 a, uint64 weightA, uint32 b, uint64 weightB) internal pure returns (bool) {
        unchecked {
            if (weightA == 0) return false;
            if (weightB == 0) return true;
            uint256 left = distance(draw, a) * weightB;
            uint256 right = distance(draw, b) * weightA;
            return left == right ? a < b : left < right;
        }
    }
}
