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
    /// @param coordinator whom the channel is opened to
    /// @param tasks number of tasks
    /// @param entries number of leaves
    /// @param taskRoot root of the task tree
    /// @param ledgerRoot root of the ledger tree
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

    /// @notice Where a batch stands.
    enum Status {
        None,
        Posted,
        Void
    }

    /// @param pot wei not yet claimed or given back
    /// @param finalAt from when its claims are paid, unless demands are open
    /// @param demands open ones
    /// @param status where it stands
    /// @param rules number of the limits that it was posted under
    struct Batch {
        uint96 pot;
        uint40 finalAt;
        uint32 demands;
        Status status;
        uint16 rules;
    }

    /// @notice What it takes to run batches on a chain. A batch keeps those that it was posted under.
    /// @param challengeWindow seconds in which a batch may be challenged
    /// @param answerWindow seconds to answer a demand, and then again to challenge what it showed
    /// @param bond wei that a coordinator keeps to post, and loses by a void batch
    /// @param minSigners least number of attesters of a batch
    /// @param leafPenalty wei that a struck leaf costs
    /// @param demandBond wei that go with a demand
    /// @param minWeight least weight of a batch's attesters
    struct Limits {
        uint40 challengeWindow;
        uint40 answerWindow;
        uint96 bond;
        uint32 minSigners;
        uint96 leafPenalty;
        uint96 demandBond;
        uint64 minWeight;
    }

    /// @notice An address argument is the zero address.
    error ZeroAddress();
    /// @notice The value for `name` is not allowed.
    /// @param name which value
    error BadParameter(string name);
    /// @notice The bond of `bond` is below the `required` that this takes.
    /// @param bond wei
    /// @param required wei
    error BondTooLow(uint256 bond, uint256 required);
    /// @notice The bond is locked until `until`, when the last batch is final.
    /// @param until unix seconds at which it ends
    error BondLocked(uint256 until);
    /// @notice Sending `amount` to `to` failed.
    /// @param to who is paid
    /// @param amount wei
    error TransferFailed(address to, uint256 amount);
    /// @notice Nothing waits for `account`.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NothingToWithdraw(address account);
    /// @notice A batch of `count` channels is too large; the limit is `most`.
    /// @param count how many
    /// @param most the most that is allowed
    error TooManyDebits(uint256 count, uint256 most);
    /// @notice The batch is empty.
    error EmptyBatch();
    /// @notice The batch `batch` was posted already.
    /// @param batch id of the batch: hash of its header
    error BatchExists(bytes32 batch);
    /// @notice `signers` attesters with a weight of `weight` are not enough.
    /// @param signers who signed
    /// @param weight weight of the attesters that signed
    error AttestersTooFew(uint256 signers, uint256 weight);
    /// @notice There is no batch `batch` on this deployment.
    /// @param batch id of the batch: hash of its header
    error UnknownBatch(bytes32 batch);
    /// @notice The batch `batch` is void.
    /// @param batch id of the batch: hash of its header
    error BatchVoid(bytes32 batch);
    /// @notice The batch `batch` is not void.
    /// @param batch id of the batch: hash of its header
    error BatchNotVoid(bytes32 batch);
    /// @notice The batch `batch` could be challenged until `finalAt`.
    /// @param batch id of the batch: hash of its header
    /// @param finalAt unix seconds from which the batch is final
    error BatchFinal(bytes32 batch, uint256 finalAt);
    /// @notice The batch `batch` is final from `finalAt` on; `demands` demands are open.
    /// @param batch id of the batch: hash of its header
    /// @param finalAt unix seconds from which the batch is final
    /// @param demands open demands of data
    error BatchNotFinal(bytes32 batch, uint256 finalAt, uint256 demands);
    /// @notice That leaf is not in the batch `batch`.
    /// @param batch id of the batch: hash of its header
    error NotInBatch(bytes32 batch);
    /// @notice That shows no fault of the batch `batch`.
    /// @param batch id of the batch: hash of its header
    error NoFault(bytes32 batch);
    /// @notice The data given is not what the batch `batch` holds the hash of.
    /// @param batch id of the batch: hash of its header
    error WrongData(bytes32 batch);
    /// @notice The leaf `index` of the batch `batch` was struck already.
    /// @param batch id of the batch: hash of its header
    /// @param index number of the leaf, from 0
    error AlreadyStruck(bytes32 batch, uint256 index);
    /// @notice The party `party` was paid from the batch `batch` already.
    /// @param batch id of the batch: hash of its header
    /// @param party who is paid
    error AlreadyClaimed(bytes32 batch, uint256 party);
    /// @notice The leaf `index` is not the last of its party in the batch `batch`.
    /// @param batch id of the batch: hash of its header
    /// @param index number of the leaf, from 0
    error NotLastEntry(bytes32 batch, uint256 index);
    /// @notice The batch `batch` holds `pot`, less than the `amount` claimed.
    /// @param batch id of the batch: hash of its header
    /// @param amount wei that were to be paid
    /// @param pot wei left of the batch
    error BatchEmpty(bytes32 batch, uint256 amount, uint256 pot);
    /// @notice The channel `channel` got its debit in the batch `batch` back already.
    /// @param batch id of the batch: hash of its header
    /// @param channel id of the channel
    error AlreadyRestored(bytes32 batch, bytes32 channel);
    /// @notice The demand came with `sent` instead of `required`.
    /// @param sent wei sent
    /// @param required wei
    error WrongBond(uint256 sent, uint256 required);
    /// @notice The leaf `index` of the batch `batch` is demanded already.
    /// @param batch id of the batch: hash of its header
    /// @param index number of the leaf, from 0
    error DemandOpen(bytes32 batch, uint256 index);
    /// @notice No demand for the leaf `index` of the batch `batch` is open.
    /// @param batch id of the batch: hash of its header
    /// @param index number of the leaf, from 0
    error NoDemand(bytes32 batch, uint256 index);
    /// @notice The demand may be answered until `dueAt`.
    /// @param dueAt unix seconds from which it is due
    error DemandNotDue(uint256 dueAt);
    /// @notice The demand could be answered until `dueAt`.
    /// @param dueAt unix seconds from which it is due
    error DemandOverdue(uint256 dueAt);
    /// @notice The leaves of channel `channel` in the batch `batch` say more than was taken from it.
    /// @param batch id of the batch: hash of its header
    /// @param channel id of the channel
    error StruckTooMuch(bytes32 batch, bytes32 channel);
    /// @notice The call had too little gas to judge the evidence.
    error NotEnoughGas();

    /// @notice Batches posted from now on keep these limits.
    /// @param rules number of the limits, from 1
    /// @param limits windows and bonds
    event LimitsChanged(uint16 indexed rules, Limits limits);
    /// @notice A coordinator's bond changed.
    /// @param coordinator whom the channel is opened to
    /// @param bond wei
    event BondChanged(address indexed coordinator, uint256 bond);
    /// @notice A batch was posted.
    /// @param batch id of the batch: hash of its header
    /// @param coordinator whom the channel is opened to
    /// @param header the batch's header
    event BatchPosted(bytes32 indexed batch, address indexed coordinator, Header header);
    /// @notice A leaf was shown to be wrong and is not paid.
    /// @param batch id of the batch: hash of its header
    /// @param index number of the leaf, from 0
    /// @param channel id of the channel
    /// @param debit wei
    /// @param challenger who brought the challenge
    event LeafStruck(bytes32 indexed batch, uint256 index, bytes32 indexed channel, uint256 debit, address challenger);
    /// @notice A batch was shown to be wrong as a whole.
    /// @param batch id of the batch: hash of its header
    /// @param challenger who brought the challenge
    event BatchVoided(bytes32 indexed batch, address challenger);
    /// @notice A coordinator paid for a wrong leaf or batch.
    /// @param coordinator whom the channel is opened to
    /// @param challenger who brought the challenge
    /// @param reward wei for the challenger
    /// @param rest wei for the treasury
    event Penalty(address indexed coordinator, address indexed challenger, uint256 reward, uint256 rest);
    /// @notice Somebody demands that a leaf is shown.
    /// @param batch id of the batch: hash of its header
    /// @param ledger whether it is about the ledger tree; otherwise the task tree
    /// @param index number of the leaf, from 0
    /// @param by who demanded it
    /// @param dueAt unix seconds from which it is due
    event DataDemanded(bytes32 indexed batch, bool ledger, uint256 index, address indexed by, uint256 dueAt);
    /// @notice The leaf was shown.
    /// @param batch id of the batch: hash of its header
    /// @param ledger whether it is about the ledger tree; otherwise the task tree
    /// @param index number of the leaf, from 0
    event DataAnswered(bytes32 indexed batch, bool ledger, uint256 index);
    /// @notice A channel got back what a void batch or leaf took.
    /// @param batch id of the batch: hash of its header
    /// @param channel id of the channel
    /// @param amount wei
    event DebitRestored(bytes32 indexed batch, bytes32 indexed channel, uint256 amount);
    /// @notice A party of a final batch was paid.
    /// @param batch id of the batch: hash of its header
    /// @param party who is paid
    /// @param amount wei
    event BatchClaimed(bytes32 indexed batch, uint256 indexed party, uint256 amount);
    /// @notice Bonds and rewards were paid out.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param amount wei
    event Withdrawn(address indexed account, uint256 amount);

    // ---- coordinators ----

    /// @notice Add to the caller's bond.
    function depositBond() external payable;
    /// @notice Take bond back once the last batch is final.
    /// @dev Reverts with BondLocked, BondTooLow.
    /// @param amount wei
    function withdrawBond(uint256 amount) external;

    /// @notice Post a batch; by a coordinator with a bond. `header` needs only tasks, entries, the two roots and data.
    /// @param debits by ascending channel
    /// @param evidence of the attesters, as the verifier wants it
    /// @dev Reverts with BondTooLow, EmptyBatch, TooManyDebits, AttestersTooFew, BatchExists, and the errors of
    /// PaymentChannels.debit.
    /// @param header the batch's header
    /// @return batch id of the batch
    function post(Header memory header, IPaymentChannels.ChannelDebit[] calldata debits, bytes calldata evidence)
        external
        returns (bytes32 batch);

    // ---- anyone: challenges, while the window is open. All revert with UnknownBatch, BatchVoid, BatchFinal, NotInBatch,
    // and NoFault where there is none: a false challenge costs its gas. ----

    /// @notice Void: two neighbouring task leaves, or one given twice, break the rules of the tree.
    /// @param header the batch's header
    /// @param a a leaf with its proof
    /// @param b the leaf after it, with its proof
    function challengeTasks(Header calldata header, TaskProof calldata a, TaskProof calldata b) external;

    /// @notice Void: the same for ledger leaves, wrong totals among them.
    /// @param header the batch's header
    /// @param a a leaf with its proof
    /// @param b the leaf after it, with its proof
    function challengeLedger(Header calldata header, LedgerProof calldata a, LedgerProof calldata b) external;

    /// @notice Void: a ledger leaf gives a party another amount than its task's outcome does.
    /// @param header the batch's header
    /// @param entry leaf of the ledger tree, with its proof
    /// @param leaf leaf of the tree, with its proof
    /// @param outcome who attested the result and who is paid what
    function challengeEntry(
        Header calldata header,
        LedgerProof calldata entry,
        TaskProof calldata leaf,
        Outcome calldata outcome
    ) external;

    /// @notice Void: the ledger gives a party nothing for a task whose outcome does. `a` and `b` are the neighbours.
    /// @param header the batch's header
    /// @param leaf leaf of the tree, with its proof
    /// @param outcome who attested the result and who is paid what
    /// @param party who is paid
    /// @param a a leaf with its proof
    /// @param b the leaf after it, with its proof
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
    /// @param header the batch's header
    /// @param debits wei taken from each channel, by channel id
    /// @param leaf leaf of the tree, with its proof
    function challengeDebit(
        Header calldata header,
        IPaymentChannels.ChannelDebit[] calldata debits,
        TaskProof calldata leaf
    ) external;

    /// @notice Void: a channel was debited for which there is no leaf. `a` and `b` are the neighbours of where one would be.
    /// @param header the batch's header
    /// @param debits wei taken from each channel, by channel id
    /// @param position place of the channel among the debits, from 0
    /// @param a a leaf with its proof
    /// @param b the leaf after it, with its proof
    function challengeEmptyDebit(
        Header calldata header,
        IPaymentChannels.ChannelDebit[] calldata debits,
        uint256 position,
        TaskProof calldata a,
        TaskProof calldata b
    ) external;

    /// @notice Strike a leaf whose evidence does not prove its outcome: a forged or missing signature, a committee that
    /// cannot be, no verdict, an overcharge, another order, or an order out of time.
    /// @param header the batch's header
    /// @param leaf leaf of the tree, with its proof
    /// @param evidence order, result and signatures that prove it
    /// @param outcome who attested the result and who is paid what
    /// @param debits wei taken from each channel, by channel id
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
    /// @param header the batch's header
    /// @param leaf leaf of the tree, with its proof
    /// @param evidence order, result and signatures that prove it
    /// @param outcome who attested the result and who is paid what
    /// @param debits wei taken from each channel, by channel id
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
    /// @param header the batch's header
    /// @param leaf leaf of the tree, with its proof
    /// @param outcome who attested the result and who is paid what
    /// @param debits wei taken from each channel, by channel id
    function strikeDuplicate(
        Header calldata header,
        TaskProof calldata leaf,
        Outcome calldata outcome,
        IPaymentChannels.ChannelDebit[] calldata debits
    ) external;

    /// @notice Demand that the leaf at a place be shown on chain, with a bond that pays for the answer.
    /// @param ledger whether a ledger leaf is meant
    /// @dev Reverts with WrongBond, DemandOpen, NotInBatch.
    /// @param header the batch's header
    /// @param index number of the leaf, from 0
    function demand(Header calldata header, bool ledger, uint32 index) external payable;
    /// @notice Show a task leaf with its evidence and outcome; anyone, in time.
    /// @dev Reverts with NoDemand, DemandOverdue, WrongData.
    /// @param header the batch's header
    /// @param leaf leaf of the tree, with its proof
    /// @param evidence order, result and signatures that prove it
    /// @param outcome who attested the result and who is paid what
    function answerTask(
        Header calldata header,
        TaskProof calldata leaf,
        Evidence calldata evidence,
        Outcome calldata outcome
    ) external;
    /// @notice Show a ledger leaf; anyone, in time.
    /// @dev Reverts with NoDemand, DemandOverdue.
    /// @param header the batch's header
    /// @param entry leaf of the ledger tree, with its proof
    function answerLedger(Header calldata header, LedgerProof calldata entry) external;
    /// @notice Void a batch that did not answer a demand.
    /// @dev Reverts with NoDemand, DemandNotDue.
    /// @param header the batch's header
    /// @param ledger whether it is about the ledger tree; otherwise the task tree
    /// @param index number of the leaf, from 0
    function voidUnanswered(Header calldata header, bool ledger, uint32 index) external;

    // ---- anyone: afterwards ----

    /// @notice Return the bond of a demand that a void batch need not answer any more.
    /// @dev Reverts with BatchNotVoid, NoDemand.
    /// @param header the batch's header
    /// @param ledger whether it is about the ledger tree; otherwise the task tree
    /// @param index number of the leaf, from 0
    function returnDemand(Header calldata header, bool ledger, uint32 index) external;

    /// @notice Give a channel its debit in a void batch back, and open its sequences again.
    /// @dev Reverts with BatchNotVoid, WrongData, AlreadyRestored.
    /// @param header the batch's header
    /// @param debits wei taken from each channel, by channel id
    /// @param position place of the channel among the debits, from 0
    function restore(Header calldata header, IPaymentChannels.ChannelDebit[] calldata debits, uint256 position) external;

    /// @notice Open a sequence again that a batch passed and does not hold, so that whoever has its evidence can settle
    /// it. `a` and `b` are the neighbours of where it would be.
    /// @dev Reverts with NotInBatch, NoFault, WrongData.
    /// @param header the batch's header
    /// @param debits wei taken from each channel, by channel id
    /// @param position place of the channel among the debits, from 0
    /// @param sequence number of the order in its channel
    /// @param a a leaf with its proof
    /// @param b the leaf after it, with its proof
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
    /// @param header the batch's header
    function claim(Header calldata header, LedgerProof calldata entry) external;

    /// @notice Pay the caller's rewards and returned bonds.
    /// @return amount wei paid
    function withdraw() external returns (uint256 amount);

    // ---- governance ----

    /// @notice Set windows and bonds of batches to come. Those that are posted keep theirs.
    /// @param limits_ windows up to 30 and 7 days; a leaf's penalty and a demand's bond up to the bond
    function setLimits(Limits calldata limits_) external;

    // ---- views ----

    /// @notice Windows and bonds of batches to come.
    function limits() external view returns (Limits memory);
    /// @notice Windows and bonds of a batch; all zero for an unknown one.
    /// @param batch id of the batch: hash of its header
    function limitsOf(bytes32 batch) external view returns (Limits memory);
    /// @notice Where a batch stands; all zero for an unknown one.
    /// @param batch id of the batch: hash of its header
    function batches(bytes32 batch) external view returns (Batch memory);
    /// @notice A coordinator's bond in wei, and until when it is locked.
    /// @param coordinator whom the channel is opened to
    /// @return amount wei put up
    /// @return lockedUntil unix seconds until which it cannot be withdrawn
    function bonds(address coordinator) external view returns (uint96 amount, uint40 lockedUntil);
    /// @notice Wei that an account may withdraw: rewards, returned bonds, bonds of answered demands.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    function withdrawable(address account) external view returns (uint256);
    /// @notice The id of a batch.
    /// @param header the batch's header
    function batchId(Header memory header) external view returns (bytes32);
    /// @notice What attesters sign: everything but place and time.
    /// @param header the batch's header
    function attestedDigest(Header memory header) external view returns (bytes32);
}
