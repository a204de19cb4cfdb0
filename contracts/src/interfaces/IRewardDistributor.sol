// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SlashCase} from "./ISlashEscrow.sol";
import {Fault, Role} from "./Types.sol";

/// @title The one ledger: stake by role, unbonding, slashing, reputation, payouts
/// @dev Native coin is held by MLBridge, MLB by this contract. An account is one operator in one seat-holding role:
/// id = operatorId * 2 + (role == Verifier ? 1 : 0); operator ids start at 1.
interface IRewardDistributor {
    struct Account {
        address operator;
        uint96 bonded; // MLB, 18 decimals
        uint96 unbonding; // MLB, slashable until withdrawn
        uint64 releaseAt; // unix seconds; when unbonding MLB may be withdrawn
        uint16 reputation; // basis points, decayed to now
        uint8 absences; // consecutive
        uint64 jailedUntil; // unix seconds; 0: not jailed
    }

    /// @notice Payment of one settled task, all in wei.
    /// @param winners accounts that are paid `seatFee` each and gain reputation
    struct Settlement {
        bytes32 taskId;
        address modelProvider;
        uint256 modelFee;
        uint256 protocolFee;
        uint256 seatFee;
        address requester;
        uint256 refund;
        uint32[] winners;
    }

    error OnlyTaskManager();
    error OnlyConsensusVerifier();
    error OnlySlashEscrow();
    error SlashEscrowSet(address escrow);
    error OnlyToken();
    error ZeroAmount();
    error AmountTooLarge(uint256 amount);
    error BelowMinimum(Role role, uint256 stake, uint256 required);
    error InsufficientStake(uint256 requested, uint256 available);
    error StillBonded(uint256 releaseAt);
    error NothingToClaim(address claimant);
    error StillJailed(uint256 until);
    error NotJailed(uint32 account);
    error UnknownAccount(uint32 account);
    error NotOperator(uint32 account, address caller);
    error BadParameter(string name);

    event Staked(address indexed operator, Role indexed role, uint256 amount, uint256 bonded);
    event UnbondRequested(address indexed operator, Role indexed role, uint256 amount, uint256 releaseAt);
    event Withdrawn(address indexed operator, Role indexed role, uint256 amount);
    event AccountOpened(uint32 indexed account, address indexed operator, Role role);
    event Slashed(
        uint32 indexed account, bytes32 indexed taskId, Fault indexed fault, uint256 amount, uint256 basisPoints
    );
    event SlashSplit(bytes32 indexed taskId, uint256 toReserve, uint256 toReporter, uint256 burned);
    /// @notice A slash was undone: the stake is back where it was taken from.
    event SlashRestored(
        uint32 indexed account, bytes32 indexed taskId, Fault indexed fault, uint256 toBonded, uint256 toUnbonding
    );
    event SlashEscrowChosen(address indexed escrow);
    /// @param reference_ what it is for, as the caller counts
    event Fined(uint32 indexed account, bytes32 indexed reference_, uint256 amount);
    event Jailed(uint32 indexed account, uint256 until);
    event Unjailed(uint32 indexed account);
    event ReputationChanged(uint32 indexed account, uint256 reputation);
    event TaskSettled(
        bytes32 indexed taskId, uint256 modelFee, uint256 protocolFee, uint256 seatFee, uint256 refund, uint32[] winners
    );
    event Credited(address indexed to, bytes32 indexed taskId, uint256 amount);
    event JudgePaid(uint32 indexed account, bytes32 indexed taskId, uint256 amount);
    event Claimed(address indexed claimant, uint256 amount);
    event TokenClaimed(address indexed claimant, uint256 amount);
    event ReserveFunded(address indexed from, uint32 indexed model, uint256 amount);
    event ReserveAllocated(uint32 indexed model, uint256 amount);
    event JudgesEarmarked(bytes32 indexed taskId, uint32 indexed model, uint256 amount);
    event JudgeFeeChanged(uint256 judgeFee);
    event ProtocolFeesAssigned(address indexed to, uint256 amount);

