// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SlashCase} from "./ISlashEscrow.sol";
import {Fault, Role} from "./Types.sol";

/// @title The one ledger: stake by role, unbonding, slashing, reputation, payouts
/// @dev Native coin is held by MLBridge, MLB by this contract. An account is one operator in one seat-holding role:
/// id = operatorId * 2 + (role == Verifier ? 1 : 0); operator ids start at 1.
interface IRewardDistributor {
    /// @notice What is known of an account.
    /// @param operator cold address that staked
    /// @param bonded MLB, 18 decimals
    /// @param unbonding MLB, slashable until withdrawn
    /// @param releaseAt unix seconds; when unbonding MLB may be withdrawn
    /// @param reputation basis points, decayed to now
    /// @param absences consecutive
    /// @param jailedUntil unix seconds; 0: not jailed
    struct Account {
        address operator;
        uint96 bonded;
        uint96 unbonding;
        uint64 releaseAt;
        uint16 reputation;
        uint8 absences;
        uint64 jailedUntil;
    }

    /// @notice Payment of one settled task, all in wei.
    /// @param winners accounts that are paid `seatFee` each and gain reputation
    /// @param taskId id of the task
    /// @param modelProvider who registered the model
    /// @param modelFee wei for the model's provider
    /// @param protocolFee wei for the protocol
    /// @param seatFee wei to each seat that is paid
    /// @param requester who pays
    /// @param refund wei for the requester
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

    /// @notice Only the TaskManager contract may call this.
    error OnlyTaskManager();
    /// @notice Only the ConsensusVerifier contract may call this.
    error OnlyConsensusVerifier();
    /// @notice Only the SlashEscrow contract may call this.
    error OnlySlashEscrow();
    /// @notice The slash escrow was chosen already: `escrow`.
    /// @param escrow where large slashes wait; zero for none
    error SlashEscrowSet(address escrow);
    /// @notice Only the MLB token contract may call this.
    error OnlyToken();
    /// @notice The amount is zero.
    error ZeroAmount();
    /// @notice The amount `amount` is beyond what the ledger can hold.
    /// @param amount MLB, 18 decimals
    error AmountTooLarge(uint256 amount);
    /// @notice A stake of `stake` as `role` is below the minimum of `required`.
    /// @param role what the stake stands for
    /// @param stake MLB, 18 decimals
    /// @param required MLB, 18 decimals
    error BelowMinimum(Role role, uint256 stake, uint256 required);
    /// @notice `requested` were asked for, but only `available` are bonded.
    /// @param requested MLB that were asked for
    /// @param available MLB bonded
    error InsufficientStake(uint256 requested, uint256 available);
    /// @notice The unbonding stake is released at `releaseAt`.
    /// @param releaseAt unix seconds from which it may be withdrawn
    error StillBonded(uint256 releaseAt);
    /// @notice `claimant` has nothing to claim.
    /// @param claimant whose credit it is
    error NothingToClaim(address claimant);
    /// @notice The account is jailed until `until`.
    /// @param until unix seconds at which it ends
    error StillJailed(uint256 until);
    /// @notice Account `account` is not jailed.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NotJailed(uint32 account);
    /// @notice There is no staking account `account`.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error UnknownAccount(uint32 account);
    /// @notice `caller` may not act for this account.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param caller who called
    error NotOperator(uint32 account, address caller);
    /// @notice The value for `name` is not allowed.
    /// @param name which value
    error BadParameter(string name);

