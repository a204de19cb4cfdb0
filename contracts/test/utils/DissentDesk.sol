// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {DissentCases} from "../../src/DissentCases.sol";
import {Dissents} from "../../src/Dissents.sol";
import {Role} from "../../src/interfaces/Types.sol";
import {ChannelTest} from "./ChannelTest.sol";

/// @title The contracts that judge dissents, for lanes that have them
abstract contract DissentDesk is ChannelTest {
    uint64 private constant REVIEWER = 10;
    uint64 private constant SLASHER = 12;

    Dissents internal dissents;
    DissentCases internal judged;

    /// @dev With judges to draw, their roles, and MLB for `stranger` to open cases with.
    function openDissentDesk(uint256 judges, uint256 purse) internal {
        dissents = new Dissents(address(channels), address(tasks));
        judged = new DissentCases(
            address(token), address(channels), address(dissents), address(ledger), address(tasks), address(registry)
        );
        bytes4[] memory selectors = new bytes4[](1);
        vm.startPrank(governor);
        selectors[0] = tasks.openReview.selector;
        manager.setTargetFunctionRole(address(tasks), selectors, REVIEWER);
        manager.grantRole(REVIEWER, address(judged), 0);
        selectors[0] = ledger.punish.selector;
        manager.setTargetFunctionRole(address(ledger), selectors, SLASHER);
        manager.grantRole(SLASHER, address(judged), 0);
        vm.stopPrank();
        for (uint256 i; i < judges; ++i) {
            serve(addOperator(Role.Verifier, 2 * VERIFIER_MIN), exactModel);
        }
        vm.prank(treasury);
        token.transfer(stranger, purse);
        vm.prank(stranger);
        token.approve(address(judged), type(uint256).max);
    }
}
