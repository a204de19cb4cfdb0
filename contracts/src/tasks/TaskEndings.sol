// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "../interfaces/IRewardDistributor.sol";
import {ITaskManager} from "../interfaces/ITaskManager.sol";
import {Fault, RoundKind, TaskStatus, Verdict} from "../interfaces/Types.sol";
import {SEAT_SLOTS, SeatPacking} from "../libraries/SeatPacking.sol";
import {Body, Head} from "../libraries/TaskWords.sol";
import {TaskStore} from "./TaskStore.sol";

/// @title How a task ends: settled, or refunded
/// @notice Fourth layer of the TaskManager and its module. Whichever way it ends, a commitment that was not opened is punished.
abstract contract TaskEndings is TaskStore {
    using SeatPacking for uint256;
    using SeatPacking for uint256[SEAT_SLOTS];

    /// @dev Who of the first committee won, and what is delivered.
    struct Outcome {
        bool judged;
        uint256 mask; // bit i: seat i of round 0 won
        uint32[] winners;
        uint32 deliverer;
        uint8 deliveredIn; // round
        uint256 firstSeats;
    }

    /// @dev What applying a verdict begins with: it is the verifier's to say, it is due, who helped is tipped, judges
    /// are paid whatever they found.
    function _closing(bytes32 taskId, address caller) internal returns (Head head, Body body, uint256 tip) {
        if (msg.sender != address(verifier)) revert ITaskManager.OnlyConsensusVerifier();
        head = _tasks[taskId].head;
        _requireStatus(taskId, head, TaskStatus.Revealing);
        bool all = head.allOpened();
        if (!all && block.timestamp <= head.phaseAt()) revert ITaskManager.PhaseOpen(taskId, head.phaseAt());
        body = _tasks[taskId].body;
        // Who opens last is no helper, and `poke` tips its own caller.
        if (!all && caller != address(this)) (head, tip) = _takeTip(head, body);
        if (head.stage() != 0) _payJudges(taskId, head);
    }

    /// @dev Judges that reveal are paid when their round closes, so only the first committee is paid here.
    function _finalize(bytes32 taskId, Head head, Body body, Verdict calldata verdict) internal {
        Outcome memory outcome = _outcome(taskId, head, verdict);
        _tasks[taskId].head = head.withStatus(TaskStatus.Finalized);
        emit ITaskManager.TaskFinalized(
            taskId, verdict.winner, outcome.deliverer, outcome.deliveredIn, verdict.confidence, outcome.winners
        );
        _punish(taskId, head, head.round() + 1, verdict.confidence, outcome);
        _clear(taskId, head);
        _settle(taskId, head, body, outcome);
    }

    /// @param flagged whether judges could not agree, which speaks against the model
    function _refund(bytes32 taskId, Head head, Body body, string memory reason, bool flagged) internal {
        uint256 amount = _afterTips(head, body);
        // Members of a round that never came to opening had no chance to open.
        uint256 rounds = head.status() == TaskStatus.Revealing ? head.round() + 1 : head.round();
        _tasks[taskId].head = head.withStatus(TaskStatus.Refunded);
        emit ITaskManager.TaskRefunded(taskId, amount, reason);
        Outcome memory nobody;
        _punish(taskId, head, rounds, 0, nobody);
        _clear(taskId, head);
        if (flagged) registry.flag(body.model(), taskId);
        distributor.credit(head.requester(), taskId, amount);
    }

    /// @dev The round that is being closed belongs to judges.
    function _payJudges(bytes32 taskId, Head head) internal {
        uint256[] memory seats = _rounds[taskId][head.round()].seats.load(head.seats());
        uint32[] memory judges = new uint32[](_ones(head.revealed()));
        uint256 count;
        for (uint256 i; i < seats.length; ++i) {
            if (head.revealed() >> i & 1 == 1) judges[count++] = seats[i].accountOf();
        }
        distributor.payJudges(taskId, judges);
    }

    function _outcome(bytes32 taskId, Head head, Verdict calldata verdict)
        private
        view
        returns (Outcome memory outcome)
    {
        Head opening = _headAt(taskId, head, 0);
        Round storage first = _rounds[taskId][0];
        uint256[] memory seats = first.seats.load(opening.seats());
        outcome.judged = head.stage() != 0;
        outcome.firstSeats = seats.length;
        outcome.mask = head.kind() == RoundKind.Vote
            ? verdict.accepted
            : _holders(first, opening.revealed(), seats.length, verdict.winner);
        outcome.winners = new uint32[](_ones(outcome.mask));
        uint256 count;
        for (uint256 i; i < seats.length; ++i) {
            if (outcome.mask >> i & 1 == 1) outcome.winners[count++] = seats[i].accountOf();
        }
        if (count != 0) {
            outcome.deliverer = outcome.winners[0];
            return outcome;
        }
        Round storage last = _rounds[taskId][head.round()];
        uint256 judges = _holders(last, head.revealed(), head.seats(), verdict.winner);
        seats = last.seats.load(head.seats());
        uint256 judge;
        while (judge + 1 < seats.length && judges >> judge & 1 == 0) {
            ++judge;
        }
        outcome.deliverer = seats[judge].accountOf();
        outcome.deliveredIn = uint8(head.round());
    }

    /// @dev Bit i: seat i revealed this digest.
    function _holders(Round storage round, uint256 revealed, uint256 count, bytes32 digest)
        private
        view
        returns (uint256 mask)
    {
        for (uint256 i; i < count; ++i) {
            if (revealed >> i & 1 == 1 && round.values[i] == digest) mask |= 1 << i;
        }
    }

    /// @dev Whoever did not open what it committed, in any of the first `rounds` rounds; and whoever of the first
    /// committee revealed something that judges ruled against.
    function _punish(bytes32 taskId, Head head, uint256 rounds, uint256 confidence, Outcome memory outcome) private {
        for (uint256 round; round < rounds; ++round) {
            bool ruled = round == 0 && outcome.judged;
            Head then = _headAt(taskId, head, round);
            _punishRound(taskId, round, then, ruled ? outcome.mask : then.revealed(), confidence);
        }
    }

    function _punishRound(bytes32 taskId, uint256 round, Head then, uint256 good, uint256 confidence) private {
        uint256 count = then.seats();
        if (good == (1 << count) - 1) return;
        Round storage stored = _rounds[taskId][round];
        uint256[] memory seats = stored.seats.load(count);
        for (uint256 i; i < count; ++i) {
            if (good >> i & 1 == 1 || stored.values[i] == 0) continue;
            Fault fault = then.revealed() >> i & 1 == 1 ? Fault.Incorrect : Fault.Unopened;
            distributor.slash(seats[i].accountOf(), taskId, fault, confidence, address(0));
        }
    }

    function _settle(bytes32 taskId, Head head, Body body, Outcome memory outcome) private {
        (, IModelRegistry.Terms memory terms) = registry.termsAt(body.model());
        IRewardDistributor.Settlement memory settlement;
        settlement.taskId = taskId;
        settlement.modelProvider = terms.provider;
        settlement.modelFee = body.modelFee();
        settlement.requester = head.requester();
        settlement.winners = outcome.winners;
        RunRules storage rules = _runAt[body.version()];
        uint256 reward = body.reward();
        settlement.protocolFee = reward * rules.protocolFee / BASIS;
        // What was quoted covers this; the rules are those of the submission.
        uint256 forSeats = reward - settlement.modelFee - settlement.protocolFee - TIPS * rules.tip;
        settlement.seatFee = forSeats / outcome.firstSeats;
        settlement.refund = _afterTips(head, body) - settlement.modelFee - settlement.protocolFee
            - settlement.seatFee * outcome.winners.length;
        distributor.settle(settlement);
    }

    /// @dev Give back the storage of all rounds. The task's own three slots stay, for whoever asks later.
    function _clear(bytes32 taskId, Head head) private {
        for (uint256 round; round <= head.round(); ++round) {
            uint256 count = _headAt(taskId, head, round).seats();
            Round storage stored = _rounds[taskId][round];
            stored.seats.clear(count);
            for (uint256 i; i < count; ++i) {
                stored.values[i] = 0;
            }
            if (round != head.round()) stored.past = Head.wrap(0);
        }
        if (head.replaced()) delete _replaced[taskId];
    }
}
