// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {Claim, Finding, IPolicyAdapter} from "../interfaces/IPolicyAdapter.sol";
import {BoundedCall} from "../libraries/BoundedCall.sol";
import {Hashing} from "../libraries/Hashing.sol";

/// @title The shape of an on-chain verifier as circuit compilers write it
interface IProofVerifier {
    /// @notice Whether the proof holds for the public instances. It may revert on a bad proof.
    function verifyProof(bytes calldata proof, uint256[] calldata instances) external view returns (bool);
}

/// @title Results that carry a zero-knowledge proof
/// @notice The public instances of a circuit are the input followed by the output. A task's input payload is
/// abi.encode(uint256[] input), its result payload abi.encode(uint256[] output), so a proof of another input or of
/// another output does not fit. Which circuit proves which model is governed: a verifier belongs to the weights.
contract ProofAdapter is IPolicyAdapter, AccessManaged {
    /// @notice Verifier of a model, and what one proof may cost.
    struct Circuit {
        IProofVerifier verifier;
        uint96 gasLimit;
    }

    error ZeroAddress();
    error VerifierWithoutCode(address verifier);
    error BadGasLimit(uint256 gasLimit, uint256 maximum);

    event CircuitChanged(bytes32 indexed modelId, address indexed verifier, uint256 gasLimit);

    uint256 private constant MAX_GAS = 5_000_000;
    /// @dev For reading and hashing evidence, a word at a time.
    uint256 private constant READ_GAS = 50_000;
    uint256 private constant GAS_A_BYTE = 20;

    /// @notice The circuit of a model; none: no proof is accepted or rejected.
    mapping(bytes32 modelId => Circuit) public circuits;

    constructor(address authority) AccessManaged(authority) {
        if (authority == address(0)) revert ZeroAddress();
    }

    /// @notice Say which verifier proves a model; the zero address takes it out. Governance.
    /// @param gasLimit for one proof; at most 5,000,000
    function setCircuit(bytes32 modelId, address verifier, uint256 gasLimit) external restricted {
        if (verifier != address(0) && verifier.code.length == 0) revert VerifierWithoutCode(verifier);
        if (gasLimit > MAX_GAS) revert BadGasLimit(gasLimit, MAX_GAS);
        circuits[modelId] = Circuit(IProofVerifier(verifier), uint96(gasLimit));
        emit CircuitChanged(modelId, verifier, gasLimit);
    }

    /// @inheritdoc IPolicyAdapter
    /// @param evidence abi.encode(bytes proof, uint256[] input, uint256[] output)
    function judge(Claim calldata claim, bytes calldata evidence) external view returns (Finding) {
        Circuit memory circuit = circuits[claim.modelId];
        if (address(circuit.verifier) == address(0)) return Finding.Grey;
        // Evidence that cannot be decoded reverts inside, and is rejected like any other bad proof.
        (bool readable, bytes32 fits,) = BoundedCall.read(
            address(this), READ_GAS + GAS_A_BYTE * evidence.length, abi.encodeCall(this.matches, (claim, evidence)), 1
        );
        if (!readable || uint256(fits) != 1) return Finding.Reject;
        (bytes memory proof, uint256[] memory input, uint256[] memory output) =
            abi.decode(evidence, (bytes, uint256[], uint256[]));
        (bool ok, bytes32 answer,) = BoundedCall.read(
            address(circuit.verifier),
            circuit.gasLimit,
            abi.encodeCall(IProofVerifier.verifyProof, (proof, _joined(input, output))),
            1
        );
        return ok && uint256(answer) == 1 ? Finding.Accept : Finding.Reject;
    }

    /// @notice Whether evidence speaks of this input and this result. Reverts if it cannot be read.
    function matches(Claim calldata claim, bytes calldata evidence) external pure returns (bool) {
        (, uint256[] memory input, uint256[] memory output) = abi.decode(evidence, (bytes, uint256[], uint256[]));
        return keccak256(bytes.concat(Hashing.INLINE, abi.encode(input))) == claim.inputHash
            && keccak256(abi.encode(output)) == claim.payloadRoot;
    }

    function _joined(uint256[] memory input, uint256[] memory output) private pure returns (uint256[] memory all) {
        all = new uint256[](input.length + output.length);
        for (uint256 i; i < all.length; ++i) {
            all[i] = i < input.length ? input[i] : output[i - input.length];
        }
    }
}
