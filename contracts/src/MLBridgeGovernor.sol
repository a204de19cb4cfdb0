// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Governor} from "@openzeppelin/contracts/governance/Governor.sol";
import {GovernorCountingSimple} from "@openzeppelin/contracts/governance/extensions/GovernorCountingSimple.sol";
import {GovernorPreventLateQuorum} from "@openzeppelin/contracts/governance/extensions/GovernorPreventLateQuorum.sol";
import {GovernorProposalGuardian} from "@openzeppelin/contracts/governance/extensions/GovernorProposalGuardian.sol";
import {GovernorTimelockControl} from "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import {GovernorVotes} from "@openzeppelin/contracts/governance/extensions/GovernorVotes.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Time} from "@openzeppelin/contracts/utils/types/Time.sol";

import {CallTable} from "./governance/CallTable.sol";
import {CategoryTerms} from "./governance/CategoryTerms.sol";
import {IMLBridge} from "./interfaces/IMLBridge.sol";
import {Category, GovernorSetup, IMLBridgeGovernor} from "./interfaces/IMLBridgeGovernor.sol";
import {IVoteRecorder} from "./interfaces/IVoteRecorder.sol";
import {IVoterRoll} from "./interfaces/IVoterRoll.sol";

/// @title Proposals by category, carried out by the timelock
/// @notice The timelock holds the treasury and every power; this contract alone may tell it what to do, and only what
/// was voted for. A later governor takes over by a proposal, and the timelock stays.
/// @dev The timelock enforces its own least delay. The longer delays of the categories are enforced here, which holds
/// because nobody else may execute.
contract MLBridgeGovernor is
    CallTable,
    CategoryTerms,
    GovernorVotes,
    GovernorCountingSimple,
    GovernorPreventLateQuorum,
    GovernorTimelockControl,
    GovernorProposalGuardian
{
    /// @dev What a proposal was opened with.
    /// @param category category of the proposal
    /// @param beyondVeto whether the guardian may not cancel it
    /// @param terms the terms that hold
    struct Motion {
        Category category;
        bool beyondVeto;
        Terms terms;
    }

    uint256 private constant CATEGORIES = 4;
    /// @dev A proposal that nobody queued or executed for so long has lapsed: votes speak of their own time.
    uint256 private constant GRACE = 14 days;
    uint256 private constant LONGEST_GUARDIAN_TERM = 365 days;
    /// @dev What a recorder may use.
    uint256 private constant RECORD_GAS = 200_000;

    /// @notice Keeps the weights of quadratic votes.
    IVoterRoll public immutable roll;
    /// @notice Seconds for which a guardian keeps its powers unless a proposal names it again.
    uint256 public immutable guardianTerm;

    /// @inheritdoc IMLBridgeGovernor
    address public voteRecorder;
    /// @inheritdoc IMLBridgeGovernor
    uint256 public guardianUntil;

    /// @dev Category plus one while a proposal of it is being made; OpenZeppelin asks for terms without naming it.
    uint8 private transient _opening;
    mapping(uint256 proposalId => Motion) private _motions;

    /// @param terms_ in the order of Category
    /// @param setup what the deployment sets
    /// @param listings calls and the categories that they need
    constructor(GovernorSetup memory setup, Terms[CATEGORIES] memory terms_, Listing[] memory listings)
        CallTable(setup)
        CategoryTerms(setup)
        Governor("ML Bridge Governor")
        GovernorVotes(setup.token)
        GovernorPreventLateQuorum(setup.voteExtension)
        GovernorTimelockControl(setup.timelock)
    {
        if (address(setup.roll) == address(0)) revert ZeroAddress();
        if (setup.guardianTerm == 0 || setup.guardianTerm > LONGEST_GUARDIAN_TERM) {
            revert BadGuardianTerm(setup.guardianTerm);
        }
        roll = setup.roll;
        guardianTerm = setup.guardianTerm;
        _setProposalGuardian(setup.guardian);
        for (uint256 i; i < CATEGORIES; ++i) {
            _setTerms(Category(i), terms_[i]);
        }
        for (uint256 i; i < listings.length; ++i) {
            _list(listings[i]);
        }
        _setVoteRecorder(setup.voteRecorder);
    }

    // ---- proposers ----

    /// @inheritdoc IMLBridgeGovernor
    function proposeIn(
        Category declared,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        string memory description
    ) external returns (uint256 proposalId) {
        Category required = requiredCategory(targets, values, calldatas);
        if (declared != required && declared != Category.Governance) revert WrongCategory(declared, required);
        return _open(declared, targets, values, calldatas, description);
    }

    /// @notice Propose in the category that the calls require.
    /// @param targets contracts to call
    /// @param values wei for each target
    /// @param calldatas call data for each target
    /// @param description text of the proposal
    /// @return proposalId id of the proposal
    function propose(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        string memory description
    ) public override returns (uint256 proposalId) {
        return _open(requiredCategory(targets, values, calldatas), targets, values, calldatas, description);
    }

    // ---- the guardian ----

    /// @inheritdoc IMLBridgeGovernor
    /// @dev The AccessManager says which contracts the governor may pause; elsewhere the call is refused.
    function emergencyPause(address target) external {
        if (msg.sender != proposalGuardian()) revert NotGuardian(msg.sender);
        emit EmergencyPause(msg.sender, target);
        IMLBridge(target).pause();
    }

    // ---- by proposal only ----

    /// @inheritdoc IMLBridgeGovernor
    function setTerms(Category category, Terms calldata terms_) external onlyGovernance {
        _setTerms(category, terms_);
    }

    /// @inheritdoc IMLBridgeGovernor
    function listCall(address target, bytes4 selector, Category category) external onlyGovernance {
        _list(Listing(target, selector, category));
    }

    /// @inheritdoc IMLBridgeGovernor
    function setGrantLimits(uint256 tokens, uint256 coins) external onlyGovernance {
        _setGrantLimits(tokens, coins);
    }

    /// @inheritdoc IMLBridgeGovernor
    function setVoteRecorder(address recorder) external onlyGovernance {
        _setVoteRecorder(recorder);
    }

    // ---- views ----

    /// @inheritdoc IMLBridgeGovernor
    function proposalTerms(uint256 proposalId) external view returns (Category category, Terms memory terms_) {
        Motion storage motion = _motions[proposalId];
        return (motion.category, motion.terms);
    }

    /// @inheritdoc IMLBridgeGovernor
    function proposalQuorum(uint256 proposalId) public view returns (uint256) {
        Terms storage t = _motions[proposalId].terms;
        uint256 snapshot = proposalSnapshot(proposalId);
        return _share(t.quadratic ? roll.totalWeightAt(snapshot) : token().getPastTotalSupply(snapshot), t);
    }

    /// @inheritdoc IMLBridgeGovernor
    function votingWeight(uint256 proposalId, address account) external view returns (uint256) {
        uint256 amount = _votingAmount(proposalId, account);
        return _motions[proposalId].terms.quadratic ? Math.sqrt(amount) : amount;
    }

    /// @notice The guardian; zero once its term has ended.
    function proposalGuardian() public view override returns (address) {
        return block.timestamp < guardianUntil ? super.proposalGuardian() : address(0);
    }

    /// @notice Quorum in MLB of the strictest category; `proposalQuorum` tells that of a proposal.
    /// @param timepoint unix seconds
    function quorum(uint256 timepoint) public view override returns (uint256) {
        return _share(token().getPastTotalSupply(timepoint), _terms[Category.Governance]);
    }

    /// @notice Seconds from a proposal of the strictest category to its vote; `terms` tells the others.
    function votingDelay() public view override returns (uint256) {
        return _current().votingDelay;
    }

    /// @notice Seconds for which proposals of the strictest category are voted on; `terms` tells the others.
    function votingPeriod() public view override returns (uint256) {
        return _current().votingPeriod;
    }

    /// @notice Votes that a proposer of the strictest category needs; `terms` tells the others.
    function proposalThreshold() public view override returns (uint256) {
        return _current().proposalThreshold;
    }

    /// @notice Where a proposal stands. One that nobody queued, or executed, within the grace has expired.
    /// @param proposalId id of the proposal
    function state(uint256 proposalId)
        public
        view
        override(Governor, GovernorTimelockControl)
        returns (ProposalState found)
    {
        found = super.state(proposalId);
        uint256 due = found == ProposalState.Succeeded
            ? proposalDeadline(proposalId)
            : found == ProposalState.Queued ? proposalEta(proposalId) : block.timestamp;
        if (block.timestamp > due + GRACE) return ProposalState.Expired;
    }

    /// @inheritdoc GovernorPreventLateQuorum
    /// @param proposalId id of the proposal
    function proposalDeadline(uint256 proposalId)
        public
        view
        override(Governor, GovernorPreventLateQuorum)
        returns (uint256)
    {
        return super.proposalDeadline(proposalId);
    }

    /// @notice Always: nothing is executed at once.
    /// @param proposalId id of the proposal
    function proposalNeedsQueuing(uint256 proposalId)
        public
        view
        override(Governor, GovernorTimelockControl)
        returns (bool)
    {
        return super.proposalNeedsQueuing(proposalId);
    }

    // ---- what OpenZeppelin calls ----

    /// @dev The amount counted replaces the delegated votes where votes are quadratic.
    function _countVote(uint256 proposalId, address account, uint8 support, uint256 votes, bytes memory params)
        internal
        override(Governor, GovernorCountingSimple)
        returns (uint256)
    {
        if (_motions[proposalId].terms.quadratic) votes = Math.sqrt(_votingAmount(proposalId, account));
        if (votes == 0) revert NoVotingPower(account);
        return super._countVote(proposalId, account, support, votes, params);
    }

    /// @dev The recorder is told last, when everything is written.
    function _castVote(uint256 proposalId, address account, uint8 support, string memory reason, bytes memory params)
        internal
        override
        returns (uint256 weight)
    {
        weight = super._castVote(proposalId, account, support, reason, params);
        if (voteRecorder != address(0)) _record(proposalId, account);
    }

    function _tallyUpdated(uint256 proposalId) internal override(Governor, GovernorPreventLateQuorum) {
        super._tallyUpdated(proposalId);
    }

    function _quorumReached(uint256 proposalId)
        internal
        view
        override(Governor, GovernorCountingSimple)
        returns (bool)
    {
        (, uint256 for_, uint256 abstain) = proposalVotes(proposalId);
        return for_ + abstain >= proposalQuorum(proposalId);
    }

    function _voteSucceeded(uint256 proposalId)
        internal
        view
        override(Governor, GovernorCountingSimple)
        returns (bool)
    {
        (uint256 against, uint256 for_,) = proposalVotes(proposalId);
        return _approved(for_, against, _motions[proposalId].terms);
    }

    function _queueOperations(
        uint256 proposalId,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint48 eta) {
        eta = super._queueOperations(proposalId, targets, values, calldatas, descriptionHash);
        uint48 own = Time.timestamp() + _motions[proposalId].terms.timelockDelay;
        if (own > eta) eta = own;
    }

    function _executeOperations(
        uint256 proposalId,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) {
        uint256 eta = proposalEta(proposalId);
        if (block.timestamp < eta) revert TimelockUnmet(proposalId, eta);
        super._executeOperations(proposalId, targets, values, calldatas, descriptionHash);
    }

    function _cancel(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint256) {
        return super._cancel(targets, values, calldatas, descriptionHash);
    }

    /// @dev The guardian's veto ends with the timelock, so that whoever waited can execute. Everybody else may take
    /// back its own proposal before the vote, whether there is a guardian or not.
    function _validateCancel(uint256 proposalId, address caller)
        internal
        view
        override(Governor, GovernorProposalGuardian)
        returns (bool)
    {
        if (caller == proposalGuardian() && !_motions[proposalId].beyondVeto) {
            uint256 eta = proposalEta(proposalId);
            if (eta == 0 || block.timestamp < eta) return true;
        }
        return Governor._validateCancel(proposalId, caller);
    }

    /// @dev Naming a guardian, the same one too, begins its term.
    function _setProposalGuardian(address guardian) internal override {
        super._setProposalGuardian(guardian);
        guardianUntil = block.timestamp + guardianTerm;
        emit GuardianTermSet(guardian, guardianUntil);
    }

    function _maxLateQuorumVoteExtension() internal pure override returns (uint256) {
        return MOST_VOTE_EXTENSION;
    }

    function _executor() internal view override(Governor, GovernorTimelockControl) returns (address) {
        return super._executor();
    }

    // ---- internal ----

    function _setVoteRecorder(address recorder) private {
        voteRecorder = recorder;
        emit VoteRecorderChanged(recorder);
    }

    function _open(
        Category category,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        string memory description
    ) private returns (uint256 proposalId) {
        _opening = uint8(category) + 1;
        proposalId = super.propose(targets, values, calldatas, description);
        _opening = 0;
        Motion storage motion = _motions[proposalId];
        motion.category = category;
        motion.terms = _terms[category];
        // Or a guardian could keep itself in office.
        motion.beyondVeto = targets.length == 1 && targets[0] == address(this)
            && bytes4(calldatas[0]) == this.setProposalGuardian.selector;
        emit ProposalCategorized(proposalId, category, motion.terms);
    }

    function _current() private view returns (Terms storage) {
        return _terms[_opening == 0 ? Category.Governance : Category(_opening - 1)];
    }

    /// @dev MLB that stands behind a vote.
    function _votingAmount(uint256 proposalId, address account) private view returns (uint256) {
        uint256 snapshot = proposalSnapshot(proposalId);
        return _motions[proposalId].terms.quadratic ? roll.stakeAt(account, snapshot) : getVotes(account, snapshot);
    }

    /// @dev A recorder that fails, or uses up what it is given, does not stop the vote. Too little gas for it does: or
    /// whoever passes on a signed vote could withhold the voter's record.
    function _record(uint256 proposalId, address account) private {
        uint256 amount = _votingAmount(proposalId, account);
        bytes memory data = abi.encodeCall(IVoteRecorder.recordVote, (account, amount, proposalDeadline(proposalId)));
        address recorder = voteRecorder;
        uint256 needed = RECORD_GAS + RECORD_GAS / 32;
        if (gasleft() < needed) revert GasTooLow(gasleft(), needed);
        bool recorded;
        // Its answer is not copied: it could be as large as it likes.
        assembly ("memory-safe") {
            recorded := call(RECORD_GAS, recorder, 0, add(data, 32), mload(data), 0, 0)
        }
        if (!recorded) emit VoteNotRecorded(proposalId, account);
    }
}
