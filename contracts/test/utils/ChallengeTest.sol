// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {BatchTest} from "./BatchTest.sol";

/// @title The money after a batch was shown to be wrong
abstract contract ChallengeTest is BatchTest {
    /// @dev A void batch pays nobody, gives every channel its money back and costs the coordinator its bond; its orders
    /// settle one by one.
    function _expectVoid(Draft memory made, bytes32 batch) internal {
        assertEq(uint256(settlement.batches(batch).status), uint256(ISettlement.Status.Void), "void");
        (uint256 bond,) = settlement.bonds(coordinator);
        assertEq(bond, 2 * BOND, "the coordinator paid");
        assertEq(settlement.withdrawable(stranger), BOND / 10, "a tenth to the challenger");
        assertEq(settlement.withdrawable(treasury), BOND - BOND / 10, "the rest to the treasury");
        for (uint256 i; i < made.debits.length; ++i) {
            settlement.restore(made.header, made.debits, i);
        }
        assertEq(settlement.batches(batch).pot, 0, "all given back");
        assertEq(channels.channels(channel).balance, DEPOSIT, "the requester lost nothing");
        vm.expectRevert(abi.encodeWithSelector(ISettlement.AlreadyRestored.selector, batch, channel));
        settlement.restore(made.header, made.debits, 0);
        vm.warp(vm.getBlockTimestamp() + CHALLENGE);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BatchVoid.selector, batch));
        settlement.claim(made.header, entry(made, made.entries.length - 1));
    }
}
