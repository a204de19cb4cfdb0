// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Hashing} from "../libraries/Hashing.sol";
import {IReviewer} from "./IReviewer.sol";
import {SlashCase} from "./ISlashEscrow.sol";

/// @notice What an appeal says again of a case about an order of the channel lane. All of it is in the events.
/// @param excluded who could not sit on the first panel, as `DissentCaseOpened` told it
/// @param panel accounts of the first panel, by seat
/// @param values that they revealed, by seat
/// @param revealed bit i: seat i revealed
struct DissentRecord {
    uint32[] excluded;
    uint32[] panel;
    bytes32[] values;
    uint256 revealed;
}

/// @title Cases judged again
/// @notice An operator that judges ruled against, and whose slash waits in the SlashEscrow, may have its result judged
/// by a larger panel, of whom nobody ever sat in the case, from later randomness: what it revealed in a task (`appeal`), or
/// attested for an order of the channel lane (`appealDissent`). Only an `Incorrect` result can be appealed: that a member
/// was absent, did not open, signed twice or was not drawn is a fact that no panel can find otherwise, so there only
/// governance's veto is left.
interface IAppeals is IReviewer {
    /// @notice How an appeal ended.
    enum Outcome {
        None, // unknown
        Pending,
        Won,
        Lost,
        Undecided, // the panel could not be filled or did not agree
        Concluded
    }

    /// @param appellant the operator
    /// @param bond MLB, 18 decimals
    /// @param caseId of the slash
    /// @param expected digest with which the appeal wins in a Result round; zero in a vote
    /// @param outcome who attested the result and who is paid what
    struct Appeal {
        address appellant;
        uint96 bond;
        bytes32 caseId;
        bytes32 expected;
        Outcome outcome;
    }

    /// @notice Only the TaskManager contract may call this.
    error OnlyTaskManager();
    /// @notice An address argument is the zero address.
    error ZeroAddress();
    /// @notice The case `caseId` is no judged result.
    /// @param caseId id of the case
    error NotAppealable(bytes32 caseId);
    /// @notice `caller` is not the operator of the slashed account in the case `caseId`.
    /// @param caller who called
    /// @param caseId id of the case
    error NotAppellant(bytes32 caseId, address caller);
    /// @notice The record does not describe the task or order `taskId`.
    /// @param taskId id of the task, or hash of the order
    error RecordMismatch(bytes32 taskId);
    /// @notice The content hashes to `given`, but `expected` is on record.
    /// @param expected what was to be given
    /// @param given what was given
    error ContentMismatch(bytes32 expected, bytes32 given);
    /// @notice Seat `seat` of the first round is not the slashed account's.
    /// @param seat number of the seat
    error BadSeat(uint256 seat);
    /// @notice `eligible` accounts could judge, but `needed` are needed.
    /// @param eligible accounts in the model's pools that are not excluded
    /// @param needed seats of the panel
    error TooFewJudges(uint256 eligible, uint256 needed);
    /// @notice A minimum bond of `minimumBond` is not allowed.
    /// @param minimumBond MLB, 18 decimals
    error BadMinimumBond(uint256 minimumBond);
    /// @notice The review `reviewId` has nothing to conclude (state `outcome`).
    /// @param outcome who attested the result and who is paid what
    /// @param reviewId id of the review by judges
    error NotDecided(bytes32 reviewId, Outcome outcome);
    /// @notice The review `reviewId` is not about the case `caseId`.
    /// @param reviewId id of the review by judges
    /// @param caseId id of the case
    error WrongCase(bytes32 reviewId, bytes32 caseId);

    /// @param bond wei
    /// @param reviewId id of the review by judges
    /// @param caseId id of the case
    /// @param appellant who appeals
    event Appealed(bytes32 indexed reviewId, bytes32 indexed caseId, address indexed appellant, uint256 bond);
    /// @param outcome who attested the result and who is paid what
    /// @param reviewId id of the review by judges
    event AppealDecided(bytes32 indexed reviewId, Outcome outcome);
    /// @param outcome who attested the result and who is paid what
    /// @param reviewId id of the review by judges
    /// @param caseId id of the case
    event AppealConcluded(bytes32 indexed reviewId, bytes32 indexed caseId, Outcome outcome);
    /// @notice Appeals need another bond from now on.
    /// @param minimumBond MLB, 18 decimals
    event MinimumBondChanged(uint256 minimumBond);

    /// @notice Appeal, by the operator of the slashed account, within the window. Takes the bond in MLB by allowance.
    /// @param slashCase as `SlashHeld` told it
    /// @param record as the task's events told it
    /// @param seat of the slashed account in round 0
    /// @param inputData of the task, as submitted
    /// @param mine the result that the account revealed, tagged bytes
    /// @param delivered Numeric: the result that won, tagged bytes; empty for other policies, and if none won
    /// @return reviewId task id of the review
    function appeal(
        SlashCase calldata slashCase,
        Hashing.CaseRecord calldata record,
        uint256 seat,
        bytes calldata inputData,
        bytes calldata mine,
        bytes calldata delivered
    ) external returns (bytes32 reviewId);

    /// @notice The same for a slash by `DissentCases`: what the account attested for an order of the channel lane is judged
    /// by two more than judged it first. The operator, within the window, once a case, with the bond by allowance.
    /// @param slashCase as `SlashHeld` told it; its task is the order
    /// @param record as events told it
    /// @param inputData of the order, as the case was opened with
    /// @param mine the result that the account attested, tagged bytes
    /// @dev Reverts with NotAppealable, NotAppellant, RecordMismatch, ContentMismatch, TooFewJudges, and the errors of
    /// SlashEscrow.beginAppeal and TaskManager.openReview.
    /// @return reviewId task id of the review
    function appealDissent(
        SlashCase calldata slashCase,
        DissentRecord calldata record,
        bytes calldata inputData,
        bytes calldata mine
    ) external returns (bytes32 reviewId);

    /// @notice Apply what the panel said. Anyone. Won: the slash is undone and the bond returned. Lost: the slash stands,
    /// half of the bond goes to the model's dispute reserve, which paid the panel, and half is burned. Undecided: the slash
    /// stands and the bond is returned, but for what half of the slash does not pay of the panel.
    /// @param reviewId id of the review by judges
    /// @param slashCase the slash that waits
    function conclude(bytes32 reviewId, SlashCase calldata slashCase) external;

    /// @notice Change the least bond. Governance; at most 100,000 MLB.
    /// @param minimumBond_ MLB, 18 decimals
    function setMinimumBond(uint256 minimumBond_) external;

    /// @notice An appeal.
    /// @param reviewId id of the review by judges
    function appeals(bytes32 reviewId) external view returns (Appeal memory);
    /// @notice Seats of the panel after a case whose largest round had `largest` seats: two more, at most 15.
    /// @param largest the most seats
    function panelSize(uint8 largest) external pure returns (uint8);
    /// @notice MLB that an appeal with such a panel costs now: twice the panel's fees, at least the minimum.
    /// @param seats seats of the committee
    function bondFor(uint8 seats) external view returns (uint256);
    /// @notice Least bond, MLB with 18 decimals.
    function minimumBond() external view returns (uint256);
}
