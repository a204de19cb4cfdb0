// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {DissentRecord} from "../../src/interfaces/IAppeals.sol";
import {IDissentCases} from "../../src/interfaces/IDissentCases.sol";
import {ISlashEscrow, SlashCase} from "../../src/interfaces/ISlashEscrow.sol";
import {Role} from "../../src/interfaces/Types.sol";
import {AppealsTest} from "./AppealsTest.sol";
import {DissentTest} from "./DissentTest.sol";
import {Vm} from "./Vm.sol";

/// @title Dissent cases with a slash escrow, and the steps of an appeal
abstract contract DissentAppealsTest is DissentTest, AppealsTest {
    uint256 internal constant PANEL = 11;

    /// @dev What an appellant knows from events.
    struct File {
        Dispute dispute;
        SlashCase slashCase;
        DissentRecord record;
        address who;
    }

    function setUp() public virtual override(DissentTest, AppealsTest) {
        super.setUp();
        // Two panels, of nine and eleven, and nobody sits on both.
        for (uint256 i; i < 12; ++i) {
            serve(addOperator(Role.Verifier, 2 * VERIFIER_MIN), exactModel);
        }
        nextEpoch();
        advance();
    }

    function dissentCasesAt() internal view override returns (address) {
        return address(judged);
    }

    // ---- steps ----

    /// @dev Four seats attest `verdict` and the lightest `other`; a panel finds `truth`. Nobody is condemned yet.
    function _found(bytes memory verdict, bytes memory other, bytes memory truth) internal returns (File memory file) {
        vm.recordLogs();
        file.dispute = _dispute(verdict, other);
        _open(file.dispute);
        _judge(file.dispute, _one(truth));
        _rule(file.dispute, truth);
        file.record.panel = file.dispute.accounts;
        (file.record.values, file.record.revealed) = (file.dispute.values, file.dispute.revealed);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != IDissentCases.DissentCaseOpened.selector) continue;
            (,, file.record.excluded) = abi.decode(logs[i].data, (uint32, uint256, uint32[]));
        }
    }

    /// @dev The dissenter of a case is condemned, and its slash waits.
    function _dissenter(File memory file) internal returns (File memory) {
        vm.recordLogs();
        judged.condemnReported(file.dispute.id, file.dispute.dissenter);
        return _held(file);
    }

    function _held(File memory file) internal returns (File memory) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != ISlashEscrow.SlashHeld.selector) continue;
            (file.slashCase,) = abi.decode(logs[i].data, (SlashCase, uint256));
        }
        file.who = operatorOf(file.slashCase.account);
        return file;
    }

    /// @dev Who dissented was right, and the first panel finds what the others said.
    function _unjust() internal returns (File memory) {
        return _dissenter(_found(WRONG, RIGHT, WRONG));
    }

    /// @dev Who dissented had lied.
    function _just() internal returns (File memory) {
        return _dissenter(_found(RIGHT, WRONG, RIGHT));
    }

    function _endow(address who) internal returns (uint256 bond) {
        bond = appeals.bondFor(uint8(PANEL));
        vm.prank(treasury);
        token.transfer(who, bond);
        vm.prank(who);
        token.approve(address(appeals), bond);
    }

    function _appeal(File memory file, bytes memory mine) internal returns (bytes32 reviewId) {
        _endow(file.who);
        vm.prank(file.who);
        reviewId = appeals.appealDissent(file.slashCase, file.record, inline_(ASKED), inline_(mine));
        draw(reviewId);
    }

    /// @dev `agreeing` seats reveal `first`, the others `rest`.
    function _hear(bytes32 reviewId, uint256 agreeing, bytes memory first, bytes memory rest) internal {
        bytes[] memory said = new bytes[](PANEL);
        for (uint256 i; i < PANEL; ++i) {
            said[i] = i < agreeing ? first : rest;
        }
        playRound(reviewId, said);
    }

    function _refused(File memory file, address caller, bytes memory input, bytes memory mine, bytes memory reason)
        internal
    {
        vm.expectRevert(reason);
        vm.prank(caller);
        appeals.appealDissent(file.slashCase, file.record, input, mine);
    }

    function _caseId(File memory file) internal view returns (bytes32) {
        return escrow.caseIdOf(file.slashCase);
    }

    function _assertCase(File memory file, ISlashEscrow.CaseStatus expected) internal view {
        (ISlashEscrow.CaseStatus now_,) = escrow.caseState(_caseId(file));
        assertEq(uint256(now_), uint256(expected), "case");
    }

    function _amount(File memory file) internal pure returns (uint256) {
        return uint256(file.slashCase.fromBonded) + file.slashCase.fromUnbonding;
    }
}
