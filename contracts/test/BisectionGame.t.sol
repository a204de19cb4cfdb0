// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BisectionGame} from "../src/adapters/BisectionGame.sol";
import {IBisectionGame} from "../src/interfaces/IBisectionGame.sol";
import {TaskStatus} from "../src/interfaces/Types.sol";
import {AppealsTest} from "./utils/AppealsTest.sol";

/// @title Bisection: the first differing step is found, and no liar gains by any play
contract BisectionGameTest is AppealsTest {
    uint8 private constant DEPTH = 8;
    uint256 private constant STEPS = 256;
    uint32 private constant TIME = 1 hours;
    bytes32 private constant TASK = keccak256("training");

    BisectionGame private games;
    /// @dev trees[side][level][index]; level 0 are the state roots.
    mapping(uint256 side => mapping(uint256 level => mapping(uint256 index => bytes32))) private trees;
    uint256 private depth;

    function setUp() public override {
        super.setUp();
        games = new BisectionGame(address(manager), address(tasks), TIME);
        vm.startPrank(governor);
        allowReviewer(address(games));
        vm.stopPrank();
        addPool(5, 5);
    }

    /// @dev States agree before `first`; from there on they differ, or meet again at `again`.
    function _trails(uint8 depth_, uint256 first, uint256 again) private returns (bytes32[2] memory roots) {
        depth = depth_;
        for (uint256 side; side < 2; ++side) {
            for (uint256 i; i < 1 << depth_; ++i) {
                trees[side][0][i] = keccak256(abi.encode(i, i < first || i >= again ? 0 : side + 1));
            }
            for (uint256 level = 1; level <= depth_; ++level) {
                for (uint256 i; i < 1 << (depth_ - level); ++i) {
                    trees[side][level][i] =
                        keccak256(abi.encode(trees[side][level - 1][2 * i], trees[side][level - 1][2 * i + 1]));
                }
            }
            roots[side] = trees[side][depth_][0];
        }
    }

    function _open(bytes32[2] memory roots, uint8 depth_) private returns (uint256) {
        uint32[2] memory accounts = [operators[0].account, operators[1].account];
        vm.prank(governor);
        return games.openGame(TASK, exactModel, accounts, roots, depth_);
    }

    /// @dev What a side has to show now.
    function _children(uint256 gameId, uint256 side) private view returns (bytes32 left, bytes32 right) {
        IBisectionGame.Game memory game = games.games(gameId);
        uint256 level = game.rounds - 1;
        return (trees[side][level][2 * game.step], trees[side][level][2 * game.step + 1]);
    }

    function _show(uint256 gameId, uint8 side) private {
        (bytes32 left, bytes32 right) = _children(gameId, side);
        vm.prank(stranger);
        games.show(gameId, side, left, right);
    }

    function _bisect(uint256 gameId) private returns (uint256 rounds) {
        while (games.games(gameId).status == IBisectionGame.GameStatus.Bisecting) {
            _show(gameId, uint8(rounds & 1));
            _show(gameId, uint8(1 - (rounds & 1)));
            ++rounds;
        }
    }

    function _assertEnded(uint256 gameId, IBisectionGame.Winner winner) private view {
        assertEq(uint256(games.games(gameId).status), uint256(IBisectionGame.GameStatus.Ended));
        assertEq(uint256(games.games(gameId).winner), uint256(winner));
    }

    // ---- finding the step ----

    function test_OneOf256StepsIsFoundInEightRounds() public {
        uint256 gameId = _open(_trails(DEPTH, 137, STEPS), DEPTH);
        assertEq(_bisect(gameId), 8);
        IBisectionGame.Game memory game = games.games(gameId);
        assertEq(uint256(game.status), uint256(IBisectionGame.GameStatus.Found));
        assertEq(game.step, 137);
        assertEq(game.node[0], trees[0][0][137]);
        assertEq(game.node[1], trees[1][0][137]);
    }

    function testFuzz_TheFirstDifferingStepIsFound(uint8 depth_, uint256 first, uint256 again) public {
        depth_ = uint8(bound(depth_, 1, 6));
        uint256 steps = 1 << depth_;
        first = bound(first, 0, steps - 1);
        again = bound(again, first + 1, steps);
        uint256 gameId = _open(_trails(depth_, first, again), depth_);
        assertEq(_bisect(gameId), depth_);
        assertEq(games.games(gameId).step, first, "trajectories that meet again were wrong all the same");
    }

    // ---- liars ----

    function test_NobodyShowsWhatItsRootDoesNotHold() public {
        uint256 gameId = _open(_trails(DEPTH, 10, STEPS), DEPTH);
        (bytes32 left, bytes32 right) = _children(gameId, 0);
        expectError(IBisectionGame.WrongChildren.selector);
        games.show(gameId, 0, right, left);
        expectError(IBisectionGame.WrongChildren.selector);
        games.show(gameId, 0, left, keccak256("better"));
        // The honest trail is of no use to a liar that committed to another.
        expectError(IBisectionGame.WrongChildren.selector);
        games.show(gameId, 1, left, right);
        expectError(IBisectionGame.WrongChildren.selector);
        games.show(gameId, 0, 0, 0);
    }

    function test_SilenceLosesOnEitherSideInEveryRound() public {
        bytes32[2] memory roots = _trails(3, 5, 8);
        for (uint8 silent; silent < 2; ++silent) {
            for (uint256 round; round < 3; ++round) {
                uint256 gameId = _open(roots, 3);
                for (uint256 i; i < round; ++i) {
                    _show(gameId, 0);
                    _show(gameId, 1);
                }
                _show(gameId, 1 - silent);
                uint256 deadline = games.games(gameId).deadline;
                vm.expectRevert(abi.encodeWithSelector(IBisectionGame.RoundOpen.selector, gameId, deadline));
                games.timeout(gameId);
                skip(TIME + 1);
                (bytes32 left, bytes32 right) = _children(gameId, silent);
                vm.expectRevert(abi.encodeWithSelector(IBisectionGame.RoundClosed.selector, gameId, deadline));
                games.show(gameId, silent, left, right);
                vm.prank(stranger);
                games.timeout(gameId);
                _assertEnded(gameId, silent == 0 ? IBisectionGame.Winner.Second : IBisectionGame.Winner.First);
            }
        }
    }

    function test_BothSilentNobodyWins() public {
        uint256 gameId = _open(_trails(3, 5, 8), 3);
        skip(TIME + 1);
        games.timeout(gameId);
        _assertEnded(gameId, IBisectionGame.Winner.Nobody);
    }

    function test_ATrailWithoutATreeLosesBySilence() public {
        bytes32[2] memory roots = _trails(3, 5, 8);
        roots[1] = keccak256("no tree");
        uint256 gameId = _open(roots, 3);
        _show(gameId, 0);
        (bytes32 left, bytes32 right) = _children(gameId, 1);
        expectError(IBisectionGame.WrongChildren.selector);
        games.show(gameId, 1, left, right);
        skip(TIME + 1);
        games.timeout(gameId);
        _assertEnded(gameId, IBisectionGame.Winner.First);
    }

    function test_ARoundIsPlayedOnce() public {
        uint256 gameId = _open(_trails(3, 5, 8), 3);
        (bytes32 left, bytes32 right) = _children(gameId, 0);
        games.show(gameId, 0, left, right);
        vm.expectRevert(abi.encodeWithSelector(IBisectionGame.AlreadyShown.selector, gameId, 0));
        games.show(gameId, 0, left, right);
        vm.expectRevert(abi.encodeWithSelector(IBisectionGame.BadSide.selector, 2));
        games.show(gameId, 2, left, right);
    }

    // ---- the one step that is left ----

    function _judged(uint8 first, uint8 second) private returns (uint256 gameId) {
        gameId = _open(_trails(3, 5, 8), 3);
        _bisect(gameId);
        bytes32 reviewId = games.handOver(gameId);
        expectError(IBisectionGame.WrongGameStatus.selector);
        games.handOver(gameId);
        draw(reviewId);
        for (uint256 i; i < 7; ++i) {
            uint32 account = committee(reviewId)[i].account;
            assertTrue(account != operators[0].account && account != operators[1].account, "a party sits");
        }
        uint8[] memory votes = new uint8[](2);
        (votes[0], votes[1]) = (first, second);
        playRound(reviewId, packVotes(votes));
    }

    function test_ThePanelDecidesTheStep() public {
        _assertEnded(_judged(ACCEPT, REJECT), IBisectionGame.Winner.First);
    }

    function test_ThePanelDecidesForTheSecond() public {
        _assertEnded(_judged(REJECT, ACCEPT), IBisectionGame.Winner.Second);
    }

    function test_TwoLiarsBothLose() public {
        _assertEnded(_judged(REJECT, REJECT), IBisectionGame.Winner.Nobody);
    }

    function test_APanelThatAcceptsBothSaysNothing() public {
        _assertEnded(_judged(ACCEPT, ACCEPT), IBisectionGame.Winner.Nobody);
    }

    // ---- who, when ----

    function test_OnlyTheAuthorityOpensAndSetsTheWindow() public {
        bytes32[2] memory roots = _trails(3, 5, 8);
        uint32[2] memory accounts = [operators[0].account, operators[1].account];
        expectError(bytes4(keccak256("AccessManagedUnauthorized(address)")));
        vm.prank(stranger);
        games.openGame(TASK, exactModel, accounts, roots, 3);
        expectError(bytes4(keccak256("AccessManagedUnauthorized(address)")));
        vm.prank(stranger);
        games.setWindow(1 days);
        vm.startPrank(governor);
        games.setWindow(1 days);
        assertEq(games.window(), 1 days);
        vm.expectRevert(abi.encodeWithSelector(IBisectionGame.BadWindow.selector, 59));
        games.setWindow(59);
        vm.expectRevert(abi.encodeWithSelector(IBisectionGame.BadWindow.selector, 7 days + 1));
        games.setWindow(7 days + 1);
    }

    function test_OpeningNeedsADispute() public {
        bytes32[2] memory roots = _trails(3, 5, 8);
        uint32[2] memory accounts = [operators[0].account, operators[1].account];
        vm.startPrank(governor);
        vm.expectRevert(abi.encodeWithSelector(IBisectionGame.BadDepth.selector, 0));
        games.openGame(TASK, exactModel, accounts, roots, 0);
        vm.expectRevert(abi.encodeWithSelector(IBisectionGame.BadDepth.selector, 33));
        games.openGame(TASK, exactModel, accounts, roots, 33);
        accounts[1] = accounts[0] ^ 1;
        vm.expectRevert(abi.encodeWithSelector(IBisectionGame.BadParty.selector, accounts[1]));
        games.openGame(TASK, exactModel, accounts, roots, 3);
        accounts[1] = operators[1].account;
        roots[1] = roots[0];
        vm.expectRevert(abi.encodeWithSelector(IBisectionGame.NothingDisputed.selector, roots[0]));
        games.openGame(TASK, exactModel, accounts, roots, 3);
    }

    function test_EveryStepHasItsStatus() public {
        uint256 gameId = _open(_trails(3, 5, 8), 3);
        expectError(IBisectionGame.WrongGameStatus.selector);
        games.handOver(gameId);
        expectError(IBisectionGame.WrongGameStatus.selector);
        games.timeout(gameId + 1);
        _bisect(gameId);
        skip(TIME + 1);
        expectError(IBisectionGame.WrongGameStatus.selector);
        games.timeout(gameId);
        expectError(IBisectionGame.WrongGameStatus.selector);
        games.show(gameId, 0, "a", "b");
    }

    function test_OnlyTheTaskManagerReports() public {
        vm.expectRevert(IBisectionGame.OnlyTaskManager.selector);
        games.onVerdict(0, 0, 0, 0, 0);
        vm.expectRevert(IBisectionGame.OnlyTaskManager.selector);
        games.onNoVerdict(0);
    }

    function test_ConstructorRefusesZeroAddresses() public {
        vm.expectRevert(IBisectionGame.ZeroAddress.selector);
        new BisectionGame(address(0), address(tasks), TIME);
        vm.expectRevert(IBisectionGame.ZeroAddress.selector);
        new BisectionGame(address(manager), address(0), TIME);
    }
}
