// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SumTree} from "../src/libraries/SumTree.sol";
import {Test} from "./utils/Test.sol";

/// @title The pool tree against a plain list that remembers every epoch
contract SumTreeTest is Test {
    using SumTree for SumTree.Tree;
    using SumTree for SumTree.Cut;

    uint256 private constant MOST = 80;
    uint256 private constant EPOCHS = 12;

    SumTree.Tree private tree;
    uint256 private leaves;
    uint256[MOST] private places;
    uint256[MOST] private weights;
    /// @dev weights at the start of an epoch
    mapping(uint256 epoch => uint256[MOST]) private atStart;
    mapping(uint256 epoch => bool) private changed;

    function testSetFuzzKeepsEveryReadableEpoch(uint256 seed) public {
        uint256 epoch = 1;
        for (uint256 step; step < 90; ++step) {
            seed = uint256(keccak256(abi.encode(seed)));
            if (seed % 8 == 0 && epoch < EPOCHS) {
                ++epoch;
                atStart[epoch] = weights;
            }
            if (leaves == 0 || (leaves < MOST && seed >> 8 & 3 == 0)) {
                places[leaves] = tree.append(1_000 + leaves);
                ++leaves;
            }
            uint256 leaf = (seed >> 16) % leaves;
            uint256 weight = seed >> 32 & 1 == 0 ? 0 : (seed >> 40) % 1e12;
            if (weights[leaf] != weight) changed[epoch] = true;
            weights[leaf] = weight;
            tree.set(places[leaf], weight, epoch);
            uint256 back = (seed >> 80) % 4;
            _checkView(epoch > back ? epoch - back : 1, epoch, seed);
        }
    }

    /// @dev The tree as randomness armed in `armed` sees it, in `current`. The next epoch sees what is now.
    function _checkView(uint256 armed, uint256 current, uint256 seed) private view {
        uint256 changes;
        for (uint256 epoch = armed; epoch <= current; ++epoch) {
            if (changed[epoch]) ++changes;
        }
        SumTree.Cut memory cut;
        tree.cutAt(cut, armed, 2 * MOST);
        assertEq(cut.stale, changes > 2);
        if (cut.stale) return;
        uint256 total;
        uint256 count;
        for (uint256 leaf; leaf < leaves; ++leaf) {
            total += atStart[armed][leaf];
            if (atStart[armed][leaf] != 0) ++count;
        }
        assertEq(cut.left, total, "total");
        if (changes == 0 || armed == current) assertEq(tree.countAt(armed), count, "count");

        // Some are excluded, twice for good measure; everybody else is drawn once, with the weight of that epoch.
        bool[MOST] memory gone;
        for (uint256 leaf; leaf < leaves; ++leaf) {
            if (uint256(keccak256(abi.encode(seed, leaf))) % 3 != 0) continue;
            tree.exclude(cut, places[leaf]);
            tree.exclude(cut, places[leaf]);
            gone[leaf] = true;
            total -= atStart[armed][leaf];
        }
        assertEq(cut.left, total, "after exclusion");
        while (cut.left != 0) {
            seed = uint256(keccak256(abi.encode(seed, cut.left)));
            (uint256 place, uint256 account) = tree.draw(cut, seed % cut.left);
            uint256 leaf = account - 1_000;
            uint256 weight = cut.takenWeight(cut.count - 1);
            assertEq(place, places[leaf], "place");
            assertFalse(gone[leaf], "drawn again");
            gone[leaf] = true;
            assertEq(weight, atStart[armed][leaf], "weight drawn");
            total -= weight;
            assertEq(cut.left, total, "left");
        }
        assertEq(total, 0, "all drawn");
    }

    function testDrawGivesEveryLeafItsWeightOfPoints() public {
        uint256[22] memory hits;
        uint256 total;
        for (uint256 i; i < 22; ++i) {
            tree.set(tree.append(i), i * i % 7, 1);
            total += i * i % 7;
        }
        for (uint256 point; point < total; ++point) {
            SumTree.Cut memory cut;
            tree.cutAt(cut, 2, 1);
            (, uint256 account) = tree.draw(cut, point);
            ++hits[account];
        }
        for (uint256 i; i < 22; ++i) {
            assertEq(hits[i], i * i % 7, "points of a leaf");
        }
    }

    function testDrawIsExactAfterExclusions() public {
        uint256[22] memory hits;
        for (uint256 i; i < 22; ++i) {
            places[i] = tree.append(i);
            tree.set(places[i], 3 + i, 1);
        }
        SumTree.Cut memory cut;
        tree.cutAt(cut, 2, 8);
        uint256 left = cut.left - 3 - 8 - 24;
        for (uint256 point; point < left; ++point) {
            tree.cutAt(cut, 2, 8);
            cut.count = 0;
            tree.exclude(cut, places[0]);
            tree.exclude(cut, places[5]);
            tree.exclude(cut, places[21]);
            (, uint256 account) = tree.draw(cut, point);
            ++hits[account];
        }
        for (uint256 i; i < 22; ++i) {
            bool out = i == 0 || i == 5 || i == 21;
            assertEq(hits[i], out ? 0 : 3 + i, "points of a leaf");
        }
    }

    function testPutBackRestoresTheChance() public {
        for (uint256 i; i < 6; ++i) {
            tree.set(tree.append(i), 10, 1);
        }
        SumTree.Cut memory cut;
        tree.cutAt(cut, 2, 10);
        (uint256 first,) = tree.draw(cut, 25);
        assertEq(cut.left, 50);
        cut.putBack(0);
        assertEq(cut.left, 60);
        (uint256 again,) = tree.draw(cut, 25);
        assertEq(again, first);
    }

    function testSetBeyondAWordOverflows() public {
        // The root's first child covers 48 of these leaves; its sum holds sixteen of the greatest weight.
        for (uint256 i; i < 60; ++i) {
            places[i] = tree.append(i);
        }
        for (uint256 i; i < 16; ++i) {
            tree.set(places[3 * i], SumTree.MAX_WEIGHT, 1);
        }
        vm.expectRevert(SumTree.WeightOverflow.selector);
        this.set(places[1], SumTree.MAX_WEIGHT);
        tree.set(places[50], SumTree.MAX_WEIGHT, 1);
        // What lowers a sum always works.
        tree.set(places[0], 0, 1);
        tree.set(places[1], SumTree.MAX_WEIGHT, 1);
        vm.expectRevert(SumTree.WeightOverflow.selector);
        this.set(places[0], SumTree.MAX_WEIGHT + 1);
        vm.expectRevert(SumTree.AccountOverflow.selector);
        this.append(1 << 30);
    }

    function set(uint256 leaf, uint256 weight) external {
        tree.set(leaf, weight, 1);
    }

    function append(uint256 account) external {
        tree.append(account);
    }
}
