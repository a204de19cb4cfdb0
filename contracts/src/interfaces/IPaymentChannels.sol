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

    /// @notice An address argument is the zero address.
    error ZeroAddress();
    /// @notice The amount is zero.
    error ZeroAmount();
    /// @notice The amount `amount` is beyond what the ledger can hold.
    /// @param amount wei that were to be paid in
    error AmountTooLarge(uint256 amount);
    /// @notice A share of `share` basis points is above the largest, `maximum`.
    /// @param share basis points
    /// @param maximum basis points
    error BadShare(uint256 share, uint256 maximum);
    /// @notice The value of `name` is outside its limits.
    /// @param name which delay
    error BadDelay(string name);
    /// @notice No voucher waits in the channel `channel`.
    /// @param channel id of the channel
    error NotPending(bytes32 channel);
    /// @notice The channel `channel` is open already.
    /// @param channel id of the channel
    error ChannelExists(bytes32 channel);
    /// @notice The channel `channel` is closing; it may be finished from `closesAt` on.
    /// @param channel id of the channel
    /// @param closesAt unix seconds at which it closes
    error ChannelClosing(bytes32 channel, uint256 closesAt);
    /// @notice The channel `channel` is not closing.
    /// @param channel id of the channel
    error ChannelNotClosing(bytes32 channel);
    /// @notice There is no channel `channel` on this deployment.
    /// @param channel id of the channel
    error UnknownChannel(bytes32 channel);
    /// @notice `caller` is not the party of the channel `channel` that may do this.
    /// @param channel id of the channel
    /// @param caller who called
    error NotParty(bytes32 channel, address caller);
    /// @notice The message names `actual`, but `expected` is meant.
    /// @param expected channel of the terms
    /// @param actual channel that the message names
    error WrongChannel(bytes32 expected, bytes32 actual);
    /// @notice This is possible from `readyAt` on.
    /// @param readyAt unix seconds from which it is possible
    error TooEarly(uint256 readyAt);
    /// @notice The total of `total` is below the `least` that wait already.
    /// @param total wei promised in all
    /// @param least wei that it must promise at least
    error VoucherTooLow(uint256 total, uint256 least);
    /// @notice Sequences up to `covered` are more than can be passed at once; the limit is `most`.
    /// @param covered sequences that the voucher covers
    /// @param most highest sequence that it may cover
    error CoversTooMuch(uint256 covered, uint256 most);
    /// @notice The message `order` was not signed by the party that it binds.
    /// @param order hash of the order, or the order itself
    error BadOrderSignature(bytes32 order);
    /// @notice The attestation of account `account` for the order `order` is not valid.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error BadSeatSignature(bytes32 order, uint32 account);
    /// @notice The seats given for the order `order` cannot be a committee.
    /// @param order hash of the order, or the order itself
    error BadCommittee(bytes32 order);
    /// @notice The account `account` had no recorded weight for the order `order`.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NotEligible(bytes32 order, uint32 account);
    /// @notice The attestations for the order `order` do not reach the verdict rule.
    /// @param order hash of the order, or the order itself
    error NoVerdict(bytes32 order);
    /// @notice Orders under the policy `policy` cannot be settled by digest.
    /// @param policy how results are compared
    error PolicyNotSettled(Policy policy);
    /// @notice The order `order` could be settled until `closedAt`.
    /// @param order hash of the order, or the order itself
    /// @param closedAt unix seconds at which it closed
    error OrderExpired(bytes32 order, uint256 closedAt);
    /// @notice The order's epoch `epoch` is too old; the oldest that settles is `oldest`.
    /// @param epoch number of the epoch
    /// @param oldest the oldest that still counts
    error OrderTooOld(uint256 epoch, uint256 oldest);
    /// @notice The order's epoch `epoch` has not begun; now is `current`.
    /// @param epoch number of the epoch
    /// @param current what holds now
    error EpochAhead(uint256 epoch, uint256 current);
    /// @notice The channel was opened in epoch `openedIn`, so the seed of epoch `epoch` is not younger.
    /// @param epoch number of the epoch
    /// @param openedIn epoch in which the channel was opened
    error ChannelTooYoung(uint256 epoch, uint256 openedIn);
    /// @notice The seed of epoch `epoch` is not known yet.
    /// @param epoch number of the epoch
    error SeedUnknown(uint256 epoch);
    /// @notice The sequence `sequence` of the channel `channel` is settled already.
    /// @param channel id of the channel
    /// @param sequence number of the order in its channel
    error AlreadySettled(bytes32 channel, uint32 sequence);
    /// @notice The sequence `sequence` is too far ahead; the limit is `limit`.
    /// @param sequence number of the order in its channel
    /// @param limit first sequence that is too far
    error SequenceTooFar(uint32 sequence, uint256 limit);
    /// @notice The channel `channel` holds `available`, but `needed` are needed.
    /// @param channel id of the channel
    /// @param needed wei
    /// @param available wei in the channel
    error InsufficientDeposit(bytes32 channel, uint256 needed, uint256 available);
    /// @notice The sequence `sequence` of the channel `channel` was not opened again.
    /// @param channel id of the channel
    /// @param sequence number of the order in its channel
    error NotOpenAgain(bytes32 channel, uint32 sequence);
    /// @notice The accounts given do not all arrive before account `account` in the draw of `order`.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error SeatNotFalse(bytes32 order, uint32 account);
    /// @notice The two attestations do not contradict each other.
    error NotContradicting();
    /// @notice The account `account` was punished for the order `order` already.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error AlreadyProvenFault(bytes32 order, uint32 account);
    /// @notice Only the Settlement contract may call this.
    error OnlySettlement();
    /// @notice The debits are not sorted: `channel` stands too late.
    /// @param channel id of the channel
    error ChannelsUnsorted(bytes32 channel);
    /// @notice The channel `channel` stands at sequence `actual`, not at `expected`.
    /// @param channel id of the channel
    /// @param expected the channel's floor
    /// @param actual the floor that the batch names
    error WrongFloor(bytes32 channel, uint32 expected, uint32 actual);

    /// @notice A channel was opened.
    /// @param channel id of the channel
    /// @param requester who pays
    /// @param coordinator whom the channel is opened to
    /// @param openedIn epoch in which the channel was opened
    /// @param coordinatorShare basis points of each order's price for the coordinator
    /// @param protocolShare basis points of each order's price for the protocol
    /// @param salt the caller's choice
    /// @param deposit wei paid in
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
    /// @notice A deposit grew.
    /// @param channel id of the channel
    /// @param amount wei
    /// @param deposited wei paid in since the opening
    event ToppedUp(bytes32 indexed channel, uint256 amount, uint256 deposited);
    /// @param seatFee wei to each seat that attested the result; the shares of the rest follow from the price
    /// @param channel id of the channel
    /// @param sequence number of the order in its channel
    /// @param order hash of the order, or the order itself
    /// @param result digest of the result
    /// @param debit wei
    event OrderSettled(
        bytes32 indexed channel,
        uint32 indexed sequence,
        bytes32 indexed order,
        bytes32 result,
        uint256 debit,
        uint256 seatFee
    );
    /// @notice A voucher was announced.
    /// @param channel id of the channel
    /// @param total wei promised in all
    /// @param covered sequences that the voucher covers
    /// @param dueAt unix seconds from which it is due
    event VoucherPresented(bytes32 indexed channel, uint256 total, uint32 covered, uint256 dueAt);
    /// @notice A voucher was paid, less what was settled since it was announced.
    /// @param channel id of the channel
    /// @param paid wei
    /// @param covered sequences that the voucher covers
    event VoucherRedeemed(bytes32 indexed channel, uint256 paid, uint32 covered);
    /// @notice Coordinator and protocol were credited their shares.
    /// @param channel id of the channel
    /// @param coordinatorFee wei for the coordinator
    /// @param protocolFee wei for the protocol
    event Collected(bytes32 indexed channel, uint256 coordinatorFee, uint256 protocolFee);
    /// @notice A channel is closing; what was signed can be settled until then.
    /// @param channel id of the channel
    /// @param closesAt unix seconds at which it closes
    event ClosingStarted(bytes32 indexed channel, uint256 closesAt);
    /// @notice A channel was closed.
    /// @param channel id of the channel
    /// @param refund wei for the requester
    event ChannelClosed(bytes32 indexed channel, uint256 refund);
    /// @notice An account attested without a seat.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param reporter who proved it; zero for nobody
    event FalseSeatProven(bytes32 indexed order, uint32 indexed account, address indexed reporter);
    /// @notice An account signed two results for one thing.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param reporter who proved it; zero for nobody
    event ContradictionProven(bytes32 indexed order, uint32 indexed account, address indexed reporter);
    /// @notice New channels give the protocol another share.
    /// @param protocolShare basis points of each order's price for the protocol
    event ProtocolShareChanged(uint256 protocolShare);
    /// @notice A batch took its debit from a channel.
    /// @param channel id of the channel
    /// @param batch id of the batch: hash of its header
    /// @param amount wei
    /// @param from the floor before it
    /// @param to the floor after it
    event Debited(bytes32 indexed channel, bytes32 indexed batch, uint256 amount, uint32 from, uint32 to);
    /// @notice A batch's debit came back.
    /// @param channel id of the channel
    /// @param batch id of the batch: hash of its header
    /// @param amount wei
    event Restored(bytes32 indexed channel, bytes32 indexed batch, uint256 amount);
    /// @notice Orders that a batch passed may be settled one by one.
    /// @param channel id of the channel
    /// @param from first sequence of the range
    /// @param to first sequence after the range
    /// @param until unix seconds at which it ends
    event Reopened(bytes32 indexed channel, uint32 from, uint32 to, uint256 until);

    // ---- requesters ----

    /// @notice Open a channel to a coordinator with a deposit.
    /// @param coordinatorShare basis points of each order's price, at most 5,000 together with the protocol's share
    /// @param salt the caller's choice; the same one opens no second channel to the same coordinator in one epoch
    /// @dev Reverts with ZeroAddress, ZeroAmount, BadShare, ChannelExists, or while new channels are paused.
    /// @param coordinator whom the channel is opened to
    /// @return channel id of the channel
    function open(address coordinator, uint16 coordinatorShare, bytes32 salt) external payable returns (bytes32 channel);

    /// @notice Add to a deposit; anyone.
    /// @dev Reverts with UnknownChannel, ChannelClosing, ZeroAmount, or while new deposits are paused.
    /// @param terms the terms that hold
    function topUp(ChannelTerms calldata terms) external payable;

    /// @notice Start to close a channel against the coordinator's will or in its absence. Until the delay is over
    /// everything that was signed can still be settled.
    /// @dev Reverts with UnknownChannel, NotParty unless called by the requester, ChannelClosing.
    /// @param terms the terms that hold
    function startClose(ChannelTerms calldata terms) external;

    /// @notice Close with the other party's consent after the short delay, in which seats can still settle what they
    /// attested. By requester or coordinator, each with the other's signature; the caller's call is its own.
    /// @dev Reverts with UnknownChannel, NotParty, WrongChannel, BadOrderSignature, VoucherTooLow, CoversTooMuch.
    /// @param terms the terms that hold
    /// @param close what both parties agree on
    /// @param signature ECDSA signature, or one for ERC-1271
    function closeTogether(ChannelTerms calldata terms, Close calldata close, bytes calldata signature) external;

    /// @notice Pay what a closed channel still owes, and give the requester the rest; anyone, after the delay.
    /// @dev Reverts with ChannelNotClosing, TooEarly.
    /// @param terms the terms that hold
    /// @return refund wei credited to the requester
    function finishClose(ChannelTerms calldata terms) external returns (uint256 refund);

    // ---- coordinators ----

    /// @notice Announce a requester's voucher. It pays after a delay, in which a seat that was not paid yet may still
    /// settle its order out of what the voucher promises. By the channel's coordinator.
    /// @dev Reverts with NotParty, WrongChannel, BadOrderSignature, VoucherTooLow, CoversTooMuch, TooEarly once the
    /// delay of a close is over.
    /// @param terms the terms that hold
    /// @param voucher what the requester promises
    /// @param signature ECDSA signature, or one for ERC-1271
    function presentVoucher(ChannelTerms calldata terms, Voucher calldata voucher, bytes calldata signature) external;

    /// @notice Pay a voucher that was announced, less what was settled since; anyone, after the delay.
    /// @dev Reverts with NotPending, TooEarly.
    /// @param terms the terms that hold
    /// @return paid wei taken from the deposit
    function redeemVoucher(ChannelTerms calldata terms) external returns (uint256 paid);

    /// @notice Credit the coordinator and the protocol with their shares of the orders settled so far; anyone.
    /// @param terms the terms that hold
    function collect(ChannelTerms calldata terms) external;

    // ---- anyone ----

    /// @notice Settle one order with everything that proves it but the draw: whoever attested without a seat answers for
    /// that to `proveFalseSeat`. Whoever holds it may bring it: coordinator, a seat, or
    /// the requester.
    /// @return debit wei taken from the deposit
    /// @dev Reverts with one of the errors from BadOrderSignature to InsufficientDeposit, or FeeTooLow.
    /// @param evidence order, result and signatures of the seats
    function settle(Evidence calldata evidence) external returns (uint256 debit);

    /// @notice Settle an order whose sequence was opened again, because its batch is void or does not hold it.
    /// @param to end of the range that was opened again
    /// @dev As `settle`, and NotOpenAgain.
    /// @param evidence order, result and signatures that prove it
    /// @return debit wei taken from the deposit
    function settleReopened(Evidence calldata evidence, uint32 to) external returns (uint256 debit);

    /// @notice Prove that an account attested an order in whose committee it had no seat: as many eligible accounts as
    /// the committee has seats arrive before it. 10 % of its stake, a tenth of that to the caller.
    /// @param better in ascending order
    /// @dev Reverts with WrongChannel, SeedUnknown, BadSeatSignature, BadCommittee, SeatNotFalse, AlreadyProven.
    /// @param order hash of the order, or the order itself
    /// @param attestation what the account signed
    /// @param signature ECDSA signature, or one for ERC-1271
    function proveFalseSeat(
        TaskOrder calldata order,
        Attestation calldata attestation,
        bytes calldata signature,
        uint32[] calldata better
    ) external;

    /// @notice Prove that an account attested two results for one order: all its stake, a tenth of it to the caller.
    /// @dev Reverts with NotContradicting, BadSeatSignature, AlreadyProven.
    /// @param a one of the two statements
    /// @param signatureA signature of `a`
    /// @param b the other
    /// @param signatureB signature of `b`
    function reportContradiction(
        Attestation calldata a,
        bytes calldata signatureA,
        Attestation calldata b,
        bytes calldata signatureB
    ) external;

    // ---- Settlement only; all revert with OnlySettlement ----

    /// @notice Take a batch's debits from the channels of one coordinator.
    /// @dev Reverts with WrongFloor, CoversTooMuch, InsufficientDeposit, ChannelsUnsorted.
    /// @param batch id of the batch: hash of its header
    /// @param coordinator coordinator of every channel in it
    /// @param debits debits in ascending order of their channels
    function debit(bytes32 batch, address coordinator, ChannelDebit[] calldata debits) external;
    /// @notice Give a debit back, as far as it is void.
    /// @param batch id of the batch: hash of its header
    /// @param channel id of the channel
    /// @param amount wei
    function restore(bytes32 batch, bytes32 channel, uint88 amount) external;
    /// @notice Let sequences that a batch passed be settled one by one, for the short delay from now; not those that were
    /// settled before it. A close or a voucher that is under way waits as long.
    /// @param floor the channel's floor before that batch
    /// @param postedAt time of that batch; an order must have been fit to settle then
    /// @param channel id of the channel
    /// @param from first sequence of the range
    /// @param to first sequence after the range
    function reopen(bytes32 channel, uint32 floor, uint32 from, uint32 to, uint40 postedAt) external;
    /// @notice Pass on what a final batch owes to an account.
    /// @param batch id of the batch: hash of its header
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param amount wei
    function paySeat(bytes32 batch, uint32 account, uint96 amount) external;
    /// @notice Pass on what a final batch owes to an address and to the protocol.
    /// @param batch id of the batch: hash of its header
    /// @param to who is paid
    /// @param amount wei
    /// @param protocolFee wei for the protocol
    function payOut(bytes32 batch, address to, uint256 amount, uint256 protocolFee) external;

    // ---- governance ----

    /// @notice Basis points for the protocol in channels opened from now on.
    /// @param share basis points of each order's price for the protocol
    function setProtocolShare(uint16 share) external;
    /// @notice Stop new channels and deposits. Settlement, closing and withdrawal go on.
    function pause() external;
    /// @notice Allow new channels and deposits again.
    function unpause() external;

    // ---- views ----

    /// @notice Basis points that every channel pays the protocol at least: the lowest share that ever held for new ones.
    function leastProtocolShare() external view returns (uint16);
    /// @notice Seconds in which an order may be settled after its deadline, and in which a voucher or a close by consent
    /// waits for orders that it would cover.
    function settleWindow() external view returns (uint256);
    /// @notice Epochs in which an order may be settled, its own included.
    function orderEpochs() external view returns (uint256);
    /// @notice Where a channel stands; all zero for an unknown one.
    /// @param channel id of the channel
    function channels(bytes32 channel) external view returns (ChannelView memory);
    /// @notice Whether a sequence was settled by itself before a batch passed it.
    /// @param floor the channel's floor before that batch; at most `sequence`
    /// @param channel id of the channel
    /// @param sequence number of the order in its channel
    function settledBefore(bytes32 channel, uint32 floor, uint32 sequence) external view returns (bool);
    /// @notice The id of the channel with these terms.
    /// @param terms the terms that hold
    function channelId(ChannelTerms calldata terms) external view returns (bytes32);
    /// @notice What the requester signs for an order.
    /// @param order hash of the order, or the order itself
    function orderHash(TaskOrder calldata order) external view returns (bytes32);
    /// @notice What a node key signs for an attestation.
    /// @param attestation what the account signed
    function attestationHash(Attestation calldata attestation) external view returns (bytes32);
    /// @notice What the requester signs for a voucher.
    /// @param voucher what the requester promises
    function voucherHash(Voucher calldata voucher) external view returns (bytes32);
    /// @notice What a party signs for a close.
    /// @param close what both parties agree on
    function closeHash(Close calldata close) external view returns (bytes32);

    /// @notice Whether all of `better`, as many as the order has seats, arrive before the account, so that it has no seat.
    /// @param better in ascending order
    /// @dev Reverts with SeedUnknown, BadCommittee.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    function isOutrun(TaskOrder calldata order, uint32 account, uint32[] calldata better) external view returns (bool);

    /// @notice What evidence proves, whatever happened to its sequence. Depends on nothing that can change: contract
    /// accounts' signatures do not count here.
    /// @dev Reverts with the errors of `settle` that concern the evidence itself.
    /// @param evidence order, result and signatures that prove it
    function check(Evidence calldata evidence) external view returns (Outcome memory);
}
