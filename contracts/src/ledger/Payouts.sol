// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IMLBridge} from "../interfaces/IMLBridge.sol";
import {IRewardDistributor} from "../interfaces/IRewardDistributor.sol";
import {Role} from "../interfaces/Types.sol";
import {Reputation} from "../libraries/Reputation.sol";
import {Restitution} from "./Restitution.sol";

/// @title Who is owed what, and claims
/// @notice Fourth layer of the RewardDistributor. It keeps the ledger of wei; the wei themselves lie in MLBridge and
/// leave it only through `claim`.
abstract contract Payouts is Restitution {
    using SafeERC20 for IERC20;

    /// @notice Holds the wei.
    IMLBridge public immutable bridge;

    /// @inheritdoc IRewardDistributor
    uint256 public protocolFees;
    /// @dev Wei that an address may claim, apart from the seat fees that its accounts earned.
    mapping(address claimant => uint256) private _credits;

    constructor(address bridge_) {
        if (bridge_ == address(0)) revert BadParameter("bridge");
        bridge = IMLBridge(bridge_);
    }

    /// @inheritdoc IRewardDistributor
    /// @dev `TaskSettled` says it all; there is no `Credited` for its parts.
    function settle(Settlement calldata settlement) external onlyTaskManager {
        uint256 seatFee = settlement.seatFee;
        for (uint256 i; i < settlement.winners.length; ++i) {
            _reward(settlement.winners[i], seatFee);
        }
        if (settlement.modelFee != 0) _credits[settlement.modelProvider] += settlement.modelFee;
        if (settlement.protocolFee != 0) protocolFees += settlement.protocolFee;
        if (settlement.refund != 0) _credits[settlement.requester] += settlement.refund;
        emit TaskSettled(
            settlement.taskId,
            settlement.modelFee,
            settlement.protocolFee,
            seatFee,
            settlement.refund,
            settlement.winners
        );
    }

    /// @inheritdoc IRewardDistributor
    function credit(address to, bytes32 taskId, uint256 amount) external onlyTaskManager {
        if (amount == 0) return;
        _credits[to] += amount;
        emit Credited(to, taskId, amount);
    }

    /// @inheritdoc IRewardDistributor
    /// @dev Anyone may call it, and it pays nobody but the claimant: a receiver that rejects the money stops only
    /// itself, and its credit stays.
    function claim(address claimant) external nonReentrant returns (uint256 amount) {
        amount = _credits[claimant];
        _credits[claimant] = 0;
        if (_operatorIds[claimant] != 0) {
            amount += _takeWei(_accountOf(claimant, Role.Compute));
            amount += _takeWei(_accountOf(claimant, Role.Verifier));
        }
        if (amount == 0) revert NothingToClaim(claimant);
        emit Claimed(claimant, amount);
        bridge.release(payable(claimant), amount);
    }

    /// @inheritdoc IRewardDistributor
    function claimTokens(address claimant) external nonReentrant returns (uint256 amount) {
        amount = _tokenCredits[claimant];
        if (amount == 0) revert NothingToClaim(claimant);
        _tokenCredits[claimant] = 0;
        emit TokenClaimed(claimant, amount);
        token.safeTransfer(claimant, amount);
    }

    /// @inheritdoc IRewardDistributor
    function assignProtocolFees(address to) external restricted {
        if (to == address(0)) revert BadParameter("to");
        uint256 amount = protocolFees;
        if (amount == 0) revert ZeroAmount();
        protocolFees = 0;
        _credits[to] += amount;
        emit ProtocolFeesAssigned(to, amount);
    }

    /// @inheritdoc IRewardDistributor
    function claimable(address claimant) external view returns (uint256 weiAmount) {
        weiAmount = _credits[claimant];
        if (_operatorIds[claimant] != 0) {
            weiAmount += _hot[_accountOf(claimant, Role.Compute)].weiCredit;
            weiAmount += _hot[_accountOf(claimant, Role.Verifier)].weiCredit;
        }
    }

    /// @inheritdoc IRewardDistributor
    function claimableTokens(address claimant) external view returns (uint256 amount) {
        return _tokenCredits[claimant];
    }

    /// @dev One slot is read and written.
    function _reward(uint32 account, uint256 seatFee) private {
        Hot memory hot = _hot[account];
        if (hot.decayedAt == 0) revert UnknownAccount(account);
        // 2**96 wei is several hundred times the supply of ether: real payments never reach it.
        uint256 total = hot.weiCredit + seatFee;
        if (total > type(uint96).max) revert AmountTooLarge(total);
        (uint256 reputation, uint256 decayedAt) = Reputation.decayed(hot.reputation, hot.decayedAt, block.timestamp);
        reputation = Reputation.afterSuccess(reputation);
        emit ReputationChanged(account, reputation);
        hot.weiCredit = uint96(total);
        hot.reputation = uint16(reputation);
        hot.absences = 0;
        hot.decayedAt = uint32(decayedAt);
        _hot[account] = hot;
    }

    function _takeWei(uint32 account) private returns (uint256 amount) {
        amount = _hot[account].weiCredit;
        if (amount != 0) _hot[account].weiCredit = 0;
    }
}
