// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Attestation, ChannelTerms, Close, TaskOrder, Voucher} from "../interfaces/ChannelTypes.sol";

/// @title Every hash of the channel lane
/// @notice docs/design/channel-lane.md, "Messages"; test/vectors/channels.json holds examples. Struct hashes are
/// EIP-712's; who verifies a message adds its domain.
/// @dev Every member of the structs is one word, so abi.encode gives the words that EIP-712 wants.
library ChannelHashing {
    bytes32 internal constant ORDER_TYPEHASH = keccak256(
        "TaskOrder(bytes32 channel,uint32 sequence,uint32 epoch,bytes32 modelId,bytes32 inputDigest,bytes32 paramsDigest,uint8 seats,uint8 policy,uint96 maxFee,uint40 deadline)"
    );
    bytes32 internal constant ATTESTATION_TYPEHASH =
        keccak256("Attestation(bytes32 order,uint32 account,bytes32 result,bytes32 salt,bytes32 commitments)");
    bytes32 internal constant VOUCHER_TYPEHASH = keccak256("Voucher(bytes32 channel,uint96 total,uint32 covered)");
    bytes32 internal constant CLOSE_TYPEHASH = keccak256("Close(bytes32 channel,uint96 total,uint32 covered)");
    bytes32 internal constant COMMIT_TYPEHASH =
        keccak256("ChannelCommitment(bytes32 order,uint32 account,bytes32 result,bytes32 salt)");
    bytes32 internal constant DRAW_TYPEHASH = keccak256("ChannelDraw(bytes32 seed,bytes32 channel,uint32 sequence)");

    /// @dev The same from calldata, without a copy of the struct.
    function channelIn(ChannelTerms calldata terms) internal pure returns (bytes32) {
        bytes32 rest = keccak256(
            abi.encode(terms.requester, terms.openedIn, terms.coordinatorShare, terms.protocolShare, terms.salt)
        );
        return channelOf(terms.coordinator, rest);
    }

    /// @notice The id of a channel: its coordinator and the rest of its terms. Chain and contract come in by the
    /// domain of whatever is signed for it.
    function channel(ChannelTerms memory terms) internal pure returns (bytes32) {
        return channelOf(terms.coordinator, details(terms));
    }

    function channelOf(address coordinator, bytes32 detailsHash) internal pure returns (bytes32) {
        return keccak256(abi.encode(coordinator, detailsHash));
    }

    function details(ChannelTerms memory terms) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(terms.requester, terms.openedIn, terms.coordinatorShare, terms.protocolShare, terms.salt)
            );
    }

    function order(TaskOrder calldata order_) internal pure returns (bytes32) {
        return keccak256(abi.encode(ORDER_TYPEHASH, order_));
    }

    function attestation(Attestation memory attestation_) internal pure returns (bytes32) {
        return keccak256(abi.encode(ATTESTATION_TYPEHASH, attestation_));
    }

    function voucher(Voucher calldata voucher_) internal pure returns (bytes32) {
        return keccak256(abi.encode(VOUCHER_TYPEHASH, voucher_));
    }

    function close(Close calldata close_) internal pure returns (bytes32) {
        return keccak256(abi.encode(CLOSE_TYPEHASH, close_));
    }

    /// @notice What a member sends before anybody reveals.
    /// @param orderHash with domain, as it was signed; it binds the commitment to chain and contract
    function commitment(bytes32 orderHash, uint32 account, bytes32 result, bytes32 salt)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(COMMIT_TYPEHASH, orderHash, account, result, salt));
    }

    /// @notice Root of a closed set: commitments of all seats, in the order of their accounts.
    function commitments(bytes32[] memory set) internal pure returns (bytes32 root) {
        assembly ("memory-safe") {
            root := keccak256(add(set, 32), shl(5, mload(set)))
        }
    }

    /// @notice What the committee of one order follows from.
    function draw(bytes32 seed, bytes32 channel_, uint32 sequence) internal pure returns (bytes32) {
        return keccak256(abi.encode(DRAW_TYPEHASH, seed, channel_, sequence));
    }
}
