// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IReviewer} from "./IReviewer.sol";

/// @title Finding the first step at which two trajectories differ
/// @notice Each party stands by a trail: the root of a binary Merkle tree whose 2^depth leaves are the state roots after
/// each step, a node being keccak256(abi.encode(left, right)). Round by round each shows the two children of its
/// disputed node. If the left children differ the dispute goes left, otherwise right; so after `depth` rounds the first
/// differing step is found, and all before it is agreed. Only a panel runs that one step. A party can show nothing but
/// what its root binds it to, and whoever is silent in a round loses.
interface IBisectionGame is IReviewer {
    enum GameStatus {
        None,
        Bisecting,
        Found, // one step is left; a panel has to be called
        Judging, // a panel runs the step
        Ended
    }

    /// @notice Who was right.
    enum Winner {
        Nobody, // both silent, both wrong, or the panel did not agree
        First,
        Second
    }

    /// @param taskId whose results are disputed
    /// @param modelId of the model that the panel runs
    /// @param accounts of the two parties; they do not sit on the panel
    /// @param node disputed nodes now; state roots once the step is found
    /// @param left children shown in this round; 0: not yet
    /// @param right children shown in this round
    /// @param step the path to the disputed node, as a number: index of the leaf once it is found
    /// @param rounds that are left
    /// @param deadline of the round, unix seconds
    struct Game {
        bytes32 taskId;
        bytes32 modelId;
        uint32[2] accounts;
        bytes32[2] node;
        bytes32[2] left;
        bytes32[2] right;
        uint32 step;
        uint8 rounds;
        uint64 deadline;
        GameStatus status;
        Winner winner;
    }

    error ZeroAddress();
    error OnlyTaskManager();
    error BadDepth(uint8 depth);
    error BadParty(uint32 account);
    error NothingDisputed(bytes32 trail);
    error WrongGameStatus(uint256 gameId, GameStatus current);
    error BadSide(uint8 side);
    error AlreadyShown(uint256 gameId, uint8 side);
    error WrongChildren(bytes32 node, bytes32 given);
    error RoundClosed(uint256 gameId, uint256 deadline);
    error RoundOpen(uint256 gameId, uint256 deadline);
    error BadWindow(uint32 window);

    event GameOpened(
        uint256 indexed gameId,
        bytes32 indexed taskId,
        uint32 first,
        uint32 second,
        bytes32 firstTrail,
        bytes32 secondTrail,
        uint8 depth,
        uint256 deadline
    );
    event ChildrenShown(uint256 indexed gameId, uint8 side, bytes32 left, bytes32 right);
    event Narrowed(uint256 indexed gameId, bool wentRight, uint8 rounds, uint256 deadline);
    /// @param first state root after the step, says the first party
    event StepFound(uint256 indexed gameId, uint32 step, bytes32 first, bytes32 second);
    event StepHandedOver(uint256 indexed gameId, bytes32 indexed reviewId);
    event GameEnded(uint256 indexed gameId, Winner winner);
    event WindowChanged(uint32 window);

    /// @notice Begin a game. `restricted`: whoever opens vouches that the accounts committed to these trails.
    /// @param depth 1 to 32: log2 of the number of steps
    function openGame(
        bytes32 taskId,
        bytes32 modelId,
        uint32[2] calldata accounts,
        bytes32[2] calldata trails,
        uint8 depth
    ) external returns (uint256 gameId);

    /// @notice Show the children of a side's disputed node. Anyone who knows them: they cannot be invented.
    /// @param side 0: the first party, 1: the second
    function show(uint256 gameId, uint8 side, bytes32 left, bytes32 right) external;

    /// @notice End a round that ran out: whoever showed nothing loses; both, if both were silent. Anyone.
    function timeout(uint256 gameId) external;

    /// @notice Have a panel of seven run the step that was found, and vote on both state roots. Anyone.
    /// @return reviewId whose input is abi.encode(taskId, step, both state roots); see docs/design/verdict.md
    function handOver(uint256 gameId) external returns (bytes32 reviewId);

    /// @notice Seconds for a round of games to come. Governance; 1 minute to 7 days.
    function setWindow(uint32 window_) external;

    function games(uint256 gameId) external view returns (Game memory);
    function window() external view returns (uint32);
}
