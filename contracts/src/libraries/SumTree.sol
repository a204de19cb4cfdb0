// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Weighted draws without replacement from a pool that is frozen per epoch
/// @notice A 4-ary tree of sums over accounts. A node is one word: four sums of 48 bits and the epoch of its last
/// change. Before its first change in an epoch a node keeps its old word beside it, so the tree can be read as it
/// stood at the start of any epoch since the change before the last one.
/// @dev An account keeps its leaf for ever, with weight 0 while it does not serve. So what a leaf stands for never
/// changes and needs no freezing. The root lies under a key of its own and also tells the tree's height, so a draw
/// reads nothing but nodes.
library SumTree {
    struct Node {
        uint256 word; // four sums of 48 bits, height of the tree 8 (root only), epoch 56
        uint256 previous; // as it stood before that epoch
    }

    struct Tree {
        /// leaves 32 | weighted leaves now 32 | weighted leaves before the tagged epoch 32 | epoch 64
        uint256 meta;
        mapping(uint256 key => Node) nodes;
        mapping(uint256 slot => uint256) accounts; // eight of 32 bits
    }

    /// @dev A view of the tree at the start of an epoch less the leaves taken out so far.
    struct Cut {
        uint256 epoch;
        uint256 root;
        uint256 left; // sum of what can still be drawn
        uint256 count;
        uint256[] taken; // leaf << 48 | weight
        bool stale; // a node changed in two epochs since: the view cannot be had any more
    }

    uint256 private constant WEIGHT_BITS = 48;
    uint256 internal constant MAX_WEIGHT = (1 << WEIGHT_BITS) - 1;
    uint256 private constant HEIGHT = 192;
    uint256 private constant TAG = 200;
    uint256 private constant UNTAGGED = (1 << TAG) - 1;
    uint256 private constant LEVEL = 32;
    uint256 private constant ROOT = type(uint256).max;

    uint256 private constant NOW = 32;
    uint256 private constant BEFORE = 64;
    uint256 private constant META_TAG = 96;
    uint256 private constant MASK32 = type(uint32).max;

    error WeightOverflow();

    // ---- changes ----

    /// @notice Give an account a leaf of weight 0.
    function append(Tree storage tree, uint256 account) internal returns (uint256 leaf) {
        uint256 meta = tree.meta;
        leaf = meta & MASK32;
        Node storage root = tree.nodes[ROOT];
        uint256 height = _height(root.word);
        if (leaf == 0) root.word = 1 << HEIGHT;
        else if (leaf == 1 << (2 * height)) _grow(tree, root, height);
        tree.meta = meta + 1;
        tree.accounts[leaf >> 3] |= account << (32 * (leaf & 7));
    }

    /// @notice Change a leaf's weight for draws that are armed after `epoch`.
    function set(Tree storage tree, uint256 leaf, uint256 weight, uint256 epoch) internal {
        if (weight > MAX_WEIGHT) revert WeightOverflow();
        uint256 height = _height(tree.nodes[ROOT].word);
        uint256 old = weightOf(tree, leaf);
        if (old == weight) return;
        for (uint256 level; level < height; ++level) {
            uint256 index = leaf >> (2 * level);
            Node storage node = tree.nodes[level + 1 == height ? ROOT : level << LEVEL | index >> 2];
            uint256 word = node.word;
            if (word >> TAG != epoch) {
                node.previous = word;
                word = word & UNTAGGED | epoch << TAG;
            }
            uint256 lane = _lane(index);
            uint256 sum = (word >> lane & MAX_WEIGHT) + weight - old;
            if (sum > MAX_WEIGHT) revert WeightOverflow();
            node.word = word & ~(MAX_WEIGHT << lane) | sum << lane;
        }
        if (old == 0 || weight == 0) _recount(tree, old == 0, epoch);
    }

    // ---- reads ----

    function weightOf(Tree storage tree, uint256 leaf) internal view returns (uint256) {
        Node storage root = tree.nodes[ROOT];
        uint256 word = _height(root.word) == 1 ? root.word : tree.nodes[leaf >> 2].word;
        return word >> _lane(leaf) & MAX_WEIGHT;
    }

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
    /// @param cut filled in
    function cutAt(Tree storage tree, Cut memory cut, uint256 epoch, uint256 room) internal view {
        cut.epoch = epoch;
        cut.root = _frozen(tree, cut, ROOT);
        cut.left = _total(cut.root);
        cut.taken = new uint256[](room);
    }

    /// @notice Take out a leaf by name; once, however often it is named.
    function exclude(Tree storage tree, Cut memory cut, uint256 leaf) internal view {
        for (uint256 i; i < cut.count; ++i) {
            if (cut.taken[i] >> WEIGHT_BITS == leaf) return;
        }
        uint256 word = _height(cut.root) == 1 ? cut.root : _frozen(tree, cut, leaf >> 2);
        uint256 weight = word >> _lane(leaf) & MAX_WEIGHT;
        if (weight != 0 && !cut.stale) _remove(cut, leaf, weight);
    }

    /// @notice Draw the leaf at `point` of what is left, and take it out.
    /// @param point less than `cut.left`, and the cut is not stale
    /// @dev The one loop that every task runs through, hence unchecked. A child's sum is reduced by what was taken out
    /// below it; that was part of this very sum, so the difference is exact and never negative.
    function draw(Tree storage tree, Cut memory cut, uint256 point)
        internal
        view
        returns (uint256 leaf, uint256 weight)
    {
        unchecked {
            uint256 word = cut.root;
            uint256[] memory taken = cut.taken;
            uint256 count = cut.count;
            uint256 level = _height(word);
            while (true) {
                --level;
                uint256 shift = WEIGHT_BITS + 2 * level;
                for (uint256 i; i < count; ++i) {
                    uint256 entry = _entry(taken, i);
                    uint256 below = entry >> shift;
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
                if (level == 0) break;
                word = _frozen(tree, cut, (level - 1) << LEVEL | leaf);
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
    function _grow(Tree storage tree, Node storage root, uint256 height) private {
        (uint256 word, uint256 previous) = (root.word, root.previous);
        if (_total(word) > MAX_WEIGHT) revert WeightOverflow();
        Node storage below = tree.nodes[(height - 1) << LEVEL];
        (below.word, below.previous) = (word, previous);
        uint256 taller = (height + 1) << HEIGHT;
        root.word = _total(word) | taller | word >> TAG << TAG;
        root.previous = _total(previous) | taller | previous >> TAG << TAG;
    }

    function _recount(Tree storage tree, bool more, uint256 epoch) private {
        uint256 meta = tree.meta;
        uint256 count = meta >> NOW & MASK32;
        uint256 before = meta >> META_TAG == epoch ? meta >> BEFORE & MASK32 : count;
        count = more ? count + 1 : count - 1;
        tree.meta = meta & MASK32 | count << NOW | before << BEFORE | epoch << META_TAG;
    }

    function _remove(Cut memory cut, uint256 leaf, uint256 weight) private pure {
        unchecked {
            cut.taken[cut.count++] = leaf << WEIGHT_BITS | weight;
            cut.left -= weight;
        }
    }

    /// @dev A node as it stood at the start of the cut's epoch. What changed twice since is lost; the root changes
    /// whenever any node does, so it tells that for the whole tree.
    function _frozen(Tree storage tree, Cut memory cut, uint256 key) private view returns (uint256 word) {
        Node storage node = tree.nodes[key];
        word = node.word;
        if (word >> TAG >= cut.epoch) {
            word = node.previous;
            if (word >> TAG >= cut.epoch) cut.stale = true;
        }
    }

    /// @dev taken[i] for an i known to be in bounds.
    function _entry(uint256[] memory taken, uint256 i) private pure returns (uint256 entry) {
        assembly ("memory-safe") {
            entry := mload(add(add(taken, 32), shl(5, i)))
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

    function _height(uint256 root) private pure returns (uint256) {
        return root >> HEIGHT & 0xFF;
    }
}
