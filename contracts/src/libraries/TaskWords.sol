// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {RoundKind, TaskStatus} from "../interfaces/Types.sol";

/// @dev What moves while a task lives, in one slot: a commit or reveal reads nothing else of the task. From the low
/// end: requester 160, phaseAt 36, status 4, round 3, stage 2, kind 1, seats 4, committed 4, redraws 3, tips 3,
/// revealed 15, faulty 15, replaced 1.
type Head is uint256;

/// @dev What is fixed at submission, and the epoch of the randomness that a draw waits for. From the low end:
/// reward 86, model fee 72, model index 24, deadline 34, armed epoch 28, rules version 12.
type Body is uint256;

using HeadWord for Head global;
using BodyWord for Body global;

/// @title Fields of `Head`
/// @dev Setters cut what does not fit. Callers guarantee that it does: a phase is a block number or a time plus 32
/// bits of seconds, and the counters are bounded by the committee size and the validated parameters.
library HeadWord {
    uint256 private constant PHASE_AT = 160;
    uint256 private constant STATUS = 196;
    uint256 private constant ROUND = 200;
    uint256 private constant STAGE = 203;
    uint256 private constant KIND = 205;
    uint256 private constant SEATS = 206;
    uint256 private constant COMMITTED = 210;
    uint256 private constant REDRAWS = 214;
    uint256 private constant TIPS = 217;
    uint256 private constant REVEALED = 220;
    uint256 private constant FAULTY = 235;
    uint256 private constant REPLACED = 250;

    /// @notice A new task that waits for its first draw.
    function open(address requester_, uint256 randomnessBlock, uint256 seats_, uint256 tips_)
        internal
        pure
        returns (Head)
    {
        return Head.wrap(uint256(uint160(requester_))).withStatus(TaskStatus.Submitted).withPhaseAt(randomnessBlock)
            .withSeats(seats_).withTips(tips_);
    }

    function isEmpty(Head h) internal pure returns (bool) {
        return Head.unwrap(h) == 0;
    }

    function requester(Head h) internal pure returns (address) {
        return address(uint160(Head.unwrap(h)));
    }

    /// @notice When the phase ends, or the randomness block of a draw that is due.
    function phaseAt(Head h) internal pure returns (uint256) {
        return _get(h, PHASE_AT, 36);
    }

    function withPhaseAt(Head h, uint256 value) internal pure returns (Head) {
        return _set(h, PHASE_AT, 36, value);
    }

    function status(Head h) internal pure returns (TaskStatus) {
        return TaskStatus(_get(h, STATUS, 4));
    }

    function withStatus(Head h, TaskStatus value) internal pure returns (Head) {
        return _set(h, STATUS, 4, uint256(value));
    }

    function round(Head h) internal pure returns (uint256) {
        return _get(h, ROUND, 3);
    }

    /// @notice 0: first committee, 1: first judges, 2: last judges.
    function stage(Head h) internal pure returns (uint256) {
        return _get(h, STAGE, 2);
    }

    function kind(Head h) internal pure returns (RoundKind) {
        return RoundKind(_get(h, KIND, 1));
    }

    function seats(Head h) internal pure returns (uint256) {
        return _get(h, SEATS, 4);
    }

    function withSeats(Head h, uint256 value) internal pure returns (Head) {
        return _set(h, SEATS, 4, value);
    }

    function committed(Head h) internal pure returns (uint256) {
        return _get(h, COMMITTED, 4);
    }

    function withCommitted(Head h, uint256 value) internal pure returns (Head) {
        return _set(h, COMMITTED, 4, value);
    }

    /// @notice Replacement draws of this round.
    function redraws(Head h) internal pure returns (uint256) {
        return _get(h, REDRAWS, 3);
    }

    function withRedraws(Head h, uint256 value) internal pure returns (Head) {
        return _set(h, REDRAWS, 3, value);
    }

    /// @notice Tips not yet paid.
    function tips(Head h) internal pure returns (uint256) {
        return _get(h, TIPS, 3);
    }

    function withTips(Head h, uint256 value) internal pure returns (Head) {
        return _set(h, TIPS, 3, value);
    }

    /// @notice Bit i: seat i opened its commitment.
    function revealed(Head h) internal pure returns (uint256) {
        return _get(h, REVEALED, 15);
    }

    function withRevealed(Head h, uint256 seat) internal pure returns (Head) {
        return Head.wrap(Head.unwrap(h) | 1 << (REVEALED + seat));
    }

    /// @notice Bit i: seat i opened its commitment wrongly.
    function faulty(Head h) internal pure returns (uint256) {
        return _get(h, FAULTY, 15);
    }

    function withFaulty(Head h, uint256 seat) internal pure returns (Head) {
        return Head.wrap(Head.unwrap(h) | 1 << (FAULTY + seat));
    }

    function hasOpened(Head h, uint256 seat) internal pure returns (bool) {
        return (h.revealed() | h.faulty()) >> seat & 1 == 1;
    }

    /// @notice Whether a seat was ever given to somebody else.
    function replaced(Head h) internal pure returns (bool) {
        return _get(h, REPLACED, 1) == 1;
    }

    function withReplaced(Head h) internal pure returns (Head) {
        return Head.wrap(Head.unwrap(h) | 1 << REPLACED);
    }

    /// @notice Whether every member that committed has opened, rightly or wrongly.
    function allOpened(Head h) internal pure returns (bool) {
        uint256 mask = h.revealed() | h.faulty();
        uint256 opened;
        for (; mask != 0; mask &= mask - 1) {
            ++opened;
        }
        return opened == h.committed();
    }

    /// @notice The next round, with nothing committed yet; its record keeps what later rounds need of this one.
    function nextRound(Head h, uint256 stage_, RoundKind kind_, uint256 seats_) internal pure returns (Head) {
        uint256 progress = (1 << REPLACED) - (1 << ROUND);
        uint256 kept = Head.unwrap(h) & ~progress;
        kept |= (h.round() + 1) << ROUND | stage_ << STAGE | uint256(kind_) << KIND | seats_ << SEATS;
        return Head.wrap(kept | h.tips() << TIPS);
    }

    function _get(Head h, uint256 shift, uint256 bits) private pure returns (uint256) {
        return Head.unwrap(h) >> shift & ((1 << bits) - 1);
    }

    function _set(Head h, uint256 shift, uint256 bits, uint256 value) private pure returns (Head) {
        uint256 mask = (1 << bits) - 1;
        return Head.wrap((Head.unwrap(h) & ~(mask << shift)) | (value & mask) << shift);
    }
}

