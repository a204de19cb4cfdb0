// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IRewardPool, Stream} from "../interfaces/IRewardPool.sol";
import {IVoteRecorder} from "../interfaces/IVoteRecorder.sol";
import {Role} from "../interfaces/Types.sol";
import {RewardMath} from "../libraries/RewardMath.sol";
import {FeeRebate} from "./FeeRebate.sol";

/// @title What model providers earn by voting: a share of the period's budget, by stake
/// @notice Fifth layer of the RewardPool. A voter counts once a period, however many proposals end in it, with the stake
/// that it has bonded when it first votes. Proposing more earns nothing, and stake cannot count twice: a vote counts only
/// if its period ends before stake taken out now could be withdrawn and bonded by another.
abstract contract VoteStream is FeeRebate {
    uint256 internal constant VOTE_PERIOD = 7 days;

    /// @inheritdoc IRewardPool
    address public voteRecorder;
    mapping(uint256 period => VotePeriod) private _periods;
    mapping(uint256 period => mapping(address voter => uint256)) private _voted;

    // ---- governance ----

    /// @inheritdoc IRewardPool
    function setVoteRecorder(address voteRecorder_) external restricted {
        voteRecorder = voteRecorder_;
        emit VoteRecorderChanged(voteRecorder_);
    }

    // ---- the governor ----

    /// @inheritdoc IVoteRecorder
    function recordVote(address voter, uint256 weight, uint256 epochEnd) external {
        if (msg.sender != voteRecorder) revert OnlyVoteRecorder(msg.sender);
        uint256 latest = block.timestamp + distributor.unbondingDelay();
        if (weight == 0 || epochEnd < block.timestamp || epochEnd > latest) return;
        uint256 period = epochEnd / VOTE_PERIOD;
        if ((period + 1) * VOTE_PERIOD > latest || _voted[period][voter] != 0) return;
        uint256 share = distributor.stakeOf(voter, Role.ModelProvider);
        // Below the minimum there is no stake in that role at all.
        if (share == 0) return;

        VotePeriod memory found = _periods[period];
        if (found.shares == 0) (found.budget, found.rate) = (_rates.voteBudget, _rates.voteRate);
        found.shares += uint96(share);
        _periods[period] = found;
        _voted[period][voter] = share;
        emit VoteRecorded(voter, period, share);
    }

    // ---- anyone ----

    /// @inheritdoc IRewardPool
    function collectVotes(address voter, uint256 period) external returns (uint256 amount) {
        uint256 share = _voted[period][voter];
        if (share == 0) revert NothingToCollect(voter);
        uint256 end = (period + 1) * VOTE_PERIOD;
        if (block.timestamp < end) revert VotePeriodOpen(end);
        _voted[period][voter] = 0;
        VotePeriod memory found = _periods[period];
        return _credit(voter, Stream.Vote, RewardMath.vote(share, found.shares, found.budget, found.rate, VOTE_PERIOD));
    }

    // ---- views ----

    /// @inheritdoc IRewardPool
    function votePeriods(uint256 period) external view returns (VotePeriod memory) {
        return _periods[period];
    }

    /// @inheritdoc IRewardPool
    function voteShare(uint256 period, address voter) external view returns (uint256) {
        return _voted[period][voter];
    }
}
