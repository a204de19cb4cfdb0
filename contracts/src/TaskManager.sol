// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {Review} from "./interfaces/IReviewer.sol";
import {ITaskManager} from "./interfaces/ITaskManager.sol";
import {Policy, RoundKind, TaskStatus, Verdict} from "./interfaces/Types.sol";
import {Hashing} from "./libraries/Hashing.sol";
import {MAX_SEATS, SEAT_SLOTS, SeatPacking} from "./libraries/SeatPacking.sol";
import {Head, HeadWord, PurseWord} from "./libraries/TaskWords.sol";
import {Rules} from "./tasks/Rules.sol";
import {ServingModule} from "./tasks/ServingModule.sol";
import {TaskModule} from "./tasks/TaskModule.sol";
import {TaskViews} from "./tasks/TaskViews.sol";

/// @title Task lifecycle: draw, deadlines, rounds, escalation, settlement
/// @notice Holds no money. It calls only the contracts named at its construction, and those call nobody else on its
/// behalf, so no call of a stranger can come in between.
/// @dev What every task passes through is here; the rest is in two modules, which run on this contract's storage.
contract TaskManager is TaskViews {
    using SeatPacking for uint256[SEAT_SLOTS];

    /// @dev Code of what few tasks need.
    address private immutable module;
    /// @dev Code of what no task passes through.
    address private immutable servingModule;

    uint256 private constant SALT_SIZE = 32;
    /// @dev The inline tag and four bytes.
    uint256 private constant VOTE_SIZE = 5;

    /// @param authority AccessManager of `setParameters`
    /// @param module_ TaskModule made for this very deployment: it names the same neighbours, epochs and genesis
    /// @param servingModule_ ServingModule made for it likewise
    /// @param epochSeconds_ for how long a change of a pool waits to take effect, at most
    /// @param bridge_ holds every wei
    /// @param verifier_ tallies, and punishes contradictions
    /// @param distributor_ stakes, reputation and credits
    /// @param registry_ models and their terms
    /// @param parameters_ the rules of new tasks
    constructor(
        address authority,
        address module_,
        address servingModule_,
        address bridge_,
        address verifier_,
        address distributor_,
        address registry_,
        uint256 epochSeconds_,
        Parameters memory parameters_
    )
        AccessManaged(authority)
        Rules(bridge_, verifier_, distributor_, registry_, epochSeconds_, TaskModule(module_).genesis())
    {
        if (authority == address(0)) revert BadParameter("authority");
        if (TaskModule(module_).configuration() != _configuration()) revert BadParameter("module");
        if (ServingModule(servingModule_).configuration() != _configuration()) revert BadParameter("servingModule");
        (module, servingModule) = (module_, servingModule_);
        _initParameters(parameters_);
    }

    // ---- MLBridge only ----

    /// @inheritdoc ITaskManager
    /// @dev 0 seats stand for the default.
    function create(
        address requester,
        bytes32 modelId,
        bytes calldata inputData,
        uint256 deadline,
        uint8 seats,
        bytes32 salt,
        uint256 payment
    ) external onlyBridge returns (bytes32 taskId) {
        if (seats == 0) seats = _sizes.defaultSeats;
        if (seats < MIN_SEATS || seats > MAX_SEATS) {
            revert BadCommitteeSize(seats, uint8(MIN_SEATS), uint8(MAX_SEATS));
        }
        if (!Hashing.wellFormed(inputData)) revert BadParameter("inputData");
        _requireDeadline(deadline);
        Hashing.TaskSpec memory spec;
        spec.requester = requester;
        spec.modelId = modelId;
        spec.inputHash = keccak256(inputData);
        spec.deadline = deadline;
        spec.payment = payment;
        spec.seats = seats;
        spec.salt = salt;
        taskId = _lock(spec, Hashing.isPointer(inputData));
        emit TaskSubmitted(
            taskId, requester, modelId, inputData, payment, deadline, seats, block.number + RANDOMNESS_DELAY
        );
    }

    /// @inheritdoc ITaskManager
    function cancel(bytes32, address) external {
        _delegate(module);
    }

    /// @inheritdoc ITaskManager
    function commit(bytes32 taskId, address node, bytes32 commitment) external onlyBridge {
        Head head = _tasks[taskId].head;
        _requireStatus(taskId, head, TaskStatus.Committing);
        if (block.timestamp > head.phaseAt()) revert PhaseClosed(taskId, head.phaseAt());
        // FAULT has a meaning of its own, and is no hash that anybody can open.
        if (commitment == 0 || commitment == FAULT) revert ZeroCommitment();
        Round storage round = _roundAt(taskId, head, head.round());
        (uint256 seat, uint32 account) = _seatOf(taskId, head, round, node);
        if (head.committed() >> seat & 1 == 1) revert AlreadyCommitted(taskId, account);

        round.values[seat] = commitment;
        head = head.withCommitted(seat);
        emit ResultCommitted(taskId, account, uint8(head.round()), commitment);
        if (head.committed() == (1 << head.seats()) - 1) _openReveal(taskId, head, round);
        else _tasks[taskId].head = head;
    }

    /// @inheritdoc ITaskManager
    /// @dev Content that cannot be read reverts, so a node may mend it. Content that is not what was committed to is
    /// recorded, so a member cannot hold up its round by trying.
    function reveal(bytes32 taskId, address node, bytes calldata result, bytes calldata proof) external onlyBridge {
        Head head = _tasks[taskId].head;
        _requireStatus(taskId, head, TaskStatus.Revealing);
        if (block.timestamp > head.phaseAt()) revert PhaseClosed(taskId, head.phaseAt());
        Round storage round = _roundAt(taskId, head, head.round());
        (uint256 seat, uint32 account) = _seatOf(taskId, head, round, node);
        if (head.committed() >> seat & 1 == 0) revert NotCommitted(taskId, account);
        if (head.opened() >> seat & 1 == 1) revert AlreadyRevealed(taskId, account);
        (bytes32 digest, bytes32 commitment) = _open(taskId, head, account, result, proof);
        if (round.values[seat] == commitment) {
            bytes32 value = digest;
            if (head.kind() == RoundKind.Vote) value = bytes32(uint256(uint32(bytes4(result[1:]))) | VOTE_TAG);
            head = _record(round, head, seat, value);
            emit ResultRevealed(taskId, account, uint8(head.round()), digest, result);
        } else {
            head = head.withApart(seat);
            round.values[seat] = FAULT;
            emit RevealFault(taskId, account, uint8(head.round()));
        }
        _tasks[taskId].head = head;
        if (head.allOpened()) _tally(taskId, head, round);
    }

    // ---- ConsensusVerifier only ----

    /// @inheritdoc ITaskManager
    function applyVerdict(bytes32 taskId, Verdict calldata verdict, address caller) external {
        if (msg.sender != address(verifier)) revert OnlyConsensusVerifier();
        Head head = _tasks[taskId].head;
        _requireStatus(taskId, head, TaskStatus.Revealing);
        bool all = head.allOpened();
        if (!all && block.timestamp <= head.phaseAt()) revert PhaseOpen(taskId, head.phaseAt());
        uint256 tip;
        // `poke` tips its own caller.
        if (!all && caller != address(this)) {
            (head, tip) = _takeTip(head);
            _tasks[taskId].head = head;
        }
        Round storage round = _roundAt(taskId, head, head.round());
        (uint32[] memory accounts,) = round.seats.load(head.seats());
        _close(taskId, head, verdict, round, accounts);
        _payTip(taskId, caller, tip);
    }

    // ---- anyone: move a task on ----

    /// @inheritdoc ITaskManager
    function assign(bytes32 taskId) external {
        _assign(taskId, msg.sender);
    }

    // Delegating means that the call ends with the module's answer, so nothing may follow it.
    // slither-disable-start incorrect-return
    /// @inheritdoc ITaskManager
    function poke(bytes32 taskId) external {
        TaskStatus status = _tasks[taskId].head.status();
        if (status == TaskStatus.Committing || status == TaskStatus.Revealing) _delegate(module);
        else _assign(taskId, msg.sender);
    }

    // slither-disable-end incorrect-return

    // ---- reviewers ----

    /// @inheritdoc ITaskManager
    function openReview(Review calldata) external returns (bytes32) {
        _delegate(module);
    }

    // ---- operators ----

    /// @inheritdoc ITaskManager
    function setNodeKey(address, bool, bytes calldata) external {
        _delegate(servingModule);
    }

    /// @inheritdoc ITaskManager
    function serveModel(bytes32, uint32, bytes32) external {
        _delegate(servingModule);
    }

    /// @inheritdoc ITaskManager
    function stopServing(bytes32, uint32) external {
        _delegate(servingModule);
    }

    /// @inheritdoc ITaskManager
    function refreshWeight(bytes32, uint32) external {
        _delegate(servingModule);
    }

    // ---- governance ----

    /// @inheritdoc ITaskManager
    function setParameters(Parameters calldata) external {
        _delegate(servingModule);
    }

    // ---- views ----

    /// @notice The contracts that this one trusts, for ever, and the modules whose code it borrows.
    /// @return bridge_ holds every wei
    /// @return verifier_ tallies and punishes contradictions
    /// @return distributor_ stakes and credits
    /// @return registry_ models
    /// @return module_ code that the task manager runs on its own storage
    /// @return servingModule_ code for serving that the task manager runs on its own storage
    function neighbours()
        external
        view
        returns (
            address bridge_,
            address verifier_,
            address distributor_,
            address registry_,
            address module_,
            address servingModule_
        )
    {
        return (bridge, address(verifier), address(distributor), address(registry), module, servingModule);
    }

    // ---- internal ----

    function _lock(Hashing.TaskSpec memory spec, bool named) private returns (bytes32 taskId) {
        spec.chainId = block.chainid;
        spec.taskManager = address(this);
        taskId = Hashing.taskId(spec);
        if (!_tasks[taskId].head.isEmpty()) revert TaskExists(taskId);

        // The registry counts the order and calls nobody, so this task cannot be submitted again meanwhile.
        // slither-disable-next-line reentrancy-no-eth
        IModelRegistry.Offer memory offer = registry.orderTask(spec.modelId, spec.seats);
        if (offer.policy == Policy.None || offer.index > HeadWord.MAX_MODEL) {
            revert ModelNotActive(spec.modelId);
        }
        if (spec.payment > PurseWord.MAX_REWARD || offer.price > HeadWord.MAX_MODEL_FEE) {
            revert PaymentTooHigh(spec.payment);
        }
        uint256 required = _quote(offer.price, spec.seats);
        if (spec.payment < required) revert PaymentTooLow(spec.payment, required);
        _admit(spec.modelId, offer, spec.seats);

        Head head = HeadWord.make(offer.price, offer.index, spec.deadline, spec.seats, TIPS, _run.version);
        Round storage first;
        (head, first) = _place(taskId, head);
        first.purse = PurseWord.make(spec.requester, spec.payment, named);
        first.inputHash = spec.inputHash;
        _arm(taskId, head, TaskStatus.Submitted);
    }

    /// @dev No more seats at once than the pool can be expected to serve, or a burst of tasks would have its members
    /// punished for what nobody could do; and enough operators beside them to judge.
    function _admit(bytes32 modelId, IModelRegistry.Offer memory offer, uint256 seats) private {
        SizeRules memory sizes = _sizes;
        uint256 model = offer.index;
        uint256 available = _eligible(_poolId(model, false));
        if (available < seats) revert TooFewProviders(modelId, available, seats);
        if (available != offer.providers) registry.setProviders(modelId, available);
        if (sizes.spareSeats != 0) {
            uint256 wanted = seats + sizes.spareSeats;
            uint256 both = available < wanted ? available + _eligible(_poolId(model, true)) : available;
            if (both < wanted) revert TooFewProviders(modelId, both, wanted);
        }
        uint256 open = _openSeats(model) + seats;
        if (open > available * sizes.openSeats) revert TooBusy(modelId, open, available * sizes.openSeats);
        _modelFacts[model] += seats << OPEN_SEATS;
    }

    /// @dev The seat of the operator that the node acts for.
    function _seatOf(bytes32 taskId, Head head, Round storage round, address node)
        private
        view
        returns (uint256 seat, uint32 account)
    {
        uint256 operatorId = _actingFor(node);
        uint256 count = head.seats();
        if (operatorId != 0) (seat, account) = round.seats.find(count, operatorId);
        else seat = count;
        if (seat == count) revert NotSeated(taskId, node);
    }

    /// @dev What is revealed, and what a commitment to it would have been.
    function _open(bytes32 taskId, Head head, uint32 account, bytes calldata result, bytes calldata proof)
        private
        view
        returns (bytes32 digest, bytes32 commitment)
    {
        if (!Hashing.wellFormed(result) || proof.length < SALT_SIZE) revert BadResult();
        if (head.kind() == RoundKind.Vote && (result.length != VOTE_SIZE || result[0] != Hashing.INLINE)) {
            revert BadResult();
        }
        digest = Hashing.digest(taskId, Hashing.payloadRoot(result));
        bytes32 salt = bytes32(proof[:SALT_SIZE]);
        commitment = Hashing.commitment(address(this), taskId, head.round(), account, digest, salt);
    }

    /// @dev What a seat revealed, in as few words as possible.
    function _record(Round storage round, Head head, uint256 seat, bytes32 value) private returns (Head) {
        if (head.agreeing() == 0) {
            round.values[seat] = value;
            return head.withLead(seat);
        }
        if (round.values[head.lead()] == value) return head.withAgreeing(seat);
        round.values[seat] = value;
        return head.withApart(seat);
    }

    function _tally(bytes32 taskId, Head head, Round storage round) private {
        (uint32[] memory accounts, uint64[] memory weights) = round.seats.load(head.seats());
        // Counting ballots, paying judges and earmarking fees call nobody, and an end is final before it calls.
        // slither-disable-next-line reentrancy-no-eth
        Verdict memory verdict = verifier.tallyRound(taskId, _ballot(taskId, head, round, weights));
        _close(taskId, head, verdict, round, accounts);
    }

    /// @dev Judges are paid whatever they found, and decide whatever they disagree about.
    /// @param accounts of the round's seats
    function _close(bytes32 taskId, Head head, Verdict memory verdict, Round storage round, uint32[] memory accounts)
        private
    {
        bool judges = head.stage() != 0;
        if (judges) distributor.payJudges(taskId, _select(accounts, _revealed(round, head)));
        bool settle = verdict.passed && !judges && !verdict.dissent;
        if (!settle) {
            bytes memory answer =
                Address.functionDelegateCall(module, abi.encodeCall(TaskModule.proceed, (taskId, verdict)));
            settle = abi.decode(answer, (bool));
        }
        if (settle) _finalize(taskId, head, verdict, round, accounts);
    }

    /// @dev Run this very call with a module's code, and end with its answer.
    function _delegate(address code) private {
        bytes memory answer = Address.functionDelegateCall(code, msg.data);
        assembly ("memory-safe") {
            return(add(answer, 32), mload(answer))
        }
    }
}
