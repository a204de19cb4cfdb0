// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {TaskStatus} from "../../src/interfaces/Types.sol";
import {Chance} from "./Chance.sol";
import {Player} from "./Player.sol";

/// @title Coalitions of judges: lazy ones, and ones that live on the reserve
contract CoalitionJudgesTest is Player {
    uint8 private constant SEATS = 3;
    uint256 private constant BENCH = 5;
    uint256 private constant BENCH_NEED = 4;

    // ---- episodes ----

    /// @dev The measure for lazy judges: honest ones in the same disputes.
    function honestJudges(uint256 seed) external {
        _end(_playedWrong(_submit(requester, exactModel, SEATS, false, seed), _lazy(Move.Honest, 2)));
    }

    function follow(uint256 seed) external {
        _end(_playedWrong(_submit(requester, exactModel, SEATS, false, seed), _lazy(Move.Follow, 2)));
    }

    /// @dev A win is a wrong candidate that is paid.
    function accept(uint256 seed) external {
        bytes32 taskId = _submit(requester, numericModel, SEATS, false, seed);
        draw(taskId);
        address liar = operatorOf(committee(taskId)[0].account);
        _play(taskId, _lazy(Move.Accept, 1));
        _end(ledger.claimable(liar) != 0);
    }

    /// @dev A win is a task that comes to nothing.
    function grey(uint256 seed) external {
        bytes32 taskId = _submit(requester, numericModel, SEATS, false, seed);
        _play(taskId, _lazy(Move.Grey, 1));
        _end(status(taskId) == TaskStatus.Refunded);
    }

    /// @dev A win is a dispute of its own making that its judges were paid for and that punished nobody.
    function drain(uint256 seed) external {
        Strategy memory strategy;
        (strategy.member, strategy.judge) = (Move.LieOne, Move.Block);
        bytes32 taskId = _submit(raider, exactModel, SEATS, false, seed);
        _play(taskId, strategy);
        _end(status(taskId) == TaskStatus.Refunded);
    }

    /// @dev A win is a liar of its own that judges looked at and did not punish.
    function shield(uint256 seed) external {
        Strategy memory strategy;
        (strategy.member, strategy.judge) = (Move.LieOne, Move.Shield);
        bytes32 taskId = _submit(raider, numericModel, SEATS, false, seed);
        draw(taskId);
        bool disputed = _ownOf(committee(taskId), SEATS) != 0;
        int256 before = _holdings().mlb;
        _play(taskId, strategy);
        _end(disputed && _holdings().mlb >= before);
    }

    // ---- what must hold ----

    /// @notice Judges who run the task never let a wrong plurality through.
    function testHonestJudgesNeverFollowAWrongPlurality() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], false, true);
            Row memory row = _sample("honest judges of a wrong plurality", shares[i], UNKNOWN, this.honestJudges);
            _assertNeverWon(row);
            assertTrue(row.worstMlb >= 0);
        }
    }

    /// @notice Followers carry a wrong plurality as often as they hold the bench, which below 30 % is rare. They are
    /// paid like others: the fee is for opening, so only a dispute planted to catch them could make them lose.
    function testFollowersWinByChanceAlone() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], false, true);
            uint256 chance = Chance.benchWon(VERIFIERS, _members(VERIFIERS, shares[i]));
            _assertChance(_sample("judges follow the plurality", shares[i], chance, this.follow));
        }
    }

    /// @notice Nothing wrong is paid unless four of five judges accept whatever there is.
    function testAcceptingEverythingWinsByChanceAlone() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], false, true);
            uint256 chance = Chance.atLeast(VERIFIERS, _members(VERIFIERS, shares[i]), BENCH, BENCH_NEED);
            _assertChance(_sample("judges accept everything", shares[i], chance, this.accept));
        }
    }

    /// @notice Abstaining stops a verdict as often as it blocks both benches, and condemns nobody.
    function testGreyCondemnsNobody() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], false, true);
            uint256 chance = Chance.benchBlocked(VERIFIERS, _members(VERIFIERS, shares[i]));
            _assertChance(_sample("judges abstain on everything", shares[i], chance, this.grey));
        }
    }

    /// @notice Disputes made to be paid for judging them cost more than they pay: a lost one takes a tenth of an
    /// account or more, and gives the reserve ten first benches. What is earned is at most the benches' fees.
    function testDrainingTheReserveLoses() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            uint256 many = _members(COMPUTE, shares[i]);
            uint256 seated = Chance.ONE - Chance.exactly(COMPUTE, many, SEATS, 0);
            uint256 chance = seated * Chance.benchBlocked(VERIFIERS, many) / Chance.ONE;
            Row memory row = _sample("drain the reserve", shares[i], chance, this.drain);
            _assertChance(row);
            if (shares[i] < SAFE_BELOW) {
                _assertMlbLost(row);
                assertTrue(row.reserve > 0, "the reserve grows");
            }
            assertTrue(row.bestMlb <= int256(14 * JUDGE_FEE), "two benches at most");
        }
    }

    /// @notice Two judges of five can keep a liar from punishment, and nothing else: the liar is not paid.
    function testShieldingALiarLoses() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            uint256 many = _members(COMPUTE, shares[i]);
            uint256 seated = Chance.ONE - Chance.exactly(COMPUTE, many, SEATS, 0);
            uint256 chance = seated * Chance.atLeast(VERIFIERS, many, BENCH, 2) / Chance.ONE;
            Row memory row = _sample("judges shield a liar", shares[i], chance, this.shield);
            _assertChance(row);
            if (shares[i] < SAFE_BELOW) _assertMlbLost(row);
            assertTrue(row.bestMlb <= int256(BENCH * JUDGE_FEE), "one bench at most");
        }
    }

    // ---- internal ----

    /// @param planted wrong seats of the first committee, which are not the coalition's
    function _lazy(Move judge, uint8 planted) private pure returns (Strategy memory strategy) {
        (strategy.judge, strategy.planted) = (judge, planted);
    }
}
