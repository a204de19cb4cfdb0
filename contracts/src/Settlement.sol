// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {BatchBook} from "./batches/BatchBook.sol";
import {DataDemands} from "./batches/DataDemands.sol";
import {Evidence, Outcome, TaskOrder} from "./interfaces/ChannelTypes.sol";
import {IPaymentChannels} from "./interfaces/IPaymentChannels.sol";
import {ISettlement} from "./interfaces/ISettlement.sol";
import {ChannelHashing} from "./libraries/ChannelHashing.sol";
import {BatchLeaves, LedgerProof, TaskLeaf, TaskProof} from "./libraries/BatchLeaves.sol";

/// @title Batches of settled orders, and how anybody shows that one is wrong
/// @notice Every leaf that is published can be checked by itself or with one neighbour; a leaf that is not published is
/// demanded. So a batch that outlives its window is right if one honest party looked at it.
contract Settlement is DataDemands {
    using BatchLeaves for TaskProof;
    using BatchLeaves for LedgerProof;

    /// @dev Sequences that a channel may leave unused before a leaf, as when orders are settled one by one.
    uint256 private constant WINDOW = 64;
    /// @dev A call gets all but a 64th of the gas. If less than twice that is left after it failed, it may have failed for
    /// want of gas.
    uint256 private constant GAS_PART = 32;

    uint256 private immutable settleWindow;
    uint256 private immutable orderEpochs;

    /// @param authority_ AccessManager of `setLimits`
    /// @param channels_ PaymentChannels, already deployed: an order is fit to settle by the same times as there
    /// @param attesters_ verifier of the attesters' signatures
    /// @param treasury_ gets what penalties leave
    /// @param beacon_ gives the seed of an epoch
    /// @param limits_ windows and bonds of batches
    constructor(
        address authority_,
        address channels_,
        address attesters_,
        address beacon_,
        address treasury_,
        Limits memory limits_
    ) AccessManaged(authority_) BatchBook(channels_, attesters_, beacon_, treasury_, limits_) {
        if (authority_ == address(0)) revert ZeroAddress();
        settleWindow = channels.settleWindow();
        orderEpochs = channels.orderEpochs();
    }

    // ---- what voids a batch ----

    /// @inheritdoc ISettlement
    function challengeTasks(Header calldata header, TaskProof calldata a, TaskProof calldata b) external {
        bytes32 batch = _holdsBoth(header, a, b);
        if (!BatchLeaves.broken(a.leaf, b.leaf, header.tasks)) revert NoFault(batch);
        _void(batch, header, msg.sender);
    }

    /// @inheritdoc ISettlement
    function challengeLedger(Header calldata header, LedgerProof calldata a, LedgerProof calldata b) external {
        bytes32 batch = _holdsBoth(header, a, b);
        if (!BatchLeaves.broken(a.leaf, b.leaf, header.entries, header.tasks)) revert NoFault(batch);
        _void(batch, header, msg.sender);
    }

    /// @inheritdoc ISettlement
    function challengeEntry(
        Header calldata header,
        LedgerProof calldata entry,
        TaskProof calldata leaf,
        Outcome calldata outcome
    ) external {
        bytes32 batch = _holds(header, entry);
        _holds(header, leaf);
        _requireOutcome(batch, leaf.leaf, outcome);
        uint256 due = BatchLeaves.amountFor(outcome, header.coordinator, entry.leaf.party);
        if (entry.leaf.task != leaf.leaf.index || entry.leaf.amount == due) revert NoFault(batch);
        _void(batch, header, msg.sender);
    }

    /// @inheritdoc ISettlement
    function challengeMissingEntry(
        Header calldata header,
        TaskProof calldata leaf,
        Outcome calldata outcome,
        uint256 party,
        LedgerProof calldata a,
        LedgerProof calldata b
    ) external {
        bytes32 batch = _holdsBoth(header, a, b);
        _holds(header, leaf);
        _requireOutcome(batch, leaf.leaf, outcome);
        if (
            BatchLeaves.amountFor(outcome, header.coordinator, party) == 0
                || !BatchLeaves.absent(a.leaf, b.leaf, header.entries, party, leaf.leaf.index)
        ) revert NoFault(batch);
        _void(batch, header, msg.sender);
    }

    /// @inheritdoc ISettlement
    function challengeDebit(
        Header calldata header,
        IPaymentChannels.ChannelDebit[] calldata debits,
        TaskProof calldata leaf
    ) external {
        bytes32 batch = _holds(header, leaf);
        if (_fits(batch, header, debits, leaf.leaf)) revert NoFault(batch);
        _void(batch, header, msg.sender);
    }

    /// @inheritdoc ISettlement
    function challengeEmptyDebit(
        Header calldata header,
        IPaymentChannels.ChannelDebit[] calldata debits,
        uint256 position,
        TaskProof calldata a,
        TaskProof calldata b
    ) external {
        bytes32 batch = _holdsBoth(header, a, b);
        (bytes32 channel,) = _debitAt(batch, header, debits, position);
        // No leaf of the channel, whatever its sequence: neither neighbour is one.
        if (
            a.leaf.channel == channel || b.leaf.channel == channel
                || !BatchLeaves.absent(a.leaf, b.leaf, header.tasks, channel, 0)
        ) {
            revert NoFault(batch);
        }
        _void(batch, header, msg.sender);
    }

    // ---- what strikes a leaf ----

    /// @inheritdoc ISettlement
    function strikeEvidence(
        Header calldata header,
        TaskProof calldata leaf,
        Evidence calldata evidence,
        Outcome calldata outcome,
        IPaymentChannels.ChannelDebit[] calldata debits
    ) external {
        bytes32 batch = _holds(header, leaf);
        _requireData(batch, leaf.leaf, evidence, outcome);
        if (_proves(header, leaf.leaf, evidence, outcome)) revert NoFault(batch);
        _strikeAndReopen(batch, header, leaf.leaf, outcome, debits);
    }

    /// @inheritdoc ISettlement
    function strikeCommittee(
        Header calldata header,
        TaskProof calldata leaf,
        Evidence calldata evidence,
        Outcome calldata outcome,
        IPaymentChannels.ChannelDebit[] calldata debits,
        uint256 seat,
        uint32[] calldata better
    ) external {
        bytes32 batch = _holds(header, leaf);
        _requireData(batch, leaf.leaf, evidence, outcome);
        if (seat >= evidence.seats.length) revert WrongData(batch);
        if (!channels.isOutrun(evidence.order, evidence.seats[seat].account, better)) revert NoFault(batch);
        _strikeAndReopen(batch, header, leaf.leaf, outcome, debits);
    }

    /// @inheritdoc ISettlement
    function strikeDuplicate(
        Header calldata header,
        TaskProof calldata leaf,
        Outcome calldata outcome,
        IPaymentChannels.ChannelDebit[] calldata debits
    ) external {
        bytes32 batch = _holds(header, leaf);
        _requireOutcome(batch, leaf.leaf, outcome);
        IPaymentChannels.ChannelDebit calldata entry = _debitOf(batch, header, debits, leaf.leaf.channel);
        if (!channels.settledBefore(leaf.leaf.channel, entry.from, leaf.leaf.sequence)) revert NoFault(batch);
        _strike(batch, header, leaf.leaf, outcome, entry.debit);
    }

    // ---- orders that a batch left out ----

    /// @inheritdoc ISettlement
    function reopenOmitted(
        Header calldata header,
        IPaymentChannels.ChannelDebit[] calldata debits,
        uint256 position,
        uint32 sequence,
        TaskProof calldata a,
        TaskProof calldata b
    ) external {
        bytes32 batch = _holdsBoth(header, a, b);
        (bytes32 channel, IPaymentChannels.ChannelDebit calldata entry) = _debitAt(batch, header, debits, position);
        if (
            sequence < entry.from || sequence >= entry.to
                || !BatchLeaves.absent(a.leaf, b.leaf, header.tasks, channel, sequence)
        ) {
            revert NoFault(batch);
        }
        channels.reopen(channel, entry.from, sequence, sequence + 1, header.postedAt);
    }

    // ---- internal ----

    function _holdsBoth(Header calldata header, TaskProof calldata a, TaskProof calldata b)
        private
        view
        returns (bytes32 batch)
    {
        batch = _holds(header, a);
        if (!b.isIn(header.taskRoot)) revert NotInBatch(batch);
    }

    function _holdsBoth(Header calldata header, LedgerProof calldata a, LedgerProof calldata b)
        private
        view
        returns (bytes32 batch)
    {
        batch = _holds(header, a);
        if (!b.isIn(header.ledgerRoot)) revert NotInBatch(batch);
    }

    /// @dev The debit of a channel. The list is as long as its poster made it, and that is bounded.
    function _debitOf(
        bytes32 batch,
        Header calldata header,
        IPaymentChannels.ChannelDebit[] calldata debits,
        bytes32 channel
    ) private pure returns (IPaymentChannels.ChannelDebit calldata) {
        (bool found, uint256 position) = _find(batch, header, debits, channel);
        if (!found) revert WrongData(batch);
        return debits[position];
    }

    function _find(
        bytes32 batch,
        Header calldata header,
        IPaymentChannels.ChannelDebit[] calldata debits,
        bytes32 channel
    ) private pure returns (bool, uint256 position) {
        if (keccak256(abi.encode(debits)) != header.debits) revert WrongData(batch);
        for (; position < debits.length; ++position) {
            if (ChannelHashing.channelOf(header.coordinator, debits[position].details) == channel) {
                return (true, position);
            }
        }
        return (false, 0);
    }

    function _fits(
        bytes32 batch,
        Header calldata header,
        IPaymentChannels.ChannelDebit[] calldata debits,
        TaskLeaf calldata leaf
    ) private pure returns (bool) {
        (bool found, uint256 position) = _find(batch, header, debits, leaf.channel);
        if (!found) return false;
        IPaymentChannels.ChannelDebit calldata entry = debits[position];
        if (leaf.last && leaf.total != entry.debit) return false;
        if (leaf.sequence < entry.from || leaf.sequence >= entry.to) return false;
        return leaf.rank != 0 && leaf.sequence < uint256(entry.from) + leaf.rank - 1 + WINDOW;
    }

    function _strikeAndReopen(
        bytes32 batch,
        Header calldata header,
        TaskLeaf calldata leaf,
        Outcome calldata outcome,
        IPaymentChannels.ChannelDebit[] calldata debits
    ) private {
        IPaymentChannels.ChannelDebit calldata entry = _debitOf(batch, header, debits, leaf.channel);
        _strike(batch, header, leaf, outcome, entry.debit);
        channels.reopen(leaf.channel, entry.from, leaf.sequence, leaf.sequence + 1, header.postedAt);
    }

    /// @dev Whether the evidence proves what the leaf says, for an order that could be settled when the batch was posted.
    function _proves(
        Header calldata header,
        TaskLeaf calldata leaf,
        Evidence calldata evidence,
        Outcome calldata outcome
    ) private view returns (bool) {
        TaskOrder calldata order = evidence.order;
        if (order.channel != leaf.channel || order.sequence != leaf.sequence || outcome.debit != leaf.debit) {
            return false;
        }
        if (header.postedAt > order.deadline + settleWindow) return false;
        if (order.epoch > header.epoch || order.epoch + orderEpochs <= header.epoch) return false;
        uint256 gas = gasleft();
        try channels.check(evidence) returns (Outcome memory found) {
            return keccak256(abi.encode(found)) == leaf.outcome;
        } catch {
            if (gasleft() < gas / GAS_PART) revert NotEnoughGas();
            return false;
        }
    }
}
