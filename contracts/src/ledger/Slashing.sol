// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IRewardDistributor} from "../interfaces/IRewardDistributor.sol";
import {ISlashEscrow, SlashCase} from "../interfaces/ISlashEscrow.sol";
import {Fault, Role} from "../interfaces/Types.sol";
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
    /// @notice What belongs to no model: governance allocates it.
    uint32 public constant COMMON_RESERVE = 0;
    /// @dev The absence in a row that jails.
    uint256 private constant JAILING_ABSENCE = 3;
    /// @dev Parts of a jail term in which absences count as one, so that a burst of tasks cannot run through the steps
    /// before anybody could look after its machine: an hour of a day.
    uint256 private constant ABSENCE_PARTS = 24;

    /// @notice Opens tasks, closes them, and says who was absent or wrong.
    address public immutable taskManager;
    /// @notice Says who contradicted itself.
    address public immutable verifier;

    /// @notice Fees that wait for the judges of a round.
    /// @param fee a judge
    /// @param model index of the model in the registry
    /// @param judges seats, or accounts, of the judges
    struct Earmark {
        uint128 fee;
        uint32 model;
        uint8 judges;
    }

    /// @dev Where heavy slashes wait, and MLB of those that do. One slot, because a slash needs both.
    /// @param amount wei
    /// @param escrow where large slashes wait; zero for none
    struct Waiting {
        address escrow;
        uint96 amount;
    }

    Waiting internal _waiting;
    uint256 internal _judgeFee;
    /// @dev A reserve a model, because its judges come from its own pools: somebody who is all of a model's operators can
    /// pay itself as judges, and then only with what it brought.
    mapping(uint32 model => uint256) private _reserves;
    mapping(bytes32 taskId => Earmark) private _earmarks;
    /// @dev MLB that an address may claim: judge fees and reporter shares.
    mapping(address claimant => uint256) internal _tokenCredits;

    modifier onlyTaskManager() {
        if (msg.sender != taskManager) revert OnlyTaskManager();
        _;
    }

    /// @notice Deploy for these neighbours; the addresses are fixed for ever.
    /// @param taskManager_ runs the tasks
    /// @param verifier_ tallies, and punishes contradictions
    /// @param judgeFee_ MLB for a judge that revealed
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
    function slash(uint32 account, bytes32 taskId, uint32 model, Fault fault, uint256 confidence, address reporter)
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
        SlashCase memory found;
        (found.taskId, found.account, found.model) = (taskId, account, model);
        (found.fault, found.reporter) = (fault, reporter);
        return _impose(found, confidence);
    }

    /// @inheritdoc IRewardDistributor
    function earmarkJudges(bytes32 taskId, uint32 model, uint256 judges) external onlyTaskManager returns (bool) {
        uint256 fee = _judgeFee;
        uint256 reserve = _reserves[model];
        if (judges > type(uint8).max || fee * judges > reserve) return false;
        _reserves[model] = reserve - fee * judges;
        _earmarks[taskId] = Earmark({fee: uint128(fee), model: model, judges: uint8(judges)});
        emit JudgesEarmarked(taskId, model, fee * judges);
        return true;
    }

    /// @inheritdoc IRewardDistributor
    function payJudges(bytes32 taskId, uint32[] calldata judges) external onlyTaskManager {
        Earmark memory earmark = _earmarks[taskId];
        if (earmark.judges == 0) return;
        if (judges.length > earmark.judges) revert AmountTooLarge(judges.length);
        delete _earmarks[taskId];
        uint256 fee = earmark.fee;
        _reserves[earmark.model] += fee * (earmark.judges - judges.length);
        for (uint256 i; i < judges.length; ++i) {
            uint32 account = judges[i];
            if (_hot[account].absences != 0) _hot[account].absences = 0;
            if (fee != 0) _tokenCredits[_operatorOf(account)] += fee;
            emit JudgePaid(account, taskId, fee);
        }
    }

    /// @inheritdoc IRewardDistributor
    function fundReserve(uint32 model, uint256 amount) external nonReentrant {
        if (amount == 0) revert ZeroAmount();
        // MLB's supply is far below it, so a sum of real amounts always fits.
        if (amount > type(uint128).max) revert AmountTooLarge(amount);
        _reserves[model] += amount;
        emit ReserveFunded(msg.sender, model, amount);
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IRewardDistributor
    function allocateReserve(uint32 model, uint256 amount) external restricted {
        if (amount == 0) revert ZeroAmount();
        uint256 common = _reserves[COMMON_RESERVE];
        if (amount > common) revert AmountTooLarge(amount);
        _reserves[COMMON_RESERVE] = common - amount;
        _reserves[model] += amount;
        emit ReserveAllocated(model, amount);
    }

    /// @inheritdoc IRewardDistributor
    function setJudgeFee(uint256 judgeFee_) external restricted {
        _setJudgeFee(judgeFee_);
    }

    /// @inheritdoc IRewardDistributor
    function disputeReserve(uint32 model) external view returns (uint256) {
        return _reserves[model];
    }

    /// @inheritdoc IRewardDistributor
    function earmarked(bytes32 taskId) external view returns (uint256) {
        Earmark memory earmark = _earmarks[taskId];
        return uint256(earmark.fee) * earmark.judges;
    }

    /// @inheritdoc IRewardDistributor
    function judgeFee() external view returns (uint256) {
        return _judgeFee;
    }

    /// @dev Every punishment of an account, whichever lane it comes from: carried out at once, and split at once unless it
    /// is so heavy that it waits.
    /// @param found who is punished, and for what; what was done is written here
    function _impose(SlashCase memory found, uint256 confidence) internal returns (uint256 amount) {
        _punish(found, confidence);
        if (found.basisPoints == 0) return 0;
        amount = uint256(found.fromBonded) + found.fromUnbonding;
        emit Slashed(found.account, found.taskId, found.fault, amount, found.basisPoints);
        if (_roleOf(found.account) == Role.Compute) rewardPool.interrupt(found.account);
        if (amount == 0) return 0;
        Waiting memory waiting = _waiting;
        if (waiting.escrow != address(0) && ISlashEscrow(waiting.escrow).open(found)) {
            waiting.amount += uint96(amount);
            _waiting = waiting;
        } else {
            _distribute(found.taskId, found.model, amount, found.reporter);
        }
    }

    /// @dev Take the stake, mark the record, jail.
    /// @param found what was done is written here
    function _punish(SlashCase memory found, uint256 confidence) private {
        uint32 account = found.account;
        Hot memory hot = _hot[account];
        Cold memory cold = _cold[account];
        // Opening an account writes the time there, which is never zero.
        // slither-disable-next-line incorrect-equality
        if (hot.decayedAt == 0) revert UnknownAccount(account);
        if (found.fault == Fault.Absent) {
            // In jail it is drawn no more, and seats from before cannot cost it more than the jail did. Nor can a burst.
            if (hot.jailed != 0 || block.timestamp < cold.absentAt + jailSeconds / ABSENCE_PARTS) return;
            cold.absentAt = uint32(block.timestamp);
        }

        if (found.fault == Fault.Absent && hot.absences != type(uint8).max) ++hot.absences;
        uint256 points = SlashMath.basisPoints(found.fault, hot.absences, confidence);
        (uint256 fromBonded, uint256 fromUnbonding) = SlashMath.take(hot.bonded, cold.unbonding, points);
        (found.basisPoints, found.slashedAt) = (uint16(points), uint64(block.timestamp));
        (found.fromBonded, found.fromUnbonding) = (uint96(fromBonded), uint96(fromUnbonding));
        (found.wasJailed, found.jailedUntilBefore) = (hot.jailed != 0, cold.jailedUntil);
        hot.bonded -= uint96(fromBonded);
        cold.unbonding -= uint96(fromUnbonding);

        (uint256 reputation, uint256 decayedAt) = Reputation.decayed(hot.reputation, hot.decayedAt, block.timestamp);
        found.reputationBefore = uint16(reputation);
        hot.reputation = uint16(Reputation.afterFault(reputation, found.fault));
        found.reputationAfter = hot.reputation;
        hot.decayedAt = uint32(decayedAt);
        emit ReputationChanged(account, hot.reputation);

        if (found.fault != Fault.Absent || hot.absences >= JAILING_ABSENCE) {
            hot.jailed = 1;
            uint256 until = block.timestamp + jailSeconds;
            // Of two faults in one second each has a term of its own, so that undoing one leaves the other's.
            cold.jailedUntil = uint64(until > cold.jailedUntil ? until : cold.jailedUntil + 1);
            found.jailedUntil = cold.jailedUntil;
            emit Jailed(account, cold.jailedUntil);
        }
        _storeHot(account, hot);
        _cold[account] = cold;
    }

    function _distribute(bytes32 taskId, uint32 model, uint256 amount, address reporter) internal {
        (uint256 toReserve, uint256 toReporter, uint256 burned) = SlashMath.split(amount, reporter != address(0));
        _reserves[model] += toReserve;
        if (toReporter != 0) _tokenCredits[reporter] += toReporter;
        emit SlashSplit(taskId, toReserve, toReporter, burned);
        ERC20Burnable(address(token)).burn(burned);
    }

    function _setJudgeFee(uint256 judgeFee_) private {
        if (judgeFee_ > JUDGE_FEE_LIMIT) revert BadParameter("judgeFee");
        _judgeFee = judgeFee_;
        emit JudgeFeeChanged(judgeFee_);
    }
}
