// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Attestation, Evidence} from "./ChannelTypes.sol";

/// @title Seats that contradicted the verdict of their order
/// @notice In the channel lane disagreement costs nothing. What is recorded here, by signatures alone, is what a case in
/// the direct lane can be opened on: which order, which input, who said what.
interface IDissents {
    /// @notice An address argument is the zero address.
    error ZeroAddress();
    /// @notice The attestation is for the order `actual`, not for `expected`.
    /// @param expected order that was attested
    /// @param actual order that was given
    error AnotherOrder(bytes32 expected, bytes32 actual);
    /// @notice The account `account` attested the verdict of `order`.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NoDissent(bytes32 order, uint32 account);
    /// @notice The account `account` had no seat in the order `order`.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NoSeat(bytes32 order, uint32 account);
    /// @notice The attestation of account `account` for the order `order` is not signed by a key of its operator.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error BadDissentSignature(bytes32 order, uint32 account);
    /// @notice The dissent of account `account` in the order `order` is recorded already.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error AlreadyReported(bytes32 order, uint32 account);

    /// @param verdict digest that the order's committee agreed on
    /// @param result digest that the account attested
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param modelId id of the model
    /// @param inputDigest hash of the input
    /// @param reporter who proved it; zero for nobody
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
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    function resultOf(bytes32 order, uint32 account) external view returns (bytes32);
}
