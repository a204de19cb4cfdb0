// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {ITaskManager} from "../interfaces/ITaskManager.sol";
import {Policy, Role} from "../interfaces/Types.sol";
import {Consent} from "../libraries/Consent.sol";
import {SumTree} from "../libraries/SumTree.sol";
import {PoolStore} from "./PoolStore.sol";

/// @title Node keys, and who serves which model
/// @notice What the serving module has of its own.
abstract contract PoolDesk is PoolStore {
    using SumTree for SumTree.Tree;

    // ---- operators ----

    /// @notice See ITaskManager.
    function setNodeKey(address node, bool allowed, bytes calldata consent) external {
        uint256 operatorId = distributor.accountId(msg.sender, Role.Compute) >> 1;
        if (operatorId == 0) operatorId = distributor.accountId(msg.sender, Role.Verifier) >> 1;
        if (operatorId == 0) revert ITaskManager.NotOperator(msg.sender);
        if (node == address(0)) revert ITaskManager.BadParameter("node");
        uint256 bound = _nodes[node] >> 1;
        if (bound != 0 && bound != operatorId) revert ITaskManager.NodeKeyTaken(node);
        if (bound == 0 && !Consent.given(msg.sender, node, consent)) revert ITaskManager.NoConsent(node, msg.sender);
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

        if (_modelFacts[terms.index] == 0) {
            _modelFacts[terms.index] = uint256(uint160(terms.provider)) | uint256(terms.policy) << 160;
        }
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
