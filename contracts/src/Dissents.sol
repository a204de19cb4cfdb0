// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Attestation, Evidence, Outcome, SeatProof} from "./interfaces/ChannelTypes.sol";
import {IDissents} from "./interfaces/IDissents.sol";
import {IPaymentChannels} from "./interfaces/IPaymentChannels.sol";
import {ITaskManager} from "./interfaces/ITaskManager.sol";
import {Signers} from "./libraries/Signers.sol";

/// @title Seats that contradicted the verdict of their order
/// @notice A record, and nothing else: it moves no money and punishes nobody.
contract Dissents is IDissents {
    /// @notice Knows what evidence proves.
    IPaymentChannels public immutable channels;
    /// @notice Knows the node keys.
    ITaskManager public immutable taskManager;

    /// @inheritdoc IDissents
    mapping(bytes32 order => mapping(uint32 account => bytes32)) public resultOf;

    /// @notice Deploy for these neighbours; the addresses are fixed for ever.
    /// @param channels_ the payment channels
    /// @param taskManager_ runs the tasks
    constructor(address channels_, address taskManager_) {
        if (channels_ == address(0) || taskManager_ == address(0)) revert ZeroAddress();
        channels = IPaymentChannels(channels_);
        taskManager = ITaskManager(taskManager_);
    }

    /// @inheritdoc IDissents
    function report(Evidence calldata evidence, Attestation calldata attestation, bytes calldata signature) external {
        Outcome memory outcome = channels.check(evidence);
        bytes32 order = outcome.order;
        uint32 account = attestation.account;
        if (attestation.order != order) revert AnotherOrder(order, attestation.order);
        if (attestation.result == evidence.result) revert NoDissent(order, account);
        if (!_seated(evidence.seats, account)) revert NoSeat(order, account);
        if (resultOf[order][account] != 0) revert AlreadyReported(order, account);
        (address node, bool valid) = Signers.named(channels.attestationHash(attestation), signature, true);
        (uint32 operatorId,) = taskManager.nodeBinding(node);
        if (!valid || operatorId == 0 || operatorId != account >> 1) revert BadDissentSignature(order, account);
        resultOf[order][account] = attestation.result;
        emit DissentReported(
            order,
            account,
            evidence.order.modelId,
            evidence.order.inputDigest,
            evidence.result,
            attestation.result,
            msg.sender
        );
    }

    function _seated(SeatProof[] calldata seats, uint32 account) private pure returns (bool) {
        for (uint256 i; i < seats.length; ++i) {
            if (seats[i].account == account) return true;
        }
        return false;
    }
}
