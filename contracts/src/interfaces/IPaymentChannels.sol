// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Attestation, ChannelTerms, Close, Evidence, Outcome, TaskOrder, Voucher} from "./ChannelTypes.sol";
import {Policy} from "./Types.sol";

/// @title Deposits of requesters, and what settles against them
/// @notice A requester opens a channel to one coordinator, signs orders, and pays by what it signed: orders that were
/// done, or vouchers. Amounts are in wei, times in unix seconds. Money leaves only as credits of the RewardDistributor,
/// where everybody claims its own.
interface IPaymentChannels {
    /// @notice Where a channel stands.
    /// @param balance wei that may still be spent
    /// @param kept wei of settled orders that wait for `collect`
    /// @param floor sequences below it are settled or void, unless they were reopened
    /// @param window bit i: sequence floor + i was settled by itself
    /// @param deposited wei paid in since the opening; what is not in `balance` is spent
    /// @param closesAt when a close may be finished; 0: not closing
    /// @param promised total of the voucher that waits; read only if `dueAt` is not 0
    /// @param covered sequences that it covers
    /// @param dueAt when the voucher may be redeemed; 0: none waits
    struct ChannelView {
        uint88 balance;
        uint72 kept;
        uint32 floor;
        uint64 window;
        uint88 deposited;
        uint40 closesAt;
        uint96 promised;
        uint32 covered;
        uint40 dueAt;
    }

    /// @notice One channel's part of a batch.
    /// @param details hash of the channel's terms but for its coordinator (ChannelHashing.details)
    /// @param debit wei
    /// @param from the channel's floor before the batch
    /// @param to the floor after it: the batch holds all orders from `from` on and below it that were done
    struct ChannelDebit {
        bytes32 details;
        uint88 debit;
        uint32 from;
        uint32 to;
    }

    error ZeroAddress();
    error ZeroAmount();
    error AmountTooLarge(uint256 amount);
    error BadShare(uint256 share, uint256 maximum);
    error BadDelay(string name);
    error NotPending(bytes32 channel);
    error ChannelExists(bytes32 channel);
    error ChannelClosing(bytes32 channel, uint256 closesAt);
    error ChannelNotClosing(bytes32 channel);
    error UnknownChannel(bytes32 channel);
    error NotParty(bytes32 channel, address caller);
    error WrongChannel(bytes32 expected, bytes32 actual);
    error TooEarly(uint256 readyAt);
    error VoucherTooLow(uint256 total, uint256 least);
    error CoversTooMuch(uint256 covered, uint256 most);
    error BadOrderSignature(bytes32 order);
    error BadSeatSignature(bytes32 order, uint32 account);
    error BadCommittee(bytes32 order);
    error NotEligible(bytes32 order, uint32 account);
    error NoVerdict(bytes32 order);
    error PolicyNotSettled(Policy policy);
    error OrderExpired(bytes32 order, uint256 closedAt);
    error OrderTooOld(uint256 epoch, uint256 oldest);
    error EpochAhead(uint256 epoch, uint256 current);
    error ChannelTooYoung(uint256 epoch, uint256 openedIn);
    error SeedUnknown(uint256 epoch);
    error AlreadySettled(bytes32 channel, uint32 sequence);
    error SequenceTooFar(uint32 sequence, uint256 limit);
    error InsufficientDeposit(bytes32 channel, uint256 needed, uint256 available);
    error NotOpenAgain(bytes32 channel, uint32 sequence);
    error SeatNotFalse(bytes32 order, uint32 account);
    error NotContradicting();
    error AlreadyProvenFault(bytes32 order, uint32 account);
    error OnlySettlement();
    error ChannelsUnsorted(bytes32 channel);
    error WrongFloor(bytes32 channel, uint32 expected, uint32 actual);

