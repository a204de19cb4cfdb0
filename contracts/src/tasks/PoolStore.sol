// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Policy} from "../interfaces/Types.sol";
import {SumTree} from "../libraries/SumTree.sol";
import {Rules} from "./Rules.sol";

/// @title Where node keys and draw pools are kept
/// @notice Second layer of the TaskManager and its modules.
abstract contract PoolStore is Rules {
    using SumTree for SumTree.Tree;

    /// @dev operatorId << 1 | allowed. Kept here and not asked from the distributor, so that a commit or a reveal
    /// stays within this contract.
    // TaskModule writes it by delegatecall, and a mapping needs no first value.
    // slither-disable-next-line uninitialized-state
    mapping(address node => uint256) internal _nodes;
    /// @dev Pool id: model index << 1, plus 1 for verifiers, as in an account id.
    mapping(uint256 pool => SumTree.Tree) internal _pools;
    /// @dev (leaf + 1) << 1 | serving
    // As above.
    // slither-disable-next-line uninitialized-state
    mapping(uint256 pool => mapping(uint256 account => uint256)) internal _members;

    /// @dev provider | policy << 160 of a model, which never change, and above them the seats of first committees that its
    /// live tasks have. Known before its first task, because a pool has to be served before; so settling needs no
    /// call to the registry.
    mapping(uint256 model => uint256) internal _modelFacts;

    uint256 internal constant OPEN_SEATS = 168;

    function _policyOf(uint256 model) internal view returns (Policy) {
        return Policy(uint8(_modelFacts[model] >> 160));
    }

    function _openSeats(uint256 model) internal view returns (uint256) {
        return _modelFacts[model] >> OPEN_SEATS;
    }

    function _poolId(uint256 model, bool verifiers) internal pure returns (uint256) {
        return model << 1 | (verifiers ? 1 : 0);
    }

    /// @dev The operator that a key may act for; 0 for none.
    function _actingFor(address node) internal view returns (uint256) {
        uint256 word = _nodes[node];
        return word & 1 == 1 ? word >> 1 : 0;
    }

    /// @dev Accounts that randomness armed now could draw.
    function _eligible(uint256 pool) internal view returns (uint256) {
        return _pools[pool].countAt(_epoch());
    }
}
