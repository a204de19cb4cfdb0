// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Ballot} from "./IBallotBox.sol";
import {Verdict} from "./Types.sol";

/// @title The verdict rule, and evidence of contradiction
interface IConsensusVerifier {
    /// @notice A statement about one round's result that a node key signs off chain (EIP-712).
    struct Attestation {
        bytes32 taskId;
        uint8 round;
        uint32 account;
        bytes32 digest;
    }

    /// @notice An attestation, who signed it, and the signature: 65 bytes by a key, or whatever a contract (ERC-1271)
    /// takes for its own. A contract may change its mind about what it signed, so a statement by a contract proves
    /// nothing for longer than the contract wishes: whoever relies on attestations later takes them from keys only.
    struct SignedAttestation {
        Attestation attestation;
        address signer;
        bytes signature;
    }

    error OnlyTaskManager();
    error NotContradicting();
    error BadSignature();
    error AlreadyProven();

    /// @param winner zero unless passed
    event RoundClosed(
        bytes32 indexed taskId, uint8 round, bool passed, bool dissent, bytes32 winner, uint256 confidence
    );
    event ContradictionProven(uint32 indexed account, bytes32 indexed taskId, address indexed reporter);

    function MIN_VERIFIERS() external view returns (uint256);
    function CONSENSUS_THRESHOLD() external view returns (uint256);

    /// @notice Tally the current round and apply its verdict. Anyone, once all members opened or the window closed.
    function processVerificationRound(bytes32 taskId) external;

    /// @notice The verdict on a round, for the task manager, which tells the ballot by itself when the last member
    /// opens: the same as processVerificationRound at less gas.
    function tallyRound(bytes32 taskId, Ballot memory ballot) external returns (Verdict memory);

    /// @notice What the tally of the current round would say now.
    function previewVerdict(bytes32 taskId) external view returns (Verdict memory);

    /// @notice Two attestations by one account for one task and round with different digests: 100 % slash. The signers
    /// were bound to the account's operator at any time. Reverts with NotContradicting, AlreadyProven, BadSignature.
    function reportContradiction(SignedAttestation calldata a, SignedAttestation calldata b) external;
}
