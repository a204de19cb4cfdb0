// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Category, GovernorSetup, IMLBridgeGovernor} from "../interfaces/IMLBridgeGovernor.sol";

/// @title The terms of each category, within bounds
/// @notice Second layer of the governor. The bounds keep a proposal from making every later one impossible or sudden.
abstract contract CategoryTerms is IMLBridgeGovernor {
    /// @dev How far late votes can push the end of a vote.
    uint256 internal constant MOST_VOTE_EXTENSION = 3 days;
    uint256 private constant BASIS = 10_000;
    /// @dev No delay and no vote takes longer, so that a typing error cannot end governance.
    uint256 private constant LONGEST = 60 days;
    uint256 private constant MAX_QUORUM = 4_000;
    uint256 private constant MIN_APPROVAL = 5_000;
    uint256 private constant MAX_APPROVAL = 8_000;
    /// @dev A hundredth of the supply.
    uint256 private constant MAX_PROPOSAL_THRESHOLD = 10_000_000e18;
    /// @dev A tenth of the supply.
    uint256 private constant MAX_QUORUM_FLOOR = 100_000_000e18;

    /// @notice Shortest time in which everybody can be expected to vote, seconds.
    uint256 public immutable leastVotingPeriod;
    /// @dev Stake that is bonded now can be gone after so many seconds and not before.
    uint256 private immutable _exitTime;
    /// @dev The timelock's own least delay.
    uint256 private immutable _leastDelay;

    mapping(Category => Terms) internal _terms;

    /// @notice The terms of the categories as a deployment sets them.
    /// @param setup what the deployment sets
    constructor(GovernorSetup memory setup) {
        leastVotingPeriod = setup.leastVotingPeriod;
        _exitTime = setup.distributor.unbondingDelay();
        _leastDelay = setup.timelock.getMinDelay();
    }

    /// @inheritdoc IMLBridgeGovernor
    function terms(Category category) public view returns (Terms memory) {
        return _terms[category];
    }

    function _setTerms(Category category, Terms memory t) internal {
        _requireWithin(category, t.votingDelay, 1, LONGEST, "votingDelay");
        _requireWithin(category, t.votingPeriod, leastVotingPeriod, LONGEST, "votingPeriod");
        _requireWithin(category, t.timelockDelay, _leastDelay, LONGEST, "timelockDelay");
        _requireWithin(category, t.quorum, 1, MAX_QUORUM, "quorum");
        _requireWithin(category, t.approval, MIN_APPROVAL, MAX_APPROVAL, "approval");
        _requireWithin(category, t.proposalThreshold, 1, MAX_PROPOSAL_THRESHOLD, "proposalThreshold");
        _requireWithin(category, t.quorumFloor, t.quadratic ? 1 : 0, MAX_QUORUM_FLOOR, "quorumFloor");
        // The way to mend terms must not depend on who is enrolled.
        if (category == Category.Governance && t.quadratic) revert BadTerms(category, "quadratic");
        // Whoever disagrees with a change of who governs, or of anything nobody listed, can take its stake out first.
        if (category == Category.Governance && t.timelockDelay <= _exitTime) {
            revert BadTerms(category, "timelockDelay");
        }
        // Stake that voted is bonded still when the vote ends, so it cannot vote a second time from another account.
        if (t.quadratic && t.votingPeriod + MOST_VOTE_EXTENSION >= _exitTime) {
            revert BadTerms(category, "votingPeriod");
        }
        _terms[category] = t;
        emit TermsChanged(category, t);
    }

    /// @dev Rounded up, so that a quorum is never less than its share.
    function _share(uint256 whole, Terms storage t) internal view returns (uint256 quorum_) {
        quorum_ = (whole * t.quorum + BASIS - 1) / BASIS;
        if (quorum_ < t.quorumFloor) quorum_ = t.quorumFloor;
    }

    /// @dev Strictly more than the share, by cross-multiplication: a tie does not pass.
    function _approved(uint256 for_, uint256 against, Terms storage t) internal view returns (bool) {
        return for_ * BASIS > (for_ + against) * t.approval;
    }

    function _requireWithin(Category category, uint256 value, uint256 least, uint256 most, string memory name)
        private
        pure
    {
        if (value < least || value > most) revert BadTerms(category, name);
    }
}
