// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {PaymentChannels} from "./PaymentChannels.sol";
import {Attestation, Evidence, TaskOrder} from "./interfaces/ChannelTypes.sol";
import {IDissentCases} from "./interfaces/IDissentCases.sol";
import {IDissents} from "./interfaces/IDissents.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IReviewer, Review} from "./interfaces/IReviewer.sol";
import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {ITaskManager} from "./interfaces/ITaskManager.sol";
import {Fault, Policy} from "./interfaces/Types.sol";
import {Hashing} from "./libraries/Hashing.sol";
import {MAX_SEATS} from "./libraries/SeatPacking.sol";
import {Signers} from "./libraries/Signers.sol";

/// @title Orders on which seats disagreed, or that somebody audits, judged by a panel
/// @notice Holds the bonds of cases that are not closed, and nothing else. The panel runs the order and sees no candidates;
/// a result is one payload, so its digest for the order follows from the one that the panel agreed on.
contract DissentCases is IDissentCases {
    using SafeERC20 for IERC20;

    /// @dev Half of a bond pays for the whole panel.
    uint256 private constant BOND_FACTOR = 2;
    uint256 private constant BASIS = 10_000;
    /// @dev Time to condemn, before a case that took nothing costs its bond.
    uint256 private constant CONDEMN_WINDOW = 7 days;

    /// @notice MLB.
    IERC20 public immutable token;
    /// @notice Knows what evidence proves.
    PaymentChannels public immutable channels;
    /// @notice Knows who dissented.
    IDissents public immutable dissents;
    /// @notice Punishes, and keeps the dispute reserves.
    IRewardDistributor public immutable distributor;
    /// @notice Has panels judge.
    ITaskManager public immutable taskManager;
    /// @notice Knows the models.
    IModelRegistry public immutable registry;

    mapping(bytes32 order => Case) private _cases;
    mapping(bytes32 reviewId => bytes32) private _orderOf;
    /// @inheritdoc IDissentCases
    mapping(bytes32 order => mapping(uint32 account => bytes32)) public condemnedFor;

    /// @notice Deploy for these neighbours; the addresses are fixed for ever.
    /// @param token_ the MLB token
    /// @param channels_ the payment channels
    /// @param dissents_ records of dissent
    /// @param distributor_ stakes, reputation and credits
    /// @param taskManager_ runs the tasks
    /// @param registry_ models and their terms
    constructor(
        address token_,
        address channels_,
        address dissents_,
        address distributor_,
        address taskManager_,
        address registry_
    ) {
        if (token_ == address(0) || channels_ == address(0) || dissents_ == address(0)) {
            revert ZeroAddress();
        }
        if (distributor_ == address(0) || taskManager_ == address(0) || registry_ == address(0)) revert ZeroAddress();
        token = IERC20(token_);
        channels = PaymentChannels(channels_);
        dissents = IDissents(dissents_);
        distributor = IRewardDistributor(distributor_);
        taskManager = ITaskManager(taskManager_);
        registry = IModelRegistry(registry_);
    }

    // ---- anyone ----

    /// @inheritdoc IDissentCases
    function open(Evidence calldata evidence, uint32 dissenter, bytes calldata inputData)
        external
        returns (bytes32 reviewId)
    {
        bytes32 order = channels.check(evidence).order;
        // No account is zero: that is an audit.
        if (dissenter != 0) {
            bytes32 other = dissents.resultOf(order, dissenter);
            if (other == 0 || other == evidence.result) revert NotOnRecord(order, dissenter);
        }
        uint256 count = evidence.seats.length;
        uint32[] memory excluded = new uint32[](dissenter == 0 ? count : count + 1);
        for (uint256 i; i < count; ++i) {
            excluded[i] = evidence.seats[i].account;
        }
        if (dissenter != 0) excluded[count] = dissenter;
        return _openCase(order, evidence.order, count, excluded, dissenter, false, inputData);
    }

    /// @inheritdoc IDissentCases
    /// @dev The order needs no other proof: an honest seat signs for an order that it checked, and whoever signs for one
    /// that nobody placed has its own stake judged at its own expense.
    function openSplit(
        TaskOrder calldata ordered,
        Attestation[] calldata attestations,
        bytes[] calldata signatures,
        bytes calldata inputData
    ) external returns (bytes32 reviewId) {
        bytes32 order = channels.orderHash(ordered);
        uint256 count = attestations.length;
        if (count != signatures.length || count > ordered.seats || count > MAX_SEATS) revert NotSplit(order);
        uint32[] memory excluded = new uint32[](count);
        bool split;
        for (uint256 i; i < count; ++i) {
            Attestation calldata said = attestations[i];
            if (said.order != order) revert AnotherOrder(order, said.order);
            uint32 account = said.account;
            if (account & 1 == 1 || (i != 0 && account <= excluded[i - 1])) revert NotSplit(order);
            _requireSigned(said, signatures[i]);
            excluded[i] = account;
            if (said.result != attestations[0].result) split = true;
        }
        if (!split) revert NotSplit(order);
        emit SplitShown(order, attestations, signatures);
        return _openCase(order, ordered, count, excluded, 0, true, inputData);
    }

    /// @inheritdoc IDissentCases
    function rule(bytes32 order, bytes32 root, uint32[] calldata accounts, bytes32[] calldata values, uint256 revealed)
        external
    {
        Case storage found = _in(order, Status.Judged);
        _requireSame(found.winner, Hashing.digest(found.reviewId, root));
        _requireSame(found.ballot, Hashing.ballot(accounts, values, revealed));
        uint256 heads;
        for (uint256 i; i < values.length; ++i) {
            if (revealed >> i & 1 == 1 && values[i] == found.winner) ++heads;
        }
        uint256 confidence = heads * BASIS / values.length;
        bytes32 truth = Hashing.digest(order, root);
        (found.status, found.truth, found.confidence) = (Status.Ruled, truth, uint16(confidence));
        emit DissentRuled(order, truth, confidence);
    }

    /// @inheritdoc IDissentCases
    function condemn(Attestation calldata attestation, bytes calldata signature) external {
        _requireSigned(attestation, signature);
        _condemn(attestation.order, attestation.account, attestation.result);
    }

    /// @inheritdoc IDissentCases
    function condemnReported(bytes32 order, uint32 account) external {
        bytes32 result = dissents.resultOf(order, account);
        if (result == 0) revert NotOnRecord(order, account);
        _condemn(order, account, result);
    }

    /// @inheritdoc IDissentCases
    function conclude(bytes32 order) external {
        Case storage found = _cases[order];
        Status status = found.status;
        uint256 bond = found.bond;
        uint256 toReserve = bond / BOND_FACTOR;
        uint256 burned;
        // Half of what was taken is the reserve's: then the panel is paid.
        if (status == Status.Ruled && found.taken >= bond) {
            toReserve = 0;
        } else if (status == Status.Judged || status == Status.Ruled) {
            if (block.timestamp < found.until) revert TooEarly(found.until);
            burned = bond - toReserve;
        } else if (status != Status.Undecided) {
            revert WrongDissentStatus(order, status);
        }
        // A ruling outlives its bond: who was wrong stays punishable.
        found.status = Status.Closed;
        uint256 returned = bond - toReserve - burned;
        emit DissentCaseClosed(order, returned, toReserve, burned);
        if (burned != 0) ERC20Burnable(address(token)).burn(burned);
        if (toReserve != 0) {
            token.forceApprove(address(distributor), toReserve);
            distributor.fundReserve(found.model, toReserve);
        }
        if (returned != 0) token.safeTransfer(found.opener, returned);
    }

    // ---- TaskManager only ----

    /// @inheritdoc IReviewer
    function onVerdict(bytes32 taskId, bytes32 winner, uint256, uint256, bytes32 ballot) external {
        bytes32 order = _ofReview(taskId);
        Case storage found = _cases[order];
        (found.status, found.winner, found.ballot) = (Status.Judged, winner, ballot);
        found.until = uint40(block.timestamp + CONDEMN_WINDOW);
        emit DissentJudged(order, winner);
    }

    /// @inheritdoc IReviewer
    function onNoVerdict(bytes32 taskId) external {
        bytes32 order = _ofReview(taskId);
        _cases[order].status = Status.Undecided;
        emit DissentJudged(order, 0);
    }

    // ---- views ----

    /// @inheritdoc IDissentCases
    function cases(bytes32 order) external view returns (Case memory) {
        return _cases[order];
    }

    /// @inheritdoc IDissentCases
    function bondNow() external view returns (uint256) {
        return BOND_FACTOR * taskManager.parameters().lastJudgeSeats * distributor.judgeFee();
    }

    // ---- internal ----

    /// @dev A split names as few of an order's seats as it likes, so it must not use up the case that excludes them all.
    /// @param seated of the order's seats, as many as are known
    /// @param excluded accounts whose operators may not sit
    function _openCase(
        bytes32 order,
        TaskOrder calldata ordered,
        uint256 seated,
        uint32[] memory excluded,
        uint32 dissenter,
        bool split,
        bytes calldata inputData
    ) private returns (bytes32 reviewId) {
        Case storage found = _cases[order];
        bool again = found.split && !split && found.status == Status.Closed && found.truth == 0;
        if (found.status != Status.None && !again) revert CaseExists(order);
        _requireYoung(order, ordered.epoch);
        Review memory review = _review(order, ordered, seated, excluded, inputData);
        if (again) review.salt = keccak256(abi.encode(order));
        found.model = _requireExact(ordered.modelId);
        uint256 bond = BOND_FACTOR * review.seats * distributor.judgeFee();
        (found.opener, found.bond, found.status) = (msg.sender, uint96(bond), Status.Judging);
        found.split = split;
        // Status and bond are kept, and the panel is drawn in a later block: no verdict comes before the id is kept.
        // slither-disable-next-line reentrancy-no-eth
        reviewId = taskManager.openReview(review);
        (found.reviewId, found.record) = (reviewId, Hashing.asked(keccak256(inputData), excluded));
        _orderOf[reviewId] = order;
        emit DissentCaseOpened(order, reviewId, msg.sender, dissenter, bond, excluded);
        if (bond != 0) token.safeTransferFrom(msg.sender, address(this), bond);
    }

    /// @dev No second bench follows, so the panel is as large as the last one of a task. The order's
    /// paramsDigest names the key of a stream at most: who lied in a streamed order is judged by its input too.
    function _review(
        bytes32 order,
        TaskOrder calldata ordered,
        uint256 seated,
        uint32[] memory excluded,
        bytes calldata inputData
    ) private view returns (Review memory review) {
        if (!Hashing.wellFormed(inputData) || Hashing.isPointer(inputData)) {
            revert ContentMismatch(ordered.inputDigest, 0);
        }
        _requireSame(ordered.inputDigest, Hashing.payloadRoot(inputData));
        review.modelId = ordered.modelId;
        review.seats = taskManager.parameters().lastJudgeSeats;
        review.salt = order;
        review.inputData = inputData;
        review.excluded = excluded;
        // Otherwise a liar would have its one case heard while nobody can judge it.
        uint256 eligible = taskManager.poolSize(ordered.modelId, true) + taskManager.poolSize(ordered.modelId, false);
        if (eligible < review.seats + seated) revert TooFewJudges(eligible, review.seats + seated);
    }

    function _requireSigned(Attestation calldata attestation, bytes calldata signature) private view {
        (address node, bool valid) = Signers.named(channels.attestationHash(attestation), signature, true);
        (uint32 operatorId,) = taskManager.nodeBinding(node);
        if (!valid || operatorId == 0 || operatorId != attestation.account >> 1) {
            revert BadSeatSignature(attestation.order, attestation.account);
        }
    }

    /// @dev Half of the time in which stake that leaves stays in reach; the panel needs the rest.
    function _requireYoung(bytes32 order, uint256 epoch) private view {
        uint256 until = channels.genesis() + epoch * channels.epochSeconds() + distributor.unbondingDelay() / 2;
        if (block.timestamp > until) revert TooLateToJudge(order, until);
    }

    /// @dev Honest results of other models differ. Who signs an order may still call it `Exact`.
    function _requireExact(bytes32 modelId) private view returns (uint32) {
        IModelRegistry.Terms memory terms = registry.terms(modelId);
        if (terms.policy != Policy.Exact) revert NotByDigest(modelId);
        return terms.index;
    }

    function _condemn(bytes32 order, uint32 account, bytes32 result) private {
        Case storage found = _cases[order];
        bytes32 truth = found.truth;
        if (truth == 0) revert WrongDissentStatus(order, found.status);
        if (result == truth) revert NotWrong(order, account);
        if (condemnedFor[order][account] != 0) revert AlreadyProvenFault(order, account);
        // Of neither zero nor one anybody knows the payload, and zero says that nobody was condemned.
        condemnedFor[order][account] = result == 0 ? bytes32(uint256(1)) : result;
        // Marked above, so nobody is punished twice; what follows only adds to a sum.
        // slither-disable-next-line reentrancy-no-eth
        uint256 amount = distributor.punish(account, order, found.model, Fault.Incorrect, found.confidence);
        found.taken += uint128(amount);
        emit AttestedWrongly(order, account, result, amount);
    }

    function _in(bytes32 order, Status wanted) private view returns (Case storage found) {
        found = _cases[order];
        if (found.status != wanted) revert WrongDissentStatus(order, found.status);
    }

    function _ofReview(bytes32 reviewId) private view returns (bytes32) {
        if (msg.sender != address(taskManager)) revert OnlyTaskManager();
        return _orderOf[reviewId];
    }

    function _requireSame(bytes32 expected, bytes32 given) private pure {
        if (expected != given) revert ContentMismatch(expected, given);
    }
}
