// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Seat, TaskStatus} from "../src/interfaces/Types.sol";
import {BaseTest} from "./utils/BaseTest.sol";

/// @title What the steps of a task cost
/// @notice Measured on the committed bytecode in abi/, each call as a transaction of its own, in the steady state: who
/// can be paid has been paid before. Figures are what a receipt shows, intrinsic gas, calldata and refunds included;
/// snapshots/direct-lane.json keeps them by step.
/// forge-config: default.isolate = true
contract DirectLaneGasTest is BaseTest {
    uint256 private constant LARGEST_TASK = 560_000;

    uint256 private total;

    function creationCode(string memory name) internal view override returns (bytes memory) {
        return vm.parseJsonBytes(vm.readFile(string.concat("abi/", name, ".json")), ".bytecode");
    }

    function setUp() public override {
        super.setUp();
        addPool(12, 12);
        for (uint256 i; i < 12; ++i) {
            playRound(begin(exactModel, 3), RIGHT);
        }
    }

    function _spent(string memory step) private {
        uint256 used = vm.lastCallGas().gasTotalUsed;
        total += used;
        vm.snapshotValue("direct-lane", step, used);
    }

    function _play(bytes32 taskId, string memory prefix, bytes[] memory payloads) private {
        passRandomness(taskId);
        vm.prank(keeper);
        tasks.assign(taskId);
        _spent(string.concat(prefix, " draw"));
        Seat[] memory seats = committee(taskId);
        for (uint256 i; i < seats.length; ++i) {
            commitAs(seats[i].account, taskId, payloads[i % payloads.length]);
            _spent(string.concat(prefix, " commit ", vm.toString(i + 1)));
        }
        for (uint256 i; i < seats.length; ++i) {
            revealAs(seats[i].account, taskId, payloads[i % payloads.length]);
            _spent(string.concat(prefix, " reveal ", vm.toString(i + 1)));
        }
    }

    function test_TaskOfThree() public {
        bytes[] memory payloads = new bytes[](1);
        payloads[0] = RIGHT;
        bytes32 taskId = submit(exactModel, 3);
        _spent("three: 1 submit");
        _play(taskId, "three: 2", payloads);
        assertStatus(taskId, TaskStatus.Finalized);
        vm.snapshotValue("direct-lane", "three: total", total);
        assertLe(total, LARGEST_TASK, "gas of a task of three");
    }

    function test_TaskOfThreeDecidedByFiveJudges() public {
        bytes[] memory payloads = new bytes[](3);
        (payloads[0], payloads[1], payloads[2]) = (RIGHT, RIGHT, WRONG);
        bytes32 taskId = submit(exactModel, 3);
        _spent("judged: 1 submit");
        _play(taskId, "judged: 2", payloads);
        assertStatus(taskId, TaskStatus.Escalated);
        payloads = new bytes[](1);
        payloads[0] = RIGHT;
        _play(taskId, "judged: 3 judges", payloads);
        assertStatus(taskId, TaskStatus.Finalized);
        vm.snapshotValue("direct-lane", "judged: total", total);
    }

    function test_CancelAndClaim() public {
        bytes32 taskId = submit(exactModel, 3);
        vm.prank(requester);
        bridge.cancelTask(taskId);
        _spent("other: cancel");
        ledger.claim(requester);
        _spent("other: claim");
    }
}
