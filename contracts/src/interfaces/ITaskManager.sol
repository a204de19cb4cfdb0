// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Review} from "./IReviewer.sol";
import {Policy, RoundKind, Seat, TaskStatus, Verdict} from "./Types.sol";

/// @title Task lifecycle: draw, deadlines, rounds, escalation, settlement
interface ITaskManager {
    /// @notice Governed timing and size parameters. Seconds unless named otherwise.
    struct Parameters {
        uint8 defaultSeats; // 3
        uint8 firstJudgeSeats; // 5
        uint8 lastJudgeSeats; // 9
        uint8 maxRedraws; // replacement draws per round, 3
        uint8 spareSeats; // eligible accounts that a submission needs beside its seats, so that judges can be drawn; who holds both roles counts twice
        uint16 openSeats; // seats of live tasks an eligible account, on average, beyond which a model takes no more
        uint32 commitWindow;
        uint32 revealWindow;
        uint32 minTaskTime; // least distance of a deadline from now
        uint32 maxTaskTime; // greatest
        uint96 seatFee; // wei a seat
        uint96 tip; // wei to whoever moves a stalled task on
        uint16 protocolFee; // basis points of the payment
    }

    /// @notice Everything about a live task except its seats. Once a task ended, requester, inputHash and reward are
    /// zero: TaskSubmitted says them for ever.
    struct TaskView {
        bytes32 id;
        address requester;
        bytes32 modelId;
        bytes32 inputHash;
        uint256 reward;
        uint256 modelFee;
        uint256 deadline;
        TaskStatus status;
        Policy policy;
        uint8 round;
        RoundKind kind;
        uint8 seats; // of the current round
        uint8 committed;
        uint8 revealed;
        uint256 phaseDeadline; // unix seconds; Committing and Revealing
        uint256 randomnessBlock; // Submitted, Redrawing, Escalated
    }

    error OnlyMLBridge();
    error OnlyConsensusVerifier();
    error TaskExists(bytes32 taskId);
    error UnknownTask(bytes32 taskId);
    error WrongStatus(bytes32 taskId, TaskStatus current);
    error NotRequester(bytes32 taskId, address caller);
    error TooLateToCancel(bytes32 taskId);
    error ModelNotActive(bytes32 modelId);
    error PaymentTooLow(uint256 paid, uint256 required);
    error PaymentTooHigh(uint256 paid);
    error BadDeadline(uint256 deadline, uint256 earliest, uint256 latest);
    error BadCommitteeSize(uint8 seats, uint8 minimum, uint8 maximum);
    error TooFewProviders(bytes32 modelId, uint256 available, uint256 required);
    error TooBusy(bytes32 modelId, uint256 seats, uint256 limit);
    error RandomnessPending(bytes32 taskId, uint256 readyAtBlock);
    error NotSeated(bytes32 taskId, address caller);
    error AlreadyCommitted(bytes32 taskId, uint32 account);
    error NotCommitted(bytes32 taskId, uint32 account);
    error AlreadyRevealed(bytes32 taskId, uint32 account);
    error PhaseClosed(bytes32 taskId, uint256 closedAt);
    error PhaseOpen(bytes32 taskId, uint256 closesAt);
    error ZeroCommitment();
    error BadResult();
    error BadParameter(string name);
    error ClassMismatch(bytes32 expected, bytes32 offered);
    error NotOperator(address caller);
    error NodeKeyTaken(address node);
    error NoConsent(address node, address operator);
    error AlreadyServing(bytes32 modelId, uint32 account);
    error NotServing(bytes32 modelId, uint32 account);
    error NoJudgeFees(uint32 model);

    event TaskSubmitted(
        bytes32 indexed taskId,
        address indexed requester,
        bytes32 indexed modelId,
        bytes inputData,
        uint256 reward,
        uint256 deadline,
        uint8 seats,
        uint256 randomnessBlock
    );
    event RandomnessArmed(bytes32 indexed taskId, uint8 round, uint256 randomnessBlock);
    /// @notice The committee of a round, whole, after each draw. seat i = (accounts[i], weights[i]).
    event CommitteeDrawn(
        bytes32 indexed taskId,
        uint8 round,
        RoundKind kind,
        uint32[] accounts,
        uint64[] weights,
        uint256 commitDeadline,
        bytes32 seed
    );
    event ResultCommitted(bytes32 indexed taskId, uint32 indexed account, uint8 round, bytes32 commitment);
    event RevealOpened(bytes32 indexed taskId, uint8 round, uint256 revealDeadline);
    event ResultRevealed(bytes32 indexed taskId, uint32 indexed account, uint8 round, bytes32 digest, bytes result);
    event RevealFault(bytes32 indexed taskId, uint32 indexed account, uint8 round);
    event SeatsVacated(bytes32 indexed taskId, uint8 round, uint32[] accounts);
    event TaskEscalated(bytes32 indexed taskId, uint8 round, uint8 judges, uint256 randomnessBlock);
    /// @param digest the accepted result digest
    /// @param account seat holder whose revealed result is delivered
    event TaskFinalized(
        bytes32 indexed taskId, bytes32 digest, uint32 account, uint8 round, uint256 confidence, uint32[] winners
    );
    event TaskRefunded(bytes32 indexed taskId, uint256 amount, string reason);
    event TaskCancelled(bytes32 indexed taskId, uint256 amount);
    event TipPaid(bytes32 indexed taskId, address indexed to, uint256 amount);
    event NodeKeySet(address indexed operator, address indexed node, bool allowed);
    event ServingStarted(bytes32 indexed modelId, uint32 indexed account, uint64 weight);
    event ServingStopped(bytes32 indexed modelId, uint32 indexed account);
    event WeightRefreshed(bytes32 indexed modelId, uint32 indexed account, uint64 weight);
    event ParametersChanged(Parameters parameters);
    /// @notice Judges ruled against a member of the first committee. What an appeal has to say again.
    event CaseRecorded(bytes32 indexed taskId, bytes32 record);

