// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title What a voucher pays, and how the fees of a channel are parted
/// @notice Amounts in wei, shares in basis points.
library VoucherMath {
    uint256 internal constant BASIS = 10_000;

    /// @notice What was spent since the voucher was signed counts against its total, so nobody pays twice; and no voucher
    /// reaches further than the balance.
    /// @param total that the requester promised since the channel was opened
    /// @param deposited of the channel, in all; at least `balance`
    /// @param balance that may still be spent
    function due(uint256 total, uint256 deposited, uint256 balance) internal pure returns (uint256 paid) {
        uint256 spent = deposited - balance;
        if (total > spent) paid = total - spent;
        if (paid > balance) paid = balance;
    }

    /// @notice Part what a voucher pays; the protocol's part is rounded down.
    /// @param paid by the voucher
    /// @param protocolShare of it; at most BASIS
    function part(uint256 paid, uint256 protocolShare)
        internal
        pure
        returns (uint256 coordinatorFee, uint256 protocolFee)
    {
        protocolFee = paid * protocolShare / BASIS;
        coordinatorFee = paid - protocolFee;
    }

    /// @notice Part what was set aside for both together, by the ratio of their shares; the odd wei goes to the protocol.
    /// @param kept of settled orders
    /// @param coordinatorShare of each price
    /// @param protocolShare of each price; with the other not zero
    function share(uint256 kept, uint256 coordinatorShare, uint256 protocolShare)
        internal
        pure
        returns (uint256 coordinatorFee, uint256 protocolFee)
    {
        coordinatorFee = kept * coordinatorShare / (coordinatorShare + protocolShare);
        protocolFee = kept - coordinatorFee;
    }
}
