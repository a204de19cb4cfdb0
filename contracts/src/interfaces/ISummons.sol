// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Attestation, ChannelTerms, Evidence, TaskOrder} from "./ChannelTypes.sol";
import {Policy} from "./Types.sol";

/// @title Orders that nobody answered, asked for again on chain
/// @notice A party of a channel shows an order, its input and the seats that the order's seed draws. Each of those seats
/// commits and then opens here, as members do off chain; one that does not is punished as absent, or as one that did not
/// open. What they open is evidence for PaymentChannels.settle like any other. Amounts in wei, times in unix seconds.
interface ISummons {
    /// @notice Where a summons stands.
    enum Status {
        None, // never, or taken back because a seat was not drawn
        Open,
        Ended
    }

    /// @notice What governance chooses. A summons keeps what it was posted under.
    /// @param commitWindow seconds to run the model and commit, and to settle in the end
    /// @param revealWindow seconds to open
    /// @param mostOpen summonses that an account may have open at once
    /// @param deposit wei that come back unless a seat was not drawn
    /// @param leastFee wei a seat for answering, where gas costs less
    struct Limits {
        uint32 commitWindow;
        uint32 revealWindow;
        uint16 mostOpen;
        uint88 deposit;
        uint88 leastFee;
    }

    /// @param summoner who posted it, and gets back what is left
    /// @param fee wei to each seat that answers
    /// @param commitUntil last second to commit
    /// @param revealUntil last second to open; earlier than planned if all committed early
    /// @param committed bit i: seat i committed
    /// @param opened bit i: seat i opened its commitment
    /// @param model index of the model in the registry
    /// @param status where it stands
    /// @param deposit wei of the bond that come back
    /// @param seats accounts summoned, ascending
    struct Summoned {
        address summoner;
        uint96 fee;
        uint40 commitUntil;
        uint40 revealUntil;
        uint16 committed;
        uint16 opened;
        uint32 model;
        Status status;
        uint88 deposit;
        uint32[] seats;
    }

    /// @notice An address argument is the zero address.
    error ZeroAddress();
    /// @notice The value for `name` is not allowed.
    /// @param name which value
    error BadParameter(string name);
    /// @notice The order `order` was summoned before.
    /// @param order hash of the order, or the order itself
    error AlreadySummoned(bytes32 order);
    /// @notice No summons of the order `order` is open.
    /// @param order hash of the order, or the order itself
    error NotSummoned(bytes32 order);
    /// @notice `caller` is not a party of the channel `channel`.
    /// @param channel id of the channel
    /// @param caller who called
    error NotParty(bytes32 channel, address caller);
    /// @notice The message names `actual`, but `expected` is meant.
    /// @param expected channel of the terms
    /// @param actual channel that the order names
    error WrongChannel(bytes32 expected, bytes32 actual);
    /// @notice The order `order` is not signed by a key of its requester.
    /// @param order hash of the order, or the order itself
    error BadOrderSignature(bytes32 order);
    /// @notice Seats of the model `modelId` cannot be summoned: it takes no tasks, or its results are not compared by
    /// digest.
    /// @param modelId id of the model
    error ModelNotSummoned(bytes32 modelId);
    /// @notice Orders under the policy `policy` cannot be settled by digest.
    /// @param policy how results are compared
    error PolicyNotSettled(Policy policy);
    /// @notice The content hashes to `given`, but `expected` is on record.
    /// @param expected what was to be given
    /// @param given what was given
    error ContentMismatch(bytes32 expected, bytes32 given);
    /// @notice The seed of epoch `epoch` is not known yet.
    /// @param epoch number of the epoch
    error SeedUnknown(uint256 epoch);
    /// @notice The channel was opened in epoch `openedIn`, so the seed of epoch `epoch` is not younger.
    /// @param epoch number of the epoch
    /// @param openedIn epoch in which the channel was opened
    error ChannelTooYoung(uint256 epoch, uint256 openedIn);
    /// @notice The order `order` settles until `latest`, but its seats would have time until `needed`.
    /// @param order hash of the order, or the order itself
    /// @param latest unix seconds until which it settles
    /// @param needed unix seconds at which the last settlement must be possible
    error TooLateToSummon(bytes32 order, uint256 latest, uint256 needed);
    /// @notice The sequence `sequence` of the channel `channel` is settled already, or covered by a voucher that waits.
    /// @param channel id of the channel
    /// @param sequence number of the order in its channel
    error AlreadySettled(bytes32 channel, uint32 sequence);
    /// @notice The sequence `sequence` is too far ahead; the limit is `limit`.
    /// @param sequence number of the order in its channel
    /// @param limit first sequence that is too far
    error SequenceTooFar(uint32 sequence, uint256 limit);
    /// @notice The channel `channel` is closing; it may be finished from `closesAt` on.
    /// @param channel id of the channel
    /// @param closesAt unix seconds at which it closes
    error ChannelClosing(bytes32 channel, uint256 closesAt);
    /// @notice The channel `channel` holds `available` that no voucher claims, but `needed` are needed.
    /// @param channel id of the channel
    /// @param needed wei
    /// @param available wei in the channel
    error InsufficientDeposit(bytes32 channel, uint256 needed, uint256 available);
    /// @notice A seat would earn `seatFee` by the order, less than the `least` of the direct lane.
    /// @param seatFee wei a seat
    /// @param least wei a seat
    error SeatFeeTooLow(uint256 seatFee, uint256 least);
    /// @notice The seats given for the order `order` cannot be a committee.
    /// @param order hash of the order, or the order itself
    error BadCommittee(bytes32 order);
    /// @notice The account `account` had no recorded weight for the order `order`.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NotEligible(bytes32 order, uint32 account);
    /// @notice The account `account` has `open` summonses open, as many as it may.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param open summonses that are open
    error SeatFull(uint32 account, uint256 open);
    /// @notice The bond of `bond` is below the `required` that this takes.
    /// @param bond wei
    /// @param required wei
    error BondTooLow(uint256 bond, uint256 required);
    /// @notice The account `account` is not summoned for the order `order`.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NoSeat(bytes32 order, uint32 account);
    /// @notice `caller` is no node key that may act for the account `account`.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param caller who called
    error NotOperator(uint32 account, address caller);
    /// @notice The account `account` did this for the order `order` already.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error AlreadyAnswered(bytes32 order, uint32 account);
    /// @notice The account `account` has no commitment to open for the order `order`.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NothingToOpen(bytes32 order, uint32 account);
    /// @notice The seats that committed are too few for a verdict on the order `order`.
    /// @param order hash of the order, or the order itself
    error NoVerdict(bytes32 order);
    /// @notice The attestation of account `account` for the order `order` is not signed by a key of its operator.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error BadSeatSignature(bytes32 order, uint32 account);
    /// @notice This was possible until `until`.
    /// @param until unix seconds at which it ends
    error TooLate(uint256 until);
    /// @notice This is possible from `readyAt` on.
    /// @param readyAt unix seconds from which it is possible
    error TooEarly(uint256 readyAt);
    /// @notice The accounts given do not all arrive before account `account` in the draw of `order`.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error SeatNotFalse(bytes32 order, uint32 account);
    /// @notice Nothing waits for `account`.
    /// @param account who asked
    error NothingToWithdraw(address account);
    /// @notice Sending `amount` to `to` failed.
    /// @param to who is paid
    /// @param amount wei
    error TransferFailed(address to, uint256 amount);

