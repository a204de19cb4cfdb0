// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Summons} from "../../src/Summons.sol";
import {Attestation, Evidence, SeatProof, TaskOrder} from "../../src/interfaces/ChannelTypes.sol";
import {ISummons} from "../../src/interfaces/ISummons.sol";
import {ChannelTest} from "./ChannelTest.sol";

/// @title The channel lane with summonses
abstract contract SummonsTest is ChannelTest {
    uint64 internal constant SLASHER = 12;
    uint32 internal constant COMMIT = 180;
    uint32 internal constant REVEAL = 120;
    uint16 internal constant MOST_OPEN = 2;
    uint88 internal constant DEPOSIT_WEI = 0.01 ether;
    uint88 internal constant LEAST_FEE = 0.0001 ether;

    Summons internal summons;

    function setUp() public virtual override {
        super.setUp();
        summons = Summons(
            make(
                "Summons",
                abi.encode(address(manager), address(channels), address(ledger), address(registry), summonsLimits())
            )
        );
        vm.startPrank(governor);
        allowSlasher(address(summons));
        vm.stopPrank();
    }

    function summonsLimits() internal pure returns (ISummons.Limits memory) {
        return ISummons.Limits(COMMIT, REVEAL, MOST_OPEN, DEPOSIT_WEI, LEAST_FEE);
    }

    /// @dev The caller is the governor.
    function allowSlasher(address slasher) internal {
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = ledger.punish.selector;
        manager.setTargetFunctionRole(address(ledger), selectors, SLASHER);
        manager.grantRole(SLASHER, slasher, 0);
    }

    function summonAs(address who, TaskOrder memory order, uint32[] memory seats) internal returns (bytes32 id) {
        bytes memory signature = signBy(clientKey, hashOf(order));
        uint256 bond = summons.bondFor(seats.length);
        vm.prank(who);
        return summons.summon{value: bond}(terms, order, signature, inline_(ASKED), seats);
    }

    function summoned(uint32 sequence, uint8 seats)
        internal
        returns (TaskOrder memory order, uint32[] memory accounts)
    {
        order = asked(sequence, seats);
        accounts = drawn(order);
        assertEq(summonAs(client, order, accounts), hashOf(order));
    }

    function commitSeat(bytes32 id, uint32 account, bytes memory payload) internal {
        bytes32 word = commitmentFor(id, account, digestOf(id, payload));
        vm.prank(nodeOf[account]);
        summons.commit(id, account, word);
    }

    function openSeat(bytes32 id, uint32 account, bytes memory payload) internal {
        bytes32 root = keccak256(abi.encodePacked(summons.commitmentsOf(id)));
        (Attestation memory attestation, bytes memory signature) = attest(id, account, digestOf(id, payload), root);
        vm.prank(stranger);
        summons.open(attestation, signature, inline_(payload));
    }

    function refuseOpening(bytes32 id, uint32 account, bytes memory payload, bytes memory reason) internal {
        bytes32 root = keccak256(abi.encodePacked(summons.commitmentsOf(id)));
        (Attestation memory attestation, bytes memory signature) = attest(id, account, digestOf(id, payload), root);
        vm.expectRevert(reason);
        summons.open(attestation, signature, inline_(payload));
    }

    /// @dev What the summons gives as evidence: seats of `opened` attest the set as it was closed.
    function evidenceOf(TaskOrder memory order, uint32[] memory accounts, uint256 opened)
        internal
        view
        returns (Evidence memory evidence)
    {
        bytes32 id = hashOf(order);
        bytes32[] memory set = summons.commitmentsOf(id);
        bytes32 root = keccak256(abi.encodePacked(set));
        evidence.terms = terms;
        evidence.order = order;
        evidence.orderSignature = signBy(clientKey, id);
        evidence.result = digestOf(id, RIGHT);
        evidence.seats = new SeatProof[](accounts.length);
        for (uint256 i; i < accounts.length; ++i) {
            SeatProof memory seat = evidence.seats[i];
            (seat.account, seat.word) = (accounts[i], set[i]);
            if (opened >> i & 1 == 0) continue;
            seat.word = saltOf(accounts[i]);
            (, seat.signature) = attest(id, accounts[i], evidence.result, root);
        }
    }

    /// @dev The seat of least weight: without it the others are a verdict.
    function lightest(TaskOrder memory order, uint32[] memory accounts) internal view returns (uint256 odd) {
        for (uint256 i = 1; i < accounts.length; ++i) {
            uint64 weight = snapshots.weightAt(order.modelId, order.epoch, accounts[i]);
            if (weight < snapshots.weightAt(order.modelId, order.epoch, accounts[odd])) odd = i;
        }
    }
}
