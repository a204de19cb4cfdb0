// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {ITaskManager} from "../interfaces/ITaskManager.sol";
import {Policy, Role} from "../interfaces/Types.sol";
import {SumTree} from "../libraries/SumTree.sol";
import {TaskEndings} from "./TaskEndings.sol";

/// @title Node keys, who serves which model, and draws from the pools
/// @notice First layer of the module's own.
abstract contract PoolDesk is TaskEndings {
    using SumTree for SumTree.Tree;
    using SumTree for SumTree.Cut;

    /// @dev A draw in progress.
    struct Lot {
        bytes32 seed;
        uint256 nonce;
        uint256 epoch;
        uint256 wanted;
        uint256 drawn;
        uint32[] accounts; // drawn so far
        uint64[] weights;
        uint256 barredCount;
        uint32[] barred; // operators that hold or held a seat of this task, and those drawn so far
        bool stale; // cannot be completed from this randomness; try again with later one
    }

    /// @dev How often an account that lost weight since the tree knew it may be passed over. The last pass takes
    /// whoever is drawn, so luck never decides whether a draw ends.
    uint256 private constant PASSES = 8;

    // ---- operators ----

    /// @notice See ITaskManager.
    function setNodeKey(address node, bool allowed) external {
        uint256 operatorId = distributor.accountId(msg.sender, Role.Compute) >> 1;
        if (operatorId == 0) operatorId = distributor.accountId(msg.sender, Role.Verifier) >> 1;
        if (operatorId == 0) revert ITaskManager.NotOperator(msg.sender);
        if (node == address(0)) revert ITaskManager.BadParameter("node");
        uint256 bound = _nodes[node] >> 1;
        if (bound != 0 && bound != operatorId) revert ITaskManager.NodeKeyTaken(node);
        _nodes[node] = operatorId << 1 | (allowed ? 1 : 0);
        emit ITaskManager.NodeKeySet(msg.sender, node, allowed);
    }

    /// @notice See ITaskManager.
    function serveModel(bytes32 modelId, uint32 account, bytes32 execClass) external {
        _requireOwn(account);
        IModelRegistry.Terms memory terms = registry.terms(modelId);
        if (!terms.active || terms.policy == Policy.None) revert ITaskManager.ModelNotActive(modelId);
        bytes32 expected = registry.execClassOf(modelId);
        if (expected != execClass) revert ITaskManager.ClassMismatch(expected, execClass);
        uint256 pool = _poolId(terms.index, account & 1 == 1);
        uint256 member = _members[pool][account];
        if (member & 1 == 1) revert ITaskManager.AlreadyServing(modelId, account);
        uint64 weight = distributor.weightOf(account);
        // A leaf costs depth for ever, so stake has to stand behind each.
        if (weight == 0) revert ITaskManager.BadParameter("weight");

        _modelFacts[terms.index] = uint256(uint160(terms.provider)) | uint256(terms.policy) << 160;
        SumTree.Tree storage tree = _pools[pool];
        uint256 leaf = member == 0 ? tree.append(account) : (member >> 1) - 1;
        _members[pool][account] = (leaf + 1) << 1 | 1;
        tree.set(leaf, weight, _epoch());
        emit ITaskManager.ServingStarted(modelId, account, weight);
    }

    /// @notice See ITaskManager.
    function stopServing(bytes32 modelId, uint32 account) external {
        _requireOwn(account);
        (uint256 pool, uint256 leaf) = _serving(modelId, account);
        _members[pool][account] = (leaf + 1) << 1;
        _pools[pool].set(leaf, 0, _epoch());
        emit ITaskManager.ServingStopped(modelId, account);
    }

    /// @notice See ITaskManager.
    function refreshWeight(bytes32 modelId, uint32 account) external {
        (uint256 pool, uint256 leaf) = _serving(modelId, account);
        uint64 weight = distributor.weightOf(account);
        _pools[pool].set(leaf, weight, _epoch());
        emit ITaskManager.WeightRefreshed(modelId, account, weight);
    }

    // ---- internal ----

    function _bar(Lot memory lot, uint32 account) internal pure {
        lot.barred[lot.barredCount++] = account >> 1;
    }

    /// @dev Draw from one pool until the lot is complete or the pool is empty. Each pass draws all that is missing,
    /// then asks the distributor once for the weights now. An account without weight stays out; one that weighs less
    /// than its leaf says goes back with the probability of the difference.
    function _drawFrom(uint256 pool, Lot memory lot) internal view {
        SumTree.Tree storage tree = _pools[pool];
        SumTree.Cut memory cut = tree.cutAt(lot.epoch, lot.barredCount + (lot.wanted - lot.drawn) * PASSES);
        _excludeBarred(pool, tree, cut, lot);
        for (uint256 pass = 1; pass <= PASSES && lot.drawn < lot.wanted && cut.left != 0 && !cut.stale; ++pass) {
            uint256 first = cut.count;
            uint32[] memory picked = _pick(tree, cut, lot);
            if (cut.stale) break;
            uint64[] memory weights = distributor.weightsOf(picked);
            for (uint256 i; i < picked.length; ++i) {
                _weigh(cut, first + i, lot, picked[i], weights[i], pass == PASSES);
            }
        }
        if (cut.stale || (lot.drawn < lot.wanted && cut.left != 0)) lot.stale = true;
    }

    function _pick(SumTree.Tree storage tree, SumTree.Cut memory cut, Lot memory lot)
        private
        view
        returns (uint32[] memory picked)
    {
        uint256 missing = lot.wanted - lot.drawn;
        picked = new uint32[](missing);
        uint256 count;
        for (; count < missing && cut.left != 0; ++count) {
            (uint256 leaf,) = tree.draw(cut, _roll(lot, cut.left));
            if (cut.stale) break;
            picked[count] = tree.accountAt(leaf);
        }
        assembly ("memory-safe") {
            mstore(picked, count)
        }
    }

    function _weigh(SumTree.Cut memory cut, uint256 index, Lot memory lot, uint32 account, uint64 weight, bool last)
        private
        pure
    {
        if (weight == 0) return;
        uint256 leafWeight = cut.taken[index] & SumTree.MAX_WEIGHT;
        if (weight < leafWeight) {
            if (!last && _roll(lot, leafWeight) >= weight) {
                cut.putBack(index);
                return;
            }
        } else {
            weight = uint64(leafWeight);
        }
        lot.accounts[lot.drawn] = account;
        lot.weights[lot.drawn++] = weight;
        // The first draw of a task bars nobody: one pool draws nobody twice.
        if (lot.barred.length != 0) _bar(lot, account);
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
        return uint256(keccak256(abi.encode(lot.seed, lot.nonce++))) % size;
    }

    function _serving(bytes32 modelId, uint32 account) private view returns (uint256 pool, uint256 leaf) {
        pool = _poolId(registry.terms(modelId).index, account & 1 == 1);
        uint256 member = _members[pool][account];
        if (member & 1 == 0) revert ITaskManager.NotServing(modelId, account);
        leaf = (member >> 1) - 1;
    }

    function _requireOwn(uint32 account) private view {
        Role role = account & 1 == 1 ? Role.Verifier : Role.Compute;
        if (account == 0 || distributor.accountId(msg.sender, role) != account) {
            revert ITaskManager.NotOperator(msg.sender);
        }
    }
}
