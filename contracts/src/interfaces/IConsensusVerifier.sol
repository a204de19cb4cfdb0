// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Ballot} from "./IBallotBox.sol";
import {Verdict} from "./Types.sol";

/// @title The verdict rule, and evidence of contradiction
interface IConsensusVerifier {
    /// @notice A statement about one round's result that a node key signs off chain (EIP-712).
    /// @param taskId id of the task
    /// @param round number of the round, from 0
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param digest what was attested: hash of task and result
    struct Attestation {
        bytes32 taskId;
        uint8 round;
        uint32 account;
        bytes32 digest;
    }

    /// @notice An attestation, who signed it, and the signature: 65 bytes by a key, or whatever a contract (ERC-1271)
    /// takes for its own. A contract may change its mind about what it signed, so a statement by a contract proves
    /// nothing for longer than the contract wishes: whoever relies on attestations later takes them from keys only.
    /// @param attestation what the account signed
    /// @param signer key that signed
    /// @param signature ECDSA signature, or one for ERC-1271
    struct SignedAttestation {
        Attestation attestation;
        address signer;
        bytes signature;
    }

    /// @notice Only the TaskManager contract may call this.
    error OnlyTaskManager();
    /// @notice The two attestations do not contradict each other.
    error NotContradicting();
    /// @notice A signature was not made by a node key of the accused account.
    error BadSignature();
    /// @notice This contradiction was proven before.
    error AlreadyProven();

    /// @param winner zero unless passed
    /// @param taskId id of the task
    /// @param round number of the round, from 0
    /// @param passed whether the rule was met
    /// @param dissent somebody revealed another value
    /// @param confidence share of the clipped weight, in basis points
    event RoundClosed(
        bytes32 indexed taskId, uint8 round, bool passed, bool dissent, bytes32 winner, uint256 confidence
    );
    /// @notice An account signed two results for one thing.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param taskId id of the task
    /// @param reporter who proved it; zero for nobody
    event ContradictionProven(uint32 indexed account, bytes32 indexed taskId, address indexed reporter);

    /// @notice Fewest seats that can pass a value.
    function MIN_VERIFIERS() external view returns (uint256);
    /// @notice Percent of the clipped weight that a value needs.
    function CONSENSUS_THRESHOLD() external view returns (uint256);

    /// @notice Tally the current round and apply its verdict. Anyone, once all members opened or the window closed.
    /// @param taskId id of the task
    function processVerificationRound(bytes32 taskId) external;

    /// @notice The verdict on a round, for the task manager, which tells the ballot by itself when the last member
    /// opens: the same as processVerificationRound at less gas.
    /// @param taskId id of the task
    /// @param ballot weights and values of a round
    /// @return what the tally says
    function tallyRound(bytes32 taskId, Ballot memory ballot) external returns (Verdict memory);

    /// @notice What the tally of the current round would say now.
    /// @param taskId id of the task
    function previewVerdict(bytes32 taskId) external view returns (Verdict memory);

    /// @notice Two attestations by one account for one task and round with different digests: 100 % slash. The signers
    /// were bound to the account's operator at any time. Reverts with NotContradicting, AlreadyProven, BadSignature.
    /// @param a one of the two statements
    /// @param b the other
    function reportContradiction(SignedAttestation calldata a, SignedAttestation calldata b) external;
}