/// @title Fields of `Body`
/// @dev `fits` says what the wide fields can hold; the narrow ones are bounded by time and by governance.
library BodyWord {
    uint256 private constant MODEL_FEE = 86;
    uint256 private constant MODEL = 158;
    uint256 private constant DEADLINE = 182;
    uint256 private constant ARMED = 216;
    uint256 private constant VERSION = 244;

    uint256 internal constant MAX_REWARD = (1 << 86) - 1;
    uint256 internal constant MAX_MODEL_FEE = (1 << 72) - 1;
    uint256 internal constant MAX_MODEL = (1 << 24) - 1;
    uint256 internal constant MAX_EPOCH = (1 << 28) - 1;
    uint256 internal constant MAX_VERSION = (1 << 12) - 1;

    function make(
        uint256 reward_,
        uint256 modelFee_,
        uint256 model_,
        uint256 deadline_,
        uint256 epoch,
        uint256 version_
    ) internal pure returns (Body) {
        return Body.wrap(
            reward_ | modelFee_ << MODEL_FEE | model_ << MODEL | deadline_ << DEADLINE | epoch << ARMED
                | version_ << VERSION
        );
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

    /// @notice Which rules the task was submitted under.
    function version(Body b) internal pure returns (uint256) {
        return Body.unwrap(b) >> VERSION;
    }
}
