// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ITaskManager} from "../src/interfaces/ITaskManager.sol";
import {Role, Seat, TaskStatus} from "../src/interfaces/Types.sol";
import {BaseTest} from "./utils/BaseTest.sol";

/// @title One committee: commit, reveal, silence, wrong openings, cancellation
contract TaskManagerLifecycleTest is BaseTest {
    function setUp() public override {
        super.setUp();
        addPool(10, 10);
    }

    // ---- the happy path, to the wei ----

    function testFinalizePaysEverybodyToTheWei() public {
        uint256 payment = tasks.quote(exactModel, 3) + 1; // an odd wei, so that something is left over
        bytes32 taskId = submit(exactModel, 3, payment);
        uint256 held = address(bridge).balance;
        draw(taskId);
        Seat[] memory seats = committee(taskId);
        playRound(taskId, RIGHT);
        assertStatus(taskId, TaskStatus.Finalized);

        uint256 protocolFee = payment * 500 / 10_000;
        uint256 tip = parameters().tip;
        uint256 seatFee = (payment - MODEL_PRICE - protocolFee - 4 * tip) / 3;
        for (uint256 i; i < 3; ++i) {
            assertEq(ledger.claimable(operatorOf(seats[i].account)), seatFee, "seat fee");
        }
        assertGe(seatFee, parameters().seatFee);
        assertEq(ledger.claimable(provider), MODEL_PRICE, "model fee");
        assertEq(ledger.protocolFees(), protocolFee, "protocol fee");
        assertEq(ledger.claimable(keeper), tip, "tip");
        assertEq(
            ledger.claimable(requester),
            payment - MODEL_PRICE - protocolFee - 3 * seatFee - tip,
            "change and unused tips"
        );
        assertEq(held, payment);
        vm.prank(stranger);
        ledger.claim(requester);
        ledger.claim(provider);
        ledger.claim(keeper);
        for (uint256 i; i < 3; ++i) {
            ledger.claim(operatorOf(seats[i].account));
        }
        assertEq(address(bridge).balance, protocolFee, "nothing else is left");
    }

    function testTaskOutlivesItsRoundsInStorage() public {
        bytes32 taskId = begin(exactModel, 3);
        (, address who,, bytes memory hash, uint256 reward,,) = bridge.tasks(taskId);
        assertEq(who, requester);
        assertEq(hash, abi.encode(keccak256(INPUT)));
        assertEq(reward, tasks.quote(exactModel, 3));
        playRound(taskId, RIGHT);
        assertEq(tasks.getSeats(taskId, 0).length, 0, "seats are gone");
        bytes32 id;
        bytes32 modelId;
        TaskStatus state;
        (id, who, modelId, hash, reward,, state) = bridge.tasks(taskId);
        assertEq(id, taskId);
        assertEq(modelId, exactModel);
        assertEq(uint256(state), uint256(TaskStatus.Finalized));
        // Kept only while the task lives: the next one may need their place.
        assertEq(who, address(0));
        assertEq(hash, abi.encode(bytes32(0)));
        assertEq(reward, 0);
    }

    function testTasksOnOneDeskDoNotMix() public {
        // More tasks at once than the first table has desks, each with another payload.
        bytes32[] memory ids = new bytes32[](9);
        for (uint256 i; i < ids.length; ++i) {
            ids[i] = submit(exactModel, 3);
        }
        for (uint256 i; i < ids.length; ++i) {
            draw(ids[i]);
        }
        for (uint256 i; i < ids.length; ++i) {
            commitAll(ids[i], abi.encode(i));
        }
        for (uint256 i; i < ids.length; ++i) {
            assertEq(tasks.getTask(ids[i]).committed, 3);
            revealAll(ids[i], abi.encode(i));
            assertStatus(ids[i], TaskStatus.Finalized);
        }
        // Again on what they left behind: nothing of it counts as committed.
        bytes32 taskId = begin(exactModel, 5);
        Seat[] memory seats = committee(taskId);
        for (uint256 i; i < 5; ++i) {
            assertFalse(seats[i].committed || seats[i].revealed || seats[i].faulty);
            assertEq(seats[i].value, bytes32(0));
        }
    }

    // ---- commit ----

    function testCommitOfACopyIsWorthless() public {
        bytes32 taskId = begin(exactModel, 3);
        Seat[] memory seats = committee(taskId);
        (uint32 author, uint32 thief) = (seats[0].account, seats[1].account);
        bytes32 stolen = commitmentOf(taskId, 0, author, RIGHT, saltOf(author));
        vm.prank(nodeOf[author]);
        bridge.commitResult(taskId, stolen);
        vm.prank(nodeOf[thief]);
        bridge.commitResult(taskId, stolen);
        commitAs(seats[2].account, taskId, RIGHT);
        revealAs(author, taskId, RIGHT);
        revealAs(seats[2].account, taskId, RIGHT);
        // The thief now knows everything, and can still not open what is not its own.
        vm.prank(nodeOf[thief]);
        bridge.submitResult(taskId, inline_(RIGHT), abi.encode(saltOf(author)));
        assertStatus(taskId, TaskStatus.Escalated);
        assertTrue(tasks.getSeats(taskId, 0)[1].faulty);
        uint256 before = bondedOf(thief);
        draw(taskId);
        playRound(taskId, RIGHT);
        assertStatus(taskId, TaskStatus.Finalized);
        assertEq(bondedOf(thief), before / 2, "unopened against a unanimous verdict");
        assertEq(ledger.claimable(operatorOf(thief)), 0);
    }

    function testCommitRefusesStrangersRepeatsAndMarks() public {
        bytes32 taskId = begin(exactModel, 3);
        uint32 account = committee(taskId)[0].account;
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.NotSeated.selector, taskId, stranger));
        vm.prank(stranger);
        bridge.commitResult(taskId, bytes32(uint256(7)));
        for (uint256 mark; mark < 2; ++mark) {
            vm.expectRevert(ITaskManager.ZeroCommitment.selector);
            vm.prank(nodeOf[account]);
            bridge.commitResult(taskId, bytes32(mark));
        }
        commitAs(account, taskId, RIGHT);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.AlreadyCommitted.selector, taskId, account));
        vm.prank(nodeOf[account]);
        bridge.commitResult(taskId, bytes32(uint256(7)));
    }

    function testCommitByAForbiddenKeyIsRefused() public {
        bytes32 taskId = begin(exactModel, 3);
        uint32 account = committee(taskId)[0].account;
        address node = nodeOf[account];
        vm.prank(operatorOf(account));
        tasks.setNodeKey(node, false, "");
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.NotSeated.selector, taskId, node));
        vm.prank(node);
        bridge.commitResult(taskId, bytes32(uint256(7)));
        (address other, uint256 key) = makeAddrAndKey("second key");
        allowNode(operatorOf(account), key);
        vm.prank(other);
        bridge.commitResult(taskId, bytes32(uint256(7)));
        assertTrue(committee(taskId)[0].committed);
    }

    function testCommitAfterTheWindowIsRefused() public {
        bytes32 taskId = begin(exactModel, 3);
        uint32 account = committee(taskId)[0].account;
        passPhase(taskId);
        expectError(ITaskManager.PhaseClosed.selector);
        vm.prank(nodeOf[account]);
        bridge.commitResult(taskId, bytes32(uint256(7)));
    }

    // ---- silence ----

    function testSilentSeatIsReplacedAndPunished() public {
        bytes32 taskId = begin(exactModel, 3);
        Seat[] memory seats = committee(taskId);
        commitAs(seats[0].account, taskId, RIGHT);
        commitAs(seats[2].account, taskId, RIGHT);
        uint32 silent = seats[1].account;
        uint256 before = bondedOf(silent);
        passPhase(taskId);
        poke(taskId);
        assertStatus(taskId, TaskStatus.Redrawing);
        assertEq(bondedOf(silent), before * 95 / 100, "5 % for the first absence");
        draw(taskId);
        assertStatus(taskId, TaskStatus.Committing);
        Seat[] memory then = committee(taskId);
        assertEq(then[0].account, seats[0].account);
        assertEq(then[2].account, seats[2].account);
        assertTrue(then[0].committed && then[2].committed && !then[1].committed);
        assertNotEq(then[1].account, silent);
        // Who lost its seat cannot come back to it.
        expectError(ITaskManager.NotSeated.selector);
        vm.prank(nodeOf[silent]);
        bridge.commitResult(taskId, bytes32(uint256(7)));
        commitAs(then[1].account, taskId, RIGHT);
        revealAll(taskId, RIGHT);
        assertStatus(taskId, TaskStatus.Finalized);
        assertEq(ledger.claimable(keeper), 3 * uint256(parameters().tip), "draw, close, draw");
    }

    function testSilentCommitteeEndsAfterTheLastRedraw() public {
        bytes32 taskId = begin(exactModel, 3);
        uint256 payment = tasks.getTask(taskId).reward;
        commitAs(committee(taskId)[0].account, taskId, RIGHT);
        commitAs(committee(taskId)[2].account, taskId, RIGHT);
        for (uint256 i; i < 4; ++i) {
            passPhase(taskId);
            poke(taskId);
            if (i < 3) draw(taskId);
        }
        assertStatus(taskId, TaskStatus.Refunded);
        assertEq(ledger.claimable(requester), payment - 4 * uint256(parameters().tip), "all but four tips");
        assertEq(ledger.claimable(keeper), 4 * uint256(parameters().tip), "and not one more");
    }

    function testSilentCommitteeNearTheDeadlineIsNotRedrawn() public {
        bytes32 taskId = begin(exactModel, 3);
        commitAs(committee(taskId)[0].account, taskId, RIGHT);
        vm.warp(tasks.getTask(taskId).deadline - parameters().commitWindow + 1);
        poke(taskId);
        assertStatus(taskId, TaskStatus.Refunded);
    }

    function testAssignTooLateForAWholeWindowRefunds() public {
        bytes32 taskId = submit(exactModel, 3);
        uint256 payment = tasks.getTask(taskId).reward;
        passRandomness(taskId);
        vm.warp(tasks.getTask(taskId).deadline - parameters().commitWindow + 1);
        assertTrue(tasks.pokeable(taskId));
        vm.prank(keeper);
        tasks.assign(taskId);
        assertStatus(taskId, TaskStatus.Refunded);
        assertEq(ledger.claimable(requester), payment - parameters().tip);
        assertEq(ledger.claimable(keeper), parameters().tip);
    }

    function testUnbondingMidTaskIsStillSlashed() public {
        bytes32 taskId = begin(exactModel, 3);
        uint32 leaver = committee(taskId)[0].account;
        uint256 stake = bondedOf(leaver);
        vm.startPrank(operatorOf(leaver));
        ledger.requestUnbond(Role.Compute, stake);
        vm.stopPrank();
        passPhase(taskId);
        poke(taskId);
        assertEq(ledger.accounts(leaver).unbonding, stake * 95 / 100);
    }

    // ---- reveal ----

    function testCommitWithoutRevealIsPunishedWhicheverWayItEnds() public {
        bytes32 taskId = begin(exactModel, 3);
        Seat[] memory seats = committee(taskId);
        commitAll(taskId, RIGHT);
        revealAs(seats[0].account, taskId, RIGHT);
        revealAs(seats[2].account, taskId, RIGHT);
        uint32 mute = seats[1].account;
        uint256 before = bondedOf(mute);
        expectError(ITaskManager.PhaseOpen.selector);
        tasks.poke(taskId);
        passPhase(taskId);
        poke(taskId);
        assertStatus(taskId, TaskStatus.Escalated);
        assertEq(bondedOf(mute), before, "nothing before the end");
        draw(taskId);
        // The judges disagree, and the next size too.
        _playSplit(taskId);
        draw(taskId);
        _playSplit(taskId);
        assertStatus(taskId, TaskStatus.Refunded);
        assertEq(bondedOf(mute), before * 90 / 100, "the least, but never nothing");
    }

    function testFiveSeatsWithOneMuteFinalize() public {
        bytes32 taskId = begin(exactModel, 5);
        Seat[] memory seats = committee(taskId);
        commitAll(taskId, RIGHT);
        for (uint256 i = 1; i < 5; ++i) {
            revealAs(seats[i].account, taskId, RIGHT);
        }
        uint256 before = bondedOf(seats[0].account);
        passPhase(taskId);
        // Anyone may close it through the verifier as well, and is tipped.
        vm.prank(stranger);
        verifier.processVerificationRound(taskId);
        assertStatus(taskId, TaskStatus.Finalized);
        assertEq(ledger.claimable(stranger), parameters().tip);
        assertEq(bondedOf(seats[0].account), before - before * (1_000 + uint256(4_000) / 3) / 10_000, "at 80 %");
        assertEq(ledger.claimable(operatorOf(seats[0].account)), 0);
        assertGt(ledger.claimable(operatorOf(seats[4].account)), 0);
    }

    function testRevealOfSomethingElseIsRecordedOnce() public {
        bytes32 taskId = begin(exactModel, 5);
        Seat[] memory seats = committee(taskId);
        commitAll(taskId, RIGHT);
        uint32 clumsy = seats[0].account;
        vm.expectEmit(address(tasks));
        emit ITaskManager.RevealFault(taskId, clumsy, 0);
        revealAs(clumsy, taskId, WRONG);
        assertTrue(committee(taskId)[0].faulty);
        expectError(ITaskManager.AlreadyRevealed.selector);
        vm.prank(nodeOf[clumsy]);
        bridge.submitResult(taskId, inline_(RIGHT), abi.encode(saltOf(clumsy)));
        uint256 before = bondedOf(clumsy);
        for (uint256 i = 1; i < 5; ++i) {
            revealAs(seats[i].account, taskId, RIGHT);
        }
        // All opened, rightly or wrongly: nobody has to wait.
        assertStatus(taskId, TaskStatus.Finalized);
        assertLt(bondedOf(clumsy), before);
    }

    function testRevealOfUnreadableContentMayBeMended() public {
        bytes32 taskId = begin(exactModel, 3);
        commitAll(taskId, RIGHT);
        uint32 account = committee(taskId)[0].account;
        bytes memory salt = abi.encode(saltOf(account));
        bytes[4] memory unreadable = [bytes(""), hex"02", bytes.concat(hex"01", bytes32(0)), hex"ff42"];
        vm.startPrank(nodeOf[account]);
        for (uint256 i; i < 4; ++i) {
            vm.expectRevert(ITaskManager.BadResult.selector);
            bridge.submitResult(taskId, unreadable[i], salt);
        }
        vm.expectRevert(ITaskManager.BadResult.selector);
        bridge.submitResult(taskId, inline_(RIGHT), hex"00");
        vm.stopPrank();
        assertFalse(committee(taskId)[0].faulty);
        revealAs(account, taskId, RIGHT);
        assertTrue(committee(taskId)[0].revealed);
        expectError(ITaskManager.AlreadyRevealed.selector);
        vm.prank(nodeOf[account]);
        bridge.submitResult(taskId, inline_(RIGHT), salt);
    }

    function testRevealByPointerCountsAsItsPayload() public {
        bytes32 taskId = begin(exactModel, 3);
        Seat[] memory seats = committee(taskId);
        commitAll(taskId, RIGHT);
        bytes memory pointer = pointer_(RIGHT);
        vm.prank(nodeOf[seats[0].account]);
        bridge.submitResult(taskId, pointer, bytes.concat(saltOf(seats[0].account), "evidence"));
        revealAs(seats[1].account, taskId, RIGHT);
        revealAs(seats[2].account, taskId, RIGHT);
        assertStatus(taskId, TaskStatus.Finalized);
    }

    function testRevealBeforeAndAfterItsPhaseIsRefused() public {
        bytes32 taskId = begin(exactModel, 3);
        uint32 account = committee(taskId)[0].account;
        commitAs(account, taskId, RIGHT);
        expectError(ITaskManager.WrongStatus.selector);
        vm.prank(nodeOf[account]);
        bridge.submitResult(taskId, inline_(RIGHT), abi.encode(saltOf(account)));
        commitAll(taskId, RIGHT);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.NotSeated.selector, taskId, stranger));
        vm.prank(stranger);
        bridge.submitResult(taskId, inline_(WRONG), abi.encode(bytes32(0)));
        passPhase(taskId);
        expectError(ITaskManager.PhaseClosed.selector);
        vm.prank(nodeOf[account]);
        bridge.submitResult(taskId, inline_(RIGHT), abi.encode(saltOf(account)));
    }

    // ---- cancel ----

    function testCancelReturnsEverythingUntilTheRandomnessIsKnown() public {
        bytes32 taskId = submit(exactModel, 3);
        uint256 payment = tasks.getTask(taskId).reward;
        vm.roll(tasks.getTask(taskId).randomnessBlock);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.NotRequester.selector, taskId, stranger));
        vm.prank(stranger);
        bridge.cancelTask(taskId);
        vm.prank(requester);
        bridge.cancelTask(taskId);
        assertStatus(taskId, TaskStatus.Cancelled);
        assertEq(ledger.claimable(requester), payment);
    }

    function testCancelOnceTheRandomnessIsKnownIsRefused() public {
        bytes32 taskId = submit(exactModel, 3);
        passRandomness(taskId);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.TooLateToCancel.selector, taskId));
        vm.prank(requester);
        bridge.cancelTask(taskId);
    }

    // ---- helpers ----

    /// @dev Half of the judges say this, half that: no verdict.
    function _playSplit(bytes32 taskId) private {
        Seat[] memory seats = committee(taskId);
        bytes[] memory payloads = new bytes[](seats.length);
        for (uint256 i; i < seats.length; ++i) {
            payloads[i] = i % 2 == 0 ? RIGHT : WRONG;
        }
        playRound(taskId, payloads);
    }
}
