// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

import {SumTree} from "../libraries/SumTree.sol";
import {TaskEndings} from "./TaskEndings.sol";

/// @title Draws from the pools
/// @notice First layer of the TaskManager's own.
abstract contract PoolDraw is TaskEndings {
    using SumTree for SumTree.Tree;
    using SumTree for SumTree.Cut;

    /// @dev A draw in progress.
    /// @param seed what the draw follows from
    /// @param nonce the owner's nonce
    /// @param epoch number of the epoch
    /// @param wanted the last block that may be proven
    /// @param drawn accounts that were drawn
    /// @param accounts drawn so far
    /// @param weights stake (whole MLB) x reputation (basis points) of each
    /// @param barredCount how many targets are barred
    /// @param barred operators that hold or held a seat of this task, and those drawn so far
    /// @param stale cannot be completed from this randomness; try again with later one
    struct Lot {
        bytes32 seed;
        uint256 nonce;
        uint256 epoch;
        uint256 wanted;
        uint256 drawn;
        uint32[] accounts;
        uint64[] weights;
        uint256 barredCount;
        uint32[] barred;
        bool stale;
    }

    /// @dev How often an account that lost weight since the tree knew it may be passed over. The last pass takes
    /// whoever is drawn, so luck never decides whether a draw ends.
    uint256 private constant PASSES = 8;

    function _bar(Lot memory lot, uint32 account) internal pure {
        lot.barred[lot.barredCount++] = account >> 1;
    }

    /// @dev Draw from one pool until the lot is complete or the pool is empty. Each pass draws all that is missing,
    /// then asks the distributor once for the weights now. An account without weight stays out; one that weighs less
    /// than its leaf says goes back with the probability of the difference.
    function _drawFrom(uint256 pool, Lot memory lot) internal view {
        SumTree.Tree storage tree = _pools[pool];
        SumTree.Cut memory cut;
        tree.cutAt(cut, lot.epoch, lot.barredCount + (lot.wanted - lot.drawn) * PASSES);
        _excludeBarred(pool, tree, cut, lot);
        for (uint256 pass = 1; pass <= PASSES && lot.drawn < lot.wanted && cut.left != 0 && !cut.stale; ++pass) {
            uint256 first = cut.count;
            uint32[] memory picked = _pick(tree, cut, lot);
            uint64[] memory weights = distributor.weightsOf(picked);
            if (picked.length == lot.wanted && _undiminished(cut, first, weights)) {
                (lot.accounts, lot.weights, lot.drawn) = (picked, weights, picked.length);
                return;
            }
            if (lot.accounts.length == 0) {
                (lot.accounts, lot.weights) = (new uint32[](lot.wanted), new uint64[](lot.wanted));
            }
            _weigh(cut, first, lot, picked, weights, pass == PASSES);
        }
        if (cut.stale || (lot.drawn < lot.wanted && cut.left != 0)) lot.stale = true;
    }

    function _pick(SumTree.Tree storage tree, SumTree.Cut memory cut, Lot memory lot)
        private
        view
        returns (uint32[] memory picked)
    {
        unchecked {
            uint256 missing = lot.wanted - lot.drawn;
            picked = new uint32[](missing);
            uint256 count;
            for (; count < missing && cut.left != 0; ++count) {
                (, uint256 account) = tree.draw(cut, _roll(lot, cut.left));
                picked[count] = uint32(account);
            }
            assembly ("memory-safe") {
                mstore(picked, count)
            }
        }
    }

    /// @dev The usual case, without copies: nobody has less weight than when the tree last knew it. Cuts the weights
    /// down to what the leaves say.
    function _undiminished(SumTree.Cut memory cut, uint256 first, uint64[] memory weights) private pure returns (bool) {
        unchecked {
            for (uint256 i; i < weights.length; ++i) {
                uint64 leafWeight = uint64(cut.takenWeight(first + i));
                if (weights[i] < leafWeight) return false;
                weights[i] = leafWeight;
            }
            return true;
        }
    }

    /// @param first the number under which the cut knows the first of those picked
    function _weigh(
        SumTree.Cut memory cut,
        uint256 first,
        Lot memory lot,
        uint32[] memory picked,
        uint64[] memory weights,
        bool last
    ) private pure {
        uint256 drawn = lot.drawn;
        for (uint256 i; i < picked.length; ++i) {
            uint256 weight = weights[i];
            if (weight == 0) continue;
            uint256 leafWeight = cut.takenWeight(first + i);
            if (weight >= leafWeight) {
                weight = leafWeight;
            } else if (!last && _roll(lot, leafWeight) >= weight) {
                cut.putBack(first + i);
                continue;
            }
            (lot.accounts[drawn], lot.weights[drawn]) = (picked[i], uint64(weight));
            ++drawn;
            // The first draw of a task bars nobody: one pool draws nobody twice.
            if (lot.barred.length != 0) _bar(lot, picked[i]);
        }
        lot.drawn = drawn;
    }

    function _excludeBarred(uint256 pool, SumTree.Tree storage tree, SumTree.Cut memory cut, Lot memory lot)
        private
        view
    {
        if (cut.left == 0) return;
        for (uint256 i; i < lot.barredCount; ++i) {
            uint256 member = _members[pool][uint256(lot.barred[i]) << 1 | pool & 1];
            if (member != 0) tree.exclude(cut, (member >> 1) - 1);
        }
    }

    /// @dev The next pseudo-random number below `size`.
    function _roll(Lot memory lot, uint256 size) private pure returns (uint256) {
        unchecked {
            return uint256(Hashes.efficientKeccak256(lot.seed, bytes32(lot.nonce++))) % size;
        }
    }
}
