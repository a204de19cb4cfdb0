// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IModelRegistry, ModelStatus} from "./interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {Policy, Role} from "./interfaces/Types.sol";

/// @title Models, their manifests and terms
/// @notice A model is its provider and its manifest: changing either makes another model, so a task that names a
/// model id names exactly what is to run, how results are compared and in which execution class.
contract ModelRegistry is IModelRegistry, AccessManaged {
    /// @dev What a task needs lies in the first two slots.
    struct Record {
        address provider;
        uint96 price;
        Policy policy;
        bool paused; // by its provider or for lack of its stake
        bool suspended; // by governance; kept apart, so that lifting it restores the provider's own choice
        uint32 index; // from 1
        uint16 reputation; // basis points
        uint32 flags; // tasks without a verdict
        bytes32 execClass;
        string ipfsHash;
    }

    uint256 private constant MAX_CID = 128;
    uint256 private constant MAX_NAME = 64;
    uint256 private constant FULL_REPUTATION = 10_000;

    /// @notice Flags models.
    address public immutable taskManager;
    /// @notice Keeps the stake of model providers.
    IRewardDistributor public immutable distributor;

    mapping(bytes32 modelId => Record) private _models;
    bytes32[] private _ids;
    mapping(address provider => bytes32[]) private _byProvider;

    error ZeroAddress();

    /// @param authority AccessManager of `setSuspended`
    constructor(address authority, address taskManager_, address distributor_) AccessManaged(authority) {
        if (authority == address(0) || taskManager_ == address(0) || distributor_ == address(0)) {
            revert ZeroAddress();
        }
        taskManager = taskManager_;
        distributor = IRewardDistributor(distributor_);
    }

    // ---- model providers ----

    /// @inheritdoc IModelRegistry
    function registerModel(string calldata ipfsHash, uint256 pricePerInference, bytes calldata metadata)
        external
        returns (bytes32 modelId)
    {
        _requireStake(msg.sender);
        if (bytes(ipfsHash).length > MAX_CID || !_isText(bytes(ipfsHash), "!")) revert BadManifestCid();
        (Policy policy, bytes32 execClass, string memory name) = _decode(metadata);

        modelId = keccak256(abi.encode(block.chainid, address(this), msg.sender, ipfsHash));
        Record storage model = _models[modelId];
        if (model.index != 0) revert ModelExists(modelId);
        _ids.push(modelId);
        _byProvider[msg.sender].push(modelId);
        model.provider = msg.sender;
        model.price = _price(pricePerInference);
        model.policy = policy;
        model.index = uint32(_ids.length);
        model.reputation = uint16(FULL_REPUTATION);
        model.execClass = execClass;
        model.ipfsHash = ipfsHash;
        emit ModelRegistered(modelId, msg.sender, ipfsHash, pricePerInference, policy, execClass, name);
    }

    /// @inheritdoc IModelRegistry
    function setPrice(bytes32 modelId, uint256 pricePerInference) external {
        _ownModel(modelId).price = _price(pricePerInference);
        emit ModelPriceChanged(modelId, pricePerInference);
    }

    /// @inheritdoc IModelRegistry
    function setPaused(bytes32 modelId, bool paused) external {
        Record storage model = _ownModel(modelId);
        ModelStatus current = _statusOf(model);
        if (current != (paused ? ModelStatus.Active : ModelStatus.Paused)) revert BadModelStatus(current);
        if (!paused) _requireStake(msg.sender);
        model.paused = paused;
        emit ModelStatusChanged(modelId, _statusOf(model));
    }

    // ---- anyone ----

    /// @inheritdoc IModelRegistry
    /// @dev Checked here and not at every task: a task would pay for it, and only leaving a model on offer after
    /// unbonding needs an answer.
    function pauseUnderstaked(bytes32 modelId) external {
        Record storage model = _known(modelId);
        ModelStatus current = _statusOf(model);
        if (current != ModelStatus.Active) revert BadModelStatus(current);
        uint256 stake = distributor.stakeOf(model.provider, Role.ModelProvider);
        if (stake >= distributor.minimumStake(Role.ModelProvider)) revert ProviderStakeSufficient(stake);
        model.paused = true;
        emit ModelStatusChanged(modelId, ModelStatus.Paused);
    }

    // ---- governance ----

    /// @inheritdoc IModelRegistry
    function setSuspended(bytes32 modelId, bool suspended) external restricted {
        Record storage model = _known(modelId);
        if (model.suspended == suspended) revert BadModelStatus(_statusOf(model));
        model.suspended = suspended;
        emit ModelStatusChanged(modelId, _statusOf(model));
    }

    // ---- task manager ----

    /// @inheritdoc IModelRegistry
    /// @dev A model whose results judges cannot agree on is worth less trust: each such task takes a quarter of its
    /// reputation. Nothing raises it again; a corrected manifest is a new model.
    function flag(uint32 index, bytes32 taskId) external {
        if (msg.sender != taskManager) revert OnlyTaskManager();
        bytes32 modelId = modelAt(index);
        Record storage model = _models[modelId];
        uint256 reputation = uint256(model.reputation) * 3 / 4;
        model.reputation = uint16(reputation);
        uint32 flags = model.flags + 1;
        model.flags = flags;
        emit ModelFlagged(modelId, taskId, flags);
        emit ModelReputationChanged(modelId, reputation);
    }

    // ---- views ----

    /// @inheritdoc IModelRegistry
    /// @dev All zero for an unknown model.
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
        )
    {
        Record storage model = _models[modelId];
        if (model.index == 0) return (0, address(0), "", 0, ModelStatus.None, 0);
        return (modelId, model.provider, model.ipfsHash, model.price, _statusOf(model), model.reputation);
    }

    /// @inheritdoc IModelRegistry
    function providerModels(address provider, uint256 index) external view returns (bytes32) {
        return _byProvider[provider][index];
    }

    /// @inheritdoc IModelRegistry
    function modelCount() external view returns (uint256) {
        return _ids.length;
    }

    /// @inheritdoc IModelRegistry
    function modelAt(uint32 index) public view returns (bytes32 modelId) {
        if (index == 0 || index > _ids.length) revert UnknownModel(bytes32(uint256(index)));
        return _ids[index - 1];
    }

    /// @inheritdoc IModelRegistry
    function execClassOf(bytes32 modelId) external view returns (bytes32) {
        return _known(modelId).execClass;
    }

    /// @inheritdoc IModelRegistry
    function terms(bytes32 modelId) public view returns (Terms memory) {
        Record storage model = _known(modelId);
        return Terms({
            index: model.index,
            provider: model.provider,
            price: model.price,
            policy: model.policy,
            active: !model.paused && !model.suspended
        });
    }

    /// @inheritdoc IModelRegistry
    function termsAt(uint32 index) external view returns (bytes32 modelId, Terms memory) {
        modelId = modelAt(index);
        return (modelId, terms(modelId));
    }

    // ---- internal ----

    function _known(bytes32 modelId) private view returns (Record storage model) {
        model = _models[modelId];
        if (model.index == 0) revert UnknownModel(modelId);
    }

    function _ownModel(bytes32 modelId) private view returns (Record storage model) {
        model = _known(modelId);
        if (model.provider != msg.sender) revert NotModelProvider(modelId, msg.sender);
    }

    function _requireStake(address provider) private view {
        uint256 stake = distributor.stakeOf(provider, Role.ModelProvider);
        uint256 required = distributor.minimumStake(Role.ModelProvider);
        if (stake < required) revert ModelProviderStakeTooLow(stake, required);
    }

    function _statusOf(Record storage model) private view returns (ModelStatus) {
        if (model.suspended) return ModelStatus.Suspended;
        return model.paused ? ModelStatus.Paused : ModelStatus.Active;
    }

    function _price(uint256 price) private pure returns (uint96) {
        if (price > type(uint96).max) revert PriceTooHigh(price);
        return uint96(price);
    }

    /// @dev abi.encode(uint8 policy, bytes32 execClass, string name) in its one canonical form. Read word by word: a
    /// malformed blob then fails with an error of ours and not with an empty revert.
    function _decode(bytes calldata metadata) private pure returns (Policy policy, bytes32 execClass, string memory) {
        if (metadata.length < 128) revert BadMetadata();
        uint256 rawPolicy = uint256(bytes32(metadata[0:32]));
        uint256 offset = uint256(bytes32(metadata[64:96]));
        uint256 size = uint256(bytes32(metadata[96:128]));
        if (rawPolicy == 0 || rawPolicy > uint256(type(Policy).max) || offset != 96) revert BadMetadata();
        if (size > MAX_NAME || metadata.length != 128 + (size + 31) / 32 * 32) revert BadMetadata();
        bytes calldata name = metadata[128:128 + size];
        if (size != 0 && !_isText(name, " ")) revert BadMetadata();
        return (Policy(rawPolicy), bytes32(metadata[32:64]), string(name));
    }

    /// @dev Not empty, and printable ASCII from `lowest` on. Clients decode event strings as UTF-8; one model with a
    /// broken string must not stop those that read the registry's log.
    function _isText(bytes calldata text, bytes1 lowest) private pure returns (bool) {
        for (uint256 i; i < text.length; ++i) {
            if (text[i] < lowest || text[i] > "~") return false;
        }
        return text.length != 0;
    }
}
