// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";

import {IRewardDistributor} from "./IRewardDistributor.sol";
import {IVoterRoll} from "./IVoterRoll.sol";

/// @notice What a governor is made with.
/// @param token MLB
/// @param timelock carries proposals out and holds the treasury
/// @param authority AccessManager of every other contract
/// @param distributor keeps stakes; its unbonding delay bounds the terms
/// @param roll weights of quadratic votes
/// @param guardian first guardian; zero for none
/// @param guardianTerm seconds for which a guardian keeps its powers
/// @param voteExtension seconds left to vote, at least, once the quorum is reached
/// @param leastVotingPeriod seconds
/// @param tokenGrantLimit most MLB (18 decimals) that one Ecosystem proposal may grant
/// @param coinGrantLimit most wei
struct GovernorSetup {
    IVotes token;
    TimelockController timelock;
    address authority;
    IRewardDistributor distributor;
    IVoterRoll roll;
    address guardian;
    uint32 guardianTerm;
    uint32 voteExtension;
    uint32 leastVotingPeriod;
    uint256 tokenGrantLimit;
    uint256 coinGrantLimit;
}

/// @notice What a proposal is about. Each category has its own terms.
enum Category {
    Technical, // parameters of tasks, suspended models, pause
    Economic, // fees, rewards, the treasury beyond a grant
    Governance, // who governs and how, upgrades, everything that is not listed; the strictest
    Ecosystem // grants: plain transfers out of the treasury up to the grant limits
}

/// @title Terms and limits of proposals, and what the guardian may do
/// @notice Proposing, voting, queuing and executing are those of OpenZeppelin's IGovernor.
interface IMLBridgeGovernor {
    /// @notice How proposals of a category are decided. A proposal keeps the terms that it was made under.
    struct Terms {
        uint32 votingDelay; // seconds from proposal to vote
        uint32 votingPeriod; // seconds
        uint32 timelockDelay; // seconds from queue to execution
        uint16 quorum; // basis points: of the supply, or of the roll's weight where quadratic; For and Abstain count
        uint16 approval; // basis points of For among For and Against that must be exceeded
        bool quadratic; // weight is the square root of stake instead of delegated votes
        uint96 proposalThreshold; // MLB (18 decimals) delegated to the proposer
        uint96 quorumFloor; // least quorum: MLB, or the roll's weight where quadratic
    }

    /// @notice A row of the table that says what a call is about.
    struct Listing {
        address target;
        bytes4 selector;
        Category category;
    }

    error ZeroAddress();
    error BadTerms(Category category, string name);
    error BadGuardianTerm(uint256 term);
    /// @param declared by the proposer
    /// @param required by what the proposal does
    error WrongCategory(Category declared, Category required);
    error AlwaysGovernance(address target);
    error NoVotingPower(address account);
    error TimelockUnmet(uint256 proposalId, uint256 eta);
    error NotGuardian(address caller);
    error GasTooLow(uint256 left, uint256 needed);

    event TermsChanged(Category indexed category, Terms terms);
    event CallListed(address indexed target, bytes4 indexed selector, Category category);
    /// @param tokens MLB (18 decimals); coins: wei
    event GrantLimitsChanged(uint256 tokens, uint256 coins);
    event VoteRecorderChanged(address recorder);
    event VoteNotRecorded(uint256 indexed proposalId, address indexed voter);
    event ProposalCategorized(uint256 indexed proposalId, Category indexed category, Terms terms);
    event GuardianTermSet(address indexed guardian, uint256 until);
    event EmergencyPause(address indexed guardian, address indexed target);

    // ---- proposers ----
    /// @notice Propose and declare the category. Reverts with WrongCategory unless it is what the calls require, or
    /// Governance. `propose` of IGovernor declares what the calls require.
    /// @param targets called by the timelock, in this order, all or none
    /// @param values wei for each call, from the timelock's balance
    function proposeIn(
        Category declared,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        string memory description
    ) external returns (uint256 proposalId);

    // ---- the guardian, until its term ends ----
    /// @notice Stop new work: calls `pause()` of a contract that lets the governor pause it. Reverts with NotGuardian.
    /// The guardian's other power is `cancel` of IGovernor, until a proposal's timelock has run out; never of a proposal
    /// that does nothing but replace the guardian.
    function emergencyPause(address target) external;

    // ---- by proposal only ----
    /// @notice Terms of proposals to come. Reverts with BadTerms outside the bounds.
    function setTerms(Category category, Terms calldata terms_) external;
    /// @notice Say what a call is about. Reverts with AlwaysGovernance for the governor, the timelock and the
    /// AccessManager.
    function listCall(address target, bytes4 selector, Category category) external;
    /// @param tokens most MLB (18 decimals) that one Ecosystem proposal may grant; coins: most wei
    function setGrantLimits(uint256 tokens, uint256 coins) external;
    /// @notice Whom to tell of votes; zero for nobody. One that fails never stops a vote.
    function setVoteRecorder(address recorder) external;

    // ---- views ----
    function terms(Category category) external view returns (Terms memory);
    function proposalTerms(uint256 proposalId) external view returns (Category category, Terms memory terms_);
    /// @notice For plus Abstain that the proposal needs, in the unit of its votes.
    function proposalQuorum(uint256 proposalId) external view returns (uint256);
    /// @notice What a vote of this account on this proposal weighs.
    function votingWeight(uint256 proposalId, address account) external view returns (uint256);
    /// @notice The category that these calls require: that of each of them, or Governance where they differ.
    function requiredCategory(address[] memory targets, uint256[] memory values, bytes[] memory calldatas)
        external
        view
        returns (Category);
    /// @notice What the table says of a call; Governance of one that was never listed.
    function listed(address target, bytes4 selector) external view returns (Category);
    function tokenGrantLimit() external view returns (uint256);
    function coinGrantLimit() external view returns (uint256);
    function voteRecorder() external view returns (address);
    /// @notice Unix seconds at which the guardian's powers end.
    function guardianUntil() external view returns (uint256);
}
