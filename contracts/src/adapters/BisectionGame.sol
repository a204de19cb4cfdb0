// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IBisectionGame} from "../interfaces/IBisectionGame.sol";
import {IReviewer, Review} from "../interfaces/IReviewer.sol";
import {ITaskManager} from "../interfaces/ITaskManager.sol";
import {Hashing} from "../libraries/Hashing.sol";

/// @title Finding the first step at which two trajectories differ
/// @notice Holds no money and punishes nobody: whoever opened a game reads who was right.
contract BisectionGame is IBisectionGame, AccessManaged {
    uint8 private constant MAX_DEPTH = 32;
    /// @dev Fixed: a caller that chose it would choose the one that is easiest to win.
    uint8 private constant PANEL = 7;
    uint32 private constant SHORTEST = 1 minutes;
    uint32 private constant LONGEST = 7 days;

    /// @notice Has panels judge.
    ITaskManager public immutable taskManager;

    /// @inheritdoc IBisectionGame
    uint32 public window;
    /// @notice Games so far; ids count from 1.
    uint256 public gameCount;
    mapping(uint256 gameId => Game) private _games;
    mapping(bytes32 reviewId => uint256) private _gameOf;

    constructor(address authority, address taskManager_, uint32 window_) AccessManaged(authority) {
        if (authority == address(0) || taskManager_ == address(0)) revert ZeroAddress();
        taskManager = ITaskManager(taskManager_);
        _setWindow(window_);
    }

    // ---- openers ----

    /// @inheritdoc IBisectionGame
    function openGame(
        bytes32 taskId,
        bytes32 modelId,
        uint32[2] calldata accounts,
        bytes32[2] calldata trails,
        uint8 depth
    ) external restricted returns (uint256 gameId) {
        if (depth == 0 || depth > MAX_DEPTH) revert BadDepth(depth);
        if (trails[0] == trails[1]) revert NothingDisputed(trails[0]);
        if (accounts[0] >> 1 == accounts[1] >> 1) revert BadParty(accounts[1]);
        gameId = ++gameCount;
        Game storage game = _games[gameId];
        (game.taskId, game.modelId) = (taskId, modelId);
        (game.accounts, game.node) = (accounts, trails);
        (game.rounds, game.status) = (depth, GameStatus.Bisecting);
        game.deadline = uint64(block.timestamp + window);
        emit GameOpened(gameId, taskId, accounts[0], accounts[1], trails[0], trails[1], depth, game.deadline);
    }

    // ---- anyone ----

    /// @inheritdoc IBisectionGame
    function show(uint256 gameId, uint8 side, bytes32 left, bytes32 right) external {
        Game storage game = _requireStatus(gameId, GameStatus.Bisecting);
        if (side > 1) revert BadSide(side);
        if (block.timestamp > game.deadline) revert RoundClosed(gameId, game.deadline);
        if (_shown(game, side)) revert AlreadyShown(gameId, side);
        bytes32 node = keccak256(abi.encode(left, right));
        if (node != game.node[side]) revert WrongChildren(game.node[side], node);
        (game.left[side], game.right[side]) = (left, right);
        emit ChildrenShown(gameId, side, left, right);
        if (_shown(game, 1 - side)) _narrow(gameId, game);
    }

    /// @inheritdoc IBisectionGame
    function timeout(uint256 gameId) external {
        Game storage game = _requireStatus(gameId, GameStatus.Bisecting);
        if (block.timestamp <= game.deadline) revert RoundOpen(gameId, game.deadline);
        if (_shown(game, 0)) _end(gameId, game, Winner.First);
        else _end(gameId, game, _shown(game, 1) ? Winner.Second : Winner.Nobody);
    }

    /// @inheritdoc IBisectionGame
    function handOver(uint256 gameId) external returns (bytes32 reviewId) {
        Game storage game = _requireStatus(gameId, GameStatus.Found);
        game.status = GameStatus.Judging;
        Review memory review;
        (review.modelId, review.seats, review.salt) = (game.modelId, PANEL, bytes32(gameId));
        review.inputData = bytes.concat(Hashing.INLINE, abi.encode(game.taskId, game.step, game.node[0], game.node[1]));
        review.candidates = new bytes[](2);
        review.authors = new uint32[](2);
        for (uint256 side; side < 2; ++side) {
            review.candidates[side] = bytes.concat(Hashing.INLINE, game.node[side]);
            review.authors[side] = game.accounts[side];
        }
        reviewId = taskManager.openReview(review);
        _gameOf[reviewId] = gameId;
        emit StepHandedOver(gameId, reviewId);
    }

    // ---- TaskManager only ----

    /// @inheritdoc IReviewer
    /// @dev Both state roots accepted contradict each other: they differ, and a step has one outcome.
    function onVerdict(bytes32 taskId, bytes32, uint256 accepted, uint256, bytes32) external {
        Winner winner = Winner.Nobody;
        if (accepted == 1) winner = Winner.First;
        else if (accepted == 2) winner = Winner.Second;
        _conclude(taskId, winner);
    }

    /// @inheritdoc IReviewer
    function onNoVerdict(bytes32 taskId) external {
        _conclude(taskId, Winner.Nobody);
    }

    // ---- governance ----

    /// @inheritdoc IBisectionGame
    function setWindow(uint32 window_) external restricted {
        _setWindow(window_);
    }

    // ---- views ----

    /// @inheritdoc IBisectionGame
    function games(uint256 gameId) external view returns (Game memory) {
        return _games[gameId];
    }

    // ---- internal ----

    /// @dev The nodes differ, so at least one pair of children does.
    function _narrow(uint256 gameId, Game storage game) private {
        bool right = game.left[0] == game.left[1];
        for (uint256 side; side < 2; ++side) {
            game.node[side] = right ? game.right[side] : game.left[side];
            (game.left[side], game.right[side]) = (0, 0);
        }
        game.step = game.step * 2 + (right ? 1 : 0);
        uint8 rounds = --game.rounds;
        game.deadline = uint64(block.timestamp + window);
        emit Narrowed(gameId, right, rounds, game.deadline);
        if (rounds != 0) return;
        game.status = GameStatus.Found;
        emit StepFound(gameId, game.step, game.node[0], game.node[1]);
    }

    function _conclude(bytes32 reviewId, Winner winner) private {
        if (msg.sender != address(taskManager)) revert OnlyTaskManager();
        uint256 gameId = _gameOf[reviewId];
        _end(gameId, _games[gameId], winner);
    }

    function _end(uint256 gameId, Game storage game, Winner winner) private {
        (game.status, game.winner) = (GameStatus.Ended, winner);
        emit GameEnded(gameId, winner);
    }

    /// @dev Two zero children hash to something, but no tree of state roots has them.
    function _shown(Game storage game, uint256 side) private view returns (bool) {
        return game.left[side] != 0 || game.right[side] != 0;
    }

    function _requireStatus(uint256 gameId, GameStatus wanted) private view returns (Game storage game) {
        game = _games[gameId];
        if (game.status != wanted) revert WrongGameStatus(gameId, game.status);
    }

    function _setWindow(uint32 window_) private {
        if (window_ < SHORTEST || window_ > LONGEST) revert BadWindow(window_);
        window = window_;
        emit WindowChanged(window_);
    }
}
