// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {ISummons} from "../src/interfaces/ISummons.sol";
import {TaskOrder} from "../src/interfaces/ChannelTypes.sol";
import {SummonsTest} from "./utils/SummonsTest.sol";

/// @title Limits of summonses by proposal: those to come change, those that are open do not
contract SummonsLimitsTest is SummonsTest {
    function _changed() private pure returns (ISummons.Limits memory limits) {
        limits = summonsLimits();
        limits.commitWindow = 60;
        limits.revealWindow = 60;
        limits.deposit = 2 * DEPOSIT_WEI;
        limits.leastFee = 2 * LEAST_FEE;
    }

    function _set(ISummons.Limits memory limits) private {
        vm.prank(governor);
        summons.setLimits(limits);
    }

    function testOnlyGovernanceSetsLimitsThatFit() public {
        ISummons.Limits memory limits = _changed();
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        vm.prank(stranger);
        summons.setLimits(limits);
        vm.expectEmit(address(summons));
        emit ISummons.LimitsChanged(limits);
        _set(limits);
        assertEq(keccak256(abi.encode(summons.limits())), keccak256(abi.encode(limits)));
        limits.commitWindow = uint32(SETTLE);
        vm.expectRevert(abi.encodeWithSelector(ISummons.BadParameter.selector, "windows"));
        _set(limits);
    }

    function testAnOpenSummonsKeepsWindowsDepositAndFee() public {
        (TaskOrder memory order, uint32[] memory seats) = summoned(0, 3);
        bytes32 id = hashOf(order);
        ISummons.Summoned memory found = summons.summonses(id);
        uint256 bond = found.deposit + (seats.length + 1) * uint256(found.fee);
        _set(_changed());
        for (uint256 i; i < seats.length; ++i) {
            commitSeat(id, seats[i], RIGHT);
        }
        assertEq(summons.summonses(id).revealUntil, vm.getBlockTimestamp() + REVEAL, "the window it was posted under");
        vm.warp(summons.summonses(id).revealUntil + 1);
        summons.close(id);
        assertEq(summons.owed(client), bond, "nobody answered, so all of it");
        assertEq(address(summons).balance, bond);
    }

    function testALaterSummonsIsUnderTheNewLimits() public {
        _set(_changed());
        (TaskOrder memory order,) = summoned(0, 3);
        ISummons.Summoned memory found = summons.summonses(hashOf(order));
        assertEq(found.commitUntil, vm.getBlockTimestamp() + 60);
        assertEq(found.revealUntil, found.commitUntil + 60);
        assertEq(found.deposit, 2 * DEPOSIT_WEI);
        assertEq(found.fee, 2 * LEAST_FEE);
    }
}
