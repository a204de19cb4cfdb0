// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IRewardDistributor} from "../interfaces/IRewardDistributor.sol";
import {Fault} from "../interfaces/Types.sol";
import {Reputation} from "../libraries/Reputation.sol";
import {SlashMath} from "../libraries/SlashMath.sol";
import {StakeLedger} from "./StakeLedger.sol";

/// @title Slashes, jail, the dispute reserve and what judges get from it
/// @notice Second layer of the RewardDistributor.
abstract contract Slashing is StakeLedger {
    using SafeERC20 for IERC20;

    /// @notice Most that a judge may be paid for one case. The smallest slash of a compute provider at its minimum is
    /// 5,000 MLB, half of it for the reserve: that feeds a first judge round of five at this fee. A higher fee would
    /// let somebody lose a dispute on purpose to earn as its judges.
    uint256 public constant JUDGE_FEE_LIMIT = 500e18;
    /// @dev The absence in a row that jails.
    uint256 private constant JAILING_ABSENCE = 3;

    /// @notice Opens tasks, closes them, and says who was absent or wrong.
    address public immutable taskManager;
    /// @notice Says who contradicted itself.
    address public immutable verifier;

    uint128 internal _reserve;
    uint128 internal _judgeFee;
    /// @dev MLB that an address may claim: judge fees and reporter shares.
    mapping(address claimant => uint256) internal _tokenCredits;

    modifier onlyTaskManager() {
        if (msg.sender != taskManager) revert OnlyTaskManager();
        _;
    }

    constructor(address taskManager_, address verifier_, uint256 judgeFee_) {
        if (taskManager_ == address(0)) revert BadParameter("taskManager");
        if (verifier_ == address(0)) revert BadParameter("verifier");
        taskManager = taskManager_;
        verifier = verifier_;
        _setJudgeFee(judgeFee_);
    }

    /// @inheritdoc IRewardDistributor
    /// @dev The task manager punishes everything but contradiction, the verifier contradiction alone: that is the one
    /// fault that a caller proves, so only there a reporter is paid.
    function slash(uint32 account, bytes32 taskId, Fault fault, uint256 confidence, address reporter)
        external
        nonReentrant
        returns (uint256 amount)
    {
        if (fault == Fault.Malicious) {
            if (msg.sender != verifier) revert OnlyConsensusVerifier();
        } else {
            if (msg.sender != taskManager) revert OnlyTaskManager();
            reporter = address(0);
        }
        uint256 points;
        (amount, points) = _punish(account, fault, confidence);
        emit Slashed(account, taskId, fault, amount, points);
        if (amount != 0) _distribute(taskId, amount, reporter);
    }

    /// @inheritdoc IRewardDistributor
    function payJudges(bytes32 taskId, uint32[] calldata judges) external onlyTaskManager {
        uint256 count = judges.length;
        if (count == 0) return;
        uint256 fee = _judgeFee;
        // Evenly, so that nobody's pay depends on the order in which judges are listed.
        if (fee * count > _reserve) fee = _reserve / count;
        _reserve -= uint128(fee * count);
        for (uint256 i; i < count; ++i) {
            uint32 account = judges[i];
            if (_hot[account].absences != 0) _hot[account].absences = 0;
            if (fee != 0) _tokenCredits[_operatorOf(account)] += fee;
            emit JudgePaid(account, taskId, fee);
        }
    }

    /// @inheritdoc IRewardDistributor
    function fundReserve(uint256 amount) external nonReentrant {
        if (amount == 0) revert ZeroAmount();
        if (amount > type(uint128).max) revert AmountTooLarge(amount);
        _reserve += uint128(amount);
        emit ReserveFunded(msg.sender, amount);
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IRewardDistributor
    function setJudgeFee(uint256 judgeFee_) external restricted {
        _setJudgeFee(judgeFee_);
    }

    /// @inheritdoc IRewardDistributor
    function disputeReserve() external view returns (uint256) {
        return _reserve;
    }

    /// @inheritdoc IRewardDistributor
    function judgeFee() external view returns (uint256) {
        return _judgeFee;
    }

    /// @inheritdoc IRewardDistributor
    function canPayJudges(uint256 judges) external view returns (bool) {
        return judges <= type(uint32).max && judges * _judgeFee <= _reserve;
    }

    /// @dev Take the stake, mark the record, jail.
    function _punish(uint32 account, Fault fault, uint256 confidence) private returns (uint256 amount, uint256 points) {
        Hot memory hot = _hot[account];
        Cold memory cold = _cold[account];
        if (hot.decayedAt == 0) revert UnknownAccount(account);

        if (fault == Fault.Absent && hot.absences != type(uint8).max) ++hot.absences;
        points = SlashMath.basisPoints(fault, hot.absences, confidence);
        (uint256 fromBonded, uint256 fromUnbonding) = SlashMath.take(hot.bonded, cold.unbonding, points);
        amount = fromBonded + fromUnbonding;
        hot.bonded -= uint96(fromBonded);
        cold.unbonding -= uint96(fromUnbonding);

        (uint256 reputation, uint256 decayedAt) = Reputation.decayed(hot.reputation, hot.decayedAt, block.timestamp);
        hot.reputation = uint16(Reputation.afterFault(reputation, fault));
        hot.decayedAt = uint32(decayedAt);
        emit ReputationChanged(account, hot.reputation);

        if (fault != Fault.Absent || hot.absences >= JAILING_ABSENCE) {
            hot.jailed = 1;
            cold.jailedUntil = uint64(block.timestamp + jailSeconds);
            emit Jailed(account, cold.jailedUntil);
        }
        _hot[account] = hot;
        _cold[account] = cold;
    }

    function _distribute(bytes32 taskId, uint256 amount, address reporter) private {
        (uint256 toReserve, uint256 toReporter, uint256 burned) = SlashMath.split(amount, reporter != address(0));
        _reserve += uint128(toReserve);
        if (toReporter != 0) _tokenCredits[reporter] += toReporter;
        emit SlashSplit(taskId, toReserve, toReporter, burned);
        ERC20Burnable(address(token)).burn(burned);
    }

    function _setJudgeFee(uint256 judgeFee_) private {
        if (judgeFee_ > JUDGE_FEE_LIMIT) revert BadParameter("judgeFee");
        _judgeFee = uint128(judgeFee_);
        emit JudgeFeeChanged(judgeFee_);
    }
}
