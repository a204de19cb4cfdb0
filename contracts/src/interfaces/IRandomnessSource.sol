// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title One random value for each point in time, which anyone can prove
/// @dev A source holds no state. For one `from` and one moment it accepts one value only: the prover chooses neither
/// block nor round.
interface IRandomnessSource {
    /// @notice When the value for `from` can be known at the earliest, by whoever watches.
    /// @param from unix seconds; the value is made after it
    /// @return unix seconds, not before `from`
    function readyAt(uint256 from) external view returns (uint256);

    /// @notice The value for `from`. Reverts, with an error of the source, unless `proof` proves it.
    /// @param from unix seconds
    /// @param proof in the source's own form
    function valueOf(uint256 from, bytes calldata proof) external view returns (bytes32);
}
