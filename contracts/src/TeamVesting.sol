// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {VestingWallet} from "@openzeppelin/contracts/finance/VestingWallet.sol";

/// @title The share of team and advisors, released evenly over four years
/// @notice OpenZeppelin's VestingWallet; all this adds is that it starts at its own construction. MLB that has not vested
/// stays here undelegated, so it neither votes nor stakes. Anyone may call `release`; it pays the owner.
contract TeamVesting is VestingWallet {
    /// @notice Seconds over which all of it vests: four years of 365 days, as inflation counts them.
    uint64 public constant VESTING_SECONDS = 4 * 365 days;

    /// @param beneficiary receives what vests; it may hand the wallet on (Ownable)
    constructor(address beneficiary) VestingWallet(beneficiary, uint64(block.timestamp), VESTING_SECONDS) {}
}
