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
    /// @param evidence order, result and signatures that prove it
    /// @param claim what is claimed of a task
    function judge(Claim calldata claim, bytes calldata evidence) external view returns (Finding);
}

/// @title Which adapter judges which policy
interface IPolicyRegistry {
    /// @notice An address argument is the zero address.
    error ZeroAddress();
    /// @notice The policy `policy` is judged by committees.
    /// @param policy how results are compared
    error BadPolicy(uint8 policy);
    /// @notice There is no contract at `adapter`.
    /// @param adapter contract that judges by a policy; zero for none
    error AdapterWithoutCode(address adapter);
    /// @notice An adapter may use at most `maximum` gas, not `gasLimit`.
    /// @param maximum the most that is allowed
    /// @param gasLimit gas that the call may use
    error BadAdapterGas(uint256 gasLimit, uint256 maximum);

    /// @param policy how results are compared
    /// @param adapter contract that judges by a policy; zero for none
    /// @param gasLimit gas that the call may use
    event AdapterChanged(uint8 indexed policy, address indexed adapter, uint256 gasLimit);

    /// @notice Plug in an adapter; the zero address takes it out. Governance.
    /// @param policy 3 and more: 0 to 2 are judged by committees
    /// @param gasLimit for one judgement; at most 10,000,000
    /// @param adapter contract that judges by a policy; zero for none
    function setAdapter(uint8 policy, address adapter, uint256 gasLimit) external;

    /// @notice What the policy's adapter says; Grey if there is none or if it fails.
    /// @dev Reverts with BoundedCall.TooLittleGas alone.
    /// @param policy how results are compared
    /// @param evidence order, result and signatures that prove it
    /// @param claim what is claimed of a task
    function finding(uint8 policy, Claim calldata claim, bytes calldata evidence) external view returns (Finding);

    /// @notice The same as a verdict that the task manager could apply: an accepted result wins with all confidence, any
    /// other finding settles nothing.
    /// @param seat that brought the result
    /// @param policy how results are compared
    /// @param evidence order, result and signatures that prove it
    /// @param claim what is claimed of a task
    function verdict(uint8 policy, Claim calldata claim, uint8 seat, bytes calldata evidence)
        external
        view
        returns (Verdict memory);

    /// @param policy how results are compared
    /// @return adapter contract that judges by the policy; zero for none
    /// @return gasLimit gas that it may use
    function adapterOf(uint8 policy) external view returns (address adapter, uint256 gasLimit);
}
