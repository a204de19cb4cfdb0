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
    /// @notice Where a game stands.
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
    /// @param status where it stands
    /// @param winner who won
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

    /// @notice An address argument is the zero address.
    error ZeroAddress();
    /// @notice Only the TaskManager contract may call this.
    error OnlyTaskManager();
    /// @notice A trail cannot have 2 to the power of `depth` steps.
    /// @param depth levels of the tree
    error BadDepth(uint8 depth);
    /// @notice The account `account` cannot be the second party.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error BadParty(uint32 account);
    /// @notice Both parties stand by the trail `trail`.
    /// @param trail root of the states
    error NothingDisputed(bytes32 trail);
    /// @notice The game `gameId` cannot take this step now (state `current`).
    /// @param current what holds now
    /// @param gameId id of the game
    error WrongGameStatus(uint256 gameId, GameStatus current);
    /// @notice There is no side `side`.
    /// @param side which of the two players
    error BadSide(uint8 side);
    /// @notice Side `side` of the game `gameId` has shown its children in this round.
    /// @param gameId id of the game
    /// @param side which of the two players
    error AlreadyShown(uint256 gameId, uint8 side);
    /// @notice The children hash to `given`, but the disputed node is `node`.
    /// @param node hot key that acts for an operator
    /// @param given what was given
    error WrongChildren(bytes32 node, bytes32 given);
    /// @notice The round of the game `gameId` closed at `deadline`.
    /// @param deadline unix seconds by which it must be done
    /// @param gameId id of the game
    error RoundClosed(uint256 gameId, uint256 deadline);
    /// @notice The round of the game `gameId` runs until `deadline`.
    /// @param deadline unix seconds by which it must be done
    /// @param gameId id of the game
    error RoundOpen(uint256 gameId, uint256 deadline);
    /// @notice A window of `window` s is not allowed.
    /// @param window bit i: sequence floor + i was settled by itself
    error BadWindow(uint32 window);

    /// @param taskId id of the task
    /// @param first one of the two statements
    /// @param second the other of the two statements
    /// @param deadline unix seconds by which it must be done
    /// @param gameId id of the game
    /// @param firstTrail root of the first player's trail
    /// @param secondTrail root of the second player's trail
    /// @param depth levels of the tree
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
    /// @param left what is left
    /// @param gameId id of the game
    /// @param side which of the two players
    /// @param right the right child
    event ChildrenShown(uint256 indexed gameId, uint8 side, bytes32 left, bytes32 right);
    /// @param deadline unix seconds by which it must be done
    /// @param gameId id of the game
    /// @param wentRight whether the right half is in dispute
    /// @param rounds rounds played
    event Narrowed(uint256 indexed gameId, bool wentRight, uint8 rounds, uint256 deadline);
    /// @param first state root after the step, says the first party
    /// @param second the other of the two statements
    /// @param gameId id of the game
    /// @param step number of the step in dispute
    event StepFound(uint256 indexed gameId, uint32 step, bytes32 first, bytes32 second);
    /// @notice The one step in dispute went to judges.
    /// @param gameId id of the game
    /// @param reviewId id of the review by judges
    event StepHandedOver(uint256 indexed gameId, bytes32 indexed reviewId);
    /// @notice A game has a winner.
    /// @param gameId id of the game
    /// @param winner who won
    event GameEnded(uint256 indexed gameId, Winner winner);
    /// @param window bit i: sequence floor + i was settled by itself
    event WindowChanged(uint32 window);

    /// @notice Begin a game. `restricted`: whoever opens vouches that the accounts committed to these trails.
    /// @param depth 1 to 32: log2 of the number of steps
    /// @param taskId id of the task
    /// @param modelId id of the model
    /// @param accounts account ids, in the order of the draw
    /// @param trails roots of both players' states
    /// @return gameId id of the game
    function openGame(
        bytes32 taskId,
        bytes32 modelId,
        uint32[2] calldata accounts,
        bytes32[2] calldata trails,
        uint8 depth
    ) external returns (uint256 gameId);

    /// @notice Show the children of a side's disputed node. Anyone who knows them: they cannot be invented.
    /// @param side 0: the first party, 1: the second
    /// @param left what is left
    /// @param gameId id of the game
    /// @param right the right child
    function show(uint256 gameId, uint8 side, bytes32 left, bytes32 right) external;

    /// @notice End a round that ran out: whoever showed nothing loses; both, if both were silent. Anyone.
    /// @param gameId id of the game
    function timeout(uint256 gameId) external;

    /// @notice Have a panel of seven run the step that was found, and vote on both state roots. Anyone.
    /// @return reviewId whose input is abi.encode(taskId, step, both state roots); see docs/design/verdict.md
    /// @param gameId id of the game
    function handOver(uint256 gameId) external returns (bytes32 reviewId);

    /// @notice Seconds for a round of games to come. Governance; 1 minute to 7 days.
    /// @param window_ bit i: sequence floor + i was settled by itself
    function setWindow(uint32 window_) external;

    /// @notice A game.
    /// @param gameId id of the game
    function games(uint256 gameId) external view returns (Game memory);
    /// @notice Seconds for a move.
    function window() external view returns (uint32);
}
