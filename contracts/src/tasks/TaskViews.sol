// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Ballot, IBallotBox} from "../interfaces/IBallotBox.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {ITaskManager} from "../interfaces/ITaskManager.sol";
import {RoundKind, Seat, TaskStatus} from "../interfaces/Types.sol";
import {SEAT_SLOTS, SeatPacking} from "../libraries/SeatPacking.sol";
import {SumTree} from "../libraries/SumTree.sol";
import {Body, Head, HeadWord} from "../libraries/TaskWords.sol";
import {TaskEndings} from "./TaskEndings.sol";

/// @title What can be read of tasks, rules and pools
/// @notice First layer of the TaskManager's own.
abstract contract TaskViews is TaskEndings, ITaskManager, IBallotBox {
    using SeatPacking for uint256[SEAT_SLOTS];
    using SumTree for SumTree.Tree;

    // ---- tasks ----

    /// @inheritdoc ITaskManager
    function getTask(bytes32 taskId) external view returns (TaskView memory task) {
        Head head = _tasks[taskId].head;
        if (head.isEmpty()) return task;
        Body body = _tasks[taskId].body;
        IModelRegistry.Terms memory terms;
        (task.modelId, terms) = registry.termsAt(body.model());
        task.id = taskId;
        task.requester = head.requester();
        task.inputHash = _tasks[taskId].inputHash;
        task.reward = body.reward();
        task.modelFee = body.modelFee();
        task.deadline = body.deadline();
        task.status = head.status();
        task.policy = terms.policy;
        task.round = uint8(head.round());
        task.kind = head.kind();
        task.seats = uint8(head.seats());
        task.committed = uint8(HeadWord.ones(head.committed()));
        task.revealed = uint8(HeadWord.ones(head.revealed()));
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
        seats = new Seat[](accounts.length);
        for (uint256 i; i < accounts.length; ++i) {
            bool committed = then.committed() >> i & 1 == 1;
            bool revealed = then.revealed() >> i & 1 == 1;
            bytes32 value = committed ? stored.values[i] : bytes32(0);
            seats[i] = Seat({
                account: accounts[i],
                weight: weights[i],
                committed: committed,
                revealed: revealed,
                faulty: !revealed && value == FAULT,
                value: value
            });
        }
    }

    /// @inheritdoc IBallotBox
    function ballot(bytes32 taskId) external view returns (Ballot memory found) {
        Head head = _tasks[taskId].head;
        if (head.status() != TaskStatus.Revealing) return found;
        found.kind = head.kind();
        found.judges = head.stage() != 0;
        found.round = uint8(head.round());
        found.revealed = uint16(head.revealed());
        Round storage stored = _roundAt(taskId, head, head.round());
        (, found.weights) = stored.seats.load(head.seats());
        found.values = _values(stored, head.revealed(), head.seats());
        if (found.kind == RoundKind.Vote) {
            Round storage first = _roundAt(taskId, head, 0);
            found.candidates = uint16(first.past.revealed());
            found.digests = _values(first, first.past.revealed(), first.past.seats());
        }
    }

    /// @inheritdoc ITaskManager
    function pokeable(bytes32 taskId) external view returns (bool) {
        Head head = _tasks[taskId].head;
        TaskStatus status = head.status();
        if (_waits(status)) return block.number > head.phaseAt() || _tooLate(head, _tasks[taskId].body);
        bool timed = status == TaskStatus.Committing || status == TaskStatus.Revealing;
        return timed && block.timestamp > head.phaseAt();
    }

    // ---- rules and pools ----

    /// @inheritdoc ITaskManager
    function parameters() public view returns (Parameters memory) {
        RunRules memory run = _run;
        EntryRules memory entry = _entry;
        return Parameters({
            defaultSeats: run.defaultSeats,
            firstJudgeSeats: run.firstJudgeSeats,
            lastJudgeSeats: run.lastJudgeSeats,
            maxRedraws: run.maxRedraws,
            commitWindow: run.commitWindow,
            revealWindow: run.revealWindow,
            minTaskTime: entry.minTaskTime,
            maxTaskTime: entry.maxTaskTime,
            seatFee: entry.seatFee,
            tip: run.tip,
            protocolFee: run.protocolFee
        });
    }

    /// @inheritdoc ITaskManager
    function currentEpoch() external view returns (uint256) {
        return _epoch();
    }

    /// @inheritdoc ITaskManager
    function quote(bytes32 modelId, uint8 seats) external view returns (uint256) {
        return _quote(registry.terms(modelId).price, seats == 0 ? _run.defaultSeats : seats);
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
    function poolWeight(bytes32 modelId, bool verifiers) external view returns (uint256) {
        return _pools[_poolId(registry.terms(modelId).index, verifiers)].cutAt(_epoch(), 0).left;
    }

    // ---- internal ----

    function _values(Round storage stored, uint256 mask, uint256 count) private view returns (bytes32[] memory values) {
        values = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            if (mask >> i & 1 == 1) values[i] = stored.values[i];
        }
    }
}
