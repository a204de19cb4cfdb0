// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Attestation, Evidence, TaskOrder} from "../../src/interfaces/ChannelTypes.sol";
import {Seat} from "../../src/interfaces/Types.sol";
import {DissentDesk} from "./DissentDesk.sol";

/// @title The channel lane with dissent cases, and the steps of a case
abstract contract DissentTest is DissentDesk {
    uint256 internal constant BOND = 2 * 9 * JUDGE_FEE;

    /// @dev One disagreement as a client knows it.
    struct Dispute {
        TaskOrder order;
        bytes32 id;
        Evidence evidence;
        uint32 dissenter;
        bytes32 reviewId;
        uint32[] accounts;
        bytes32[] values;
        uint256 revealed;
    }

    function setUp() public virtual override {
        super.setUp();
        openDissentDesk(12, 10 * BOND);
        nextEpoch();
        advance();
    }

    /// @dev Five seats: four attest `verdict`, the lightest `other`, which is on record.
    function _dispute(bytes memory verdict, bytes memory other) internal returns (Dispute memory found) {
        found.order = asked(0, 5);
        return _disputeOf(found.order, verdict, other);
    }

    function _disputeOf(TaskOrder memory order, bytes memory verdict, bytes memory other)
        internal
        returns (Dispute memory found)
    {
        (found.order, found.id) = (order, hashOf(order));
        uint32[] memory seats = drawn(order);
        uint256 odd;
        for (uint256 i; i < 5; ++i) {
            uint64 weight = snapshots.weightAt(order.modelId, order.epoch, seats[i]);
            if (weight < snapshots.weightAt(order.modelId, order.epoch, seats[odd])) odd = i;
        }
        found.dissenter = seats[odd];
        found.evidence = provenOf(terms, clientKey, order, seats, 1 << odd, digestOf(found.id, verdict));
        (Attestation memory mine, bytes memory signature) =
            attest(found.id, found.dissenter, digestOf(found.id, other), "root");
        dissents.report(found.evidence, mine, signature);
    }

    function _open(Dispute memory found) internal {
        vm.prank(stranger);
        found.reviewId = judged.open(found.evidence, found.dissenter, inline_(ASKED));
    }

    /// @dev Seat i of the panel reveals payloads[i], or all the first.
    function _judge(Dispute memory found, bytes[] memory payloads) internal {
        draw(found.reviewId);
        Seat[] memory panel = committee(found.reviewId);
        uint256 count = panel.length;
        (found.accounts, found.values) = (new uint32[](count), new bytes32[](count));
        bytes[] memory said = new bytes[](count);
        for (uint256 i; i < count; ++i) {
            said[i] = payloads[payloads.length == 1 ? 0 : i];
            found.accounts[i] = panel[i].account;
            found.values[i] = digestOf(found.reviewId, said[i]);
            found.revealed |= 1 << i;
        }
        playRound(found.reviewId, said);
    }

    function _rule(Dispute memory found, bytes memory payload) internal {
        judged.rule(found.id, keccak256(payload), found.accounts, found.values, found.revealed);
    }

    function _one(bytes memory payload) internal pure returns (bytes[] memory list) {
        list = new bytes[](1);
        list[0] = payload;
    }

    /// @dev Judged by a panel that all find RIGHT.
    function _ruled(bytes memory verdict, bytes memory other) internal returns (Dispute memory found) {
        found = _dispute(verdict, other);
        _open(found);
        _judge(found, _one(RIGHT));
        _rule(found, RIGHT);
    }

    /// @dev By the attestation in the evidence of the verdict.
    function _condemnSeat(Dispute memory found, uint256 seat) internal {
        bytes32 root = _rootOf(found.evidence);
        (Attestation memory said, bytes memory signature) =
            attest(found.id, found.evidence.seats[seat].account, found.evidence.result, root);
        assertEq(signature, found.evidence.seats[seat].signature);
        judged.condemn(said, signature);
    }

    function _rootOf(Evidence memory evidence) internal view returns (bytes32) {
        bytes32[] memory set = new bytes32[](evidence.seats.length);
        for (uint256 i; i < set.length; ++i) {
            set[i] = commitmentFor(hashOf(evidence.order), evidence.seats[i].account, evidence.result);
        }
        return keccak256(abi.encodePacked(set));
    }

    function _status(Dispute memory found) internal view returns (uint256) {
        return uint256(judged.cases(found.id).status);
    }

    /// @dev The call alone, so that an expected revert is the next call.
    function _expectedCondemn(Dispute memory found, uint256 seat) internal {
        Attestation memory said = Attestation(
            found.id,
            found.evidence.seats[seat].account,
            found.evidence.result,
            saltOf(found.evidence.seats[seat].account),
            _rootOf(found.evidence)
        );
        judged.condemn(said, found.evidence.seats[seat].signature);
    }
}
