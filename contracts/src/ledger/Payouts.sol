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

    /// @dev Where the members of StakeLedger.Hot lie in its word; the bonded stake is lowest.
    uint256 private constant CREDIT = 96;
    uint256 private constant REPUTATION = 192;
    uint256 private constant ABSENCES = 208;
    uint256 private constant JAILED = 216;
    uint256 private constant DECAYED_AT = 224;

    /// @notice Holds the wei.
    IMLBridge public immutable bridge;

    /// @dev Of a credit, what may be claimed. The upper half counts the model fees earned since the beginning: in the same
    /// word, so that counting them costs a task nothing.
    uint256 private constant DUE = type(uint128).max;
    uint256 private constant MODEL_FEES = 128;

    /// @inheritdoc IRewardDistributor
    uint256 public protocolFees;
    /// @dev Wei that an address may claim, apart from the seat fees that its accounts earned, and model fees.
    mapping(address claimant => uint256) internal _credits;
    /// @dev Seat fees that its accounts earned and it claimed.
    mapping(address operator => uint256) private _claimedSeatFees;

    /// @notice Deploy for these neighbours; the addresses are fixed for ever.
    /// @param bridge_ holds every wei
    constructor(address bridge_) {
        if (bridge_ == address(0)) revert BadParameter("bridge");
        bridge = IMLBridge(bridge_);
    }

    /// @inheritdoc IRewardDistributor
    /// @dev `TaskSettled` says it all; there is no `Credited` for its parts.
    function settle(Settlement calldata settlement) external onlyTaskManager {
        uint256 seatFee = settlement.seatFee;
        // Neither is longer than both together.
        _narrow(settlement.modelFee | settlement.refund);
        for (uint256 i; i < settlement.winners.length; ++i) {
            _reward(settlement.winners[i], seatFee, true);
        }
        if (settlement.modelFee != 0) {
            _credits[settlement.modelProvider] += settlement.modelFee | settlement.modelFee << MODEL_FEES;
        }
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
        _credits[to] += _narrow(amount);
        emit Credited(to, taskId, amount);
    }

    /// @inheritdoc IRewardDistributor
    /// @dev Anyone may call it, and it pays nobody but the claimant: a receiver that rejects the money stops only
    /// itself, and its credit stays.
    function claim(address claimant) external nonReentrant returns (uint256 amount) {
        uint256 held = _credits[claimant];
        amount = held & DUE;
        _credits[claimant] = held - amount;
        if (_operatorIds[claimant] != 0) {
            uint256 seatFees =
                _takeWei(_accountOf(claimant, Role.Compute)) + _takeWei(_accountOf(claimant, Role.Verifier));
            if (seatFees != 0) _claimedSeatFees[claimant] += seatFees;
            amount += seatFees;
        }
        // The sum of what was credited here; wei that somebody sends are no credit.
        // slither-disable-next-line incorrect-equality
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
        _credits[to] += _narrow(amount);
        emit ProtocolFeesAssigned(to, amount);
    }

    /// @inheritdoc IRewardDistributor
    function claimable(address claimant) external view returns (uint256 weiAmount) {
        return (_credits[claimant] & DUE) + _unclaimedSeatFees(claimant);
    }

    /// @inheritdoc IRewardDistributor
    function feesEarned(address earner) external view returns (uint256 seatFees, uint256 modelFees) {
        return (_claimedSeatFees[earner] + _unclaimedSeatFees(earner), _credits[earner] >> MODEL_FEES);
    }

    /// @inheritdoc IRewardDistributor
    function claimableTokens(address claimant) external view returns (uint256 amount) {
        return _tokenCredits[claimant];
    }

    /// @dev One slot is read and written, as a whole (see StakeLedger.Hot): the compiler would do it member by member.
    /// @param present whether it counts against absences. Those are of the direct lane, and nobody shall wash them off by
    /// orders of the channel lane to itself
    function _reward(uint32 account, uint256 amount, bool present) internal {
        Hot storage hot = _hot[account];
        uint256 word;
        assembly ("memory-safe") {
            word := sload(hot.slot)
        }
        uint256 since = word >> DECAYED_AT;
        if (since == 0) revert UnknownAccount(account);
        // 2**96 wei is several hundred times the supply of ether: real payments never reach it.
        uint256 total = uint96(word >> CREDIT) + amount;
        if (total > type(uint96).max) revert AmountTooLarge(total);
        (uint256 reputation, uint256 decayedAt) = Reputation.decayed(uint16(word >> REPUTATION), since, block.timestamp);
        reputation = Reputation.afterSuccess(reputation);
        emit ReputationChanged(account, reputation);
        uint256 kept = uint256(type(uint96).max) | uint256(type(uint8).max) << JAILED;
        if (!present) kept |= uint256(type(uint8).max) << ABSENCES;
        word = (word & kept) | total << CREDIT | reputation << REPUTATION | decayedAt << DECAYED_AT;
        assembly ("memory-safe") {
            sstore(hot.slot, word)
        }
    }

    /// @dev A sum of 2**32 of the largest amounts still fits its half of the word. There are not so many wei.
    function _narrow(uint256 amount) internal pure returns (uint256) {
        if (amount > type(uint96).max) revert AmountTooLarge(amount);
        return amount;
    }

    function _unclaimedSeatFees(address operator) private view returns (uint256) {
        if (_operatorIds[operator] == 0) return 0;
        return uint256(_hot[_accountOf(operator, Role.Compute)].weiCredit)
            + _hot[_accountOf(operator, Role.Verifier)].weiCredit;
    }

    function _takeWei(uint32 account) private returns (uint256 amount) {
        amount = _hot[account].weiCredit;
        if (amount != 0) _hot[account].weiCredit = 0;
    }
}
