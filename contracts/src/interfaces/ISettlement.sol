// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Evidence, Outcome} from "./ChannelTypes.sol";
import {IPaymentChannels} from "./IPaymentChannels.sol";
import {LedgerProof, TaskProof} from "../libraries/BatchLeaves.sol";

/// @title Batches of settled orders
/// @notice A coordinator posts two roots, of task leaves and of ledger leaves, and takes the debits from its channels at
/// once into the batch's pot. For a challenge window anybody may show by leaves that something is wrong: a wrong leaf is
/// struck, a wrong structure voids the batch. Then the ledger's last leaf of each party is its claim. Amounts in wei,
/// times in unix seconds.
interface ISettlement {
    /// @notice All that is known of a batch; its hash is the batch's id, so callers supply it again.
    /// @param epoch beacon's epoch in which it was posted
    /// @param postedAt time of posting
    /// @param data digest of the CID under which leaves and evidence lie
    /// @param debits hash of the list of debits
    /// @param pot sum of the debits
    struct Header {
        address coordinator;
        uint32 epoch;
        uint40 postedAt;
        uint32 tasks;
        uint32 entries;
        uint96 pot;
        bytes32 taskRoot;
        bytes32 ledgerRoot;
        bytes32 data;
        bytes32 debits;
    }

    enum Status {
        None,
        Posted,
        Void
    }

    /// @param pot wei not yet claimed or given back
    /// @param finalAt from when its claims are paid, unless demands are open
    /// @param demands open ones
    struct Batch {
        uint96 pot;
        uint40 finalAt;
        uint32 demands;
        Status status;
    }

    error ZeroAddress();
    error BadParameter(string name);
    error BondTooLow(uint256 bond, uint256 required);
    error BondLocked(uint256 until);
    error TransferFailed(address to, uint256 amount);
    error NothingToWithdraw(address account);
    error TooManyDebits(uint256 count, uint256 most);
    error EmptyBatch();
    error BatchExists(bytes32 batch);
    error AttestersTooFew(uint256 signers, uint256 weight);
    error UnknownBatch(bytes32 batch);
    error BatchVoid(bytes32 batch);
    error BatchNotVoid(bytes32 batch);
    error BatchFinal(bytes32 batch, uint256 finalAt);
    error BatchNotFinal(bytes32 batch, uint256 finalAt, uint256 demands);
    error NotInBatch(bytes32 batch);
    error NoFault(bytes32 batch);
    error WrongData(bytes32 batch);
    error AlreadyStruck(bytes32 batch, uint256 index);
    error AlreadyClaimed(bytes32 batch, uint256 party);
    error NotLastEntry(bytes32 batch, uint256 index);
    error BatchEmpty(bytes32 batch, uint256 amount, uint256 pot);
    error AlreadyRestored(bytes32 batch, bytes32 channel);
    error WrongBond(uint256 sent, uint256 required);
    error DemandOpen(bytes32 batch, uint256 index);
    error NoDemand(bytes32 batch, uint256 index);
    error DemandNotDue(uint256 dueAt);
    error DemandOverdue(uint256 dueAt);
    error StruckTooMuch(bytes32 batch, bytes32 channel);
    error NotEnoughGas();

    event BondChanged(address indexed coordinator, uint256 bond);
    event BatchPosted(bytes32 indexed batch, address indexed coordinator, Header header);
    event LeafStruck(bytes32 indexed batch, uint256 index, bytes32 indexed channel, uint256 debit, address challenger);
    event BatchVoided(bytes32 indexed batch, address challenger);
    event Penalty(address indexed coordinator, address indexed challenger, uint256 reward, uint256 rest);
    event DataDemanded(bytes32 indexed batch, bool ledger, uint256 index, address indexed by, uint256 dueAt);
    event DataAnswered(bytes32 indexed batch, bool ledger, uint256 index);
    event DebitRestored(bytes32 indexed batch, bytes32 indexed channel, uint256 amount);
    event BatchClaimed(bytes32 indexed batch, uint256 indexed party, uint256 amount);
    event Withdrawn(address indexed account, uint256 amount);

    // ---- coordinators ----

    /// @notice Add to the caller's bond.
    function depositBond() external payable;
    /// @notice Take bond back once the last batch is final.
    /// @dev Reverts with BondLocked, BondTooLow.
    function withdrawBond(uint256 amount) external;

    /// @notice Post a batch; by a coordinator with a bond. `header` needs only tasks, entries, the two roots and data.
    /// @param debits by ascending channel
    /// @param evidence of the attesters, as the verifier wants it
    /// @dev Reverts with BondTooLow, EmptyBatch, TooManyDebits, AttestersTooFew, BatchExists, and the errors of
    /// PaymentChannels.debit.
    function post(Header memory header, IPaymentChannels.ChannelDebit[] calldata debits, bytes calldata evidence)
        external
        returns (bytes32 batch);

    // ---- anyone: challenges, while the window is open. All revert with UnknownBatch, BatchVoid, BatchFinal, NotInBatch,
    // and NoFault where there is none: a false challenge costs its gas. ----

    /// @notice Void: two neighbouring task leaves, or one given twice, break the rules of the tree.
    function challengeTasks(Header calldata header, TaskProof calldata a, TaskProof calldata b) external;

    /// @notice Void: the same for ledger leaves, wrong totals among them.
    function challengeLedger(Header calldata header, LedgerProof calldata a, LedgerProof calldata b) external;

