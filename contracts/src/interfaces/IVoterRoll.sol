// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title The roll of accounts that vote quadratically
/// @notice The weight of an account is the square root of its stake. A stake counts up to the amount that was entered
/// in the roll a maturity ago and is bonded still.
///
/// Square roots reward splitting: S MLB in k accounts weigh k x sqrt(S / k) = sqrt(k) x sqrt(S). Nothing on a chain
/// tells one person from another, so this roll does not stop it; it bounds it. Each account needs the minimum m, so
/// k <= S / m and a holder that splits as far as it can weighs S / sqrt(m): in proportion to its stake, as it would
/// without square roots. At the worst quadratic voting here is plain voting by stake; it is never less equal than that.
/// Splitting costs one enrolment an account, stake that is bonded for the maturity before and the unbonding delay
/// after, and a plan made before the proposal. To hold one person to one account takes proof of personhood, which the
/// protocol does not have.
interface IVoterRoll {
    /// @notice An address argument is the zero address.
    error ZeroAddress();
    /// @notice The least stake of the voter roll must be above zero.
    error ZeroMinimum();
    /// @param stake MLB bonded in all roles together
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param minimum MLB, 18 decimals
    error StakeBelowMinimum(address account, uint256 stake, uint256 minimum);
    /// @notice Nothing recorded for `account` differs from its stake.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NothingToRefresh(address account);

    /// @param stake MLB that counts for the account from a maturity after this event
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    event Enrolled(address indexed account, uint256 stake);
    /// @param stake MLB that still counts; zero ends the enrolment
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    event Refreshed(address indexed account, uint256 stake);

    /// @notice Enter the caller with all it has bonded now. Again after more was bonded: the larger amount counts from
    /// a maturity later, the old one meanwhile. After less, nothing counts until a maturity later.
    /// Reverts with StakeBelowMinimum.
    function enrol() external;

    /// @notice Lower an account's entry to what it has bonded now, or end it below the minimum; what is left counts from
    /// a maturity later. Anyone may call it, so that whoever left counts neither as a voter nor in the quorum, and whoever
    /// comes back waits again. Reverts with NothingToRefresh.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    function refresh(address account) external;

    /// @notice MLB that counts for a vote that opened at `snapshot` (unix seconds, in the past); zero below the minimum.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param snapshot unix seconds at which votes are counted
    function stakeAt(address account, uint256 snapshot) external view returns (uint256);

    /// @notice Square root, rounded down, of `stakeAt`: its unit is the root of 1e-18 MLB, so 1 MLB weighs 1e9.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param snapshot unix seconds at which votes are counted
    function weightAt(address account, uint256 snapshot) external view returns (uint256);

    /// @notice Sum of the weights of all entries that were a maturity old at `snapshot`.
    /// @param snapshot unix seconds at which votes are counted
    function totalWeightAt(uint256 snapshot) external view returns (uint256);

    /// @notice Least MLB of an entry.
    function minimum() external view returns (uint256);
    /// @notice Seconds for which an entry must have stood before a vote opens.
    function maturity() external view returns (uint256);
}
