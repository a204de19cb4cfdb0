// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Review} from "./IReviewer.sol";
import {Policy, RoundKind, Seat, TaskStatus, Verdict} from "./Types.sol";

/// @title Task lifecycle: draw, deadlines, rounds, escalation, settlement
interface ITaskManager {
    /// @notice Governed timing and size parameters. Seconds unless named otherwise.
    /// @param defaultSeats 3
    /// @param firstJudgeSeats 5
    /// @param lastJudgeSeats 9
    /// @param maxRedraws replacement draws per round, 3
    /// @param spareSeats eligible accounts that a submission needs beside its seats, so that judges can be drawn; who
    /// holds both roles counts twice
    /// @param openSeats seats of live tasks an eligible account, on average, beyond which a model takes no more
    /// @param commitWindow seconds to commit
    /// @param revealWindow seconds to open
    /// @param minTaskTime least distance of a deadline from now
    /// @param maxTaskTime greatest
    /// @param seatFee wei a seat
    /// @param tip wei to whoever moves a stalled task on
    /// @param protocolFee basis points of the payment
    struct Parameters {
        uint8 defaultSeats;
        uint8 firstJudgeSeats;
        uint8 lastJudgeSeats;
        uint8 maxRedraws;
        uint8 spareSeats;
        uint16 openSeats;
        uint32 commitWindow;
        uint32 revealWindow;
        uint32 minTaskTime;
        uint32 maxTaskTime;
        uint96 seatFee;
        uint96 tip;
        uint16 protocolFee;
    }