    /// @notice Summonses to come are under other limits.
    /// @param limits windows, deposit and fee
    event LimitsChanged(Limits limits);
    /// @notice The order that a summons is about, as its seats need it. Comes before `SeatsSummoned`.
    /// @param order hash of the order, or the order itself
    /// @param terms of its channel
    /// @param ordered what the requester signed
    /// @param signature the requester's
    /// @param inputData 0x00 || payload
    event OrderShown(bytes32 indexed order, ChannelTerms terms, TaskOrder ordered, bytes signature, bytes inputData);
    /// @notice Seats are to answer.
    /// @param order hash of the order, or the order itself
    /// @param modelId id of the model
    /// @param summoner who posted it
    /// @param seats accounts summoned, ascending
    /// @param commitUntil last second to commit
    /// @param fee wei to each seat that answers
    event SeatsSummoned(
        bytes32 indexed order,
        bytes32 indexed modelId,
        address indexed summoner,
        uint32[] seats,
        uint256 commitUntil,
        uint256 fee
    );
    /// @notice A seat committed.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param word its commitment
    event SeatCommitted(bytes32 indexed order, uint32 indexed account, bytes32 word);
    /// @notice All seats have committed, so they may open at once.
    /// @param order hash of the order, or the order itself
    /// @param revealUntil last second to open
    event SetClosed(bytes32 indexed order, uint256 revealUntil);
    /// @notice A seat opened its commitment. With the order this is its part of the evidence.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param result digest
    /// @param salt of its commitment
    /// @param signature of its attestation
    /// @param output tagged result
    event SeatAnswered(
        bytes32 indexed order, uint32 indexed account, bytes32 result, bytes32 salt, bytes signature, bytes output
    );
    /// @notice A verdict and its result were shown, so the seats need not answer any more.
    /// @param order hash of the order, or the order itself
    /// @param result digest of the result
    /// @param output 0x00 || payload
    event AnswerShown(bytes32 indexed order, bytes32 result, bytes output);
    /// @notice A summoned account was not drawn, so the summons counts for nothing.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param reporter who proved it
    event SummonsRefuted(bytes32 indexed order, uint32 indexed account, address indexed reporter);
    /// @notice A summons ended.
    /// @param order hash of the order, or the order itself
    /// @param answered bit i: seat i did its part
    event SummonsEnded(bytes32 indexed order, uint256 answered);
    /// @notice The ledger did not take the punishment of a silent seat: this contract has lost its role.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    event SeatNotPunished(bytes32 indexed order, uint32 indexed account);
    /// @notice Wei became withdrawable.
    /// @param to who is paid
    /// @param order hash of the order, or the order itself
    /// @param amount wei
    event Owed(address indexed to, bytes32 indexed order, uint256 amount);
    /// @notice Wei were paid out.
    /// @param account whose they were
    /// @param amount wei
    event Withdrawn(address indexed account, uint256 amount);

