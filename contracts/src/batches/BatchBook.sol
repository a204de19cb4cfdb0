// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Evidence, Outcome} from "../interfaces/ChannelTypes.sol";
import {IAttestationVerifier} from "../interfaces/IAttestationVerifier.sol";
import {IPaymentChannels} from "../interfaces/IPaymentChannels.sol";
import {IRandomnessBeacon} from "../interfaces/IRandomnessBeacon.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";
import {BatchLeaves, LedgerLeaf, LedgerProof, TaskLeaf, TaskProof} from "../libraries/BatchLeaves.sol";
import {ChannelHashing} from "../libraries/ChannelHashing.sol";

/// @title Bonds, batches, claims
/// @notice First layer of Settlement. It holds bonds and nothing else; what batches pay lies in MLBridge.
abstract contract BatchBook is ISettlement, EIP712, AccessManaged, ReentrancyGuardTransient {
    using BatchLeaves for TaskProof;
    using BatchLeaves for LedgerProof;

    /// @notice What a coordinator put up.
    /// @param amount wei
    /// @param lockedUntil unix seconds until which it is locked
    struct Bond {
        uint96 amount;
        uint40 lockedUntil;
    }

    bytes32 private constant BATCH_TYPEHASH = keccak256(
        "Batch(address coordinator,uint32 tasks,uint32 entries,bytes32 taskRoot,bytes32 ledgerRoot,bytes32 data,bytes32 debits)"
    );
    uint256 private constant MAX_DEBITS = 256;
    /// @dev A challenger gets one part in ten.
    uint256 private constant REWARD_PART = 10;
    uint256 private constant LONGEST_CHALLENGE = 30 days;
    uint256 private constant LONGEST_ANSWER = 7 days;

    /// @notice Keeps the channels.
    IPaymentChannels public immutable channels;
    /// @notice Counts the attesters of a batch.
    IAttestationVerifier public immutable attesters;
    /// @notice Knows the epoch.
    IRandomnessBeacon public immutable beacon;
    /// @notice Gets what penalties leave.
    address public immutable treasury;
    /// @dev Number of the limits of batches to come.
    uint16 private _rules;
    mapping(uint256 rules => Limits) private _limits;
    mapping(bytes32 batch => Batch) internal _batches;
    /// @inheritdoc ISettlement
    mapping(address coordinator => Bond) public bonds;
    /// @inheritdoc ISettlement
    mapping(address account => uint256) public withdrawable;
    mapping(bytes32 batch => mapping(uint256 index => bool)) private _struck;
    mapping(bytes32 batch => mapping(uint256 party => uint256)) private _struckOf;
    mapping(bytes32 batch => mapping(bytes32 channel => uint256)) private _struckIn;
    mapping(bytes32 batch => mapping(uint256 party => bool)) private _claimed;
    mapping(bytes32 batch => mapping(bytes32 channel => bool)) private _restored;

    /// @notice Deploy for these neighbours; the addresses are fixed for ever.
    /// @param channels_ the payment channels
    /// @param attesters_ who attests batches
    /// @param beacon_ gives the seed of an epoch
    /// @param treasury_ gets what nobody earned
    /// @param limits_ windows and bonds of batches
    constructor(address channels_, address attesters_, address beacon_, address treasury_, Limits memory limits_)
        EIP712("ML Bridge", "1")
    {
        if (channels_ == address(0) || attesters_ == address(0) || beacon_ == address(0) || treasury_ == address(0)) {
            revert ZeroAddress();
        }
        channels = IPaymentChannels(channels_);
        attesters = IAttestationVerifier(attesters_);
        beacon = IRandomnessBeacon(beacon_);
        treasury = treasury_;
        _setLimits(limits_);
    }

    // ---- governance ----

    /// @inheritdoc ISettlement
    function setLimits(Limits calldata limits_) external restricted {
        _setLimits(limits_);
    }

    // ---- coordinators ----

    /// @inheritdoc ISettlement
    function depositBond() external payable {
        uint256 amount = bonds[msg.sender].amount + msg.value;
        // Far above the supply of any coin.
        if (amount > type(uint96).max) revert BadParameter("bond");
        bonds[msg.sender].amount = uint96(amount);
        emit BondChanged(msg.sender, amount);
    }

    /// @inheritdoc ISettlement
    function withdrawBond(uint256 amount) external nonReentrant {
        Bond memory bond = bonds[msg.sender];
        if (block.timestamp < bond.lockedUntil) revert BondLocked(bond.lockedUntil);
        if (amount > bond.amount) revert BondTooLow(bond.amount, amount);
        bonds[msg.sender].amount = bond.amount - uint96(amount);
        emit BondChanged(msg.sender, bond.amount - amount);
        _send(msg.sender, amount);
    }

    /// @inheritdoc ISettlement
    function post(Header memory header, IPaymentChannels.ChannelDebit[] calldata debits, bytes calldata evidence)
        external
        returns (bytes32 batch)
    {
        if (header.tasks == 0 || header.entries == 0 || debits.length == 0) revert EmptyBatch();
        if (debits.length > MAX_DEBITS) revert TooManyDebits(debits.length, MAX_DEBITS);
        header.coordinator = msg.sender;
        header.epoch = uint32(beacon.currentEpoch());
        header.postedAt = uint40(block.timestamp);
        header.debits = keccak256(abi.encode(debits));
        (uint256 weight, uint256 signers) = attesters.verify(attestedDigest(header), header.epoch, evidence);
        uint16 rules = _rules;
        Limits storage held = _limits[rules];
        if (signers < held.minSigners || weight < held.minWeight) revert AttestersTooFew(signers, weight);

        uint40 finalAt = uint40(block.timestamp + held.challengeWindow);
        Bond memory bond = bonds[msg.sender];
        if (bond.amount < held.bond) revert BondTooLow(bond.amount, held.bond);
        if (bond.lockedUntil < finalAt) bonds[msg.sender].lockedUntil = finalAt;
        header.pot = 0;
        for (uint256 i; i < debits.length; ++i) {
            header.pot += debits[i].debit;
        }
        batch = batchId(header);
        if (_batches[batch].status != Status.None) revert BatchExists(batch);
        _batches[batch] = Batch({pot: header.pot, finalAt: finalAt, demands: 0, status: Status.Posted, rules: rules});
        emit BatchPosted(batch, msg.sender, header);
        channels.debit(batch, msg.sender, debits);
    }

    // ---- anyone: afterwards ----

    /// @inheritdoc ISettlement
    function restore(Header calldata header, IPaymentChannels.ChannelDebit[] calldata debits, uint256 position)
        external
    {
        bytes32 batch = batchId(header);
        Batch storage state = _batches[batch];
        if (state.status != Status.Void) revert BatchNotVoid(batch);
        (bytes32 channel, IPaymentChannels.ChannelDebit calldata entry) = _debitAt(batch, header, debits, position);
        if (_restored[batch][channel]) revert AlreadyRestored(batch, channel);
        _restored[batch][channel] = true;
        uint256 amount = entry.debit - _struckIn[batch][channel];
        state.pot -= uint96(amount);
        emit DebitRestored(batch, channel, amount);
        channels.restore(batch, channel, uint88(amount));
        channels.reopen(channel, entry.from, entry.from, entry.to, header.postedAt);
    }

    /// @inheritdoc ISettlement
    function claim(Header calldata header, LedgerProof calldata shown) external {
        bytes32 batch = batchId(header);
        Batch storage state = _batches[batch];
        if (state.status == Status.None) revert UnknownBatch(batch);
        if (state.status == Status.Void) revert BatchVoid(batch);
        if (block.timestamp < state.finalAt || state.demands != 0) {
            revert BatchNotFinal(batch, state.finalAt, state.demands);
        }
        if (!shown.isIn(header.ledgerRoot)) revert NotInBatch(batch);
        LedgerLeaf calldata entry = shown.leaf;
        if (!entry.last) revert NotLastEntry(batch, entry.index);
        if (_claimed[batch][entry.party]) revert AlreadyClaimed(batch, entry.party);
        _claimed[batch][entry.party] = true;
        uint256 amount = entry.total - _struckOf[batch][entry.party];
        // Only where nobody looked at wrong leaves in time; other batches are out of reach in any case.
        if (amount > state.pot) revert BatchEmpty(batch, amount, state.pot);
        state.pot -= uint96(amount);
        emit BatchClaimed(batch, entry.party, amount);
        if (entry.party == BatchLeaves.PROTOCOL) channels.payOut(batch, address(this), 0, amount);
        else if (entry.party <= type(uint32).max) channels.paySeat(batch, uint32(entry.party), uint96(amount));
        else channels.payOut(batch, address(uint160(entry.party)), amount, 0);
    }

    /// @inheritdoc ISettlement
    function withdraw() external nonReentrant returns (uint256 amount) {
        amount = withdrawable[msg.sender];
        if (amount == 0) revert NothingToWithdraw(msg.sender);
        withdrawable[msg.sender] = 0;
        emit Withdrawn(msg.sender, amount);
        _send(msg.sender, amount);
    }

    // ---- views ----

    /// @inheritdoc ISettlement
    function batches(bytes32 batch) external view returns (Batch memory) {
        return _batches[batch];
    }

    /// @inheritdoc ISettlement
    function limits() external view returns (Limits memory) {
        return _limits[_rules];
    }

    /// @inheritdoc ISettlement
    function limitsOf(bytes32 batch) external view returns (Limits memory) {
        return _limitsOf(batch);
    }

    /// @inheritdoc ISettlement
    function batchId(Header memory header) public pure returns (bytes32) {
        return keccak256(abi.encode(header));
    }

    /// @inheritdoc ISettlement
    function attestedDigest(Header memory header) public view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    BATCH_TYPEHASH,
                    header.coordinator,
                    header.tasks,
                    header.entries,
                    header.taskRoot,
                    header.ledgerRoot,
                    header.data,
                    header.debits
                )
            )
        );
    }

    // ---- internal ----

    /// @dev Those that a batch was posted under; all zero for an unknown one.
    function _limitsOf(bytes32 batch) internal view returns (Limits storage) {
        return _limits[_batches[batch].rules];
    }

    /// @dev A batch that may still be challenged.
    function _live(Header calldata header) internal view returns (bytes32 batch, Batch storage state) {
        batch = batchId(header);
        state = _batches[batch];
        if (state.status == Status.None) revert UnknownBatch(batch);
        if (state.status == Status.Void) revert BatchVoid(batch);
        // A demand that is not answered can always void the batch.
        if (block.timestamp >= state.finalAt && state.demands == 0) revert BatchFinal(batch, state.finalAt);
    }

    function _holds(Header calldata header, TaskProof calldata leaf) internal view returns (bytes32 batch) {
        (batch,) = _live(header);
        if (!leaf.isIn(header.taskRoot)) revert NotInBatch(batch);
    }

    function _holds(Header calldata header, LedgerProof calldata entry) internal view returns (bytes32 batch) {
        (batch,) = _live(header);
        if (!entry.isIn(header.ledgerRoot)) revert NotInBatch(batch);
    }

    function _debitAt(
        bytes32 batch,
        Header calldata header,
        IPaymentChannels.ChannelDebit[] calldata debits,
        uint256 position
    ) internal pure returns (bytes32 channel, IPaymentChannels.ChannelDebit calldata entry) {
        if (keccak256(abi.encode(debits)) != header.debits || position >= debits.length) {
            revert WrongData(batch);
        }
        entry = debits[position];
        channel = ChannelHashing.channelOf(header.coordinator, entry.details);
    }

    function _requireData(bytes32 batch, TaskLeaf calldata leaf, Evidence calldata evidence, Outcome calldata outcome)
        internal
        pure
    {
        if (keccak256(abi.encode(evidence)) != leaf.evidence) revert WrongData(batch);
        _requireOutcome(batch, leaf, outcome);
    }

    function _requireOutcome(bytes32 batch, TaskLeaf calldata leaf, Outcome calldata outcome) internal pure {
        if (keccak256(abi.encode(outcome)) != leaf.outcome) revert WrongData(batch);
    }

    /// @dev The leaf's debit goes back to its channel, and nobody is paid for it; all other leaves stand.
    /// @param taken the debit of the leaf's channel: more than that never goes back, whatever leaves say
    function _strike(
        bytes32 batch,
        Header calldata header,
        TaskLeaf calldata leaf,
        Outcome calldata outcome,
        uint88 taken
    ) internal {
        if (_struck[batch][leaf.index]) revert AlreadyStruck(batch, leaf.index);
        _struck[batch][leaf.index] = true;
        _batches[batch].pot -= leaf.debit;
        uint256 struck = _struckIn[batch][leaf.channel] + leaf.debit;
        if (struck > taken) revert StruckTooMuch(batch, leaf.channel);
        _struckIn[batch][leaf.channel] = struck;
        mapping(uint256 party => uint256) storage struckOf = _struckOf[batch];
        for (uint256 i; i < outcome.winners.length; ++i) {
            struckOf[outcome.winners[i]] += outcome.seatFee;
        }
        struckOf[BatchLeaves.PROTOCOL] += outcome.protocolFee;
        struckOf[BatchLeaves.partyOf(header.coordinator)] += outcome.coordinatorFee;
        struckOf[BatchLeaves.partyOf(outcome.modelProvider)] += outcome.modelFee;
        emit LeafStruck(batch, leaf.index, leaf.channel, leaf.debit, msg.sender);
        _punish(header.coordinator, msg.sender, _limitsOf(batch).leafPenalty);
        channels.restore(batch, leaf.channel, leaf.debit);
    }

    function _void(bytes32 batch, Header calldata header, address challenger) internal {
        _batches[batch].status = Status.Void;
        emit BatchVoided(batch, challenger);
        _punish(header.coordinator, challenger, _limitsOf(batch).bond);
    }

    // ---- private ----

    function _setLimits(Limits memory limits_) private {
        if (limits_.challengeWindow == 0 || limits_.challengeWindow > LONGEST_CHALLENGE) {
            revert BadParameter("challengeWindow");
        }
        if (limits_.answerWindow == 0 || limits_.answerWindow > LONGEST_ANSWER) revert BadParameter("answerWindow");
        if (limits_.leafPenalty == 0 || limits_.leafPenalty > limits_.bond) revert BadParameter("bond");
        // A demand may cost whoever asks for data no more than hiding it costs.
        if (limits_.demandBond == 0 || limits_.demandBond > limits_.bond) revert BadParameter("demandBond");
        uint16 rules = ++_rules;
        _limits[rules] = limits_;
        emit LimitsChanged(rules, limits_);
    }

    /// @dev As far as the bond reaches. Channels were made whole from the pot; nobody else lost wei.
    function _punish(address coordinator, address challenger, uint256 amount) private {
        uint256 bond = bonds[coordinator].amount;
        if (amount > bond) amount = bond;
        bonds[coordinator].amount = uint96(bond - amount);
        uint256 reward = amount / REWARD_PART;
        withdrawable[challenger] += reward;
        withdrawable[treasury] += amount - reward;
        emit Penalty(coordinator, challenger, reward, amount - reward);
        emit BondChanged(coordinator, bond - amount);
    }

    function _send(address to, uint256 amount) private {
        (bool sent,) = to.call{value: amount}("");
        if (!sent) revert TransferFailed(to, amount);
    }
}
