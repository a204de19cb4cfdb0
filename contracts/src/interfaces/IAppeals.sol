// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Hashing} from "../libraries/Hashing.sol";
import {IReviewer} from "./IReviewer.sol";
import {SlashCase} from "./ISlashEscrow.sol";

/// @title Cases judged again
/// @notice An operator that judges ruled against, and whose slash waits in the SlashEscrow, may have its result judged
/// by a larger panel, of whom nobody ever sat in the task, from later randomness. Only an `Incorrect` result can be
/// appealed: that a member was absent, did not open, or signed twice is a fact on chain that no panel can find
/// otherwise, so there only governance's veto is left.
interface IAppeals is IReviewer {
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
    struct Appeal {
        address appellant;
        uint96 bond;
        bytes32 caseId;
        bytes32 expected;
        Outcome outcome;
    }

    error OnlyTaskManager();
    error ZeroAddress();
    error NotAppealable(bytes32 caseId);
    error NotAppellant(bytes32 caseId, address caller);
    error RecordMismatch(bytes32 taskId);
    error ContentMismatch(bytes32 expected, bytes32 given);
    error BadSeat(uint256 seat);
    error BadMinimumBond(uint256 minimumBond);
    error NotDecided(bytes32 reviewId, Outcome outcome);
    error WrongCase(bytes32 reviewId, bytes32 caseId);

    event Appealed(bytes32 indexed reviewId, bytes32 indexed caseId, address indexed appellant, uint256 bond);
    event AppealDecided(bytes32 indexed reviewId, Outcome outcome);
    event AppealConcluded(bytes32 indexed reviewId, bytes32 indexed caseId, Outcome outcome);
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

    /// @notice Apply what the panel said. Anyone. Won: the slash is undone and the bond returned. Lost: the slash stands,
    /// half of the bond goes to the model's dispute reserve, which paid the panel, and half is burned. Undecided: the slash
    /// stands and the bond is returned.
    function conclude(bytes32 reviewId, SlashCase calldata slashCase) external;

    /// @notice Change the least bond. Governance; at most 100,000 MLB.
    function setMinimumBond(uint256 minimumBond_) external;

    function appeals(bytes32 reviewId) external view returns (Appeal memory);
    /// @notice Seats of the panel after a case whose largest round had `largest` seats: two more, at most 15.
    function panelSize(uint8 largest) external pure returns (uint8);
    /// @notice MLB that an appeal with such a panel costs now: twice the panel's fees, at least the minimum.
    function bondFor(uint8 seats) external view returns (uint256);
    /// @notice Least bond, MLB with 18 decimals.
    function minimumBond() external view returns (uint256);
}
