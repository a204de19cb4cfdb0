// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Attestation, TaskOrder} from "../src/interfaces/ChannelTypes.sol";
import {IDissentCases} from "../src/interfaces/IDissentCases.sol";
import {MAX_SEATS} from "../src/libraries/SeatPacking.sol";
import {Seat} from "../src/interfaces/Types.sol";
import {DissentTest} from "./utils/DissentTest.sol";

/// @title Orders without a verdict because their seats disagreed: what they attested is judged, and the liar pays
contract DissentSplitsTest is DissentTest {
    bytes32 private constant ROOT = "root";

    /// @dev Three seats of which the first attests something else than the others, who attest `rest`.
    /// @param shown how many of them are shown
    struct Split {
        Dispute dispute;
        Attestation[] said;
        bytes[] signatures;
    }

    function _split(bytes memory first, bytes memory rest, uint256 shown) private returns (Split memory split) {
        split.dispute.order = asked(0, 3);
        split.dispute.id = hashOf(split.dispute.order);
        uint32[] memory seats = drawn(split.dispute.order);
        (split.said, split.signatures) = (new Attestation[](shown), new bytes[](shown));
        for (uint256 i; i < shown; ++i) {
            bytes32 result = digestOf(split.dispute.id, i == 0 ? first : rest);
            (split.said[i], split.signatures[i]) = attest(split.dispute.id, seats[i], result, ROOT);
        }
    }

    function _openSplit(Split memory split) private {
        vm.prank(stranger);
        split.dispute.reviewId = judged.openSplit(split.dispute.order, split.said, split.signatures, inline_(ASKED));
    }

    function _refused(Split memory split, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(stranger);
        judged.openSplit(split.dispute.order, split.said, split.signatures, inline_(ASKED));
    }

    function _notSplit(Split memory split) private {
        _refused(split, abi.encodeWithSelector(IDissentCases.NotSplit.selector, split.dispute.id));
    }

    function _ruledRight(Split memory split) private {
        _judge(split.dispute, _one(RIGHT));
        _rule(split.dispute, RIGHT);
    }

    // ---- who was wrong ----

    function testALiarOfThreeLosesHalf() public {
        Split memory split = _split(WRONG, RIGHT, 3);
        _openSplit(split);
        _ruledRight(split);
        uint32 liar = split.said[0].account;
        uint256 stake = bondedOf(liar);
        judged.condemn(split.said[0], split.signatures[0]);
        assertEq(bondedOf(liar), stake / 2, "all of the panel agreed");
        for (uint256 i = 1; i < 3; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(IDissentCases.NotWrong.selector, split.dispute.id, split.said[i].account)
            );
            judged.condemn(split.said[i], split.signatures[i]);
        }
        judged.conclude(split.dispute.id);
        assertEq(token.balanceOf(stranger), 10 * BOND, "the bond, and nothing more");
        assertEq(token.balanceOf(address(judged)), 0);
    }

    /// @dev The third seat's attestation need not be known for the case, and still counts once it is.
    function testTwoLiarsLoseBothThoughOnlyOneWasShown() public {
        Split memory whole = _split(RIGHT, WRONG, 3);
        Split memory split = _split(RIGHT, WRONG, 2);
        _openSplit(split);
        _ruledRight(split);
        for (uint256 i = 1; i < 3; ++i) {
            uint256 stake = bondedOf(whole.said[i].account);
            judged.condemn(whole.said[i], whole.signatures[i]);
            assertEq(bondedOf(whole.said[i].account), stake / 2);
        }
        vm.expectRevert(
            abi.encodeWithSelector(IDissentCases.NotWrong.selector, split.dispute.id, split.said[0].account)
        );
        judged.condemn(split.said[0], split.signatures[0]);
    }

    function testWhatWasShownIsThereForAnybodyToCondemnWith() public {
        Split memory split = _split(WRONG, RIGHT, 3);
        vm.expectEmit(address(judged));
        emit IDissentCases.SplitShown(split.dispute.id, split.said, split.signatures);
        _openSplit(split);
        IDissentCases.Case memory found = judged.cases(split.dispute.id);
        assertEq(found.opener, stranger);
        assertEq(found.bond, BOND);
        assertEq(uint256(found.status), uint256(IDissentCases.Status.Judging));
    }

    function testNoSeatThatIsShownJudgesIt() public {
        Split memory split = _split(WRONG, RIGHT, 3);
        _openSplit(split);
        draw(split.dispute.reviewId);
        Seat[] memory panel = committee(split.dispute.reviewId);
        for (uint256 i; i < panel.length; ++i) {
            for (uint256 k; k < 3; ++k) {
                assertNotEq(panel[i].account / 2, split.said[k].account / 2);
            }
        }
    }

    // ---- liars ----

    function testNoSplitWithoutTwoSeatsThatDiffer() public {
        _notSplit(_split(RIGHT, RIGHT, 3));
        _notSplit(_split(WRONG, RIGHT, 1));
        _notSplit(_split(WRONG, RIGHT, 0));
        Split memory split = _split(WRONG, RIGHT, 3);
        (split.said[1], split.said[2]) = (split.said[2], split.said[1]);
        (split.signatures[1], split.signatures[2]) = (split.signatures[2], split.signatures[1]);
        _notSplit(split);
        split = _split(WRONG, RIGHT, 3);
        (split.said[2], split.signatures[2]) = (split.said[1], split.signatures[1]);
        _notSplit(split);
        split = _split(WRONG, RIGHT, 3);
        split.signatures = new bytes[](2);
        _notSplit(split);
    }

    function testNobodyMakesAnHonestSeatSayWhatItDidNot() public {
        Split memory split = _split(RIGHT, RIGHT, 3);
        split.said[1].result = digestOf(split.dispute.id, WRONG);
        bytes4 unsigned = IDissentCases.BadSeatSignature.selector;
        _refused(split, abi.encodeWithSelector(unsigned, split.dispute.id, split.said[1].account));
        split = _split(WRONG, RIGHT, 2);
        split.said[1].account += 2;
        _refused(split, abi.encodeWithSelector(unsigned, split.dispute.id, split.said[1].account));
        split = _split(WRONG, RIGHT, 2);
        split.signatures[1] = "";
        _refused(split, abi.encodeWithSelector(unsigned, split.dispute.id, split.said[1].account));
    }

    /// @dev Two honest answers to two orders differ.
    function testNoSplitAcrossOrders() public {
        Split memory split = _split(RIGHT, RIGHT, 3);
        bytes32 other = hashOf(asked(1, 3));
        (split.said[1], split.signatures[1]) = attest(other, split.said[1].account, digestOf(other, RIGHT), ROOT);
        _refused(split, abi.encodeWithSelector(IDissentCases.AnotherOrder.selector, split.dispute.id, other));
    }

    /// @dev A long list would make the panel's draw dear for whoever pays for that.
    function testNoMoreSeatsThanAnOrderHas() public {
        Split memory split = _split(WRONG, RIGHT, 3);
        split.dispute.order.seats = 2;
        split.dispute.id = hashOf(split.dispute.order);
        _notSplit(split);
        split.dispute.order.seats = type(uint8).max;
        split.dispute.id = hashOf(split.dispute.order);
        split.said = new Attestation[](MAX_SEATS + 1);
        split.signatures = new bytes[](MAX_SEATS + 1);
        _notSplit(split);
    }

    function testAnOrderIsJudgedOnceWhicheverWay() public {
        Dispute memory found = _dispute(RIGHT, WRONG);
        Split memory split;
        split.dispute = found;
        (split.said, split.signatures) = (new Attestation[](2), new bytes[](2));
        uint32 other = found.evidence.seats[0].account == found.dissenter
            ? found.evidence.seats[1].account
            : found.evidence.seats[0].account;
        (uint256 mine, uint256 its) = found.dissenter < other ? (0, 1) : (1, 0);
        (split.said[mine], split.signatures[mine]) =
            attest(found.id, found.dissenter, digestOf(found.id, WRONG), _rootOf(found.evidence));
        (split.said[its], split.signatures[its]) =
            attest(found.id, other, found.evidence.result, _rootOf(found.evidence));
        _openSplit(split);
        vm.expectRevert(abi.encodeWithSelector(IDissentCases.CaseExists.selector, found.id));
        judged.open(found.evidence, found.dissenter, inline_(ASKED));
        _refused(split, abi.encodeWithSelector(IDissentCases.CaseExists.selector, found.id));
        _ruledRight(split);
        uint256 stake = bondedOf(found.dissenter);
        judged.condemnReported(found.id, found.dissenter);
        assertEq(bondedOf(found.dissenter), stake / 2);
    }

    /// @dev Four of five bought seats might have their lie heard first, with three of them free to sit on the panel.
    function testASplitWithoutARulingDoesNotUseUpTheCaseThatExcludesAllSeats() public {
        Dispute memory found = _dispute(WRONG, RIGHT);
        Split memory split;
        split.dispute = found;
        uint256 seat = found.evidence.seats[0].account == found.dissenter ? 1 : 0;
        uint32 other = found.evidence.seats[seat].account;
        (split.said, split.signatures) = (new Attestation[](2), new bytes[](2));
        (uint256 mine, uint256 its) = found.dissenter < other ? (0, 1) : (1, 0);
        (split.said[mine], split.signatures[mine]) = attest(found.id, found.dissenter, digestOf(found.id, RIGHT), ROOT);
        (split.said[its], split.signatures[its]) = attest(found.id, other, found.evidence.result, ROOT);
        _openSplit(split);
        bytes[] memory said = new bytes[](9);
        for (uint256 i; i < 9; ++i) {
            said[i] = i < 5 ? RIGHT : WRONG;
        }
        _judge(split.dispute, said);
        vm.expectRevert(abi.encodeWithSelector(IDissentCases.CaseExists.selector, found.id));
        judged.open(found.evidence, found.dissenter, inline_(ASKED));
        judged.conclude(found.id);
        _refused(split, abi.encodeWithSelector(IDissentCases.CaseExists.selector, found.id));

        found.revealed = 0;
        _open(found);
        _judge(found, _one(RIGHT));
        _rule(found, RIGHT);
        uint256 stake = bondedOf(other);
        _condemnSeat(found, seat);
        assertEq(bondedOf(other), stake / 2);
        judged.conclude(found.id);
        assertEq(token.balanceOf(stranger), 10 * BOND - BOND / 2, "what the undecided panel was paid");
        vm.expectRevert(abi.encodeWithSelector(IDissentCases.CaseExists.selector, found.id));
        judged.open(found.evidence, found.dissenter, inline_(ASKED));
    }

    /// @dev An order that nobody placed, signed for by two accounts of one liar: it pays for its own trial.
    function testWhoInventsADisputeGainsNothing() public {
        Split memory split = _split(WRONG, RIGHT, 2);
        uint256 reserve = ledger.disputeReserve(1);
        _openSplit(split);
        _judge(split.dispute, _one("44"));
        _rule(split.dispute, "44");
        uint256 taken;
        for (uint256 i; i < 2; ++i) {
            uint256 stake = bondedOf(split.said[i].account);
            judged.condemn(split.said[i], split.signatures[i]);
            taken += stake - bondedOf(split.said[i].account);
        }
        judged.conclude(split.dispute.id);
        assertGt(taken, 0);
        assertGe(ledger.disputeReserve(1), reserve, "the panel was paid by what was taken");
        assertEq(token.balanceOf(stranger), 10 * BOND);
    }
}
