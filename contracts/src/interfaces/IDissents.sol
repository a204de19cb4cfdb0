// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Attestation, Evidence} from "./ChannelTypes.sol";

/// @title Seats that contradicted the verdict of their order
/// @notice In the channel lane disagreement costs nothing. What is recorded here, by signatures alone, is what a case in
/// the direct lane can be opened on: which order, which input, who said what.
interface IDissents {
    error ZeroAddress();
    error AnotherOrder(bytes32 expected, bytes32 actual);
    error NoDissent(bytes32 order, uint32 account);
    error NoSeat(bytes32 order, uint32 account);
    error BadDissentSignature(bytes32 order, uint32 account);
    error AlreadyReported(bytes32 order, uint32 account);

    /// @param verdict digest that the order's committee agreed on
    /// @param result digest that the account attested
    event DissentReported(
        bytes32 indexed order,
        uint32 indexed account,
        bytes32 indexed modelId,
        bytes32 inputDigest,
        bytes32 verdict,
        bytes32 result,
        address reporter
    );

    /// @notice Record that a seat of an order attested another result than the verdict; anyone.
    /// @param evidence of the verdict
    /// @param attestation of the seat
    /// @param signature as in the place of a seat; by a key
    /// @dev Reverts with the errors of PaymentChannels.check, AnotherOrder, NoDissent, NoSeat, BadDissentSignature,
    /// AlreadyReported.
    function report(Evidence calldata evidence, Attestation calldata attestation, bytes calldata signature) external;

    /// @notice What an account attested against the verdict; 0 if nothing was reported.
    function resultOf(bytes32 order, uint32 account) external view returns (bytes32);
}
