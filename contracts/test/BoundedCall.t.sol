// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BoundedCall} from "../src/libraries/BoundedCall.sol";
import {Test} from "./utils/Test.sol";

/// @title How much gas a caller must bring, and how much of it foreign code gets
contract BoundedCallTest is Test {
    uint256 private constant LIMIT = 6_300_000;
    /// @dev The limit, the 64th part that stays behind, and what the caller goes on with.
    uint256 private constant REQUIRED = LIMIT + LIMIT / 63 + 40_000;

    /// @notice Gas that is left where the call arrives.
    function left() external view returns (uint256) {
        return gasleft();
    }

    function ask() external view returns (bool ok, bytes32 first) {
        (ok, first,) = BoundedCall.read(address(this), LIMIT, abi.encodeCall(this.left, ()), 1);
    }

    function testWhoBringsTooLittleIsRefused() public view {
        // Just too little: a part of what is sent is spent on the way to the check.
        (bool ok, bytes memory answer) = address(this).staticcall{gas: REQUIRED - 1}(abi.encodeCall(this.ask, ()));
        assertFalse(ok);
        assertEq(bytes32(bytes4(answer)), bytes32(BoundedCall.TooLittleGas.selector));
    }

    function testForeignCodeGetsItsWholeLimitAndNoMore() public view {
        (bool ok, bytes memory answer) = address(this).staticcall{gas: REQUIRED + 20_000}(abi.encodeCall(this.ask, ()));
        assertTrue(ok);
        (bool answered, bytes32 gas) = abi.decode(answer, (bool, bytes32));
        assertTrue(answered);
        assertLe(uint256(gas), LIMIT);
        assertLt(LIMIT - 20_000, uint256(gas));
    }
}