    /// @notice Stake was bonded.
    /// @param operator cold address that staked
    /// @param role what the stake stands for
    /// @param amount MLB, 18 decimals
    /// @param bonded MLB bonded, 18 decimals
    event Staked(address indexed operator, Role indexed role, uint256 amount, uint256 bonded);
    /// @notice Stake began to unbond; it stays slashable.
    /// @param operator cold address that staked
    /// @param role what the stake stands for
    /// @param amount MLB, 18 decimals
    /// @param releaseAt unix seconds from which it may be withdrawn
    event UnbondRequested(address indexed operator, Role indexed role, uint256 amount, uint256 releaseAt);
    /// @notice Stake was taken home.
    /// @param operator cold address that staked
    /// @param role what the stake stands for
    /// @param amount MLB, 18 decimals
    event Withdrawn(address indexed operator, Role indexed role, uint256 amount);
    /// @notice An operator staked in a role that holds seats for the first time.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param operator cold address that staked
    /// @param role what the stake stands for
    event AccountOpened(uint32 indexed account, address indexed operator, Role role);
    /// @notice Stake was taken for a fault.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param taskId id of the task
    /// @param fault why stake is taken
    /// @param amount MLB, 18 decimals
    /// @param basisPoints part of bonded and unbonding stake that was taken
    event Slashed(
        uint32 indexed account, bytes32 indexed taskId, Fault indexed fault, uint256 amount, uint256 basisPoints
    );
    /// @notice Where the stake went that was taken.
    /// @param taskId id of the task
    /// @param toReserve MLB for the dispute reserve
    /// @param toReporter MLB for the reporter
    /// @param burned MLB burned
    event SlashSplit(bytes32 indexed taskId, uint256 toReserve, uint256 toReporter, uint256 burned);
    /// @notice A slash was undone: the stake is back where it was taken from.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param taskId id of the task
    /// @param fault why stake is taken
    /// @param toBonded MLB put back to bonded stake
    /// @param toUnbonding MLB put back to unbonding stake
    event SlashRestored(
        uint32 indexed account, bytes32 indexed taskId, Fault indexed fault, uint256 toBonded, uint256 toUnbonding
    );
    /// @notice Governance chose where large slashes wait.
    /// @param escrow where large slashes wait; zero for none
    event SlashEscrowChosen(address indexed escrow);
    /// @param reference_ what it is for, as the caller counts
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param amount MLB, 18 decimals
    event Fined(uint32 indexed account, bytes32 indexed reference_, uint256 amount);
    /// @notice An account is not drawn until it unjails.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param until unix seconds at which it ends
    event Jailed(uint32 indexed account, uint256 until);
    /// @notice An account can be drawn again.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    event Unjailed(uint32 indexed account);
    /// @notice An account's reputation moved.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param reputation basis points
    event ReputationChanged(uint32 indexed account, uint256 reputation);
    /// @notice A task's payment was shared out.
    /// @param taskId id of the task
    /// @param modelFee wei for the model's provider
    /// @param protocolFee wei for the protocol
    /// @param seatFee wei to each seat that is paid
    /// @param refund wei for the requester
    /// @param winners accounts that are paid `seatFee` each
    event TaskSettled(
        bytes32 indexed taskId, uint256 modelFee, uint256 protocolFee, uint256 seatFee, uint256 refund, uint32[] winners
    );
    /// @notice Wei became claimable.
    /// @param to who is paid
    /// @param taskId id of the task
    /// @param amount wei
    event Credited(address indexed to, bytes32 indexed taskId, uint256 amount);
    /// @notice A judge was credited its fee.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param taskId id of the task
    /// @param amount MLB, 18 decimals
    event JudgePaid(uint32 indexed account, bytes32 indexed taskId, uint256 amount);
    /// @notice Wei were paid out.
    /// @param claimant whose credit it is
    /// @param amount wei
    event Claimed(address indexed claimant, uint256 amount);
    /// @notice MLB were paid out.
    /// @param claimant whose credit it is
    /// @param amount MLB, 18 decimals
    event TokenClaimed(address indexed claimant, uint256 amount);
    /// @notice MLB were given for a model's disputes.
    /// @param from who gave it
    /// @param model index of the model in the registry; 0: the common reserve
    /// @param amount MLB, 18 decimals
    event ReserveFunded(address indexed from, uint32 indexed model, uint256 amount);
    /// @notice A part of the common reserve became a model's.
    /// @param model index of the model in the registry; 0: the common reserve
    /// @param amount MLB, 18 decimals
    event ReserveAllocated(uint32 indexed model, uint256 amount);
    /// @notice The fees of a round's judges were set aside.
    /// @param taskId id of the task
    /// @param model index of the model in the registry; 0: the common reserve
    /// @param amount MLB, 18 decimals
    event JudgesEarmarked(bytes32 indexed taskId, uint32 indexed model, uint256 amount);
    /// @notice Judges called from now on earn another fee.
    /// @param judgeFee MLB for a judge that revealed
    event JudgeFeeChanged(uint256 judgeFee);
    /// @notice Protocol fees became somebody's credit.
    /// @param to who is paid
    /// @param amount wei
    event ProtocolFeesAssigned(address indexed to, uint256 amount);

