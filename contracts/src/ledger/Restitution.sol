// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IRewardDistributor} from "../interfaces/IRewardDistributor.sol";
import {SlashCase} from "../interfaces/ISlashEscrow.sol";
import {Fault, Role} from "../interfaces/Types.sol";
import {Reputation} from "../libraries/Reputation.sol";
import {Slashing} from "./Slashing.sol";

/// @title How a slash that waited ends: split, or undone
/// @notice Third layer of the RewardDistributor. The MLB never leave the ledger while they wait: moving them to another
/// contract and back would cost 15,000 gas each way and protect nobody.
abstract contract Restitution is Slashing {
    /// @dev Fifteen of the highest judges' fees: more than any judge can lose in one case.
    uint256 private constant FINE_LIMIT = 15 * JUDGE_FEE_LIMIT;

    modifier onlySlashEscrow() {
        if (msg.sender != _waiting.escrow) revert OnlySlashEscrow();
        _;
    }

    // ---- slash escrow only ----

    /// @inheritdoc IRewardDistributor
    function splitSlash(SlashCase calldata slashCase) external onlySlashEscrow nonReentrant {
        _distribute(slashCase.taskId, slashCase.model, _takeWaiting(slashCase), slashCase.reporter);
    }

    /// @inheritdoc IRewardDistributor
    function restoreSlash(SlashCase calldata slashCase) external onlySlashEscrow nonReentrant {
        _takeWaiting(slashCase);
        uint32 account = slashCase.account;
        // Field by field: a second place that stored whole records would make settling a task dearer.
        Hot storage hot = _hot[account];
        Cold storage cold = _cold[account];
        hot.bonded += slashCase.fromBonded;
        cold.unbonding += slashCase.fromUnbonding;
        emit SlashRestored(account, slashCase.taskId, slashCase.fault, slashCase.fromBonded, slashCase.fromUnbonding);
        // Nothing to tell the reward pool: uptime counts on the stake of the last check-in, which was no more than is there.
        if (slashCase.fault == Fault.Absent && hot.absences != 0) --hot.absences;

        (uint256 reputation, uint256 decayedAt) = Reputation.decayed(hot.reputation, hot.decayedAt, block.timestamp);
        (uint256 ceiling,) = Reputation.decayed(slashCase.reputationBefore, slashCase.slashedAt, block.timestamp);
        hot.reputation = uint16(
            Reputation.afterRestoring(reputation, slashCase.reputationBefore, slashCase.reputationAfter, ceiling)
        );
        hot.decayedAt = uint32(decayedAt);
        emit ReputationChanged(account, hot.reputation);

        // Another term belongs to a later fault, and whoever left jail meanwhile stays out.
        if (hot.jailed != 0 && cold.jailedUntil == slashCase.jailedUntil) {
            cold.jailedUntil = slashCase.jailedUntilBefore;
            if (slashCase.wasJailed) {
                emit Jailed(account, cold.jailedUntil);
            } else {
                hot.jailed = 0;
                emit Unjailed(account);
            }
        }
    }

    // ---- contracts that hold a role ----

    /// @inheritdoc IRewardDistributor
    function fine(uint32 account, bytes32 reference_, uint32 model, uint256 amount)
        external
        restricted
        nonReentrant
        returns (uint256 taken)
    {
        if (amount > FINE_LIMIT) revert AmountTooLarge(amount);
        Hot storage hot = _hot[account];
        if (hot.decayedAt == 0) revert UnknownAccount(account);
        Cold storage cold = _cold[account];
        uint256 fromBonded = amount < hot.bonded ? amount : hot.bonded;
        uint256 rest = amount - fromBonded;
        uint256 fromUnbonding = rest < cold.unbonding ? rest : cold.unbonding;
        taken = fromBonded + fromUnbonding;
        if (taken == 0) return 0;
        hot.bonded -= uint96(fromBonded);
        if (fromUnbonding != 0) cold.unbonding -= uint96(fromUnbonding);
        emit Fined(account, reference_, taken);
        // What it was paid for being up counts on stake that is there no more.
        if (_roleOf(account) == Role.Compute) rewardPool.interrupt(account);
        _distribute(reference_, model, taken, address(0));
    }

    /// @inheritdoc IRewardDistributor
    function punish(uint32 account, bytes32 reference_, uint32 model, Fault fault, uint256 confidence)
        external
        restricted
        nonReentrant
        returns (uint256 amount)
    {
        if (fault == Fault.Malicious) revert BadParameter("fault");
        SlashCase memory found;
        (found.taskId, found.account, found.model, found.fault) = (reference_, account, model, fault);
        return _impose(found, confidence);
    }

    // ---- governance ----

    /// @inheritdoc IRewardDistributor
    function setSlashEscrow(address escrow) external restricted {
        if (escrow == address(0)) revert BadParameter("escrow");
        if (_waiting.escrow != address(0)) revert SlashEscrowSet(_waiting.escrow);
        _waiting.escrow = escrow;
        emit SlashEscrowChosen(escrow);
    }

    // ---- views ----

    /// @inheritdoc IRewardDistributor
    function heldSlashes() external view returns (uint256) {
        return _waiting.amount;
    }

    /// @inheritdoc IRewardDistributor
    function slashEscrow() external view returns (address) {
        return _waiting.escrow;
    }

    // ---- internal ----

    function _takeWaiting(SlashCase calldata slashCase) private returns (uint256 amount) {
        amount = uint256(slashCase.fromBonded) + slashCase.fromUnbonding;
        _waiting.amount -= uint96(amount);
    }
}
