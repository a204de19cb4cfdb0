// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {VM, Vm} from "./Vm.sol";

/// @title Assertions and small helpers for tests
/// @dev A failing assertion reverts, so a test stops at its first broken claim and names both values.
abstract contract Test {
    /// @dev forge takes a contract with this marker for a test.
    bool public constant IS_TEST = true;

    Vm internal constant vm = VM;

    error AssertionFailed(string what);
    error NotEqual(string what, uint256 actual, uint256 expected);
    error NotEqualInt(string what, int256 actual, int256 expected);
    error NotEqualAddress(string what, address actual, address expected);
    error NotEqualBytes32(string what, bytes32 actual, bytes32 expected);
    error NotEqualBytes(string what, bytes actual, bytes expected);
    error NotEqualString(string what, string actual, string expected);
    error NotOrdered(string what, uint256 left, uint256 right);
    error TooFar(string what, uint256 actual, uint256 expected, uint256 tolerance);

    // ---- assertions ----
    function assertTrue(bool ok) internal pure {
        assertTrue(ok, "expected true");
    }

    function assertTrue(bool ok, string memory what) internal pure {
        if (!ok) revert AssertionFailed(what);
    }

    function assertFalse(bool ok) internal pure {
        assertTrue(!ok, "expected false");
    }

    function assertFalse(bool ok, string memory what) internal pure {
        assertTrue(!ok, what);
    }

    function assertEq(bool actual, bool expected) internal pure {
        assertTrue(actual == expected, actual ? "got true" : "got false");
    }

    function assertEq(uint256 actual, uint256 expected) internal pure {
        assertEq(actual, expected, "");
    }

    function assertEq(uint256 actual, uint256 expected, string memory what) internal pure {
        if (actual != expected) revert NotEqual(what, actual, expected);
    }

    function assertEq(int256 actual, int256 expected) internal pure {
        if (actual != expected) revert NotEqualInt("", actual, expected);
    }

    function assertEq(address actual, address expected) internal pure {
        assertEq(actual, expected, "");
    }

    function assertEq(address actual, address expected, string memory what) internal pure {
        if (actual != expected) revert NotEqualAddress(what, actual, expected);
    }

    function assertEq(bytes32 actual, bytes32 expected) internal pure {
        assertEq(actual, expected, "");
    }

    function assertEq(bytes32 actual, bytes32 expected, string memory what) internal pure {
        if (actual != expected) revert NotEqualBytes32(what, actual, expected);
    }

    function assertEq(bytes memory actual, bytes memory expected) internal pure {
        if (keccak256(actual) != keccak256(expected)) revert NotEqualBytes("", actual, expected);
    }

    function assertEq(string memory actual, string memory expected) internal pure {
        if (keccak256(bytes(actual)) != keccak256(bytes(expected))) revert NotEqualString("", actual, expected);
    }

    function assertNotEq(uint256 left, uint256 right) internal pure {
        if (left == right) revert NotOrdered("equal", left, right);
    }

    function assertNotEq(bytes32 left, bytes32 right) internal pure {
        if (left == right) revert NotEqualBytes32("equal", left, right);
    }

    function assertLt(uint256 left, uint256 right) internal pure {
        assertLt(left, right, "expected <");
    }

    function assertLt(uint256 left, uint256 right, string memory what) internal pure {
        if (left >= right) revert NotOrdered(what, left, right);
    }

    function assertLe(uint256 left, uint256 right) internal pure {
        assertLe(left, right, "expected <=");
    }

    function assertLe(uint256 left, uint256 right, string memory what) internal pure {
        if (left > right) revert NotOrdered(what, left, right);
    }

    function assertGt(uint256 left, uint256 right) internal pure {
        assertLt(right, left, "expected >");
    }

    function assertGt(uint256 left, uint256 right, string memory what) internal pure {
        assertLt(right, left, what);
    }

    function assertGe(uint256 left, uint256 right) internal pure {
        assertLe(right, left, "expected >=");
    }

    function assertGe(uint256 left, uint256 right, string memory what) internal pure {
        assertLe(right, left, what);
    }

    function assertApproxEqAbs(uint256 actual, uint256 expected, uint256 tolerance) internal pure {
        uint256 distance = actual > expected ? actual - expected : expected - actual;
        if (distance > tolerance) revert TooFar("", actual, expected, tolerance);
    }

    function fail(string memory what) internal pure {
        revert AssertionFailed(what);
    }

    // ---- helpers ----
    /// @dev Fold a fuzzed value into [low, high]; small inputs stay themselves where they fit.
    function bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        if (low > high) revert NotOrdered("bound", low, high);
        if (value >= low && value <= high) return value;
        uint256 size = high - low;
        return size == type(uint256).max ? value : low + value % (size + 1);
    }

    function makeAddrAndKey(string memory name) internal returns (address account, uint256 privateKey) {
        privateKey = uint256(keccak256(bytes(name)));
        account = vm.addr(privateKey);
        vm.label(account, name);
    }

    function makeAddr(string memory name) internal returns (address account) {
        (account,) = makeAddrAndKey(name);
    }

    /// @dev Move time on; blocks too, by 12 seconds each.
    function skip(uint256 time) internal {
        vm.warp(vm.getBlockTimestamp() + time);
        vm.roll(vm.getBlockNumber() + (time + 11) / 12);
    }

    /// @dev Expect a revert of this error with any arguments.
    function expectError(bytes4 selector) internal {
        vm.expectPartialRevert(selector);
    }
}

/// @title What forge asks a test contract about its invariant targets
abstract contract InvariantTargets {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    address[] private contracts_;
    FuzzSelector[] private selectors_;

    function targetContract(address target) internal {
        contracts_.push(target);
    }

    function targetSelector(address target, bytes4[] memory selectors) internal {
        selectors_.push(FuzzSelector(target, selectors));
    }

    function targetContracts() external view returns (address[] memory) {
        return contracts_;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory) {
        return selectors_;
    }
}
