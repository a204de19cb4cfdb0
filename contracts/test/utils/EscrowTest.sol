// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SlashEscrow} from "../../src/SlashEscrow.sol";
import {ISlashEscrow, SlashCase} from "../../src/interfaces/ISlashEscrow.sol";
import {Fault} from "../../src/interfaces/Types.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {Vm} from "./Vm.sol";

/// @title The ledger and its slash escrow: the test plays task manager, verifier and appeals
abstract contract EscrowTest is LedgerTest {
    uint16 internal constant THRESHOLD = 1_000;
    uint32 internal constant WINDOW = 3 days;
    uint256 internal constant STAKE = 100_000e18;

    SlashEscrow internal escrow;
    address internal appeals = makeAddr("appeals");

    function setUp() public virtual override {
        super.setUp();
        escrow = new SlashEscrow(address(manager), address(ledger), appeals, THRESHOLD, WINDOW);
        vm.prank(governor);
        ledger.setSlashEscrow(address(escrow));
    }

    /// @dev Slash, and read the case from the event as a client would.
    function heldSlash(uint32 id, Fault fault, uint256 confidence) internal returns (SlashCase memory) {
        vm.recordLogs();
        slash(id, fault, confidence);
        return heldCase();
    }

    function heldContradiction(uint32 id, address reporter) internal returns (SlashCase memory) {
        vm.recordLogs();
        vm.prank(verifier);
        ledger.slash(id, TASK, MODEL, Fault.Malicious, 0, reporter);
        return heldCase();
    }

    function heldCase() internal returns (SlashCase memory found) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != ISlashEscrow.SlashHeld.selector) continue;
            (found,) = abi.decode(logs[i].data, (SlashCase, uint256));
            return found;
        }
        fail("no slash was held");
    }

    function caseStatus(SlashCase memory found) internal view returns (ISlashEscrow.CaseStatus status) {
        (status,) = escrow.caseState(escrow.caseIdOf(found));
    }

    function assertCase(SlashCase memory found, ISlashEscrow.CaseStatus expected) internal view {
        assertEq(uint256(caseStatus(found)), uint256(expected), "case");
    }
}