    // ---- staking, by the operator's cold address ----
    /// @notice Pull `amount` MLB from the caller into its stake for `role`.
    function stake(Role role, uint256 amount) external;
    /// @notice As `stake`, with an ERC-2612 permit instead of an approval.
    function stakeWithPermit(Role role, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;
    /// @notice Holder stake through MLBridgeToken.stake; the token has already moved the MLB here.
    function onTokenStake(address holder, uint256 amount) external;
    /// @notice Start unbonding; a second request adds to the first and restarts its delay. Unbonding MLB stays slashable.
    function requestUnbond(Role role, uint256 amount) external;
    function withdraw(Role role) external returns (uint256 amount);
    /// @notice By the account's operator, after the jail term, with the minimum still bonded.
    function unjail(uint32 account) external;

    // ---- claims: pull payments ----
    /// @notice Pay the claimant's wei to itself: credits plus seat fees of its accounts.
    function claim(address claimant) external returns (uint256 amount);
    /// @notice Pay the claimant's MLB (judge fees, reporter shares).
    function claimTokens(address claimant) external returns (uint256 amount);

    // ---- views ----
    function accountId(address operator, Role role) external view returns (uint32);
    function accounts(uint32 account) external view returns (Account memory);
    function stakeOf(address operator, Role role) external view returns (uint256);
    function totalStakeOf(address operator) external view returns (uint256);
    function minimumStake(Role role) external view returns (uint256);
    function claimable(address claimant) external view returns (uint256 weiAmount);
    function claimableTokens(address claimant) external view returns (uint256 amount);
    /// @notice Wei that an address earned since the beginning, claimed or not: fees of its accounts' seats, and fees of its
    /// models.
    function feesEarned(address earner) external view returns (uint256 seatFees, uint256 modelFees);
    /// @notice MLB that pays the judges of a model's disputes. Models are named by their index in the registry; 0 is common:
    /// what contradictions cost, until governance allocates it.
    function disputeReserve(uint32 model) external view returns (uint256);
    /// @notice MLB set aside for the judges of a task's running round.
    function earmarked(bytes32 taskId) external view returns (uint256);
    /// @notice MLB of slashes that are not final yet.
    function heldSlashes() external view returns (uint256);
    /// @notice Where such slashes wait; zero: nowhere.
    function slashEscrow() external view returns (address);
    function unbondingDelay() external view returns (uint256);
    /// @notice Seconds that an account stays jailed at least.
    function jailSeconds() external view returns (uint256);
    /// @notice MLB for a judge that revealed.
    function judgeFee() external view returns (uint256);
    /// @notice Wei of protocol fees that governance has not yet assigned.
    function protocolFees() external view returns (uint256);
    /// @notice stake (whole MLB) x reputation (basis points); 0 if jailed, below the minimum.
    function weightOf(uint32 account) external view returns (uint64);
    function weightsOf(uint32[] calldata accounts) external view returns (uint64[] memory);

    // ---- task manager only ----
    function settle(Settlement calldata settlement) external;
    function credit(address to, bytes32 taskId, uint256 amount) external;
    /// @notice Set the fees of a round's judges aside from the model's reserve.
    /// @return whether the reserve could pay them; if not, nothing changed
    function earmarkJudges(bytes32 taskId, uint32 model, uint256 judges) external returns (bool);
    /// @notice Fixed fee, as set aside, to every judge that revealed, whatever its verdict; the rest goes back to the
    /// reserve. Does nothing when nothing is set aside.
    function payJudges(bytes32 taskId, uint32[] calldata judges) external;
    /// @notice An absence in jail, or within the same 24th part of a jail term as the last one, costs nothing.
    /// @param model whose reserve gets its part; 0 for the common one
    /// @param confidence basis points of the verdict the account lost against; scales Incorrect and Unopened
    /// @param reporter gets at most 10 % of what is taken; zero for none
    function slash(uint32 account, bytes32 taskId, uint32 model, Fault fault, uint256 confidence, address reporter)
        external
        returns (uint256 amount);

    // ---- slash escrow only ----
    /// @notice Split a slash that stands: reporter, dispute reserve, burning.
    function splitSlash(SlashCase calldata slashCase) external;
    /// @notice Undo a slash: stake back where it was taken from, jail and reputation as before the fault as far as later
    /// faults allow, and never better than before. Uptime that was interrupted, a day's at most, does not come back.
    function restoreSlash(SlashCase calldata slashCase) external;

    // ---- contracts that judge the judges ----
    /// @notice Take a small fixed amount of stake, bonded first: half to the model's reserve, half burned. It leaves
    /// reputation and jail alone, and interrupts a compute account's uptime. `restricted`; at most 7,500 MLB, and never
    /// more than there is.
    function fine(uint32 account, bytes32 reference_, uint32 model, uint256 amount) external returns (uint256 taken);

    // ---- anyone ----
    /// @notice Give MLB to a model's dispute reserve, or to the common one (0). It never comes back.
    function fundReserve(uint32 model, uint256 amount) external;

    // ---- governance only ----
    /// @notice Name the contract that heavy slashes wait for; once, for ever. Until then every slash is final at once.
    function setSlashEscrow(address escrow) external;
    function setJudgeFee(uint256 judgeFee_) external;
    /// @notice Give a model's disputes a part of the common reserve.
    function allocateReserve(uint32 model, uint256 amount) external;
    /// @notice Turn the protocol fees collected so far into a credit of `to`.
    function assignProtocolFees(address to) external;
}
