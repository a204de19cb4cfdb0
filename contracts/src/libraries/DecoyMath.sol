// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Who is a decoy, and what a vote on a candidate costs
/// @notice docs/design/verdict.md gives the expected values of judges that do not run the model.
library DecoyMath {
    uint256 internal constant BASIS = 10_000;
    /// @notice Half of the candidates are decoys: then neither accepting nor rejecting blindly, nor following the most, is
    /// right more often than a coin.
    uint256 internal constant RATE = 5_000;
    /// @notice Candidates of a case. Odd, so that there always is a plurality to be wrong about.
    uint256 internal constant CANDIDATES = 3;

    uint256 internal constant GREY = 0;
    uint256 internal constant ACCEPT = 1;
    uint256 internal constant REJECT = 2;

    /// @notice Only who knows the secret can tell, before it is opened, and nobody chooses both it and the seed.
    function isDecoy(bytes32 secret, bytes32 seed) internal pure returns (bool) {
        return uint256(keccak256(abi.encode(secret, seed))) % BASIS < RATE;
    }

    /// @notice Whether a judge that runs the model would not have voted so.
    /// @dev A decoy is far from right, so nobody who ran the model is in doubt about it; about an honest result one may be.
    /// A decoy that passed as right was right, or most judges were lazy: its author answers for it, and no judge.
    /// @param vote 0 GREY, 1 ACCEPT, 2 REJECT; 3 is GREY too
    /// @param accepted whether the candidate passed the verdict rule
    function isCareless(uint256 vote, bool decoy, bool accepted) internal pure returns (bool) {
        if (decoy) return !accepted && vote != REJECT;
        return accepted && vote == REJECT;
    }

    /// @notice Whether an author did its work: a decoy that misled nobody into accepting it by the rule, or an honest
    /// result that was not rejected by it.
    function isGoodAuthor(bool decoy, bool accepted, bool rejected) internal pure returns (bool) {
        return decoy ? !accepted : !rejected;
    }
}
