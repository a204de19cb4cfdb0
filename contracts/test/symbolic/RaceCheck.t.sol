// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Race} from "../../src/libraries/Race.sol";

/// @title Who has no weight does not race
/// @dev Times of accounts with weight follow from 48 squarings, which no solver can follow; test/vectors/race.json and the
/// fuzz tests stand for them.
contract RaceCheck {
    /// @dev All draws and accounts.
    function check_WithoutWeightNobodyIsBefore(bytes32 draw, uint32 a, uint32 b, uint64 weight) external pure {
        assert(!Race.before(draw, a, 0, b, weight));
        if (weight != 0) assert(Race.before(draw, b, weight, a, 0));
    }
}
