// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {Claim, Finding, IPolicyAdapter, IPolicyRegistry} from "../interfaces/IPolicyAdapter.sol";
import {Policy, Verdict} from "../interfaces/Types.sol";
import {BoundedCall} from "../libraries/BoundedCall.sol";
import {Hashing} from "../libraries/Hashing.sol";

/// @title Which adapter judges which policy
contract PolicyRegistry is IPolicyRegistry, AccessManaged {
    struct Plug {
        address adapter;
        uint96 gasLimit;
    }

    uint256 private constant MAX_GAS = 10_000_000;
    uint16 private constant CERTAIN = 10_000;

    mapping(uint8 policy => Plug) private _plugs;

    constructor(address authority) AccessManaged(authority) {
        if (authority == address(0)) revert ZeroAddress();
    }

    /// @inheritdoc IPolicyRegistry
    function setAdapter(uint8 policy, address adapter, uint256 gasLimit) external restricted {
        if (policy <= uint8(Policy.Numeric)) revert BadPolicy(policy);
        if (adapter != address(0) && adapter.code.length == 0) revert AdapterWithoutCode(adapter);
        if (gasLimit > MAX_GAS) revert BadAdapterGas(gasLimit, MAX_GAS);
        _plugs[policy] = Plug(adapter, uint96(gasLimit));
        emit AdapterChanged(policy, adapter, gasLimit);
    }

    /// @inheritdoc IPolicyRegistry
    function finding(uint8 policy, Claim calldata claim, bytes calldata evidence) public view returns (Finding) {
        Plug memory plug = _plugs[policy];
        if (plug.adapter == address(0)) return Finding.Grey;
        (bool ok, bytes32 answer,) =
            BoundedCall.read(plug.adapter, plug.gasLimit, abi.encodeCall(IPolicyAdapter.judge, (claim, evidence)), 1);
        if (!ok || uint256(answer) > uint256(Finding.Reject)) return Finding.Grey;
        return Finding(uint256(answer));
    }

    /// @inheritdoc IPolicyRegistry
    function verdict(uint8 policy, Claim calldata claim, uint8 seat, bytes calldata evidence)
        external
        view
        returns (Verdict memory found)
    {
        if (finding(policy, claim, evidence) != Finding.Accept) return found;
        found.passed = true;
        found.winner = Hashing.digest(claim.taskId, claim.payloadRoot);
        found.confidence = CERTAIN;
        found.accepted = uint16(1 << seat);
    }

    /// @inheritdoc IPolicyRegistry
    function adapterOf(uint8 policy) external view returns (address adapter, uint256 gasLimit) {
        return (_plugs[policy].adapter, _plugs[policy].gasLimit);
    }
}
