// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Whoever is told of each vote that was cast
/// @notice The reward pool, for instance, which pays for taking part.
interface IVoteRecorder {
    /// @notice A vote was cast; called by the governor. What cannot be rewarded is passed over without a revert, so a
    /// vote is never held up.
    /// @param voter who voted
    /// @param weight MLB (18 decimals) that stood behind the vote: delegated votes, or the stake where votes are
    /// quadratic. One unit for every category, so that a recorder can add them up; 0 counts as no vote
    /// @param epochEnd unix seconds at which voting on that proposal ends
    function recordVote(address voter, uint256 weight, uint256 epochEnd) external;
}
