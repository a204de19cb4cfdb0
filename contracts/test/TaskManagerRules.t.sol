// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {ITaskManager} from "../src/interfaces/ITaskManager.sol";
import {TaskStatus} from "../src/interfaces/Types.sol";
import {TaskManager} from "../src/TaskManager.sol";
import {ServingModule} from "../src/tasks/ServingModule.sol";
import {TaskModule} from "../src/tasks/TaskModule.sol";
import {BaseTest} from "./utils/BaseTest.sol";

/// @title What a submission must fulfil, and what governance may set
contract TaskManagerRulesTest is BaseTest {
    function setUp() public override {
        super.setUp();
        addPool(4, 0);
    }

    // ---- create ----

    function _submit(bytes32 modelId, bytes memory input, uint256 time, uint8 seats, uint256 payment) private {
        uint256 deadline = vm.getBlockTimestamp() + time;
        vm.prank(requester);
        bridge.submitTaskWith{value: payment}(modelId, input, deadline, seats, "salt");
    }

    function testCreateChecksTheModel() public {
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.UnknownModel.selector, bytes32("nothing")));
        _submit("nothing", INPUT, 600, 3, 1 ether);
        vm.prank(provider);
        registry.setPaused(exactModel, true);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.ModelNotActive.selector, exactModel));
        _submit(exactModel, INPUT, 600, 3, 1 ether);
        vm.prank(provider);
        registry.setPaused(exactModel, false);
        _submit(exactModel, INPUT, 600, 3, 1 ether);
    }

    function testCreateChecksTheCommittee() public {
        for (uint256 i; i < 2; ++i) {
            uint8 seats = i == 0 ? 2 : 16;
            vm.expectRevert(abi.encodeWithSelector(ITaskManager.BadCommitteeSize.selector, seats, 3, 15));
            _submit(exactModel, INPUT, 600, seats, 1 ether);
        }
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.TooFewProviders.selector, exactModel, 4, 5));
        _submit(exactModel, INPUT, 600, 5, 1 ether);
        _submit(exactModel, INPUT, 600, 4, 1 ether);
    }

    function testCreateChecksTheDeadline() public {
        uint256 time = vm.getBlockTimestamp();
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.BadDeadline.selector, time + 119, time + 120, time + 3_600));
        _submit(exactModel, INPUT, 119, 3, 1 ether);
        expectError(ITaskManager.BadDeadline.selector);
        _submit(exactModel, INPUT, 3_601, 3, 1 ether);
        _submit(exactModel, INPUT, 120, 3, 1 ether);
    }

    function testCreateChecksTheInput() public {
        bytes[3] memory unreadable = [bytes(""), hex"02", bytes.concat(hex"01", bytes32(0))];
        for (uint256 i; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ITaskManager.BadParameter.selector, "inputData"));
            _submit(exactModel, unreadable[i], 600, 3, 1 ether);
        }
        _submit(exactModel, pointer_("far away"), 600, 3, 1 ether);
    }

    function testCreateTakesNoMoreThanThePoolCanServe() public {
        ITaskManager.Parameters memory p = parameters();
        p.openSeats = 2;
        vm.prank(governor);
        tasks.setParameters(p);
        uint256 limit = 2 * tasks.poolSize(exactModel, false);
        bytes32 first = submit(exactModel, 3);
        for (uint256 open = 3; open + 3 <= limit; open += 3) {
            assertEq(tasks.openSeats(exactModel), open);
            submit(exactModel, 3);
        }
        uint256 full = tasks.openSeats(exactModel);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.TooBusy.selector, exactModel, full + 3, limit));
        _submit(exactModel, INPUT, 600, 3, 1 ether);
        submit(numericModel, 3);
        // Any ending makes room.
        vm.prank(requester);
        bridge.cancelTask(first);
        assertEq(tasks.openSeats(exactModel), full - 3);
        submit(exactModel, 3);
    }

    function testEveryEndingClosesItsSeats() public {
        bytes32 finalized = begin(exactModel, 4);
        assertEq(tasks.openSeats(exactModel), 4);
        playRound(finalized, RIGHT);
        assertEq(tasks.openSeats(exactModel), 0);
        bytes32 refunded = submit(exactModel, 3);
        vm.warp(tasks.getTask(refunded).deadline);
        poke(refunded);
        assertStatus(refunded, TaskStatus.Refunded);
        assertEq(tasks.openSeats(exactModel), 0);
        // Judges have seats of their own, which count for nobody's capacity.
        (bytes32 judged,) = dissent(exactModel, 1);
        assertEq(tasks.openSeats(exactModel), 3);
        vm.warp(tasks.getTask(judged).deadline + 1 days);
        for (uint256 i; status(judged) < TaskStatus.Finalized; ++i) {
            assertLt(i, 20);
            if (status(judged) == TaskStatus.Committing) passPhase(judged);
            else passRandomness(judged);
            poke(judged);
        }
        assertEq(tasks.openSeats(exactModel), 0);
    }

    function testCreateWantsSpareOperatorsWhereTheRulesSaySo() public {
        ITaskManager.Parameters memory p = parameters();
        p.spareSeats = 15;
        vm.prank(governor);
        tasks.setParameters(p);
        uint256 both = tasks.poolSize(exactModel, false) + tasks.poolSize(exactModel, true);
        assertLt(both, 18);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.TooFewProviders.selector, exactModel, both, 18));
        _submit(exactModel, INPUT, 600, 3, 1 ether);
        p.spareSeats = uint8(both - 3);
        vm.prank(governor);
        tasks.setParameters(p);
        submit(exactModel, 3);
    }

    function testCreateChecksThePayment() public {
        uint256 required = tasks.quote(exactModel, 3);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.PaymentTooLow.selector, required - 1, required));
        _submit(exactModel, INPUT, 600, 3, required - 1);
        uint256 much = 1 << 93;
        vm.deal(requester, 2 * much);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.PaymentTooHigh.selector, much));
        _submit(exactModel, INPUT, 600, 3, much);
        _submit(exactModel, INPUT, 600, 3, much - 1);
        vm.prank(provider);
        registry.setPrice(exactModel, 1 << 74);
        expectError(ITaskManager.PaymentTooHigh.selector);
        _submit(exactModel, INPUT, 600, 3, 1 << 75);
    }

    function testCreateTwiceWithOneSaltNeverPaysTwice() public {
        _submit(exactModel, INPUT, 600, 3, 1 ether);
        uint256 before = requester.balance;
        expectError(ITaskManager.TaskExists.selector);
        _submit(exactModel, INPUT, 600, 3, 1 ether);
        assertEq(requester.balance, before);
    }

    function testQuoteFuzzCoversWhatATaskPays(uint256 price, uint256 seats, uint256 fee) public {
        price = bound(price, 0, (1 << 74) - 1);
        seats = bound(seats, 3, 4);
        ITaskManager.Parameters memory p = parameters();
        p.protocolFee = uint16(bound(fee, 0, 3_000));
        vm.prank(governor);
        tasks.setParameters(p);
        vm.prank(provider);
        registry.setPrice(exactModel, price);
        uint256 required = tasks.quote(exactModel, uint8(seats));
        vm.deal(requester, required);
        bytes32 taskId = submit(exactModel, uint8(seats), required);
        draw(taskId);
        playRound(taskId, RIGHT);
        assertStatus(taskId, TaskStatus.Finalized);
        assertGe(
            ledger.claimable(operatorOf(operators[0].account)) + ledger.claimable(operatorOf(operators[1].account)),
            p.seatFee
        );
        assertEq(ledger.claimable(provider), price);
    }

    function testQuoteForZeroSeatsIsTheDefault() public view {
        assertEq(tasks.quote(exactModel, 0), tasks.quote(exactModel, 3));
    }

    // ---- parameters ----

    function testSetParametersIsForGovernance() public {
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        vm.prank(stranger);
        tasks.setParameters(parameters());
    }

    function testSetParametersChecksEach() public {
        ITaskManager.Parameters memory p = parameters();
        p.defaultSeats = 2;
        _refused(p, "defaultSeats");
        p = parameters();
        p.defaultSeats = 16;
        _refused(p, "defaultSeats");
        p = parameters();
        p.firstJudgeSeats = 2;
        _refused(p, "firstJudgeSeats");
        p = parameters();
        p.lastJudgeSeats = 4;
        _refused(p, "lastJudgeSeats");
        p = parameters();
        p.lastJudgeSeats = 16;
        _refused(p, "lastJudgeSeats");
        p = parameters();
        p.maxRedraws = 4;
        _refused(p, "maxRedraws");
        p = parameters();
        p.commitWindow = 0;
        _refused(p, "commitWindow");
        p = parameters();
        p.revealWindow = 0;
        _refused(p, "revealWindow");
        p = parameters();
        p.revealWindow = 1 << 15;
        _refused(p, "revealWindow");
        p = parameters();
        p.minTaskTime = p.commitWindow;
        _refused(p, "minTaskTime");
        p = parameters();
        p.maxTaskTime = p.minTaskTime - 1;
        _refused(p, "maxTaskTime");
        p = parameters();
        p.maxTaskTime = 1 << 24;
        _refused(p, "maxTaskTime");
        p = parameters();
        p.protocolFee = 3_001;
        _refused(p, "protocolFee");
        p = parameters();
        p.seatFee = 1 << 72;
        _refused(p, "seatFee");
        p = parameters();
        p.tip = 1 << 64;
        _refused(p, "tip");
        p = parameters();
        p.maxTaskTime = uint32(UNBONDING);
        _refused(p, "longestTask");
        vm.prank(governor);
        tasks.setParameters(parameters());
        assertLt(tasks.longestTask(), UNBONDING);
    }

    function _refused(ITaskManager.Parameters memory p, string memory name) private {
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.BadParameter.selector, name));
        vm.prank(governor);
        tasks.setParameters(p);
    }

    function testSetParametersDoesNotTouchRunningTasks() public {
        bytes32 taskId = submit(exactModel, 3);
        uint256 payment = tasks.getTask(taskId).reward;
        ITaskManager.Parameters memory p = parameters();
        (p.tip, p.protocolFee, p.commitWindow, p.seatFee) = (1 ether, 3_000, 100, 1 ether);
        vm.prank(governor);
        tasks.setParameters(p);
        assertEq(abi.encode(tasks.parameters()), abi.encode(p));
        draw(taskId);
        assertEq(tasks.getTask(taskId).phaseDeadline, vm.getBlockTimestamp() + 60);
        playRound(taskId, RIGHT);
        assertEq(ledger.claimable(keeper), parameters().tip, "the tip of its own time");
        assertEq(ledger.protocolFees(), payment * 500 / 10_000);
    }

    function testConstructorChecksItsNeighbours() public {
        address[5] memory who =
            [address(manager), address(bridge), address(verifier), address(ledger), address(registry)];
        string[5] memory names = ["authority", "bridge", "verifier", "distributor", "registry"];
        (,,,, address module, address serving) = tasks.neighbours();
        for (uint256 i; i < 5; ++i) {
            address kept = who[i];
            who[i] = address(0);
            expectRefused(names[i]);
            make(who, module, serving, EPOCH);
            who[i] = kept;
        }
        expectRefused("epochSeconds");
        make(who, module, serving, 0);
        expectRefused("module");
        make(who, module, serving, EPOCH + 1);
        who[0] = stranger;
        expectRefused("module");
        make(who, module, serving, EPOCH);
        who[0] = address(manager);
        (address b, address v, address d, address r, address m, address s) = tasks.neighbours();
        assertTrue(b == who[1] && v == who[2] && d == who[3] && r == who[4]);
        assertTrue(m == module && m.code.length != 0 && s == serving && s.code.length != 0 && s != m);
    }

    function testConstructorRefusesAModuleOfAnotherDeployment() public {
        address[5] memory who =
            [address(manager), address(bridge), address(verifier), address(ledger), address(registry)];
        (,,,, address module, address serving) = tasks.neighbours();
        address foreign = address(new ServingModule(who[0], module, who[1], who[2], who[3], stranger, EPOCH));
        expectRefused("servingModule");
        make(who, module, foreign, EPOCH);
        skip(1);
        // The same neighbours, but epochs that begin later.
        address later = address(new TaskModule(who[0], who[1], who[2], who[3], who[4], EPOCH));
        expectRefused("servingModule");
        make(who, later, serving, EPOCH);
        address beside = address(new ServingModule(who[0], later, who[1], who[2], who[3], who[4], EPOCH));
        make(who, later, beside, EPOCH);
    }

    function make(address[5] memory who, address module, address serving, uint256 epochSeconds)
        private
        returns (TaskManager)
    {
        return new TaskManager(who[0], module, serving, who[1], who[2], who[3], who[4], epochSeconds, parameters());
    }

    function expectRefused(string memory name) private {
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.BadParameter.selector, name));
    }

    function testCurrentEpochCountsFromGenesis() public {
        uint256 epoch = tasks.currentEpoch();
        vm.warp(tasks.genesis() + epoch * EPOCH - 1);
        assertEq(tasks.currentEpoch(), epoch);
        vm.warp(tasks.genesis() + epoch * EPOCH);
        assertEq(tasks.currentEpoch(), epoch + 1);
        assertEq(tasks.epochSeconds(), EPOCH);
    }
}
