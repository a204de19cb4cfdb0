// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ITaskManager} from "../src/interfaces/ITaskManager.sol";
import {Role, Seat, TaskStatus} from "../src/interfaces/Types.sol";
import {Hashing} from "../src/libraries/Hashing.sol";
import {BaseTest} from "./utils/BaseTest.sol";

/// @title Randomness, and pools that are frozen for whoever knows it
contract TaskManagerDrawTest is BaseTest {
    address private constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;

    function setUp() public override {
        super.setUp();
        addPool(6, 0);
    }

    // ---- randomness ----

    function testAssignBeforeTheRandomnessBlockIsRefused() public {
        bytes32 taskId = submit(exactModel, 3);
        uint256 number = tasks.getTask(taskId).randomnessBlock;
        assertEq(number, vm.getBlockNumber() + 2);
        vm.roll(number);
        assertFalse(tasks.pokeable(taskId));
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.RandomnessPending.selector, taskId, number + 1));
        tasks.assign(taskId);
        vm.roll(number + 1);
        assertTrue(tasks.pokeable(taskId));
        tasks.assign(taskId);
    }

    function testAssignWithExpiredRandomnessArmsAgainWithoutATip() public {
        bytes32 taskId = submit(exactModel, 3);
        vm.roll(tasks.getTask(taskId).randomnessBlock + 9_000);
        vm.expectEmit(address(tasks));
        emit ITaskManager.RandomnessArmed(taskId, 0, vm.getBlockNumber() + 2);
        vm.prank(keeper);
        tasks.assign(taskId);
        assertStatus(taskId, TaskStatus.Submitted);
        assertEq(tasks.getTask(taskId).randomnessBlock, vm.getBlockNumber() + 2);
        assertEq(ledger.claimable(keeper), 0);
        draw(taskId);
        assertStatus(taskId, TaskStatus.Committing);
    }

    function testAssignReadsOldRandomnessFromTheHistoryContract() public {
        bytes32 taskId = submit(exactModel, 3);
        uint256 number = tasks.getTask(taskId).randomnessBlock;
        vm.roll(number + 5_000);
        vm.mockCall(HISTORY, abi.encode(number), abi.encode(keccak256("a block")));
        tasks.assign(taskId);
        assertStatus(taskId, TaskStatus.Committing);
    }

    function testAssignDrawsByTheRandomness() public {
        bytes32 taskId = submit(exactModel, 3);
        passRandomness(taskId);
        uint256 number = tasks.getTask(taskId).randomnessBlock;
        uint256 different;
        uint32 last;
        for (uint256 i; i < 12; ++i) {
            uint256 state = vm.snapshotState();
            vm.setBlockhash(number, keccak256(abi.encode(i)));
            tasks.assign(taskId);
            uint32 first = committee(taskId)[0].account;
            if (first != last) ++different;
            last = first;
            vm.revertToState(state);
        }
        assertGt(different, 3, "another block, another committee");
    }

    // ---- who can be drawn ----

    function testDrawNeverSeatsAnOperatorTwice() public {
        for (uint256 i; i < 20; ++i) {
            bytes32 taskId = begin(exactModel, 5);
            Seat[] memory seats = committee(taskId);
            for (uint256 a; a < 5; ++a) {
                for (uint256 b; b < a; ++b) {
                    assertNotEq(seats[a].account, seats[b].account);
                }
            }
        }
    }

    function testDrawIgnoresWhoJoinedAfterArming() public {
        bytes32 taskId = submit(exactModel, 3);
        Operator memory whale = addOperator(Role.Compute, 5_000 * COMPUTE_MIN);
        serve(whale, exactModel);
        assertEq(tasks.poolSize(exactModel, false), 6, "not before the next epoch");
        draw(taskId);
        assertFalse(_sits(taskId, whale.account));
        nextEpoch();
        assertEq(tasks.poolSize(exactModel, false), 7);
        assertTrue(_sits(begin(exactModel, 3), whale.account), "5,000 against 6");
    }

    function testDrawIgnoresJoiningInTheEpochOfArming() public {
        Operator memory whale = addOperator(Role.Compute, 5_000 * COMPUTE_MIN);
        serve(whale, exactModel);
        // Armed after joining, in the same epoch.
        bytes32 taskId = submit(exactModel, 3);
        draw(taskId);
        assertFalse(_sits(taskId, whale.account));
    }

    function testDrawStillReachesWhoLeftAfterArming() public {
        bytes32 taskId = submit(exactModel, 5);
        for (uint256 i; i < 6; ++i) {
            vm.prank(operators[i].cold);
            tasks.stopServing(exactModel, operators[i].account);
        }
        draw(taskId);
        assertStatus(taskId, TaskStatus.Committing);
        nextEpoch();
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.TooFewProviders.selector, exactModel, 0, 3));
        vm.prank(requester);
        bridge.submitTaskWith{value: 1 ether}(exactModel, INPUT, vm.getBlockTimestamp() + 600, 3, 0);
    }

    function testDrawIsNotSpoiledByAChangeInTheNextEpoch() public {
        // At the end of an epoch in which the pool changed already; then somebody sees what the draw will say.
        serve(addOperator(Role.Compute, COMPUTE_MIN), exactModel);
        bytes32 taskId = submit(exactModel, 3);
        vm.roll(tasks.getTask(taskId).randomnessBlock + 1);
        vm.warp(vm.getBlockTimestamp() + EPOCH);
        uint256 before = vm.snapshotState();
        vm.prank(keeper);
        tasks.assign(taskId);
        bytes memory foreseen = abi.encode(committee(taskId));
        vm.revertToState(before);
        for (uint256 i; i < 3; ++i) {
            vm.prank(operators[i].cold);
            tasks.stopServing(exactModel, operators[i].account);
        }
        vm.prank(keeper);
        tasks.assign(taskId);
        assertEq(abi.encode(committee(taskId)), foreseen);
    }

    function testCancelIsOverOnceADrawWasForeseeable() public {
        bytes32 taskId = submit(exactModel, 3);
        vm.roll(tasks.getTask(taskId).randomnessBlock + 9_000);
        vm.prank(keeper);
        tasks.assign(taskId);
        assertStatus(taskId, TaskStatus.Submitted);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.TooLateToCancel.selector, taskId));
        vm.prank(requester);
        bridge.cancelTask(taskId);
        draw(taskId);
        playRound(taskId, RIGHT);
        assertStatus(taskId, TaskStatus.Finalized);
    }

    function testDrawArmsAgainWhenThePoolChangedInThreeEpochs() public {
        bytes32 taskId = submit(exactModel, 3, 1 ether, INPUT, 3_000);
        serve(addOperator(Role.Compute, COMPUTE_MIN), exactModel);
        for (uint256 i; i < 2; ++i) {
            vm.warp(vm.getBlockTimestamp() + EPOCH);
            serve(addOperator(Role.Compute, COMPUTE_MIN), exactModel);
        }
        vm.roll(tasks.getTask(taskId).randomnessBlock + 1);
        vm.prank(keeper);
        tasks.assign(taskId);
        assertStatus(taskId, TaskStatus.Submitted);
        assertEq(ledger.claimable(keeper), 0);
        draw(taskId);
        assertStatus(taskId, TaskStatus.Committing);
    }

    function testDrawSkipsWhoLostItsWeight() public {
        for (uint256 i; i < 3; ++i) {
            vm.prank(operators[i].cold);
            ledger.requestUnbond(Role.Compute, 2 * COMPUTE_MIN);
        }
        bytes32 taskId = begin(exactModel, 3);
        for (uint256 i; i < 3; ++i) {
            assertFalse(_sits(taskId, operators[i].account));
        }
        // And with one seat more there are too few, which the pool does not know.
        assertEq(tasks.poolSize(exactModel, false), 6);
        taskId = submit(exactModel, 4);
        draw(taskId);
        assertStatus(taskId, TaskStatus.Refunded);
    }

    function testDrawWeighsASeatByWhatItsAccountHasNow() public {
        for (uint256 i; i < 5; ++i) {
            vm.prank(operators[i].cold);
            ledger.requestUnbond(Role.Compute, COMPUTE_MIN);
        }
        stakeAs(operators[5].cold, Role.Compute, COMPUTE_MIN);
        bytes32 taskId = begin(exactModel, 6);
        Seat[] memory seats = committee(taskId);
        uint256 leaf = 2 * COMPUTE_MIN / 1e18 * 2_500;
        for (uint256 i; i < 6; ++i) {
            bool sixth = seats[i].account == operators[5].account;
            assertEq(seats[i].weight, sixth ? leaf : leaf / 2, "the smaller of leaf and now");
        }
        tasks.refreshWeight(exactModel, operators[5].account);
        nextEpoch();
        assertEq(tasks.poolWeight(exactModel, false), leaf * 5 + leaf * 3 / 2);
    }

    function testDrawAmongManyWithoutWeightArmsAgainUntilThePoolIsClean() public {
        Operator[] memory ghosts = new Operator[](80);
        for (uint256 i; i < ghosts.length; ++i) {
            ghosts[i] = addOperator(Role.Compute, 20 * COMPUTE_MIN);
            serve(ghosts[i], exactModel);
        }
        nextEpoch();
        for (uint256 i; i < ghosts.length; ++i) {
            vm.prank(ghosts[i].cold);
            ledger.requestUnbond(Role.Compute, 20 * COMPUTE_MIN);
        }
        bytes32 taskId = submit(exactModel, 3);
        draw(taskId);
        assertStatus(taskId, TaskStatus.Submitted);
        for (uint256 i; i < ghosts.length; ++i) {
            tasks.refreshWeight(exactModel, ghosts[i].account);
        }
        nextEpoch();
        taskId = begin(exactModel, 3);
        assertStatus(taskId, TaskStatus.Committing);
    }

    // ---- desks ----

    /// @dev Five tasks that want the same desk in every table: one each gets, the rest keep to storage of their own.
    function testAssignWithoutAFreeDeskUsesStorageOfItsOwn() public {
        bytes32[5] memory ids;
        uint256 payment = tasks.quote(exactModel, 3);
        uint256 deadline = vm.getBlockTimestamp() + 600;
        uint256 salt;
        for (uint256 i; i < 5; ++salt) {
            bytes32 id = _idOf(deadline, payment, bytes32(salt));
            if (i != 0 && uint256(id ^ ids[0]) & 1_023 != 0) continue;
            vm.prank(requester);
            ids[i] = bridge.submitTaskWith{value: payment}(exactModel, INPUT, deadline, 3, bytes32(salt));
            assertEq(ids[i], id);
            ++i;
        }
        for (uint256 i; i < 5; ++i) {
            draw(ids[i]);
        }
        for (uint256 i; i < 5; ++i) {
            commitAll(ids[i], abi.encode(i));
        }
        for (uint256 i; i < 5; ++i) {
            Seat[] memory seats = committee(ids[i]);
            for (uint256 j; j < 3; ++j) {
                uint32 account = seats[j].account;
                assertEq(seats[j].value, commitmentOf(ids[i], 0, account, abi.encode(i), saltOf(account)));
            }
            revealAll(ids[i], abi.encode(i));
            assertStatus(ids[i], TaskStatus.Finalized);
        }
    }

    function _idOf(uint256 deadline, uint256 payment, bytes32 salt) private view returns (bytes32) {
        return keccak256(
            abi.encode(
                Hashing.TASK_TYPEHASH,
                block.chainid,
                address(tasks),
                requester,
                exactModel,
                keccak256(INPUT),
                deadline,
                payment,
                uint8(3),
                salt
            )
        );
    }

    // ---- serving ----

    function testServeModelChecksWhoAndWhat() public {
        Operator memory operator = operators[0];
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.NotOperator.selector, stranger));
        vm.prank(stranger);
        tasks.serveModel(exactModel, operator.account, CLASS);
        vm.startPrank(operator.cold);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.AlreadyServing.selector, exactModel, operator.account));
        tasks.serveModel(exactModel, operator.account, CLASS);
        tasks.stopServing(exactModel, operator.account);
        assertFalse(tasks.isServing(exactModel, operator.account));
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.NotServing.selector, exactModel, operator.account));
        tasks.stopServing(exactModel, operator.account);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.ClassMismatch.selector, CLASS, bytes32("gpu")));
        tasks.serveModel(exactModel, operator.account, "gpu");
        ledger.requestUnbond(Role.Compute, 2 * COMPUTE_MIN);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.BadParameter.selector, "weight"));
        tasks.serveModel(exactModel, operator.account, CLASS);
        vm.stopPrank();
        expectError(ITaskManager.NotServing.selector);
        tasks.refreshWeight(exactModel, operator.account);
        vm.prank(provider);
        registry.setPaused(numericModel, true);
        Operator memory other = addOperator(Role.Compute, COMPUTE_MIN);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.ModelNotActive.selector, numericModel));
        vm.prank(other.cold);
        tasks.serveModel(numericModel, other.account, CLASS);
    }

    function testServeModelAgainKeepsTheLeaf() public {
        for (uint256 i; i < 5; ++i) {
            vm.prank(operators[0].cold);
            tasks.stopServing(exactModel, operators[0].account);
            serve(operators[0], exactModel);
        }
        nextEpoch();
        assertEq(tasks.poolSize(exactModel, false), 6);
        assertTrue(tasks.isServing(exactModel, operators[0].account));
        begin(exactModel, 6);
    }

    function testNodeKeyServesOneOperatorForEver() public {
        (address node, uint256 key) = makeAddrAndKey("hot");
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.NotOperator.selector, stranger));
        vm.prank(stranger);
        tasks.setNodeKey(node, true, "");
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.BadParameter.selector, "node"));
        vm.prank(operators[0].cold);
        tasks.setNodeKey(address(0), true, "");
        allowNode(operators[0].cold, key);
        vm.startPrank(operators[0].cold);
        assertEq(tasks.operatorOfNode(node), operators[0].account >> 1);
        tasks.setNodeKey(node, false, "");
        vm.stopPrank();
        assertEq(tasks.operatorOfNode(node), 0, "may not act");
        (uint32 bound, bool allowed) = tasks.nodeBinding(node);
        assertEq(bound, operators[0].account >> 1, "but stays bound");
        assertFalse(allowed);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.NodeKeyTaken.selector, node));
        vm.prank(operators[1].cold);
        tasks.setNodeKey(node, true, "");
        vm.prank(operators[0].cold);
        tasks.setNodeKey(node, true, "");
        assertEq(tasks.operatorOfNode(node), operators[0].account >> 1, "its own key needs no second consent");
        Operator memory verifierOnly = addOperator(Role.Verifier, VERIFIER_MIN);
        assertEq(tasks.operatorOfNode(verifierOnly.node), verifierOnly.account >> 1);
    }

    function testNobodyBindsAKeyThatDidNotAgree() public {
        // Somebody who staked once, and left, sees a newcomer's call in the mempool.
        (address node, uint256 key) = makeAddrAndKey("newcomer's key");
        address thief = operators[0].cold;
        bytes memory meant = consentOf(key, operators[1].cold);
        bytes[3] memory offers = [bytes(""), meant, consentOf(0xBAD, thief)];
        for (uint256 i; i < 6; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ITaskManager.NoConsent.selector, node, thief));
            vm.prank(thief);
            tasks.setNodeKey(node, i < 3, offers[i % 3]);
        }
        vm.prank(operators[1].cold);
        tasks.setNodeKey(node, true, meant);
        assertEq(tasks.operatorOfNode(node), operators[1].account >> 1);
    }

    function _sits(bytes32 taskId, uint32 account) private view returns (bool) {
        Seat[] memory seats = committee(taskId);
        for (uint256 i; i < seats.length; ++i) {
            if (seats[i].account == account) return true;
        }
        return false;
    }
}
