// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Attestation} from "../src/interfaces/ChannelTypes.sol";
import {IAppeals} from "../src/interfaces/IAppeals.sol";
import {ISlashEscrow} from "../src/interfaces/ISlashEscrow.sol";
import {Fault, Role, Seat} from "../src/interfaces/Types.sol";
import {DissentAppealsTest} from "./utils/DissentAppealsTest.sol";

/// @title Who may not have a slash for an order of the channel lane judged again, and on what
contract DissentAppealsRefusedTest is DissentAppealsTest {
    function _isAmong(uint32 account, uint32[] memory list) private pure returns (bool) {
        for (uint256 i; i < list.length; ++i) {
            if (list[i] == account) return true;
        }
        return false;
    }

    function testOnlyTheOperatorAppealsAndOnlyWithWhatItAttested() public {
        File memory file = _just();
        bytes32 caseId = _caseId(file);
        bytes memory input = inline_(ASKED);
        bytes memory mine = inline_(WRONG);
        _refused(file, stranger, input, mine, abi.encodeWithSelector(IAppeals.NotAppellant.selector, caseId, stranger));
        address seated = operatorOf(
            file.dispute.evidence.seats[0].account == file.dispute.dissenter
                ? file.dispute.evidence.seats[1].account
                : file.dispute.evidence.seats[0].account
        );
        _refused(file, seated, input, mine, abi.encodeWithSelector(IAppeals.NotAppellant.selector, caseId, seated));
        bytes32 attested = digestOf(file.dispute.id, WRONG);
        bytes4 mismatch = IAppeals.ContentMismatch.selector;
        bytes32 better = digestOf(file.dispute.id, RIGHT);
        _refused(file, file.who, input, inline_(RIGHT), abi.encodeWithSelector(mismatch, attested, better));
        _refused(file, file.who, input, "", abi.encodeWithSelector(mismatch, attested, 0));
    }

    function testTheInputAndWhoMayNotSitAreTheCasesOwn() public {
        File memory file = _just();
        bytes memory mine = inline_(WRONG);
        bytes memory reason = abi.encodeWithSelector(IAppeals.RecordMismatch.selector, file.dispute.id);
        _refused(file, file.who, inline_("other"), mine, reason);
        // The same payload, where nobody may find it.
        _refused(file, file.who, pointer_(ASKED), mine, reason);
        uint32 kept = file.record.excluded[2];
        file.record.excluded[2] = 2_000;
        _refused(file, file.who, inline_(ASKED), mine, reason);
        file.record.excluded[2] = kept;
        kept = file.record.panel[4];
        file.record.panel[4] = 2_000;
        _refused(file, file.who, inline_(ASKED), mine, reason);
        file.record.panel[4] = kept;
        file.record.revealed ^= 1;
        _refused(file, file.who, inline_(ASKED), mine, reason);
    }

    function testOnceAndWithinTheWindow() public {
        File memory late = _just();
        uint256 snapshot = vm.snapshotState();
        _appeal(late, WRONG);
        bytes4 status_ = ISlashEscrow.WrongCaseStatus.selector;
        _refused(
            late,
            late.who,
            inline_(ASKED),
            inline_(WRONG),
            abi.encodeWithSelector(status_, _caseId(late), ISlashEscrow.CaseStatus.Appealed)
        );
        vm.revertToState(snapshot);
        (, uint256 until) = escrow.caseState(_caseId(late));
        vm.warp(until + 1);
        _endow(late.who);
        _refused(
            late,
            late.who,
            inline_(ASKED),
            inline_(WRONG),
            abi.encodeWithSelector(ISlashEscrow.WindowClosed.selector, _caseId(late), until)
        );
    }

    /// @dev An appeal that nobody can hear is not used up.
    function testTooFewJudgesRefuseAnAppealUntilThereAreMore() public {
        File memory file = _unjust();
        uint256 stopped;
        for (uint256 i; i < operators.length && stopped < 6; ++i) {
            uint32 account = operators[i].account;
            if (_isAmong(account, file.record.panel) || _isAmong(account, file.record.excluded)) continue;
            vm.prank(operators[i].cold);
            tasks.stopServing(exactModel, account);
            ++stopped;
        }
        nextEpoch();
        // Of 30 that serve, five had seats and nine judged; six are gone.
        _refused(
            file,
            file.who,
            inline_(ASKED),
            inline_(RIGHT),
            abi.encodeWithSelector(IAppeals.TooFewJudges.selector, 10, PANEL)
        );
        _assertCase(file, ISlashEscrow.CaseStatus.Held);
        serve(addOperator(Role.Verifier, 2 * VERIFIER_MIN), exactModel);
        nextEpoch();
        bytes32 reviewId = _appeal(file, RIGHT);
        _hear(reviewId, PANEL, RIGHT, RIGHT);
        assertEq(uint256(appeals.appeals(reviewId).outcome), uint256(IAppeals.Outcome.Won));
    }

    /// @dev A signature alone condemns, also of somebody that never had a seat. It does not judge itself.
    function testWhoHadNoSeatDoesNotJudgeItself() public {
        File memory file = _found(RIGHT, WRONG, RIGHT);
        uint32 outsider;
        uint256 stopped;
        for (uint256 i = 6; i < operators.length; ++i) {
            uint32 account = operators[i].account;
            if (_isAmong(account, file.record.panel)) continue;
            if (outsider == 0) {
                outsider = account;
            } else if (stopped < 4) {
                vm.prank(operators[i].cold);
                tasks.stopServing(exactModel, account);
                ++stopped;
            }
        }
        (Attestation memory said, bytes memory signature) =
            attest(file.dispute.id, outsider, digestOf(file.dispute.id, WRONG), "root");
        vm.recordLogs();
        judged.condemn(said, signature);
        file = _held(file);
        assertEq(file.slashCase.account, outsider);
        skip(JAIL + 1);
        vm.prank(file.who);
        ledger.unjail(outsider);
        tasks.refreshWeight(exactModel, outsider);
        nextEpoch();
        bytes32 reviewId = _appeal(file, WRONG);
        // Eleven are left beside it: ten verifiers and one that is not.
        Seat[] memory panel = committee(reviewId);
        for (uint256 i; i < PANEL; ++i) {
            assertNotEq(panel[i].account, outsider);
        }
    }

    /// @dev That a seat was not drawn is a fact, though the same account was condemned for the same order; and a task has
    /// its own door.
    function testFactsAndTasksHaveNoBusinessHere() public {
        File memory file = _just();
        vm.prank(governor);
        escrow.setRules(999, WINDOW);
        vm.recordLogs();
        vm.prank(address(channels));
        ledger.slashLane(file.slashCase.account, file.dispute.id, Fault.Incorrect, address(0));
        File memory seat = _held(abi.decode(abi.encode(file), (File)));
        assertEq(seat.slashCase.model, 0);
        bytes4 reason = IAppeals.NotAppealable.selector;
        bytes memory input = inline_(ASKED);
        _refused(seat, file.who, input, inline_(WRONG), abi.encodeWithSelector(reason, _caseId(seat)));
        seat.slashCase = file.slashCase;
        seat.slashCase.fault = Fault.Unopened;
        _refused(seat, file.who, input, inline_(WRONG), abi.encodeWithSelector(reason, _caseId(seat)));
        seat.slashCase.fault = Fault.Incorrect;
        seat.slashCase.taskId = keccak256("a task");
        _refused(seat, file.who, input, inline_(WRONG), abi.encodeWithSelector(reason, _caseId(seat)));
    }
}
