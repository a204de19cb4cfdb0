// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Who signed a digest, and what they weigh
interface IAttestationVerifier {
    /// @notice Check the signatures of an epoch's attesters. Reverts, with an error of the implementation, on evidence
    /// that is malformed or does not hold; it never counts part of it.
    /// @param digest what was signed, already bound to its purpose
    /// @param epoch whose attester set counts; the caller bounds how old it may be
    /// @param evidence in the implementation's own form
    /// @return weight summed weight of the signers: stake (whole MLB) x reputation (basis points), as recorded for the
    /// epoch
    /// @return signers how many signed, each operator once
    function verify(bytes32 digest, uint256 epoch, bytes calldata evidence)
        external
        view
        returns (uint256 weight, uint256 signers);
}
