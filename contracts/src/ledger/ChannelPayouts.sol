// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Outcome} from "../interfaces/ChannelTypes.sol";
import {IChannelLedger} from "../interfaces/IChannelLedger.sol";
import {SlashCase} from "../interfaces/ISlashEscrow.sol";
import {Fault} from "../interfaces/Types.sol";
import {Payouts} from "./Payouts.sol";

/// @title Credits of the channel lane
/// @notice Fifth layer of the RewardDistributor.
abstract contract ChannelPayouts is IChannelLedger, Payouts {
    /// @dev Who may spend, and how much is there: one word for both.
    address private _channels;
    uint96 private _laneFunds;

    modifier onlyChannels() {
        if (msg.sender != _channels) revert OnlyChannels();
        _;
    }

    // ---- governance ----

    /// @inheritdoc IChannelLedger
    function setChannels(address channels_) external restricted {
        if (channels_ == address(0)) revert BadParameter("channels");
        if (_channels != address(0)) revert ChannelsSet(_channels);
        _channels = channels_;
        emit ChannelsNamed(channels_);
    }

    // ---- MLBridge ----

    /// @inheritdoc IChannelLedger
    function fundLane(address from, uint256 amount) external {
        if (msg.sender != address(bridge)) revert OnlyBridge();
        if (from != _channels) revert OnlyChannels();
        uint256 funds = _laneFunds + amount;
        if (funds > type(uint96).max) revert AmountTooLarge(amount);
        _laneFunds = uint96(funds);
        emit LaneFunded(amount, funds);
    }

    // ---- PaymentChannels ----

    /// @inheritdoc IChannelLedger
    /// @dev `OrderSettled` of PaymentChannels says it all; there is no event for its parts.
    function settleLane(Outcome calldata outcome) external onlyChannels {
        uint256 seatFee = outcome.seatFee;
        uint256 count = outcome.winners.length;
        _spend(outcome.modelFee + seatFee * count);
        for (uint256 i; i < count; ++i) {
            _reward(outcome.winners[i], seatFee, false);
        }
        if (outcome.modelFee != 0) _credits[outcome.modelProvider] += outcome.modelFee;
    }

    /// @inheritdoc IChannelLedger
    function creditLane(bytes32 source, address to, uint256 amount, uint256 protocolFee) external onlyChannels {
        _spend(amount + protocolFee);
        if (amount != 0) _credits[to] += amount;
        if (protocolFee != 0) protocolFees += protocolFee;
        emit LaneCredited(source, to, amount, protocolFee);
    }

    /// @inheritdoc IChannelLedger
    function creditSeat(bytes32 source, uint32 account, uint96 amount) external onlyChannels {
        _spend(amount);
        _reward(account, amount, false);
        emit LaneSeatCredited(source, account, amount);
    }

    /// @inheritdoc IChannelLedger
    function slashLane(uint32 account, bytes32 order, Fault fault, address reporter)
        external
        nonReentrant
        onlyChannels
        returns (uint256 amount)
    {
        if (fault != Fault.Malicious && fault != Fault.Incorrect) revert LaneFault(fault);
        SlashCase memory found;
        (found.taskId, found.account, found.model) = (order, account, COMMON_RESERVE);
        (found.fault, found.reporter) = (fault, reporter);
        // No verdict stands behind it, so no confidence: Incorrect costs the least there is.
        return _impose(found, 0);
    }

    // ---- views ----

    /// @inheritdoc IChannelLedger
    function channels() external view returns (address) {
        return _channels;
    }

    /// @inheritdoc IChannelLedger
    function laneFunds() external view returns (uint256) {
        return _laneFunds;
    }

    function _spend(uint256 amount) private {
        uint256 funds = _laneFunds;
        if (amount > funds) revert LaneFundsExceeded(amount, funds);
        unchecked {
            _laneFunds = uint96(funds - amount);
        }
    }
}
