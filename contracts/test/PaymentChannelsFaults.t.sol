// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Attestation, TaskOrder} from "../src/interfaces/ChannelTypes.sol";
import {IPaymentChannels} from "../src/interfaces/IPaymentChannels.sol";
import {ChannelTest} from "./utils/ChannelTest.sol";

/// @title What attestations alone prove: seats that were not drawn, and two results for one order
contract PaymentChannelsFaultsTest is ChannelTest {
    function _err(bytes4 selector, bytes32 a) private pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a);
    }

    function _outsider(TaskOrder memory order, uint32[] memory seats) private view returns (uint32) {
        for (uint256 i; i < pool.length; ++i) {
            bool seated;
            for (uint256 j; j < seats.length; ++j) {
                seated = seated || seats[j] == pool[i];
            }
            if (!seated) return pool[i];
        }
        revert(vm.toString(order.sequence));
    }

    function testASeatThatWasNotDrawnCostsATenth() public {
        TaskOrder memory order = orderOf(0, 3);
        uint32[] memory seats = drawn(order);
        uint32 liar = _outsider(order, seats);
        (Attestation memory said, bytes memory signature) = attest(hashOf(order), liar, RESULT, "root");
        uint256 stake = bondedOf(liar);
        uint256 reputation = ledger.accounts(liar).reputation;
        vm.prank(stranger);
        channels.proveFalseSeat(order, said, signature, seats);
        assertEq(bondedOf(liar), stake - stake / 10, "stake");
        assertEq(ledger.accounts(liar).reputation, reputation / 2, "reputation");
        assertEq(ledger.claimableTokens(stranger), stake / 100, "a tenth of it to the reporter");
        bytes memory again = abi.encodeWithSelector(IPaymentChannels.AlreadyProvenFault.selector, hashOf(order), liar);
        vm.expectRevert(again);
        channels.proveFalseSeat(order, said, signature, seats);
    }

    function testASeatThatWasDrawnIsSafe() public {
        TaskOrder memory order = orderOf(0, 3);
        bytes32 hash = hashOf(order);
        uint32[] memory seats = drawn(order);
        for (uint256 k; k < 3; ++k) {
            (Attestation memory said, bytes memory signature) = attest(hash, seats[k], RESULT, "root");
            // Whichever three others are named.
            for (uint256 i; i < pool.length; ++i) {
                for (uint256 j = i + 1; j < pool.length; ++j) {
                    for (uint256 l = j + 1; l < pool.length; ++l) {
                        uint32[] memory better = new uint32[](3);
                        (better[0], better[1], better[2]) = (pool[i], pool[j], pool[l]);
                        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.SeatNotFalse.selector, hash, seats[k]));
                        channels.proveFalseSeat(order, said, signature, better);
                    }
                }
            }
        }
    }

    function testFalseProofsOfAFalseSeat() public {
        TaskOrder memory order = orderOf(0, 3);
        bytes32 hash = hashOf(order);
        uint32[] memory seats = drawn(order);
        uint32 liar = _outsider(order, seats);
        (Attestation memory said, bytes memory signature) = attest(hash, liar, RESULT, "root");

        uint32[] memory two = new uint32[](2);
        (two[0], two[1]) = (seats[0], seats[1]);
        vm.expectRevert(_err(IPaymentChannels.BadCommittee.selector, hash));
        channels.proveFalseSeat(order, said, signature, two);
        uint32[] memory twice = drawn(order);
        twice[1] = twice[0];
        vm.expectRevert(_err(IPaymentChannels.BadCommittee.selector, hash));
        channels.proveFalseSeat(order, said, signature, twice);
        // Somebody else's signature.
        (, bytes memory other) = attest(hash, seats[0], RESULT, "root");
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.BadSeatSignature.selector, hash, liar));
        channels.proveFalseSeat(order, said, other, seats);
        TaskOrder memory another = orderOf(1, 3);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.WrongChannel.selector, hashOf(another), hash));
        channels.proveFalseSeat(another, said, signature, seats);
        beacon.set(order.epoch, 0);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.SeedUnknown.selector, order.epoch));
        channels.proveFalseSeat(order, said, signature, seats);
    }

    function testTwoResultsForOneOrderCostAll() public {
        bytes32 hash = hashOf(orderOf(0, 3));
        uint32 liar = pool[3];
        (Attestation memory a, bytes memory signatureA) = attest(hash, liar, RESULT, "root");
        (Attestation memory b, bytes memory signatureB) = attest(hash, liar, keccak256("another"), "root");
        uint256 stake = bondedOf(liar);
        vm.prank(stranger);
        channels.reportContradiction(a, signatureA, b, signatureB);
        assertEq(bondedOf(liar), 0);
        assertEq(ledger.claimableTokens(stranger), stake / 10);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.AlreadyProvenFault.selector, hash, liar));
        channels.reportContradiction(a, signatureA, b, signatureB);
    }

    function testWhatIsNoContradiction() public {
        bytes32 hash = hashOf(orderOf(0, 3));
        (Attestation memory a, bytes memory signatureA) = attest(hash, pool[0], RESULT, "root");
        (Attestation memory b, bytes memory signatureB) = attest(hash, pool[0], RESULT, "another root");
        vm.expectRevert(IPaymentChannels.NotContradicting.selector);
        channels.reportContradiction(a, signatureA, b, signatureB);
        (b, signatureB) = attest(hash, pool[1], keccak256("another"), "root");
        vm.expectRevert(IPaymentChannels.NotContradicting.selector);
        channels.reportContradiction(a, signatureA, b, signatureB);
        (b, signatureB) = attest(hash, pool[0], keccak256("another"), "root");
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.BadSeatSignature.selector, hash, pool[0]));
        channels.reportContradiction(a, signatureA, b, signatureA);
    }
}
