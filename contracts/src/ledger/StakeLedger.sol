// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IMLBridgeToken} from "../interfaces/IMLBridgeToken.sol";
import {IRewardDistributor} from "../interfaces/IRewardDistributor.sol";
import {IRewardPool} from "../interfaces/IRewardPool.sol";
import {Role} from "../interfaces/Types.sol";
import {Reputation} from "../libraries/Reputation.sol";

/// @title Stake by role, unbonding, jail, draw weight
/// @notice First layer of the RewardDistributor.
abstract contract StakeLedger is IRewardDistributor, AccessManaged, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice Seat-holding account: what settling a won task touches, in one slot.
    /// @param bonded MLB bonded, 18 decimals
    /// @param weiCredit seat fees not yet claimed
    /// @param reputation as of decayedAt
    /// @param absences consecutive
    /// @param jailed 1 from a jailing fault until unjail
    /// @param decayedAt unix seconds; 0: no such account
    struct Hot {
        uint96 bonded;
        uint96 weiCredit;
        uint16 reputation;
        uint8 absences;
        uint8 jailed;
        uint32 decayedAt;
    }

    /// @notice Seat-holding account: what only leaving and punishment touch.
    /// @param unbonding MLB that wait to be withdrawn; slashable
    /// @param releaseAt unix seconds from which it may be withdrawn
    /// @param jailedUntil unix seconds; 0: not jailed
    /// @param absentAt unix seconds; the last absence that was punished
    struct Cold {
        uint96 unbonding;
        uint64 releaseAt;
        uint64 jailedUntil;
        uint32 absentAt;
    }

    /// @notice Stake of the roles that hold no seats.
    /// @param bonded MLB bonded, 18 decimals
    /// @param unbonding MLB that wait to be withdrawn; slashable
    /// @param releaseAt unix seconds from which it may be withdrawn
    struct Plain {
        uint96 bonded;
        uint96 unbonding;
        uint64 releaseAt;
    }

    uint256 internal constant COMPUTE_MINIMUM = 50_000e18;
    uint256 internal constant VERIFIER_MINIMUM = 25_000e18;
    uint256 internal constant MODEL_PROVIDER_MINIMUM = 10_000e18;
    /// @dev Bound of the two governed delays, so that a typing error cannot lock stake for ever.
    uint256 internal constant LONGEST_DELAY = 365 days;

    /// @notice The token staked, MLB.
    IERC20 public immutable token;
    /// @dev Told when stake that earns rewards moves: whom the token names. Without a getter, which would make every call
    /// of this contract dearer; the token has one.
    IRewardPool internal immutable rewardPool;
    /// @inheritdoc IRewardDistributor
    uint256 public immutable unbondingDelay;
    /// @inheritdoc IRewardDistributor
    uint256 public immutable jailSeconds;

    /// @notice Operators seen so far; the next id is one more.
    uint32 public operatorCount;

    mapping(address operator => uint32) internal _operatorIds;
    mapping(uint32 operatorId => address) internal _operators;
    mapping(uint32 account => Hot) internal _hot;
    mapping(uint32 account => Cold) internal _cold;
    mapping(address owner => mapping(Role => Plain)) internal _plain;

    /// @notice Deploy for these neighbours; the addresses are fixed for ever.
    /// @param authority_ the AccessManager
    /// @param token_ the MLB token
    /// @param unbondingDelay_ seconds before unbonding MLB may be withdrawn
    /// @param jailSeconds_ seconds that an account stays jailed at least
    constructor(address authority_, address token_, uint256 unbondingDelay_, uint256 jailSeconds_)
        AccessManaged(authority_)
    {
        if (authority_ == address(0)) revert BadParameter("authority");
        if (token_ == address(0)) revert BadParameter("token");
        if (unbondingDelay_ == 0 || unbondingDelay_ > LONGEST_DELAY) revert BadParameter("unbondingDelay");
        if (jailSeconds_ == 0 || jailSeconds_ > LONGEST_DELAY) revert BadParameter("jailSeconds");
        token = IERC20(token_);
        rewardPool = IRewardPool(IMLBridgeToken(token_).rewardPool());
        unbondingDelay = unbondingDelay_;
        jailSeconds = jailSeconds_;
    }

    // ---- staking ----

    /// @inheritdoc IRewardDistributor
    function stake(Role role, uint256 amount) external nonReentrant {
        _stake(role, amount);
    }

    /// @inheritdoc IRewardDistributor
    function stakeWithPermit(Role role, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
    {
        // Anybody may submit a permit seen in the mempool. One that was used up already has done its work, so only
        // the allowance counts, and the transfer checks that.
        try IERC20Permit(address(token)).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _stake(role, amount);
    }

    /// @inheritdoc IRewardDistributor
    function onTokenStake(address holder, uint256 amount) external {
        if (msg.sender != address(token)) revert OnlyToken();
        _addStake(holder, Role.Holder, amount);
    }

    /// @inheritdoc IRewardDistributor
    function requestUnbond(Role role, uint256 amount) external {
        if (amount == 0) revert ZeroAmount();
        uint64 releaseAt = uint64(block.timestamp + unbondingDelay);
        if (_holdsSeats(role)) {
            uint32 account = _accountOf(msg.sender, role);
            Hot storage hot = _hot[account];
            Cold storage cold = _cold[account];
            hot.bonded = _bondedAfter(role, hot.bonded, amount);
            cold.unbonding += uint96(amount);
            cold.releaseAt = releaseAt;
            emit UnbondRequested(msg.sender, role, amount, releaseAt);
            if (role == Role.Compute) rewardPool.interrupt(account);
        } else {
            Plain storage plain = _plain[msg.sender][role];
            uint256 bonded = plain.bonded;
            plain.bonded = _bondedAfter(role, bonded, amount);
            plain.unbonding += uint96(amount);
            plain.releaseAt = releaseAt;
            emit UnbondRequested(msg.sender, role, amount, releaseAt);
            rewardPool.stakeChanged(msg.sender, bonded, bonded - amount);
        }
    }

    /// @inheritdoc IRewardDistributor
    function withdraw(Role role) external nonReentrant returns (uint256 amount) {
        uint256 releaseAt;
        if (_holdsSeats(role)) {
            Cold storage cold = _cold[_accountOf(msg.sender, role)];
            (amount, releaseAt) = (cold.unbonding, cold.releaseAt);
            cold.unbonding = 0;
        } else {
            Plain storage plain = _plain[msg.sender][role];
            (amount, releaseAt) = (plain.unbonding, plain.releaseAt);
            plain.unbonding = 0;
        }
        if (amount == 0) revert ZeroAmount();
        if (block.timestamp < releaseAt) revert StillBonded(releaseAt);
        emit Withdrawn(msg.sender, role, amount);
        token.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IRewardDistributor
    function unjail(uint32 account) external {
        Hot storage hot = _hot[account];
        if (hot.decayedAt == 0) revert UnknownAccount(account);
        // Only the operator: an operator that still mends its node would be drawn and punished as absent.
        if (_operatorOf(account) != msg.sender) revert NotOperator(account, msg.sender);
        if (hot.jailed == 0) revert NotJailed(account);
        uint256 until = _cold[account].jailedUntil;
        if (block.timestamp < until) revert StillJailed(until);
        Role role = _roleOf(account);
        if (hot.bonded < minimumStake(role)) revert BelowMinimum(role, hot.bonded, minimumStake(role));
        hot.jailed = 0;
        _cold[account].jailedUntil = 0;
        emit Unjailed(account);
    }

    // ---- views ----

    /// @inheritdoc IRewardDistributor
    /// @dev Zero unless the operator has staked in that role.
    function accountId(address operator, Role role) external view returns (uint32) {
        if (!_holdsSeats(role)) return 0;
        uint32 account = _accountOf(operator, role);
        return _hot[account].decayedAt == 0 ? 0 : account;
    }

    /// @inheritdoc IRewardDistributor
    function accounts(uint32 account) external view returns (Account memory) {
        Hot memory hot = _hot[account];
        // The time is written when an account is opened, and never zero from then on.
        // slither-disable-next-line incorrect-equality
        if (hot.decayedAt == 0) return Account(address(0), 0, 0, 0, 0, 0, 0);
        Cold memory cold = _cold[account];
        return Account({
            operator: _operatorOf(account),
            bonded: hot.bonded,
            unbonding: cold.unbonding,
            releaseAt: cold.releaseAt,
            reputation: uint16(_reputationNow(hot)),
            absences: hot.absences,
            jailedUntil: cold.jailedUntil
        });
    }

    /// @inheritdoc IRewardDistributor
    function stakeOf(address operator, Role role) public view returns (uint256) {
        return _holdsSeats(role) ? _hot[_accountOf(operator, role)].bonded : _plain[operator][role].bonded;
    }

    /// @inheritdoc IRewardDistributor
    function totalStakeOf(address operator) external view returns (uint256) {
        return stakeOf(operator, Role.Holder) + stakeOf(operator, Role.ModelProvider) + stakeOf(operator, Role.Compute)
            + stakeOf(operator, Role.Verifier);
    }

    /// @notice MLB of the caller's role that waits to be withdrawn, and from when it may be.
    /// @param operator cold address that staked
    /// @param role what the stake stands for
    /// @return amount MLB, 18 decimals
    /// @return releaseAt unix seconds from which it may be withdrawn
    function unbondingOf(address operator, Role role) external view returns (uint256 amount, uint256 releaseAt) {
        if (_holdsSeats(role)) {
            Cold memory cold = _cold[_accountOf(operator, role)];
            return (cold.unbonding, cold.releaseAt);
        }
        Plain memory plain = _plain[operator][role];
        return (plain.unbonding, plain.releaseAt);
    }

    /// @inheritdoc IRewardDistributor
    function minimumStake(Role role) public pure returns (uint256) {
        if (role == Role.Compute) return COMPUTE_MINIMUM;
        if (role == Role.Verifier) return VERIFIER_MINIMUM;
        if (role == Role.ModelProvider) return MODEL_PROVIDER_MINIMUM;
        return 0;
    }

    /// @inheritdoc IRewardDistributor
    function weightOf(uint32 account) public view returns (uint64) {
        Hot memory hot = _hot[account];
        if (hot.jailed != 0 || hot.bonded < minimumStake(_roleOf(account))) return 0;
        // A weight is of whole MLB: a part of one counts for nothing.
        // slither-disable-next-line divide-before-multiply
        return uint64(uint256(hot.bonded) / 1e18 * _reputationNow(hot));
    }

    /// @inheritdoc IRewardDistributor
    function weightsOf(uint32[] calldata accounts_) external view returns (uint64[] memory weights) {
        weights = new uint64[](accounts_.length);
        for (uint256 i; i < accounts_.length; ++i) {
            weights[i] = weightOf(accounts_[i]);
        }
    }

    // ---- internal ----

    function _stake(Role role, uint256 amount) private {
        if (amount == 0) revert ZeroAmount();
        if (amount > type(uint96).max) revert AmountTooLarge(amount);
        _addStake(msg.sender, role, amount);
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @dev MLB's supply is far below 2**96, so a sum of real stakes always fits.
    function _addStake(address operator, Role role, uint256 amount) private {
        uint256 bonded = stakeOf(operator, role) + amount;
        if (bonded < minimumStake(role)) revert BelowMinimum(role, bonded, minimumStake(role));
        if (bonded > type(uint96).max) revert AmountTooLarge(bonded);
        if (_holdsSeats(role)) _hot[_openAccount(operator, role)].bonded = uint96(bonded);
        else _plain[operator][role].bonded = uint96(bonded);
        emit Staked(operator, role, amount, bonded);
        if (!_holdsSeats(role)) rewardPool.stakeChanged(operator, bonded - amount, bonded);
    }

    /// @dev The account of an operator in a role; made at its first stake. It is never closed, so leaving and coming
    /// back does not wash off a bad record.
    function _openAccount(address operator, Role role) private returns (uint32 account) {
        if (_operatorIds[operator] == 0) {
            uint32 operatorId = ++operatorCount;
            _operatorIds[operator] = operatorId;
            _operators[operatorId] = operator;
        }
        account = _accountOf(operator, role);
        Hot storage hot = _hot[account];
        if (hot.decayedAt == 0) {
            hot.reputation = uint16(Reputation.START);
            hot.decayedAt = uint32(block.timestamp);
            emit AccountOpened(account, operator, role);
        }
    }

    /// @dev What stays bonded: enough for the role, or nothing.
    function _bondedAfter(Role role, uint256 bonded, uint256 amount) private pure returns (uint96) {
        if (amount > bonded) revert InsufficientStake(amount, bonded);
        uint256 left = bonded - amount;
        if (left != 0 && left < minimumStake(role)) revert BelowMinimum(role, left, minimumStake(role));
        return uint96(left);
    }

    /// @dev Account 0 or 1, which nobody can hold, for an address that never staked for a seat.
    function _accountOf(address operator, Role role) internal view returns (uint32) {
        return _operatorIds[operator] * 2 + (role == Role.Verifier ? 1 : 0);
    }

    function _operatorOf(uint32 account) internal view returns (address) {
        return _operators[account >> 1];
    }

    function _roleOf(uint32 account) internal pure returns (Role) {
        return account & 1 == 1 ? Role.Verifier : Role.Compute;
    }

    function _holdsSeats(Role role) internal pure returns (bool) {
        return role == Role.Compute || role == Role.Verifier;
    }

    /// @dev In one write: member by member the compiler may write the slot six times, or run out of stack.
    function _storeHot(uint32 account, Hot memory hot) internal {
        Hot storage target = _hot[account];
        uint256 word = uint256(hot.bonded) | uint256(hot.weiCredit) << 96 | uint256(hot.reputation) << 192
            | uint256(hot.absences) << 208 | uint256(hot.jailed) << 216 | uint256(hot.decayedAt) << 224;
        assembly ("memory-safe") {
            sstore(target.slot, word)
        }
    }

    function _reputationNow(Hot memory hot) internal view returns (uint256 reputation) {
        (reputation,) = Reputation.decayed(hot.reputation, hot.decayedAt, block.timestamp);
    }
}
