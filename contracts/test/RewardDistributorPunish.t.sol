// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {IRewardDistributor} from "../src/interfaces/IRewardDistributor.sol";
import {Fault, Role} from "../src/interfaces/Types.sol";
import {BaseTest} from "./utils/BaseTest.sol";

/// @title Punishments by contracts that hold a role
contract RewardDistributorPunishTest is BaseTest {
    uint64 private constant SLASHER = 12;
    bytes32 private constant FOR = "an order";

    address private slasher = makeAddr("slasher");
    uint32 private account;

    function setUp() public override {
        super.setUp();
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = ledger.punish.selector;
        vm.startPrank(governor);
        manager.setTargetFunctionRole(address(ledger), selectors, SLASHER);
        manager.grantRole(SLASHER, slasher, 0);
        vm.stopPrank();
        account = addOperator(Role.Compute, 100_000e18).account;
    }

    function test_OnlyTheRoleMay() public {
        address[4] memory others = [stranger, address(tasks), address(verifier), governor];
        for (uint256 i; i < others.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, others[i]));
            vm.prank(others[i]);
            ledger.punish(account, FOR, 1, Fault.Absent, 0);
        }
        assertEq(bondedOf(account), 100_000e18);
    }

    function test_ContradictionHasOtherDoors() public {
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.BadParameter.selector, "fault"));
        vm.prank(slasher);
        ledger.punish(account, FOR, 1, Fault.Malicious, 10_000);
    }

    function test_AbsencesCountInOneRowWithThoseOfTasks() public {
        vm.prank(address(tasks));
        ledger.slash(account, "task", 1, Fault.Absent, 0, address(0));
        skip(JAIL / 24);
        vm.prank(slasher);
        assertEq(ledger.punish(account, FOR, 1, Fault.Absent, 0), 9_500e18, "the second: a tenth of 95,000");
        assertEq(ledger.accounts(account).absences, 2);
        vm.prank(slasher);
        assertEq(ledger.punish(account, FOR, 1, Fault.Absent, 0), 0, "one burst is one absence");
        skip(JAIL / 24);
        vm.prank(slasher);
        assertEq(ledger.punish(account, FOR, 1, Fault.Absent, 0), 12_825e18, "the third: 15 % of 85,500");
        assertGt(ledger.accounts(account).jailedUntil, 0);
    }

    function testFuzz_WrongResultsStayInTheirBandAndNobodyIsPaid(uint256 confidence, bool unopened) public {
        confidence = bound(confidence, 0, 10_000);
        uint256 reserve = ledger.disputeReserve(1);
        uint256 supply = token.totalSupply();
        vm.prank(slasher);
        uint256 taken = ledger.punish(account, FOR, 1, unopened ? Fault.Unopened : Fault.Incorrect, confidence);
        assertGe(taken, 10_000e18);
        assertLe(taken, 50_000e18);
        assertEq(bondedOf(account), 100_000e18 - taken);
        assertEq(ledger.disputeReserve(1), reserve + taken / 2);
        assertEq(token.totalSupply(), supply - (taken - taken / 2));
        assertEq(ledger.claimableTokens(slasher), 0);
    }

    function test_UnknownAccountsCannotBePunished() public {
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.UnknownAccount.selector, 998));
        vm.prank(slasher);
        ledger.punish(998, FOR, 1, Fault.Incorrect, 0);
    }
}
