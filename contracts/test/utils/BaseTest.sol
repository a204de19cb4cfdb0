// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

import {ConsensusVerifier} from "../../src/ConsensusVerifier.sol";
import {MLBridge} from "../../src/MLBridge.sol";
import {MLBridgeToken} from "../../src/MLBridgeToken.sol";
import {ModelRegistry} from "../../src/ModelRegistry.sol";
import {RewardDistributor} from "../../src/RewardDistributor.sol";
import {RewardPool} from "../../src/RewardPool.sol";
import {TaskManager} from "../../src/TaskManager.sol";
import {TeamVesting} from "../../src/TeamVesting.sol";
import {IMLBridgeToken} from "../../src/interfaces/IMLBridgeToken.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IRewardPool} from "../../src/interfaces/IRewardPool.sol";
import {ITaskManager} from "../../src/interfaces/ITaskManager.sol";
import {Policy, Role, RoundKind, Seat, TaskStatus} from "../../src/interfaces/Types.sol";
import {Test} from "./Test.sol";

/// @title The whole system, its operators, and the steps of a task
/// @dev Hashes are written out here a second time from docs/design/direct-lane.md, so that a mistake in the library
/// cannot agree with itself. Contracts are created from artifacts by name: a test then need not carry their code.
abstract contract BaseTest is Test {
    struct Operator {
        address cold;
        address node;
        uint32 account;
    }

    uint256 internal constant COMPUTE_MIN = 50_000e18;
    uint256 internal constant VERIFIER_MIN = 25_000e18;
    uint256 internal constant EPOCH = 300;
    uint256 internal constant UNBONDING = 14 days;
    uint256 internal constant JAIL = 1 days;
    uint256 internal constant JUDGE_FEE = 100e18;
    uint96 internal constant MODEL_PRICE = 0.01 ether;
    bytes32 internal constant CLASS = keccak256("cpu-x86-64/f32");
    bytes internal constant INPUT = hex"00010203";
    bytes internal constant RIGHT = "42";
    bytes internal constant WRONG = "43";

    uint8 internal constant GREY = 0;
    uint8 internal constant ACCEPT = 1;
    uint8 internal constant REJECT = 2;

    AccessManager internal manager;
    MLBridgeToken internal token;
    ModelRegistry internal registry;
    RewardDistributor internal ledger;
    TaskManager internal tasks;
    ConsensusVerifier internal verifier;
    MLBridge internal bridge;
    TeamVesting internal vesting;
    RewardPool internal rewardPool;

    address internal governor = makeAddr("governor");
    address internal treasury = makeAddr("treasury");
    address internal team = makeAddr("team");
    address internal provider = makeAddr("model provider");
    address internal requester = makeAddr("requester");
    address internal keeper = makeAddr("keeper");
    address internal stranger = makeAddr("stranger");

    bytes32 internal exactModel;
    bytes32 internal numericModel;
    Operator[] internal operators;
    mapping(uint32 account => address) internal nodeOf;
    uint256 private saltCounter;

    function setUp() public virtual {
        deploySystem();
        exactModel = registerModel(Policy.Exact, "exact");
        numericModel = registerModel(Policy.Numeric, "numeric");
        fundReserve(exactModel, 50_000e18);
        fundReserve(numericModel, 50_000e18);
        vm.deal(requester, 1_000_000 ether);
    }

    // ---- deployment ----

    /// @dev What a test wants to change about the rules.
    function parameters() internal view virtual returns (ITaskManager.Parameters memory) {
        return ITaskManager.Parameters({
            defaultSeats: 3,
            firstJudgeSeats: 5,
            lastJudgeSeats: 9,
            maxRedraws: 3,
            spareSeats: 0,
            openSeats: 1_000,
            commitWindow: 60,
            revealWindow: 60,
            minTaskTime: 120,
            maxTaskTime: 3_600,
            seatFee: 0.001 ether,
            tip: 0.0001 ether,
            protocolFee: 500
        });
    }

    /// @dev What a test wants to change about the rewards.
    function rewardRates() internal view virtual returns (IRewardPool.Rates memory) {
        return IRewardPool.Rates({
            stakingRate: 200,
            uptimeRate: 300,
            voteRate: 100,
            rebateFee: 500,
            mlbPerCoin: 1_000e18,
            rebateBudget: 20_000e18,
            voteBudget: 20_000e18
        });
    }

    /// @dev What a test wants to change about prices.
    function pricing() internal view virtual returns (IModelRegistry.Pricing memory) {
        return IModelRegistry.Pricing({seatsPerProvider: 10, ceiling: 16_000_000});
    }

    function jailSeconds() internal view virtual returns (uint256) {
        return JAIL;
    }

    /// @dev Creation code of a contract; the gas tests take what is deployed for real.
    function creationCode(string memory name) internal view virtual returns (bytes memory) {
        return vm.getCode(string.concat(name, ".sol:", name));
    }

    /// @dev In the order of a real deployment. Every address is known beforehand, so all of them are immutable.
    function deploySystem() internal {
        uint256 nonce = vm.getNonce(address(this));
        manager = AccessManager(_next(nonce++));
        token = MLBridgeToken(_next(nonce++));
        registry = ModelRegistry(_next(nonce++));
        ledger = RewardDistributor(_next(nonce++));
        address module = _next(nonce++);
        address serving = _next(nonce++);
        tasks = TaskManager(_next(nonce++));
        verifier = ConsensusVerifier(_next(nonce++));
        bridge = MLBridge(_next(nonce++));
        vesting = TeamVesting(payable(_next(nonce++)));
        rewardPool = RewardPool(_next(nonce));

        _create("AccessManager", abi.encode(governor), address(manager));
        _create(
            "MLBridgeToken",
            abi.encode(
                IMLBridgeToken.Allocation(address(rewardPool), address(vesting), treasury, treasury, treasury), ledger
            ),
            address(token)
        );
        _create("ModelRegistry", abi.encode(manager, tasks, ledger, EPOCH, pricing()), address(registry));
        _create(
            "RewardDistributor",
            abi.encode(manager, token, bridge, tasks, verifier, UNBONDING, jailSeconds(), JUDGE_FEE),
            address(ledger)
        );
        _create("TaskModule", abi.encode(manager, bridge, verifier, ledger, registry, EPOCH), module);
        _create("ServingModule", abi.encode(manager, module, bridge, verifier, ledger, registry, EPOCH), serving);
        _create(
            "TaskManager",
            abi.encode(manager, module, serving, bridge, verifier, ledger, registry, EPOCH, parameters()),
            address(tasks)
        );
        _create("ConsensusVerifier", abi.encode(tasks, ledger), address(verifier));
        _create("MLBridge", abi.encode(manager, tasks, ledger), address(bridge));
        _create("TeamVesting", abi.encode(team), address(vesting));
        _create("RewardPool", abi.encode(manager, token, ledger, tasks, registry, rewardRates()), address(rewardPool));
    }

    /// @dev Where the contract made with this nonce will stand.
    function _next(uint256 nonce) private view returns (address) {
        return vm.computeCreateAddress(address(this), nonce);
    }

    function _create(string memory name, bytes memory arguments, address expected) private {
        bytes memory code = bytes.concat(creationCode(name), arguments);
        address created;
        assembly ("memory-safe") {
            created := create(0, add(code, 32), mload(code))
            if iszero(created) {
                returndatacopy(mload(0x40), 0, returndatasize())
                revert(mload(0x40), returndatasize())
            }
        }
        assertEq(created, expected, name);
    }

    function registerModel(Policy policy, string memory cid) internal returns (bytes32) {
        uint256 minimum = ledger.minimumStake(Role.ModelProvider);
        if (ledger.stakeOf(provider, Role.ModelProvider) == 0) stakeAs(provider, Role.ModelProvider, minimum);
        bytes memory metadata = abi.encode(uint8(policy), CLASS, cid);
        vm.prank(provider);
        return registry.registerModel(cid, MODEL_PRICE, metadata);
    }

    function fundReserve(bytes32 modelId, uint256 amount) internal {
        vm.startPrank(treasury);
        token.approve(address(ledger), amount);
        ledger.fundReserve(registry.terms(modelId).index, amount);
        vm.stopPrank();
    }

    // ---- operators ----

    function stakeAs(address who, Role role, uint256 amount) internal {
        vm.prank(treasury);
        token.transfer(who, amount);
        vm.startPrank(who);
        token.approve(address(ledger), amount);
        ledger.stake(role, amount);
        vm.stopPrank();
    }

    /// @dev A staked operator with one node key; it serves nothing yet.
    function addOperator(Role role, uint256 amount) internal returns (Operator memory operator) {
        string memory name = string.concat("operator ", vm.toString(operators.length));
        operator.cold = makeAddr(name);
        uint256 key;
        (operator.node, key) = makeAddrAndKey(string.concat(name, " node"));
        stakeAs(operator.cold, role, amount);
        operator.account = ledger.accountId(operator.cold, role);
        allowNode(operator.cold, key);
        nodeOf[operator.account] = operator.node;
        operators.push(operator);
    }

    /// @dev Bind a key, with its consent, and allow it.
    function allowNode(address cold, uint256 key) internal {
        bytes memory consent = consentOf(key, cold);
        vm.prank(cold);
        tasks.setNodeKey(vm.addr(key), true, consent);
    }

    function consentOf(uint256 key, address cold) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, consentHash(vm.addr(key), cold));
        return abi.encodePacked(r, s, v);
    }

    /// @dev Written out a second time, as the interface describes it.
    function consentHash(address node, address cold) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("ML Bridge"),
                keccak256("1"),
                block.chainid,
                tasks
            )
        );
        bytes32 word = keccak256(abi.encode(keccak256("NodeConsent(address operator,address node)"), cold, node));
        return keccak256(abi.encodePacked(hex"1901", domain, word));
    }

    function serve(Operator memory operator, bytes32 modelId) internal {
        vm.prank(operator.cold);
        tasks.serveModel(modelId, operator.account, CLASS);
    }

    /// @dev Compute operators and verifiers at twice their minimum, which survives a fault; all serve both models
    /// from the next epoch on.
    function addPool(uint256 compute, uint256 verifiers) internal {
        for (uint256 i; i < compute + verifiers; ++i) {
            Operator memory operator =
                i < compute ? addOperator(Role.Compute, 2 * COMPUTE_MIN) : addOperator(Role.Verifier, 2 * VERIFIER_MIN);
            serve(operator, exactModel);
            serve(operator, numericModel);
        }
        nextEpoch();
    }

    // ---- time ----

    function nextEpoch() internal {
        uint256 into = (vm.getBlockTimestamp() - tasks.genesis()) % EPOCH;
        skip(EPOCH - into);
    }

    /// @dev Past the randomness block that the task waits for.
    function passRandomness(bytes32 taskId) internal {
        uint256 number = tasks.getTask(taskId).randomnessBlock + 1;
        if (vm.getBlockNumber() < number) {
            vm.warp(vm.getBlockTimestamp() + 12 * (number - vm.getBlockNumber()));
            vm.roll(number);
        }
    }

    /// @dev Past the window of the phase that the task is in.
    function passPhase(bytes32 taskId) internal {
        uint256 end = tasks.getTask(taskId).phaseDeadline + 1;
        if (vm.getBlockTimestamp() < end) skip(end - vm.getBlockTimestamp());
    }

    // ---- the steps of a task ----

    function submit(bytes32 modelId, uint8 seats) internal returns (bytes32) {
        return submit(modelId, seats, tasks.quote(modelId, seats));
    }

    function submit(bytes32 modelId, uint8 seats, uint256 payment) internal returns (bytes32) {
        return submit(modelId, seats, payment, INPUT, 600);
    }

    /// @param time seconds until the deadline
    function submit(bytes32 modelId, uint8 seats, uint256 payment, bytes memory input, uint256 time)
        internal
        returns (bytes32)
    {
        bytes32 salt = bytes32(++saltCounter);
        uint256 deadline = vm.getBlockTimestamp() + time;
        vm.prank(requester);
        return bridge.submitTaskWith{value: payment}(modelId, input, deadline, seats, salt);
    }

    /// @dev Draw the seats that wait.
    function draw(bytes32 taskId) internal {
        passRandomness(taskId);
        vm.prank(keeper);
        tasks.assign(taskId);
    }

    /// @dev Submitted and drawn: waits for commitments.
    function begin(bytes32 modelId, uint8 seats) internal returns (bytes32 taskId) {
        taskId = submit(modelId, seats);
        draw(taskId);
    }

    function poke(bytes32 taskId) internal {
        vm.prank(keeper);
        tasks.poke(taskId);
    }

    function committee(bytes32 taskId) internal view returns (Seat[] memory) {
        return tasks.getSeats(taskId, tasks.getTask(taskId).round);
    }

    function status(bytes32 taskId) internal view returns (TaskStatus) {
        return tasks.getTask(taskId).status;
    }

    function assertStatus(bytes32 taskId, TaskStatus expected) internal view {
        assertEq(uint256(status(taskId)), uint256(expected), "status");
    }

    function commitAs(uint32 account, bytes32 taskId, bytes memory payload) internal {
        bytes32 commitment = commitmentOf(taskId, tasks.getTask(taskId).round, account, payload, saltOf(account));
        vm.prank(nodeOf[account]);
        bridge.commitResult(taskId, commitment);
    }

    function revealAs(uint32 account, bytes32 taskId, bytes memory payload) internal {
        vm.prank(nodeOf[account]);
        bridge.submitResult(taskId, inline_(payload), abi.encode(saltOf(account)));
    }

    /// @dev Every seat that has not committed does.
    function commitAll(bytes32 taskId, bytes memory payload) internal {
        Seat[] memory seats = committee(taskId);
        for (uint256 i; i < seats.length; ++i) {
            if (!seats[i].committed) commitAs(seats[i].account, taskId, payload);
        }
    }

    function revealAll(bytes32 taskId, bytes memory payload) internal {
        Seat[] memory seats = committee(taskId);
        for (uint256 i; i < seats.length; ++i) {
            if (!seats[i].revealed && !seats[i].faulty) revealAs(seats[i].account, taskId, payload);
        }
    }

    /// @dev Seat i commits to and opens payloads[i].
    function playRound(bytes32 taskId, bytes[] memory payloads) internal {
        Seat[] memory seats = committee(taskId);
        for (uint256 i; i < seats.length; ++i) {
            commitAs(seats[i].account, taskId, payloads[i]);
        }
        for (uint256 i; i < seats.length; ++i) {
            revealAs(seats[i].account, taskId, payloads[i]);
        }
    }

    /// @dev A round in which everybody says the same.
    function playRound(bytes32 taskId, bytes memory payload) internal {
        commitAll(taskId, payload);
        revealAll(taskId, payload);
    }

    /// @dev A first committee of three whose seat `odd` says something else, so that judges are called.
    function dissent(bytes32 modelId, uint256 odd) internal returns (bytes32 taskId, uint32[] memory accounts) {
        taskId = begin(modelId, 3);
        Seat[] memory seats = committee(taskId);
        accounts = new uint32[](3);
        bytes[] memory payloads = new bytes[](3);
        for (uint256 i; i < 3; ++i) {
            accounts[i] = seats[i].account;
            payloads[i] = i == odd ? WRONG : RIGHT;
        }
        playRound(taskId, payloads);
    }

    // ---- hashes, as the page writes them ----

    function saltOf(uint32 account) internal pure returns (bytes32) {
        return keccak256(abi.encode("salt", account));
    }

    function inline_(bytes memory payload) internal pure returns (bytes memory) {
        return bytes.concat(hex"00", payload);
    }

    /// @dev Content that lies in somebody's block store.
    function pointer_(bytes memory payload) internal pure returns (bytes memory) {
        return bytes.concat(hex"01", keccak256(payload), hex"01551220", sha256(payload));
    }

    function digestOf(bytes32 taskId, bytes memory payload) internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("MLBridgeResult(uint256 chainId,bytes32 taskId,bytes32 payloadRoot)"),
                block.chainid,
                taskId,
                keccak256(payload)
            )
        );
    }

    function commitmentOf(bytes32 taskId, uint8 round, uint32 account, bytes memory payload, bytes32 salt)
        internal
        view
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                keccak256(
                    "MLBridgeCommitment(uint256 chainId,address taskManager,bytes32 taskId,uint8 round,uint32 account,bytes32 digest,bytes32 salt)"
                ),
                block.chainid,
                address(tasks),
                taskId,
                round,
                account,
                digestOf(taskId, payload),
                salt
            )
        );
    }

    /// @dev votes[i] on candidate i, as four payload bytes.
    function packVotes(uint8[] memory votes) internal pure returns (bytes memory) {
        uint32 packed;
        for (uint256 i; i < votes.length; ++i) {
            packed |= uint32(votes[i]) << uint32(2 * i);
        }
        return abi.encodePacked(packed);
    }

    // ---- accounts ----

    function bondedOf(uint32 account) internal view returns (uint256) {
        return ledger.accounts(account).bonded;
    }

    function operatorOf(uint32 account) internal view returns (address) {
        return ledger.accounts(account).operator;
    }
}
