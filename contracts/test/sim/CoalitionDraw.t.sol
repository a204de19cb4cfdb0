// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Role, TaskStatus} from "../../src/interfaces/Types.sol";
import {Chance} from "./Chance.sol";
import {Player} from "./Player.sol";

/// @title Coalitions that want to choose who is drawn
/// @notice The coalition is the requester. Somebody draws in the epoch in which the randomness is known, or in the next.
contract CoalitionDrawTest is Player {
    /// @dev What may be tried once the randomness is known and nobody has drawn yet.
    enum Trick {
        None,
        Leave, // all its operators stop serving
        Unbond, // all its operators give up their stake
        Join, // more operators come
        Return, // leave, and come back in the next epoch
        Grow // more stake
    }

    /// @dev What a look ahead saw.
    error Seen(uint256 ownSeats);

    uint8 private constant SEATS = 3;
    uint256 private constant SALTS = 4;
    uint256 private constant NEWCOMERS = 5;
    uint256 private constant UNDONE = SEATS + 1;

    // ---- episodes ----

    /// @dev Many tasks at once, each with a draw of its own; it lies in those whose committee it holds.
    function grind(uint256 seed) external {
        bytes32[] memory taskIds = new bytes32[](SALTS);
        for (uint256 i; i < SALTS; ++i) {
            taskIds[i] = _submit(raider, exactModel, SEATS, false, seed ^ i);
        }
        Strategy memory strategy;
        (strategy.member, strategy.judge) = (Move.LieIfAll, Move.LieIfAll);
        bool won;
        for (uint256 i; i < SALTS; ++i) {
            passRandomness(taskIds[i]);
            vm.prank(raider);
            (bool cancelled,) = address(bridge).call(abi.encodeCall(bridge.cancelTask, (taskIds[i])));
            assertFalse(cancelled, "known randomness cannot be taken back");
            if (_playedWrong(taskIds[i], strategy)) won = true;
        }
        _end(won);
    }

    /// @dev A win is a trick that seats more of the coalition than doing nothing, or that has the draw done again.
    function flip(uint256 seed) external {
        bytes32 taskId = _submit(raider, exactModel, SEATS, false, seed);
        passRandomness(taskId);
        uint256 base = _look(taskId, Trick.None);
        bool won;
        for (uint256 trick = 1; trick <= uint256(type(Trick).max); ++trick) {
            uint256 seats = _look(taskId, Trick(trick));
            assertTrue(seats <= base || seats == UNDONE, "a trick seated one more");
            if (seats > base) won = true;
        }
        _end(won);
    }

    /// @dev Draw after a trick, say what came of it, and leave no trace.
    function look(bytes32 taskId, Trick trick) external {
        if (trick == Trick.Join) {
            for (uint256 i; i < NEWCOMERS; ++i) {
                Operator memory operator = addOperator(Role.Compute, 100 * COMPUTE_MIN);
                own[operator.account] = true;
                serve(operator, exactModel);
            }
        } else if (trick != Trick.None) {
            _trickAll(trick);
            if (trick == Trick.Return) {
                nextEpoch();
                _serveAll();
            }
        }
        draw(taskId);
        // Armed again: another draw, which is worth more than any committee that can be seen.
        if (status(taskId) == TaskStatus.Submitted) revert Seen(UNDONE);
        revert Seen(_ownOf(committee(taskId), SEATS));
    }

    // ---- what must hold ----

    /// @notice Salts buy tries, one at a time: a task whose randomness is known cannot be taken back, so each try is
    /// paid for, and the chance is that of as many honest tasks.
    function testGrindingBuysNothingButTries() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            uint256 all = Chance.exactly(COMPUTE, _members(COMPUTE, shares[i]), SEATS, SEATS);
            Row memory row = _sample("grind 4 salts", shares[i], Chance.once(all, SALTS), this.grind);
            _assertChance(row);
            _assertCoinLost(row);
            assertEq(row.bestMlb, 0);
        }
    }

    /// @notice Pools stand as they did when the randomness was armed, so nothing done afterwards seats one more. Only a
    /// coalition of eight or more drawn one after the other, who all gave up their stake, has the draw done again.
    function testChangingPoolsSeatsNobodyMore() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            Row memory row = _sample("change pools before the draw", shares[i], UNKNOWN, this.flip);
            if (shares[i] <= SAFE_BELOW) _assertNeverWon(row);
        }
    }

    // ---- internal ----

    function _look(bytes32 taskId, Trick trick) private returns (uint256 ownSeats) {
        (uint256 time, uint256 number) = (vm.getBlockTimestamp(), vm.getBlockNumber());
        (bool ok, bytes memory data) = address(this).call(abi.encodeCall(this.look, (taskId, trick)));
        assertFalse(ok, "a look leaves no trace");
        assertTrue(bytes4(data) == Seen.selector, "seen");
        vm.warp(time);
        vm.roll(number);
        assembly ("memory-safe") {
            ownSeats := mload(add(data, 36))
        }
    }

    function _trickAll(Trick trick) private {
        for (uint256 i; i < COMPUTE; ++i) {
            if (own[operators[i].account]) _trick(operators[i], trick);
        }
    }

    function _serveAll() private {
        for (uint256 i; i < COMPUTE; ++i) {
            if (own[operators[i].account]) serve(operators[i], exactModel);
        }
    }

    function _trick(Operator memory operator, Trick trick) private {
        if (trick == Trick.Unbond) {
            _unbondAll(operator.account);
        } else if (trick == Trick.Grow) {
            stakeAs(operator.cold, Role.Compute, 10 * COMPUTE_MIN);
            tasks.refreshWeight(exactModel, operator.account);
        } else {
            vm.prank(operator.cold);
            tasks.stopServing(exactModel, operator.account);
        }
    }
}
