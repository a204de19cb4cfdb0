// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IVoteRecorder} from "./IVoteRecorder.sol";

/// @notice Why somebody was credited MLB.
enum Stream {
    Staking, // bonded Holder and ModelProvider stake, by time
    Uptime, // bonded Compute stake that serves, by time
    Report, // showed that a checked-in account does not serve
    Participation, // share of the protocol fee on earned seat fees
    Quality, // share of the protocol fee on earned model fees, by the provider's quality
    Vote // ModelProvider stake that voted
}

/// @title The community's MLB and inflation, and the rewards paid from them
/// @notice docs/design/economy.md gives each reward's formula and what a liar would gain by it. Rates are basis points a
/// year of 365 days; MLB has 18 decimals; every reward is rounded down.
interface IRewardPool is IVoteRecorder {
    /// @notice What governance sets. Nothing here reaches back: see each stream.
    struct Rates {
        uint16 stakingRate; // on bonded Holder and ModelProvider stake
        uint16 uptimeRate; // on bonded Compute stake that serves, before the early bonus
        uint16 voteRate; // on ModelProvider stake that voted, at most
        uint16 rebateFee; // basis points of an earned fee taken for the protocol's; never above what the TaskManager takes
        uint96 mlbPerCoin; // MLB that one whole native coin (10**18 wei) counts for
        uint96 rebateBudget; // MLB a day
        uint96 voteBudget; // MLB a vote period of seven days
    }

    /// @notice Time that an account is being paid for.
    struct Interval {
        uint40 since; // unix seconds; 0: none
        uint96 stake; // bonded when it began
        uint32 rate; // basis points x basis points a year, early bonus included
        uint32 model; // index of the model that it serves
    }

    /// @notice Votes whose proposals end in the same seven days.
    struct VotePeriod {
        uint96 shares; // ModelProvider stake that voted
        uint96 budget; // MLB for all of them, as it stood at the first vote
        uint16 rate; // basis points a year for each, at most, as it stood at the first vote
    }

    error ZeroAddress();
    error OnlyRewardDistributor();
    error OnlyVoteRecorder(address caller);
    error BadRate(string name, uint256 value, uint256 most);
    error NotOperator(uint32 account, address caller);
    error NotCompute(uint32 account);
    /// @notice Jailed, below the minimum stake, or absent the last time it was drawn.
    error NotUp(uint32 account);
    error NotServing(bytes32 modelId, uint32 account);
    error StillServing(bytes32 modelId, uint32 account);
    error NotCheckedIn(uint32 account);
    error VotePeriodOpen(uint256 endsAt);
    error SeasonNotOpen(uint256 opensAt);
    error NothingToCollect(address earner);
    error NothingToClaim(address claimant);

    event SharesChanged(address indexed owner, uint256 shares);
    event Credited(address indexed to, Stream indexed stream, uint256 amount);
    event Claimed(address indexed to, uint256 amount);
    event CheckedIn(uint32 indexed account, bytes32 indexed modelId, uint256 stake, uint256 rate);
    event Interrupted(uint32 indexed account);
    event SeasonOpened(address indexed earner, uint256 season);
    event RebateFeeLowered(uint256 rebateFee);
    event VoteRecorded(address indexed voter, uint256 indexed period, uint256 share);
    event RatesChanged(Rates rates, uint256 season);
    event VoteRecorderChanged(address voteRecorder);

    // ---- anyone ----
    /// @notice Mint what inflation allows by now into the pool.
    /// @dev Reverts with NothingToMint when that is nothing.
    /// @return amount MLB minted
    function mintInflation() external returns (uint256 amount);
    /// @notice Pay the claimant all MLB that it was credited, and its staking reward up to now.
    /// @dev Reverts with NothingToClaim.
    /// @return amount MLB paid to the claimant, whoever calls
    function claim(address claimant) external returns (uint256 amount);
    /// @notice Credit an earner its share of the protocol fee on seat fees and model fees that it earned since it was last
    /// credited, as far as the day's budget goes; the rest stays for later. The first call of a season credits nothing: it
    /// sets the mark from which fees count.
    /// @dev Reverts with NothingToCollect when nothing is due, left in the budget or in the pool, and with SeasonNotOpen
    /// while tasks from before the season may still end.
    /// @return amount MLB credited
    function collectRebate(address earner) external returns (uint256 amount);
    /// @notice Lower `rebateFee` to the protocol fee that the TaskManager takes now, if that is less.
    /// @return rebateFee basis points in force
    function lowerRebateFee() external returns (uint256 rebateFee);
    /// @notice Credit a voter for a period of votes that is over.
    /// @param period unix seconds at which the votes ended, divided by seven days
    /// @dev Reverts with VotePeriodOpen or NothingToCollect.
    /// @return amount MLB credited; less than earned only if the pool is empty
    function collectVotes(address voter, uint256 period) external returns (uint256 amount);
    /// @notice Show that an account which checked in for a model does not serve it: it loses the time since, and the caller
    /// is credited a tenth of what that time had earned.
    /// @dev Reverts with NotCheckedIn or StillServing.
    /// @return amount MLB credited to the caller
    function report(uint32 account) external returns (uint256 amount);

    // ---- operators and their node keys ----
    /// @notice Be paid for the time since the last check-in, at most a day, and begin the next. The account must be out of
    /// jail, at its minimum, not absent the last time it was drawn, and serve this active model.
    /// @dev Reverts with NotCompute, NotOperator, NotUp or NotServing.
    /// @return amount MLB credited to the operator
    function checkIn(uint32 account, bytes32 modelId) external returns (uint256 amount);

    // ---- RewardDistributor only ----
    /// @notice Bonded Holder or ModelProvider stake moved from `bondedBefore` to `bondedAfter`.
    function stakeChanged(address owner, uint256 bondedBefore, uint256 bondedAfter) external;
    /// @notice A Compute account was punished or takes stake out: the time since its last check-in is not paid.
    function interrupt(uint32 account) external;

    // ---- governance only ----
    /// @notice A rebate raised in fee or in MLB a coin opens a new season.
    /// @dev Reverts with BadRate beyond the fixed limits, or for a rebate raised above the protocol fee.
    function setRates(Rates calldata rates_) external;
    /// @notice Who may report votes; zero for nobody.
    function setVoteRecorder(address voteRecorder_) external;

    // ---- views ----
    /// @notice MLB that `claim` would pay now.
    function owedTo(address claimant) external view returns (uint256);
    /// @notice MLB owed to everybody now; never above the pool's balance.
    function owed() external view returns (uint256);
    /// @notice MLB that the streams can pay out in a day at most, at the present rates and supply.
    function dailyBudget() external view returns (uint256);
    function rates() external view returns (Rates memory);
    /// @notice Counts the times that the rebate was raised; fees earned before an earner's first call in it do not count.
    function season() external view returns (uint256);
    /// @notice Unix seconds from which an earner may set its mark in the season.
    function seasonFrom() external view returns (uint256);
    function voteRecorder() external view returns (address);
    /// @notice Basis points by which an operator's uptime rate is raised now.
    function earlyBonus(uint32 operatorId) external view returns (uint256);
    function intervalOf(uint32 account) external view returns (Interval memory);
    /// @notice MLB that a check-in would credit now.
    function uptimeOf(uint32 account) external view returns (uint256);
    function votePeriods(uint256 period) external view returns (VotePeriod memory);
    /// @notice ModelProvider stake with which a voter shares in a period.
    function voteShare(uint256 period, address voter) external view returns (uint256);
}
