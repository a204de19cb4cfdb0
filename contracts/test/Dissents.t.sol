// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Dissents} from "../src/Dissents.sol";
import {Attestation, Evidence, TaskOrder} from "../src/interfaces/ChannelTypes.sol";
import {IDissents} from "../src/interfaces/IDissents.sol";
import {IPaymentChannels} from "../src/interfaces/IPaymentChannels.sol";
import {ChannelTest} from "./utils/ChannelTest.sol";

contract DissentsTest is ChannelTest {
    bytes32 private constant OTHER = keccak256("another result");

    Dissents private dissents;

    event DissentReported(
        bytes32 indexed order,
        uint32 indexed account,
        bytes32 indexed modelId,
        bytes32 inputDigest,
        bytes32 verdict,
        bytes32 result,
        address reporter
    );

    function setUp() public override {
        super.setUp();
        dissents = new Dissents(address(channels), address(tasks));
    }

    /// @dev Five seats, of which the lightest attests something else than the other four.
    function _dissent() private view returns (Evidence memory evidence, Attestation memory other, bytes memory its) {
        TaskOrder memory ordered = orderOf(0, 5);
        uint32[] memory seats = drawn(ordered);
        uint256 odd;
        for (uint256 i; i < 5; ++i) {
            uint64 weight = snapshots.weightAt(exactModel, ordered.epoch, seats[i]);
            if (weight < snapshots.weightAt(exactModel, ordered.epoch, seats[odd])) odd = i;
        }
        evidence = proven(ordered, 1 << odd);
        (other, its) = attest(hashOf(ordered), seats[odd], OTHER, "root");
    }

    function testADissentIsRecordedAndCostsNothing() public {
        (Evidence memory evidence, Attestation memory other, bytes memory its) = _dissent();
        uint256 stake = bondedOf(other.account);
        vm.expectEmit(address(dissents));
        emit DissentReported(
            other.order, other.account, exactModel, evidence.order.inputDigest, RESULT, OTHER, stranger
        );
        vm.prank(stranger);
        dissents.report(evidence, other, its);
        assertEq(dissents.resultOf(other.order, other.account), OTHER);
        assertEq(bondedOf(other.account), stake);
        vm.expectRevert(abi.encodeWithSelector(IDissents.AlreadyReported.selector, other.order, other.account));
        dissents.report(evidence, other, its);
    }

    function testWhatIsNoDissent() public {
        (Evidence memory evidence, Attestation memory other, bytes memory its) = _dissent();
        bytes32 hash = other.order;
        uint32 account = other.account;
        // With the verdict.
        (Attestation memory same, bytes memory agreed) = attest(hash, account, RESULT, "root");
        vm.expectRevert(abi.encodeWithSelector(IDissents.NoDissent.selector, hash, account));
        dissents.report(evidence, same, agreed);
        // By nobody who had a seat.
        uint32 outsider;
        for (uint256 i; i < pool.length; ++i) {
            bool seated;
            for (uint256 k; k < 5; ++k) {
                seated = seated || evidence.seats[k].account == pool[i];
            }
            if (!seated) outsider = pool[i];
        }
        (Attestation memory foreign, bytes memory its2) = attest(hash, outsider, OTHER, "root");
        vm.expectRevert(abi.encodeWithSelector(IDissents.NoSeat.selector, hash, outsider));
        dissents.report(evidence, foreign, its2);
        // With somebody else's signature.
        bytes memory bad = abi.encodeWithSelector(IDissents.BadDissentSignature.selector, hash, account);
        vm.expectRevert(bad);
        dissents.report(evidence, other, its2);
        vm.expectRevert(bad);
        dissents.report(evidence, other, "");
        // About another order.
        bytes32 second = hashOf(orderOf(1, 5));
        (other, its) = attest(second, account, OTHER, "root");
        vm.expectRevert(abi.encodeWithSelector(IDissents.AnotherOrder.selector, hash, second));
        dissents.report(evidence, other, its);
        // Without a verdict.
        Evidence memory open = proven(orderOf(2, 3), 1);
        bytes32 third = hashOf(open.order);
        (other, its) = attest(third, open.seats[0].account, OTHER, "root");
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NoVerdict.selector, third));
        dissents.report(open, other, its);
    }

    function testConstructorWantsAddresses() public {
        vm.expectRevert(IDissents.ZeroAddress.selector);
        new Dissents(address(0), address(tasks));
        vm.expectRevert(IDissents.ZeroAddress.selector);
        new Dissents(address(channels), address(0));
    }
}
