// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {RoundKind, TaskStatus} from "../interfaces/Types.sol";

/// @dev What moves while a task lives, in one slot: a commit or reveal reads nothing else of the task. From the low
/// end: requester 160, phaseAt 33, status 4, round 2, stage 2, kind 1, seats 4, redraws 2, tips 3, desk 2, replaced 1,
/// version 8, committed 15, revealed 15, faulty 4.
type Head is uint256;

/// @dev What is fixed at submission, and the epoch of the randomness that a draw waits for. From the low end:
/// reward 88, model fee 80, model index 24, deadline 34, armed epoch 28.
type Body is uint256;

using HeadWord for Head global;
using BodyWord for Body global;

/// @title Fields of `Head`
/// @dev Setters do not check. Callers guarantee that values fit: a phase is a block number or a time plus a window
/// (until the year 2242), counters are bounded by the committee size and the validated parameters.
library HeadWord {
    uint256 private constant PHASE_AT = 160;
    uint256 private constant STATUS = 193;
    uint256 private constant ROUND = 197;
    uint256 private constant STAGE = 199;
    uint256 private constant KIND = 201;
    uint256 private constant SEATS = 202;
    uint256 private constant REDRAWS = 206;
    uint256 private constant TIPS = 208;
    uint256 private constant DESK = 211;
    uint256 private constant REPLACED = 213;
    uint256 private constant VERSION = 214;
    uint256 private constant COMMITTED = 222;
    uint256 private constant REVEALED = 237;
    uint256 private constant FAULTY = 252;

    uint256 internal constant MAX_REDRAWS = 3;
    uint256 internal constant MAX_VERSION = 255;

    /// @notice A new task that waits for its first draw.
    function open(address requester_, uint256 randomnessBlock, uint256 seats_, uint256 tips_, uint256 version_)
        internal
        pure
        returns (Head)
    {
        return Head.wrap(
            uint256(uint160(requester_)) | randomnessBlock << PHASE_AT | uint256(TaskStatus.Submitted) << STATUS
                | seats_ << SEATS | tips_ << TIPS | version_ << VERSION
        );
    }

    function isEmpty(Head h) internal pure returns (bool) {
        return Head.unwrap(h) == 0;
    }

    function requester(Head h) internal pure returns (address) {
        return address(uint160(Head.unwrap(h)));
    }

    /// @notice When the phase ends, or the randomness block of a draw that is due.
    function phaseAt(Head h) internal pure returns (uint256) {
        return Head.unwrap(h) >> PHASE_AT & 0x1FFFFFFFF;
    }

    function withPhase(Head h, TaskStatus status_, uint256 phaseAt_) internal pure returns (Head) {
        uint256 fields = (1 << ROUND) - (1 << PHASE_AT);
        return Head.wrap(Head.unwrap(h) & ~fields | phaseAt_ << PHASE_AT | uint256(status_) << STATUS);
    }

    function status(Head h) internal pure returns (TaskStatus) {
        return TaskStatus(Head.unwrap(h) >> STATUS & 15);
    }

    function withStatus(Head h, TaskStatus status_) internal pure returns (Head) {
        return Head.wrap(Head.unwrap(h) & ~(uint256(15) << STATUS) | uint256(status_) << STATUS);
    }

    function round(Head h) internal pure returns (uint256) {
        return Head.unwrap(h) >> ROUND & 3;
    }

    /// @notice 0: first committee, 1: first judges, 2: last judges.
    function stage(Head h) internal pure returns (uint256) {
        return Head.unwrap(h) >> STAGE & 3;
    }

    function kind(Head h) internal pure returns (RoundKind) {
        return RoundKind(Head.unwrap(h) >> KIND & 1);
    }

    function seats(Head h) internal pure returns (uint256) {
        return Head.unwrap(h) >> SEATS & 15;
    }

    /// @notice Replacement draws of this round.
    function redraws(Head h) internal pure returns (uint256) {
        return Head.unwrap(h) >> REDRAWS & 3;
    }

    function withRedraw(Head h) internal pure returns (Head) {
        return Head.wrap(Head.unwrap(h) + (1 << REDRAWS));
    }

    /// @notice Tips not yet paid.
    function tips(Head h) internal pure returns (uint256) {
        return Head.unwrap(h) >> TIPS & 7;
    }

    function lessTip(Head h) internal pure returns (Head) {
        return Head.wrap(Head.unwrap(h) - (1 << TIPS));
    }

    /// @notice Which table the task's desk is in; 0: it has none.
    function desk(Head h) internal pure returns (uint256) {
        return Head.unwrap(h) >> DESK & 3;
    }

    function withDesk(Head h, uint256 table) internal pure returns (Head) {
        return Head.wrap(Head.unwrap(h) | table << DESK);
    }

    /// @notice Whether a seat was ever given to somebody else.
    function replaced(Head h) internal pure returns (bool) {
        return Head.unwrap(h) >> REPLACED & 1 == 1;
    }

    function withReplaced(Head h) internal pure returns (Head) {
        return Head.wrap(Head.unwrap(h) | 1 << REPLACED);
    }

    /// @notice Which rules the task was submitted under.
    function version(Head h) internal pure returns (uint256) {
        return Head.unwrap(h) >> VERSION & MAX_VERSION;
    }

    /// @notice Bit i: seat i committed.
    function committed(Head h) internal pure returns (uint256) {
        return Head.unwrap(h) >> COMMITTED & 0x7FFF;
    }

    function withCommitted(Head h, uint256 seat) internal pure returns (Head) {
        return Head.wrap(Head.unwrap(h) | 1 << (COMMITTED + seat));
    }

    /// @notice Bit i: seat i opened its commitment.
    function revealed(Head h) internal pure returns (uint256) {
        return Head.unwrap(h) >> REVEALED & 0x7FFF;
    }

    function withRevealed(Head h, uint256 seat) internal pure returns (Head) {
        return Head.wrap(Head.unwrap(h) | 1 << (REVEALED + seat));
    }

    /// @notice How many seats opened their commitment wrongly.
    function faulty(Head h) internal pure returns (uint256) {
        return Head.unwrap(h) >> FAULTY;
    }

    function withFaulty(Head h) internal pure returns (Head) {
        return Head.wrap(Head.unwrap(h) + (1 << FAULTY));
    }

    /// @notice Whether every member that committed has opened, rightly or wrongly.
    function allOpened(Head h) internal pure returns (bool) {
        uint256 open_ = h.committed() ^ h.revealed();
        return open_ == 0 || ones(open_) == h.faulty();
    }

    /// @notice The next round, with nothing committed yet; its record keeps what later rounds need of this one.
    function nextRound(Head h, uint256 stage_, RoundKind kind_, uint256 seats_) internal pure returns (Head) {
        uint256 progress = (1 << TIPS) - (1 << ROUND) | ~((uint256(1) << COMMITTED) - 1);
        return Head.wrap(
            Head.unwrap(h) & ~progress | (h.round() + 1) << ROUND | stage_ << STAGE | uint256(kind_) << KIND | seats_
                << SEATS
        );
    }

    /// @notice How many bits are set.
    function ones(uint256 mask) internal pure returns (uint256 count) {
        unchecked {
            for (; mask != 0; mask &= mask - 1) {
                ++count;
            }
        }
    }
}

