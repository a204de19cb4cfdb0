// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Policy} from "./Types.sol";

/// @notice What a channel was opened under. It is not stored: the channel's id is its hash, and callers supply it.
/// @param openedIn beacon's epoch at opening; only later seeds draw committees
/// @param coordinatorShare basis points of every order's price for the coordinator
/// @param protocolShare basis points of every order's price for the protocol
/// @param salt lets the same two parties open several channels
/// @param requester who pays
/// @param coordinator whom the channel is opened to
struct ChannelTerms {
    address requester;
    address coordinator;
    uint32 openedIn;
    uint16 coordinatorShare;
    uint16 protocolShare;
    bytes32 salt;
}

/// @notice What a requester signs for one task.
/// @param sequence number within the channel, consecutive from 0; settles once
/// @param epoch whose seed draws the committee
/// @param paramsDigest hash of the inference parameters
/// @param seats size of the committee
/// @param maxFee wei: the price. What no seat earned of it stays in the channel
/// @param deadline unix seconds by which the answer is due
/// @param channel id of the channel
/// @param modelId id of the model
/// @param inputDigest hash of the input
/// @param policy how results are compared
struct TaskOrder {
    bytes32 channel;
    uint32 sequence;
    uint32 epoch;
    bytes32 modelId;
    bytes32 inputDigest;
    bytes32 paramsDigest;
    uint8 seats;
    Policy policy;
    uint96 maxFee;
    uint40 deadline;
}

/// @notice What a member's node key signs when it reveals.
/// @param order hash of the order, as the requester signed it
/// @param result digest
/// @param salt of the member's commitment
/// @param commitments hash of the closed set of commitments
/// @param account account id: operatorId * 2 + (1 if Verifier)
struct Attestation {
    bytes32 order;
    uint32 account;
    bytes32 result;
    bytes32 salt;
    bytes32 commitments;
}

/// @notice What a requester signs after delivery in place of the evidence of many orders.
/// @param total wei that the channel has spent in all, since its opening
/// @param covered sequences below it are settled by this voucher
/// @param channel id of the channel
struct Voucher {
    bytes32 channel;
    uint96 total;
    uint32 covered;
}

/// @notice What either party signs to let the other close the channel without the long delay.
/// @param total wei that the channel will have spent in all
/// @param covered sequences below it are settled by this close
/// @param channel id of the channel
struct Close {
    bytes32 channel;
    uint96 total;
    uint32 covered;
}

/// @notice One seat of a committee in the evidence of a settlement; seats stand in the order of their accounts.
/// @param word salt of the seat's commitment, or the commitment itself if the seat does not attest
/// @param signature of the seat's attestation, 65 bytes by a node key, or a contract account's address and what it
/// takes for a signature; empty if the seat does not attest
/// @param account account id: operatorId * 2 + (1 if Verifier)
struct SeatProof {
    uint32 account;
    bytes32 word;
    bytes signature;
}

/// @notice Everything that shows that a task was ordered and done.
/// @param terms the terms that hold
/// @param order hash of the order, or the order itself
/// @param orderSignature the requester's signature of the order
/// @param result digest of the result
/// @param seats seats of the committee
struct Evidence {
    ChannelTerms terms;
    TaskOrder order;
    bytes orderSignature;
    bytes32 result;
    SeatProof[] seats;
}

/// @notice What follows from valid evidence. Amounts in wei; their sum, seat fees counted once a winner, is the debit.
/// @param winners accounts that attested the verdict
/// @param order hash of the order, or the order itself
/// @param modelProvider who registered the model
/// @param modelFee wei for the model's provider
/// @param coordinatorFee wei for the coordinator
/// @param protocolFee wei for the protocol
/// @param seatFee wei to each seat that is paid
/// @param debit wei
struct Outcome {
    bytes32 order;
    address modelProvider;
    uint96 modelFee;
    uint96 coordinatorFee;
    uint96 protocolFee;
    uint96 seatFee;
    uint96 debit;
    uint32[] winners;
}
