// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Attestation, Evidence, TaskOrder} from "../../src/interfaces/ChannelTypes.sol";
import {IDissentCases} from "../../src/interfaces/IDissentCases.sol";
import {Seat} from "../../src/interfaces/Types.sol";
import {ChannelTest} from "../utils/ChannelTest.sol";
import {DissentDesk} from "../utils/DissentDesk.sol";
import {SummonsTest} from "../utils/SummonsTest.sol";
import {SummonsCrowd} from "./SummonsCrowd.sol";

/// @title Orders on which seats disagreed, and the panels that judge them, by chance
/// @dev Whoever attested what the panel found keeps its stake; who attested something else loses some, once.
abstract contract DissentCrowd is SummonsCrowd, DissentDesk {
    /// @dev One disagreement, as its opener knows it.
    struct Dispute {
        bytes32 id;
        Evidence evidence;
        uint32 dissenter;
        bytes verdict;
        bytes other;
        bytes32 reviewId;
        uint32[] accounts;
        bytes32[] values;
        uint256 bond;
        uint256 taken;
        uint256 condemned; // bit i: seat i
        IDissentCases.Status status;
    }

    uint256 private constant JUDGES = 14;
    uint256 private constant PANEL = 9;
    uint256 private constant MOST_DISPUTES = 3;
    uint256 private constant PURSE = 1_000_000e18;

    bytes[] internal disputes;
    uint256 private purse = PURSE;

    function setUp() public virtual override(ChannelTest, SummonsTest) {
        super.setUp();
        openDissentDesk(JUDGES, PURSE);
    }

    // ---- acts ----

    /// @dev Five seats, of which the lightest dissents; whoever is right is in the smaller part now and then.
    function _dispute(uint256 dice) internal {
        if (disputes.length == MOST_DISPUTES) return;
        Dispute memory found;
        (found.verdict, found.other) =
            dice % 3 == 0 ? (RIGHT, WRONG) : dice % 3 == 1 ? (WRONG, RIGHT) : (WRONG, bytes("44"));
        TaskOrder memory order = _nextOrder(5);
        found.id = hashOf(order);
        uint32[] memory seats = drawn(order);
        uint256 odd = lightest(order, seats);
        found.dissenter = seats[odd];
        found.evidence = provenOf(terms, clientKey, order, seats, 1 << odd, digestOf(found.id, found.verdict));
        (Attestation memory mine, bytes memory signature) =
            attest(found.id, found.dissenter, digestOf(found.id, found.other), "root");
        dissents.report(found.evidence, mine, signature);
        found.bond = judged.bondNow();
        vm.prank(stranger);
        found.reviewId = judged.open(found.evidence, found.dissenter, inline_(ASKED));
        purse -= found.bond;
        _panel(found, (dice >> 8) % 4);
        disputes.push(abi.encode(found));
        ++seen["case"];
    }

    /// @dev All of the panel agree, or most, or too few.
    function _panel(Dispute memory found, uint256 mood) private {
        uint256 agreeing = mood < 2 ? PANEL : mood == 2 ? 7 : 5;
        draw(found.reviewId);
        Seat[] memory panel = committee(found.reviewId);
        (found.accounts, found.values) = (new uint32[](PANEL), new bytes32[](PANEL));
        bytes[] memory said = new bytes[](PANEL);
        for (uint256 i; i < PANEL; ++i) {
            said[i] = i < agreeing ? RIGHT : WRONG;
            found.accounts[i] = panel[i].account;
            found.values[i] = digestOf(found.reviewId, said[i]);
        }
        playRound(found.reviewId, said);
        // A judge may have been of the pool, and wrong.
        for (uint256 i; i < PANEL; ++i) {
            stakes[found.accounts[i]] = bondedOf(found.accounts[i]);
        }
        found.status = agreeing < 7 ? IDissentCases.Status.Undecided : IDissentCases.Status.Judged;
        ++seen[agreeing < 7 ? "undecided" : "judged"];
    }

    function _rule(uint256 dice) internal {
        if (disputes.length == 0) return;
        uint256 index = dice % disputes.length;
        Dispute memory found = abi.decode(disputes[index], (Dispute));
        try judged.rule(found.id, keccak256(RIGHT), found.accounts, found.values, (1 << PANEL) - 1) {
            assertTrue(found.status == IDissentCases.Status.Judged, "ruled without a verdict");
            found.status = IDissentCases.Status.Ruled;
            ++seen["ruled"];
        } catch {
            assertTrue(found.status != IDissentCases.Status.Judged, "judged, and no ruling");
        }
        disputes[index] = abi.encode(found);
    }

    /// @dev Every seat of the order is accused, right or wrong.
    function _condemn(uint256 dice) internal {
        if (disputes.length == 0) return;
        uint256 index = dice % disputes.length;
        Dispute memory found = abi.decode(disputes[index], (Dispute));
        bool ruled = found.status == IDissentCases.Status.Ruled;
        bytes32 root = _rootOf(found.evidence);
        for (uint256 i; i < found.evidence.seats.length; ++i) {
            uint32 account = found.evidence.seats[i].account;
            bool dissents_ = account == found.dissenter;
            bool wrong = keccak256(dissents_ ? found.other : found.verdict) != keccak256(RIGHT);
            if (_accused(found, account, dissents_, root)) {
                assertTrue(ruled && wrong && found.condemned >> i & 1 == 0, "condemned for nothing, or twice");
                found.condemned |= 1 << i;
                found.taken += stakes[account] - bondedOf(account);
                stakes[account] = bondedOf(account);
                ++seen[dissents_ ? "dissenter was wrong" : "majority was wrong"];
            } else {
                assertTrue(!ruled || !wrong || found.condemned >> i & 1 == 1, "wrong, and nobody may say so");
                ++seen["not condemned"];
            }
        }
        assertEq(judged.cases(found.id).taken, found.taken, "what a case took");
        disputes[index] = abi.encode(found);
    }

    function _accused(Dispute memory found, uint32 account, bool dissents_, bytes32 root) private returns (bool) {
        if (dissents_) {
            try judged.condemnReported(found.id, account) {
                return true;
            } catch {
                return false;
            }
        }
        (Attestation memory said, bytes memory signature) = attest(found.id, account, found.evidence.result, root);
        try judged.condemn(said, signature) {
            return true;
        } catch {
            return false;
        }
    }

    function _rootOf(Evidence memory evidence) private view returns (bytes32) {
        bytes32 id = hashOf(evidence.order);
        bytes32[] memory set = new bytes32[](evidence.seats.length);
        for (uint256 i; i < set.length; ++i) {
            set[i] = commitmentFor(id, evidence.seats[i].account, evidence.result);
        }
        return keccak256(abi.encodePacked(set));
    }

    /// @dev Returned whole where the case took as much; otherwise half pays for the panel, and a panel that agreed costs
    /// the other half.
    function _conclude(uint256 dice) internal {
        if (disputes.length == 0) return;
        uint256 index = dice % disputes.length;
        Dispute memory found = abi.decode(disputes[index], (Dispute));
        bool whole = found.status == IDissentCases.Status.Ruled && found.taken >= found.bond;
        bool undecided = found.status == IDissentCases.Status.Undecided;
        bool over = vm.getBlockTimestamp() >= judged.cases(found.id).until;
        (uint256 supply, uint256 reserve) = (token.totalSupply(), ledger.disputeReserve(1));
        try judged.conclude(found.id) {
            assertTrue(whole || undecided || over, "closed too early");
        } catch {
            assertFalse(whole || undecided || over, "over, and not closed");
            return;
        }
        uint256 back = whole ? found.bond : undecided ? found.bond / 2 : 0;
        purse += back;
        uint256 burned = supply - token.totalSupply();
        uint256 kept = ledger.disputeReserve(1) - reserve;
        assertEq(back + burned + kept, found.bond, "every unit of the bond");
        assertEq(burned, whole || undecided ? 0 : found.bond - found.bond / 2, "burned");
        disputes[index] = disputes[disputes.length - 1];
        disputes.pop();
        ++seen[whole ? "bond returned" : undecided ? "half a bond returned" : "bond lost"];
    }

    // ---- what always holds ----

    function _checkDisputes() internal view {
        uint256 bonds;
        for (uint256 i; i < disputes.length; ++i) {
            bonds += abi.decode(disputes[i], (Dispute)).bond;
        }
        assertEq(token.balanceOf(address(judged)), bonds, "bonds of cases");
        assertEq(token.balanceOf(stranger), purse, "and nothing beyond them");
    }
}
