// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";

import {SummonsRules} from "./channels/SummonsRules.sol";
import {Attestation, ChannelTerms, Evidence, Outcome, TaskOrder} from "./interfaces/ChannelTypes.sol";
import {ISummons} from "./interfaces/ISummons.sol";
import {Fault} from "./interfaces/Types.sol";
import {BoundedCall} from "./libraries/BoundedCall.sol";
import {ChannelHashing} from "./libraries/ChannelHashing.sol";
import {Hashing} from "./libraries/Hashing.sol";
import {Signers} from "./libraries/Signers.sol";
import {Tally} from "./libraries/Tally.sol";

/// @title Orders that nobody answered, asked for again on chain
/// @notice Holds the bonds of summonses that are open, and what was not withdrawn yet. Keys alone count here, as in
/// batches: a contract account could take back what it said.
contract Summons is SummonsRules, ReentrancyGuard {
    /// @dev Of a seat's two transactions. A seat that was silent off chain to be summoned earns nothing by it.
    uint256 private constant ANSWER_GAS = 250_000;
    /// @dev More than any slash takes, so that nobody saves a silent seat by bringing little gas.
    uint256 private constant PUNISH_GAS = 500_000;
    uint256 private constant MARGIN = 60_000;

    /// @inheritdoc ISummons
    mapping(uint32 account => uint256) public openOf;
    /// @inheritdoc ISummons
    mapping(address account => uint256) public owed;
    mapping(bytes32 order => Summoned) private _summonses;
    mapping(bytes32 order => mapping(uint256 seat => bytes32)) private _words;

    /// @param authority_ AccessManager of `setLimits`
    /// @param channels_ the payment channels; they must stand
    /// @param distributor_ stakes, reputation and credits
    /// @param registry_ models and their terms
    /// @param limits_ to begin with
    constructor(address authority_, address channels_, address distributor_, address registry_, Limits memory limits_)
        AccessManaged(authority_)
        SummonsRules(channels_, distributor_, registry_, limits_)
    {
        if (authority_ == address(0)) revert ZeroAddress();
    }

    // ---- parties of a channel ----

    /// @inheritdoc ISummons
    function summon(
        ChannelTerms calldata terms,
        TaskOrder calldata ordered,
        bytes calldata signature,
        bytes calldata inputData,
        uint32[] calldata seats
    ) external payable returns (bytes32 order) {
        order = _admitted(terms, ordered, signature, inputData, seats);
        emit OrderShown(order, terms, ordered, signature, inputData);
        _post(order, ordered.modelId, seats);
    }

    // ---- seats ----

    /// @inheritdoc ISummons
    function commit(bytes32 order, uint32 account, bytes32 word) external {
        Summoned storage found = _open(order);
        if (block.timestamp > found.commitUntil) revert TooLate(found.commitUntil);
        uint256 seat = _seatOf(found, order, account);
        (uint32 operatorId, bool allowed) = taskManager.nodeBinding(msg.sender);
        if (!allowed || operatorId != account >> 1) revert NotOperator(account, msg.sender);
        uint256 committed = found.committed;
        if (committed >> seat & 1 == 1) revert AlreadyAnswered(order, account);
        // Zero is what a silent seat's commitment is in the set.
        if (word == 0) revert NothingToOpen(order, account);
        committed |= 1 << seat;
        found.committed = uint16(committed);
        _words[order][seat] = word;
        emit SeatCommitted(order, account, word);
        if (committed != _all(found.seats.length)) return;
        // Until now it was the window after commitUntil, whatever the limits are by now.
        uint256 revealUntil = block.timestamp + (found.revealUntil - found.commitUntil);
        found.revealUntil = uint40(revealUntil);
        emit SetClosed(order, revealUntil);
    }

    /// @inheritdoc ISummons
    function open(Attestation calldata attestation, bytes calldata signature, bytes calldata output) external {
        bytes32 order = attestation.order;
        uint32 account = attestation.account;
        uint256 seat = _mayOpen(order, account);
        _requireOpens(order, seat, attestation, output);
        _requireSigned(attestation, signature);
        _summonses[order].opened |= uint16(1 << seat);
        emit SeatAnswered(order, account, attestation.result, attestation.salt, signature, output);
    }

    // ---- anyone ----

    /// @inheritdoc ISummons
    /// @dev Whether the verdict is older than the summons cannot be told, so it earns nobody more than its gas.
    function show(Evidence calldata evidence, bytes calldata output) external {
        Outcome memory outcome = channels.check(evidence);
        bytes32 order = outcome.order;
        Summoned storage found = _open(order);
        // Otherwise a seat that was silent to the end would still get away.
        if (block.timestamp > found.revealUntil) revert TooLate(found.revealUntil);
        uint256 count = found.seats.length;
        if (evidence.seats.length != count) revert BadCommittee(order);
        for (uint256 i; i < count; ++i) {
            if (evidence.seats[i].account != found.seats[i]) revert NoSeat(order, evidence.seats[i].account);
        }
        // What lies elsewhere can be withheld, and then the summons would have been for nothing.
        if (Hashing.isPointer(output)) revert ContentMismatch(evidence.result, 0);
        _requireSame(evidence.result, _digest(order, output));
        emit AnswerShown(order, evidence.result, output);
        uint256 fee = found.fee;
        _owe(msg.sender, order, fee);
        _end(order, found, found.committed, found.deposit + count * fee, found.summoner);
    }

    /// @inheritdoc ISummons
    function refute(TaskOrder calldata ordered, uint32 account, uint32[] calldata better) external {
        bytes32 order = channels.orderHash(ordered);
        Summoned storage found = _open(order);
        uint256 seat = _seatOf(found, order, account);
        if (!channels.isOutrun(ordered, account, better)) revert SeatNotFalse(order, account);
        emit SummonsRefuted(order, account, msg.sender);
        uint256 count = found.seats.length;
        uint256 answered = found.committed & ~(1 << seat);
        _end(order, found, answered, found.deposit + (count + 1) * found.fee, msg.sender);
        for (uint256 i; i < count; ++i) {
            delete _words[order][i];
        }
        delete _summonses[order];
    }

    /// @inheritdoc ISummons
    function close(bytes32 order) external {
        Summoned storage found = _open(order);
        uint256 committed = found.committed;
        uint256 count = found.seats.length;
        // Where no verdict is possible there is nothing to open, and committing was all that a seat could do.
        bool possible = _possible(committed, count);
        uint256 answered = possible ? found.opened : committed;
        uint256 until = possible ? found.revealUntil : found.commitUntil;
        if (answered != _all(count) && block.timestamp <= until) revert TooEarly(until + 1);
        _end(order, found, answered, found.deposit + (count + 1) * found.fee, found.summoner);
        for (uint256 i; i < count; ++i) {
            if (answered >> i & 1 == 1) continue;
            _punish(order, found.seats[i], found.model, committed >> i & 1 == 1 ? Fault.Unopened : Fault.Absent);
        }
    }

    // Anybody may have an account paid what it is owed, and nobody anything else.
    // slither-disable-start arbitrary-send-eth
    /// @inheritdoc ISummons
    function withdraw(address account) external nonReentrant returns (uint256 amount) {
        amount = owed[account];
        if (amount == 0) revert NothingToWithdraw(account);
        owed[account] = 0;
        emit Withdrawn(account, amount);
        (bool sent,) = account.call{value: amount}("");
        if (!sent) revert TransferFailed(account, amount);
    }

    // slither-disable-end arbitrary-send-eth

    // ---- views ----

    /// @inheritdoc ISummons
    function summonses(bytes32 order) external view returns (Summoned memory) {
        return _summonses[order];
    }

    /// @inheritdoc ISummons
    function commitmentsOf(bytes32 order) external view returns (bytes32[] memory) {
        return _set(order, _summonses[order].seats.length);
    }

    /// @inheritdoc ISummons
    function answerFee() public view returns (uint256) {
        uint256 fee = ANSWER_GAS * block.basefee;
        uint256 least = _limits.leastFee;
        if (fee < least) fee = least;
        return fee < type(uint96).max ? fee : type(uint96).max;
    }

    /// @inheritdoc ISummons
    function bondFor(uint256 seats) external view returns (uint256) {
        return _limits.deposit + (seats + 1) * answerFee();
    }

    // ---- internal ----

    function _post(bytes32 order, bytes32 modelId, uint32[] calldata seats) private {
        Summoned storage found = _summonses[order];
        if (found.status != Status.None) revert AlreadySummoned(order);
        Limits memory held = _limits;
        uint256 count = seats.length;
        uint256 fee = answerFee();
        uint256 bond = held.deposit + (count + 1) * fee;
        if (msg.value < bond) revert BondTooLow(msg.value, bond);
        uint256 commitUntil = block.timestamp + held.commitWindow;
        found.summoner = msg.sender;
        found.fee = uint96(fee);
        found.commitUntil = uint40(commitUntil);
        found.revealUntil = uint40(commitUntil + held.revealWindow);
        found.deposit = held.deposit;
        found.model = registry.terms(modelId).index;
        found.status = Status.Open;
        found.seats = seats;
        for (uint256 i; i < count; ++i) {
            uint256 others = openOf[seats[i]];
            if (others >= held.mostOpen) revert SeatFull(seats[i], others);
            openOf[seats[i]] = others + 1;
        }
        emit SeatsSummoned(order, modelId, msg.sender, seats, commitUntil, fee);
        _owe(msg.sender, order, msg.value - bond);
    }

    /// @dev Every wei of the bond finds an owner here.
    /// @param answered bit i: seat i gets its fee
    /// @param left of the bond
    /// @param to who gets what is left
    function _end(bytes32 order, Summoned storage found, uint256 answered, uint256 left, address to) private {
        found.status = Status.Ended;
        emit SummonsEnded(order, answered);
        uint256 fee = found.fee;
        uint256 count = found.seats.length;
        for (uint256 i; i < count; ++i) {
            uint32 account = found.seats[i];
            --openOf[account];
            if (answered >> i & 1 == 0) continue;
            left -= fee;
            _owe(distributor.accounts(account).operator, order, fee);
        }
        _owe(to, order, left);
    }

    /// @dev The money must not depend on whether the ledger still listens to this contract.
    function _punish(bytes32 order, uint32 account, uint32 model, Fault fault) private {
        uint256 required = PUNISH_GAS + PUNISH_GAS / 63 + MARGIN;
        if (gasleft() < required) revert BoundedCall.TooLittleGas(gasleft(), required);
        try distributor.punish{gas: PUNISH_GAS}(account, order, model, fault, 0) returns (uint256) {}
        catch {
            emit SeatNotPunished(order, account);
        }
    }

    function _owe(address to, bytes32 order, uint256 amount) private {
        if (amount == 0) return;
        owed[to] += amount;
        emit Owed(to, order, amount);
    }

    function _open(bytes32 order) private view returns (Summoned storage found) {
        found = _summonses[order];
        if (found.status != Status.Open) revert NotSummoned(order);
    }

    function _seatOf(Summoned storage found, bytes32 order, uint32 account) private view returns (uint256) {
        uint256 count = found.seats.length;
        for (uint256 i; i < count; ++i) {
            if (found.seats[i] == account) return i;
        }
        revert NoSeat(order, account);
    }

    /// @dev The seat of an account that may open its commitment now.
    function _mayOpen(bytes32 order, uint32 account) private view returns (uint256 seat) {
        Summoned storage found = _open(order);
        uint256 committed = found.committed;
        uint256 count = found.seats.length;
        if (committed != _all(count) && block.timestamp <= found.commitUntil) revert TooEarly(found.commitUntil + 1);
        if (block.timestamp > found.revealUntil) revert TooLate(found.revealUntil);
        if (!_possible(committed, count)) revert NoVerdict(order);
        seat = _seatOf(found, order, account);
        if (committed >> seat & 1 == 0) revert NothingToOpen(order, account);
        if (found.opened >> seat & 1 == 1) revert AlreadyAnswered(order, account);
    }

    /// @dev What is opened must be what was committed, to the one closed set, and the result must be there.
    function _requireOpens(bytes32 order, uint256 seat, Attestation calldata attestation, bytes calldata output)
        private
        view
    {
        bytes32[] memory set = _set(order, _summonses[order].seats.length);
        _requireSame(ChannelHashing.commitments(set), attestation.commitments);
        bytes32 result = attestation.result;
        _requireSame(set[seat], ChannelHashing.commitment(order, attestation.account, result, attestation.salt));
        _requireSame(result, _digest(order, output));
    }

    function _set(bytes32 order, uint256 count) private view returns (bytes32[] memory set) {
        set = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            set[i] = _words[order][i];
        }
    }

    function _requireSigned(Attestation calldata attestation, bytes calldata signature) private view {
        (address node, bool valid) = Signers.named(channels.attestationHash(attestation), signature, true);
        (uint32 operatorId,) = taskManager.nodeBinding(node);
        if (!valid || operatorId == 0 || operatorId != attestation.account >> 1) {
            revert BadSeatSignature(attestation.order, attestation.account);
        }
    }

    /// @dev Zero, which is no digest, for content that cannot be read.
    function _digest(bytes32 order, bytes calldata output) private view returns (bytes32) {
        return Hashing.wellFormed(output) ? Hashing.digest(order, Hashing.payloadRoot(output)) : bytes32(0);
    }

    /// @dev By seats; whether they also have the weight is for the settlement to say.
    function _possible(uint256 committed, uint256 count) private pure returns (bool) {
        uint256 heads;
        for (uint256 i; i < count; ++i) {
            heads += committed >> i & 1;
        }
        return heads >= Tally.MIN_SEATS && 3 * heads >= 2 * count;
    }

    function _all(uint256 count) private pure returns (uint256) {
        return (1 << count) - 1;
    }
}
