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
/// @param voteRecorder told of every vote; zero for nobody
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
    address voteRecorder;
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
    /// @param votingDelay seconds from proposal to vote
    /// @param votingPeriod seconds
    /// @param timelockDelay seconds from queue to execution
    /// @param quorum basis points: of the supply, or of the roll's weight where quadratic; For and Abstain count
    /// @param approval basis points of For among For and Against that must be exceeded
    /// @param quadratic weight is the square root of stake instead of delegated votes
    /// @param proposalThreshold MLB (18 decimals) delegated to the proposer
    /// @param quorumFloor least quorum: MLB, or the roll's weight where quadratic
    struct Terms {
        uint32 votingDelay;
        uint32 votingPeriod;
        uint32 timelockDelay;
        uint16 quorum;
        uint16 approval;
        bool quadratic;
        uint96 proposalThreshold;
        uint96 quorumFloor;
    }

    /// @notice A row of the table that says what a call is about.
    /// @param target contract that is called
    /// @param selector function that is called
    /// @param category category of the proposal
    struct Listing {
        address target;
        bytes4 selector;
        Category category;
    }

    /// @notice An address argument is the zero address.
    error ZeroAddress();
    /// @notice The value for `name` is not allowed in the terms of the category `category`.
    /// @param category category of the proposal
    /// @param name which of the terms
    error BadTerms(Category category, string name);
    /// @notice A guardian's term of `term` seconds is not allowed.
    /// @param term seconds
    error BadGuardianTerm(uint256 term);
    /// @param declared by the proposer
    /// @param required by what the proposal does
    error WrongCategory(Category declared, Category required);
    /// @notice What calls `target` is always a matter of governance.
    /// @param target contract that is called
    error AlwaysGovernance(address target);
    /// @notice `account` has no votes on this proposal.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NoVotingPower(address account);
    /// @notice The proposal `proposalId` may be executed from `eta` on.
    /// @param proposalId id of the proposal
    /// @param eta unix seconds from which the timelock lets it through
    error TimelockUnmet(uint256 proposalId, uint256 eta);
    /// @notice `caller` is not the guardian, or its term has ended.
    /// @param caller who called
    error NotGuardian(address caller);
    /// @notice There are `left` gas left, but telling the vote recorder may take `needed`.
    /// @param left gas that is left
    /// @param needed gas that is needed
    error GasTooLow(uint256 left, uint256 needed);

    /// @notice A category's terms changed.
    /// @param category category of the proposal
    /// @param terms the terms that hold
    event TermsChanged(Category indexed category, Terms terms);
    /// @notice A call was given a category.
    /// @param target contract that is called
    /// @param selector function that is called
    /// @param category category of the proposal
    event CallListed(address indexed target, bytes4 indexed selector, Category category);
    /// @param tokens MLB (18 decimals); coins: wei
    /// @param coins wei
    event GrantLimitsChanged(uint256 tokens, uint256 coins);
    /// @notice Votes are reported to another contract, or to none.
    /// @param recorder who reports votes; zero for nobody
    event VoteRecorderChanged(address recorder);
    /// @notice A vote counts, but its reward could not be recorded.
    /// @param proposalId id of the proposal
    /// @param voter who votes
    event VoteNotRecorded(uint256 indexed proposalId, address indexed voter);
    /// @notice A proposal was made, under these terms.
    /// @param proposalId id of the proposal
    /// @param category category of the proposal
    /// @param terms the terms that hold
    event ProposalCategorized(uint256 indexed proposalId, Category indexed category, Terms terms);
    /// @notice A guardian's term began.
    /// @param guardian who may cancel and pause
    /// @param until unix seconds at which its term ends
    event GuardianTermSet(address indexed guardian, uint256 until);
    /// @notice The guardian paused new work.
    /// @param guardian who may cancel and pause
    /// @param target contract that is called
    event EmergencyPause(address indexed guardian, address indexed target);

    // ---- proposers ----
    /// @notice Propose and declare the category. Reverts with WrongCategory unless it is what the calls require, or
    /// Governance. `propose` of IGovernor declares what the calls require.
    /// @param targets called by the timelock, in this order, all or none
    /// @param values wei for each call, from the timelock's balance
    /// @param declared category that the proposer names
    /// @param calldatas call data for each target
    /// @param description text of the proposal
    /// @return proposalId id of the proposal
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
    /// @param target contract that is called
    function emergencyPause(address target) external;

    // ---- by proposal only ----
    /// @notice Terms of proposals to come. Reverts with BadTerms outside the bounds.
    /// @param category category of the proposal
    /// @param terms_ the terms that hold
    function setTerms(Category category, Terms calldata terms_) external;
    /// @notice Say what a call is about. Reverts with AlwaysGovernance for the governor, the timelock and the
    /// AccessManager.
    /// @param target contract that is called
    /// @param selector function that is called
    /// @param category category of the proposal
    function listCall(address target, bytes4 selector, Category category) external;
    /// @param tokens most MLB (18 decimals) that one Ecosystem proposal may grant; coins: most wei
    /// @param coins wei that one proposal of the ecosystem may grant
    function setGrantLimits(uint256 tokens, uint256 coins) external;
    /// @notice Whom to tell of votes; zero for nobody. One that fails never stops a vote.
    /// @param recorder who reports votes; zero for nobody
    function setVoteRecorder(address recorder) external;

    // ---- views ----
    /// @notice The terms of a category for proposals made now.
    /// @param category category of the proposal
    function terms(Category category) external view returns (Terms memory);
    /// @notice The terms under which a proposal was made.
    /// @param proposalId id of the proposal
    /// @return category category of the proposal
    /// @return terms_ the terms that hold
    function proposalTerms(uint256 proposalId) external view returns (Category category, Terms memory terms_);
    /// @notice For plus Abstain that the proposal needs, in the unit of its votes.
    /// @param proposalId id of the proposal
    function proposalQuorum(uint256 proposalId) external view returns (uint256);
    /// @notice What a vote of this account on this proposal weighs.
    /// @param proposalId id of the proposal
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    function votingWeight(uint256 proposalId, address account) external view returns (uint256);
    /// @notice The category that these calls require: that of each of them, or Governance where they differ.
    /// @param targets contracts to call
    /// @param values wei for each target
    /// @param calldatas call data for each target
    function requiredCategory(address[] memory targets, uint256[] memory values, bytes[] memory calldatas)
        external
        view
        returns (Category);
    /// @notice What the table says of a call; Governance of one that was never listed.
    /// @param target contract that is called
    /// @param selector function that is called
    function listed(address target, bytes4 selector) external view returns (Category);
    /// @notice MLB that one proposal may grant.
    function tokenGrantLimit() external view returns (uint256);
    /// @notice Wei that one proposal may grant.
    function coinGrantLimit() external view returns (uint256);
    /// @notice Who reports votes; zero for nobody.
    function voteRecorder() external view returns (address);
    /// @notice Unix seconds at which the guardian's powers end.
    function guardianUntil() external view returns (uint256);
}
