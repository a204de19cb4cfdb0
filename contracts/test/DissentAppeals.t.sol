// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Attestation} from "../src/interfaces/ChannelTypes.sol";
import {IAppeals} from "../src/interfaces/IAppeals.sol";
import {IDissentCases} from "../src/interfaces/IDissentCases.sol";
import {ISlashEscrow} from "../src/interfaces/ISlashEscrow.sol";
import {Seat} from "../src/interfaces/Types.sol";
import {Hashing} from "../src/libraries/Hashing.sol";
import {DissentAppealsTest} from "./utils/DissentAppealsTest.sol";

/// @title A slash for an order of the channel lane, judged again: how it ends, and what it costs
contract DissentAppealsEndsTest is DissentAppealsTest {
    // ---- how it ends ----

    function testADissenterThatWasRightWinsItsStakeBack() public {
        File memory file = _unjust();
        uint32 account = file.slashCase.account;
        uint256 before = bondedOf(account) + file.slashCase.fromBonded;
        bytes32 reviewId = _appeal(file, RIGHT);
        _assertCase(file, ISlashEscrow.CaseStatus.Appealed);
        Seat[] memory panel = committee(reviewId);
        assertEq(panel.length, PANEL, "two more than the first panel");
        for (uint256 i; i < PANEL; ++i) {
            for (uint256 k; k < 5; ++k) {
                assertTrue(panel[i].account >> 1 != file.dispute.evidence.seats[k].account >> 1, "of the order");
            }
            for (uint256 k; k < 9; ++k) {
                assertTrue(panel[i].account >> 1 != file.record.panel[k] >> 1, "judged before");
            }
        }
        _hear(reviewId, PANEL, RIGHT, RIGHT);
        assertEq(uint256(appeals.appeals(reviewId).outcome), uint256(IAppeals.Outcome.Won));
        vm.prank(stranger);
        appeals.conclude(reviewId, file.slashCase);
        assertEq(bondedOf(account), before);
        assertEq(ledger.accounts(account).jailedUntil, 0);
        assertEq(ledger.heldSlashes(), 0);
        assertEq(token.balanceOf(file.who), 2 * PANEL * JUDGE_FEE, "the bond");
        assertEq(token.balanceOf(address(appeals)), 0);
        _assertCase(file, ISlashEscrow.CaseStatus.Closed);
        // Won is won: nobody condemns it for that order again.
        vm.expectRevert(abi.encodeWithSelector(IDissentCases.AlreadyProvenFault.selector, file.dispute.id, account));
        judged.condemnReported(file.dispute.id, account);
    }

    function testALiarThatAppealsLosesItsBondToo() public {
        File memory file = _just();
        uint256 reserve = ledger.disputeReserve(1);
        uint256 supply = token.totalSupply();
        bytes32 reviewId = _appeal(file, WRONG);
        _hear(reviewId, PANEL, RIGHT, RIGHT);
        appeals.conclude(reviewId, file.slashCase);
        assertEq(ledger.disputeReserve(1), reserve, "the bond has paid the panel");
        assertEq(token.totalSupply(), supply - PANEL * JUDGE_FEE, "and as much is burned");
        assertEq(token.balanceOf(file.who), 0);
        assertEq(token.balanceOf(address(appeals)), 0);
        _assertCase(file, ISlashEscrow.CaseStatus.Heard);
        skip(WINDOW + 1);
        escrow.finalise(file.slashCase);
        assertEq(ledger.heldSlashes(), 0);
        assertEq(ledger.disputeReserve(1), reserve + _amount(file) / 2);
    }

    /// @dev A pointer may claim any root, zero too, which nobody can have a payload of.
    function testAResultThatPointsToNothingLosesLikeAnother() public {
        File memory file = _found(RIGHT, WRONG, RIGHT);
        (Attestation memory said, bytes memory signature) =
            attest(file.dispute.id, file.dispute.dissenter, Hashing.digest(file.dispute.id, 0), "root");
        vm.recordLogs();
        judged.condemn(said, signature);
        file = _held(file);
        _endow(file.who);
        bytes memory nothing = bytes.concat(hex"01", bytes32(0), hex"01551220", bytes32(0));
        vm.prank(file.who);
        bytes32 reviewId = appeals.appealDissent(file.slashCase, file.record, inline_(ASKED), nothing);
        draw(reviewId);
        _hear(reviewId, PANEL, RIGHT, RIGHT);
        assertEq(uint256(appeals.appeals(reviewId).outcome), uint256(IAppeals.Outcome.Lost));
    }

    function testAnUndecidedPanelLeavesTheSlash() public {
        File memory file = _just();
        bytes32 reviewId = _appeal(file, WRONG);
        // Of eleven equal weights 70 % are eight.
        _hear(reviewId, 7, RIGHT, WRONG);
        appeals.conclude(reviewId, file.slashCase);
        assertEq(token.balanceOf(file.who), 2 * PANEL * JUDGE_FEE, "the slash itself pays for the panel");
        _assertCase(file, ISlashEscrow.CaseStatus.Heard);
        _refused(
            file,
            file.who,
            inline_(ASKED),
            inline_(WRONG),
            abi.encodeWithSelector(ISlashEscrow.WrongCaseStatus.selector, _caseId(file), ISlashEscrow.CaseStatus.Heard)
        );
    }

    /// @dev A panel was wrong about a whole committee: what one of it wins is its own.
    function testOfAMajorityEachAppealsForItself() public {
        File memory one = _found(RIGHT, WRONG, WRONG);
        File memory other = abi.decode(abi.encode(one), (File));
        uint256 seat = one.dispute.evidence.seats[0].account == one.dispute.dissenter ? 1 : 0;
        uint256 next = one.dispute.evidence.seats[seat + 1].account == one.dispute.dissenter ? seat + 2 : seat + 1;
        vm.recordLogs();
        _condemnSeat(one.dispute, seat);
        one = _held(one);
        vm.recordLogs();
        _condemnSeat(other.dispute, next);
        other = _held(other);
        uint256 before = bondedOf(other.slashCase.account);
        bytes32 reviewId = _appeal(one, RIGHT);
        _hear(reviewId, PANEL, RIGHT, RIGHT);
        appeals.conclude(reviewId, one.slashCase);
        assertEq(bondedOf(other.slashCase.account), before, "who did not appeal");
        _assertCase(other, ISlashEscrow.CaseStatus.Held);
        reviewId = _appeal(other, RIGHT);
        _hear(reviewId, PANEL, RIGHT, RIGHT);
        appeals.conclude(reviewId, other.slashCase);
        assertEq(bondedOf(other.slashCase.account), before + other.slashCase.fromBonded);
        assertEq(ledger.heldSlashes(), 0);
    }

    function testAVetoDuringTheReviewLeavesTheBondToTheReview() public {
        File memory file = _just();
        uint256 before = bondedOf(file.slashCase.account) + file.slashCase.fromBonded;
        bytes32 reviewId = _appeal(file, WRONG);
        vm.prank(governor);
        escrow.veto(file.slashCase);
        _hear(reviewId, PANEL, WRONG, WRONG);
        appeals.conclude(reviewId, file.slashCase);
        assertEq(bondedOf(file.slashCase.account), before, "given back once");
        assertEq(token.balanceOf(address(appeals)), 0);
        _assertCase(file, ISlashEscrow.CaseStatus.Closed);
    }

    // ---- what a liar gains ----

    /// @dev Stakes down to almost nothing, and up to seven of eleven judges that stand by the liar: with eight there is no
    /// verdict of this protocol that is safe. Whatever the panel says, the slash comes, the reserve is no poorer than
    /// without the appeal, and lying and appealing together cost more than the liar's judges earn.
    function testFuzz_ALiarGainsNothingByStalling(uint256 left, uint256 friends) public {
        friends = bound(friends, 0, 7);
        File memory file = _found(RIGHT, WRONG, RIGHT);
        _shrink(file.dispute.dissenter, bound(left, 2, 2 * COMPUTE_MIN));
        file = _dissenter(file);
        uint32 account = file.slashCase.account;
        uint256 bonded = bondedOf(account);
        uint256 reserve = ledger.disputeReserve(1);
        bytes32 reviewId = _appeal(file, WRONG);
        assertEq(bondedOf(account), bonded, "no stake comes back meanwhile");
        assertGt(ledger.accounts(account).jailedUntil, 0);
        _hear(reviewId, friends, WRONG, RIGHT);
        appeals.conclude(reviewId, file.slashCase);
        assertEq(bondedOf(account), bonded);
        skip(WINDOW + 1);
        escrow.finalise(file.slashCase);
        assertEq(ledger.heldSlashes(), 0);
        assertGe(ledger.disputeReserve(1), reserve, "no appeal but one that is won makes the reserve poorer");
        uint256 paid = 2 * PANEL * JUDGE_FEE - token.balanceOf(file.who);
        assertTrue((paid == 2 * PANEL * JUDGE_FEE) == (friends < 4), "who is found wrong again loses all of the bond");
        assertGt(_amount(file) + paid, friends * JUDGE_FEE, "what it lost, and what its judges earned");
        assertEq(token.balanceOf(address(appeals)), 0);
    }

    /// @dev Fines, until an account has only so much left.
    function _shrink(uint32 account, uint256 left) private {
        while (bondedOf(account) > left) {
            uint256 excess = bondedOf(account) - left;
            vm.prank(governor);
            ledger.fine(account, "another case", 1, excess < 7_500e18 ? excess : 7_500e18);
        }
    }
}
