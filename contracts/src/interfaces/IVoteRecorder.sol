// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Whoever is told of each vote that was cast
/// @notice The reward pool, for instance, which pays for taking part.
interface IVoteRecorder {
    /// @param voter who voted
    /// @param weight MLB (18 decimals) that stood behind the vote: delegated votes, or the stake where votes are
    /// quadratic. One unit for every category, so that a recorder can add them up.
    /// @param epochEnd unix seconds at which voting on that proposal ends
    function recordVote(address voter, uint256 weight, uint256 epochEnd) external;
}
