// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {DissentRecord, IAppeals} from "./interfaces/IAppeals.sol";
import {IDissentCases} from "./interfaces/IDissentCases.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IReviewer, Review} from "./interfaces/IReviewer.sol";
import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {ISlashEscrow, SlashCase} from "./interfaces/ISlashEscrow.sol";
import {ITaskManager} from "./interfaces/ITaskManager.sol";
import {Fault, Policy} from "./interfaces/Types.sol";
import {Hashing} from "./libraries/Hashing.sol";
import {MAX_SEATS} from "./libraries/SeatPacking.sol";

/// @title Cases judged again
/// @notice Holds the bonds of appeals that are not concluded, and nothing else.
contract Appeals is IAppeals, AccessManaged {
    using SafeERC20 for IERC20;

    /// @dev Seats that a panel has more than the largest round of its case.
    uint256 private constant MORE_SEATS = 2;
    /// @dev Half of a lost bond is burned, so that the other half pays for the whole panel.
    uint256 private constant BOND_FACTOR = 2;
    uint256 private constant MAX_MINIMUM_BOND = 100_000e18;

    /// @notice MLB.
    IERC20 public immutable token;
    /// @notice Holds the cases.
    ISlashEscrow public immutable escrow;
    /// @notice Keeps accounts and the dispute reserve.
    IRewardDistributor public immutable distributor;
    /// @notice Has panels judge.
    ITaskManager public immutable taskManager;
    /// @notice Knows the models' policies.
    IModelRegistry public immutable registry;
    /// @notice Knows who was condemned for which result of the channel lane. Nothing stands there on a chain without it.
    IDissentCases public immutable dissentCases;

    /// @inheritdoc IAppeals
    uint256 public minimumBond;
    mapping(bytes32 reviewId => Appeal) private _appeals;

    /// @param authority AccessManager of `setMinimumBond`
    /// @param minimumBond_ MLB, 18 decimals
    /// @param token_ the MLB token
    /// @param distributor_ stakes, reputation and credits
    /// @param taskManager_ runs the tasks
    /// @param registry_ models and their terms
    /// @param escrow_ where large slashes wait
    /// @param dissentCases_ where orders of the channel lane are judged
    constructor(
        address authority,
        address token_,
        address escrow_,
        address distributor_,
        address taskManager_,
        address registry_,
        address dissentCases_,
        uint256 minimumBond_
    ) AccessManaged(authority) {
        if (authority == address(0) || token_ == address(0) || escrow_ == address(0)) {
            revert ZeroAddress();
        }
        if (distributor_ == address(0) || taskManager_ == address(0) || registry_ == address(0)) revert ZeroAddress();
        if (dissentCases_ == address(0)) revert ZeroAddress();
        dissentCases = IDissentCases(dissentCases_);
        token = IERC20(token_);
        escrow = ISlashEscrow(escrow_);
        distributor = IRewardDistributor(distributor_);
        taskManager = ITaskManager(taskManager_);
        registry = IModelRegistry(registry_);
        _setMinimumBond(minimumBond_);
    }

    // ---- appellants ----

    /// @inheritdoc IAppeals
    function appeal(
        SlashCase calldata slashCase,
        Hashing.CaseRecord calldata record,
        uint256 seat,
        bytes calldata inputData,
        bytes calldata mine,
        bytes calldata delivered
    ) external returns (bytes32 reviewId) {
        bytes32 caseId = _ofAppellant(slashCase);
        if (taskManager.recordOf(slashCase.taskId) != Hashing.record(record)) revert RecordMismatch(slashCase.taskId);
        // Only what the account itself revealed is judged: nobody appeals with a better answer found later.
        if (seat >= record.digests.length || record.accounts[seat] != slashCase.account) revert BadSeat(seat);
        _requireContent(slashCase.taskId, mine, record.digests[seat]);
        if (keccak256(inputData) != record.inputHash) {
            revert ContentMismatch(record.inputHash, keccak256(inputData));
        }

        Review memory review;
        Policy policy;
        (review.modelId, policy) = _model(record.model);
        review.seats = panelSize(record.largest);
        review.inputData = inputData;
        review.excluded = record.accounts;
        if (policy == Policy.Numeric) _nominate(review, slashCase, record, mine, delivered);
        return _appeal(slashCase, caseId, review, mine);
    }

    /// @inheritdoc IAppeals
    /// @dev A model of a case is `Exact`, and stays so.
    function appealDissent(
        SlashCase calldata slashCase,
        DissentRecord calldata record,
        bytes calldata inputData,
        bytes calldata mine
    ) external returns (bytes32 reviewId) {
        bytes32 caseId = _ofAppellant(slashCase);
        bytes32 order = slashCase.taskId;
        IDissentCases.Case memory found = dissentCases.cases(order);
        bytes32 result = dissentCases.condemnedFor(order, slashCase.account);
        // A slash of the same account for the same order that names no model is for a seat that was not drawn: a fact.
        if (result == 0 || slashCase.model != found.model) revert NotAppealable(caseId);
        if (
            found.record != Hashing.asked(keccak256(inputData), record.excluded)
                || found.ballot != Hashing.ballot(record.panel, record.values, record.revealed)
        ) revert RecordMismatch(order);
        _requireContent(order, mine, result);

        Review memory review;
        (review.modelId,) = _model(found.model);
        review.seats = panelSize(uint8(record.panel.length));
        review.inputData = inputData;
        review.excluded = _before(record, slashCase.account);
        _requireJudges(review);
        return _appeal(slashCase, caseId, review, mine);
    }

    // ---- anyone ----

    /// @inheritdoc IAppeals
    function conclude(bytes32 reviewId, SlashCase calldata slashCase) external {
        Appeal memory found = _appeals[reviewId];
        Outcome outcome = found.outcome;
        if (outcome == Outcome.None || outcome == Outcome.Pending || outcome == Outcome.Concluded) {
            revert NotDecided(reviewId, outcome);
        }
        bytes32 caseId = escrow.caseIdOf(slashCase);
        if (caseId != found.caseId) revert WrongCase(reviewId, caseId);
        _appeals[reviewId].outcome = Outcome.Concluded;
        emit AppealConcluded(reviewId, caseId, outcome);
        escrow.endAppeal(slashCase, outcome == Outcome.Won);
        (uint256 toReserve, uint256 burned) = _partOf(found.bond, outcome, slashCase);
        uint256 returned = found.bond - toReserve - burned;
        if (burned != 0) ERC20Burnable(address(token)).burn(burned);
        if (toReserve != 0) {
            token.forceApprove(address(distributor), toReserve);
            distributor.fundReserve(slashCase.model, toReserve);
        }
        if (returned != 0) token.safeTransfer(found.appellant, returned);
    }

    // ---- TaskManager only ----

    /// @inheritdoc IReviewer
    /// @dev In a vote candidate 0 is the appellant's result. It wins if it is accepted, also beside the delivered one,
    /// and loses only if it is rejected, as before judges.
    function onVerdict(bytes32 taskId, bytes32 winner, uint256 accepted, uint256 rejected, bytes32) external {
        bytes32 expected = _appeals[taskId].expected;
        Outcome outcome = Outcome.Undecided;
        if (expected != 0) outcome = winner == expected ? Outcome.Won : Outcome.Lost;
        else if (accepted & 1 == 1) outcome = Outcome.Won;
        else if (rejected & 1 == 1) outcome = Outcome.Lost;
        _decide(taskId, outcome);
    }

    /// @inheritdoc IReviewer
    function onNoVerdict(bytes32 taskId) external {
        _decide(taskId, Outcome.Undecided);
    }

    // ---- governance ----

    /// @inheritdoc IAppeals
    function setMinimumBond(uint256 minimumBond_) external restricted {
        _setMinimumBond(minimumBond_);
    }

    // ---- views ----

    /// @inheritdoc IAppeals
    function appeals(bytes32 reviewId) external view returns (Appeal memory) {
        return _appeals[reviewId];
    }

    /// @inheritdoc IAppeals
    function panelSize(uint8 largest) public pure returns (uint8) {
        uint256 seats = largest + MORE_SEATS;
        return uint8(seats < MAX_SEATS ? seats : MAX_SEATS);
    }

    /// @inheritdoc IAppeals
    function bondFor(uint8 seats) public view returns (uint256) {
        uint256 bond = BOND_FACTOR * seats * distributor.judgeFee();
        return bond > minimumBond ? bond : minimumBond;
    }

    // ---- internal ----

    function _ofAppellant(SlashCase calldata slashCase) private view returns (bytes32 caseId) {
        caseId = escrow.caseIdOf(slashCase);
        if (slashCase.fault != Fault.Incorrect) revert NotAppealable(caseId);
        if (distributor.accounts(slashCase.account).operator != msg.sender) revert NotAppellant(caseId, msg.sender);
    }

    function _appeal(SlashCase calldata slashCase, bytes32 caseId, Review memory review, bytes calldata mine)
        private
        returns (bytes32 reviewId)
    {
        uint256 bond = bondFor(review.seats);
        escrow.beginAppeal(slashCase);
        review.salt = caseId;
        reviewId = taskManager.openReview(review);
        bool voted = review.candidates.length != 0;
        bytes32 expected = voted ? bytes32(0) : Hashing.digest(reviewId, Hashing.payloadRoot(mine));
        _appeals[reviewId] = Appeal(msg.sender, uint96(bond), caseId, expected, Outcome.Pending);
        emit Appealed(reviewId, caseId, msg.sender, bond);
        token.safeTransferFrom(msg.sender, address(this), bond);
    }

    /// @dev Nobody who answered or judged before; nor the appellant, which need not have had a seat to be condemned.
    function _before(DissentRecord calldata record, uint32 appellant) private pure returns (uint32[] memory everyone) {
        uint256 first = record.excluded.length;
        uint256 panel = record.panel.length;
        everyone = new uint32[](first + panel + 1);
        for (uint256 i; i < first; ++i) {
            everyone[i] = record.excluded[i];
        }
        for (uint256 i; i < panel; ++i) {
            everyone[first + i] = record.panel[i];
        }
        everyone[first + panel] = appellant;
    }

    /// @dev Otherwise an honest appellant would have its one appeal heard while nobody can judge it.
    function _requireJudges(Review memory review) private view {
        bytes32 modelId = review.modelId;
        uint32[] memory excluded = review.excluded;
        uint256 eligible = taskManager.poolSize(modelId, true) + taskManager.poolSize(modelId, false);
        for (uint256 i; i < excluded.length; ++i) {
            uint256 first;
            while (excluded[first] != excluded[i]) {
                ++first;
            }
            if (first == i && taskManager.isServing(modelId, excluded[i])) --eligible;
        }
        if (eligible < review.seats) revert TooFewJudges(eligible, review.seats);
    }

    /// @dev The reserve paid the panel, and gets half of a slash that stands: what that is short of, or all of it where the
    /// panel found against the appellant, is the bond's to pay. So no appeal makes the reserve poorer but one that is won.
    function _partOf(uint256 bond, Outcome outcome, SlashCase calldata slashCase)
        private
        pure
        returns (uint256 toReserve, uint256 burned)
    {
        uint256 half = bond / BOND_FACTOR;
        if (outcome == Outcome.Lost) return (half, bond - half);
        if (outcome == Outcome.Won) return (0, 0);
        uint256 paid = (uint256(slashCase.fromBonded) + slashCase.fromUnbonding) / 2;
        if (paid < half) toReserve = half - paid;
    }

    /// @dev The appellant's result, beside the one that won if any did.
    function _nominate(
        Review memory review,
        SlashCase calldata slashCase,
        Hashing.CaseRecord calldata record,
        bytes calldata mine,
        bytes calldata delivered
    ) private view {
        bool rival = record.winner != 0;
        review.candidates = new bytes[](rival ? 2 : 1);
        review.authors = new uint32[](review.candidates.length);
        (review.candidates[0], review.authors[0]) = (mine, slashCase.account);
        if (!rival) return;
        _requireContent(slashCase.taskId, delivered, record.winner);
        uint256 author;
        while (record.digests[author] != record.winner) {
            ++author;
        }
        (review.candidates[1], review.authors[1]) = (delivered, record.accounts[author]);
    }

    function _model(uint32 index) private view returns (bytes32 modelId, Policy policy) {
        IModelRegistry.Terms memory terms;
        (modelId, terms) = registry.termsAt(index);
        policy = terms.policy;
    }

    function _requireContent(bytes32 taskId, bytes calldata content, bytes32 expected) private view {
        bytes32 given;
        if (Hashing.wellFormed(content)) given = Hashing.digest(taskId, Hashing.payloadRoot(content));
        if (given != expected) revert ContentMismatch(expected, given);
    }

    function _decide(bytes32 reviewId, Outcome outcome) private {
        if (msg.sender != address(taskManager)) revert OnlyTaskManager();
        _appeals[reviewId].outcome = outcome;
        emit AppealDecided(reviewId, outcome);
    }

    function _setMinimumBond(uint256 minimumBond_) private {
        if (minimumBond_ > MAX_MINIMUM_BOND) revert BadMinimumBond(minimumBond_);
        minimumBond = minimumBond_;
        emit MinimumBondChanged(minimumBond_);
    }
}
