// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {Time} from "@openzeppelin/contracts/utils/types/Time.sol";

import {IRewardDistributor} from "../interfaces/IRewardDistributor.sol";
import {IVoterRoll} from "../interfaces/IVoterRoll.sol";

/// @title The roll of accounts that vote quadratically
/// @dev It has no owner and no setting that can change. The same MLB cannot count twice in one vote: it is bonded to
/// one account at a time, and moving it takes the unbonding delay, which the governor keeps longer than any vote.
contract VoterRoll is IVoterRoll {
    using Checkpoints for Checkpoints.Trace208;

    /// @notice Keeps the stakes.
    IRewardDistributor public immutable distributor;
    /// @inheritdoc IVoterRoll
    uint256 public immutable minimum;
    /// @inheritdoc IVoterRoll
    uint256 public immutable maturity;

    /// @dev MLB entered for an account, by time.
    mapping(address account => Checkpoints.Trace208) private _entries;
    /// @dev When an entry was last lowered. Whoever takes stake out and brings it back begins again.
    mapping(address account => uint48) private _lowered;
    /// @dev Sum of the square roots of all entries, by time.
    Checkpoints.Trace208 private _total;

    /// @param distributor_ the RewardDistributor
    /// @param minimum_ MLB (18 decimals)
    /// @param maturity_ seconds
    constructor(address distributor_, uint256 minimum_, uint256 maturity_) {
        if (distributor_ == address(0)) revert ZeroAddress();
        if (minimum_ == 0) revert ZeroMinimum();
        distributor = IRewardDistributor(distributor_);
        minimum = minimum_;
        maturity = maturity_;
    }

    /// @inheritdoc IVoterRoll
    function enrol() external {
        uint256 stake = distributor.totalStakeOf(msg.sender);
        if (stake < minimum) revert StakeBelowMinimum(msg.sender, stake, minimum);
        _enter(msg.sender, stake);
        emit Enrolled(msg.sender, stake);
    }

    /// @inheritdoc IVoterRoll
    function refresh(address account) external {
        uint256 stake = distributor.totalStakeOf(account);
        if (stake >= _entries[account].latest()) revert NothingToRefresh(account);
        if (stake < minimum) stake = 0;
        _enter(account, stake);
        emit Refreshed(account, stake);
    }

    /// @inheritdoc IVoterRoll
    function stakeAt(address account, uint256 snapshot) public view returns (uint256 stake) {
        uint48 since = _matured(snapshot);
        if (_lowered[account] > since) return 0;
        stake = Math.min(_entries[account].upperLookupRecent(since), distributor.totalStakeOf(account));
        if (stake < minimum) stake = 0;
    }

    /// @inheritdoc IVoterRoll
    function weightAt(address account, uint256 snapshot) external view returns (uint256) {
        return Math.sqrt(stakeAt(account, snapshot));
    }

    /// @inheritdoc IVoterRoll
    function totalWeightAt(uint256 snapshot) external view returns (uint256) {
        return _total.upperLookupRecent(_matured(snapshot));
    }

    /// @dev Entries were made at this time or before. Zero, before any entry, on a roll younger than its maturity.
    function _matured(uint256 snapshot) private view returns (uint48) {
        return uint48(Math.saturatingSub(Math.min(snapshot, type(uint48).max), maturity));
    }

    /// @dev Stakes are below 2**96 a role, so neither an entry nor the sum of roots comes near 2**208.
    function _enter(address account, uint256 stake) private {
        uint48 now_ = Time.timestamp();
        (uint208 before,) = _entries[account].push(now_, uint208(stake));
        if (stake < before) _lowered[account] = now_;
        uint256 total = _total.latest() - Math.sqrt(before) + Math.sqrt(stake);
        _total.push(now_, uint208(total));
    }
}
