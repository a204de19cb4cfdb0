// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IRewardPool, Stream} from "../interfaces/IRewardPool.sol";
import {RewardMath} from "../libraries/RewardMath.sol";
import {PoolFunds} from "./PoolFunds.sol";

/// @title What bonded Holder and ModelProvider stake earns: stake x time x rate
/// @notice Second layer of the RewardPool. Every staked unit earns the same, whoever else stakes, so neither splitting
/// stake nor seeing others lose theirs changes what anybody gets.
abstract contract StakeStream is PoolFunds {
    /// @dev Stake of an owner and the index up to which it was credited.
    /// @param amount MLB that share
    /// @param index what each unit had earned at the last change, in RAY
    struct Shares {
        uint96 amount;
        uint160 index;
    }

    mapping(address owner => Shares) private _shares;

    // ---- RewardDistributor only ----

    /// @inheritdoc IRewardPool
    function stakeChanged(address owner, uint256 bondedBefore, uint256 bondedAfter) external onlyDistributor {
        _creditStake(owner);
        uint256 amount = _shares[owner].amount + bondedAfter - bondedBefore;
        _shares[owner].amount = uint96(amount);
        _totalShares = uint96(_totalShares + bondedAfter - bondedBefore);
        emit SharesChanged(owner, amount);
    }

    // ---- views ----

    /// @inheritdoc IRewardPool
    function owedTo(address claimant) external view returns (uint256) {
        (uint256 index,) = _ahead();
        Shares memory shares = _shares[claimant];
        return _credits[claimant] + shares.amount * (index - shares.index) / RewardMath.RAY;
    }

    // ---- internal ----

    function _creditStake(address owner) internal {
        _advance();
        Shares memory shares = _shares[owner];
        uint256 earned = shares.amount * (_index - uint256(shares.index));
        _shares[owner].index = _index;
        _accrued -= earned;
        uint256 amount = earned / RewardMath.RAY;
        if (amount != 0) _book(owner, Stream.Staking, amount);
    }
}
