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
        uint96 price; // wei a task now: the provider's own, moved by demand
        Policy policy;
        bool active;
    }

    /// @notice What a submission needs of a model.
    struct Offer {
        uint256 index;
        uint256 price; // wei for this task
        Policy policy; // None while the model takes no tasks
        uint256 providers; // accounts that could be drawn at the last order
    }

    /// @notice How prices move; governed. docs/design/economy.md, Prices.
    struct Pricing {
        uint32 seatsPerProvider; // seats an epoch that a provider is meant to fill; 1 at least
        uint32 ceiling; // highest multiple of the provider's own price, in millionths
    }

    /// @notice Where a model's price stands.
    struct Demand {
        uint256 multiple; // millionths of the provider's own price, in the epoch below
        uint256 epoch; // of the last order
        int256 ordered; // seats ordered less seats cancelled in it
        uint256 providers; // accounts that could be drawn at the last order
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
    error BadPricing(string name, uint256 value, uint256 least, uint256 most);

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
    /// @notice The price of a model moved with demand, from this epoch on; seen at its next order.
    event ModelPriceMoved(bytes32 indexed modelId, uint256 epoch, uint256 multiple);
    event ModelProvidersChanged(bytes32 indexed modelId, uint256 providers);
    event PricingChanged(Pricing pricing);

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
    /// @notice Terms as they stand now; the price is the moving one.
    function terms(bytes32 modelId) external view returns (Terms memory);
    function termsAt(uint32 index) external view returns (bytes32 modelId, Terms memory);

    function demandOf(bytes32 modelId) external view returns (Demand memory);
    function pricing() external view returns (Pricing memory);
    /// @notice Counts epochs of the price from 1970.
    function priceEpoch() external view returns (uint256);
    /// @notice Basis points: the reputation of a provider's least trusted model; 10,000 while none was flagged.
    function qualityOf(address provider) external view returns (uint256);

    /// @notice By the model's provider: the floor from which demand moves the price.
    function setPrice(bytes32 modelId, uint256 pricePerInference) external;
    /// @notice By the model's provider; resuming needs the model provider's minimum stake.
    function setPaused(bytes32 modelId, bool paused) external;
    /// @notice Pause a model whose provider no longer holds the minimum stake; anyone.
    function pauseUnderstaked(bytes32 modelId) external;
    /// @notice Governance only.
    function setSuspended(bytes32 modelId, bool suspended) external;
    /// @notice Governance only.
    /// @dev Reverts with BadPricing outside of fixed limits.
    function setPricing(Pricing calldata pricing_) external;
    /// @notice Task manager only: a task of `seats` seats is submitted. Counts towards the price of the next epoch.
    /// @return what holds for this task
    function orderTask(bytes32 modelId, uint256 seats) external returns (Offer memory);
    /// @notice Task manager only: how many accounts can be drawn now, told at an order when that changed.
    function setProviders(bytes32 modelId, uint256 providers) external;
    /// @notice Task manager only: a task of `seats` seats was cancelled. Takes it off the demand of the present epoch, so
    /// that a price cannot be driven up by tasks that nobody pays for.
    function cancelOrder(uint32 index, uint256 seats) external;
    /// @notice Task manager only: a task of this model ended without a verdict.
    function flag(uint32 index, bytes32 taskId) external;
}
