// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {TaskStatus} from "../../src/interfaces/Types.sol";
import {Chance} from "./Chance.sol";
import {Player} from "./Player.sol";

/// @title Coalitions whose seats agree on a wrong result, copy, hold back their openings or leave
/// @notice A win is a wrong result that becomes final, unless a test says otherwise. Requesters are honest.
contract CoalitionTallyTest is Player {
    uint8 private constant SEATS = 3;
    uint8 private constant MANY_SEATS = 7;

    // ---- episodes ----

    function honest(uint256 seed) external {
        _once(seed, SEATS, _both(Move.Honest));
    }

    function lie(uint256 seed) external {
        _once(seed, SEATS, _both(Move.Lie));
    }

    function lieIfAll(uint256 seed) external {
        _once(seed, SEATS, _both(Move.LieIfAll));
    }

    function lieIfAllOfMany(uint256 seed) external {
        _once(seed, MANY_SEATS, _both(Move.LieIfAll));
    }

    function copy(uint256 seed) external {
        bytes32 taskId = _submit(requester, exactModel, SEATS, false, seed);
        draw(taskId);
        uint256 mine = _ownOf(committee(taskId), SEATS);
        int256 before = _holdings().coin;
        _play(taskId, _both(Move.Copy));
        // With a seat of its own and one to copy from: whether it was paid for it.
        _end(mine != 0 && mine != SEATS && _holdings().coin > before);
    }

    function withhold(uint256 seed) external {
        bytes32 taskId = _submit(requester, exactModel, SEATS, false, seed);
        _play(taskId, _both(Move.Withhold));
        _end(status(taskId) == TaskStatus.Refunded);
    }

    function unbond(uint256 seed) external {
        Strategy memory strategy = _both(Move.Lie);
        strategy.unbonds = true;
        _play(_submit(requester, exactModel, SEATS, false, seed), strategy);
        _end(escaped);
    }

    // ---- what must hold ----

    /// @notice The measure for the rest: nothing is lost, fees are earned.
    function testHonestSeatsEarnFees() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            Row memory row = _sample("honest", shares[i], UNKNOWN, this.honest);
            _assertNeverWon(row);
            assertEq(row.worstMlb, 0);
            assertEq(row.others, 0);
            assertTrue(row.coin > 0, "fees");
        }
    }

    /// @notice Whoever always lies wins as often as it has the committee, or the judges of a dispute, and no more; and
    /// below 30 % it loses stake on the whole.
    function testLiarsWinByChanceAloneAndLose() public {
        for (uint256 i; i < shares.length; ++i) {
            uint256 share = shares[i];
            _muster(share, true, true);
            uint256 many = _members(COMPUTE, share);
            uint256 all = Chance.exactly(COMPUTE, many, SEATS, SEATS);
            uint256 none = Chance.exactly(COMPUTE, many, SEATS, 0);
            uint256 judged = (Chance.ONE - all - none) * Chance.benchWon(VERIFIERS, many) / Chance.ONE;
            Row memory row = _sample("always lie", share, all + judged, this.lie);
            _assertChance(row);
            if (share < SAFE_BELOW) _assertMlbLost(row);
        }
    }

    /// @notice Whoever lies only where all three seats are its own loses nothing by it, earns no more than honest seats
    /// do, and has to wait for luck. Worth it only where a wrong answer is worth more than the wait.
    function testLiarsWithAWholeCommitteeWinByChanceAlone() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            uint256 all = Chance.exactly(COMPUTE, _members(COMPUTE, shares[i]), SEATS, SEATS);
            Row memory row = _sample("lie with all 3 seats", shares[i], all, this.lieIfAll);
            _assertChance(row);
            assertEq(row.worstMlb, 0);
            assertEq(row.bestMlb, 0);
        }
    }

    /// @notice The same with seven seats: what a requester pays for is a chance that falls with every seat.
    function testMoreSeatsAreHarderToHold() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            uint256 many = _members(COMPUTE, shares[i]);
            uint256 all = Chance.exactly(COMPUTE, many, MANY_SEATS, MANY_SEATS);
            Row memory row = _sample("lie with all 7 seats", shares[i], all, this.lieIfAllOfMany);
            _assertChance(row);
            assertEq(row.worstMlb, 0);
            assertLt(all, Chance.exactly(COMPUTE, many, SEATS, SEATS) + 1);
        }
    }

    /// @notice A copied commitment names another account, so it opens to nothing: never a fee, always a slash.
    function testCopiesEarnNothing() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            Row memory row = _sample("copy a commitment", shares[i], UNKNOWN, this.copy);
            _assertNeverWon(row);
            _assertNoMlbGained(row);
            _assertMlbLost(row);
            assertTrue(row.others >= 0, "whoever is copied loses nothing");
        }
    }

    /// @notice A win is a task that comes to nothing. Each try costs at least the least slash, win or not.
    function testWithheldOpeningsCostMoreThanTheyHarm() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            Row memory row = _sample("withhold openings", shares[i], UNKNOWN, this.withhold);
            _assertNoMlbGained(row);
            _assertMlbLost(row);
            assertTrue(row.others >= 0, "no other operator loses");
        }
    }

    /// @notice A win is stake taken home before the verdict. There is none, whatever the share.
    function testNobodyLeavesBeforeTheVerdict() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            Row memory row = _sample("unbond after lying", shares[i], UNKNOWN, this.unbond);
            _assertNeverWon(row);
            if (shares[i] < SAFE_BELOW) _assertMlbLost(row);
        }
    }

    /// @notice Unbonding saves nothing: with the same seed the liar loses the same stake.
    function testUnbondingSavesNothing() public {
        _muster(20, true, true);
        for (uint256 i; i < FEW_RUNS; ++i) {
            assertEq(_try(this.unbond, i).mlb, _try(this.lie, i).mlb);
        }
    }

    // ---- internal ----

    function _both(Move move) private pure returns (Strategy memory strategy) {
        (strategy.member, strategy.judge) = (move, move);
    }

    function _once(uint256 seed, uint8 seats, Strategy memory strategy) private {
        bytes32 taskId = _submit(requester, exactModel, seats, false, seed);
        _end(_playedWrong(taskId, strategy));
    }
}
