// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {ChannelTerms, Close, Voucher} from "../interfaces/ChannelTypes.sol";
import {IChannelLedger} from "../interfaces/IChannelLedger.sol";
import {IMLBridge} from "../interfaces/IMLBridge.sol";
import {IPaymentChannels} from "../interfaces/IPaymentChannels.sol";
import {IRandomnessBeacon} from "../interfaces/IRandomnessBeacon.sol";
import {ChannelHashing} from "../libraries/ChannelHashing.sol";
import {Signers} from "../libraries/Signers.sol";
import {VoucherMath} from "./VoucherMath.sol";

/// @title Channels: deposits, vouchers, closing
/// @notice First layer of PaymentChannels. It keeps who may spend what; the wei lie in MLBridge.
abstract contract ChannelBook is IPaymentChannels, EIP712, AccessManaged, Pausable {
    /// @dev Everything that settling an order moves, in one word.
    /// @param balance wei that may still be spent
    /// @param kept wei of settled orders that wait for `collect`
    /// @param floor sequences below it are done with
    /// @param window bit i: sequence floor + i is settled; bit 0 is never set
    struct Purse {
        uint88 balance;
        uint72 kept;
        uint32 floor;
        uint64 window;
    }

    /// @notice How far a channel's orders are settled.
    /// @param deposited never less than the purse's balance
    /// @param closesAt unix seconds at which it closes
    /// @param covered sequences below it were covered by the last voucher paid,
    /// @param coveredAt at this time
    struct Track {
        uint88 deposited;
        uint40 closesAt;
        uint32 covered;
        uint40 coveredAt;
    }

    /// @notice A voucher that waits.
    /// @param total wei promised in all
    /// @param covered sequences that the voucher covers
    /// @param dueAt unix seconds from which it is due
    struct Pledge {
        uint96 total;
        uint32 covered;
        uint40 dueAt;
    }

    uint256 internal constant BASIS = 10_000;
    /// @dev Most that coordinator and protocol together may take of a price.
    uint256 internal constant MAX_SHARES = 5_000;
    /// @dev Sequences from the floor on that may be settled. Each sequence has a committee of its own, so this bounds how
    /// many committees a requester can look through before it must pay for one.
    uint256 internal constant WINDOW = 64;
    /// @dev Sequences that one voucher or one batch may pass.
    uint256 internal constant MAX_STRIDE = 4_096;
    uint256 private constant LONGEST_DELAY = 90 days;

    /// @notice Holds the wei.
    IMLBridge public immutable bridge;
    /// @notice Credits what is paid.
    IChannelLedger public immutable ledger;
    /// @notice Knows epochs and seeds.
    IRandomnessBeacon public immutable beacon;
    /// @notice Unix seconds at which the beacon's epoch 0 began or would have begun.
    uint256 public immutable genesis;
    /// @notice Length of an epoch.
    uint256 public immutable epochSeconds;
    /// @notice Seconds from the start of a forced close to its end.
    uint256 public immutable closingDelay;
    /// @inheritdoc IPaymentChannels
    uint256 public immutable settleWindow;
    /// @notice Basis points for the protocol in channels opened from now on.
    uint16 public protocolShare;
    /// @inheritdoc IPaymentChannels
    uint16 public leastProtocolShare = uint16(BASIS);

    /// @dev A purse each, packed by hand: the compiler would read and write its members one by one.
    mapping(bytes32 channel => uint256) private _purses;
    mapping(bytes32 channel => Track) internal _tracks;
    mapping(bytes32 channel => Pledge) private _pledges;

    /// @notice Deploy for these neighbours; the addresses are fixed for ever.
    /// @param bridge_ holds every wei
    /// @param ledger_ whether it is about the ledger tree; otherwise the task tree
    /// @param beacon_ gives the seed of an epoch
    /// @param genesis_ unix seconds at which epochs begin to count
    /// @param epochSeconds_ seconds of an epoch
    /// @param closingDelay_ seconds between the start of a close and its end
    /// @param settleWindow_ seconds for which seats may still settle
    /// @param protocolShare_ basis points of each order's price for the protocol
    constructor(
        address bridge_,
        address ledger_,
        address beacon_,
        uint256 genesis_,
        uint256 epochSeconds_,
        uint256 closingDelay_,
        uint256 settleWindow_,
        uint16 protocolShare_
    ) EIP712("ML Bridge", "1") {
        if (bridge_ == address(0) || ledger_ == address(0) || beacon_ == address(0)) {
            revert ZeroAddress();
        }
        // A coordinator that learns of a close late must still have time for a voucher's delay.
        if (settleWindow_ == 0 || settleWindow_ > LONGEST_DELAY) revert BadDelay("settleWindow");
        if (closingDelay_ < 2 * settleWindow_ || closingDelay_ > LONGEST_DELAY) revert BadDelay("closingDelay");
        bridge = IMLBridge(bridge_);
        ledger = IChannelLedger(ledger_);
        beacon = IRandomnessBeacon(beacon_);
        genesis = genesis_;
        epochSeconds = epochSeconds_;
        // The beacon's own clock, kept here because every order would have to ask for the time.
        if (epochSeconds_ == 0 || genesis_ > block.timestamp || _epochAt(block.timestamp) != beacon.currentEpoch()) {
            revert BadDelay("epochSeconds");
        }
        closingDelay = closingDelay_;
        settleWindow = settleWindow_;
        _setProtocolShare(protocolShare_);
    }

    // ---- requesters ----

    /// @inheritdoc IPaymentChannels
    function open(address coordinator, uint16 coordinatorShare, bytes32 salt)
        external
        payable
        whenNotPaused
        returns (bytes32 channel)
    {
        if (coordinator == address(0)) revert ZeroAddress();
        uint256 shares = uint256(coordinatorShare) + protocolShare;
        if (shares > MAX_SHARES) revert BadShare(shares, MAX_SHARES);
        ChannelTerms memory terms = ChannelTerms({
            requester: msg.sender,
            coordinator: coordinator,
            openedIn: uint32(_epochAt(block.timestamp)),
            coordinatorShare: coordinatorShare,
            protocolShare: protocolShare,
            salt: salt
        });
        channel = ChannelHashing.channel(terms);
        if (_tracks[channel].deposited != 0) revert ChannelExists(channel);
        emit ChannelOpened(
            channel, msg.sender, coordinator, terms.openedIn, coordinatorShare, protocolShare, salt, msg.value
        );
        _deposit(channel);
    }

    /// @inheritdoc IPaymentChannels
    function topUp(ChannelTerms calldata terms) external payable whenNotPaused {
        bytes32 channel = _known(terms);
        _requireOpen(channel);
        _deposit(channel);
        emit ToppedUp(channel, msg.value, _tracks[channel].deposited);
    }

    /// @inheritdoc IPaymentChannels
    function startClose(ChannelTerms calldata terms) external {
        bytes32 channel = _known(terms);
        if (msg.sender != terms.requester) revert NotParty(channel, msg.sender);
        _requireOpen(channel);
        _startClose(channel, block.timestamp + closingDelay);
    }

    /// @inheritdoc IPaymentChannels
    /// @dev It may shorten a forced close that runs, and never lengthens it.
    function closeTogether(ChannelTerms calldata terms, Close calldata close_, bytes calldata signature) external {
        bytes32 channel = _known(terms);
        address other;
        if (msg.sender == terms.requester) other = terms.coordinator;
        else if (msg.sender == terms.coordinator) other = terms.requester;
        else revert NotParty(channel, msg.sender);
        _requireChannel(channel, close_.channel);
        bytes32 hash = closeHash(close_);
        if (!Signers.signed(other, hash, signature)) revert BadOrderSignature(hash);
        uint256 closesAt = block.timestamp + settleWindow;
        uint256 current = _tracks[channel].closesAt;
        _pledge(channel, close_.total, close_.covered);
        _startClose(channel, current != 0 && current < closesAt ? current : closesAt);
    }

    /// @inheritdoc IPaymentChannels
    function finishClose(ChannelTerms calldata terms) external returns (uint256 refund) {
        bytes32 channel = _known(terms);
        uint256 closesAt = _tracks[channel].closesAt;
        if (closesAt == 0) revert ChannelNotClosing(channel);
        if (block.timestamp < closesAt) revert TooEarly(closesAt);
        if (_pledges[channel].dueAt != 0) _redeem(channel, terms);
        // The purse is read anew after both payments, and the ledger only credits: it calls nobody.
        // slither-disable-next-line reentrancy-no-eth
        _collect(channel, terms);
        Purse memory purse = _purse(channel);
        refund = purse.balance;
        purse.balance = 0;
        _keep(channel, purse);
        emit ChannelClosed(channel, refund);
        if (refund != 0) ledger.creditLane(channel, terms.requester, refund, 0);
    }

    // ---- coordinators ----

    /// @inheritdoc IPaymentChannels
    function presentVoucher(ChannelTerms calldata terms, Voucher calldata voucher, bytes calldata signature) external {
        bytes32 channel = _known(terms);
        if (msg.sender != terms.coordinator) revert NotParty(channel, msg.sender);
        _requireChannel(channel, voucher.channel);
        bytes32 hash = voucherHash(voucher);
        if (!Signers.signed(terms.requester, hash, signature)) revert BadOrderSignature(hash);
        _pledge(channel, voucher.total, voucher.covered);
    }

    /// @inheritdoc IPaymentChannels
    function redeemVoucher(ChannelTerms calldata terms) external returns (uint256 paid) {
        bytes32 channel = _known(terms);
        if (_pledges[channel].dueAt == 0) revert NotPending(channel);
        return _redeem(channel, terms);
    }

    /// @inheritdoc IPaymentChannels
    function collect(ChannelTerms calldata terms) external {
        _collect(_known(terms), terms);
    }

    // ---- governance ----

    /// @inheritdoc IPaymentChannels
    function setProtocolShare(uint16 share) external restricted {
        _setProtocolShare(share);
    }

    /// @inheritdoc IPaymentChannels
    function pause() external restricted {
        _pause();
    }

    /// @inheritdoc IPaymentChannels
    function unpause() external restricted {
        _unpause();
    }

    // ---- views ----

    /// @inheritdoc IPaymentChannels
    function channels(bytes32 channel) external view returns (ChannelView memory) {
        Purse memory purse = _purse(channel);
        Track memory track = _tracks[channel];
        Pledge memory pledge = _pledges[channel];
        return ChannelView({
            balance: purse.balance,
            kept: purse.kept,
            floor: purse.floor,
            window: purse.window,
            deposited: track.deposited,
            closesAt: track.closesAt,
            promised: pledge.total,
            covered: pledge.covered,
            dueAt: pledge.dueAt
        });
    }

    /// @inheritdoc IPaymentChannels
    function channelId(ChannelTerms calldata terms) external pure returns (bytes32) {
        return ChannelHashing.channelIn(terms);
    }

    /// @inheritdoc IPaymentChannels
    function voucherHash(Voucher calldata voucher) public view returns (bytes32) {
        return _hashTypedDataV4(ChannelHashing.voucher(voucher));
    }

    /// @inheritdoc IPaymentChannels
    function closeHash(Close calldata close_) public view returns (bytes32) {
        return _hashTypedDataV4(ChannelHashing.close(close_));
    }

    // ---- internal ----

    function _epochAt(uint256 time) internal view returns (uint256) {
        return (time - genesis) / epochSeconds;
    }

    function _deposit(bytes32 channel) private {
        if (msg.value == 0) revert ZeroAmount();
        uint256 deposited = _tracks[channel].deposited + msg.value;
        if (deposited > type(uint88).max) revert AmountTooLarge(msg.value);
        _tracks[channel].deposited = uint88(deposited);
        Purse memory purse = _purse(channel);
        purse.balance += uint88(msg.value);
        _keep(channel, purse);
        bridge.fundLane{value: msg.value}();
    }

    function _startClose(bytes32 channel, uint256 closesAt) private {
        _tracks[channel].closesAt = uint40(closesAt);
        emit ClosingStarted(channel, closesAt);
    }

    /// @dev A voucher counts from the opening of the channel, so an older or a repeated one promises nothing new.
    function _pledge(bytes32 channel, uint96 total, uint32 covered) private {
        // Otherwise one party could put off the end of a close for ever.
        uint256 closesAt = _tracks[channel].closesAt;
        if (closesAt != 0 && block.timestamp >= closesAt) revert ChannelClosing(channel, closesAt);
        Pledge memory pledge = _pledges[channel];
        if (pledge.dueAt != 0 && total < pledge.total) revert VoucherTooLow(total, pledge.total);
        if (pledge.dueAt != 0 && covered < pledge.covered) covered = pledge.covered;
        uint256 most = uint256(_purse(channel).floor) + MAX_STRIDE;
        if (covered > most) revert CoversTooMuch(covered, most);
        uint256 dueAt = block.timestamp + settleWindow;
        _pledges[channel] = Pledge(total, covered, uint40(dueAt));
        emit VoucherPresented(channel, total, covered, dueAt);
    }

    function _redeem(bytes32 channel, ChannelTerms calldata terms) private returns (uint256 paid) {
        Pledge memory pledge = _pledges[channel];
        if (block.timestamp < pledge.dueAt) revert TooEarly(pledge.dueAt);
        Purse memory purse = _purse(channel);
        paid = VoucherMath.due(pledge.total, _tracks[channel].deposited, purse.balance);
        purse.balance -= uint88(paid);
        if (pledge.covered > purse.floor) _advance(purse, pledge.covered - purse.floor);
        _keep(channel, purse);
        delete _pledges[channel];
        (_tracks[channel].covered, _tracks[channel].coveredAt) = (pledge.covered, uint40(block.timestamp));
        emit VoucherRedeemed(channel, paid, pledge.covered);
        (uint256 coordinatorFee, uint256 protocolFee) = VoucherMath.part(paid, terms.protocolShare);
        if (paid != 0) ledger.creditLane(channel, terms.coordinator, coordinatorFee, protocolFee);
    }

    /// @dev Both shares were set aside together.
    function _collect(bytes32 channel, ChannelTerms calldata terms) private {
        Purse memory purse = _purse(channel);
        uint256 kept = purse.kept;
        // Settled orders alone add to it: nothing that anybody sends makes it other than zero.
        // slither-disable-next-line incorrect-equality
        if (kept == 0) return;
        purse.kept = 0;
        _keep(channel, purse);
        (uint256 coordinatorFee, uint256 protocolFee) =
            VoucherMath.share(kept, terms.coordinatorShare, terms.protocolShare);
        emit Collected(channel, coordinatorFee, protocolFee);
        ledger.creditLane(channel, terms.coordinator, coordinatorFee, protocolFee);
    }

    function _known(ChannelTerms calldata terms) private view returns (bytes32 channel) {
        channel = ChannelHashing.channelIn(terms);
        if (_tracks[channel].deposited == 0) revert UnknownChannel(channel);
    }

    function _requireOpen(bytes32 channel) private view {
        uint256 closesAt = _tracks[channel].closesAt;
        if (closesAt != 0) revert ChannelClosing(channel, closesAt);
    }

    /// @dev Whatever would take the money away waits for orders that may be settled until then.
    function _hold(bytes32 channel, uint256 until) internal {
        if (_pledges[channel].dueAt != 0 && _pledges[channel].dueAt < until) {
            _pledges[channel].dueAt = uint40(until);
            emit VoucherPresented(channel, _pledges[channel].total, _pledges[channel].covered, until);
        }
        uint256 closesAt = _tracks[channel].closesAt;
        if (closesAt != 0 && closesAt < until) _startClose(channel, until);
    }

    function _purse(bytes32 channel) internal view returns (Purse memory) {
        uint256 word = _purses[channel];
        return Purse(uint88(word), uint72(word >> 88), uint32(word >> 160), uint64(word >> 192));
    }

    function _keep(bytes32 channel, Purse memory purse) internal {
        _purses[channel] = uint256(purse.balance) | uint256(purse.kept) << 88 | uint256(purse.floor) << 160
            | uint256(purse.window) << 192;
    }

    /// @dev Pass sequences at the floor, and all settled ones that follow.
    function _advance(Purse memory purse, uint256 steps) internal pure {
        unchecked {
            uint256 floor = purse.floor + steps;
            uint256 window = steps < WINDOW ? purse.window >> steps : 0;
            while (window & 1 == 1) {
                window >>= 1;
                ++floor;
            }
            if (floor > type(uint32).max) revert CoversTooMuch(floor, type(uint32).max);
            (purse.floor, purse.window) = (uint32(floor), uint64(window));
        }
    }

    function _requireChannel(bytes32 expected, bytes32 actual) internal pure {
        if (expected != actual) revert WrongChannel(expected, actual);
    }

    function _setProtocolShare(uint16 share) private {
        if (share > MAX_SHARES / 2) revert BadShare(share, MAX_SHARES / 2);
        protocolShare = share;
        if (share < leastProtocolShare) leastProtocolShare = share;
        emit ProtocolShareChanged(share);
    }
}
