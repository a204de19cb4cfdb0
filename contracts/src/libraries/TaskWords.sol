// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {RoundKind, TaskStatus} from "../interfaces/Types.sol";

/// @dev All that moves while a task lives, and all that moving it needs, in one slot: draws, commits and reveals read
/// nothing else of the task. From the low end: model fee 74, model index 24, deadline 34, epoch of arming 28, phaseAt 33, status 4, round 2, stage 2, kind 1, seats 4, redraws 2, tips 3, desk 2, replaced 1,
/// version 8, first mark 15, second mark 15, lead 4.
///
/// A seat's two marks: 00 nothing yet, 10 committed, 11 opened with the value of the seat that opened first (the lead),
/// 01 opened otherwise, wrongly or with another value. So members that agree write no second word each.
type Head is uint256;

/// @dev Who paid (160), how much (93), and three flags: whether the input is only named (1), whether the first draw had
/// to wait for later randomness (1), whether the task that this describes still lives (1).
type Purse is uint256;

using HeadWord for Head global;
using PurseWord for Purse global;

/// @title Fields of `Head`
/// @dev Setters do not check. Callers guarantee that values fit: a phase is a block number or a time plus a window
/// (until the year 2242), counters are bounded by the committee size and the validated parameters.
library HeadWord {
    uint256 private constant MODEL = 74;
    uint256 private constant DEADLINE = 98;
    uint256 private constant ARMED = 132;
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
    uint256 private constant FIRST = 222;
    uint256 private constant SECOND = 237;
    uint256 private constant LEAD = 252;

    uint256 private constant MARKS = 0x7FFF;
    uint256 internal constant MAX_MODEL_FEE = (1 << 74) - 1;
    uint256 internal constant MAX_MODEL = (1 << 24) - 1;
    uint256 internal constant MAX_REDRAWS = 3;
    uint256 internal constant MAX_VERSION = 255;

    /// @notice A new task, before it is armed.
    function make(uint256 modelFee_, uint256 model_, uint256 deadline_, uint256 seats_, uint256 tips_, uint256 version_)
        internal
        pure
        returns (Head)
    {
        return Head.wrap(
            modelFee_ | model_ << MODEL | deadline_ << DEADLINE | seats_ << SEATS | tips_ << TIPS | version_ << VERSION
        );
    }

    function isEmpty(Head h) internal pure returns (bool) {
        return Head.unwrap(h) == 0;
    }

    function modelFee(Head h) internal pure returns (uint256) {
        return Head.unwrap(h) & MAX_MODEL_FEE;
    }

    /// @notice The model's index in the registry.
    function model(Head h) internal pure returns (uint32) {
        return uint32(Head.unwrap(h) >> MODEL & MAX_MODEL);
    }

    function deadline(Head h) internal pure returns (uint256) {
        return Head.unwrap(h) >> DEADLINE & 0x3FFFFFFFF;
    }

    /// @notice The epoch in which the randomness that a draw waits for was armed.
    function armedEpoch(Head h) internal pure returns (uint256) {
        return Head.unwrap(h) >> ARMED & 0xFFFFFFF;
    }

    /// @notice Waiting for a block that nobody knows yet, with the pools as they are in this epoch.
    function armed(Head h, TaskStatus status_, uint256 randomnessBlock, uint256 epoch) internal pure returns (Head) {
        uint256 fields = (1 << ROUND) - (1 << ARMED);
        return
            Head.wrap(
                Head.unwrap(h) & ~fields | epoch << ARMED | randomnessBlock << PHASE_AT | uint256(status_) << STATUS
            );
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

    /// @notice 0: first committee, 1: first judges, 2: last judges, 3: panel of a review.
    function stage(Head h) internal pure returns (uint256) {
        return Head.unwrap(h) >> STAGE & 3;
    }

    /// @param h of stage 0
    function withStage(Head h, uint256 stage_) internal pure returns (Head) {
        return Head.wrap(Head.unwrap(h) | stage_ << STAGE);
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

    /// @notice Bit i: seat i committed, whether or not it opened since.
    function committed(Head h) internal pure returns (uint256) {
        return (Head.unwrap(h) >> FIRST | Head.unwrap(h) >> SECOND) & MARKS;
    }

    function withCommitted(Head h, uint256 seat) internal pure returns (Head) {
        return Head.wrap(Head.unwrap(h) | 1 << (FIRST + seat));
    }

    /// @notice Bit i: seat i opened, rightly or wrongly.
    function opened(Head h) internal pure returns (uint256) {
        return Head.unwrap(h) >> SECOND & MARKS;
    }

    /// @notice Bit i: seat i opened with the lead's value.
    function agreeing(Head h) internal pure returns (uint256) {
        return Head.unwrap(h) >> FIRST & Head.unwrap(h) >> SECOND & MARKS;
    }

    function withAgreeing(Head h, uint256 seat) internal pure returns (Head) {
        return Head.wrap(Head.unwrap(h) | 1 << (SECOND + seat));
    }

    /// @notice The first that opened: the others that agree are measured by it.
    function withLead(Head h, uint256 seat) internal pure returns (Head) {
        return Head.wrap(Head.unwrap(h) | 1 << (SECOND + seat) | seat << LEAD);
    }

    /// @notice Which seat leads; means something only while somebody agrees.
    function lead(Head h) internal pure returns (uint256) {
        return Head.unwrap(h) >> LEAD;
    }

    /// @notice Bit i: seat i opened wrongly, or with a value of its own.
    function apart(Head h) internal pure returns (uint256) {
        return ~Head.unwrap(h) >> FIRST & Head.unwrap(h) >> SECOND & MARKS;
    }

    function withApart(Head h, uint256 seat) internal pure returns (Head) {
        return Head.wrap(Head.unwrap(h) & ~(1 << (FIRST + seat)) | 1 << (SECOND + seat));
    }

    /// @notice Whether every member that committed has opened, rightly or wrongly.
    function allOpened(Head h) internal pure returns (bool) {
        return Head.unwrap(h) >> FIRST & ~(Head.unwrap(h) >> SECOND) & MARKS == 0;
    }

    /// @notice The next round, with nothing committed yet; its record keeps what later rounds need of this one.
    function nextRound(Head h, uint256 stage_, RoundKind kind_, uint256 seats_) internal pure returns (Head) {
        uint256 progress = (1 << TIPS) - (1 << ROUND) | ~((uint256(1) << FIRST) - 1);
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

/// @title Fields of `Purse`
library PurseWord {
    uint256 internal constant MAX_REWARD = (1 << 93) - 1;
    uint256 private constant NAMED = 1 << 253;
    uint256 private constant REARMED = 1 << 254;
    uint256 private constant LIVE = 1 << 255;

    /// @dev Callers guarantee that the reward fits.
    function make(address requester_, uint256 reward_, bool named_) internal pure returns (Purse) {
        return Purse.wrap(uint256(uint160(requester_)) | reward_ << 160 | LIVE | (named_ ? NAMED : 0));
    }

    /// @notice Whether the input lies off chain, so that members may have been unable to get it.
    function named(Purse p) internal pure returns (bool) {
        return Purse.unwrap(p) & NAMED != 0;
    }

    /// @notice Whether randomness that was known by then drew nobody.
    function rearmed(Purse p) internal pure returns (bool) {
        return Purse.unwrap(p) & REARMED != 0;
    }

    function withRearmed(Purse p) internal pure returns (Purse) {
        return Purse.wrap(Purse.unwrap(p) | REARMED);
    }

    /// @notice Whether somebody's task is described: its place is taken.
    function live(Purse p) internal pure returns (bool) {
        return Purse.unwrap(p) & LIVE != 0;
    }

    function ended(Purse p) internal pure returns (Purse) {
        return Purse.wrap(Purse.unwrap(p) & ~LIVE);
    }

    function requester(Purse p) internal pure returns (address) {
        return address(uint160(Purse.unwrap(p)));
    }

    /// @notice Wei locked for the task.
    function reward(Purse p) internal pure returns (uint256) {
        return Purse.unwrap(p) >> 160 & MAX_REWARD;
    }
}
