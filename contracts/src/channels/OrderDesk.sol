// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";

import {Attestation, ChannelTerms, Evidence, Outcome, SeatProof, TaskOrder} from "../interfaces/ChannelTypes.sol";
import {IPaymentChannels} from "../interfaces/IPaymentChannels.sol";
import {IStakeSnapshots} from "../interfaces/IStakeSnapshots.sol";
import {ITaskManager} from "../interfaces/ITaskManager.sol";
import {Policy} from "../interfaces/Types.sol";
import {ChannelHashing} from "../libraries/ChannelHashing.sol";
import {FeeSplit} from "../libraries/FeeSplit.sol";
import {MAX_SEATS, SeatPacking} from "../libraries/SeatPacking.sol";
import {Signers} from "../libraries/Signers.sol";
import {Tally} from "../libraries/Tally.sol";
import {ChannelBook} from "./ChannelBook.sol";

/// @title Orders: what their evidence proves, and their settlement one by one
/// @notice Second layer of PaymentChannels.
abstract contract OrderDesk is ChannelBook {
    using BitMaps for BitMaps.BitMap;

    /// @dev A range of sequences below the floor that may be settled one by one.
    /// @param floor of the batch that passed them
    /// @param from first sequence of the range
    /// @param until unix seconds until which it may be settled
    /// @param postedAt unix seconds at which it was posted
    struct Gap {
        uint32 floor;
        uint32 from;
        uint40 until;
        uint40 postedAt;
    }

    /// @notice Weights and prices by epoch.
    IStakeSnapshots public immutable snapshots;
    /// @notice Knows the operators' node keys.
    ITaskManager public immutable taskManager;
    /// @inheritdoc IPaymentChannels
    uint256 public immutable orderEpochs;

    mapping(bytes32 channel => mapping(uint32 to => Gap)) internal _gaps;
    /// @dev Sequences that were settled one by one before a batch passed them: the window as it stood at its floor.
    mapping(bytes32 channel => mapping(uint32 floor => uint64)) internal _early;
    /// @dev Sequences settled after they were opened again.
    mapping(bytes32 channel => BitMaps.BitMap) private _late;

    /// @notice Deploy for these neighbours; the addresses are fixed for ever.
    /// @param snapshots_ stakes at the start of an epoch
    /// @param taskManager_ runs the tasks
    /// @param orderEpochs_ epochs for which an order stays fit to settle
    constructor(address snapshots_, address taskManager_, uint256 orderEpochs_) {
        if (snapshots_ == address(0) || taskManager_ == address(0)) revert ZeroAddress();
        if (orderEpochs_ == 0) revert BadDelay("orderEpochs");
        snapshots = IStakeSnapshots(snapshots_);
        taskManager = ITaskManager(taskManager_);
        orderEpochs = orderEpochs_;
    }

    // ---- anyone ----

    /// @inheritdoc IPaymentChannels
    function settle(Evidence calldata evidence) external returns (uint256 paid) {
        TaskOrder calldata order = evidence.order;
        bytes32 channel = order.channel;
        bytes32 hash = orderHash(order);
        _requireFit(order, hash, block.timestamp);

        Purse memory purse = _purse(channel);
        uint256 sequence = order.sequence;
        uint256 floor = purse.floor;
        if (sequence < floor) revert AlreadySettled(channel, uint32(sequence));
        uint256 place;
        unchecked {
            place = sequence - floor;
        }
        if (place >= WINDOW) revert SequenceTooFar(uint32(sequence), floor + WINDOW);
        // One bit for each sequence, set when it is settled.
        // slither-disable-next-line incorrect-equality
        if (purse.window >> place & 1 == 1) revert AlreadySettled(channel, uint32(sequence));
        // How far the signed sequence is from the floor: zero is the floor itself.
        // slither-disable-next-line incorrect-equality
        if (place == 0) _advance(purse, 1);
        else purse.window |= uint64(1 << place);
        return _settle(evidence, hash, purse);
    }

    /// @inheritdoc IPaymentChannels
    function settleReopened(Evidence calldata evidence, uint32 to) external returns (uint256 paid) {
        bytes32 channel = evidence.order.channel;
        uint32 sequence = evidence.order.sequence;
        Gap memory gap = _gaps[channel][to];
        if (block.timestamp > gap.until || sequence < gap.from || sequence >= to) {
            revert NotOpenAgain(channel, sequence);
        }
        // A voucher paid after it was opened again has paid for it.
        Track memory track = _tracks[channel];
        if (sequence < track.covered && track.coveredAt + settleWindow > gap.until) {
            revert AlreadySettled(channel, sequence);
        }
        if (_late[channel].get(sequence) || settledBefore(channel, gap.floor, sequence)) {
            revert AlreadySettled(channel, sequence);
        }
        _late[channel].set(sequence);
        bytes32 hash = orderHash(evidence.order);
        _requireFit(evidence.order, hash, gap.postedAt);
        return _settle(evidence, hash, _purse(channel));
    }

    // ---- views ----

    /// @inheritdoc IPaymentChannels
    function settledBefore(bytes32 channel, uint32 floor, uint32 sequence) public view returns (bool) {
        return sequence >= floor && sequence - floor < WINDOW && _early[channel][floor] >> (sequence - floor) & 1 == 1;
    }

    /// @inheritdoc IPaymentChannels
    function check(Evidence calldata evidence) external view returns (Outcome memory) {
        return _outcome(evidence, orderHash(evidence.order), true);
    }

    /// @inheritdoc IPaymentChannels
    function orderHash(TaskOrder calldata order) public view returns (bytes32) {
        return _hashTypedDataV4(ChannelHashing.order(order));
    }

    // ---- internal ----

    /// @dev Whether an order could be settled at some time.
    function _requireFit(TaskOrder calldata order, bytes32 hash, uint256 time) private view {
        uint256 latest = order.deadline + settleWindow;
        if (time > latest) revert OrderExpired(hash, latest);
        // An order may not choose among all the seeds of the past, nor wait for one of the future.
        uint256 epoch = order.epoch;
        uint256 current = _epochAt(time);
        if (epoch > current) revert EpochAhead(epoch, current);
        if (epoch + orderEpochs <= current) revert OrderTooOld(epoch, current + 1 - orderEpochs);
    }

    /// @dev The one place where an order is settled by itself. The caller marked its sequence.
    function _settle(Evidence calldata evidence, bytes32 hash, Purse memory purse) private returns (uint256) {
        bytes32 channel = evidence.order.channel;
        Outcome memory outcome = _outcome(evidence, hash, false);
        uint256 paid = outcome.debit;
        if (paid > purse.balance) revert InsufficientDeposit(channel, paid, purse.balance);
        unchecked {
            purse.balance -= uint88(paid);
            uint256 kept = uint256(purse.kept) + outcome.coordinatorFee + outcome.protocolFee;
            if (kept > type(uint72).max) revert AmountTooLarge(kept);
            purse.kept = uint72(kept);
        }
        _keep(channel, purse);
        emit OrderSettled(channel, evidence.order.sequence, hash, evidence.result, paid, outcome.seatFee);
        ledger.settleLane(outcome);
        return paid;
    }

    /// @dev The seed is not asked for: it draws the committee, and whoever doubts a seat asks for it then. Every seed
    /// becomes known in time.
    /// @param keysOnly whether contract accounts' signatures are refused
    function _outcome(Evidence calldata evidence, bytes32 hash, bool keysOnly)
        private
        view
        returns (Outcome memory outcome)
    {
        ChannelTerms calldata terms = evidence.terms;
        TaskOrder calldata order = evidence.order;
        _requireChannel(ChannelHashing.channelIn(terms), order.channel);
        if (order.policy != Policy.Exact) revert PolicyNotSettled(order.policy);
        if (order.epoch <= terms.openedIn) revert ChannelTooYoung(order.epoch, terms.openedIn);
        if (!_signed(terms.requester, hash, evidence.orderSignature, keysOnly)) revert BadOrderSignature(hash);

        uint256 count = evidence.seats.length;
        if (count != order.seats || count < Tally.MIN_SEATS || count > MAX_SEATS) revert BadCommittee(hash);
        _requireVerdict(evidence, hash, keysOnly, outcome);
        FeeSplit.split(outcome, order.maxFee, outcome.modelFee, terms.coordinatorShare, terms.protocolShare, count);
    }

    /// @dev Over all seats, silent and dissenting ones included.
    /// @param outcome filled in but for the amounts; its model fee is the model's price
    function _requireVerdict(Evidence calldata evidence, bytes32 hash, bool keysOnly, Outcome memory outcome)
        private
        view
    {
        uint256 heads;
        uint32[] memory accounts;
        (accounts, outcome.winners, heads) = _attesting(evidence.seats, hash, evidence.result, keysOnly);
        outcome.order = hash;
        uint64[] memory weights;
        (outcome.modelFee, outcome.modelProvider, weights) =
            snapshots.termsAt(evidence.order.modelId, evidence.order.epoch, accounts);
        _requirePassed(hash, accounts, weights, heads);
    }

    /// @dev The seats that attested the result, each with a commitment in the one closed set.
    /// @return accounts of all seats, ascending
    /// @return winners those that attested
    /// @return heads bit i: seat i is one of them
    function _attesting(SeatProof[] calldata seats, bytes32 hash, bytes32 result, bool keysOnly)
        private
        view
        returns (uint32[] memory accounts, uint32[] memory winners, uint256 heads)
    {
        unchecked {
            uint256 count = seats.length;
            accounts = new uint32[](count);
            winners = new uint32[](count);
            bytes32[] memory set = new bytes32[](count);
            uint256 found;
            for (uint256 i; i < count; ++i) {
                SeatProof calldata seat = seats[i];
                uint32 account = seat.account;
                if (account & 1 == 1 || (i != 0 && account <= accounts[i - 1])) revert BadCommittee(hash);
                accounts[i] = account;
                bytes32 word = seat.word;
                if (seat.signature.length != 0) {
                    word = ChannelHashing.commitment(hash, account, result, word);
                    winners[found++] = account;
                    heads |= 1 << i;
                }
                set[i] = word;
            }
            assembly ("memory-safe") {
                mstore(winners, found)
            }
            _requireAttested(seats, heads, Attestation(hash, 0, result, 0, ChannelHashing.commitments(set)), keysOnly);
        }
    }

    /// @param common what all attestations share; used as scratch space
    function _requireAttested(SeatProof[] calldata seats, uint256 heads, Attestation memory common, bool keysOnly)
        private
        view
    {
        unchecked {
            bytes32 domain = _domainSeparatorV4();
            for (uint256 i; heads >> i != 0; ++i) {
                if (heads >> i & 1 == 0) continue;
                SeatProof calldata seat = seats[i];
                common.account = seat.account;
                common.salt = seat.word;
                bytes32 digest = MessageHashUtils.toTypedDataHash(domain, ChannelHashing.attestation(common));
                if (!_attested(digest, common.account, seat.signature, keysOnly)) {
                    revert BadSeatSignature(common.order, common.account);
                }
            }
        }
    }

    function _requirePassed(bytes32 hash, uint32[] memory accounts, uint64[] memory weights, uint256 heads)
        private
        pure
    {
        unchecked {
            uint256 count = accounts.length;
            for (uint256 i; i < count; ++i) {
                if (weights[i] == 0) revert NotEligible(hash, accounts[i]);
            }
            // All seats are all the weight.
            if (heads == (1 << count) - 1) return;
            (uint256[] memory clipped, uint256 total) = Tally.clip(SeatPacking.asWords(weights));
            uint256 weight;
            uint256 holders;
            for (uint256 i; i < count; ++i) {
                if (heads >> i & 1 == 0) continue;
                weight += clipped[i];
                ++holders;
            }
            if (!Tally.passes(weight, holders, total, count)) revert NoVerdict(hash);
        }
    }

    /// @dev Whether a node key of the account's operator signed. A key counts for the operator that it was ever bound to:
    /// forbidding it must not undo what it signed, or a member could take the others' pay with its own.
    function _attested(bytes32 digest, uint32 account, bytes calldata signature, bool keysOnly)
        internal
        view
        returns (bool)
    {
        (address node, bool valid) = Signers.named(digest, signature, keysOnly);
        if (!valid) return false;
        (uint32 operatorId,) = taskManager.nodeBinding(node);
        return operatorId != 0 && operatorId == account >> 1;
    }

    function _signed(address signer, bytes32 hash, bytes calldata signature, bool keysOnly)
        private
        view
        returns (bool)
    {
        return keysOnly ? Signers.keySigned(signer, hash, signature) : Signers.signed(signer, hash, signature);
    }
}
