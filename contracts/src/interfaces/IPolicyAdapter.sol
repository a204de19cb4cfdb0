// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Verdict} from "./Types.sol";

/// @notice What a policy says of one result.
enum Finding {
    Grey, // nothing can be said: no adapter, no verifier for this model
    Accept,
    Reject
}

/// @notice A result that evidence is brought for.
/// @param modelId of the task
/// @param inputHash of the task: keccak256 of its tagged input
/// @param taskId of the task
/// @param payloadRoot keccak256 of the result's payload
struct Claim {
    bytes32 modelId;
    bytes32 inputHash;
    bytes32 taskId;
    bytes32 payloadRoot;
}

/// @title How a policy that needs no committee judges a result
interface IPolicyAdapter {
    /// @notice What the evidence says. It reverts only when the caller gave too little gas, so that nobody can have good
    /// evidence refused by giving little; whatever the evidence is, it never reverts.
    function judge(Claim calldata claim, bytes calldata evidence) external view returns (Finding);
}

/// @title Which adapter judges which policy
interface IPolicyRegistry {
    error ZeroAddress();
    error BadPolicy(uint8 policy);
    error AdapterWithoutCode(address adapter);
    error BadAdapterGas(uint256 gasLimit, uint256 maximum);

    event AdapterChanged(uint8 indexed policy, address indexed adapter, uint256 gasLimit);

    /// @notice Plug in an adapter; the zero address takes it out. Governance.
    /// @param policy 3 and more: 0 to 2 are judged by committees
    /// @param gasLimit for one judgement; at most 10,000,000
    function setAdapter(uint8 policy, address adapter, uint256 gasLimit) external;

    /// @notice What the policy's adapter says; Grey if there is none or if it fails.
    /// @dev Reverts with BoundedCall.TooLittleGas alone.
    function finding(uint8 policy, Claim calldata claim, bytes calldata evidence) external view returns (Finding);

    /// @notice The same as a verdict that the task manager could apply: an accepted result wins with all confidence, any
    /// other finding settles nothing.
    /// @param seat that brought the result
    function verdict(uint8 policy, Claim calldata claim, uint8 seat, bytes calldata evidence)
        external
        view
        returns (Verdict memory);

    function adapterOf(uint8 policy) external view returns (address adapter, uint256 gasLimit);
}
