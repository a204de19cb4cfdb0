// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

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
    /// @notice The panel said something: a result passed, or somebody voted, if only to abstain. The TaskManager only.
    /// @param winner digest that passed; zero if none did
    /// @param accepted in a vote, bit i: candidate i was accepted
    /// @param rejected likewise
    /// @param ballot who said what: `Hashing.ballot` of the panel's accounts by seat, of what each revealed (a digest, or
    /// packed votes with bit 32 set; zero for a seat that did not), and of the mask of seats that did
    /// @param taskId id of the task
    function onVerdict(bytes32 taskId, bytes32 winner, uint256 accepted, uint256 rejected, bytes32 ballot) external;

    /// @notice The panel could not be drawn, was silent, or had no candidates and did not agree. The TaskManager only.
    /// @param taskId id of the task
    function onNoVerdict(bytes32 taskId) external;
}
