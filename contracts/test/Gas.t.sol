// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Seat, TaskStatus} from "../src/interfaces/Types.sol";
import {BaseTest} from "./utils/BaseTest.sol";

/// @title Bounds on what a whole task may cost
/// @notice Measured on the committed bytecode in abi/, each call as a transaction of its own; figures are what a receipt
/// shows. Steady state: who can be paid has been paid before, and desks have been sat at.
/// forge-config: default.isolate = true
contract GasTest is BaseTest {
    uint256 private constant LARGEST_TASK = 560_000;

    uint256 private total;
    string[] private steps;
    uint256[] private spent;

    event Spent(string step, uint256 gas);

    function creationCode(string memory name) internal view override returns (bytes memory) {
        return vm.parseJsonBytes(vm.readFile(string.concat("abi/", name, ".json")), ".bytecode");
    }

    function setUp() public override {
        super.setUp();
        addPool(6, 0);
        for (uint256 i; i < 16; ++i) {
            playRound(begin(exactModel, 3), RIGHT);
        }
    }

    function _note(string memory step) private {
        uint256 used = vm.lastCallGas().gasTotalUsed;
        steps.push(step);
        spent.push(used);
        total += used;
    }

    function _print() private {
        for (uint256 i; i < steps.length; ++i) {
            emit Spent(steps[i], spent[i]);
        }
        emit Spent("total", total);
    }

    function testTaskOfThreeWithinBound() public {
        bytes32 taskId = submit(exactModel, 3);
        _note("submit");
        passRandomness(taskId);
        vm.prank(keeper);
        tasks.assign(taskId);
        _note("assign");
        Seat[] memory seats = committee(taskId);
        for (uint256 i; i < 3; ++i) {
            commitAs(seats[i].account, taskId, RIGHT);
            _note("commit");
        }
        for (uint256 i; i < 3; ++i) {
            revealAs(seats[i].account, taskId, RIGHT);
            _note("reveal");
        }
        assertStatus(taskId, TaskStatus.Finalized);
        _print();
        assertLe(total, LARGEST_TASK, "gas of a task of three");
    }
}
