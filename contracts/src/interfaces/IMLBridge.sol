// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {TaskStatus} from "./Types.sol";

/// @title The door of ML Bridge
/// @notice Requesters submit and cancel here, compute providers commit and reveal here. Holds every wei of the protocol.
interface IMLBridge {
    /// @notice An address argument is the zero address.
    error ZeroAddress();
    /// @notice Only the RewardDistributor contract may call this.
    error OnlyRewardDistributor();
    /// @notice Sending `amount` to `to` failed.
    /// @param to who is paid
    /// @param amount wei
    error TransferFailed(address to, uint256 amount);
    /// @notice The input has `size` bytes on chain, but at most `maximum` are allowed.
    /// @param size bytes given
    /// @param maximum the most that is allowed
    error InputSize(uint256 size, uint256 maximum);

    /// @notice A claim was paid out.
    /// @param to who is paid
    /// @param amount wei
    event Released(address indexed to, uint256 amount);

    /// @notice Submit a task with the default committee size.
    /// @param inputData 0x00 || payload (inline) or 0x01 || payload hash (32 bytes) || CID bytes
    /// @param deadline unix seconds by which the first committee must have committed
    /// @param modelId id of the model
    /// @return taskId id of the task
    function submitTask(bytes32 modelId, bytes calldata inputData, uint256 deadline)
        external
        payable
        returns (bytes32 taskId);

    /// @notice Submit with a chosen committee size (0: the default) and a salt: the same salt gives the same task id, so a retry cannot pay twice.
    /// @param modelId id of the model
    /// @param inputData 0x00 || payload, or 0x01 || payload hash || CID
    /// @param deadline unix seconds by which the first committee must have committed
    /// @param seats seats of the committee; 0 for the default
    /// @param salt the same salt and specification give the same task id
    /// @return taskId id of the task
    function submitTaskWith(bytes32 modelId, bytes calldata inputData, uint256 deadline, uint8 seats, bytes32 salt)
        external
        payable
        returns (bytes32 taskId);

    /// @notice Cancel before the randomness block of the first draw; the whole payment becomes claimable.
    /// @param taskId id of the task
    function cancelTask(bytes32 taskId) external;

    /// @param commitment keccak256(abi.encode(COMMIT_TYPEHASH, chainId, taskManager, taskId, round, account, digest, salt))
    /// @param taskId id of the task
    function commitResult(bytes32 taskId, bytes32 commitment) external;

    /// @param result 0x00 || payload, or 0x01 || payload hash || CID bytes; in a Vote round 0x00 || uint32 packed votes
    /// @param proof salt (32 bytes), then optional evidence that stays outside the compared digest
    /// @param taskId id of the task
    function submitResult(bytes32 taskId, bytes calldata result, bytes calldata proof) external;

    /// @notice The task as the white paper prints it; inputDataHash is keccak256(inputData) as 32 bytes. Once it ended,
    /// requester, inputDataHash and reward are zero: TaskSubmitted says them for ever.
    /// @param taskId id of the task
    /// @return id the id that was asked for
    /// @return requester who paid
    /// @return modelId id of the model
    /// @return inputDataHash hash of the input, 32 bytes
    /// @return reward wei locked
    /// @return deadline unix seconds
    /// @return status where it stands
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
        );

    /// @notice Bonded MLB of an address over all roles (18 decimals).
    /// @param account address that staked
    function stakes(address account) external view returns (uint256);

    /// @notice The least payment in wei that a task of this size needs now.
    /// @param modelId id of the model
    /// @param seats seats of the committee; 0 for the default
    function quote(bytes32 modelId, uint8 seats) external view returns (uint256);

    /// @notice Take in wei of payment channels. Only PaymentChannels; anybody else reverts with OnlyChannels.
    function fundLane() external payable;

    /// @notice Pay out a claim. Only the RewardDistributor, which keeps the ledger.
    /// @param to who is paid
    /// @param amount wei
    function release(address payable to, uint256 amount) external;

    /// @notice Stop or allow new tasks. Never touches commits, reveals, refunds or withdrawals.
    function pause() external;
    /// @notice Allow new tasks again.
    function unpause() external;
}
