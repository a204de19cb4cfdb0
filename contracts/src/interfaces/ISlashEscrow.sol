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

    error OnlyRewardDistributor();
    error OnlyAppeals();
    error ZeroAddress();
    error BadEscrowRules(uint16 threshold, uint32 window);
    error WrongCaseStatus(bytes32 caseId, CaseStatus current);
    error WindowOpen(bytes32 caseId, uint256 until);
    error WindowClosed(bytes32 caseId, uint256 until);

    /// @param until unix seconds; the case may be appealed and vetoed up to then
    event SlashHeld(
        bytes32 indexed caseId, uint32 indexed account, bytes32 indexed taskId, SlashCase slashCase, uint256 until
    );
    event SlashAppealed(bytes32 indexed caseId);
    /// @param until unix seconds; the case may be vetoed up to then
    event SlashHeard(bytes32 indexed caseId, uint256 until);
    event SlashFinal(bytes32 indexed caseId);
    event SlashOverturned(bytes32 indexed caseId);
    event SlashVetoed(bytes32 indexed caseId);
    event EscrowRulesChanged(uint16 threshold, uint32 window);

    /// @notice Take a case, unless it is at or under the threshold. The RewardDistributor only.
    /// @return held false: the slash is final at once. Also for a case equal to an earlier one: it takes a veto and
    /// the same fault again, all in one second.
    function open(SlashCase calldata slashCase) external returns (bool held);

    /// @notice Split a slash whose window ended. Anyone.
    /// @dev Reverts with WrongCaseStatus unless Held or Heard, with WindowOpen before the window ended.
    function finalise(SlashCase calldata slashCase) external;

    /// @notice Give a slash back. Governance, within the window or while a review runs.
    /// @dev Reverts with WrongCaseStatus, or with WindowClosed after the window ended.
    function veto(SlashCase calldata slashCase) external;

    /// @notice A review begins. The Appeals contract only, within the first window.
    function beginAppeal(SlashCase calldata slashCase) external;

    /// @notice A review ended. The Appeals contract only. Does nothing if governance decided meanwhile.
    /// @param overturned false: the slash stands, and a second window begins for a veto alone
    function endAppeal(SlashCase calldata slashCase, bool overturned) external;

    /// @notice Change the rules for slashes to come. Governance.
    /// @param threshold basis points; slashes above it are held. At most 9,999, so that contradictions always are
    /// @param window seconds, 1 to 30 days
    function setRules(uint16 threshold, uint32 window) external;

    /// @notice The id of a case: keccak256(abi.encode(slashCase)).
    function caseIdOf(SlashCase calldata slashCase) external pure returns (bytes32);

    /// @param until unix seconds at which the window ends; 0 while a review runs
    function caseState(bytes32 caseId) external view returns (CaseStatus status, uint256 until);

    /// @return threshold basis points
    /// @return window seconds
    function rules() external view returns (uint16 threshold, uint32 window);
}
