// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "../interfaces/IRewardDistributor.sol";
import {IRewardPool, Stream} from "../interfaces/IRewardPool.sol";
import {ITaskManager} from "../interfaces/ITaskManager.sol";
import {RewardMath} from "../libraries/RewardMath.sol";

/// @title Neighbours, rates, and what the pool owes
/// @notice First layer of the RewardPool. It promises nothing that it does not hold: a credit is cut to what is free, and
/// stake stops earning when nothing is free.
abstract contract PoolFunds is IRewardPool, AccessManaged {
    /// @dev Limits of the governed rates. Were every MLB staked in the best paid role, the first year would pay 10 % of the
    /// supply at most: a quarter of the community's share.
    uint256 private constant MAX_STAKING_RATE = 500;
    uint256 private constant MAX_UPTIME_RATE = 500;
    uint256 private constant MAX_VOTE_RATE = 200;
    uint256 private constant MAX_REBATE_FEE = 3_000;
    uint256 private constant MAX_DAILY_REBATE = 100_000e18;
    uint256 private constant MAX_VOTE_BUDGET = 100_000e18;

    /// @notice MLB.
    IERC20 public immutable token;
    /// @notice Says who holds which stake and earned which fees.
    IRewardDistributor public immutable distributor;
    /// @notice Says who serves what.
    ITaskManager public immutable taskManager;
    /// @notice Says what a model is worth.
    IModelRegistry public immutable registry;
    /// @notice Unix seconds from which the early bonus falls.
    uint256 public immutable genesis;

    Rates internal _rates;
    /// @inheritdoc IRewardPool
    uint256 public season;
    /// @inheritdoc IRewardPool
    uint256 public seasonFrom;

    mapping(address claimant => uint256) internal _credits;
    /// @dev Sum of all credits.
    uint256 private _credited;

    /// @dev Bonded stake that earns, of everybody; at most the supply, so its sums fit.
    uint96 internal _totalShares;
    /// @dev What one share has earned since genesis, in RAY: below 2**160 for 10**21 years at 5 %.
    uint160 internal _index;
    uint64 internal _advancedAt;
    /// @dev What shares have earned and nobody was credited yet, in RAY. Exact: what a credit rounds off becomes free.
    uint256 internal _accrued;

    modifier onlyDistributor() {
        if (msg.sender != address(distributor)) revert OnlyRewardDistributor();
        _;
    }

    /// @notice Deploy for these neighbours; the addresses are fixed for ever.
    /// @param authority_ the AccessManager
    /// @param token_ the MLB token
    /// @param distributor_ stakes, reputation and credits
    /// @param taskManager_ runs the tasks
    /// @param registry_ models and their terms
    /// @param rates_ rates and budgets of the streams
    constructor(
        address authority_,
        address token_,
        address distributor_,
        address taskManager_,
        address registry_,
        Rates memory rates_
    ) AccessManaged(authority_) {
        if (
            authority_ == address(0) || token_ == address(0) || distributor_ == address(0) || taskManager_ == address(0)
                || registry_ == address(0)
        ) revert ZeroAddress();
        token = IERC20(token_);
        distributor = IRewardDistributor(distributor_);
        taskManager = ITaskManager(taskManager_);
        registry = IModelRegistry(registry_);
        genesis = block.timestamp;
        season = 1;
        seasonFrom = block.timestamp;
        _advancedAt = uint64(block.timestamp);
        _store(rates_);
    }

    // ---- governance ----

    /// @inheritdoc IRewardPool
    /// @dev Fees earned under a lower rebate or a lower protocol fee must not be paid at a higher one. So raising the rebate
    /// opens a new season, and that not before the last task submitted until now is over.
    function setRates(Rates calldata rates_) external restricted {
        _advance();
        if (rates_.rebateFee > _rates.rebateFee || rates_.mlbPerCoin > _rates.mlbPerCoin) {
            _requireAtMost(rates_.rebateFee, taskManager.parameters().protocolFee, "rebateFee");
            ++season;
            seasonFrom = block.timestamp + taskManager.longestTask();
        }
        _store(rates_);
    }

    // ---- views ----

    /// @inheritdoc IRewardPool
    function rates() external view returns (Rates memory) {
        return _rates;
    }

    /// @inheritdoc IRewardPool
    function owed() external view returns (uint256) {
        (, uint256 more) = _ahead();
        return _credited + Math.ceilDiv(_accrued + more, RewardMath.RAY);
    }

    // ---- internal ----

    function _store(Rates memory rates_) private {
        _requireAtMost(rates_.stakingRate, MAX_STAKING_RATE, "stakingRate");
        _requireAtMost(rates_.uptimeRate, MAX_UPTIME_RATE, "uptimeRate");
        _requireAtMost(rates_.voteRate, MAX_VOTE_RATE, "voteRate");
        _requireAtMost(rates_.rebateFee, MAX_REBATE_FEE, "rebateFee");
        _requireAtMost(rates_.rebateBudget, MAX_DAILY_REBATE, "rebateBudget");
        _requireAtMost(rates_.voteBudget, MAX_VOTE_BUDGET, "voteBudget");
        _rates = rates_;
        emit RatesChanged(rates_, season);
    }

    function _requireAtMost(uint256 value, uint256 most, string memory name) private pure {
        if (value > most) revert BadRate(name, value, most);
    }

    /// @dev MLB that is promised to nobody. Call after `_advance`.
    function _free() internal view returns (uint256) {
        return token.balanceOf(address(this)) - _credited - Math.ceilDiv(_accrued, RewardMath.RAY);
    }

    /// @dev Credit as much as is free.
    function _credit(address to, Stream stream, uint256 amount) internal returns (uint256 credited) {
        _advance();
        credited = Math.min(amount, _free());
        if (credited != 0) _book(to, stream, credited);
    }

    function _book(address to, Stream stream, uint256 amount) internal {
        _credits[to] += amount;
        _credited += amount;
        emit Credited(to, stream, amount);
    }

    function _takeCredit(address claimant) internal returns (uint256 amount) {
        amount = _credits[claimant];
        _credits[claimant] = 0;
        _credited -= amount;
    }

    /// @dev Bring the index up to now.
    function _advance() internal {
        (uint256 index, uint256 more) = _ahead();
        _index = uint160(index);
        _accrued += more;
        _advancedAt = uint64(block.timestamp);
    }

    /// @dev The index as it stands now, and what shares earned since it was stored, in RAY.
    function _ahead() internal view returns (uint256 index, uint256 more) {
        uint256 step = RewardMath.perShare(_rates.stakingRate, block.timestamp - _advancedAt);
        uint256 shares = _totalShares;
        // No time has passed, the rate is zero or nobody has stake: a balance is in none of the three.
        // slither-disable-next-line incorrect-equality
        if (step == 0 || shares == 0) return (_index, 0);
        uint256 most = _free() * RewardMath.RAY;
        if (step * shares > most) step = most / shares;
        return (_index + step, step * shares);
    }
}
