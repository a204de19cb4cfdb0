// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IRewardDistributor} from "../interfaces/IRewardDistributor.sol";
import {IReviewer} from "../interfaces/IReviewer.sol";
import {ITaskManager} from "../interfaces/ITaskManager.sol";
import {Fault, RoundKind, TaskStatus, Verdict} from "../interfaces/Types.sol";
import {MAX_SEATS, SEAT_SLOTS, SeatPacking} from "../libraries/SeatPacking.sol";
import {Head, HeadWord, Purse} from "../libraries/TaskWords.sol";
import {TaskStore} from "./TaskStore.sol";

/// @title How a task ends: settled, or refunded
/// @notice Fourth layer of the TaskManager and its task module. Whichever way it ends, a commitment that was not opened is punished.
abstract contract TaskEndings is TaskStore {
    using SeatPacking for uint256[SEAT_SLOTS];

    uint256 internal constant FIRST_STAGE = 1;
    uint256 internal constant LAST_STAGE = 2;
    /// @dev Of a review: its panel is drawn as judges are, and nothing follows it.
    uint256 internal constant REVIEW = 3;

    /// @dev Who of the first committee won, and what is delivered.
    /// @param mask bit i: seat i of round 0 won
    /// @param condemned bit i: judges ruled against what seat i of round 0 revealed
    /// @param winners accounts that are paid `seatFee` each
    /// @param deliverer account whose result is delivered
    /// @param deliveredIn round
    /// @param firstSeats seats of the first committee
    struct Outcome {
        uint256 mask;
        uint256 condemned;
        uint32[] winners;
        uint32 deliverer;
        uint8 deliveredIn;
        uint256 firstSeats;
    }

    /// @dev Judges that reveal are paid when their round closes, so only the first committee is paid here.
    /// @param last the round that decided
    /// @param accounts of its seats
    function _finalize(bytes32 taskId, Head head, Verdict memory verdict, Round storage last, uint32[] memory accounts)
        internal
    {
        Outcome memory outcome;
        _outcome(outcome, taskId, head, verdict, last, accounts);
        _tasks[taskId].head = head.withStatus(TaskStatus.Finalized);
        emit ITaskManager.TaskFinalized(
            taskId, verdict.winner, outcome.deliverer, outcome.deliveredIn, verdict.confidence, outcome.winners
        );
        // The task is final before anybody is called, and nobody whom a slash calls moves a task on.
        // slither-disable-next-line reentrancy-no-eth
        _punish(taskId, head, head.round() + 1, verdict.confidence, outcome.condemned);
        Purse purse = _purseOf(taskId, head);
        _clear(taskId, head, purse);
        _settle(taskId, head, purse, outcome);
    }

    function _refund(bytes32 taskId, Head head, string memory reason) internal {
        // Judges that could not agree speak against the model: those of this stage, or of the one before.
        bool opened = head.status() == TaskStatus.Revealing;
        bool flagged = head.stage() == LAST_STAGE || (head.stage() == FIRST_STAGE && opened);
        _refund(taskId, head, reason, 0, 0, flagged);
    }

    /// @param condemned bit i: judges ruled against what seat i of round 0 revealed, though for nothing else
    /// @param flagged whether this speaks against the model
    function _refund(
        bytes32 taskId,
        Head head,
        string memory reason,
        uint256 condemned,
        uint256 confidence,
        bool flagged
    ) internal {
        Purse purse = _purseOf(taskId, head);
        bool review = head.stage() == REVIEW;
        uint256 amount = review ? 0 : _afterTips(head, purse);
        // Members of a round that never came to opening had no chance to open.
        uint256 rounds = head.status() == TaskStatus.Revealing ? head.round() + 1 : head.round();
        _tasks[taskId].head = head.withStatus(TaskStatus.Refunded);
        emit ITaskManager.TaskRefunded(taskId, amount, reason);
        // As in _finalize: the task is refunded before anybody is called.
        // slither-disable-next-line reentrancy-no-eth
        _punish(taskId, head, rounds, confidence, condemned);
        // Judges that were called for and came to nothing have earned nothing.
        if (head.stage() != 0) distributor.payJudges(taskId, new uint32[](0));
        _clear(taskId, head, purse);
        if (flagged) registry.flag(head.model(), taskId);
        if (review) IReviewer(purse.requester()).onNoVerdict(taskId);
        else distributor.credit(purse.requester(), taskId, amount);
    }

    function _outcome(
        Outcome memory outcome,
        bytes32 taskId,
        Head head,
        Verdict memory verdict,
        Round storage last,
        uint32[] memory accounts
    ) private view {
        Head opening = head;
        Round storage first = last;
        uint32[] memory members = accounts;
        if (head.round() != 0) {
            first = _roundAt(taskId, head, 0);
            opening = first.past;
            (members,) = first.seats.load(opening.seats());
        }
        outcome.firstSeats = members.length;
        bool judged = head.stage() != 0;
        if (head.kind() == RoundKind.Vote) {
            // A candidate that judges neither accepted nor rejected is not paid for, and not punished.
            (outcome.mask, outcome.condemned) = (verdict.accepted, judged ? verdict.rejected : 0);
        } else {
            outcome.mask = _holders(first, opening, verdict.winner);
            if (judged) outcome.condemned = _revealed(first, opening) & ~outcome.mask;
        }
        outcome.winners = _select(members, outcome.mask);
        if (outcome.winners.length != 0) {
            outcome.deliverer = outcome.winners[0];
        } else {
            outcome.deliverer = _select(accounts, _holders(last, head, verdict.winner))[0];
            outcome.deliveredIn = uint8(head.round());
        }
    }

    /// @dev Bit i: seat i revealed this digest.
    function _holders(Round storage round, Head head, bytes32 digest) internal view returns (uint256 mask) {
        uint256 agreeing = head.agreeing();
        if (agreeing != 0 && round.values[head.lead()] == digest) mask = agreeing;
        uint256 apart = head.apart();
        for (uint256 i; apart >> i != 0; ++i) {
            if (apart >> i & 1 == 1 && round.values[i] == digest) mask |= 1 << i;
        }
    }

    /// @dev The accounts of the seats in the mask, in the order of seats.
    function _select(uint32[] memory accounts, uint256 mask) internal pure returns (uint32[] memory picked) {
        if (mask == (1 << accounts.length) - 1) return accounts;
        picked = new uint32[](HeadWord.ones(mask));
        uint256 count;
        for (uint256 i; i < accounts.length; ++i) {
            if (mask >> i & 1 == 1) picked[count++] = accounts[i];
        }
    }

    /// @dev Whoever did not open what it committed, in any of the first `rounds` rounds; and whoever of the first
    /// committee revealed something that judges ruled against.
    function _punish(bytes32 taskId, Head head, uint256 rounds, uint256 confidence, uint256 condemned) internal {
        for (uint256 round; round < rounds; ++round) {
            Head then = _headAt(taskId, head, round);
            // Most rounds agree, and then there is nothing more to read.
            uint256 doubtful = then.committed() & ~then.agreeing();
            if ((doubtful | condemned) != 0) _punishSeats(taskId, round, then, condemned, confidence);
            condemned = 0;
        }
    }

    function _punishSeats(bytes32 taskId, uint256 round, Head then, uint256 condemned, uint256 confidence) private {
        Round storage stored = _roundAt(taskId, then, round);
        uint256 unopened = then.committed() & ~_revealed(stored, then);
        uint256 guilty = unopened | condemned;
        (uint32[] memory accounts,) = stored.seats.load(then.seats());
        for (uint256 i; guilty >> i != 0; ++i) {
            if (guilty >> i & 1 == 0) continue;
            Fault fault = unopened >> i & 1 == 1 ? Fault.Unopened : Fault.Incorrect;
            distributor.slash(accounts[i], taskId, then.model(), fault, confidence, address(0));
        }
    }

    function _settle(bytes32 taskId, Head head, Purse purse, Outcome memory outcome) private {
        RunRules storage rules = _runAt[head.version()];
        IRewardDistributor.Settlement memory settlement;
        settlement.taskId = taskId;
        settlement.modelProvider = address(uint160(_modelFacts[head.model()]));
        settlement.requester = purse.requester();
        settlement.winners = outcome.winners;
        uint256 reward = purse.reward();
        uint256 modelFee = head.modelFee();
        uint256 protocolFee = reward * rules.protocolFee / BASIS;
        uint256 tip = rules.tip;
        // The quote covered all of this, and the rules are still those of the submission.
        uint256 forSeats = reward - modelFee - protocolFee - TIPS * tip;
        // What the division leaves goes back with the refund.
        // slither-disable-next-line divide-before-multiply
        uint256 seatFee = forSeats / outcome.firstSeats;
        (settlement.modelFee, settlement.protocolFee, settlement.seatFee) = (modelFee, protocolFee, seatFee);
        settlement.refund = forSeats - seatFee * outcome.winners.length + head.tips() * tip;
        distributor.settle(settlement);
    }

    /// @dev Give back the storage of all rounds: the desk to the next task, the rest for good. The head stays.
    function _clear(bytes32 taskId, Head head, Purse purse) internal {
        _vacate(taskId, head, purse);
        for (uint256 round = head.desk() == 0 ? 0 : 1; round <= head.round(); ++round) {
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
