// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ITaskManager} from "../../src/interfaces/ITaskManager.sol";
import {Seat, TaskStatus} from "../../src/interfaces/Types.sol";
import {Player} from "./Player.sol";

/// @title Coalitions that are silent, and ones that make others silent
contract CoalitionSilenceTest is Player {
    uint8 private constant SEATS = 3;
    /// @dev What absence takes once, of an account of the pool.
    uint256 private constant ABSENCE = 2 * COMPUTE_MIN * 500 / 10_000;
    /// @dev Seats that a model takes for each account in these bursts, and seats that an honest operator can serve in
    /// one window. A public chain takes more, and the more it takes the less a draw strays from the average.
    uint16 private constant OPEN_SEATS = 2;
    uint256 private constant CAPACITY = 2 * OPEN_SEATS;

    /// @dev Seats that an account served in this window.
    mapping(uint32 account => uint256) private served;

    // ---- episodes ----

    /// @dev A win is a task that comes to nothing.
    function silent(uint256 seed) external {
        _refunded(_submit(requester, exactModel, SEATS, false, seed), _always(Move.Silent));
    }

    function silentOnPointer(uint256 seed) external {
        _refunded(_submit(requester, exactModel, SEATS, true, seed), _always(Move.Silent));
    }

    /// @dev A win is another operator's stake.
    function unfetchable(uint256 seed) external {
        Strategy memory strategy = _always(Move.Silent);
        strategy.starvesMembers = true;
        int256 before = _holdings().others;
        _play(_submit(raider, exactModel, SEATS, true, seed), strategy);
        _end(_holdings().others < before);
    }

    /// @dev As many tasks at once as the model takes. A win is another operator's stake.
    function burst(uint256 seed) external {
        bytes32[] memory taskIds = new bytes32[](COMPUTE * OPEN_SEATS / SEATS);
        for (uint256 i; i < taskIds.length; ++i) {
            taskIds[i] = _submit(raider, exactModel, SEATS, false, seed ^ i);
        }
        vm.deal(stranger, 1 ether);
        uint256 payment = tasks.quote(exactModel, SEATS);
        vm.prank(stranger);
        (bool taken,) = address(bridge).call{value: payment}(
            abi.encodeCall(bridge.submitTaskWith, (exactModel, INPUT, vm.getBlockTimestamp() + 600, SEATS, 0))
        );
        assertFalse(taken, "the model takes no more");
        for (uint256 i; i < taskIds.length; ++i) {
            draw(taskIds[i]);
        }
        for (uint256 i; i < taskIds.length; ++i) {
            _serveWhatFits(taskIds[i]);
        }
        // Committees that are complete go on at once; the others wait for their windows to close, all together.
        int256 before = _holdings().others;
        Strategy memory honest;
        for (uint256 i; i < taskIds.length; ++i) {
            if (status(taskIds[i]) == TaskStatus.Revealing) _play(taskIds[i], honest);
        }
        for (uint256 i; i < taskIds.length; ++i) {
            if (_over(taskIds[i])) continue;
            passPhase(taskIds[i]);
            poke(taskIds[i]);
        }
        for (uint256 i; i < COMPUTE; ++i) {
            assertGe(bondedOf(operators[i].account) + ABSENCE, 2 * COMPUTE_MIN, "one absence a burst");
        }
        for (uint256 i; i < taskIds.length; ++i) {
            _play(taskIds[i], honest);
        }
        _end(_holdings().others < before);
    }

    // ---- what must hold ----

    /// @notice Silence in the face of an input that everybody has costs stake each time, and seats nobody more.
    function testSilenceCostsStake() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            Row memory row = _sample("silent seats, inline input", shares[i], UNKNOWN, this.silent);
            _assertNoMlbGained(row);
            _assertMlbLost(row);
            assertTrue(row.others == 0, "nobody else pays");
            if (shares[i] < SAFE_BELOW) assertLe(row.wins * 5, row.runs, "a redraw finds somebody");
        }
    }

    /// @notice Silence that half of the seats share proves nothing where the input is off chain. It earns nothing either,
    /// and the requester keeps its payment.
    function testForgivenSilenceEarnsNothing() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            Row memory row = _sample("silent seats, input off chain", shares[i], UNKNOWN, this.silentOnPointer);
            _assertNoMlbGained(row);
            assertTrue(row.others == 0, "nobody else pays");
            assertTrue(row.bestCoin <= 0, "nor is it paid");
        }
    }

    /// @notice An input that nobody can get costs nobody's stake.
    function testUnfetchableInputsCostNobody() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            Row memory row = _sample("input that nobody can get", shares[i], UNKNOWN, this.unfetchable);
            _assertNeverWon(row);
            assertEq(row.others, 0);
            assertEq(row.mlb, 0);
        }
    }

    /// @notice A burst may catch whoever is drawn far more often than others, once, and pays the rest. It earns nothing.
    function testBurstsEarnNothing() public {
        ITaskManager.Parameters memory p = parameters();
        p.openSeats = OPEN_SEATS;
        vm.prank(governor);
        tasks.setParameters(p);
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            Row memory row = _sample("burst of tasks", shares[i], UNKNOWN, this.burst);
            _assertNoMlbGained(row);
            _assertCoinLost(row);
        }
    }

    // ---- internal ----

    function _serveWhatFits(bytes32 taskId) private {
        Seat[] memory seats = committee(taskId);
        for (uint256 i; i < seats.length; ++i) {
            uint32 account = seats[i].account;
            if (!own[account] && ++served[account] > CAPACITY) continue;
            _remember(taskId, 0, account, RIGHT);
            commitAs(account, taskId, RIGHT);
        }
    }

    function _always(Move move) private pure returns (Strategy memory strategy) {
        (strategy.member, strategy.judge) = (move, move);
    }

    function _refunded(bytes32 taskId, Strategy memory strategy) private {
        _play(taskId, strategy);
        _end(status(taskId) == TaskStatus.Refunded);
    }
}
