// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {ITaskManager} from "../interfaces/ITaskManager.sol";
import {PoolDesk} from "./PoolDesk.sol";
import {Rules} from "./Rules.sol";
import {TaskModule} from "./TaskModule.sol";

/// @title The part of the TaskManager that tasks never pass through
/// @notice Node keys, serving, parameters. Code that runs by delegatecall on the TaskManager's storage, as TaskModule is and
/// for the same reason. Called directly it works on its own empty storage and has no rights anywhere.
contract ServingModule is PoolDesk {
    /// @param module_ the TaskModule of the same deployment, which says when its epochs begin
    constructor(
        address authority,
        address module_,
        address bridge_,
        address verifier_,
        address distributor_,
        address registry_,
        uint256 epochSeconds_
    )
        AccessManaged(authority)
        Rules(bridge_, verifier_, distributor_, registry_, epochSeconds_, TaskModule(module_).genesis())
    {}

    /// @notice Names what this was made for: keccak256 of authority, neighbours, epoch length and genesis.
    function configuration() external view returns (bytes32) {
        return _configuration();
    }

    // ---- governance ----

    /// @notice See ITaskManager.
    function setParameters(ITaskManager.Parameters calldata parameters_) external restricted {
        _setParameters(parameters_, distributor.unbondingDelay());
    }
}
