// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {DissentCrowd} from "./DissentCrowd.sol";

/// @title Silence and disagreement in the channel lane: which of its parties acts, and what always holds
contract AnswerHandler is DissentCrowd {
    uint256 private clock;
    uint256 private height;

    function setUp() public override {
        super.setUp();
        vm.deal(stranger, 10_000 ether);
        nextEpoch();
        advance();
        for (uint256 i; i < operators.length; ++i) {
            stakes[operators[i].account] = bondedOf(operators[i].account);
        }
        _keepTime();
    }

    // ---- the one entry ----

    function act(uint256 number) external {
        _setTime();
        uint256 choice = number % 100;
        uint256 dice = uint256(keccak256(abi.encode(number)));
        if (choice < 20) _summon(dice);
        else if (choice < 38) _commit(dice);
        else if (choice < 50) _open(dice);
        else if (choice < 53) _showAnswer(dice);
        else if (choice < 57) _refute(dice);
        else if (choice < 70) _closeOne(dice);
        else if (choice < 74) _withdraw(dice);
        else if (choice < 78) _dispute(dice);
        else if (choice < 81) _rule(dice);
        else if (choice < 84) _condemn(dice);
        else if (choice < 87) _conclude(dice);
        else if (choice < 90) _heal();
        else skip(1 + (dice >> 8) % (dice % 8 == 0 ? 4 days : 150));
        check();
        _keepTime();
    }

    /// @dev forge may forget the time between calls.
    function _setTime() private {
        vm.warp(clock);
        vm.roll(height);
        beacon.draw();
    }

    function _keepTime() private {
        (clock, height) = (vm.getBlockTimestamp(), vm.getBlockNumber());
    }

    // ---- what always holds ----

    function check() public view {
        _checkSummonses();
        _checkDisputes();
    }

    /// @notice The end: every summons and every case closes, everybody is paid, and nothing stays behind.
    function drain() external {
        _setTime();
        skip(30 days);
        while (called.length != 0) {
            _closeOne(0);
        }
        while (disputes.length != 0) {
            _conclude(0);
        }
        for (uint256 i; i < 3 + pool.length; ++i) {
            _withdraw(i);
        }
        check();
        assertEq(address(summons).balance, 0, "wei left over");
        assertEq(token.balanceOf(address(judged)), 0, "MLB left over");
    }
}
