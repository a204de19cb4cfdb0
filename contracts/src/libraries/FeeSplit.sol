// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Outcome} from "../interfaces/ChannelTypes.sol";

/// @title How the price of an order is shared
library FeeSplit {
    uint256 internal constant BASIS = 10_000;

    /// @notice The order's price of `fee` is below the `required` of shares and model fee.
    /// @param fee wei: price of the order
    /// @param required wei that all shares need
    error FeeTooLow(uint256 fee, uint256 required);

    /// @notice Fill in the amounts of an outcome whose winners are known. Every share is rounded down, so what is paid never exceeds the fee; dust
    /// and the fees of seats that did not win stay with the requester.
    /// @param fee wei: price of the order
    /// @param modelFee wei for the model's provider
    /// @param seats of the committee
    function split(
        Outcome memory outcome,
        uint256 fee,
        uint256 modelFee,
        uint256 coordinatorShare,
        uint256 protocolShare,
        uint256 seats
    ) internal pure {
        unchecked {
            uint256 coordinatorFee = fee * coordinatorShare / BASIS;
            uint256 protocolFee = fee * protocolShare / BASIS;
            uint256 fixed_ = coordinatorFee + protocolFee + modelFee;
            if (fee < fixed_) revert FeeTooLow(fee, fixed_);
            // A seat's fee is whole wei, and the debit counts what is paid: the dust stays with the requester.
            // slither-disable-next-line divide-before-multiply
            uint256 seatFee = (fee - fixed_) / seats;
            // All are at most the fee, which has 96 bits.
            outcome.coordinatorFee = uint96(coordinatorFee);
            outcome.protocolFee = uint96(protocolFee);
            outcome.modelFee = uint96(modelFee);
            outcome.seatFee = uint96(seatFee);
            outcome.debit = uint96(fixed_ + seatFee * outcome.winners.length);
        }
    }
}
