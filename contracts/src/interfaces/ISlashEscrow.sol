// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Fault} from "./Types.sol";

/// @notice One slash, with all that undoing it needs. Only its hash is stored: whoever acts on a case says it again, as
/// the event `SlashHeld` told it.
/// @param model whose dispute reserve gets its part; 0: the common one
/// @param basisPoints of bonded and unbonding stake
/// @param fromBonded MLB, 18 decimals
/// @param fromUnbonding MLB, 18 decimals
/// @param reputationBefore basis points when the fault was punished, decayed to then
/// @param reputationAfter what the fault left of it
/// @param wasJailed whether an earlier fault had jailed the account
/// @param jailedUntilBefore unix seconds
/// @param jailedUntil term that the fault set, unix seconds; 0: none. No two faults set the same one to an account
/// @param slashedAt unix seconds
/// @param reporter gets a tenth of a slash that stands; zero for none
/// @param taskId id of the task
/// @param account account id: operatorId * 2 + (1 if Verifier)
/// @param fault why stake is taken
struct SlashCase {
    bytes32 taskId;
    uint32 account;
    uint32 model;
    Fault fault;
    uint16 basisPoints;
    uint96 fromBonded;
    uint96 fromUnbonding;
    uint16 reputationBefore;
    uint16 reputationAfter;
    bool wasJailed;
    uint64 jailedUntilBefore;
    uint64 jailedUntil;
    uint64 slashedAt;
    address reporter;
}

/// @title Where heavy slashes wait until they are final
/// @notice The stake is gone at once and the money waits: for an appeal, and for governance. The RewardDistributor keeps
/// the MLB and its sum; this contract keeps the cases.
interface ISlashEscrow {
    /// @notice Where a case stands.
    enum CaseStatus {
        None, // unknown, or final at once
        Held, // open to an appeal and to a veto until the window ends
        Appealed, // a review runs; open to a veto
        Heard, // a review did not overturn it; open to a veto until the window ends
        Closed // split or restored
    }

    /// @notice Only the RewardDistributor contract may call this.
    error OnlyRewardDistributor();
    /// @notice Only the Appeals contract may call this.
    error OnlyAppeals();
    /// @notice An address argument is the zero address.
    error ZeroAddress();
    /// @notice A threshold of `threshold` basis points or a window of `window` s is not allowed.
    /// @param window bit i: sequence floor + i was settled by itself
    /// @param threshold slashes above it wait
    error BadEscrowRules(uint16 threshold, uint32 window);
    /// @notice The case `caseId` cannot take this step now (state `current`).
    /// @param current what holds now
    /// @param caseId id of the case
    error WrongCaseStatus(bytes32 caseId, CaseStatus current);
    /// @notice The case `caseId` may be appealed or vetoed until `until`.
    /// @param until unix seconds at which it ends
    /// @param caseId id of the case
    error WindowOpen(bytes32 caseId, uint256 until);
    /// @notice The window of the case `caseId` closed at `until`.
    /// @param until unix seconds at which it ends
    /// @param caseId id of the case
    error WindowClosed(bytes32 caseId, uint256 until);

    /// @param until unix seconds; the case may be appealed and vetoed up to then
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param taskId id of the task
    /// @param caseId id of the case
    /// @param slashCase the slash that waits
    event SlashHeld(
        bytes32 indexed caseId, uint32 indexed account, bytes32 indexed taskId, SlashCase slashCase, uint256 until
    );
    /// @notice A waiting slash is being appealed.
    /// @param caseId id of the case
    event SlashAppealed(bytes32 indexed caseId);
    /// @param until unix seconds; the case may be vetoed up to then
    /// @param caseId id of the case
    event SlashHeard(bytes32 indexed caseId, uint256 until);
    /// @notice A waiting slash was carried out.
    /// @param caseId id of the case
    event SlashFinal(bytes32 indexed caseId);
    /// @notice An appeal gave a slash back.
    /// @param caseId id of the case
    event SlashOverturned(bytes32 indexed caseId);
    /// @notice Governance gave a slash back.
    /// @param caseId id of the case
    event SlashVetoed(bytes32 indexed caseId);
    /// @param window bit i: sequence floor + i was settled by itself
    /// @param threshold slashes above it wait
    event EscrowRulesChanged(uint16 threshold, uint32 window);

    /// @notice Take a case, unless it is at or under the threshold. The RewardDistributor only.
    /// @return held false: the slash is final at once. Also for a case equal to an earlier one: it takes a veto and
    /// the same fault again, all in one second.
    /// @param slashCase the slash that waits
    function open(SlashCase calldata slashCase) external returns (bool held);

    /// @notice Split a slash whose window ended. Anyone.
    /// @dev Reverts with WrongCaseStatus unless Held or Heard, with WindowOpen before the window ended.
    /// @param slashCase the slash that waits
    function finalise(SlashCase calldata slashCase) external;

    /// @notice Give a slash back. Governance, within the window or while a review runs.
    /// @dev Reverts with WrongCaseStatus, or with WindowClosed after the window ended.
    /// @param slashCase the slash that waits
    function veto(SlashCase calldata slashCase) external;

    /// @notice A review begins. The Appeals contract only, within the first window.
    /// @param slashCase the slash that waits
    function beginAppeal(SlashCase calldata slashCase) external;

    /// @notice A review ended. The Appeals contract only. Does nothing if governance decided meanwhile.
    /// @param overturned false: the slash stands, and a second window begins for a veto alone
    /// @param slashCase the slash that waits
    function endAppeal(SlashCase calldata slashCase, bool overturned) external;

    /// @notice Change the rules for slashes to come. Governance.
    /// @param threshold basis points; slashes above it are held. At most 9,999, so that contradictions always are
    /// @param window seconds, 1 to 30 days
    function setRules(uint16 threshold, uint32 window) external;

    /// @notice The id of a case: keccak256(abi.encode(slashCase)).
    /// @param slashCase the slash that waits
    function caseIdOf(SlashCase calldata slashCase) external pure returns (bytes32);

    /// @param until unix seconds at which the window ends; 0 while a review runs
    /// @return status where it stands
    /// @param caseId id of the case
    /// @return until unix seconds at which its window ends
    function caseState(bytes32 caseId) external view returns (CaseStatus status, uint256 until);

    /// @return threshold basis points
    /// @return window seconds
    function rules() external view returns (uint16 threshold, uint32 window);
}
