// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

import {IMLBridgeGovernor} from "../src/interfaces/IMLBridgeGovernor.sol";
import {Category} from "../src/interfaces/IMLBridgeGovernor.sol";
import {Role, TaskStatus} from "../src/interfaces/Types.sol";
import {GovernanceTest} from "./utils/GovernanceTest.sol";

/// @title What the guardian can do, for how long, and that it can do nothing else
contract GovernorGuardianTest is GovernanceTest {
    address private heir = makeAddr("heir");

    // ---- veto ----

    function testVetoInEveryStateUntilTheTimelockRanOut() public {
        for (uint256 stage; stage < 4; ++stage) {
            Proposal memory p = sample(Category.Technical);
            propose(whale, Category.Technical, p);
            if (stage > 0) openVote(p.id);
            if (stage > 1) {
                vote(whale, p.id, FOR);
                closeVote(p.id);
            }
            if (stage > 2) {
                queue(p);
                vm.warp(dao.proposalEta(p.id) - 1);
            }
            cancelAs(guardian, p);
            assertState(p.id, IGovernor.ProposalState.Canceled);
            skip(1 days);
            vm.expectPartialRevert(IGovernor.GovernorUnexpectedProposalState.selector);
            this.executeFor(p);
        }
    }

    function testVetoEndsWithTheTimelock() public {
        Proposal memory p = sample(Category.Technical);
        toQueue(Category.Technical, p);
        vm.warp(dao.proposalEta(p.id));
        _assertCannotCancel(guardian, p);
        execute(p);
    }

    function testAProposerTakesBackItsProposalBeforeTheVoteOnly() public {
        Proposal memory p = sample(Category.Technical);
        propose(whale, Category.Technical, p);
        _assertCannotCancel(stranger, p);
        cancelAs(whale, p);
        assertState(p.id, IGovernor.ProposalState.Canceled);
        // Not even when there is no guardian.
        skip(GUARDIAN_TERM);
        p = sample(Category.Technical);
        propose(whale, Category.Technical, p);
        openVote(p.id);
        _assertCannotCancel(whale, p);
        _assertCannotCancel(guardian, p);
    }

    function testNobodyVetoesTheReplacementOfTheGuardian() public {
        Proposal memory p = proposal(address(dao), abi.encodeCall(dao.setProposalGuardian, (heir)));
        propose(whale, Category.Governance, p);
        _assertCannotCancel(guardian, p);
        voteThrough(p, asList(whale));
        _assertCannotCancel(guardian, p);
        queue(p);
        _assertCannotCancel(guardian, p);
        vm.warp(dao.proposalEta(p.id));
        vm.expectEmit(address(dao));
        emit IMLBridgeGovernor.GuardianTermSet(heir, vm.getBlockTimestamp() + GUARDIAN_TERM);
        execute(p);
        assertEq(dao.proposalGuardian(), heir);
        vm.expectRevert(abi.encodeWithSelector(IMLBridgeGovernor.NotGuardian.selector, guardian));
        vm.prank(guardian);
        dao.emergencyPause(address(bridge));
        Proposal memory other = sample(Category.Technical);
        propose(whale, Category.Technical, other);
        _assertCannotCancel(guardian, other);
        cancelAs(heir, other);
    }

    function testAReplacementWithSomethingElseCanBeVetoed() public {
        Proposal memory p = proposal(address(dao), abi.encodeCall(dao.setProposalGuardian, (heir)));
        p = and(p, address(token), 0, abi.encodeCall(token.transfer, (stranger, 1)));
        propose(whale, Category.Governance, p);
        cancelAs(guardian, p);
        p = proposal(stranger, abi.encodeCall(dao.setProposalGuardian, (heir)));
        propose(whale, Category.Governance, p);
        cancelAs(guardian, p);
    }

    // ---- term ----

    function testAGuardianIsOneForATermOnly() public {
        vm.warp(dao.guardianUntil() - 1);
        assertEq(dao.proposalGuardian(), guardian);
        skip(1);
        assertEq(dao.proposalGuardian(), address(0));
        vm.expectRevert(abi.encodeWithSelector(IMLBridgeGovernor.NotGuardian.selector, guardian));
        vm.prank(guardian);
        dao.emergencyPause(address(bridge));
        Proposal memory p = sample(Category.Technical);
        propose(whale, Category.Technical, p);
        _assertCannotCancel(guardian, p);
    }

    function testNamingTheSameGuardianAgainRenewsIt() public {
        skip(GUARDIAN_TERM + 1);
        carry(Category.Governance, proposal(address(dao), abi.encodeCall(dao.setProposalGuardian, (guardian))));
        assertEq(dao.proposalGuardian(), guardian);
        assertEq(dao.guardianUntil(), vm.getBlockTimestamp() + GUARDIAN_TERM);
        vm.prank(guardian);
        dao.emergencyPause(address(bridge));
    }

    // ---- pause ----

    function testEmergencyPauseStopsNewWorkAndNothingElse() public {
        addPool(4, 0);
        bytes32 waiting = submit(exactModel, 3);
        bytes32 taskId = begin(exactModel, 3);
        bytes32 silent = begin(exactModel, 3);
        bytes32 cancelled = submit(exactModel, 3);
        vm.expectEmit(address(dao));
        emit IMLBridgeGovernor.EmergencyPause(guardian, address(bridge));
        vm.prank(guardian);
        dao.emergencyPause(address(bridge));

        uint256 payment = tasks.quote(exactModel, 3);
        vm.expectRevert(Pausable.EnforcedPause.selector);
        vm.prank(requester);
        bridge.submitTask{value: payment}(exactModel, INPUT, vm.getBlockTimestamp() + 600);

        vm.prank(requester);
        bridge.cancelTask(cancelled);
        playRound(taskId, RIGHT);
        assertStatus(taskId, TaskStatus.Finalized);
        draw(waiting);
        passPhase(silent);
        poke(silent);
        skip(1 days);
        poke(silent);
        assertStatus(silent, TaskStatus.Refunded);
        ledger.claim(requester);
        ledger.claim(provider);
        stakeAs(stranger, Role.Holder, 1e18);
        vm.startPrank(stranger);
        ledger.requestUnbond(Role.Holder, 1e18);
        skip(UNBONDING);
        assertEq(ledger.withdraw(Role.Holder), 1e18);
        vm.stopPrank();
    }

    function testOnlyAProposalEndsAPause() public {
        vm.startPrank(guardian);
        dao.emergencyPause(address(bridge));
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, guardian));
        bridge.unpause();
        vm.stopPrank();
        carry(Category.Technical, proposal(address(bridge), abi.encodeCall(bridge.unpause, ())));
        assertFalse(bridge.paused());
        carry(Category.Technical, proposal(address(bridge), abi.encodeCall(bridge.pause, ())));
        assertTrue(bridge.paused());
    }

    function testOnlyTheGuardianPausesAtOnce() public {
        address[3] memory callers = [stranger, whale, governor];
        for (uint256 i; i < callers.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IMLBridgeGovernor.NotGuardian.selector, callers[i]));
            vm.prank(callers[i]);
            dao.emergencyPause(address(bridge));
        }
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, guardian));
        vm.prank(guardian);
        bridge.pause();
    }

    /// @dev A target of its own is asked to pause, with the governor as the caller, and that is all it can use.
    function testPausingAnythingElseGivesNoPower() public {
        Trap trap = new Trap();
        trap.aim(address(bridge), abi.encodeCall(bridge.unpause, ()));
        vm.startPrank(guardian);
        dao.emergencyPause(address(bridge));
        dao.emergencyPause(address(trap));
        assertFalse(trap.sprung(), "called as itself, not as the governor");
        trap.aim(address(dao), abi.encodeCall(dao.setVoteRecorder, (address(trap))));
        dao.emergencyPause(address(trap));
        assertFalse(trap.sprung());
        vm.expectRevert();
        dao.emergencyPause(address(ledger));
        vm.expectRevert();
        dao.emergencyPause(address(timelock));
        vm.stopPrank();
        assertTrue(bridge.paused());
    }

    // ---- helpers ----

    function cancelFor(address who, Proposal memory p) external {
        cancelAs(who, p);
    }

    function executeFor(Proposal memory p) external {
        execute(p);
    }

    function _assertCannotCancel(address who, Proposal memory p) private {
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorUnableToCancel.selector, p.id, who));
        this.cancelFor(who, p);
    }
}

/// @dev A contract that a dishonest guardian asks to pause.
contract Trap {
    address private target;
    bytes private data;
    bool public sprung;

    function aim(address target_, bytes calldata data_) external {
        (target, data) = (target_, data_);
    }

    function pause() external {
        (bool done,) = target.call(data);
        if (done) sprung = true;
    }
}
