// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IRewardDistributor} from "../interfaces/IRewardDistributor.sol";
import {ITaskManager} from "../interfaces/ITaskManager.sol";
import {Fault, RoundKind, TaskStatus, Verdict} from "../interfaces/Types.sol";
import {MAX_SEATS, SEAT_SLOTS, SeatPacking} from "../libraries/SeatPacking.sol";
import {Body, Head, HeadWord} from "../libraries/TaskWords.sol";
import {TaskStore} from "./TaskStore.sol";

/// @title How a task ends: settled, or refunded
/// @notice Fourth layer of the TaskManager and its module. Whichever way it ends, a commitment that was not opened is punished.
abstract contract TaskEndings is TaskStore {
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
        if (!all && caller != address(this)) (head, tip) = _takeTip(head);
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
        (uint32[] memory accounts,) = _roundAt(taskId, head, head.round()).seats.load(head.seats());
        distributor.payJudges(taskId, _pick(accounts, head.revealed()));
    }

    function _outcome(bytes32 taskId, Head head, Verdict calldata verdict)
        private
        view
        returns (Outcome memory outcome)
    {
        Head opening = _headAt(taskId, head, 0);
        Round storage first = _roundAt(taskId, head, 0);
        (uint32[] memory accounts,) = first.seats.load(opening.seats());
        outcome.judged = head.stage() != 0;
        outcome.firstSeats = accounts.length;
        outcome.mask =
            head.kind() == RoundKind.Vote ? verdict.accepted : _holders(first, opening.revealed(), verdict.winner);
        outcome.winners = _pick(accounts, outcome.mask);
        if (outcome.winners.length != 0) {
            outcome.deliverer = outcome.winners[0];
            return outcome;
        }
        Round storage last = _roundAt(taskId, head, head.round());
        (accounts,) = last.seats.load(head.seats());
        outcome.deliverer = _pick(accounts, _holders(last, head.revealed(), verdict.winner))[0];
        outcome.deliveredIn = uint8(head.round());
    }

    /// @dev Bit i: seat i revealed this digest.
    function _holders(Round storage round, uint256 revealed, bytes32 digest) private view returns (uint256 mask) {
        unchecked {
            for (uint256 i; i < MAX_SEATS; ++i) {
                if (revealed >> i == 0) break;
                if (revealed >> i & 1 == 1 && round.values[i] == digest) mask |= 1 << i;
            }
        }
    }

    /// @dev The accounts of the seats in the mask, in the order of seats.
    function _pick(uint32[] memory accounts, uint256 mask) private pure returns (uint32[] memory picked) {
        if (mask == (1 << accounts.length) - 1) return accounts;
        picked = new uint32[](HeadWord.ones(mask));
        uint256 count;
        for (uint256 i; i < accounts.length; ++i) {
            if (mask >> i & 1 == 1) picked[count++] = accounts[i];
        }
    }

    /// @dev Whoever did not open what it committed, in any of the first `rounds` rounds; and whoever of the first
    /// committee revealed something that judges ruled against.
    function _punish(bytes32 taskId, Head head, uint256 rounds, uint256 confidence, Outcome memory outcome) private {
        for (uint256 round; round < rounds; ++round) {
            Head then = _headAt(taskId, head, round);
            uint256 good = round == 0 && outcome.judged ? outcome.mask : then.revealed();
            uint256 bad = then.committed() & ~good;
            if (bad != 0) _punishSeats(taskId, _roundAt(taskId, head, round), then, bad, confidence);
        }
    }

    function _punishSeats(bytes32 taskId, Round storage stored, Head then, uint256 bad, uint256 confidence) private {
        (uint32[] memory accounts,) = stored.seats.load(then.seats());
        for (uint256 i; i < accounts.length; ++i) {
            if (bad >> i & 1 == 0) continue;
            Fault fault = then.revealed() >> i & 1 == 1 ? Fault.Incorrect : Fault.Unopened;
            distributor.slash(accounts[i], taskId, fault, confidence, address(0));
        }
    }

    function _settle(bytes32 taskId, Head head, Body body, Outcome memory outcome) private {
        IRewardDistributor.Settlement memory settlement;
        settlement.taskId = taskId;
        settlement.modelProvider = address(uint160(_modelFacts[body.model()]));
        settlement.modelFee = body.modelFee();
        settlement.requester = head.requester();
        settlement.winners = outcome.winners;
        RunRules storage rules = _runAt[head.version()];
        uint256 reward = body.reward();
        settlement.protocolFee = reward * rules.protocolFee / BASIS;
        // What was quoted covers this; the rules are those of the submission.
        uint256 forSeats = reward - settlement.modelFee - settlement.protocolFee - TIPS * rules.tip;
        settlement.seatFee = forSeats / outcome.firstSeats;
        settlement.refund = _afterTips(head, body) - settlement.modelFee - settlement.protocolFee - settlement.seatFee
            * outcome.winners.length;
        distributor.settle(settlement);
    }

    /// @dev Give back the storage of all rounds: the desk to the next task, the rest for good. The task's own three
    /// slots stay, for whoever asks later.
    function _clear(bytes32 taskId, Head head) private {
        uint256 round;
        if (head.desk() != 0) {
            uint256[SEAT_SLOTS] storage seats = _roundAt(taskId, head, 0).seats;
            seats[0] &= ~OCCUPIED;
            round = 1;
        }
        for (; round <= head.round(); ++round) {
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
