// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Weighted draws without replacement from a pool that is frozen per epoch
/// @notice A tree of sums over accounts: leaves by three in a word together with their accounts, above them nodes of
/// four sums. A word also says in which epoch it changed last. Before its first change in an epoch a node keeps its
/// last two old words beside it, so the tree can be read as it stood at the start of an epoch until it changed in three
/// epochs since. Two would not do: who sees what a draw at the end of an epoch is about to say could spoil it by a
/// change in the next one.
/// @dev An account keeps its leaf for ever, with weight 0 while it does not serve. So what a leaf stands for never
/// changes and needs no freezing. The root lies under a key of its own and also tells the tree's height, so a draw
/// reads nothing but one word a level.
library SumTree {
    /// @notice A word of the tree and what it was.
    /// @param word leaves: three times weight 44, account 30. Above: four sums of 48 bits, and in the root the height
    /// 8. In both the epoch in the 34 highest bits
    /// @param previous as it stood before that epoch
    /// @param older as it stood before the previous word's epoch
    struct Node {
        uint256 word;
        uint256 previous;
        uint256 older;
    }

    /// @notice A pool.
    /// @param meta next leaf 32, weighted leaves now 32, weighted leaves before the tagged epoch 32, epoch 64
    /// @param nodes words by their place in the tree
    struct Tree {
        uint256 meta;
        mapping(uint256 key => Node) nodes;
    }

    /// @dev A view of the tree at the start of an epoch less the leaves taken out so far.
    /// @param epoch the view is of its start
    /// @param root root word
    /// @param left sum of what can still be drawn
    /// @param count leaves taken out so far
    /// @param taken leaf << 48 | weight
    /// @param stale the tree changed in three epochs since: the view cannot be had any more
    struct Cut {
        uint256 epoch;
        uint256 root;
        uint256 left;
        uint256 count;
        uint256[] taken;
        bool stale;
    }

    uint256 private constant SUM_BITS = 48;
    uint256 private constant SUM = (1 << SUM_BITS) - 1;
    uint256 private constant LEAF_BITS = 74;
    uint256 private constant ACCOUNT = 44;
    uint256 private constant ACCOUNT_MASK = (1 << 30) - 1;
    /// @notice The largest weight of a leaf: more than all MLB at the highest reputation.
    uint256 internal constant MAX_WEIGHT = (1 << ACCOUNT) - 1;
    uint256 private constant HEIGHT = 192;
    uint256 private constant TAG = 222;
    uint256 private constant UNTAGGED = (1 << TAG) - 1;

    uint256 private constant LEVEL = 32;
    uint256 private constant ROOT = type(uint256).max;
    /// @dev The root is above the leaves from the start.
    uint256 private constant FIRST_HEIGHT = 2;

    uint256 private constant NOW = 32;
    uint256 private constant BEFORE = 64;
    uint256 private constant META_TAG = 96;
    uint256 private constant MASK32 = type(uint32).max;

    /// @notice The draw weights exceed what a pool can hold.
    error WeightOverflow();
    /// @notice The account's number is beyond what a pool can hold.
    error AccountOverflow();

    // ---- changes ----

    /// @notice Give an account a leaf of weight 0.
    /// @return leaf its number; every fourth number stays unused, so that two bits of it choose a lane on every level
    function append(Tree storage tree, uint256 account) internal returns (uint256 leaf) {
        if (account > ACCOUNT_MASK) revert AccountOverflow();
        leaf = tree.meta & MASK32;
        Node storage root = tree.nodes[ROOT];
        uint256 height = _height(root.word);
        if (leaf == 0) root.word = FIRST_HEIGHT << HEIGHT;
        else if (leaf == 1 << (2 * height)) _grow(tree, root, height);
        tree.meta += leaf & 3 == 2 ? 2 : 1;
        tree.nodes[leaf >> 2].word |= account << (_leafLane(leaf) + ACCOUNT);
    }

    /// @notice Change a leaf's weight for draws that are armed after `epoch`.
    function set(Tree storage tree, uint256 leaf, uint256 weight, uint256 epoch) internal {
        if (weight > MAX_WEIGHT) revert WeightOverflow();
        Node storage node = tree.nodes[leaf >> 2];
        uint256 lane = _leafLane(leaf);
        uint256 old = node.word >> lane & MAX_WEIGHT;
        if (old == weight) return;
        node.word = _touch(node, epoch) & ~(MAX_WEIGHT << lane) | weight << lane;
        uint256 height = _height(tree.nodes[ROOT].word);
        for (uint256 level = 1; level < height; ++level) {
            uint256 child = leaf >> (2 * level);
            node = tree.nodes[level + 1 == height ? ROOT : level << LEVEL | child >> 2];
            uint256 word = _touch(node, epoch);
            lane = _lane(child);
            uint256 sum = (word >> lane & SUM) + weight - old;
            if (sum > SUM) revert WeightOverflow();
            node.word = word & ~(SUM << lane) | sum << lane;
        }
        if (old == 0 || weight == 0) _recount(tree, old == 0, epoch);
    }

    // ---- reads ----

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
        cut.left = (cut.root & SUM) + (cut.root >> SUM_BITS & SUM) + (cut.root >> (2 * SUM_BITS) & SUM)
            + (cut.root >> (3 * SUM_BITS) & SUM);
        cut.taken = new uint256[](room);
    }

    /// @notice Take out a leaf by name; once, however often it is named.
    function exclude(Tree storage tree, Cut memory cut, uint256 leaf) internal view {
        for (uint256 i; i < cut.count; ++i) {
            if (cut.taken[i] >> SUM_BITS == leaf) return;
        }
        uint256 weight = _frozen(tree, cut, leaf >> 2) >> _leafLane(leaf) & MAX_WEIGHT;
        if (weight != 0 && !cut.stale) _remove(cut, leaf, weight);
    }

    /// @notice Draw the leaf at `point` of what is left, and take it out.
    /// @param point less than `cut.left`, and the cut is not stale
    /// @dev The one loop that every task runs through, hence unchecked. A child's sum is reduced by what was taken out
    /// below it; that was part of this very sum, so the difference is exact and never negative.
    function draw(Tree storage tree, Cut memory cut, uint256 point)
        internal
        view
        returns (uint256 leaf, uint256 account)
    {
        unchecked {
            uint256 word = cut.root;
            uint256 weight;
            for (uint256 level = _height(word) - 1; level != 0; --level) {
                word = _without(cut, word, level, leaf);
                leaf <<= 2;
                weight = word & SUM;
                while (point >= weight && leaf & 3 != 3) {
                    point -= weight;
                    ++leaf;
                    word >>= SUM_BITS;
                    weight = word & SUM;
                }
                word = _frozen(tree, cut, (level - 1) << LEVEL | leaf);
            }
            uint256 bunch = word;
            word = _without(cut, word, 0, leaf);
            leaf <<= 2;
            weight = word & MAX_WEIGHT;
            while (point >= weight && leaf & 3 != 2) {
                point -= weight;
                ++leaf;
                word >>= LEAF_BITS;
                weight = word & MAX_WEIGHT;
            }
            account = bunch >> (_leafLane(leaf) + ACCOUNT) & ACCOUNT_MASK;
            _remove(cut, leaf, weight);
        }
    }

    /// @notice Put the leaf back that was taken out as number `index`.
    function putBack(Cut memory cut, uint256 index) internal pure {
        cut.left += cut.taken[index] & SUM;
        cut.taken[index] &= ~SUM;
    }

    /// @notice The weight with which number `index` was taken out.
    function takenWeight(Cut memory cut, uint256 index) internal pure returns (uint256) {
        return cut.taken[index] & SUM;
    }

    // ---- internal ----

    /// @dev The new root takes over what the old one remembers, so frozen views survive growth.
    function _grow(Tree storage tree, Node storage root, uint256 height) private {
        Node storage below = tree.nodes[(height - 1) << LEVEL];
        (below.word, below.previous, below.older) = (root.word, root.previous, root.older);
        root.word = _raised(below.word, height + 1);
        root.previous = _raised(below.previous, height + 1);
        root.older = _raised(below.older, height + 1);
    }

    /// @dev A root whose first child is the old root.
    function _raised(uint256 word, uint256 height) private pure returns (uint256) {
        uint256 sum =
            (word & SUM) + (word >> SUM_BITS & SUM) + (word >> (2 * SUM_BITS) & SUM) + (word >> (3 * SUM_BITS) & SUM);
        if (sum > SUM) revert WeightOverflow();
        return sum | height << HEIGHT | word >> TAG << TAG;
    }

    function _recount(Tree storage tree, bool more, uint256 epoch) private {
        uint256 meta = tree.meta;
        uint256 count = meta >> NOW & MASK32;
        uint256 before = meta >> META_TAG == epoch ? meta >> BEFORE & MASK32 : count;
        count = more ? count + 1 : count - 1;
        tree.meta = meta & MASK32 | count << NOW | before << BEFORE | epoch << META_TAG;
    }

    /// @dev The word to change, after the old one was kept if this is its first change in the epoch.
    function _touch(Node storage node, uint256 epoch) private returns (uint256 word) {
        word = node.word;
        if (word >> TAG == epoch) return word;
        (node.older, node.previous) = (node.previous, word);
        return word & UNTAGGED | epoch << TAG;
    }

    function _remove(Cut memory cut, uint256 leaf, uint256 weight) private pure {
        unchecked {
            cut.taken[cut.count++] = leaf << SUM_BITS | weight;
            cut.left -= weight;
        }
    }

    /// @dev The word of node `index` less everything taken out below it.
    function _without(Cut memory cut, uint256 word, uint256 level, uint256 index) private pure returns (uint256) {
        unchecked {
            uint256[] memory taken = cut.taken;
            uint256 shift = SUM_BITS + 2 * level;
            for (uint256 i = cut.count; i != 0; --i) {
                uint256 entry;
                assembly ("memory-safe") {
                    entry := mload(add(taken, shl(5, i)))
                }
                uint256 child = entry >> shift;
                if (child >> 2 == index) word -= (entry & SUM) << (level == 0 ? _leafLane(child) : _lane(child));
            }
            return word;
        }
    }

    /// @dev A node as it stood at the start of the cut's epoch. What changed in three epochs since is lost; the root
    /// changes whenever any node does, so it tells that for the whole tree.
    function _frozen(Tree storage tree, Cut memory cut, uint256 key) private view returns (uint256 word) {
        Node storage node = tree.nodes[key];
        word = node.word;
        if (word >> TAG >= cut.epoch) {
            word = node.previous;
            if (word >> TAG >= cut.epoch) word = node.older;
            if (word >> TAG >= cut.epoch) cut.stale = true;
        }
    }

    function _lane(uint256 child) private pure returns (uint256) {
        unchecked {
            return (child & 3) * SUM_BITS;
        }
    }

    function _leafLane(uint256 leaf) private pure returns (uint256) {
        unchecked {
            return (leaf & 3) * LEAF_BITS;
        }
    }

    function _height(uint256 root) private pure returns (uint256) {
        return root >> HEIGHT & 0xFF;
    }
}