    // ---- MLBridge only ----
    function create(
        address requester,
        bytes32 modelId,
        bytes calldata inputData,
        uint256 deadline,
        uint8 seats,
        bytes32 salt,
        uint256 payment
    ) external returns (bytes32 taskId);
    function cancel(bytes32 taskId, address caller) external;
    function commit(bytes32 taskId, address node, bytes32 commitment) external;
    function reveal(bytes32 taskId, address node, bytes calldata result, bytes calldata proof) external;

    // ---- anyone: move a task on, for a tip where the caller helps it ----
    /// @notice Draw the seats that wait (Submitted, Redrawing, Escalated); re-arms when the randomness expired.
    function assign(bytes32 taskId) external;
    /// @notice Whatever is due: draw, close a commit phase, close a reveal phase, refund an expired task.
    function poke(bytes32 taskId) external;
    /// @notice Whether `poke` would move the task now.
    function pokeable(bytes32 taskId) external view returns (bool);

    // ---- ConsensusVerifier only ----
    function applyVerdict(bytes32 taskId, Verdict calldata verdict, address caller) external;

    // ---- reviewers ----
    /// @notice Have a panel judge something: verifiers first, then compute providers, drawn from later randomness. It
    /// costs the caller nothing: judges get their fee from the model's dispute reserve, and nobody is tipped. `restricted` to
    /// contracts that implement IReviewer and ask for a bond or a budget themselves. Told by `TaskSubmitted` without a
    /// reward, and `ResultRevealed` for each candidate; it ends with `TaskFinalized` without a deliverer (and without a
    /// digest if all candidates were rejected), or with `TaskRefunded`.
    /// @dev Reverts with BadParameter (what cannot be read, or a size out of bounds), TaskExists, NoJudgeFees (the model's
    /// reserve cannot pay the panel; anybody may fund it), or what the registry says of an unknown model.
    function openReview(Review calldata review) external returns (bytes32 taskId);

    // ---- operators ----
    /// @notice Allow or forbid a hot key to act for the caller's accounts. One key serves one operator, for ever.
    /// @param consent the key's signature (ECDSA or ERC-1271) of EIP-712 NodeConsent(address operator,address node) in the
    /// domain ("ML Bridge", "1", chainId, this contract); read only when the key is bound
    function setNodeKey(address node, bool allowed, bytes calldata consent) external;
    /// @notice Join the draw for a model. Takes effect with the next epoch. execClass must be the model's.
    function serveModel(bytes32 modelId, uint32 account, bytes32 execClass) external;
    function stopServing(bytes32 modelId, uint32 account) external;
    /// @notice Bring an account's draw weight up to date; anyone.
    function refreshWeight(bytes32 modelId, uint32 account) external;

    // ---- views ----
    function getTask(bytes32 taskId) external view returns (TaskView memory);
    function getSeats(bytes32 taskId, uint8 round) external view returns (Seat[] memory);
    /// @notice The operator that a key may act for now; 0 for none.
    function operatorOfNode(address node) external view returns (uint32 operatorId);
    /// @notice The operator that a key was bound to, for ever, and whether it may act now.
    function nodeBinding(address node) external view returns (uint32 operatorId, bool allowed);
    function isServing(bytes32 modelId, uint32 account) external view returns (bool);
    /// @notice Accounts that a task armed now can draw: membership at the start of the current epoch.
    function poolSize(bytes32 modelId, bool verifiers) external view returns (uint256);
    /// @notice Seats of first committees that a model's live tasks have.
    function openSeats(bytes32 modelId) external view returns (uint256);
    /// @notice Their summed weight, as it stood then.
    function poolWeight(bytes32 modelId, bool verifiers) external view returns (uint256);
    function currentEpoch() external view returns (uint256);
    /// @notice Hash of a case in which judges ruled against a member of the first committee; see `Hashing.record`.
    function recordOf(bytes32 taskId) external view returns (bytes32);
    function parameters() external view returns (Parameters memory);
    function quote(bytes32 modelId, uint8 seats) external view returns (uint256);
    /// @notice Upper bound of a task's life in seconds under the current parameters; less than the unbonding delay.
    function longestTask() external view returns (uint256);

    /// @notice Governance only.
    function setParameters(Parameters calldata parameters_) external;
}