    // ---- parties of a channel ----

    /// @notice Summon the seats of an order that was not answered. The requester or the coordinator, with the bond; what
    /// is sent beyond it can be withdrawn.
    /// @dev Refused, with an error each, is what a seat would refuse too: a model that takes no tasks, another policy than
    /// `Exact`, an input that is not here in full, an order whose seed is unknown or that cannot be settled
    /// when the seats are through, a sequence that is settled, too far or covered, a channel that cannot pay the price, a
    /// price that pays a seat less than the direct lane does, an account that had no weight or has its hands full.
    /// @param terms of the order's channel
    /// @param ordered what the requester signed
    /// @param signature the requester's, by a key
    /// @param inputData 0x00 || payload
    /// @param seats accounts that the order's seed draws, ascending
    /// @return order its hash
    function summon(
        ChannelTerms calldata terms,
        TaskOrder calldata ordered,
        bytes calldata signature,
        bytes calldata inputData,
        uint32[] calldata seats
    ) external payable returns (bytes32 order);

    // ---- seats ----

    /// @notice Commit to a result; by a node key of the account's operator. The set closes when all have, or with time.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param word keccak256(abi.encode(type hash, order, account, result, salt)), as off chain
    function commit(bytes32 order, uint32 account, bytes32 word) external;
    /// @notice Open a commitment once the set is closed; anyone who has the signature.
    /// @param attestation names the closed set of this summons
    /// @param signature by a node key of the account's operator
    /// @param output tagged result; its digest must be the one that was attested
    function open(Attestation calldata attestation, bytes calldata signature, bytes calldata output) external;

    // ---- anyone ----

    /// @notice End a summons whose answer exists: evidence of a verdict by the summoned seats, and the result in full.
    /// Pays one fee to the caller, its own to each seat that has committed, and the rest back.
    /// @param evidence as for PaymentChannels.settle, signed by keys
    /// @param output 0x00 || payload
    function show(Evidence calldata evidence, bytes calldata output) external;
    /// @notice Take a summons back of which a seat was not drawn. Nobody is punished; seats that committed get their fees,
    /// the caller all the rest. The order may be summoned again.
    /// @param ordered what the requester signed
    /// @param account that was not drawn
    /// @param better as many accounts as the committee has seats, ascending, all arriving before it
    function refute(TaskOrder calldata ordered, uint32 account, uint32[] calldata better) external;
    /// @notice End a summons when its time is over, or everybody is through: punish the silent, pay the others.
    /// @param order hash of the order, or the order itself
    function close(bytes32 order) external;
    /// @notice Pay somebody what it is owed; anyone may, so that an operator's node does it without the operator's key.
    /// @param account who is owed it, and gets it
    /// @return amount wei paid
    function withdraw(address account) external returns (uint256 amount);

    // ---- governance ----

    /// @notice Set windows, deposit and fee of summonses to come. Those that are open keep theirs.
    /// @param limits_ windows up to a day, and such that a summons and the settlement after it fit into the time in which an
    /// order settles
    function setLimits(Limits calldata limits_) external;

    // ---- views ----

    /// @notice A summons; empty if there is none.
    /// @param order hash of the order, or the order itself
    function summonses(bytes32 order) external view returns (Summoned memory);
    /// @notice Commitments of a summons by seat; zero for a seat that has none.
    /// @param order hash of the order, or the order itself
    function commitmentsOf(bytes32 order) external view returns (bytes32[] memory);
    /// @notice Summonses that an account has open.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    function openOf(uint32 account) external view returns (uint256);
    /// @notice Wei that `withdraw` would pay.
    /// @param account who would call
    function owed(address account) external view returns (uint256);
    /// @notice Wei that answering is worth to a seat now: what the gas of two transactions costs, at least `leastFee`.
    function answerFee() external view returns (uint256);
    /// @notice Wei that a summons of so many seats takes now: the deposit, a fee for each seat and one for `show`.
    /// @param seats seats of the committee
    function bondFor(uint256 seats) external view returns (uint256);
    /// @notice Windows, deposit and bounds of summonses to come.
    function limits() external view returns (Limits memory);
}
