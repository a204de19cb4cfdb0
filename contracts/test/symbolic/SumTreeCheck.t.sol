// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SumTree} from "../../src/libraries/SumTree.sol";
import {VM as vm} from "../utils/Vm.sol";

/// @title A pool's sum is the sum of its leaves, and every point of it is somebody's
/// @dev Four leaves over two words, all weights of 44 bits, every point.
contract SumTreeCheck {
    using SumTree for SumTree.Tree;
    using SumTree for SumTree.Cut;

    uint256 private constant LEAVES = 4;

    SumTree.Tree private tree;

    /// @custom:halmos --loop 8
    function check_SumIsKept(uint48 a, uint48 b, uint48 c, uint48 d) external {
        _fill(a, b, c, d);
        SumTree.Cut memory cut;
        tree.cutAt(cut, 2, LEAVES);
        assert(!cut.stale);
        assert(cut.left == uint256(a) + b + c + d);
    }

    /// @custom:halmos --loop 8
    function check_DrawnLeafIsInRangeAndLeaves(uint48 a, uint48 b, uint48 c, uint48 d, uint48 point) external {
        _fill(a, b, c, d);
        SumTree.Cut memory cut;
        tree.cutAt(cut, 2, LEAVES);
        vm.assume(point < cut.left);
        uint256 left = cut.left;
        (uint256 leaf, uint256 account) = tree.draw(cut, point);
        assert(leaf == 0 || leaf == 1 || leaf == 2 || leaf == 4);
        uint256 weight = leaf == 0 ? a : leaf == 1 ? b : leaf == 2 ? c : d;
        assert(weight != 0);
        assert(account == 10 + (leaf == 4 ? 3 : leaf));
        assert(cut.left == left - weight);
        assert(cut.takenWeight(0) == weight);
    }

    /// @dev Weights of 3, 0, 5 and 7, all points: whoever was drawn is not drawn again.
    /// @custom:halmos --loop 8
    function check_SecondDrawIsAnother(uint48 first, uint48 second) external {
        _fill(3, 0, 5, 7);
        SumTree.Cut memory cut;
        tree.cutAt(cut, 2, LEAVES);
        vm.assume(first < cut.left);
        (uint256 one,) = tree.draw(cut, first);
        vm.assume(second < cut.left);
        (uint256 other,) = tree.draw(cut, second);
        assert(one != other);
    }

    /// @dev A later epoch's change does not show in a view of this one.
    /// @custom:halmos --loop 8
    function check_ViewIsFrozen(uint48 a, uint48 b, uint48 c, uint48 d, uint48 later) external {
        _fill(a, b, c, d);
        vm.assume(later <= SumTree.MAX_WEIGHT);
        tree.set(0, later, 2);
        SumTree.Cut memory cut;
        tree.cutAt(cut, 2, LEAVES);
        assert(cut.left == uint256(a) + b + c + d);
    }

    function _fill(uint48 a, uint48 b, uint48 c, uint48 d) private {
        uint48[LEAVES] memory weights = [a, b, c, d];
        for (uint256 i; i < LEAVES; ++i) {
            vm.assume(weights[i] <= SumTree.MAX_WEIGHT);
            uint256 leaf = tree.append(10 + i);
            tree.set(leaf, weights[i], 1);
        }
    }
}
