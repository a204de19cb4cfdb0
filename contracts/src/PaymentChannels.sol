// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {ChannelBook} from "./channels/ChannelBook.sol";
import {OrderDesk} from "./channels/OrderDesk.sol";
import {Attestation, TaskOrder} from "./interfaces/ChannelTypes.sol";
import {IPaymentChannels} from "./interfaces/IPaymentChannels.sol";
import {Fault} from "./interfaces/Types.sol";
import {ChannelHashing} from "./libraries/ChannelHashing.sol";
import {Race} from "./libraries/Race.sol";

/// @title Deposits of requesters, and what settles against them
/// @notice Keeps no wei: deposits lie in MLBridge and leave it as credits of the RewardDistributor. Nobody but the parties
/// of a channel, by what they signed, can move its money; governance can neither take a deposit nor hold it back.
contract PaymentChannels is OrderDesk {
    /// @notice The contracts that this one trusts, for ever.
    /// @param authority AccessManager of setProtocolShare, pause, unpause
    /// @param bridge holds the wei
    /// @param ledger RewardDistributor
    /// @param beacon seeds
    /// @param genesis of the beacon's epochs, unix seconds
    /// @param epochSeconds of the beacon's epochs
    /// @param snapshots weights and prices by epoch
    /// @param taskManager node keys
    /// @param settlement batches
    struct Neighbours {
        address authority;
        address bridge;
        address ledger;
        address beacon;
        uint256 genesis;
        uint256 epochSeconds;
        address snapshots;
        address taskManager;
        address settlement;
    }

    /// @notice Settles batches.
    address public immutable settlement;

    /// @dev Whether an account was punished for an order already; otherwise the same proof would take whatever it
    /// stakes afterwards.
    mapping(bytes32 order => mapping(uint32 account => mapping(Fault => bool))) private _proven;

    modifier onlySettlement() {
        if (msg.sender != settlement) revert OnlySettlement();
        _;
    }

    /// @param neighbours for ever
    /// @param closingDelay_ seconds of a forced close; at least twice `settleWindow_`
    /// @param settleWindow_ seconds from an order's deadline in which it may be settled, and of a close by consent
    /// @param orderEpochs_ epochs in which an order may be settled, its own included
    /// @param protocolShare_ basis points
    constructor(
        Neighbours memory neighbours,
        uint256 closingDelay_,
        uint256 settleWindow_,
        uint256 orderEpochs_,
        uint16 protocolShare_
    )
        AccessManaged(neighbours.authority)
        ChannelBook(
            neighbours.bridge,
            neighbours.ledger,
            neighbours.beacon,
            neighbours.genesis,
            neighbours.epochSeconds,
            closingDelay_,
            settleWindow_,
            protocolShare_
        )
        OrderDesk(neighbours.snapshots, neighbours.taskManager, orderEpochs_)
    {
        if (neighbours.authority == address(0) || neighbours.settlement == address(0)) revert ZeroAddress();
        settlement = neighbours.settlement;
    }

    // ---- anyone: faults ----

    /// @inheritdoc IPaymentChannels
    /// @dev Seed and weights of an epoch never change once it began, so a node knows before it signs whether it has a
    /// seat.
    function proveFalseSeat(
        TaskOrder calldata order,
        Attestation calldata attestation,
        bytes calldata signature,
        uint32[] calldata better
    ) external {
        bytes32 hash = orderHash(order);
        if (attestation.order != hash) revert WrongChannel(hash, attestation.order);
        uint32 account = attestation.account;
        _requireSeatSigned(attestation, signature);
        if (!isOutrun(order, account, better)) revert SeatNotFalse(hash, account);
        _markProven(hash, account, Fault.Incorrect);
        emit FalseSeatProven(hash, account, msg.sender);
        ledger.slashLane(account, hash, Fault.Incorrect, msg.sender);
    }

    /// @inheritdoc IPaymentChannels
    function reportContradiction(
        Attestation calldata a,
        bytes calldata signatureA,
        Attestation calldata b,
        bytes calldata signatureB
    ) external {
        if (a.order != b.order || a.account != b.account || a.result == b.result) {
            revert NotContradicting();
        }
        _requireSeatSigned(a, signatureA);
        _requireSeatSigned(b, signatureB);
        _markProven(a.order, a.account, Fault.Malicious);
        emit ContradictionProven(a.order, a.account, msg.sender);
        ledger.slashLane(a.account, a.order, Fault.Malicious, msg.sender);
    }

    // ---- Settlement ----

    /// @inheritdoc IPaymentChannels
    function debit(bytes32 batch, address coordinator, ChannelDebit[] calldata debits) external onlySettlement {
        bytes32 previous;
        uint256 count = debits.length;
        for (uint256 i; i < count; ++i) {
            ChannelDebit calldata entry = debits[i];
            bytes32 channel = ChannelHashing.channelOf(coordinator, entry.details);
            if (channel <= previous) revert ChannelsUnsorted(channel);
            previous = channel;
            (uint88 amount, uint32 from, uint32 to) = (entry.debit, entry.from, entry.to);
            Purse memory purse = _purse(channel);
            if (purse.floor != from) revert WrongFloor(channel, from, purse.floor);
            uint256 most = uint256(from) + MAX_STRIDE;
            if (to <= from || to > most) revert CoversTooMuch(to, most);
            if (amount > purse.balance) revert InsufficientDeposit(channel, amount, purse.balance);
            if (purse.window != 0) _early[channel][from] = purse.window;
            unchecked {
                purse.balance -= amount;
                _advance(purse, to - from);
            }
            _keep(channel, purse);
            emit Debited(channel, batch, amount, from, to);
        }
    }

    /// @inheritdoc IPaymentChannels
    function restore(bytes32 batch, bytes32 channel, uint88 amount) external onlySettlement {
        Purse memory purse = _purse(channel);
        purse.balance += amount;
        _keep(channel, purse);
        emit Restored(channel, batch, amount);
    }

    /// @inheritdoc IPaymentChannels
    function reopen(bytes32 channel, uint32 floor, uint32 from, uint32 to, uint40 postedAt) external onlySettlement {
        uint256 until = block.timestamp + settleWindow;
        _gaps[channel][to] = Gap(floor, from, uint40(until), postedAt);
        _hold(channel, until);
        emit Reopened(channel, from, to, until);
    }

    /// @inheritdoc IPaymentChannels
    function paySeat(bytes32 batch, uint32 account, uint96 amount) external onlySettlement {
        ledger.creditSeat(batch, account, amount);
    }

    /// @inheritdoc IPaymentChannels
    function payOut(bytes32 batch, address to, uint256 amount, uint256 protocolFee) external onlySettlement {
        ledger.creditLane(batch, to, amount, protocolFee);
    }

    // ---- views ----

    /// @inheritdoc IPaymentChannels
    function isOutrun(TaskOrder calldata order, uint32 account, uint32[] calldata better) public view returns (bool) {
        bytes32 seed = beacon.seedOf(order.epoch);
        if (seed == 0) revert SeedUnknown(order.epoch);
        if (better.length != order.seats || better.length == 0) revert BadCommittee(orderHash(order));
        bytes32 draw = ChannelHashing.draw(seed, order.channel, order.sequence);
        uint64 weight = snapshots.weightAt(order.modelId, order.epoch, account);
        uint32 previous;
        for (uint256 i; i < better.length; ++i) {
            uint32 other = better[i];
            if (other <= previous) revert BadCommittee(orderHash(order));
            previous = other;
            uint64 otherWeight = snapshots.weightAt(order.modelId, order.epoch, other);
            if (other == account || !Race.before(draw, other, otherWeight, account, weight)) return false;
        }
        return true;
    }

    /// @inheritdoc IPaymentChannels
    function attestationHash(Attestation calldata attestation) public view returns (bytes32) {
        return _hashTypedDataV4(ChannelHashing.attestation(attestation));
    }

    // ---- internal ----

    function _requireSeatSigned(Attestation calldata attestation, bytes calldata signature) private view {
        if (!_attested(attestationHash(attestation), attestation.account, signature, false)) {
            revert BadSeatSignature(attestation.order, attestation.account);
        }
    }

    function _markProven(bytes32 order, uint32 account, Fault fault) private {
        if (_proven[order][account][fault]) revert AlreadyProvenFault(order, account);
        _proven[order][account][fault] = true;
    }
}
