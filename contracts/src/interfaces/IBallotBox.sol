// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {RoundKind} from "./Types.sol";

/// @notice What a tally needs to know of a round. Arrays run over the round's seats, silent ones included.
/// @param judges whether the round belongs to judges, who are no authors of the candidates
/// @param revealed bit i set: seat i opened its commitment
/// @param agreeing those of them that revealed `leading`
/// @param leading digest (Result round) or packed votes (Vote round)
/// @param candidates Vote round: bit i set when seat i of round 0 revealed a result
/// @param weights when drawn, not clipped
/// @param others what the rest revealed; empty if there is no rest
/// @param digests Vote round: results of round 0 by seat; empty otherwise
/// @param kind what the members commit to
/// @param round number of the round, from 0
struct Ballot {
    RoundKind kind;
    bool judges;
    uint8 round;
    uint16 revealed;
    uint16 agreeing;
    bytes32 leading;
    uint16 candidates;
    uint256[] weights;
    bytes32[] others;
    bytes32[] digests;
}

/// @title Where the verifier reads the round that it tallies
interface IBallotBox {
    /// @notice The current round; empty unless its members open their commitments now.
    /// @param taskId id of the task
    function ballot(bytes32 taskId) external view returns (Ballot memory);
}
