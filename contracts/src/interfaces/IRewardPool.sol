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
    /// @param stakingRate on bonded Holder and ModelProvider stake
    /// @param uptimeRate on bonded Compute stake that serves, before the early bonus
    /// @param voteRate on ModelProvider stake that voted, at most
    /// @param rebateFee basis points of an earned fee taken for the protocol's; never above what the TaskManager, or any channel, pays
    /// @param mlbPerCoin MLB that one whole native coin (10**18 wei) counts for
    /// @param rebateBudget MLB a day
    /// @param voteBudget MLB a vote period of seven days
    struct Rates {
        uint16 stakingRate;
        uint16 uptimeRate;
        uint16 voteRate;
        uint16 rebateFee;
        uint96 mlbPerCoin;
        uint96 rebateBudget;
        uint96 voteBudget;
    }

    /// @notice Time that an account is being paid for.
    /// @param since unix seconds; 0: none
    /// @param stake bonded when it began
    /// @param rate basis points x basis points a year, early bonus included
    /// @param model index of the model that it serves
    struct Interval {
        uint40 since;
        uint96 stake;
        uint32 rate;
        uint32 model;
    }

    /// @notice Votes whose proposals end in the same seven days.
    /// @param shares ModelProvider stake that voted
    /// @param budget MLB for all of them, as it stood at the first vote
    /// @param rate basis points a year for each, at most, as it stood at the first vote
    struct VotePeriod {
        uint96 shares;
        uint96 budget;
        uint16 rate;
    }

    /// @notice An address argument is the zero address.
    error ZeroAddress();
    /// @notice Only the RewardDistributor contract may call this.
    error OnlyRewardDistributor();
    /// @notice `caller` is not the governor that reports votes.
    /// @param caller who called
    error OnlyVoteRecorder(address caller);
    /// @notice The rate `name` is `value`, but may be `most` at most.
    /// @param name which value
    /// @param value the value that was given
    /// @param most the most that is allowed
    error BadRate(string name, uint256 value, uint256 most);
    /// @notice `caller` may not act for this account.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param caller who called
    error NotOperator(uint32 account, address caller);
    /// @notice The account `account` is not in the compute role.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NotCompute(uint32 account);
    /// @notice Jailed, below the minimum stake, or absent the last time it was drawn.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NotUp(uint32 account);
    /// @notice Account `account` does not serve model `modelId`.
    /// @param modelId id of the model
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NotServing(bytes32 modelId, uint32 account);
    /// @notice Account `account` does serve model `modelId`.
    /// @param modelId id of the model
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error StillServing(bytes32 modelId, uint32 account);
    /// @notice Account `account` has not checked in.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NotCheckedIn(uint32 account);
    /// @notice Votes of this period end at `endsAt`.
    /// @param endsAt unix seconds at which the votes end
    error VotePeriodOpen(uint256 endsAt);
    /// @notice Rebates were raised; the new season opens at `opensAt`, when earlier tasks have ended.
    /// @param opensAt unix seconds at which it opens
    error SeasonNotOpen(uint256 opensAt);
    /// @notice `earner` has nothing to collect now.
    /// @param earner who earned the fees
    error NothingToCollect(address earner);
    /// @notice `claimant` has nothing to claim.
    /// @param claimant whose credit it is
    error NothingToClaim(address claimant);

    /// @notice A stake that shares in the staking reward changed.
    /// @param owner whose it is
    /// @param shares MLB that share in the staking reward
    event SharesChanged(address indexed owner, uint256 shares);
    /// @notice MLB became claimable.
    /// @param to who is paid
    /// @param stream why it is credited
    /// @param amount MLB, 18 decimals
    event Credited(address indexed to, Stream indexed stream, uint256 amount);
    /// @notice MLB were paid out.
    /// @param to who is paid
    /// @param amount MLB, 18 decimals
    event Claimed(address indexed to, uint256 amount);
    /// @notice An account is paid for its time from now on.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param modelId id of the model
    /// @param stake MLB, 18 decimals
    /// @param rate basis points x basis points a year
    event CheckedIn(uint32 indexed account, bytes32 indexed modelId, uint256 stake, uint256 rate);
    /// @notice The time since an account's last check-in is not paid.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    event Interrupted(uint32 indexed account);
    /// @notice An earner set the mark from which its fees count.
    /// @param earner who earned the fees
    /// @param season number of the season of rebates
    event SeasonOpened(address indexed earner, uint256 season);
    /// @notice The rebate follows a lower protocol fee.
    /// @param rebateFee basis points of an earned fee that count as protocol fee
    event RebateFeeLowered(uint256 rebateFee);
    /// @notice A vote shares in its period's budget.
    /// @param voter who votes
    /// @param period unix seconds at which the votes ended, divided by seven days
    /// @param share MLB of stake that voted
    event VoteRecorded(address indexed voter, uint256 indexed period, uint256 share);
    /// @notice Rates and budgets changed.
    /// @param rates rates and budgets of the streams
    /// @param season number of the season of rebates
    event RatesChanged(Rates rates, uint256 season);
    /// @notice Another contract reports votes, or none.
    /// @param voteRecorder who reports votes; zero for nobody
    event VoteRecorderChanged(address voteRecorder);

    // ---- anyone ----
    /// @notice Mint what inflation allows by now into the pool.
    /// @dev Reverts with NothingToMint when that is nothing.
    /// @return amount MLB minted
    function mintInflation() external returns (uint256 amount);
    /// @notice Pay the claimant all MLB that it was credited, and its staking reward up to now.
    /// @dev Reverts with NothingToClaim.
    /// @return amount MLB paid to the claimant, whoever calls
    /// @param claimant whose credit it is
    function claim(address claimant) external returns (uint256 amount);
    /// @notice Credit an earner its share of the protocol fee on seat fees and model fees that it earned since it was last
    /// credited, as far as the day's budget goes; the rest stays for later. The first call of a season credits nothing: it
    /// sets the mark from which fees count.
    /// @dev Reverts with NothingToCollect when nothing is due, left in the budget or in the pool, and with SeasonNotOpen
    /// while tasks from before the season may still end.
    /// @return amount MLB credited
    /// @param earner who earned the fees
    function collectRebate(address earner) external returns (uint256 amount);
    /// @notice Lower `rebateFee` to the least that the protocol takes of a fee, if that is less: the protocol fee of the
    /// TaskManager now, or the lowest share that channels were ever opened with.
    /// @return rebateFee basis points in force
    function lowerRebateFee() external returns (uint256 rebateFee);
    /// @notice Credit a voter for a period of votes that is over.
    /// @param period unix seconds at which the votes ended, divided by seven days
    /// @dev Reverts with VotePeriodOpen or NothingToCollect.
    /// @return amount MLB credited; less than earned only if the pool is empty
    /// @param voter who votes
    function collectVotes(address voter, uint256 period) external returns (uint256 amount);
    /// @notice Show that an account which checked in for a model does not serve it: it loses the time since, and the caller
    /// is credited a tenth of what that time had earned.
    /// @dev Reverts with NotCheckedIn or StillServing.
    /// @return amount MLB credited to the caller
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    function report(uint32 account) external returns (uint256 amount);

    // ---- operators and their node keys ----
    /// @notice Be paid for the time since the last check-in, at most a day, and begin the next. The account must be out of
    /// jail, at its minimum, not absent the last time it was drawn, and serve this active model.
    /// @dev Reverts with NotCompute, NotOperator, NotUp or NotServing.
    /// @return amount MLB credited to the operator
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param modelId id of the model
    function checkIn(uint32 account, bytes32 modelId) external returns (uint256 amount);

    // ---- RewardDistributor only ----
    /// @notice Bonded Holder or ModelProvider stake moved from `bondedBefore` to `bondedAfter`.
    /// @param owner whose it is
    /// @param bondedBefore MLB bonded before it
    /// @param bondedAfter MLB bonded after it
    function stakeChanged(address owner, uint256 bondedBefore, uint256 bondedAfter) external;
    /// @notice A Compute account was punished or takes stake out: the time since its last check-in is not paid.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    function interrupt(uint32 account) external;

    // ---- governance only ----
    /// @notice A rebate raised in fee or in MLB a coin opens a new season.
    /// @dev Reverts with BadRate beyond the fixed limits, or for a rebate raised above the protocol fee.
    /// @param rates_ rates and budgets of the streams
    function setRates(Rates calldata rates_) external;
    /// @notice Who may report votes; zero for nobody.
    /// @param voteRecorder_ who reports votes; zero for nobody
    function setVoteRecorder(address voteRecorder_) external;

    // ---- views ----
    /// @notice MLB that `claim` would pay now.
    /// @param claimant whose credit it is
    function owedTo(address claimant) external view returns (uint256);
    /// @notice MLB owed to everybody now; never above the pool's balance.
    function owed() external view returns (uint256);
    /// @notice MLB that the streams can pay out in a day at most, at the present rates and supply.
    function dailyBudget() external view returns (uint256);
    /// @notice Rates and budgets in force.
    function rates() external view returns (Rates memory);
    /// @notice Counts the times that the rebate was raised; fees earned before an earner's first call in it do not count.
    function season() external view returns (uint256);
    /// @notice Unix seconds from which an earner may set its mark in the season.
    function seasonFrom() external view returns (uint256);
    /// @notice Who reports votes; zero for nobody.
    function voteRecorder() external view returns (address);
    /// @notice Basis points by which an operator's uptime rate is raised now.
    /// @param operatorId number of the operator
    function earlyBonus(uint32 operatorId) external view returns (uint256);
    /// @notice The time that an account is being paid for.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    function intervalOf(uint32 account) external view returns (Interval memory);
    /// @notice MLB that a check-in would credit now.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    function uptimeOf(uint32 account) external view returns (uint256);
    /// @notice Shares and budget of a vote period.
    /// @param period unix seconds at which the votes ended, divided by seven days
    function votePeriods(uint256 period) external view returns (VotePeriod memory);
    /// @notice ModelProvider stake with which a voter shares in a period.
    /// @param period unix seconds at which the votes ended, divided by seven days
    /// @param voter who votes
    function voteShare(uint256 period, address voter) external view returns (uint256);
}