    event ChannelOpened(
        bytes32 indexed channel,
        address indexed requester,
        address indexed coordinator,
        uint32 openedIn,
        uint16 coordinatorShare,
        uint16 protocolShare,
        bytes32 salt,
        uint256 deposit
    );
    event ToppedUp(bytes32 indexed channel, uint256 amount, uint256 deposited);
    /// @param seatFee wei to each seat that attested the result; the shares of the rest follow from the price
    event OrderSettled(
        bytes32 indexed channel,
        uint32 indexed sequence,
        bytes32 indexed order,
        bytes32 result,
        uint256 debit,
        uint256 seatFee
    );
    event VoucherPresented(bytes32 indexed channel, uint256 total, uint32 covered, uint256 dueAt);
    event VoucherRedeemed(bytes32 indexed channel, uint256 paid, uint32 covered);
    event Collected(bytes32 indexed channel, uint256 coordinatorFee, uint256 protocolFee);
    event ClosingStarted(bytes32 indexed channel, uint256 closesAt);
    event ChannelClosed(bytes32 indexed channel, uint256 refund);
    event FalseSeatProven(bytes32 indexed order, uint32 indexed account, address indexed reporter);
    event ContradictionProven(bytes32 indexed order, uint32 indexed account, address indexed reporter);
    event ProtocolShareChanged(uint256 protocolShare);
    event Debited(bytes32 indexed channel, bytes32 indexed batch, uint256 amount, uint32 from, uint32 to);
    event Restored(bytes32 indexed channel, bytes32 indexed batch, uint256 amount);
    event Reopened(bytes32 indexed channel, uint32 from, uint32 to, uint256 until);

    // ---- requesters ----

    /// @notice Open a channel to a coordinator with a deposit.
    /// @param coordinatorShare basis points of each order's price, at most 5,000 together with the protocol's share
    /// @param salt the caller's choice; the same one opens no second channel to the same coordinator in one epoch
    /// @dev Reverts with ZeroAddress, ZeroAmount, BadShare, ChannelExists, or while new channels are paused.
    function open(address coordinator, uint16 coordinatorShare, bytes32 salt) external payable returns (bytes32 channel);

    /// @notice Add to a deposit; anyone.
    /// @dev Reverts with UnknownChannel, ChannelClosing, ZeroAmount, or while new deposits are paused.
    function topUp(ChannelTerms calldata terms) external payable;

    /// @notice Start to close a channel against the coordinator's will or in its absence. Until the delay is over
    /// everything that was signed can still be settled.
    /// @dev Reverts with UnknownChannel, NotParty unless called by the requester, ChannelClosing.
    function startClose(ChannelTerms calldata terms) external;

    /// @notice Close with the other party's consent after the short delay, in which seats can still settle what they
    /// attested. By requester or coordinator, each with the other's signature; the caller's call is its own.
    /// @dev Reverts with UnknownChannel, NotParty, WrongChannel, BadOrderSignature, VoucherTooLow, CoversTooMuch.
    function closeTogether(ChannelTerms calldata terms, Close calldata close, bytes calldata signature) external;

    /// @notice Pay what a closed channel still owes, and give the requester the rest; anyone, after the delay.
    /// @dev Reverts with ChannelNotClosing, TooEarly.
    function finishClose(ChannelTerms calldata terms) external returns (uint256 refund);

    // ---- coordinators ----

    /// @notice Announce a requester's voucher. It pays after a delay, in which a seat that was not paid yet may still
    /// settle its order out of what the voucher promises. By the channel's coordinator.
    /// @dev Reverts with NotParty, WrongChannel, BadOrderSignature, VoucherTooLow, CoversTooMuch, TooEarly once the
    /// delay of a close is over.
    function presentVoucher(ChannelTerms calldata terms, Voucher calldata voucher, bytes calldata signature) external;

    /// @notice Pay a voucher that was announced, less what was settled since; anyone, after the delay.
    /// @dev Reverts with NotPending, TooEarly.
    function redeemVoucher(ChannelTerms calldata terms) external returns (uint256 paid);

    /// @notice Credit the coordinator and the protocol with their shares of the orders settled so far; anyone.
    function collect(ChannelTerms calldata terms) external;

    // ---- anyone ----

    /// @notice Settle one order with everything that proves it but the draw: whoever attested without a seat answers for
    /// that to `proveFalseSeat`. Whoever holds it may bring it: coordinator, a seat, or
    /// the requester.
    /// @return debit wei taken from the deposit
    /// @dev Reverts with one of the errors from BadOrderSignature to InsufficientDeposit, or FeeTooLow.
    function settle(Evidence calldata evidence) external returns (uint256 debit);

    /// @notice Settle an order whose sequence was opened again, because its batch is void or does not hold it.
    /// @param to end of the range that was opened again
    /// @dev As `settle`, and NotOpenAgain.
    function settleReopened(Evidence calldata evidence, uint32 to) external returns (uint256 debit);

