// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {ChallengeTest} from "./utils/ChallengeTest.sol";

/// @title Limits of batches by proposal: those to come change, those that are posted do not
contract SettlementRulesTest is ChallengeTest {
    function _changed() private pure returns (ISettlement.Limits memory limits) {
        limits = batchLimits();
        limits.challengeWindow = 30 minutes;
        limits.answerWindow = 5 minutes;
        limits.bond = 2 * BOND;
        limits.leafPenalty = 2 * LEAF_PENALTY;
        limits.demandBond = 2 * DEMAND;
        limits.minSigners = 2;
    }

    function _set(ISettlement.Limits memory limits) private {
        vm.prank(governor);
        settlement.setLimits(limits);
    }

    function testOnlyGovernanceSetsLimitsWithinBounds() public {
        ISettlement.Limits memory limits = _changed();
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        vm.prank(stranger);
        settlement.setLimits(limits);
        vm.expectEmit(address(settlement));
        emit ISettlement.LimitsChanged(2, limits);
        _set(limits);
        assertEq(keccak256(abi.encode(settlement.limits())), keccak256(abi.encode(limits)));
        limits.demandBond = limits.bond + 1;
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BadParameter.selector, "demandBond"));
        _set(limits);
    }

    function testAPostedBatchKeepsItsLimits() public {
        Draft memory made = draft(3);
        bytes32 batch = post(made);
        uint256 finalAt = settlement.batches(batch).finalAt;
        _set(_changed());
        assertEq(keccak256(abi.encode(settlement.limitsOf(batch))), keccak256(abi.encode(batchLimits())));
        assertEq(settlement.batches(batch).finalAt, finalAt);
        // Later than the new window, within its own.
        skip(40 minutes);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.WrongBond.selector, 2 * DEMAND, DEMAND));
        settlement.demand{value: 2 * DEMAND}(made.header, false, 1);
        settlement.demand{value: DEMAND}(made.header, false, 1);
        settlement.answerTask(made.header, task(made, 1), made.evidence[1], made.outcomes[1]);
        assertEq(settlement.withdrawable(coordinator), DEMAND);
    }

    function testAVoidBatchCostsTheBondThatItWasPostedUnder() public {
        Draft memory made = draft(3);
        made.tasks[1].sequence = 0;
        post(made);
        _set(_changed());
        settlement.challengeTasks(made.header, task(made, 0), task(made, 1));
        (uint96 left,) = settlement.bonds(coordinator);
        assertEq(left, 2 * BOND, "one bond of three");
    }

    function testALaterBatchIsUnderTheNewLimits() public {
        post(draft(3));
        _set(_changed());
        Draft memory made = draft(3);
        bytes32 batch = post(made);
        assertEq(settlement.batches(batch).finalAt, vm.getBlockTimestamp() + 30 minutes);
        assertEq(settlement.batches(batch).rules, 2);
        ISettlement.Limits memory limits = _changed();
        limits.bond = 4 * BOND;
        _set(limits);
        made = draft(3);
        bytes memory signatures = seal(made);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BondTooLow.selector, 3 * BOND, 4 * BOND));
        vm.prank(coordinator);
        settlement.post(made.header, made.debits, signatures);
    }
}
