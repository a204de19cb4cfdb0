// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ChannelPayouts} from "./ledger/ChannelPayouts.sol";
import {Payouts} from "./ledger/Payouts.sol";
import {Slashing} from "./ledger/Slashing.sol";
import {StakeLedger} from "./ledger/StakeLedger.sol";

/// @title The one ledger: stake by role, unbonding, slashing, reputation, payouts
/// @notice Holds every staked MLB. What it owes in MLB is never more than what it holds: bonded and unbonding stake,
/// the dispute reserve, and claims. What it owes in wei is held by MLBridge.
contract RewardDistributor is ChannelPayouts {
    /// @param authority AccessManager of the two governed functions
    /// @param token_ MLB
    /// @param bridge_ holds the wei
    /// @param taskManager_ settles tasks and punishes faults
    /// @param verifier_ punishes contradictions
    /// @param unbondingDelay_ seconds; more than the longest task, so that nobody leaves before its fault is known
    /// @param jailSeconds_ least time in jail
    /// @param judgeFee_ MLB a judge
    constructor(
        address authority,
        address token_,
        address bridge_,
        address taskManager_,
        address verifier_,
        uint256 unbondingDelay_,
        uint256 jailSeconds_,
        uint256 judgeFee_
    )
        StakeLedger(authority, token_, unbondingDelay_, jailSeconds_)
        Slashing(taskManager_, verifier_, judgeFee_)
        Payouts(bridge_)
    {}
}
