// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Weighted draws without replacement from a pool that is frozen per epoch
/// @notice A 4-ary tree of sums over accounts. A node is one word: four sums of 48 bits and the epoch of its last
/// change. Before its first change in an epoch a node keeps its old word beside it, so the tree can be read as it
/// stood at the start of any epoch since the change before the last one.
/// @dev An account keeps its leaf for ever, with weight 0 while it does not serve. So what a leaf stands for never
/// changes and needs no freezing.
library SumTree {
    struct Node {
        uint256 word;
        uint256 previous; // as it stood before the epoch in the word's tag
    }

    struct Tree {
        /// leaves 32 | height 8 | weighted leaves now 32 | weighted leaves before the tagged epoch 32 | tag 64
        uint256 meta;
        mapping(uint256 key => Node) nodes;
        mapping(uint256 slot => uint256) accounts; // eight of 32 bits
    }

    /// @dev A view of the tree at the start of an epoch less the leaves taken out so far.
    struct Cut {
        uint256 epoch;
        uint256 height;
        uint256 left; // sum of what can still be drawn
        uint256 count;
        uint256[] taken; // leaf << 48 | weight
        bool stale; // a node changed in two epochs since: the view cannot be had any more
    }

    uint256 private constant WEIGHT_BITS = 48;
    uint256 internal constant MAX_WEIGHT = (1 << WEIGHT_BITS) - 1;
    uint256 private constant TAG = 192;
    uint256 private constant SUMS = (1 << TAG) - 1;
    uint256 private constant LEVEL = 32;

    uint256 private constant HEIGHT = 32;
    uint256 private constant NOW = 40;
    uint256 private constant BEFORE = 72;
    uint256 private constant META_TAG = 104;
    uint256 private constant MASK32 = type(uint32).max;

    error WeightOverflow();

    // ---- changes ----

    /// @notice Give an account a leaf of weight 0.
    function append(Tree storage tree, uint256 account) internal returns (uint256 leaf) {
        uint256 meta = tree.meta;
        leaf = meta & MASK32;
        uint256 height = _height(meta);
        if (leaf == 0) {
            height = 1;
        } else if (leaf == 1 << (2 * height)) {
            _grow(tree, height);
            ++height;
        }
        tree.meta = (meta & ~uint256(0xFF_FFFFFFFF)) | (leaf + 1) | height << HEIGHT;
        tree.accounts[leaf >> 3] |= account << (32 * (leaf & 7));
    }

    /// @notice Change a leaf's weight for draws that are armed after `epoch`.
    function set(Tree storage tree, uint256 leaf, uint256 weight, uint256 epoch) internal {
        if (weight > MAX_WEIGHT) revert WeightOverflow();
        uint256 meta = tree.meta;
        uint256 height = _height(meta);
        uint256 old = tree.nodes[leaf >> 2].word >> _lane(leaf) & MAX_WEIGHT;
        if (old == weight) return;
        for (uint256 level; level < height; ++level) {
            uint256 index = leaf >> (2 * level);
            Node storage node = tree.nodes[level << LEVEL | index >> 2];
            uint256 word = node.word;
            if (word >> TAG != epoch) {
                node.previous = word;
                word = word & SUMS | epoch << TAG;
            }
            uint256 lane = _lane(index);
            uint256 sum = (word >> lane & MAX_WEIGHT) + weight - old;
            if (sum > MAX_WEIGHT) revert WeightOverflow();
            node.word = (word & ~(MAX_WEIGHT << lane)) | sum << lane;
        }
        if (old == 0 || weight == 0) _recount(tree, meta, old == 0, epoch);
    }

    // ---- reads ----

    function accountAt(Tree storage tree, uint256 leaf) internal view returns (uint32) {
        return uint32(tree.accounts[leaf >> 3] >> (32 * (leaf & 7)));
    }

    /// @notice Accounts with weight at the start of `epoch`, as far as the tree remembers.
    function countAt(Tree storage tree, uint256 epoch) internal view returns (uint256) {
        uint256 meta = tree.meta;
        return (meta >> META_TAG < epoch ? meta >> NOW : meta >> BEFORE) & MASK32;
    }

    /// @notice Look at the tree as it stood at the start of `epoch`.
    /// @param room how many leaves will be taken at most
    function cutAt(Tree storage tree, uint256 epoch, uint256 room) internal view returns (Cut memory cut) {
        cut.epoch = epoch;
        cut.height = _height(tree.meta);
        if (cut.height == 0) return cut;
        cut.taken = new uint256[](room);
        cut.left = _total(_frozen(tree, cut, cut.height - 1, 0));
    }

    /// @notice Take out a leaf by name; once, however often it is named.
    function exclude(Tree storage tree, Cut memory cut, uint256 leaf) internal view {
        for (uint256 i; i < cut.count; ++i) {
            if (cut.taken[i] >> WEIGHT_BITS == leaf) return;
        }
        uint256 weight = _frozen(tree, cut, 0, leaf >> 2) >> _lane(leaf) & MAX_WEIGHT;
        if (weight != 0 && !cut.stale) _remove(cut, leaf, weight);
    }

    /// @notice Draw the leaf at `point` of what is left, and take it out.
    /// @param point less than `cut.left`
    /// @dev The one loop that every task runs through, hence unchecked. A child's sum is reduced by what was taken out
    /// below it; that was part of this very sum, so the difference is exact and never negative.
    function draw(Tree storage tree, Cut memory cut, uint256 point)
        internal
        view
        returns (uint256 leaf, uint256 weight)
    {
        unchecked {
            uint256 count = cut.count;
            for (uint256 level = cut.height; level != 0;) {
                --level;
                uint256 word = _frozen(tree, cut, level, leaf);
                if (cut.stale) return (0, 0);
                for (uint256 i; i < count; ++i) {
                    uint256 entry = cut.taken[i];
                    uint256 below = entry >> (WEIGHT_BITS + 2 * level);
                    if (below >> 2 == leaf) word -= (entry & MAX_WEIGHT) << _lane(below);
                }
                leaf <<= 2;
                weight = word & MAX_WEIGHT;
                while (point >= weight && leaf & 3 != 3) {
                    point -= weight;
                    ++leaf;
                    word >>= WEIGHT_BITS;
                    weight = word & MAX_WEIGHT;
                }
            }
            _remove(cut, leaf, weight);
        }
    }

    /// @notice Put the leaf back that was taken out as number `index`.
    function putBack(Cut memory cut, uint256 index) internal pure {
        cut.left += cut.taken[index] & MAX_WEIGHT;
        cut.taken[index] &= ~MAX_WEIGHT;
    }

    // ---- internal ----

    /// @dev The new root takes over what the old one remembers, so frozen views survive growth.
    function _grow(Tree storage tree, uint256 height) private {
        Node storage root = tree.nodes[(height - 1) << LEVEL];
        (uint256 word, uint256 previous) = (root.word, root.previous);
        if (_total(word) > MAX_WEIGHT) revert WeightOverflow();
        Node storage above = tree.nodes[height << LEVEL];
        above.word = _total(word) | word & ~SUMS;
        above.previous = _total(previous) | previous & ~SUMS;
    }

    function _recount(Tree storage tree, uint256 meta, bool more, uint256 epoch) private {
        uint256 count = meta >> NOW & MASK32;
        uint256 before = meta >> META_TAG == epoch ? meta >> BEFORE & MASK32 : count;
        count = more ? count + 1 : count - 1;
        tree.meta = (meta & ((1 << NOW) - 1)) | count << NOW | before << BEFORE | epoch << META_TAG;
    }

    function _remove(Cut memory cut, uint256 leaf, uint256 weight) private pure {
        cut.taken[cut.count++] = leaf << WEIGHT_BITS | weight;
        cut.left -= weight;
    }

    /// @dev A node as it stood at the start of the cut's epoch.
    function _frozen(Tree storage tree, Cut memory cut, uint256 level, uint256 index)
        private
        view
        returns (uint256 word)
    {
        Node storage node = tree.nodes[level << LEVEL | index];
        word = node.word;
        if (word >> TAG >= cut.epoch) {
            word = node.previous;
            if (word >> TAG >= cut.epoch) cut.stale = true;
        }
    }

    function _total(uint256 word) private pure returns (uint256) {
        unchecked {
            return (word & MAX_WEIGHT) + (word >> WEIGHT_BITS & MAX_WEIGHT) + (word >> (2 * WEIGHT_BITS) & MAX_WEIGHT)
                + (word >> (3 * WEIGHT_BITS) & MAX_WEIGHT);
        }
    }

    function _lane(uint256 index) private pure returns (uint256) {
        unchecked {
            return (index & 3) * WEIGHT_BITS;
        }
    }

    function _height(uint256 meta) private pure returns (uint256) {
        return meta >> HEIGHT & 0xFF;
    }
}