    // ---- staking, by the operator's cold address ----
    /// @notice Pull `amount` MLB from the caller into its stake for `role`.
    /// @param role what the stake stands for
    /// @param amount MLB, 18 decimals
    function stake(Role role, uint256 amount) external;
    /// @notice As `stake`, with an ERC-2612 permit instead of an approval.
    /// @param role what the stake stands for
    /// @param amount MLB, 18 decimals
    /// @param deadline unix seconds by which it must be done
    /// @param v v of the signature
    /// @param r r of the signature
    /// @param s s of the signature
    function stakeWithPermit(Role role, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;
    /// @notice Holder stake through MLBridgeToken.stake; the token has already moved the MLB here.
    /// @param holder who holds the stake
    /// @param amount MLB, 18 decimals
    function onTokenStake(address holder, uint256 amount) external;
    /// @notice Start unbonding; a second request adds to the first and restarts its delay. Unbonding MLB stays slashable.
    /// @param role what the stake stands for
    /// @param amount MLB, 18 decimals
    function requestUnbond(Role role, uint256 amount) external;
    /// @notice Take home what has unbonded.
    /// @param role what the stake stands for
    /// @return amount MLB paid
    function withdraw(Role role) external returns (uint256 amount);
    /// @notice By the account's operator, after the jail term, with the minimum still bonded.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    function unjail(uint32 account) external;

    // ---- claims: pull payments ----
    /// @notice Pay the claimant's wei to itself: credits plus seat fees of its accounts.
    /// @param claimant whose credit it is
    /// @return amount wei paid
    function claim(address claimant) external returns (uint256 amount);
    /// @notice Pay the claimant's MLB (judge fees, reporter shares).
    /// @param claimant whose credit it is
    /// @return amount MLB, 18 decimals
    function claimTokens(address claimant) external returns (uint256 amount);

    // ---- views ----
    /// @notice The account of an operator in a role that holds seats; 0 for none.
    /// @param operator cold address that staked
    /// @param role what the stake stands for
    function accountId(address operator, Role role) external view returns (uint32);
    /// @notice All that is known of an account; reputation is decayed to now.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    function accounts(uint32 account) external view returns (Account memory);
    /// @notice MLB that an operator has bonded in a role.
    /// @param operator cold address that staked
    /// @param role what the stake stands for
    function stakeOf(address operator, Role role) external view returns (uint256);
    /// @notice MLB that an operator has bonded in all roles.
    /// @param operator cold address that staked
    function totalStakeOf(address operator) external view returns (uint256);
    /// @notice MLB that a role needs at least.
    /// @param role what the stake stands for
    function minimumStake(Role role) external view returns (uint256);
    /// @notice Wei that `claim` would pay now.
    /// @param claimant whose credit it is
    function claimable(address claimant) external view returns (uint256 weiAmount);
    /// @notice MLB that `claimTokens` would pay now.
    /// @param claimant whose credit it is
    function claimableTokens(address claimant) external view returns (uint256 amount);
    /// @notice Wei that an address earned since the beginning, claimed or not: fees of its accounts' seats, and fees of its
    /// models.
    /// @param earner who earned the fees
    /// @return seatFees wei earned by its accounts' seats
    /// @return modelFees wei earned by its models
    function feesEarned(address earner) external view returns (uint256 seatFees, uint256 modelFees);
    /// @notice MLB that pays the judges of a model's disputes. Models are named by their index in the registry; 0 is common:
    /// what contradictions cost, until governance allocates it.
    /// @param model index of the model in the registry; 0: the common reserve
    function disputeReserve(uint32 model) external view returns (uint256);
    /// @notice MLB set aside for the judges of a task's running round.
    /// @param taskId id of the task
    function earmarked(bytes32 taskId) external view returns (uint256);
    /// @notice MLB of slashes that are not final yet.
    function heldSlashes() external view returns (uint256);
    /// @notice Where such slashes wait; zero: nowhere.
    function slashEscrow() external view returns (address);
    /// @notice Seconds before unbonding MLB may be withdrawn.
    function unbondingDelay() external view returns (uint256);
    /// @notice Seconds that an account stays jailed at least.
    function jailSeconds() external view returns (uint256);
    /// @notice MLB for a judge that revealed.
    function judgeFee() external view returns (uint256);
    /// @notice Wei of protocol fees that governance has not yet assigned.
    function protocolFees() external view returns (uint256);
    /// @notice stake (whole MLB) x reputation (basis points); 0 if jailed, below the minimum.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    function weightOf(uint32 account) external view returns (uint64);
    /// @notice The draw weights of several accounts, in their order.
    /// @param accounts account ids, in the order of the draw
    function weightsOf(uint32[] calldata accounts) external view returns (uint64[] memory);

    // ---- task manager only ----
    /// @notice Credit everybody what a task's payment gives.
    /// @param settlement who gets what of a task's payment
    function settle(Settlement calldata settlement) external;
    /// @notice Credit wei that a task owes.
    /// @param to who is paid
    /// @param taskId id of the task
    /// @param amount wei
    function credit(address to, bytes32 taskId, uint256 amount) external;
    /// @notice Set the fees of a round's judges aside from the model's reserve.
    /// @return whether the reserve could pay them; if not, nothing changed
    /// @param taskId id of the task
    /// @param model index of the model in the registry; 0: the common reserve
    /// @param judges seats, or accounts, of the judges
    function earmarkJudges(bytes32 taskId, uint32 model, uint256 judges) external returns (bool);
    /// @notice Fixed fee, as set aside, to every judge that revealed, whatever its verdict; the rest goes back to the
    /// reserve. Does nothing when nothing is set aside.
    /// @param taskId id of the task
    /// @param judges seats, or accounts, of the judges
    function payJudges(bytes32 taskId, uint32[] calldata judges) external;
    /// @notice An absence in jail, or within the same 24th part of a jail term as the last one, costs nothing.
    /// @param model whose reserve gets its part; 0 for the common one
    /// @param confidence basis points of the verdict the account lost against; scales Incorrect and Unopened
    /// @param reporter gets at most 10 % of what is taken; zero for none
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param taskId id of the task
    /// @param fault why stake is taken
    /// @return amount MLB taken
    function slash(uint32 account, bytes32 taskId, uint32 model, Fault fault, uint256 confidence, address reporter)
        external
        returns (uint256 amount);

    // ---- slash escrow only ----
    /// @notice Split a slash that stands: reporter, dispute reserve, burning.
    /// @param slashCase the slash that waits
    function splitSlash(SlashCase calldata slashCase) external;
    /// @notice Undo a slash: stake back where it was taken from, jail and reputation as before the fault as far as later
    /// faults allow, and never better than before. Uptime that was interrupted, a day's at most, does not come back.
    /// @param slashCase the slash that waits
    function restoreSlash(SlashCase calldata slashCase) external;

    // ---- contracts that hold a role ----
    /// @notice Take a small fixed amount of stake, bonded first: half to the model's reserve, half burned. It leaves
    /// reputation and jail alone, and interrupts a compute account's uptime. `restricted`; at most 7,500 MLB, and never
    /// more than there is.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param model index of the model in the registry; 0: the common reserve
    /// @param amount MLB, 18 decimals
    /// @param reference_ what the fine is for
    /// @return taken MLB taken
    function fine(uint32 account, bytes32 reference_, uint32 model, uint256 amount) external returns (uint256 taken);
    /// @notice Punish a fault that the caller has shown, by the rules of every slash: streaks, jail, escrow. `restricted`.
    /// Nobody is paid as a reporter.
    /// @dev Reverts with BadParameter for Malicious: two signatures prove that, and they have doors of their own.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param reference_ what it is for; stands in the place of a task's id
    /// @param model whose reserve gets its part; 0 for the common one
    /// @param fault why stake is taken
    /// @param confidence basis points of the verdict the account lost against; scales Incorrect and Unopened
    /// @return amount MLB taken
    function punish(uint32 account, bytes32 reference_, uint32 model, Fault fault, uint256 confidence)
        external
        returns (uint256 amount);

    // ---- anyone ----
    /// @notice Give MLB to a model's dispute reserve, or to the common one (0). It never comes back.
    /// @param model index of the model in the registry; 0: the common reserve
    /// @param amount MLB, 18 decimals
    function fundReserve(uint32 model, uint256 amount) external;

    // ---- governance only ----
    /// @notice Name the contract that heavy slashes wait for; once, for ever. Until then every slash is final at once.
    /// @param escrow where large slashes wait; zero for none
    function setSlashEscrow(address escrow) external;
    /// @notice Set the fee of judges that are called from now on.
    /// @param judgeFee_ MLB for a judge that revealed
    function setJudgeFee(uint256 judgeFee_) external;
    /// @notice Give a model's disputes a part of the common reserve.
    /// @param model index of the model in the registry; 0: the common reserve
    /// @param amount MLB, 18 decimals
    function allocateReserve(uint32 model, uint256 amount) external;
    /// @notice Turn the protocol fees collected so far into a credit of `to`.
    /// @param to who is paid
    function assignProtocolFees(address to) external;
}
