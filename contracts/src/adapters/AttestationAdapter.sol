// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {Claim, Finding, IPolicyAdapter} from "../interfaces/IPolicyAdapter.sol";
import {BoundedCall} from "../libraries/BoundedCall.sol";
import {Hashing} from "../libraries/Hashing.sol";

/// @title Where a hardware quote is checked
interface IQuoteVerifier {
    /// @notice What a genuine quote says. Reverts if it is not genuine, or not fresh.
    /// @return measurement hash of the code and settings that ran
    /// @return reportData first 32 bytes of what that code put into the quote
    function verifyQuote(bytes calldata quote) external view returns (bytes32 measurement, bytes32 reportData);
}

/// @title Results of attested hardware
/// @notice A quote is accepted if it is genuine, if its measurement is on the model's allow-list, and if its report data
/// is the task's digest: a quote for another task, result or chain does not fit. The list is a Merkle root over
/// keccak256(keccak256(abi.encode(modelId, measurement))); changing it is governance's.
contract AttestationAdapter is IPolicyAdapter, AccessManaged {
    error ZeroAddress();
    error VerifierWithoutCode(address verifier);
    error BadGasLimit(uint256 gasLimit, uint256 maximum);

    event QuoteVerifierChanged(address indexed verifier, uint256 gasLimit);
    event AllowListChanged(bytes32 root);

    uint256 private constant MAX_GAS = 8_000_000;
    uint256 private constant READ_GAS = 50_000;
    uint256 private constant GAS_A_BYTE = 20;

    /// @notice Checks quotes; the zero address: none is accepted or rejected.
    address public quoteVerifier;
    /// @notice Gas for one quote.
    uint96 public gasLimit;
    /// @notice Root of the allowed measurements.
    bytes32 public allowListRoot;

    constructor(address authority) AccessManaged(authority) {
        if (authority == address(0)) revert ZeroAddress();
    }

    /// @notice Governance.
    /// @param gasLimit_ for one quote; at most 8,000,000
    function setQuoteVerifier(address verifier, uint256 gasLimit_) external restricted {
        if (verifier != address(0) && verifier.code.length == 0) revert VerifierWithoutCode(verifier);
        if (gasLimit_ > MAX_GAS) revert BadGasLimit(gasLimit_, MAX_GAS);
        (quoteVerifier, gasLimit) = (verifier, uint96(gasLimit_));
        emit QuoteVerifierChanged(verifier, gasLimit_);
    }

    /// @notice Governance. Removing a measurement means a root without it; there is no other way to allow one.
    function setAllowList(bytes32 root) external restricted {
        allowListRoot = root;
        emit AllowListChanged(root);
    }

    /// @inheritdoc IPolicyAdapter
    /// @param evidence abi.encode(bytes quote, bytes32[] merkleProof)
    function judge(Claim calldata claim, bytes calldata evidence) external view returns (Finding) {
        if (quoteVerifier == address(0) || allowListRoot == 0) return Finding.Grey;
        uint256 readGas = READ_GAS + GAS_A_BYTE * evidence.length;
        (bool readable,,) = BoundedCall.read(address(this), readGas, abi.encodeCall(this.decodes, (evidence)), 1);
        if (!readable) return Finding.Reject;
        (bytes memory quote, bytes32[] memory proof) = abi.decode(evidence, (bytes, bytes32[]));
        (bool ok, bytes32 measurement, bytes32 reportData) =
            BoundedCall.read(quoteVerifier, gasLimit, abi.encodeCall(IQuoteVerifier.verifyQuote, (quote)), 2);
        if (!ok || reportData != Hashing.digest(claim.taskId, claim.payloadRoot)) return Finding.Reject;
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(claim.modelId, measurement))));
        return MerkleProof.verify(proof, allowListRoot, leaf) ? Finding.Accept : Finding.Reject;
    }

    /// @notice Reverts unless evidence can be read.
    function decodes(bytes calldata evidence) external pure returns (bool) {
        abi.decode(evidence, (bytes, bytes32[]));
        return true;
    }
}
