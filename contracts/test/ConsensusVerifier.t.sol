// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Ballot} from "../src/interfaces/IBallotBox.sol";
import {IConsensusVerifier} from "../src/interfaces/IConsensusVerifier.sol";
import {Role, Seat, TaskStatus, Verdict} from "../src/interfaces/Types.sol";
import {BaseTest} from "./utils/BaseTest.sol";

/// @title Verdicts for everybody to see, and evidence of contradiction
contract ConsensusVerifierTest is BaseTest {
    uint256 private constant OTHER_KEY = 0xB0B;

    function setUp() public override {
        super.setUp();
        addPool(5, 6);
    }

    function testConstantsAreThoseOfTheWhitePaper() public view {
        assertEq(verifier.MIN_VERIFIERS(), 3);
        assertEq(verifier.CONSENSUS_THRESHOLD(), 70);
    }

    // ---- rounds ----

    function testPreviewVerdictFollowsTheReveals() public {
        bytes32 taskId = begin(exactModel, 4);
        Seat[] memory seats = committee(taskId);
        assertFalse(verifier.previewVerdict(taskId).passed, "before anything is revealed");
        commitAll(taskId, RIGHT);
        revealAs(seats[0].account, taskId, RIGHT);
        revealAs(seats[1].account, taskId, RIGHT);
        Verdict memory verdict = verifier.previewVerdict(taskId);
        assertFalse(verdict.passed);
        assertEq(verdict.confidence, 5_000);
        revealAs(seats[2].account, taskId, RIGHT);
        verdict = verifier.previewVerdict(taskId);
        assertTrue(verdict.passed, "three of four");
        assertEq(verdict.winner, digestOf(taskId, RIGHT));
        assertStatus(taskId, TaskStatus.Revealing);
    }

    function testTallyRoundIsForTheTaskManager() public {
        Ballot memory ballot;
        vm.expectRevert(IConsensusVerifier.OnlyTaskManager.selector);
        verifier.tallyRound(0, ballot);
    }

    function testRoundClosedNamesTheVerdict() public {
        bytes32 taskId = begin(exactModel, 3);
        Seat[] memory seats = committee(taskId);
        commitAll(taskId, RIGHT);
        revealAs(seats[0].account, taskId, RIGHT);
        revealAs(seats[1].account, taskId, RIGHT);
        vm.expectEmit(address(verifier));
        emit IConsensusVerifier.RoundClosed(taskId, 0, true, false, digestOf(taskId, RIGHT), 10_000);
        revealAs(seats[2].account, taskId, RIGHT);
    }

    // ---- contradictions ----

    function testContradictionTakesEverythingOnce() public {
        (uint32 account, uint256 key) = _member();
        vm.prank(operatorOf(account));
        ledger.requestUnbond(Role.Compute, COMPUTE_MIN);
        IConsensusVerifier.SignedAttestation memory a = _attest(account, "task", 1, "a", key);
        IConsensusVerifier.SignedAttestation memory b = _attest(account, "task", 1, "b", key);
        vm.prank(stranger);
        verifier.reportContradiction(a, b);
        assertEq(bondedOf(account), 0);
        assertEq(ledger.accounts(account).unbonding, 0);
        assertEq(ledger.claimableTokens(stranger), 2 * COMPUTE_MIN / 10, "a tenth for the reporter");

        // The same evidence never takes what is staked afterwards, nor does another digest for that round.
        stakeAs(operatorOf(account), Role.Compute, COMPUTE_MIN);
        vm.expectRevert(IConsensusVerifier.AlreadyProven.selector);
        verifier.reportContradiction(b, a);
        IConsensusVerifier.SignedAttestation memory c = _attest(account, "task", 1, "c", key);
        vm.expectRevert(IConsensusVerifier.AlreadyProven.selector);
        verifier.reportContradiction(a, c);
        assertEq(bondedOf(account), COMPUTE_MIN);
    }

    function testContradictionCountsForAForbiddenKeyAndTwoKeys() public {
        (uint32 account, uint256 key) = _member();
        address second = vm.addr(OTHER_KEY);
        allowNode(operatorOf(account), OTHER_KEY);
        vm.prank(operatorOf(account));
        tasks.setNodeKey(second, false, "");
        IConsensusVerifier.SignedAttestation memory a = _attest(account, "task", 0, "a", key);
        IConsensusVerifier.SignedAttestation memory b = _attest(account, "task", 0, "b", OTHER_KEY);
        verifier.reportContradiction(a, b);
        assertEq(bondedOf(account), 0);
    }

    function testContradictionNeedsTwoStatementsOnOneThing() public {
        (uint32 account, uint256 key) = _member();
        IConsensusVerifier.SignedAttestation memory a = _attest(account, "task", 0, "a", key);
        vm.expectRevert(IConsensusVerifier.NotContradicting.selector);
        verifier.reportContradiction(a, a);
        bytes32[2] memory taskIds = [bytes32("task"), bytes32("other")];
        for (uint256 i; i < 2; ++i) {
            IConsensusVerifier.SignedAttestation memory b = _attest(account, taskIds[i], i == 0 ? 1 : 0, "b", key);
            vm.expectRevert(IConsensusVerifier.NotContradicting.selector);
            verifier.reportContradiction(a, b);
        }
        IConsensusVerifier.SignedAttestation memory c = _attest(account + 1, "task", 0, "b", key);
        vm.expectRevert(IConsensusVerifier.NotContradicting.selector);
        verifier.reportContradiction(a, c);
    }

    function testContradictionNeedsTheOperatorsOwnSignatures() public {
        (uint32 account, uint256 key) = _member();
        IConsensusVerifier.SignedAttestation memory a = _attest(account, "task", 0, "a", key);
        IConsensusVerifier.SignedAttestation memory b = _attest(account, "task", 0, "b", OTHER_KEY);
        vm.expectRevert(IConsensusVerifier.BadSignature.selector);
        verifier.reportContradiction(a, b);
        vm.expectRevert(IConsensusVerifier.BadSignature.selector);
        verifier.reportContradiction(b, a);
        bytes[4] memory nonsense = [b.signature, a.signature, bytes(hex"1234"), bytes("")];
        for (uint256 i; i < nonsense.length; ++i) {
            b = IConsensusVerifier.SignedAttestation(b.attestation, a.signer, nonsense[i]);
            vm.expectRevert(IConsensusVerifier.BadSignature.selector);
            verifier.reportContradiction(a, b);
        }
        // A key of another operator proves nothing against this one.
        Operator memory other = addOperator(Role.Compute, COMPUTE_MIN);
        allowNode(other.cold, OTHER_KEY);
        b = _attest(account, "task", 0, "b", OTHER_KEY);
        vm.expectRevert(IConsensusVerifier.BadSignature.selector);
        verifier.reportContradiction(a, b);
        assertEq(bondedOf(account), 2 * COMPUTE_MIN);
    }

    function testCodeOnAKeysAccountDoesNotUndoWhatTheKeySigned() public {
        (uint32 account, uint256 key) = _member();
        IConsensusVerifier.SignedAttestation memory a = _attest(account, "task", 0, "a", key);
        IConsensusVerifier.SignedAttestation memory b = _attest(account, "task", 0, "b", key);
        // What EIP-7702 lets a key do: from now on its account answers every question with a revert.
        vm.etch(a.signer, hex"5f5ffd");
        verifier.reportContradiction(a, b);
        assertEq(bondedOf(account), 0);
    }

    function testAttestationHashIsBoundToChainAndContract() public {
        IConsensusVerifier.Attestation memory a = IConsensusVerifier.Attestation("task", 0, 2, "digest");
        bytes32 here = verifier.attestationHash(a);
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("ML Bridge"),
                keccak256("1"),
                block.chainid,
                address(verifier)
            )
        );
        bytes32 content = keccak256(
            abi.encode(
                keccak256("Attestation(bytes32 taskId,uint8 round,uint32 account,bytes32 digest)"),
                bytes32("task"),
                uint8(0),
                uint32(2),
                bytes32("digest")
            )
        );
        assertEq(here, keccak256(abi.encodePacked(hex"1901", domain, content)));
        vm.chainId(5);
        assertNotEq(verifier.attestationHash(a), here);
    }

    // ---- helpers ----

    function _member() private returns (uint32 account, uint256 key) {
        account = operators[0].account;
        (, key) = makeAddrAndKey("operator 0 node");
        assertEq(vm.addr(key), operators[0].node, "the node's key");
    }

    function _attest(uint32 account, bytes32 taskId, uint8 round, bytes32 digest, uint256 key)
        private
        view
        returns (IConsensusVerifier.SignedAttestation memory)
    {
        IConsensusVerifier.Attestation memory said = IConsensusVerifier.Attestation(taskId, round, account, digest);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, verifier.attestationHash(said));
        return IConsensusVerifier.SignedAttestation(said, vm.addr(key), abi.encodePacked(r, s, v));
    }
}
