// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IReviewer, Review} from "../../src/interfaces/IReviewer.sol";
import {ITaskManager} from "../../src/interfaces/ITaskManager.sol";

/// @dev Asks for reviews and remembers what it was told.
contract ReviewerStub is IReviewer {
    ITaskManager private immutable taskManager;

    uint256 public verdicts;
    uint256 public failures;
    bytes32 public lastTask;
    bytes32 public winner;
    uint256 public accepted;
    uint256 public rejected;
    bytes32 public ballot;

    constructor(ITaskManager taskManager_) {
        taskManager = taskManager_;
    }

    function ask(Review calldata review) external returns (bytes32) {
        return taskManager.openReview(review);
    }

    function onVerdict(bytes32 taskId, bytes32 winner_, uint256 accepted_, uint256 rejected_, bytes32 ballot_)
        external
    {
        require(msg.sender == address(taskManager), "not the task manager");
        ++verdicts;
        (lastTask, winner, accepted, rejected, ballot) = (taskId, winner_, accepted_, rejected_, ballot_);
    }

    function onNoVerdict(bytes32 taskId) external {
        require(msg.sender == address(taskManager), "not the task manager");
        ++failures;
        lastTask = taskId;
    }
}
