// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {SumTree} from "../src/libraries/SumTree.sol";
import {PoolDraw} from "../src/tasks/PoolDraw.sol";
import {Rules} from "../src/tasks/Rules.sol";
import {Test} from "./utils/Test.sol";

/// @dev Says of every account what its leaf says: 1 to 4 by account number.
contract Weights {
    function weightsOf(uint32[] calldata accounts) external pure returns (uint64[] memory weights) {
        weights = new uint64[](accounts.length);
        for (uint256 i; i < accounts.length; ++i) {
            weights[i] = uint64(1 + accounts[i] / 2 % 4);
        }
    }
}

/// @dev The draw of the TaskManager over a pool of any size.
contract Pool is PoolDraw {
    using SumTree for SumTree.Tree;

    uint256 private constant ID = 2;

    uint256 private members;

    constructor(address weights)
        AccessManaged(address(1))
        Rules(address(1), address(1), weights, address(1), 300, block.timestamp)
    {}

    function grow(uint256 count) external {
        for (uint256 i; i < count; ++i) {
            _pools[ID].set(_pools[ID].append(2 * members), 1 + members % 4, 1);
            ++members;
        }
    }

    function draw(bytes32 seed, uint256 wanted) external view returns (uint32[] memory, uint64[] memory) {
        Lot memory lot;
        (lot.seed, lot.epoch, lot.wanted) = (seed, 2, wanted);
        _drawFrom(ID, lot);
        return (lot.accounts, lot.weights);
    }
}

/// @title How a draw's cost grows with the pool, and whom it favours
/// forge-config: default.isolate = true
contract PoolDrawTest is Test {
    function testDrawAmongTenThousandCostsLessThanTwiceAHundred() public {
        uint256 hundred = _cost(100);
        uint256 tenThousand = _cost(10_000);
        assertLt(tenThousand, 2 * hundred, "O(log n)");
    }

    /// @dev Of a transaction that draws three and does nothing else; `assign` does more, so there the ratio is smaller.
    function _cost(uint256 members) private returns (uint256 gas) {
        Pool pool = new Pool(address(new Weights()));
        for (uint256 i; i < members; i += 500) {
            pool.grow(members - i < 500 ? members - i : 500);
        }
        for (uint256 i; i < 5; ++i) {
            pool.draw(keccak256(abi.encode(i)), 3);
            gas += vm.lastCallGas().gasTotalUsed;
        }
        gas /= 5;
    }

    function testDrawFavoursByWeight() public {
        Pool pool = new Pool(address(new Weights()));
        pool.grow(20);
        uint256[4] memory hits;
        for (uint256 i; i < 2_000; ++i) {
            (uint32[] memory accounts, uint64[] memory weights) = pool.draw(keccak256(abi.encode(i)), 3);
            ++hits[weights[0] - 1];
            assertTrue(accounts[0] != accounts[1] && accounts[1] != accounts[2] && accounts[2] != accounts[0], "twice");
        }
        // 200, 400, 600 and 800 expected; four standard deviations.
        for (uint256 i; i < 4; ++i) {
            assertApproxEqAbs(hits[i], 200 * (i + 1), 90);
        }
    }
}
