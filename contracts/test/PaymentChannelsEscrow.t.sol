// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SlashEscrow} from "../src/SlashEscrow.sol";
import {Attestation, TaskOrder} from "../src/interfaces/ChannelTypes.sol";
import {ISlashEscrow, SlashCase} from "../src/interfaces/ISlashEscrow.sol";
import {Fault} from "../src/interfaces/Types.sol";
import {ChannelTest} from "./utils/ChannelTest.sol";
import {Vm} from "./utils/Vm.sol";

/// @title Slashes of the channel lane wait and end as those of tasks do
contract PaymentChannelsEscrowTest is ChannelTest {
    uint32 private constant WINDOW = 14 days;

    SlashEscrow private escrow;
    uint32 private liar;
    uint256 private stake;

    function setUp() public override {
        super.setUp();
        escrow = new SlashEscrow(address(manager), address(ledger), makeAddr("appeals"), 1_000, WINDOW);
        vm.prank(governor);
        ledger.setSlashEscrow(address(escrow));
        liar = pool[3];
        stake = bondedOf(liar);
    }

    function _checkIn() private {
        vm.prank(operatorOf(liar));
        rewardPool.checkIn(liar, exactModel);
        assertGt(rewardPool.intervalOf(liar).since, 0);
    }

    function _contradiction() private returns (SlashCase memory found) {
        bytes32 hash = hashOf(orderOf(0, 3));
        (Attestation memory a, bytes memory signatureA) = attest(hash, liar, RESULT, "root");
        (Attestation memory b, bytes memory signatureB) = attest(hash, liar, keccak256("another"), "root");
        vm.recordLogs();
        vm.prank(stranger);
        channels.reportContradiction(a, signatureA, b, signatureB);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != ISlashEscrow.SlashHeld.selector) continue;
            (found,) = abi.decode(logs[i].data, (SlashCase, uint256));
        }
    }

    function testAContradictionTakesAllAtOnceAndWaits() public {
        _checkIn();
        SlashCase memory found = _contradiction();
        assertEq(uint256(found.fault), uint256(Fault.Malicious));
        assertEq(found.taskId, hashOf(orderOf(0, 3)), "the order stands for the task");
        assertEq(found.model, 0, "the common reserve");
        assertEq(bondedOf(liar), 0, "nobody can run with it");
        assertEq(ledger.heldSlashes(), stake);
        assertEq(ledger.claimableTokens(stranger), 0, "its reporter waits too");
        assertEq(rewardPool.intervalOf(liar).since, 0, "nor is anybody paid on stake that is gone");
        skip(WINDOW + 1);
        escrow.finalise(found);
        assertEq(ledger.claimableTokens(stranger), stake / 10);
        assertEq(ledger.disputeReserve(0), stake * 45 / 100);
        assertEq(ledger.heldSlashes(), 0);
    }

    function testAVetoGivesAllBackAndTheReporterNothing() public {
        SlashCase memory found = _contradiction();
        vm.prank(governor);
        escrow.veto(found);
        assertEq(bondedOf(liar), stake);
        assertEq(ledger.claimableTokens(stranger), 0);
        assertEq(ledger.disputeReserve(0), 0);
    }

    function testASeatThatWasNotDrawnIsFinalAtOnceButNotPaidForUptime() public {
        TaskOrder memory order = orderOf(0, 3);
        uint32[] memory seats = drawn(order);
        for (uint256 i; i < pool.length; ++i) {
            if (pool[i] != seats[0] && pool[i] != seats[1] && pool[i] != seats[2]) liar = pool[i];
        }
        stake = bondedOf(liar);
        _checkIn();
        (Attestation memory said, bytes memory signature) = attest(hashOf(order), liar, RESULT, "root");
        vm.prank(stranger);
        channels.proveFalseSeat(order, said, signature, seats);
        assertEq(bondedOf(liar), stake - stake / 10, "a tenth is not above the threshold");
        assertEq(ledger.heldSlashes(), 0);
        assertEq(ledger.claimableTokens(stranger), stake / 100);
        assertEq(rewardPool.intervalOf(liar).since, 0, "interrupted");
    }
}