    /// @notice Prove that an account attested an order in whose committee it had no seat: as many eligible accounts as
    /// the committee has seats arrive before it. 10 % of its stake, a tenth of that to the caller.
    /// @param better in ascending order
    /// @dev Reverts with WrongChannel, SeedUnknown, BadSeatSignature, BadCommittee, SeatNotFalse, AlreadyProven.
    function proveFalseSeat(
        TaskOrder calldata order,
        Attestation calldata attestation,
        bytes calldata signature,
        uint32[] calldata better
    ) external;

    /// @notice Prove that an account attested two results for one order: all its stake, a tenth of it to the caller.
    /// @dev Reverts with NotContradicting, BadSeatSignature, AlreadyProven.
    function reportContradiction(
        Attestation calldata a,
        bytes calldata signatureA,
        Attestation calldata b,
        bytes calldata signatureB
    ) external;

    // ---- Settlement only; all revert with OnlySettlement ----

    /// @notice Take a batch's debits from the channels of one coordinator.
    /// @dev Reverts with WrongFloor, CoversTooMuch, InsufficientDeposit, ChannelsUnsorted.
    function debit(bytes32 batch, address coordinator, ChannelDebit[] calldata debits) external;
    /// @notice Give a debit back, as far as it is void.
    function restore(bytes32 batch, bytes32 channel, uint88 amount) external;
    /// @notice Let sequences that a batch passed be settled one by one, for the short delay from now; not those that were
    /// settled before it. A close or a voucher that is under way waits as long.
    /// @param floor the channel's floor before that batch
    /// @param postedAt time of that batch; an order must have been fit to settle then
    function reopen(bytes32 channel, uint32 floor, uint32 from, uint32 to, uint40 postedAt) external;
    /// @notice Pass on what a final batch owes to an account.
    function paySeat(bytes32 batch, uint32 account, uint96 amount) external;
    /// @notice Pass on what a final batch owes to an address and to the protocol.
    function payOut(bytes32 batch, address to, uint256 amount, uint256 protocolFee) external;

    // ---- governance ----

    /// @notice Basis points for the protocol in channels opened from now on.
    function setProtocolShare(uint16 share) external;
    /// @notice Stop new channels and deposits. Settlement, closing and withdrawal go on.
    function pause() external;
    /// @notice Allow new channels and deposits again.
    function unpause() external;

    // ---- views ----

    /// @notice Seconds in which an order may be settled after its deadline, and in which a voucher or a close by consent
    /// waits for orders that it would cover.
    function settleWindow() external view returns (uint256);
    /// @notice Epochs in which an order may be settled, its own included.
    function orderEpochs() external view returns (uint256);
    /// @notice Where a channel stands; all zero for an unknown one.
    function channels(bytes32 channel) external view returns (ChannelView memory);
    /// @notice Whether a sequence was settled by itself before a batch passed it.
    /// @param floor the channel's floor before that batch; at most `sequence`
    function settledBefore(bytes32 channel, uint32 floor, uint32 sequence) external view returns (bool);
    /// @notice The id of the channel with these terms.
    function channelId(ChannelTerms calldata terms) external view returns (bytes32);
    /// @notice What the requester signs for an order.
    function orderHash(TaskOrder calldata order) external view returns (bytes32);
    /// @notice What a node key signs for an attestation.
    function attestationHash(Attestation calldata attestation) external view returns (bytes32);
    /// @notice What the requester signs for a voucher.
    function voucherHash(Voucher calldata voucher) external view returns (bytes32);
    /// @notice What a party signs for a close.
    function closeHash(Close calldata close) external view returns (bytes32);

    /// @notice Whether all of `better`, as many as the order has seats, arrive before the account, so that it has no seat.
    /// @param better in ascending order
    /// @dev Reverts with SeedUnknown, BadCommittee.
    function isOutrun(TaskOrder calldata order, uint32 account, uint32[] calldata better) external view returns (bool);

    /// @notice What evidence proves, whatever happened to its sequence. Depends on nothing that can change: contract
    /// accounts' signatures do not count here.
    /// @dev Reverts with the errors of `settle` that concern the evidence itself.
    function check(Evidence calldata evidence) external view returns (Outcome memory);
}