    /// @notice Everything about a live task except its seats. Once a task ended, requester, inputHash and reward are
    /// zero: TaskSubmitted says them for ever.
    /// @param id id of the model
    /// @param requester who pays
    /// @param modelId id of the model
    /// @param inputHash hash of the input's bytes
    /// @param reward wei
    /// @param modelFee wei for the model's provider
    /// @param deadline unix seconds by which the first committee must have committed
    /// @param status where it stands
    /// @param policy how results are compared
    /// @param round number of the round, from 0
    /// @param kind what the members commit to
    /// @param seats of the current round
    /// @param committed seats that committed
    /// @param revealed seats that opened rightly
    /// @param phaseDeadline unix seconds; Committing and Revealing
    /// @param randomnessBlock Submitted, Redrawing, Escalated
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
        uint8 seats;
        uint8 committed;
        uint8 revealed;
        uint256 phaseDeadline;
        uint256 randomnessBlock;
    }

    /// @notice Only the MLBridge contract may call this.
    error OnlyMLBridge();
    /// @notice Only the ConsensusVerifier contract may call this.
    error OnlyConsensusVerifier();
    /// @notice The task `taskId` was submitted already.
    /// @param taskId id of the task
    error TaskExists(bytes32 taskId);
    /// @notice There is no task `taskId` on this deployment.
    /// @param taskId id of the task
    error UnknownTask(bytes32 taskId);
    /// @notice The task `taskId` is `current`, so this step is not possible.
    /// @param taskId id of the task
    /// @param current what holds now
    error WrongStatus(bytes32 taskId, TaskStatus current);
    /// @notice `caller` did not submit the task `taskId`.
    /// @param taskId id of the task
    /// @param caller who called
    error NotRequester(bytes32 taskId, address caller);
    /// @notice The task `taskId` can no longer be cancelled: its randomness may be known.
    /// @param taskId id of the task
    error TooLateToCancel(bytes32 taskId);
    /// @notice The model `modelId` takes no tasks now.
    /// @param modelId id of the model
    error ModelNotActive(bytes32 modelId);
    /// @notice The payment of `paid` is below the `required` this task costs now.
    /// @param paid wei
    /// @param required wei that are needed
    error PaymentTooLow(uint256 paid, uint256 required);
    /// @notice The payment of `paid` is beyond what a task may cost.
    /// @param paid wei
    error PaymentTooHigh(uint256 paid);
    /// @notice The deadline `deadline` lies outside `earliest` to `latest`.
    /// @param deadline unix seconds by which the first committee must have committed
    /// @param earliest the earliest that is allowed
    /// @param latest the latest that is allowed
    error BadDeadline(uint256 deadline, uint256 earliest, uint256 latest);
    /// @notice A committee of `seats` seats is not possible: choose `minimum` to `maximum`.
    /// @param seats seats that were asked for
    /// @param minimum the least that is allowed
    /// @param maximum the most that is allowed
    error BadCommitteeSize(uint8 seats, uint8 minimum, uint8 maximum);
    /// @notice The model `modelId` has `available` eligible providers, but the committee needs `required`.
    /// @param modelId id of the model
    /// @param available eligible accounts
    /// @param required eligible accounts that are needed
    error TooFewProviders(bytes32 modelId, uint256 available, uint256 required);
    /// @notice The model `modelId` would have `seats` seats of running tasks; its providers can serve `limit`.
    /// @param modelId id of the model
    /// @param seats seats that live tasks would have
    /// @param limit seats that the model's providers can serve
    error TooBusy(bytes32 modelId, uint256 seats, uint256 limit);
    /// @notice The draw for task `taskId` needs randomness that is known only after block `readyAtBlock`.
    /// @param taskId id of the task
    /// @param readyAtBlock last block before it is possible
    error RandomnessPending(bytes32 taskId, uint256 readyAtBlock);
    /// @notice `caller` acts for no seat in the current round of task `taskId`.
    /// @param taskId id of the task
    /// @param caller who called
    error NotSeated(bytes32 taskId, address caller);
    /// @notice Account `account` has already committed in this round of task `taskId`.
    /// @param taskId id of the task
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error AlreadyCommitted(bytes32 taskId, uint32 account);
    /// @notice Account `account` has not committed in this round of task `taskId`, so it has nothing to open.
    /// @param taskId id of the task
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NotCommitted(bytes32 taskId, uint32 account);
    /// @notice Account `account` has already opened its commitment in this round of task `taskId`.
    /// @param taskId id of the task
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error AlreadyRevealed(bytes32 taskId, uint32 account);
    /// @notice This phase of task `taskId` closed at `closedAt`.
    /// @param taskId id of the task
    /// @param closedAt unix seconds at which it closed
    error PhaseClosed(bytes32 taskId, uint256 closedAt);
    /// @notice This phase of task `taskId` is open until `closesAt`.
    /// @param taskId id of the task
    /// @param closesAt unix seconds at which it closes
    error PhaseOpen(bytes32 taskId, uint256 closesAt);
    /// @notice A commitment must not be zero.
    error ZeroCommitment();
    /// @notice The result bytes are malformed or too long.
    error BadResult();
    /// @notice The value for `name` is not allowed.
    /// @param name which value
    error BadParameter(string name);
    /// @notice The model needs execution class `expected`, but `offered` was offered.
    /// @param expected hash of the model's class
    /// @param offered hash of the class that was offered
    error ClassMismatch(bytes32 expected, bytes32 offered);
    /// @notice `caller` may not act for this account.
    /// @param caller who called
    error NotOperator(address caller);
    /// @notice The node key `node` belongs to another operator.
    /// @param node hot key that acts for an operator
    error NodeKeyTaken(address node);
    /// @notice The key `node` has not agreed to serve `operator`.
    /// @param node hot key that acts for an operator
    /// @param operator cold address that staked
    error NoConsent(address node, address operator);
    /// @notice Account `account` already serves model `modelId`.
    /// @param modelId id of the model
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error AlreadyServing(bytes32 modelId, uint32 account);
    /// @notice Account `account` does not serve model `modelId`.
    /// @param modelId id of the model
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NotServing(bytes32 modelId, uint32 account);
    /// @notice The dispute reserve of model `model` cannot pay the panel.
    /// @param model index of the model in the registry
    error NoJudgeFees(uint32 model);

    /// @notice A task was submitted and its payment locked.
    /// @param taskId id of the task
    /// @param requester who pays
    /// @param modelId id of the model
    /// @param inputData 0x00 || payload, or 0x01 || payload hash || CID
    /// @param reward wei locked for the task
    /// @param deadline unix seconds by which the first committee must have committed
    /// @param seats seats of the committee
    /// @param randomnessBlock block whose hash the draw follows from
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
    /// @notice A draw waits for the hash of a later block.
    /// @param taskId id of the task
    /// @param round number of the round, from 0
    /// @param randomnessBlock block whose hash the draw follows from
    event RandomnessArmed(bytes32 indexed taskId, uint8 round, uint256 randomnessBlock);
    /// @notice The committee of a round, whole, after each draw. seat i = (accounts[i], weights[i]).
    /// @param taskId id of the task
    /// @param round number of the round, from 0
    /// @param kind what the members commit to
    /// @param accounts account ids, in the order of the draw
    /// @param weights stake (whole MLB) x reputation (basis points) of each
    /// @param commitDeadline unix seconds by which to commit
    /// @param seed what the draw follows from
    event CommitteeDrawn(
        bytes32 indexed taskId,
        uint8 round,
        RoundKind kind,
        uint32[] accounts,
        uint64[] weights,
        uint256 commitDeadline,
        bytes32 seed
    );
    /// @notice A seat committed.
    /// @param taskId id of the task
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param round number of the round, from 0
    /// @param commitment salted hash of what will be opened
    event ResultCommitted(bytes32 indexed taskId, uint32 indexed account, uint8 round, bytes32 commitment);
    /// @notice The commitments of a round are complete; members open them.
    /// @param taskId id of the task
    /// @param round number of the round, from 0
    /// @param revealDeadline unix seconds by which to open
    event RevealOpened(bytes32 indexed taskId, uint8 round, uint256 revealDeadline);
    /// @notice A seat opened its commitment.
    /// @param taskId id of the task
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param round number of the round, from 0
    /// @param digest hash of task and result
    /// @param result 0x00 || payload, or 0x01 || payload hash || CID
    event ResultRevealed(bytes32 indexed taskId, uint32 indexed account, uint8 round, bytes32 digest, bytes result);
    /// @notice A seat opened something else than it had committed to.
    /// @param taskId id of the task
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param round number of the round, from 0
    event RevealFault(bytes32 indexed taskId, uint32 indexed account, uint8 round);
    /// @notice Silent members lost their seats.
    /// @param taskId id of the task
    /// @param round number of the round, from 0
    /// @param accounts who was silent
    event SeatsVacated(bytes32 indexed taskId, uint8 round, uint32[] accounts);
    /// @notice Judges are called.
    /// @param taskId id of the task
    /// @param round number of the round, from 0
    /// @param judges seats of the judges
    /// @param randomnessBlock block whose hash the draw follows from
    event TaskEscalated(bytes32 indexed taskId, uint8 round, uint8 judges, uint256 randomnessBlock);
    /// @param digest the accepted result digest
    /// @param account seat holder whose revealed result is delivered
    /// @param taskId id of the task
    /// @param round number of the round, from 0
    /// @param confidence share of the clipped weight, in basis points
    /// @param winners accounts that are paid
    event TaskFinalized(
        bytes32 indexed taskId, bytes32 digest, uint32 account, uint8 round, uint256 confidence, uint32[] winners
    );
    /// @notice A task ended without a result.
    /// @param taskId id of the task
    /// @param amount wei
    /// @param reason why there is no result
    event TaskRefunded(bytes32 indexed taskId, uint256 amount, string reason);
    /// @notice The requester withdrew the task.
    /// @param taskId id of the task
    /// @param amount wei
    event TaskCancelled(bytes32 indexed taskId, uint256 amount);
    /// @notice Somebody moved a task on.
    /// @param taskId id of the task
    /// @param to who moved the task on
    /// @param amount wei
    event TipPaid(bytes32 indexed taskId, address indexed to, uint256 amount);
    /// @notice A hot key was allowed or forbidden.
    /// @param operator cold address that staked
    /// @param node hot key that acts for an operator
    /// @param allowed whether the key may act from now on
    event NodeKeySet(address indexed operator, address indexed node, bool allowed);
    /// @notice An account joined a model's draw.
    /// @param modelId id of the model
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param weight stake (whole MLB) x reputation (basis points)
    event ServingStarted(bytes32 indexed modelId, uint32 indexed account, uint64 weight);
    /// @notice An account left a model's draw.
    /// @param modelId id of the model
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    event ServingStopped(bytes32 indexed modelId, uint32 indexed account);
    /// @notice An account's draw weight was brought up to date.
    /// @param modelId id of the model
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param weight stake (whole MLB) x reputation (basis points)
    event WeightRefreshed(bytes32 indexed modelId, uint32 indexed account, uint64 weight);
    /// @notice Tasks submitted from now on live by other rules.
    /// @param parameters the rules of new tasks
    event ParametersChanged(Parameters parameters);
    /// @notice Judges ruled against a member of the first committee. What an appeal has to say again.
    /// @param taskId id of the task
    /// @param record what is known of the case
    event CaseRecorded(bytes32 indexed taskId, bytes32 record);

    // ---- MLBridge only ----
    /// @notice Submit a task for a requester whose payment the bridge has locked.
    /// @param requester who pays
    /// @param modelId id of the model
    /// @param inputData 0x00 || payload, or 0x01 || payload hash || CID
    /// @param deadline unix seconds by which the first committee must have committed
    /// @param seats seats of the committee; 0 for the default
    /// @param salt the caller's choice
    /// @param payment wei locked for the task
    /// @return taskId id of the task
    function create(
        address requester,
        bytes32 modelId,
        bytes calldata inputData,
        uint256 deadline,
        uint8 seats,
        bytes32 salt,
        uint256 payment
    ) external returns (bytes32 taskId);
    /// @notice Cancel a task for its requester.
    /// @param taskId id of the task
    /// @param caller who asks for it
    function cancel(bytes32 taskId, address caller) external;
    /// @notice Commit for the seat that a key acts for.
    /// @param taskId id of the task
    /// @param node hot key that acts for an operator
    /// @param commitment salted hash of what will be opened
    function commit(bytes32 taskId, address node, bytes32 commitment) external;
    /// @notice Open the commitment of the seat that a key acts for.
    /// @param taskId id of the task
    /// @param node hot key that acts for an operator
    /// @param result 0x00 || payload, or 0x01 || payload hash || CID
    /// @param proof salt (32 bytes), then evidence that is not compared
    function reveal(bytes32 taskId, address node, bytes calldata result, bytes calldata proof) external;

    // ---- anyone: move a task on, for a tip where the caller helps it ----
    /// @notice Draw the seats that wait (Submitted, Redrawing, Escalated); re-arms when the randomness expired.
    /// @param taskId id of the task
    function assign(bytes32 taskId) external;
    /// @notice Whatever is due: draw, close a commit phase, close a reveal phase, refund an expired task.
    /// @param taskId id of the task
    function poke(bytes32 taskId) external;
    /// @notice Whether `poke` would move the task now.
    /// @param taskId id of the task
    function pokeable(bytes32 taskId) external view returns (bool);

    // ---- ConsensusVerifier only ----
    /// @notice End a round with what its tally says.
    /// @param taskId id of the task
    /// @param verdict what the tally of the round says
    /// @param caller who gets the tip
    function applyVerdict(bytes32 taskId, Verdict calldata verdict, address caller) external;

    // ---- reviewers ----
    /// @notice Have a panel judge something: verifiers first, then compute providers, drawn from later randomness. It
    /// costs the caller nothing: judges get their fee from the model's dispute reserve, and nobody is tipped. `restricted` to
    /// contracts that implement IReviewer and ask for a bond or a budget themselves. Told by `TaskSubmitted` without a
    /// reward, and `ResultRevealed` for each candidate; it ends with `TaskFinalized` without a deliverer (and without a
    /// digest if all candidates were rejected), or with `TaskRefunded`.
    /// @dev Reverts with BadParameter (what cannot be read, or a size out of bounds), TaskExists, NoJudgeFees (the model's
    /// reserve cannot pay the panel; anybody may fund it), or what the registry says of an unknown model.
    /// @return taskId id of the task
    /// @param review what the judges are asked
    function openReview(Review calldata review) external returns (bytes32 taskId);

    // ---- operators ----
    /// @notice Allow or forbid a hot key to act for the caller's accounts. One key serves one operator, for ever.
    /// @param consent the key's signature (ECDSA or ERC-1271) of EIP-712 NodeConsent(address operator,address node) in the
    /// domain ("ML Bridge", "1", chainId, this contract); read only when the key is bound
    /// @param node hot key that acts for an operator
    /// @param allowed whether the key may act from now on
    function setNodeKey(address node, bool allowed, bytes calldata consent) external;
    /// @notice Join the draw for a model. Takes effect with the next epoch. execClass must be the model's.
    /// @param modelId id of the model
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param execClass hash of the execution class
    function serveModel(bytes32 modelId, uint32 account, bytes32 execClass) external;
    /// @notice Leave the draw for a model. Takes effect with the next epoch.
    /// @param modelId id of the model
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    function stopServing(bytes32 modelId, uint32 account) external;
    /// @notice Bring an account's draw weight up to date; anyone.
    /// @param modelId id of the model
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    function refreshWeight(bytes32 modelId, uint32 account) external;

    // ---- views ----
    /// @notice All that is known of a task; requester, input hash and payment of live tasks only.
    /// @param taskId id of the task
    function getTask(bytes32 taskId) external view returns (TaskView memory);
    /// @notice The seats of a round, in the order of the draw.
    /// @param taskId id of the task
    /// @param round number of the round, from 0
    function getSeats(bytes32 taskId, uint8 round) external view returns (Seat[] memory);
    /// @notice The operator that a key may act for now; 0 for none.
    /// @param node hot key that acts for an operator
    function operatorOfNode(address node) external view returns (uint32 operatorId);
    /// @notice The operator that a key was bound to, for ever, and whether it may act now.
    /// @param node hot key that acts for an operator
    /// @return operatorId number of the operator; 0 for none
    /// @return allowed whether it may act now
    function nodeBinding(address node) external view returns (uint32 operatorId, bool allowed);
    /// @notice Whether an account is in a model's draw.
    /// @param modelId id of the model
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    function isServing(bytes32 modelId, uint32 account) external view returns (bool);
    /// @notice Accounts that a task armed now can draw: membership at the start of the current epoch.
    /// @param modelId id of the model
    /// @param verifiers the Verifier pool; otherwise the Compute pool
    function poolSize(bytes32 modelId, bool verifiers) external view returns (uint256);
    /// @notice Seats of first committees that a model's live tasks have.
    /// @param modelId id of the model
    function openSeats(bytes32 modelId) external view returns (uint256);
    /// @notice Their summed weight, as it stood then.
    /// @param modelId id of the model
    /// @param verifiers the Verifier pool; otherwise the Compute pool
    function poolWeight(bytes32 modelId, bool verifiers) external view returns (uint256);
    /// @notice The epoch that runs now, from 1.
    function currentEpoch() external view returns (uint256);
    /// @notice Hash of a case in which judges ruled against a member of the first committee; see `Hashing.record`.
    /// @param taskId id of the task
    function recordOf(bytes32 taskId) external view returns (bytes32);
    /// @notice The rules of tasks submitted now.
    function parameters() external view returns (Parameters memory);
    /// @notice Wei that a task of this size costs at least now.
    /// @param modelId id of the model
    /// @param seats seats of the committee; 0 for the default
    function quote(bytes32 modelId, uint8 seats) external view returns (uint256);
    /// @notice Upper bound of a task's life in seconds under the current parameters; less than the unbonding delay.
    function longestTask() external view returns (uint256);

    /// @notice Governance only.
    /// @param parameters_ the rules of new tasks
    function setParameters(Parameters calldata parameters_) external;
}
