// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Calls to code that may be hostile
/// @notice The callee may revert, burn all gas that it gets, or return a megabyte: the caller loses the gas limit at
/// most, and copies two words at most.
library BoundedCall {
    error TooLittleGas(uint256 available, uint256 required);

    /// @dev What a call itself costs, and what the caller needs for going on.
    uint256 private constant MARGIN = 40_000;

    /// @notice Read-only call that answers exactly `words` words, one or two.
    /// @dev Reverts with TooLittleGas unless the callee gets all of `gasLimit`: an EVM call passes on at most 63/64 of
    /// what is left, so somebody who gives little could make any callee fail.
    /// @return ok false: reverted, ran out of gas, no code, or answered another size
    function read(address target, uint256 gasLimit, bytes memory data, uint256 words)
        internal
        view
        returns (bool ok, bytes32 first, bytes32 second)
    {
        uint256 required = gasLimit + gasLimit / 63 + MARGIN;
        if (gasleft() < required) revert TooLittleGas(gasleft(), required);
        if (target.code.length == 0) return (false, 0, 0);
        assembly ("memory-safe") {
            // 64 bytes of scratch space take the answer; what is longer stays where it is.
            ok := staticcall(gasLimit, target, add(data, 32), mload(data), 0, 64)
            ok := and(ok, eq(returndatasize(), mul(words, 32)))
            if ok {
                first := mload(0)
                if gt(words, 1) { second := mload(32) }
            }
        }
    }
}
