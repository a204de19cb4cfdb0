// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

import {IMLBridge} from "../src/interfaces/IMLBridge.sol";
import {ITaskManager} from "../src/interfaces/ITaskManager.sol";
import {MLBridge} from "../src/MLBridge.sol";
import {Role, TaskStatus} from "../src/interfaces/Types.sol";
import {BaseTest} from "./utils/BaseTest.sol";

/// @dev A requester that cannot be paid, or comes back while it is.
contract Guest {
    MLBridge private bridge;
    bool public closed = true;
    bytes private back;
    address private target;
    bool public cameBack;

    constructor(MLBridge bridge_) {
        bridge = bridge_;
    }

    function submit(bytes32 modelId, bytes calldata input, uint256 deadline) external payable returns (bytes32) {
        return bridge.submitTask{value: msg.value}(modelId, input, deadline);
    }

    function cancel(bytes32 taskId) external {
        bridge.cancelTask(taskId);
    }

    function open(address target_, bytes calldata back_) external {
        (closed, target, back) = (false, target_, back_);
    }

    receive() external payable {
        require(!closed);
        (cameBack,) = target.call(back);
    }
}

/// @title The door: sizes, pause, and the one way out for wei
contract MLBridgeTest is BaseTest {
    function setUp() public override {
        super.setUp();
        addPool(4, 0);
    }

    // ---- submit ----

    function testSubmitTaskTakesTheDefaultCommittee() public {
        uint256 payment = bridge.quote(exactModel, 0);
        uint256 deadline = vm.getBlockTimestamp() + 600;
        vm.startPrank(requester);
        bytes32 taskId = bridge.submitTask{value: payment}(exactModel, INPUT, deadline);
        assertEq(tasks.getTask(taskId).seats, 3);
        expectError(ITaskManager.TaskExists.selector);
        bridge.submitTask{value: payment}(exactModel, INPUT, deadline);
        // The same spec and salt by hand give the same id.
        bytes32 expected = keccak256(
            abi.encode(
                keccak256(
                    "MLBridgeTask(uint256 chainId,address taskManager,address requester,bytes32 modelId,bytes32 inputHash,uint256 deadline,uint256 payment,uint8 seats,bytes32 salt)"
                ),
                block.chainid,
                address(tasks),
                requester,
                exactModel,
                keccak256(INPUT),
                deadline,
                payment,
                uint8(3),
                keccak256(abi.encode(vm.getBlockNumber()))
            )
        );
        assertEq(taskId, expected);
        vm.roll(vm.getBlockNumber() + 1);
        bridge.submitTask{value: payment}(exactModel, INPUT, deadline);
        vm.stopPrank();
    }

    function testSubmitTaskEmitsEverythingItsIdIsMadeOf() public {
        uint256 deadline = vm.getBlockTimestamp() + 600;
        vm.expectEmit(false, true, true, true, address(tasks));
        emit ITaskManager.TaskSubmitted(0, requester, exactModel, INPUT, 1 ether, deadline, 4, vm.getBlockNumber() + 2);
        vm.prank(requester);
        bridge.submitTaskWith{value: 1 ether}(exactModel, INPUT, deadline, 4, "salt");
    }

    function testContentIsBounded() public {
        bytes memory large = new bytes(4_097);
        vm.expectRevert(abi.encodeWithSelector(IMLBridge.InputSize.selector, 4_097, 4_096));
        vm.prank(requester);
        bridge.submitTask{value: 1 ether}(exactModel, large, vm.getBlockTimestamp() + 600);
        vm.prank(requester);
        bridge.submitTask{value: 1 ether}(exactModel, new bytes(4_096), vm.getBlockTimestamp() + 600);
        bytes32 taskId = begin(exactModel, 3);
        commitAll(taskId, RIGHT);
        address node = nodeOf[committee(taskId)[0].account];
        vm.expectRevert(abi.encodeWithSelector(IMLBridge.InputSize.selector, 4_097, 4_096));
        vm.prank(node);
        bridge.submitResult(taskId, large, abi.encode(0));
    }

    // ---- pause ----

    function testPauseStopsNewTasksAndNothingElse() public {
        bytes32 waiting = submit(exactModel, 3);
        bytes32 taskId = begin(exactModel, 3);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        vm.prank(stranger);
        bridge.pause();
        vm.prank(governor);
        bridge.pause();
        vm.expectRevert(Pausable.EnforcedPause.selector);
        vm.prank(requester);
        bridge.submitTask{value: 1 ether}(exactModel, INPUT, vm.getBlockTimestamp() + 600);
        playRound(taskId, RIGHT);
        assertStatus(taskId, TaskStatus.Finalized);
        ledger.claim(provider);
        ledger.claim(requester);
        draw(waiting);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        vm.prank(stranger);
        bridge.unpause();
        vm.prank(governor);
        bridge.unpause();
        submit(exactModel, 3);
    }

    // ---- money ----

    function testReleaseIsForTheDistributor() public {
        vm.expectRevert(IMLBridge.OnlyRewardDistributor.selector);
        vm.prank(governor);
        bridge.release(payable(governor), 0);
    }

    function testBridgeTakesNoWeiButPayments() public {
        vm.deal(stranger, 1 ether);
        vm.prank(stranger);
        (bool taken,) = address(bridge).call{value: 1 ether}("");
        assertFalse(taken);
    }

    function testClaimByAReceiverThatRefusesStopsOnlyItself() public {
        Guest guest = new Guest(bridge);
        bytes32 taskId = guest.submit{value: 1 ether}(exactModel, INPUT, vm.getBlockTimestamp() + 600);
        guest.cancel(taskId);
        expectError(IMLBridge.TransferFailed.selector);
        ledger.claim(address(guest));
        assertEq(ledger.claimable(address(guest)), 1 ether, "its credit stays");
        guest.open(address(ledger), abi.encodeCall(ledger.claim, (address(guest))));
        ledger.claim(address(guest));
        assertEq(address(guest).balance, 1 ether);
        assertFalse(guest.cameBack(), "it cannot be paid twice");
    }

    // ---- views ----

    function testTasksOfNobodyIsEmpty() public view {
        (
            bytes32 id,
            address who,
            bytes32 modelId,
            bytes memory hash,
            uint256 reward,
            uint256 deadline,
            TaskStatus state
        ) = bridge.tasks("nothing");
        assertTrue(id == 0 && who == address(0) && modelId == 0 && hash.length == 0 && reward == 0 && deadline == 0);
        assertEq(uint256(state), 0);
    }

    function testStakesSumsAllRoles() public {
        address who = operators[0].cold;
        stakeAs(who, Role.Verifier, VERIFIER_MIN);
        stakeAs(who, Role.Holder, 7e18);
        assertEq(bridge.stakes(who), 2 * COMPUTE_MIN + VERIFIER_MIN + 7e18);
    }

    function testConstructorRefusesNoAddress() public {
        vm.expectRevert(IMLBridge.ZeroAddress.selector);
        new MLBridge(address(0), address(tasks), address(ledger));
        vm.expectRevert(IMLBridge.ZeroAddress.selector);
        new MLBridge(address(manager), address(0), address(ledger));
        vm.expectRevert(IMLBridge.ZeroAddress.selector);
        new MLBridge(address(manager), address(tasks), address(0));
    }
}
