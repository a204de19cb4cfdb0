// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Chance} from "./Chance.sol";
import {Player} from "./Player.sol";

/// @title Coalitions that keep an input to themselves
/// @notice The coalition is the requester and the only one that can serve the input. A win is a wrong result that
/// becomes final.
contract CoalitionStarvingTest is Player {
    uint8 private constant SEATS = 3;
    uint256 private constant BENCH = 5;
    uint256 private constant BENCH_MOST = 3;
    uint256 private constant JUDGES = 14;

    // ---- episodes ----

    /// @dev Members that are not its own never get the input.
    function starveMembers(uint256 seed) external {
        Strategy memory strategy;
        (strategy.member, strategy.judge, strategy.starvesMembers) = (Move.Lie, Move.Lie, true);
        _end(_playedWrong(_submit(raider, exactModel, SEATS, true, seed), strategy));
    }

    /// @dev Members get it, and judges that are not its own do not.
    function starveJudges(uint256 seed) external {
        Strategy memory strategy;
        (strategy.member, strategy.judge, strategy.starvesJudges) = (Move.Lie, Move.Lie, true);
        _end(_playedWrong(_submit(raider, exactModel, SEATS, true, seed), strategy));
    }

    // ---- what must hold ----

    /// @notice Members that were silenced are not replaced, so the chance stays that of one draw.
    function testStarvingMembersWinsByChanceAlone() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            uint256 all = Chance.exactly(COMPUTE, _members(COMPUTE, shares[i]), SEATS, SEATS);
            Row memory row = _sample("starve members", shares[i], all, this.starveMembers);
            _assertChance(row);
            _assertNoMlbGained(row);
            _assertCoinLost(row);
        }
    }

    /// @notice Silenced judges are not replaced either: no more wins than where all judges have the input, and no
    /// more fees than what most of a bench earns whose owner wants no verdict.
    function testStarvingJudgesWinsByChanceAlone() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            uint256 many = _members(COMPUTE, shares[i]);
            uint256 all = Chance.exactly(COMPUTE, many, SEATS, SEATS);
            uint256 disputed = Chance.ONE - all - Chance.exactly(COMPUTE, many, SEATS, 0);
            uint256 chance = all + disputed * Chance.benchWon(VERIFIERS, many) / Chance.ONE;
            Row memory row = _sample("starve judges", shares[i], chance, this.starveJudges);
            _assertNoMoreThanChance(row);
            uint256 most = Chance.atLeast(VERIFIERS, many, BENCH, BENCH_MOST);
            _assertFees(row, disputed * most / Chance.ONE);
            _assertCoinLost(row);
        }
    }

    // ---- internal ----

    /// @dev Both benches in full, as often as chance gives the first.
    function _assertFees(Row memory row, uint256 chance) private pure {
        Row memory paid;
        (paid.attack, paid.share, paid.runs, paid.chance) = (row.attack, row.share, row.runs, chance);
        if (row.mlb > 0) paid.wins = uint256(row.mlb) / (JUDGES * JUDGE_FEE);
        _assertNoMoreThanChance(paid);
    }
}
