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

    /// @dev Verifiers that left stay in the pool's tree until somebody brings their weight up to date. Nobody needs
    /// their consent for that, so they cannot keep a judged task from its end.
    function test_OperatorsThatLeftCannotHoldUpATask() public {
        addPool(3, 60);
        (bytes32 taskId,) = dissent(exactModel, 2);
        assertStatus(taskId, TaskStatus.Escalated);
        for (uint256 i = 3; i < operators.length; ++i) {
            vm.prank(operators[i].cold);
            ledger.requestUnbond(Role.Verifier, 2 * VERIFIER_MIN);
        }
        for (uint256 i; i < 20 && status(taskId) == TaskStatus.Escalated; ++i) {
            passRandomness(taskId);
            poke(taskId);
            if (i != 10) continue;
            for (uint256 j = 3; j < operators.length; ++j) {
                vm.prank(stranger);
                tasks.refreshWeight(exactModel, operators[j].account);
            }
            nextEpoch();
        }
        assertStatus(taskId, TaskStatus.Refunded);
        // No judges, no verdict, nobody slashed for disagreeing.
        for (uint256 i; i < 3; ++i) {
            assertEq(bondedOf(operators[i].account), 2 * COMPUTE_MIN);
        }
    }
}
