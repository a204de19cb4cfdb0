// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Outcome} from "../../src/interfaces/ChannelTypes.sol";
import {FeeSplit} from "../../src/libraries/FeeSplit.sol";
import {VM as vm} from "../utils/Vm.sol";

/// @title An order's price is shared without a wei more or less
/// @dev Prices of 96 bits, as orders have them; shares of coordinator and protocol up to one half together, as
/// PaymentChannels allows; committees of three and of seven, of which nobody, some or all won.
contract FeeSplitCheck {
    function check_ThreeSeatsNoWinner(uint96 fee, uint96 modelFee, uint16 ours, uint16 protocol) external pure {
        _conserves(fee, modelFee, ours, protocol, 3, 0);
    }

    function check_ThreeSeatsAllWin(uint96 fee, uint96 modelFee, uint16 ours, uint16 protocol) external pure {
        _conserves(fee, modelFee, ours, protocol, 3, 3);
    }

    function check_SevenSeatsFiveWin(uint96 fee, uint96 modelFee, uint16 ours, uint16 protocol) external pure {
        _conserves(fee, modelFee, ours, protocol, 7, 5);
    }

    function check_SevenSeatsAllWin(uint96 fee, uint96 modelFee, uint16 ours, uint16 protocol) external pure {
        _conserves(fee, modelFee, ours, protocol, 7, 7);
    }

    function _conserves(uint256 fee, uint256 modelFee, uint256 ours, uint256 protocol, uint256 seats, uint256 winners)
        private
        pure
    {
        vm.assume(ours + protocol <= 5_000);
        vm.assume(ours * fee / 10_000 + protocol * fee / 10_000 + modelFee <= fee);
        Outcome memory outcome;
        outcome.winners = new uint32[](winners);
        FeeSplit.split(outcome, fee, modelFee, ours, protocol, seats);
        uint256 paid = uint256(outcome.coordinatorFee) + outcome.protocolFee + outcome.modelFee;
        assert(outcome.debit <= fee);
        assert(outcome.modelFee == modelFee);
        assert(outcome.debit == paid + uint256(outcome.seatFee) * winners);
    }
}
