// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {RewardDistributor} from "../../src/RewardDistributor.sol";

/// @dev The ledger itself, with accounts as a claim wants them.
contract LedgerHarness is RewardDistributor {
    constructor(address all, uint256 judgeFee_)
        RewardDistributor(all, all, all, all, all, 14 days, 1 days, judgeFee_)
    {}

    /// @dev One operator, with the first account of its role.
    function give(address operator, uint32 account, uint96 bonded, uint96 unbonding, uint96 fees) external {
        (_operatorIds[operator], _operators[account >> 1]) = (account >> 1, operator);
        _hot[account] = Hot(bonded, fees, 2_500, 0, 0, uint32(block.timestamp));
        _cold[account].unbonding = unbonding;
    }

    function owe(address claimant, uint128 amount) external {
        _credits[claimant] = amount;
    }

    function stakeAt(uint32 account) external view returns (uint256 bonded, uint256 unbonding, uint256 fees) {
        return (_hot[account].bonded, _cold[account].unbonding, _hot[account].weiCredit);
    }
}