    /// @notice Void: a ledger leaf gives a party another amount than its task's outcome does.
    function challengeEntry(
        Header calldata header,
        LedgerProof calldata entry,
        TaskProof calldata leaf,
        Outcome calldata outcome
    ) external;

    /// @notice Void: the ledger gives a party nothing for a task whose outcome does. `a` and `b` are the neighbours.
    function challengeMissingEntry(
        Header calldata header,
        TaskProof calldata leaf,
        Outcome calldata outcome,
        uint256 party,
        LedgerProof calldata a,
        LedgerProof calldata b
    ) external;

    /// @notice Void: a task leaf does not fit the debit of its channel: another total, a sequence outside its range or
    /// too far ahead, or no debit at all.
    function challengeDebit(
        Header calldata header,
        IPaymentChannels.ChannelDebit[] calldata debits,
        TaskProof calldata leaf
    ) external;

    /// @notice Void: a channel was debited for which there is no leaf. `a` and `b` are the neighbours of where one would be.
    function challengeEmptyDebit(
        Header calldata header,
        IPaymentChannels.ChannelDebit[] calldata debits,
        uint256 position,
        TaskProof calldata a,
        TaskProof calldata b
    ) external;

    /// @notice Strike a leaf whose evidence does not prove its outcome: a forged or missing signature, a committee that
    /// cannot be, no verdict, an overcharge, another order, or an order out of time.
    function strikeEvidence(
        Header calldata header,
        TaskProof calldata leaf,
        Evidence calldata evidence,
        Outcome calldata outcome,
        IPaymentChannels.ChannelDebit[] calldata debits
    ) external;

    /// @notice Strike a leaf in whose committee an account was not drawn.
    /// @param seat place of that account among the seats
    /// @param better as many accounts as seats, all of which arrive before it
    function strikeCommittee(
        Header calldata header,
        TaskProof calldata leaf,
        Evidence calldata evidence,
        Outcome calldata outcome,
        IPaymentChannels.ChannelDebit[] calldata debits,
        uint256 seat,
        uint32[] calldata better
    ) external;

    /// @notice Strike a leaf whose sequence was settled by itself before the batch. All strikes revert with StruckTooMuch where
    /// leaves say more of a channel than was taken from it: then the batch is to be voided by challengeDebit.
    function strikeDuplicate(
        Header calldata header,
        TaskProof calldata leaf,
        Outcome calldata outcome,
        IPaymentChannels.ChannelDebit[] calldata debits
    ) external;

    /// @notice Demand that the leaf at a place be shown on chain, with a bond that pays for the answer.
    /// @param ledger whether a ledger leaf is meant
    /// @dev Reverts with WrongBond, DemandOpen, NotInBatch.
    function demand(Header calldata header, bool ledger, uint32 index) external payable;
    /// @notice Show a task leaf with its evidence and outcome; anyone, in time.
    /// @dev Reverts with NoDemand, DemandOverdue, WrongData.
    function answerTask(
        Header calldata header,
        TaskProof calldata leaf,
        Evidence calldata evidence,
        Outcome calldata outcome
    ) external;
    /// @notice Show a ledger leaf; anyone, in time.
    /// @dev Reverts with NoDemand, DemandOverdue.
    function answerLedger(Header calldata header, LedgerProof calldata entry) external;
    /// @notice Void a batch that did not answer a demand.
    /// @dev Reverts with NoDemand, DemandNotDue.
    function voidUnanswered(Header calldata header, bool ledger, uint32 index) external;

    // ---- anyone: afterwards ----

    /// @notice Return the bond of a demand that a void batch need not answer any more.
    /// @dev Reverts with BatchNotVoid, NoDemand.
    function returnDemand(Header calldata header, bool ledger, uint32 index) external;

    /// @notice Give a channel its debit in a void batch back, and open its sequences again.
    /// @dev Reverts with BatchNotVoid, WrongData, AlreadyRestored.
    function restore(Header calldata header, IPaymentChannels.ChannelDebit[] calldata debits, uint256 position) external;

    /// @notice Open a sequence again that a batch passed and does not hold, so that whoever has its evidence can settle
    /// it. `a` and `b` are the neighbours of where it would be.
    /// @dev Reverts with NotInBatch, NoFault, WrongData.
    function reopenOmitted(
        Header calldata header,
        IPaymentChannels.ChannelDebit[] calldata debits,
        uint256 position,
        uint32 sequence,
        TaskProof calldata a,
        TaskProof calldata b
    ) external;

    /// @notice Pay a party of a final batch, less what was struck.
    /// @param entry the party's last leaf
    /// @dev Reverts with BatchVoid, BatchNotFinal, NotInBatch, NotLastEntry, AlreadyClaimed.
    function claim(Header calldata header, LedgerProof calldata entry) external;

    /// @notice Pay the caller's rewards and returned bonds.
    function withdraw() external returns (uint256 amount);

    // ---- views ----

    /// @notice Where a batch stands; all zero for an unknown one.
    function batches(bytes32 batch) external view returns (Batch memory);
    /// @notice A coordinator's bond in wei, and until when it is locked.
    function bonds(address coordinator) external view returns (uint96 amount, uint40 lockedUntil);
    /// @notice Wei that an account may withdraw: rewards, returned bonds, bonds of answered demands.
    function withdrawable(address account) external view returns (uint256);
    /// @notice The id of a batch.
    function batchId(Header memory header) external view returns (bytes32);
    /// @notice What attesters sign: everything but place and time.
    function attestedDigest(Header memory header) external view returns (bytes32);
}
