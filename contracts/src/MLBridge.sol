// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

import {IChannelLedger} from "./interfaces/IChannelLedger.sol";
import {IMLBridge} from "./interfaces/IMLBridge.sol";
import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {ITaskManager} from "./interfaces/ITaskManager.sol";
import {TaskStatus} from "./interfaces/Types.sol";

/// @title The door of ML Bridge
/// @notice Holds every wei of the protocol, and lets it out only on the word of the RewardDistributor, which keeps
/// the ledger. There is no other way out, not even for governance.
contract MLBridge is IMLBridge, AccessManaged, Pausable {
    /// @dev Bound of what a task, and each of its results, can put into the chain's history at a fixed payment.
    uint256 private constant MAX_CONTENT = 4_096;
    /// @dev Stands for the default committee size.
    uint8 private constant DEFAULT_SEATS = 0;

    /// @notice Keeps the tasks.
    ITaskManager public immutable taskManager;
    /// @notice Keeps the ledger.
    IRewardDistributor public immutable distributor;

    /// @notice Deploy for these neighbours; the addresses are fixed for ever.
    /// @param authority the AccessManager
    /// @param taskManager_ runs the tasks
    /// @param distributor_ stakes, reputation and credits
    constructor(address authority, address taskManager_, address distributor_) AccessManaged(authority) {
        if (authority == address(0) || taskManager_ == address(0) || distributor_ == address(0)) revert ZeroAddress();
        taskManager = ITaskManager(taskManager_);
        distributor = IRewardDistributor(distributor_);
    }

    // ---- requesters ----

    /// @inheritdoc IMLBridge
    function submitTask(bytes32 modelId, bytes calldata inputData, uint256 deadline)
        external
        payable
        returns (bytes32 taskId)
    {
        return _submit(modelId, inputData, deadline, DEFAULT_SEATS, keccak256(abi.encode(block.number)));
    }

    /// @inheritdoc IMLBridge
    /// @dev 0 seats stand for the default.
    function submitTaskWith(bytes32 modelId, bytes calldata inputData, uint256 deadline, uint8 seats, bytes32 salt)
        external
        payable
        returns (bytes32 taskId)
    {
        return _submit(modelId, inputData, deadline, seats, salt);
    }

    /// @inheritdoc IMLBridge
    function cancelTask(bytes32 taskId) external {
        taskManager.cancel(taskId, msg.sender);
    }

    // ---- compute providers' nodes ----

    /// @inheritdoc IMLBridge
    function commitResult(bytes32 taskId, bytes32 commitment) external {
        taskManager.commit(taskId, msg.sender, commitment);
    }

    /// @inheritdoc IMLBridge
    function submitResult(bytes32 taskId, bytes calldata result, bytes calldata proof) external {
        if (result.length > MAX_CONTENT) revert InputSize(result.length, MAX_CONTENT);
        taskManager.reveal(taskId, msg.sender, result, proof);
    }

    // ---- PaymentChannels ----

    /// @inheritdoc IMLBridge
    function fundLane() external payable {
        IChannelLedger(address(distributor)).fundLane(msg.sender, msg.value);
    }

    // ---- the RewardDistributor ----

    /// @inheritdoc IMLBridge
    /// @dev The distributor struck the claim from its ledger before it called.
    function release(address payable to, uint256 amount) external {
        if (msg.sender != address(distributor)) revert OnlyRewardDistributor();
        emit Released(to, amount);
        (bool sent,) = to.call{value: amount}("");
        if (!sent) revert TransferFailed(to, amount);
    }

    // ---- governance ----

    /// @inheritdoc IMLBridge
    function pause() external restricted {
        _pause();
    }

    /// @inheritdoc IMLBridge
    function unpause() external restricted {
        _unpause();
    }

    // ---- views ----

    /// @inheritdoc IMLBridge
    function tasks(bytes32 taskId)
        external
        view
        returns (
            bytes32 id,
            address requester,
            bytes32 modelId,
            bytes memory inputDataHash,
            uint256 reward,
            uint256 deadline,
            TaskStatus status
        )
    {
        ITaskManager.TaskView memory task = taskManager.getTask(taskId);
        if (task.status == TaskStatus.None) return (id, requester, modelId, inputDataHash, reward, deadline, status);
        return
            (task.id, task.requester, task.modelId, abi.encode(task.inputHash), task.reward, task.deadline, task.status);
    }

    /// @inheritdoc IMLBridge
    function stakes(address account) external view returns (uint256) {
        return distributor.totalStakeOf(account);
    }

    /// @inheritdoc IMLBridge
    function quote(bytes32 modelId, uint8 seats) external view returns (uint256) {
        return taskManager.quote(modelId, seats);
    }

    // ---- internal ----

    function _submit(bytes32 modelId, bytes calldata inputData, uint256 deadline, uint8 seats, bytes32 salt)
        private
        whenNotPaused
        returns (bytes32 taskId)
    {
        if (inputData.length > MAX_CONTENT) revert InputSize(inputData.length, MAX_CONTENT);
        return taskManager.create(msg.sender, modelId, inputData, deadline, seats, salt, msg.value);
    }
}
