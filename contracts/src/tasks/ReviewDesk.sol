// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IReviewer, Review} from "../interfaces/IReviewer.sol";
import {ITaskManager} from "../interfaces/ITaskManager.sol";
import {RoundKind, TaskStatus, Verdict} from "../interfaces/Types.sol";
import {Hashing} from "../libraries/Hashing.sol";
import {MAX_SEATS, SEAT_SLOTS, SeatPacking} from "../libraries/SeatPacking.sol";
import {Head, HeadWord, Purse, PurseWord} from "../libraries/TaskWords.sol";
import {TaskEndings} from "./TaskEndings.sol";

/// @title Reviews, and the verdicts of judges
/// @notice First layer of the task module's own. A review begins where a task is called before judges: its panel is drawn,
/// commits, opens and is punished for silence by the same code.
abstract contract ReviewDesk is TaskEndings {
    using SeatPacking for uint256[SEAT_SLOTS];

    // ---- reviewers ----

    /// @notice See ITaskManager.
    /// @return taskId id of the task
    /// @param review what the judges are asked
    function openReview(Review calldata review) external restricted returns (bytes32 taskId) {
        uint256 candidates = review.candidates.length;
        if (
            review.seats < MIN_SEATS || review.seats > MAX_SEATS || !Hashing.wellFormed(review.inputData)
                || candidates > MAX_SEATS || candidates != review.authors.length
        ) revert ITaskManager.BadParameter("review");
        Hashing.TaskSpec memory spec;
        spec.chainId = block.chainid;
        spec.taskManager = address(this);
        spec.requester = msg.sender;
        spec.modelId = review.modelId;
        spec.inputHash = keccak256(review.inputData);
        spec.deadline = block.timestamp + _run.maxTaskTime;
        spec.seats = review.seats;
        spec.salt = review.salt;
        taskId = Hashing.taskId(spec);
        if (!_tasks[taskId].head.isEmpty()) revert ITaskManager.TaskExists(taskId);

        emit ITaskManager.TaskSubmitted(
            taskId,
            msg.sender,
            review.modelId,
            review.inputData,
            0,
            spec.deadline,
            review.seats,
            block.number + RANDOMNESS_DELAY
        );
        // No tips: there is no payment that they could be paid from.
        uint32 model = registry.terms(review.modelId).index;
        Head head = HeadWord.make(0, model, spec.deadline, review.seats, 0, _run.version).withStage(REVIEW);
        Round storage first;
        (head, first) = _place(taskId, head);
        first.purse = PurseWord.make(msg.sender, 0, Hashing.isPointer(review.inputData));
        first.inputHash = spec.inputHash;
        // As a task's, because it is taken off at the end like a task's.
        _modelFacts[model] += (candidates == 0 ? review.seats : candidates) << OPEN_SEATS;
        if (candidates != 0) head = _present(taskId, head, first, review);
        uint32[] storage excluded = _replaced[taskId];
        for (uint256 i; i < review.excluded.length; ++i) {
            excluded.push(review.excluded[i]);
        }
        head = head.withReplaced();
        _arm(taskId, head, TaskStatus.Escalated);
        if (!distributor.earmarkJudges(taskId, model, review.seats)) {
            revert ITaskManager.NoJudgeFees(model);
        }
    }

    // ---- internal ----

    /// @dev Put the candidates where a first committee would have left its results, and call for a vote on them.
    function _present(bytes32 taskId, Head head, Round storage first, Review calldata review) private returns (Head) {
        uint256 count = review.candidates.length;
        first.seats.store(review.authors, new uint64[](count), 0);
        // A head like that of a round in which each seat opened a value of its own.
        Head past = HeadWord.make(0, head.model(), 0, count, 0, 0).withDesk(head.desk());
        for (uint256 i; i < count; ++i) {
            if (!Hashing.wellFormed(review.candidates[i])) revert ITaskManager.BadParameter("review");
            bytes32 digest = Hashing.digest(taskId, Hashing.payloadRoot(review.candidates[i]));
            first.values[i] = digest;
            past = past.withApart(i);
            emit ITaskManager.ResultRevealed(taskId, review.authors[i], 0, digest, review.candidates[i]);
        }
        first.past = past;
        return head.nextRound(REVIEW, RoundKind.Vote, review.seats);
    }

    /// @dev Judges ruled, and the TaskManager settles.
    function _noteCondemned(bytes32 taskId, Head head, Verdict calldata verdict) internal {
        uint256 condemned = verdict.rejected;
        if (head.kind() == RoundKind.Result) {
            Round storage first = _roundAt(taskId, head, 0);
            condemned = _revealed(first, first.past) & ~_holders(first, first.past, verdict.winner);
        }
        _remember(taskId, head, verdict.winner, condemned);
    }

    /// @dev A panel that rejected every candidate has said something too, and so has one that voted and decided nothing: who
    /// abstained is on its ballot.
    function _endReview(bytes32 taskId, Head head, Verdict calldata verdict) internal {
        Round storage last = _roundAt(taskId, head, head.round());
        uint256 revealed = _revealed(last, head);
        if (!verdict.passed && (revealed == 0 || head.kind() != RoundKind.Vote)) {
            _refund(taskId, head, "no verdict");
            return;
        }
        (uint32[] memory accounts,) = last.seats.load(head.seats());
        bytes32 ballot = Hashing.ballot(accounts, _values(last, head, revealed), revealed);
        _tasks[taskId].head = head.withStatus(TaskStatus.Finalized);
        emit ITaskManager.TaskFinalized(
            taskId, verdict.winner, 0, uint8(head.round()), verdict.confidence, new uint32[](0)
        );
        // The review is final before anybody is called, and its reviewer is called last, when its rounds are cleared.
        // slither-disable-next-line reentrancy-no-eth
        _punish(taskId, head, head.round() + 1, verdict.confidence, 0);
        Purse purse = _purseOf(taskId, head);
        _clear(taskId, head, purse);
        IReviewer(purse.requester()).onVerdict(taskId, verdict.winner, verdict.accepted, verdict.rejected, ballot);
    }

    /// @dev Keep the hash of what an appeal needs, if anybody has a reason for one. Rounds are cleared at the end.
    /// @param condemned bit i: judges ruled against what seat i of round 0 revealed
    function _remember(bytes32 taskId, Head head, bytes32 winner, uint256 condemned) internal {
        if (condemned == 0) return;
        Round storage first = _roundAt(taskId, head, 0);
        Head opening = first.past;
        Hashing.CaseRecord memory found;
        (found.model, found.inputHash, found.winner) = (head.model(), first.inputHash, winner);
        found.digests = _values(first, opening, _revealed(first, opening));
        (found.accounts, found.largest) = _everSeated(taskId, head);
        bytes32 hash = Hashing.record(found);
        _records[taskId] = hash;
        emit ITaskManager.CaseRecorded(taskId, hash);
    }

    /// @dev In the order of rounds and seats, then those that lost their seat. Whoever voted on its own results stands twice.
    function _everSeated(bytes32 taskId, Head head) private view returns (uint32[] memory everyone, uint8 largest) {
        uint32[] memory gone;
        if (head.replaced()) gone = _replaced[taskId];
        everyone = new uint32[]((head.round() + 1) * MAX_SEATS + gone.length);
        uint256 count;
        for (uint256 round; round <= head.round(); ++round) {
            Head then = _headAt(taskId, head, round);
            (uint32[] memory accounts,) = _roundAt(taskId, head, round).seats.load(then.seats());
            if (accounts.length > largest) largest = uint8(accounts.length);
            for (uint256 i; i < accounts.length; ++i) {
                everyone[count++] = accounts[i];
            }
        }
        for (uint256 i; i < gone.length; ++i) {
            everyone[count++] = gone[i];
        }
        assembly ("memory-safe") {
            mstore(everyone, count)
        }
    }
}
