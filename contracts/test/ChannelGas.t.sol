// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Evidence, TaskOrder} from "../src/interfaces/ChannelTypes.sol";
import {ChannelTest} from "./utils/ChannelTest.sol";

/// @title What it costs to settle one order of a channel
/// @notice Measured on the committed bytecode in abi/ as a transaction of its own, in the steady state: everybody was
/// paid before, and the word of the sequence bitmap is in use. The figure is what the receipt shows and includes all
/// that the protocol needs: the order's signature, three attestations with their opened commitments, the binding of
/// their keys, epoch, seed, weights and price, the debit, the seats' and the model provider's credits, the shares of
/// coordinator and protocol, and three reputations.
/// forge-config: default.isolate = true
contract ChannelGasTest is ChannelTest {
    uint256 private constant LARGEST = 140_000;

    function creationCode(string memory name) internal view override returns (bytes memory) {
        return vm.parseJsonBytes(vm.readFile(string.concat("abi/", name, ".json")), ".bytecode");
    }

    function setUp() public override {
        super.setUp();
        for (uint32 i; i < 12; ++i) {
            channels.settle(proven(orderOf(i, 3), 0));
        }
    }

    function _spent(string memory step) private returns (uint256 used) {
        used = vm.lastCallGas().gasTotalUsed;
        vm.snapshotValue("channel-lane", step, used);
    }

    function test_SettleOneOrderOfThree() public {
        Evidence memory evidence = proven(orderOf(12, 3), 0);
        channels.settle(evidence);
        assertLe(_spent("settle one order: 3 of 3 seats"), LARGEST, "settle");
    }

    function test_SettleOneOrderOfFive() public {
        TaskOrder memory order = orderOf(12, 5);
        Evidence memory evidence = proven(order, 0);
        channels.settle(evidence);
        _spent("settle one order: 5 of 5 seats");
    }

    function test_ChannelSteps() public {
        vm.prank(client);
        channels.open{value: 1 ether}(coordinator, COORDINATOR_SHARE, "again");
        _spent("open");
        channels.collect(terms);
        _spent("collect");
        vm.prank(client);
        channels.startClose(terms);
        _spent("start to close");
        skip(CLOSING);
        channels.finishClose(terms);
        _spent("finish to close");
        snapshots.recordWeight(exactModel, pool[0]);
        _spent("record a weight");
    }
}
