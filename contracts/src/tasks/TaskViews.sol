// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Ballot, IBallotBox} from "../interfaces/IBallotBox.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {ITaskManager} from "../interfaces/ITaskManager.sol";
import {RoundKind, Seat, TaskStatus} from "../interfaces/Types.sol";
import {SEAT_SLOTS, SeatPacking} from "../libraries/SeatPacking.sol";
import {SumTree} from "../libraries/SumTree.sol";
import {Head, HeadWord} from "../libraries/TaskWords.sol";
import {TaskCommittee} from "./TaskCommittee.sol";

/// @title What can be read of tasks, rules and pools
/// @notice Third layer of the TaskManager's own.
abstract contract TaskViews is TaskCommittee, ITaskManager, IBallotBox {
    using SeatPacking for uint256[SEAT_SLOTS];
    using SumTree for SumTree.Tree;

    // ---- tasks ----

    /// @inheritdoc ITaskManager
    function getTask(bytes32 taskId) external view returns (TaskView memory task) {
        Head head = _tasks[taskId].head;
        if (head.isEmpty()) return task;
        IModelRegistry.Terms memory terms;
        (task.modelId, terms) = registry.termsAt(head.model());
        task.id = taskId;
        task.modelFee = head.modelFee();
        task.deadline = head.deadline();
        task.status = head.status();
        task.policy = terms.policy;
        task.round = uint8(head.round());
        task.kind = head.kind();
        task.seats = uint8(head.seats());
        if (task.status < TaskStatus.Finalized) {
            Round storage first = _roundAt(taskId, head, 0);
            (task.requester, task.reward) = (first.purse.requester(), first.purse.reward());
            task.inputHash = first.inputHash;
        }
        task.committed = uint8(HeadWord.ones(head.committed()));
        // What a desk holds belongs to a task only while it lives.
        task.revealed = uint8(
            task.status == TaskStatus.Revealing
                ? HeadWord.ones(_revealed(_roundAt(taskId, head, head.round()), head))
                : HeadWord.ones(head.agreeing())
        );
        if (task.status == TaskStatus.Committing || task.status == TaskStatus.Revealing) {
            task.phaseDeadline = head.phaseAt();
        } else if (_waits(task.status)) {
            task.randomnessBlock = head.phaseAt();
        }
    }

    /// @inheritdoc ITaskManager
    /// @dev Empty once the task ended, and before the round's first draw.
    function getSeats(bytes32 taskId, uint8 round) external view returns (Seat[] memory seats) {
        Head head = _tasks[taskId].head;
        TaskStatus status = head.status();
        bool drawn = status == TaskStatus.Committing || status == TaskStatus.Revealing || status == TaskStatus.Redrawing;
        if (round > head.round() || (round == head.round() ? !drawn : !drawn && status != TaskStatus.Escalated)) {
            return seats;
        }
        Head then = _headAt(taskId, head, round);
        Round storage stored = _roundAt(taskId, head, round);
        (uint32[] memory accounts, uint64[] memory weights) = stored.seats.load(then.seats());
        uint256 mask = _revealed(stored, then);
        bytes32[] memory values = _values(stored, then, mask);
        seats = new Seat[](accounts.length);
        for (uint256 i; i < accounts.length; ++i) {
            bool committed = then.committed() >> i & 1 == 1;
            bool revealed = mask >> i & 1 == 1;
            if (revealed && then.kind() == RoundKind.Vote) values[i] ^= bytes32(VOTE_TAG);
            if (committed && !revealed) values[i] = stored.values[i];
            seats[i] = Seat({
                account: accounts[i],
                weight: weights[i],
                committed: committed,
                revealed: revealed,
                faulty: !revealed && values[i] == FAULT,
                value: values[i]
            });
        }
    }

    /// @inheritdoc IBallotBox
    function ballot(bytes32 taskId) external view returns (Ballot memory found) {
        Head head = _tasks[taskId].head;
        if (head.status() != TaskStatus.Revealing) return found;
        Round storage round = _roundAt(taskId, head, head.round());
        (, uint64[] memory weights) = round.seats.load(head.seats());
        return _ballot(taskId, head, round, weights);
    }

    /// @inheritdoc ITaskManager
    function pokeable(bytes32 taskId) external view returns (bool) {
        Head head = _tasks[taskId].head;
        TaskStatus status = head.status();
        if (_waits(status)) return block.number > head.phaseAt() || _tooLate(head);
        bool timed = status == TaskStatus.Committing || status == TaskStatus.Revealing;
        return timed && block.timestamp > head.phaseAt();
    }

    // ---- rules and pools ----

    /// @inheritdoc ITaskManager
    function parameters() public view returns (Parameters memory) {
        RunRules memory run = _run;
        SizeRules memory sizes = _sizes;
        return Parameters({
            defaultSeats: sizes.defaultSeats,
            firstJudgeSeats: sizes.firstJudgeSeats,
            lastJudgeSeats: sizes.lastJudgeSeats,
            maxRedraws: sizes.maxRedraws,
            spareSeats: sizes.spareSeats,
            openSeats: sizes.openSeats,
            commitWindow: run.commitWindow,
            revealWindow: run.revealWindow,
            minTaskTime: run.minTaskTime,
            maxTaskTime: run.maxTaskTime,
            seatFee: run.seatFee,
            tip: run.tip,
            protocolFee: run.protocolFee
        });
    }

    /// @inheritdoc ITaskManager
    function currentEpoch() external view returns (uint256) {
        return _epoch();
    }

    /// @inheritdoc ITaskManager
    function recordOf(bytes32 taskId) external view returns (bytes32) {
        return _records[taskId];
    }

    /// @inheritdoc ITaskManager
    function quote(bytes32 modelId, uint8 seats) external view returns (uint256) {
        return _quote(registry.terms(modelId).price, seats == 0 ? _sizes.defaultSeats : seats);
    }

    /// @inheritdoc ITaskManager
    function longestTask() external view returns (uint256) {
        return _longestTask(parameters());
    }

    /// @inheritdoc ITaskManager
    function operatorOfNode(address node) external view returns (uint32 operatorId) {
        return uint32(_actingFor(node));
    }

    /// @inheritdoc ITaskManager
    function nodeBinding(address node) external view returns (uint32 operatorId, bool allowed) {
        uint256 word = _nodes[node];
        return (uint32(word >> 1), word & 1 == 1);
    }

    /// @inheritdoc ITaskManager
    function isServing(bytes32 modelId, uint32 account) external view returns (bool) {
        return _members[_poolId(registry.terms(modelId).index, account & 1 == 1)][account] & 1 == 1;
    }

    /// @inheritdoc ITaskManager
    function poolSize(bytes32 modelId, bool verifiers) external view returns (uint256) {
        return _eligible(_poolId(registry.terms(modelId).index, verifiers));
    }

    /// @inheritdoc ITaskManager
    function openSeats(bytes32 modelId) external view returns (uint256) {
        return _openSeats(registry.terms(modelId).index);
    }

    /// @inheritdoc ITaskManager
    function poolWeight(bytes32 modelId, bool verifiers) external view returns (uint256) {
        SumTree.Cut memory cut;
        _pools[_poolId(registry.terms(modelId).index, verifiers)].cutAt(cut, _epoch(), 0);
        return cut.left;
    }

    // ---- internal ----

    function _ballot(bytes32 taskId, Head head, Round storage round, uint64[] memory weights)
        internal
        view
        returns (Ballot memory found)
    {
        found.round = uint8(head.round());
        uint256 revealed = _revealed(round, head);
        uint256 agreeing = head.agreeing();
        found.revealed = uint16(revealed);
        found.agreeing = uint16(agreeing);
        if (agreeing != 0) found.leading = round.values[head.lead()];
        if (revealed != agreeing) found.others = _values(round, head, revealed);
        found.weights = SeatPacking.asWords(weights);
        if (head.kind() == RoundKind.Vote) {
            found.kind = RoundKind.Vote;
            found.judges = head.stage() != 0;
            Round storage first = _roundAt(taskId, head, 0);
            uint256 candidates = _revealed(first, first.past);
            found.candidates = uint16(candidates);
            found.digests = _values(first, first.past, candidates);
        }
    }
}
