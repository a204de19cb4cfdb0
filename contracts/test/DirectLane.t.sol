// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Role, TaskStatus} from "../src/interfaces/Types.sol";
import {BaseTest} from "./utils/BaseTest.sol";

/// @title One task from submission to payment
contract DirectLaneTest is BaseTest {
    function test_ATaskIsSubmittedDrawnCommittedRevealedAndPaid() public {
        addPool(5, 0);
        uint256 payment = tasks.quote(exactModel, 3);
        bytes32 taskId = begin(exactModel, 3);
        assertEq(address(bridge).balance, payment);
        playRound(taskId, RIGHT);
        assertStatus(taskId, TaskStatus.Finalized);

        uint256 credited =
            ledger.claimable(provider) + ledger.claimable(requester) + ledger.claimable(keeper) + ledger.protocolFees();
        for (uint256 i; i < operators.length; ++i) {
            credited += ledger.claimable(operators[i].cold);
        }
        assertEq(credited, payment, "every wei is owed to somebody");
        ledger.claim(provider);
        assertEq(provider.balance, MODEL_PRICE);
    }
}
