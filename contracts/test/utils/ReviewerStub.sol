// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IReviewer, Review} from "../../src/interfaces/IReviewer.sol";
import {ITaskManager} from "../../src/interfaces/ITaskManager.sol";
import {Verdict} from "../../src/interfaces/Types.sol";

/// @dev Asks for reviews and remembers what it was told.
contract ReviewerStub is IReviewer {
    ITaskManager private immutable taskManager;

    uint256 public verdicts;
    uint256 public failures;
    bytes32 public lastTask;
    Verdict private _verdict;
    uint32[] private _accounts;
    bytes32[] private _values;
    uint256 public revealed;

    constructor(ITaskManager taskManager_) {
        taskManager = taskManager_;
    }

    function ask(Review calldata review) external returns (bytes32) {
        return taskManager.openReview(review);
    }

    function onVerdict(
        bytes32 taskId,
        Verdict calldata verdict,
        uint32[] calldata accounts,
        bytes32[] calldata values,
        uint256 revealed_
    ) external {
        require(msg.sender == address(taskManager), "not the task manager");
        ++verdicts;
        (lastTask, _verdict, _accounts, _values, revealed) = (taskId, verdict, accounts, values, revealed_);
    }

    function onNoVerdict(bytes32 taskId) external {
        require(msg.sender == address(taskManager), "not the task manager");
        ++failures;
        lastTask = taskId;
    }

    function last() external view returns (Verdict memory, uint32[] memory, bytes32[] memory) {
        return (_verdict, _accounts, _values);
    }
}
