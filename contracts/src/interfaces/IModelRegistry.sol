// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Policy} from "./Types.sol";

enum ModelStatus {
    None,
    Active,
    Paused, // by its provider
    Suspended // by governance
}

/// @title Models, their manifests and terms
interface IModelRegistry {
    /// @param id keccak256(abi.encode(chainId, registry, provider, ipfsHash))
    /// @param ipfsHash CID (string) of the manifest
    /// @param pricePerInference model provider's fee in wei a task
    /// @param reputation basis points: 10,000, multiplied by 3/4 by each task that ended in an unresolved dispute
    struct Model {
        bytes32 id;
        address provider;
        string ipfsHash;
        uint256 pricePerInference;
        ModelStatus status;
        uint256 reputation;
    }

    /// @notice What a task needs of a model, in one read.
    struct Terms {
        uint32 index; // position in the registry, from 1
        address provider;
        uint96 price;
        Policy policy;
        bool active;
    }

    error ModelExists(bytes32 modelId);
    error UnknownModel(bytes32 modelId);
    error NotModelProvider(bytes32 modelId, address caller);
    error BadManifestCid();
    error BadMetadata();
    error PriceTooHigh(uint256 price);
    error ModelProviderStakeTooLow(uint256 stake, uint256 required);
    error OnlyTaskManager();
    error BadModelStatus(ModelStatus current);
    error ProviderStakeSufficient(uint256 stake);

    event ModelRegistered(
        bytes32 indexed modelId,
        address indexed provider,
        string ipfsHash,
        uint256 pricePerInference,
        Policy policy,
        bytes32 execClass,
        string name
    );
    event ModelPriceChanged(bytes32 indexed modelId, uint256 pricePerInference);
    event ModelStatusChanged(bytes32 indexed modelId, ModelStatus status);
    event ModelFlagged(bytes32 indexed modelId, bytes32 indexed taskId, uint256 flags);
    event ModelReputationChanged(bytes32 indexed modelId, uint256 reputation);

    /// @param metadata abi.encode(uint8 policy, bytes32 execClass, string name)
    function registerModel(string calldata ipfsHash, uint256 pricePerInference, bytes calldata metadata)
        external
        returns (bytes32 modelId);

    function models(bytes32 modelId)
        external
        view
        returns (
            bytes32 id,
            address provider,
            string memory ipfsHash,
            uint256 pricePerInference,
            ModelStatus status,
            uint256 reputation
        );
    function providerModels(address provider, uint256 index) external view returns (bytes32);
    function modelCount() external view returns (uint256);
    function modelAt(uint32 index) external view returns (bytes32 modelId);
    function execClassOf(bytes32 modelId) external view returns (bytes32);
    function terms(bytes32 modelId) external view returns (Terms memory);
    function termsAt(uint32 index) external view returns (bytes32 modelId, Terms memory);

    function setPrice(bytes32 modelId, uint256 pricePerInference) external;
    /// @notice By the model's provider; resuming needs the model provider's minimum stake.
    function setPaused(bytes32 modelId, bool paused) external;
    /// @notice Pause a model whose provider no longer holds the minimum stake; anyone.
    function pauseUnderstaked(bytes32 modelId) external;
    /// @notice Governance only.
    function setSuspended(bytes32 modelId, bool suspended) external;
    /// @notice Task manager only: a task of this model ended without a verdict.
    function flag(uint32 index, bytes32 taskId) external;
}