/// @title Fields of `Body`
/// @dev `fits` says what the wide fields can hold; the narrow ones are bounded by time and by governance.
library BodyWord {
    uint256 private constant MODEL_FEE = 88;
    uint256 private constant MODEL = 168;
    uint256 private constant DEADLINE = 192;
    uint256 private constant ARMED = 226;

    uint256 internal constant MAX_REWARD = (1 << 88) - 1;
    uint256 internal constant MAX_MODEL_FEE = (1 << 80) - 1;
    uint256 internal constant MAX_MODEL = (1 << 24) - 1;
    uint256 private constant MAX_EPOCH = (1 << 28) - 1;

    function make(uint256 reward_, uint256 modelFee_, uint256 model_, uint256 deadline_, uint256 epoch)
        internal
        pure
        returns (Body)
    {
        return Body.wrap(reward_ | modelFee_ << MODEL_FEE | model_ << MODEL | deadline_ << DEADLINE | epoch << ARMED);
    }

    /// @notice Wei locked for the task.
    function reward(Body b) internal pure returns (uint256) {
        return Body.unwrap(b) & MAX_REWARD;
    }

    function modelFee(Body b) internal pure returns (uint256) {
        return Body.unwrap(b) >> MODEL_FEE & MAX_MODEL_FEE;
    }

    /// @notice The model's index in the registry.
    function model(Body b) internal pure returns (uint32) {
        return uint32(Body.unwrap(b) >> MODEL & MAX_MODEL);
    }

    function deadline(Body b) internal pure returns (uint256) {
        return Body.unwrap(b) >> DEADLINE & ((1 << 34) - 1);
    }

    /// @notice The epoch in which the randomness that a draw waits for was armed.
    function armedEpoch(Body b) internal pure returns (uint256) {
        return Body.unwrap(b) >> ARMED & MAX_EPOCH;
    }

    function withArmedEpoch(Body b, uint256 epoch) internal pure returns (Body) {
        return Body.wrap((Body.unwrap(b) & ~(MAX_EPOCH << ARMED)) | epoch << ARMED);
    }
}
