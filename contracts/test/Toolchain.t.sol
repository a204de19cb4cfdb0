// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "./utils/Test.sol";

/// @title The helpers the other tests stand on
contract ToolchainTest is Test {
    function testFuzz_BoundStaysInside(uint256 value, uint256 low, uint256 high) public pure {
        if (low > high) (low, high) = (high, low);
        uint256 folded = bound(value, low, high);
        assertGe(folded, low);
        assertLe(folded, high);
    }

    function test_SkipMovesTimeAndBlocks() public {
        (uint256 time, uint256 number) = (vm.getBlockTimestamp(), vm.getBlockNumber());
        skip(24);
        assertEq(vm.getBlockTimestamp(), time + 24);
        assertEq(vm.getBlockNumber(), number + 2);
    }

    function test_FailingAssertionReverts() public {
        vm.expectRevert(abi.encodeWithSelector(NotEqual.selector, "sum", 1, 2));
        this.unequal();
    }

    function unequal() external pure {
        assertEq(1, 2, "sum");
    }
}
