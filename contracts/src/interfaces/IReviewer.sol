// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Verdict} from "./Types.sol";

/// @notice What a review is to find out, and who may not sit on it.
/// @param modelId of the model that judges run; it need not take new tasks any more
/// @param seats of the panel, 3 to 15
/// @param salt one more of the same review needs another
/// @param inputData tagged bytes, as a requester gives them
/// @param excluded accounts whose operators may not sit
/// @param candidates tagged results that the panel votes on; none: the panel runs the task and compares digests
/// @param authors accounts that stand by the candidates, one each; none of them may sit
struct Review {
    bytes32 modelId;
    uint8 seats;
    bytes32 salt;
    bytes inputData;
    uint32[] excluded;
    bytes[] candidates;
    uint32[] authors;
}

/// @title A contract that has work judged by panels
/// @notice A review is a task with a panel of verifiers instead of a first committee: one mechanism for appeals, audits,
/// checks and decoys. What a verdict means is for the contract that asked to say. The TaskManager calls it in the middle
/// of a settlement, so neither function may revert or call anybody else.
interface IReviewer {
    /// @notice The panel said something: a result passed, or in a vote some candidate was accepted or rejected. The
    /// TaskManager only.
    /// @param verdict in a vote, bit i stands for candidate i
    /// @param accounts of the panel, by seat
    /// @param values what each seat revealed: a digest, or packed votes; zero for a seat that did not
    /// @param revealed bit i set: seat i opened its commitment
    function onVerdict(
        bytes32 taskId,
        Verdict calldata verdict,
        uint32[] calldata accounts,
        bytes32[] calldata values,
        uint256 revealed
    ) external;

    /// @notice The panel could not be drawn, was silent, or did not agree. The TaskManager only.
    function onNoVerdict(bytes32 taskId) external;
}
