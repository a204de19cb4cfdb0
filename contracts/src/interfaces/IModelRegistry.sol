// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Policy} from "./Types.sol";

/// @notice Whether a model takes tasks.
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
    /// @param provider who registered the model
    /// @param status where it stands
    struct Model {
        bytes32 id;
        address provider;
        string ipfsHash;
        uint256 pricePerInference;
        ModelStatus status;
        uint256 reputation;
    }

    /// @notice What a task needs of a model, in one read.
    /// @param index position in the registry, from 1
    /// @param provider who registered the model
    /// @param price wei a task now: the provider's own, moved by demand
    /// @param policy how results are compared
    /// @param active whether it takes tasks
    struct Terms {
        uint32 index;
        address provider;
        uint96 price;
        Policy policy;
        bool active;
    }

    /// @notice What a submission needs of a model.
    /// @param index position in the registry, from 1
    /// @param price wei for this task
    /// @param policy None while the model takes no tasks
    /// @param providers accounts that could be drawn at the last order
    struct Offer {
        uint256 index;
        uint256 price;
        Policy policy;
        uint256 providers;
    }

    /// @notice How prices move; governed. docs/design/economy.md, Prices.
    /// @param seatsPerProvider seats an epoch that a provider is meant to fill; 1 at least
    /// @param ceiling highest multiple of the provider's own price, in millionths
    struct Pricing {
        uint32 seatsPerProvider;
        uint32 ceiling;
    }

    /// @notice Where a model's price stands.
    /// @param multiple millionths of the provider's own price, in the epoch below
    /// @param epoch of the last order
    /// @param ordered seats ordered less seats cancelled in it
    /// @param providers accounts that could be drawn at the last order
    struct Demand {
        uint256 multiple;
        uint256 epoch;
        int256 ordered;
        uint256 providers;
    }

    /// @notice The model `modelId` is registered already.
    /// @param modelId id of the model
    error ModelExists(bytes32 modelId);
    /// @notice There is no model `modelId` on this deployment.
    /// @param modelId id of the model
    error UnknownModel(bytes32 modelId);
    /// @notice `caller` did not register the model `modelId`.
    /// @param modelId id of the model
    /// @param caller who called
    error NotModelProvider(bytes32 modelId, address caller);
    /// @notice The manifest's CID is not usable.
    error BadManifestCid();
    /// @notice The model's metadata is not usable.
    error BadMetadata();
    /// @notice The price of `price` a task is beyond the limit.
    /// @param price wei for a task
    error PriceTooHigh(uint256 price);
    /// @notice Registering a model needs `required` staked as model provider; there are `stake`.
    /// @param stake MLB, 18 decimals
    /// @param required MLB, 18 decimals
    error ModelProviderStakeTooLow(uint256 stake, uint256 required);
    /// @notice Only the TaskManager contract may call this.
    error OnlyTaskManager();
    /// @notice The model's status does not allow this change.
    /// @param current what holds now
    error BadModelStatus(ModelStatus current);
    /// @notice The model provider's stake of `stake` suffices, so its model cannot be stopped for it.
    /// @param stake MLB, 18 decimals
    error ProviderStakeSufficient(uint256 stake);
    /// @notice The pricing value `name` is `value`, but must be between `least` and `most`.
    /// @param name which value
    /// @param value the value that was given
    /// @param least the least that is allowed
    /// @param most the most that is allowed
    error BadPricing(string name, uint256 value, uint256 least, uint256 most);

    /// @notice A model was registered.
    /// @param modelId id of the model
    /// @param provider who registered the model
    /// @param ipfsHash CIDv1 text of the manifest
    /// @param pricePerInference wei for a task, the provider's own price
    /// @param policy how results are compared
    /// @param execClass hash of the execution class
    /// @param name name of the model, as its provider gives it
    event ModelRegistered(
        bytes32 indexed modelId,
        address indexed provider,
        string ipfsHash,
        uint256 pricePerInference,
        Policy policy,
        bytes32 execClass,
        string name
    );
    /// @notice A provider changed its own price.
    /// @param modelId id of the model
    /// @param pricePerInference wei for a task, the provider's own price
    event ModelPriceChanged(bytes32 indexed modelId, uint256 pricePerInference);
    /// @notice A model takes tasks again, or takes none.
    /// @param modelId id of the model
    /// @param status where it stands
    event ModelStatusChanged(bytes32 indexed modelId, ModelStatus status);
    /// @notice Judges came to no verdict about a model's results.
    /// @param modelId id of the model
    /// @param taskId id of the task
    /// @param flags how often it was flagged
    event ModelFlagged(bytes32 indexed modelId, bytes32 indexed taskId, uint256 flags);
    /// @notice A model's reputation moved.
    /// @param modelId id of the model
    /// @param reputation basis points
    event ModelReputationChanged(bytes32 indexed modelId, uint256 reputation);
    /// @notice The price of a model moved with demand, from this epoch on; seen at its next order.
    /// @param modelId id of the model
    /// @param epoch number of the epoch
    /// @param multiple price over the provider's own, in millionths
    event ModelPriceMoved(bytes32 indexed modelId, uint256 epoch, uint256 multiple);
    /// @notice Another number of accounts can be drawn for a model.
    /// @param modelId id of the model
    /// @param providers accounts that serve the model
    event ModelProvidersChanged(bytes32 indexed modelId, uint256 providers);
    /// @notice Prices move with demand in another way.
    /// @param pricing how prices move with demand
    event PricingChanged(Pricing pricing);

    /// @param metadata abi.encode(uint8 policy, bytes32 execClass, string name)
    /// @param ipfsHash CIDv1 text of the manifest
    /// @param pricePerInference wei for a task, the provider's own price
    /// @return modelId id of the model
    function registerModel(string calldata ipfsHash, uint256 pricePerInference, bytes calldata metadata)
        external
        returns (bytes32 modelId);

    /// @notice A model as the white paper prints it.
    /// @param modelId id of the model
    /// @return id the id that was asked for
    /// @return provider who registered the model
    /// @return ipfsHash CIDv1 text of the manifest
    /// @return pricePerInference wei for a task, the provider's own price
    /// @return status where it stands
    /// @return reputation basis points
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
    /// @notice A model of a provider.
    /// @param provider who registered the model
    /// @param index position among the provider's models, from 0
    function providerModels(address provider, uint256 index) external view returns (bytes32);
    /// @notice Models registered so far.
    function modelCount() external view returns (uint256);
    /// @notice The model in a place of the registry.
    /// @param index position in the registry, from 1
    function modelAt(uint32 index) external view returns (bytes32 modelId);
    /// @notice Hash of a model's execution class.
    /// @param modelId id of the model
    function execClassOf(bytes32 modelId) external view returns (bytes32);
    /// @notice Terms as they stand now; the price is the moving one.
    /// @param modelId id of the model
    function terms(bytes32 modelId) external view returns (Terms memory);
    /// @notice Id and terms of the model in a place of the registry.
    /// @param index position in the registry, from 1
    /// @return modelId id of the model
    /// @return its terms
    function termsAt(uint32 index) external view returns (bytes32 modelId, Terms memory);

    /// @notice A model's demand in the epoch of its last order.
    /// @param modelId id of the model
    function demandOf(bytes32 modelId) external view returns (Demand memory);
    /// @notice How prices move with demand.
    function pricing() external view returns (Pricing memory);
    /// @notice Counts epochs of the price from 1970.
    function priceEpoch() external view returns (uint256);
    /// @notice Basis points: the reputation of a provider's least trusted model; 10,000 while none was flagged.
    /// @param provider who registered the model
    function qualityOf(address provider) external view returns (uint256);

    /// @notice By the model's provider: the floor from which demand moves the price.
    /// @param modelId id of the model
    /// @param pricePerInference wei for a task, the provider's own price
    function setPrice(bytes32 modelId, uint256 pricePerInference) external;
    /// @notice By the model's provider; resuming needs the model provider's minimum stake.
    /// @param modelId id of the model
    /// @param paused whether it is paused
    function setPaused(bytes32 modelId, bool paused) external;
    /// @notice Pause a model whose provider no longer holds the minimum stake; anyone.
    /// @param modelId id of the model
    function pauseUnderstaked(bytes32 modelId) external;
    /// @notice Governance only.
    /// @param modelId id of the model
    /// @param suspended whether governance stops it
    function setSuspended(bytes32 modelId, bool suspended) external;
    /// @notice Governance only.
    /// @dev Reverts with BadPricing outside of fixed limits.
    /// @param pricing_ how prices move with demand
    function setPricing(Pricing calldata pricing_) external;
    /// @notice Task manager only: a task of `seats` seats is submitted. Counts towards the price of the next epoch.
    /// @return what holds for this task
    /// @param modelId id of the model
    /// @param seats seats of the first committee
    function orderTask(bytes32 modelId, uint256 seats) external returns (Offer memory);
    /// @notice Task manager only: how many accounts can be drawn now, told at an order when that changed.
    /// @param modelId id of the model
    /// @param providers accounts that could be drawn
    function setProviders(bytes32 modelId, uint256 providers) external;
    /// @notice Task manager only: a task of `seats` seats was cancelled. Takes it off the demand of the present epoch, so
    /// that a price cannot be driven up by tasks that nobody pays for.
    /// @param index position in the registry, from 1
    /// @param seats seats of the first committee
    function cancelOrder(uint32 index, uint256 seats) external;
    /// @notice Task manager only: a task of this model ended without a verdict.
    /// @param index position in the registry, from 1
    /// @param taskId task whose judges came to no verdict
    function flag(uint32 index, bytes32 taskId) external;
}
