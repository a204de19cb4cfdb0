// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {Ballot, IBallotBox} from "./interfaces/IBallotBox.sol";
import {IConsensusVerifier} from "./interfaces/IConsensusVerifier.sol";
import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {ITaskManager} from "./interfaces/ITaskManager.sol";
import {Fault, Verdict} from "./interfaces/Types.sol";
import {Tally} from "./libraries/Tally.sol";

/// @title The verdict rule, and evidence of contradiction
contract ConsensusVerifier is IConsensusVerifier, EIP712 {
    bytes32 private constant ATTESTATION_TYPEHASH =
        keccak256("Attestation(bytes32 taskId,uint8 round,uint32 account,bytes32 digest)");
    /// @dev Confidence that the distributor ignores: two signatures leave no doubt.
    uint256 private constant CERTAIN = 10_000;

    /// @inheritdoc IConsensusVerifier
    uint256 public constant MIN_VERIFIERS = Tally.MIN_SEATS;
    /// @inheritdoc IConsensusVerifier
    uint256 public constant CONSENSUS_THRESHOLD = Tally.THRESHOLD;

    /// @notice Keeps the rounds and applies verdicts.
    address public immutable taskManager;
    /// @notice Takes the stake of who contradicts itself.
    IRewardDistributor public immutable distributor;

    /// @notice Whether an account was already punished for contradicting itself in this task and round. Without it
    /// the same two signatures would take whatever the operator stakes afterwards.
    mapping(uint32 account => mapping(bytes32 taskId => mapping(uint8 round => bool))) public proven;

    /// @notice Deploy for these neighbours; the addresses are fixed for ever.
    /// @param taskManager_ runs the tasks
    /// @param distributor_ stakes and slashes
    constructor(address taskManager_, address distributor_) EIP712("ML Bridge", "1") {
        taskManager = taskManager_;
        distributor = IRewardDistributor(distributor_);
    }

    /// @inheritdoc IConsensusVerifier
    /// @dev The task manager rejects the verdict of a round that cannot be closed yet.
    function processVerificationRound(bytes32 taskId) external {
        Verdict memory found;
        _close(taskId, IBallotBox(taskManager).ballot(taskId), found);
        ITaskManager(taskManager).applyVerdict(taskId, found, msg.sender);
    }

    /// @inheritdoc IConsensusVerifier
    function tallyRound(bytes32 taskId, Ballot memory ballot) external returns (Verdict memory found) {
        if (msg.sender != taskManager) revert OnlyTaskManager();
        _close(taskId, ballot, found);
    }

    /// @inheritdoc IConsensusVerifier
    function previewVerdict(bytes32 taskId) external view returns (Verdict memory found) {
        Tally.verdict(IBallotBox(taskManager).ballot(taskId), found);
    }

    /// @inheritdoc IConsensusVerifier
    /// @dev A key counts for the operator that it was ever bound to: forbidding a key must not undo what it signed.
    function reportContradiction(SignedAttestation calldata first, SignedAttestation calldata second) external {
        Attestation calldata a = first.attestation;
        Attestation calldata b = second.attestation;
        if (a.taskId != b.taskId || a.round != b.round || a.account != b.account || a.digest == b.digest) {
            revert NotContradicting();
        }
        if (proven[a.account][a.taskId][a.round]) revert AlreadyProven();
        _requireSigned(first);
        _requireSigned(second);
        proven[a.account][a.taskId][a.round] = true;
        emit ContradictionProven(a.account, a.taskId, msg.sender);
        distributor.slash(a.account, a.taskId, 0, Fault.Malicious, CERTAIN, msg.sender);
    }

    /// @notice What a node key signs for an attestation.
    /// @param attestation what the account signed
    function attestationHash(Attestation calldata attestation) public view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    ATTESTATION_TYPEHASH, attestation.taskId, attestation.round, attestation.account, attestation.digest
                )
            )
        );
    }

    function _close(bytes32 taskId, Ballot memory ballot, Verdict memory found) private {
        Tally.verdict(ballot, found);
        emit RoundClosed(taskId, ballot.round, found.passed, found.dissent, found.winner, found.confidence);
    }

    function _requireSigned(SignedAttestation calldata signed) private view {
        (uint32 operatorId,) = ITaskManager(taskManager).nodeBinding(signed.signer);
        if (operatorId == 0 || operatorId != signed.attestation.account >> 1) revert BadSignature();
        if (!_signedBy(signed.signer, attestationHash(signed.attestation), signed.signature)) revert BadSignature();
    }

    /// @dev A key's own signature counts whatever code its account carries: by EIP-7702 a key could otherwise put code
    /// there afterwards that disowns it.
    function _signedBy(address signer, bytes32 hash, bytes calldata signature) private view returns (bool) {
        (address recovered, ECDSA.RecoverError problem,) = ECDSA.tryRecoverCalldata(hash, signature);
        if (problem == ECDSA.RecoverError.NoError && recovered == signer) return true;
        return SignatureChecker.isValidERC1271SignatureNowCalldata(signer, hash, signature);
    }
}
