// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {Outcome} from "../interfaces/ChannelTypes.sol";

/// @notice One settled order in a batch. Leaves are sorted by channel, then sequence.
/// @param index place of the leaf, from 0
/// @param rank place among the leaves of its channel, from 1
/// @param total wei of its channel up to and with this leaf
/// @param last whether it is the last leaf of its channel
/// @param outcome hash of what is paid for it
/// @param evidence hash of what proves it
/// @param channel id of the channel
/// @param sequence number of the order in its channel
/// @param debit wei
struct TaskLeaf {
    uint32 index;
    bytes32 channel;
    uint32 sequence;
    uint32 rank;
    uint88 debit;
    uint88 total;
    bool last;
    bytes32 outcome;
    bytes32 evidence;
}

/// @notice What one party gets for one order of a batch. Leaves are sorted by party, then task.
/// @param index place of the leaf, from 0
/// @param party 0: protocol; below 2^32: an account; from 2^160 on: an address
/// @param task index of the task leaf
/// @param total wei of its party up to and with this leaf
/// @param last whether it is the last leaf of its party
/// @param amount wei
struct LedgerLeaf {
    uint32 index;
    uint256 party;
    uint32 task;
    uint96 amount;
    uint96 total;
    bool last;
}

/// @notice A leaf and its way to the root.
/// @param leaf leaf of the tree, with its proof
/// @param proof what proves it
struct TaskProof {
    TaskLeaf leaf;
    bytes32[] proof;
}

/// @notice A leaf and its way to the root.
/// @param leaf leaf of the tree, with its proof
/// @param proof what proves it
struct LedgerProof {
    LedgerLeaf leaf;
    bytes32[] proof;
}

/// @title The leaves of a batch: hashes, and the rules that two neighbours show to be kept or broken
/// @notice A leaf carries its place, so two leaves show what a batch says of a place and of the next one. Leaves are
/// hashed twice, so no inner node can pass for one.
library BatchLeaves {
    uint256 internal constant PROTOCOL = 0;
    uint256 private constant ADDRESS_TAG = 1 << 160;

    function hash(TaskLeaf memory leaf) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(leaf))));
    }

    function hash(LedgerLeaf memory leaf) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(leaf))));
    }

    function isIn(TaskProof calldata shown, bytes32 root) internal pure returns (bool) {
        return MerkleProof.verifyCalldata(shown.proof, root, hash(shown.leaf));
    }

    function isIn(LedgerProof calldata shown, bytes32 root) internal pure returns (bool) {
        return MerkleProof.verifyCalldata(shown.proof, root, hash(shown.leaf));
    }

    // ---- rules ----

    /// @notice Whether two leaves of one tree show that it is not sorted, numbered or summed up as it must be. The same
    /// leaf twice shows what is wrong with it alone.
    function broken(TaskLeaf memory a, TaskLeaf memory b, uint256 count) internal pure returns (bool) {
        if (a.index >= count) return true;
        if (a.index == 0 && !_opens(a)) return true;
        if (a.index + 1 == count && !a.last) return true;
        if (a.index == b.index) return hash(a) != hash(b);
        return b.index == uint256(a.index) + 1 && !_follows(a, b);
    }

    /// @notice The same for a ledger.
    /// @param tasks leaves of the batch's task tree
    function broken(LedgerLeaf memory a, LedgerLeaf memory b, uint256 count, uint256 tasks)
        internal
        pure
        returns (bool)
    {
        if (a.index >= count || a.task >= tasks || a.amount == 0) return true;
        if (a.index == 0 && a.total != a.amount) return true;
        if (a.index + 1 == count && !a.last) return true;
        if (a.index == b.index) return hash(a) != hash(b);
        return b.index == uint256(a.index) + 1 && !_follows(a, b);
    }

    /// @notice Whether two leaves show that a tree holds nothing for (channel, sequence): neighbours on both sides of it,
    /// or the first or last leaf, given twice, with nothing on its side.
    function absent(TaskLeaf memory a, TaskLeaf memory b, uint256 count, bytes32 channel, uint256 sequence)
        internal
        pure
        returns (bool)
    {
        bool afterA = _before(a.channel, a.sequence, channel, sequence);
        bool beforeB = _before(channel, sequence, b.channel, b.sequence);
        if (a.index == b.index) return (a.index == 0 && beforeB) || (a.index + 1 == count && afterA);
        return uint256(a.index) + 1 == b.index && afterA && beforeB;
    }

    /// @notice The same for what a party gets for a task.
    function absent(LedgerLeaf memory a, LedgerLeaf memory b, uint256 count, uint256 party, uint256 task)
        internal
        pure
        returns (bool)
    {
        bool afterA = _before(bytes32(a.party), a.task, bytes32(party), task);
        bool beforeB = _before(bytes32(party), task, bytes32(b.party), b.task);
        if (a.index == b.index) return (a.index == 0 && beforeB) || (a.index + 1 == count && afterA);
        return uint256(a.index) + 1 == b.index && afterA && beforeB;
    }

    // ---- amounts ----

    function partyOf(address who) internal pure returns (uint256) {
        return ADDRESS_TAG | uint160(who);
    }

    /// @notice What an outcome gives to a party, in all its roles.
    function amountFor(Outcome memory outcome, address coordinator, uint256 party)
        internal
        pure
        returns (uint256 amount)
    {
        if (party == PROTOCOL) return outcome.protocolFee;
        if (party == partyOf(coordinator)) amount += outcome.coordinatorFee;
        if (party == partyOf(outcome.modelProvider)) amount += outcome.modelFee;
        for (uint256 i; i < outcome.winners.length; ++i) {
            if (party == outcome.winners[i]) amount += outcome.seatFee;
        }
    }

    // ---- internal ----

    function _opens(TaskLeaf memory leaf) private pure returns (bool) {
        return leaf.rank == 1 && leaf.total == leaf.debit;
    }

    function _follows(TaskLeaf memory a, TaskLeaf memory b) private pure returns (bool) {
        if (a.channel != b.channel) return a.last && b.channel > a.channel && _opens(b);
        return
            !a.last && b.sequence > a.sequence && b.rank == uint256(a.rank) + 1 && b.total == uint256(a.total) + b.debit;
    }

    function _follows(LedgerLeaf memory a, LedgerLeaf memory b) private pure returns (bool) {
        if (a.party != b.party) return a.last && b.party > a.party && b.total == b.amount;
        return !a.last && b.task > a.task && b.total == uint256(a.total) + b.amount;
    }

    function _before(bytes32 keyA, uint256 numberA, bytes32 keyB, uint256 numberB) private pure returns (bool) {
        return keyA == keyB ? numberA < numberB : keyA < keyB;
    }
}
