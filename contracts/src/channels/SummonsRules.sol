// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {PaymentChannels} from "../PaymentChannels.sol";
import {ChannelTerms, Outcome, TaskOrder} from "../interfaces/ChannelTypes.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IPaymentChannels} from "../interfaces/IPaymentChannels.sol";
import {IRewardDistributor} from "../interfaces/IRewardDistributor.sol";
import {ISummons} from "../interfaces/ISummons.sol";
import {ITaskManager} from "../interfaces/ITaskManager.sol";
import {Policy} from "../interfaces/Types.sol";
import {ChannelHashing} from "../libraries/ChannelHashing.sol";
import {FeeSplit} from "../libraries/FeeSplit.sol";
import {Hashing} from "../libraries/Hashing.sol";
import {MAX_SEATS} from "../libraries/SeatPacking.sol";
import {Signers} from "../libraries/Signers.sol";
import {Tally} from "../libraries/Tally.sol";
import {VoucherMath} from "./VoucherMath.sol";

/// @title Which orders may be summoned
/// @notice First layer of Summons. What a seat could lawfully refuse is refused here, before anybody is summoned; so a
/// seat that is summoned has no reason left to be silent.
abstract contract SummonsRules is ISummons, AccessManaged {
    /// @dev Sequences from the floor on that a channel settles one by one.
    uint256 private constant WINDOW = 64;
    uint256 private constant LONGEST_WINDOW = 1 days;

    /// @notice Knows channels, orders and draws.
    PaymentChannels public immutable channels;
    /// @notice Punishes silence.
    IRewardDistributor public immutable distributor;
    /// @notice Knows the node keys.
    ITaskManager public immutable taskManager;
    /// @notice Knows the models.
    IModelRegistry public immutable registry;

    /// @dev Of summonses to come; one word.
    Limits internal _limits;

    /// @notice Deploy for these neighbours; the addresses are fixed for ever.
    /// @param channels_ the payment channels; they must stand
    /// @param distributor_ stakes, reputation and credits
    /// @param registry_ models and their terms
    /// @param limits_ to begin with
    constructor(address channels_, address distributor_, address registry_, Limits memory limits_) {
        if (channels_ == address(0) || distributor_ == address(0) || registry_ == address(0)) revert ZeroAddress();
        channels = PaymentChannels(channels_);
        distributor = IRewardDistributor(distributor_);
        taskManager = channels.taskManager();
        registry = IModelRegistry(registry_);
        _setLimits(limits_);
    }

    // ---- governance ----

    /// @inheritdoc ISummons
    function setLimits(Limits calldata limits_) external restricted {
        _setLimits(limits_);
    }

    // ---- views ----

    /// @inheritdoc ISummons
    function limits() external view returns (Limits memory) {
        return _limits;
    }

    // ---- internal ----

    /// @dev The hash of an order that its seats have no reason to refuse.
    function _admitted(
        ChannelTerms calldata terms,
        TaskOrder calldata ordered,
        bytes calldata signature,
        bytes calldata inputData,
        uint32[] calldata seats
    ) internal view returns (bytes32 order) {
        order = channels.orderHash(ordered);
        _requireParty(terms, ordered.channel);
        if (!Signers.keySigned(terms.requester, order, signature)) revert BadOrderSignature(order);
        _requireWork(ordered, inputData);
        _requireTime(ordered, order, terms.openedIn);
        _requireFunds(ordered);
        _requireSeats(terms, ordered, order, seats);
    }

    function _requireParty(ChannelTerms calldata terms, bytes32 channel) private view {
        bytes32 id = ChannelHashing.channelIn(terms);
        if (id != channel) revert WrongChannel(id, channel);
        // Whoever else holds the order could use up its one summons.
        if (msg.sender != terms.requester && msg.sender != terms.coordinator) revert NotParty(id, msg.sender);
    }

    /// @dev Everything that the model needs is here, and what it gives can be compared. paramsDigest names the key of a
    /// stream at most, which decides nothing.
    function _requireWork(TaskOrder calldata ordered, bytes calldata inputData) private view {
        if (ordered.policy != Policy.Exact) revert PolicyNotSettled(ordered.policy);
        IModelRegistry.Terms memory model = registry.terms(ordered.modelId);
        if (!model.active || model.policy != Policy.Exact) revert ModelNotSummoned(ordered.modelId);
        if (!Hashing.wellFormed(inputData) || Hashing.isPointer(inputData)) {
            revert ContentMismatch(ordered.inputDigest, 0);
        }
        _requireSame(ordered.inputDigest, Hashing.payloadRoot(inputData));
    }

    function _requireTime(TaskOrder calldata ordered, bytes32 order, uint256 openedIn) private view {
        uint256 epoch = ordered.epoch;
        if (epoch <= openedIn) revert ChannelTooYoung(epoch, openedIn);
        if (channels.beacon().seedOf(epoch) == 0) revert SeedUnknown(epoch);
        uint256 needed = block.timestamp + _whole();
        uint256 latest = ordered.deadline + channels.settleWindow();
        uint256 epochEnd = channels.genesis() + (epoch + channels.orderEpochs()) * channels.epochSeconds() - 1;
        if (epochEnd < latest) latest = epochEnd;
        if (latest < needed) revert TooLateToSummon(order, latest, needed);
    }

    /// @dev What is in the channel now. A voucher or a close that begins later takes longer than the summons.
    function _requireFunds(TaskOrder calldata ordered) private view {
        bytes32 channel = ordered.channel;
        uint256 sequence = ordered.sequence;
        IPaymentChannels.ChannelView memory state = channels.channels(channel);
        if (state.closesAt != 0 && state.closesAt < block.timestamp + _whole()) {
            revert ChannelClosing(channel, state.closesAt);
        }
        if (sequence < state.floor) revert AlreadySettled(channel, uint32(sequence));
        if (sequence >= uint256(state.floor) + WINDOW) {
            revert SequenceTooFar(uint32(sequence), uint256(state.floor) + WINDOW);
        }
        if (state.window >> (sequence - state.floor) & 1 == 1) revert AlreadySettled(channel, uint32(sequence));
        uint256 available = state.balance;
        if (state.dueAt != 0) {
            if (sequence < state.covered) revert AlreadySettled(channel, uint32(sequence));
            available -= VoucherMath.due(state.promised, state.deposited, available);
        }
        if (available < ordered.maxFee) revert InsufficientDeposit(channel, ordered.maxFee, available);
    }

    function _requireSeats(
        ChannelTerms calldata terms,
        TaskOrder calldata ordered,
        bytes32 order,
        uint32[] calldata seats
    ) private view {
        uint256 count = seats.length;
        if (count != ordered.seats || count < Tally.MIN_SEATS || count > MAX_SEATS) revert BadCommittee(order);
        (uint96 price,, uint64[] memory weights) = channels.snapshots().termsAt(ordered.modelId, ordered.epoch, seats);
        Outcome memory share;
        FeeSplit.split(share, ordered.maxFee, price, terms.coordinatorShare, terms.protocolShare, count);
        uint256 least = taskManager.parameters().seatFee;
        if (share.seatFee < least) revert SeatFeeTooLow(share.seatFee, least);
        uint32 previous;
        for (uint256 i; i < count; ++i) {
            uint32 account = seats[i];
            if (account & 1 == 1 || account <= previous) revert BadCommittee(order);
            previous = account;
            if (weights[i] == 0) revert NotEligible(order, account);
        }
    }

    /// @dev Seconds from a summons to the last settlement that it leads to; that has as long as a commitment.
    function _whole() private view returns (uint256) {
        return 2 * uint256(_limits.commitWindow) + _limits.revealWindow;
    }

    function _setLimits(Limits memory limits_) private {
        if (limits_.commitWindow == 0 || limits_.commitWindow > LONGEST_WINDOW) revert BadParameter("commitWindow");
        if (limits_.revealWindow == 0 || limits_.revealWindow > LONGEST_WINDOW) revert BadParameter("revealWindow");
        if (limits_.mostOpen == 0) revert BadParameter("mostOpen");
        _limits = limits_;
        // A voucher or a close that begins after the summons must not be through before the seats are; and an order of
        // any moment of its epoch must still settle then.
        uint256 whole = _whole();
        if (whole > channels.settleWindow() || whole > (channels.orderEpochs() - 1) * channels.epochSeconds()) {
            revert BadParameter("windows");
        }
        emit LimitsChanged(limits_);
    }

    function _requireSame(bytes32 expected, bytes32 given) internal pure {
        if (expected != given) revert ContentMismatch(expected, given);
    }
}
