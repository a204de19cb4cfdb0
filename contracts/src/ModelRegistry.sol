// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IModelRegistry, ModelStatus} from "./interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {Policy, Role} from "./interfaces/Types.sol";
import {DemandPrice} from "./libraries/DemandPrice.sol";
import {Facts, FactsWord} from "./libraries/ModelWords.sol";

/// @title Models, their manifests and terms
/// @notice A model is its provider and its manifest: changing either makes another model, so a task that names a
/// model id names exactly what is to run, how results are compared and in which execution class.
contract ModelRegistry is IModelRegistry, AccessManaged {
    /// @notice One model's terms and history.
    /// @param facts packed facts, see FactsWord
    /// @param provider who registered the model
    /// @param reputation basis points
    /// @param flags tasks without a verdict
    /// @param execClass hash of the execution class
    /// @param ipfsHash CIDv1 text of the manifest
    struct Record {
        Facts facts;
        address provider;
        uint16 reputation;
        uint32 flags;
        bytes32 execClass;
        string ipfsHash;
    }

    /// @dev By its provider or for lack of its stake; by governance. Kept apart, so that lifting a suspension restores the
    /// provider's own choice.
    uint256 private constant PAUSED = 1;
    uint256 private constant SUSPENDED = 2;

    uint256 private constant MAX_CID = 128;
    uint256 private constant MAX_NAME = 64;
    uint256 private constant FULL_REPUTATION = 10_000;
    uint256 private constant MOST_SEATS_PER_PROVIDER = 1_000_000;
    /// @dev A hundred times the provider's own price.
    uint256 private constant HIGHEST_CEILING = 100 * DemandPrice.ONE;

    /// @notice Flags models.
    address public immutable taskManager;
    /// @notice Keeps the stake of model providers.
    IRewardDistributor public immutable distributor;

    /// @notice Seconds of an epoch of the price.
    uint256 public immutable epochSeconds;

    Pricing private _pricing;
    mapping(bytes32 modelId => Record) private _models;
    bytes32[] private _ids;
    mapping(address provider => bytes32[]) private _byProvider;
    /// @dev What the least trusted model of a provider lacks of the full reputation.
    mapping(address provider => uint256) private _distrust;

    /// @notice An address argument is the zero address.
    error ZeroAddress();

    modifier onlyTaskManager() {
        if (msg.sender != taskManager) revert OnlyTaskManager();
        _;
    }

    /// @param authority AccessManager of `setSuspended` and `setPricing`
    /// @param epochSeconds_ time over which demand is counted; one step of a price
    /// @param taskManager_ runs the tasks
    /// @param distributor_ stakes, reputation and credits
    /// @param pricing_ how prices move with demand
    constructor(
        address authority,
        address taskManager_,
        address distributor_,
        uint256 epochSeconds_,
        Pricing memory pricing_
    ) AccessManaged(authority) {
        if (authority == address(0) || taskManager_ == address(0) || distributor_ == address(0)) {
            revert ZeroAddress();
        }
        taskManager = taskManager_;
        distributor = IRewardDistributor(distributor_);
        _require(epochSeconds_, 1, 1 days, "epochSeconds");
        epochSeconds = epochSeconds_;
        _setPricing(pricing_);
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
        if (model.facts.index() != 0) revert ModelExists(modelId);
        _ids.push(modelId);
        _byProvider[msg.sender].push(modelId);
        uint32 index = uint32(_ids.length);
        model.facts = FactsWord.make(index, _price(pricePerInference), policy, uint32(DemandPrice.ONE));
        model.provider = msg.sender;
        model.reputation = uint16(FULL_REPUTATION);
        model.execClass = execClass;
        model.ipfsHash = ipfsHash;
        emit ModelRegistered(modelId, msg.sender, ipfsHash, pricePerInference, policy, execClass, name);
    }

    /// @inheritdoc IModelRegistry
    function setPrice(bytes32 modelId, uint256 pricePerInference) external {
        Record storage model = _ownModel(modelId);
        model.facts = model.facts.withPrice(_price(pricePerInference));
        emit ModelPriceChanged(modelId, pricePerInference);
    }

    /// @inheritdoc IModelRegistry
    function setPaused(bytes32 modelId, bool paused) external {
        Record storage model = _ownModel(modelId);
        ModelStatus current = _statusOf(model);
        if (current != (paused ? ModelStatus.Active : ModelStatus.Paused)) revert BadModelStatus(current);
        if (!paused) _requireStake(msg.sender);
        model.facts = model.facts.toggled(PAUSED);
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
        model.facts = model.facts.toggled(PAUSED);
        emit ModelStatusChanged(modelId, ModelStatus.Paused);
    }

    // ---- governance ----

    /// @inheritdoc IModelRegistry
    function setSuspended(bytes32 modelId, bool suspended) external restricted {
        Record storage model = _known(modelId);
        if ((model.facts.halts() & SUSPENDED != 0) == suspended) revert BadModelStatus(_statusOf(model));
        model.facts = model.facts.toggled(SUSPENDED);
        emit ModelStatusChanged(modelId, _statusOf(model));
    }

    /// @inheritdoc IModelRegistry
    function setPricing(Pricing calldata pricing_) external restricted {
        _setPricing(pricing_);
    }

    // ---- task manager ----

    /// @inheritdoc IModelRegistry
    /// @dev One word is read and written. What demand makes of the price is known from the epochs before, so nobody's own
    /// order moves the price that it pays.
    function orderTask(bytes32 modelId, uint256 seats) external onlyTaskManager returns (Offer memory) {
        Record storage model = _models[modelId];
        Facts facts = model.facts;
        if (facts.index() == 0) revert UnknownModel(modelId);
        facts = _counted(modelId, facts, int256(seats));
        model.facts = facts;
        // A bit for each reason to halt, set and lifted through this contract alone: zero says that there is none.
        // slither-disable-next-line incorrect-equality
        return Offer({
            index: facts.index(),
            price: DemandPrice.price(facts.price(), facts.multiple()),
            policy: facts.halts() == 0 ? facts.policy() : Policy.None,
            providers: facts.providers()
        });
    }

    /// @inheritdoc IModelRegistry
    function setProviders(bytes32 modelId, uint256 providers) external onlyTaskManager {
        Record storage model = _known(modelId);
        model.facts =
            model.facts.withProviders(providers > FactsWord.MAX_PROVIDERS ? FactsWord.MAX_PROVIDERS : providers);
        emit ModelProvidersChanged(modelId, providers);
    }

    /// @inheritdoc IModelRegistry
    function cancelOrder(uint32 index, uint256 seats) external onlyTaskManager {
        bytes32 modelId = modelAt(index);
        Record storage model = _models[modelId];
        model.facts = _counted(modelId, model.facts, -int256(seats));
    }

    /// @inheritdoc IModelRegistry
    /// @dev A model whose results judges cannot agree on is worth less trust: each such task takes a quarter of its
    /// reputation. Nothing raises it again; a corrected manifest is a new model.
    function flag(uint32 index, bytes32 taskId) external onlyTaskManager {
        bytes32 modelId = modelAt(index);
        Record storage model = _models[modelId];
        uint256 reputation = uint256(model.reputation) * 3 / 4;
        model.reputation = uint16(reputation);
        if (FULL_REPUTATION - reputation > _distrust[model.provider]) {
            _distrust[model.provider] = FULL_REPUTATION - reputation;
        }
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
        if (model.facts.index() == 0) return (0, address(0), "", 0, ModelStatus.None, 0);
        return (modelId, model.provider, model.ipfsHash, model.facts.price(), _statusOf(model), model.reputation);
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
        Facts facts = model.facts;
        return Terms({
            index: facts.index(),
            provider: model.provider,
            price: DemandPrice.price(facts.price(), _multipleAt(facts, priceEpoch())),
            policy: facts.policy(),
            active: facts.halts() == 0
        });
    }

    /// @inheritdoc IModelRegistry
    function termsAt(uint32 index) external view returns (bytes32 modelId, Terms memory) {
        modelId = modelAt(index);
        return (modelId, terms(modelId));
    }

    /// @inheritdoc IModelRegistry
    function demandOf(bytes32 modelId) external view returns (Demand memory) {
        Facts facts = _known(modelId).facts;
        return Demand(facts.multiple(), facts.epoch(), facts.ordered(), facts.providers());
    }

    /// @inheritdoc IModelRegistry
    function pricing() external view returns (Pricing memory) {
        return _pricing;
    }

    /// @inheritdoc IModelRegistry
    function priceEpoch() public view returns (uint256) {
        return block.timestamp / epochSeconds;
    }

    /// @inheritdoc IModelRegistry
    function qualityOf(address provider) external view returns (uint256) {
        return FULL_REPUTATION - _distrust[provider];
    }

    // ---- internal ----

    function _known(bytes32 modelId) private view returns (Record storage model) {
        model = _models[modelId];
        if (model.facts.index() == 0) revert UnknownModel(modelId);
    }

    function _ownModel(bytes32 modelId) private view returns (Record storage model) {
        model = _known(modelId);
        if (model.provider != msg.sender) revert NotModelProvider(modelId, msg.sender);
    }

    /// @dev Moves the price to this epoch, if the last order was in another, and counts the seats. The count stops at the
    /// bounds of its field.
    function _counted(bytes32 modelId, Facts facts, int256 seats) private returns (Facts) {
        uint256 epoch = priceEpoch();
        if (facts.epoch() != epoch) {
            uint256 multiple = _multipleAt(facts, epoch);
            if (multiple != facts.multiple()) emit ModelPriceMoved(modelId, epoch, multiple);
            facts = facts.moved(epoch, multiple);
        }
        seats += facts.ordered();
        if (seats > type(int24).max) seats = type(int24).max;
        if (seats < type(int24).min) seats = type(int24).min;
        return facts.withOrdered(seats);
    }

    /// @dev The multiple that holds in an epoch, which is not before that of the last order.
    function _multipleAt(Facts facts, uint256 epoch) private view returns (uint256 multiple) {
        multiple = facts.multiple();
        uint256 last = facts.epoch();
        // Both are numbers of epochs, and every later one is dealt with below.
        // slither-disable-next-line incorrect-equality
        if (last == epoch) return multiple;
        // A quiet model stays at its floor under any pricing, so the common case reads no more.
        if (multiple == DemandPrice.ONE && facts.ordered() <= int256(facts.providers())) return multiple;
        Pricing memory pricing_ = _pricing;
        uint256 capacity = facts.providers() * pricing_.seatsPerProvider;
        multiple = DemandPrice.next(multiple, facts.ordered(), capacity, pricing_.ceiling);
        return DemandPrice.decayed(multiple, epoch - last - 1);
    }

    function _setPricing(Pricing memory pricing_) private {
        _require(pricing_.seatsPerProvider, 1, MOST_SEATS_PER_PROVIDER, "seatsPerProvider");
        _require(pricing_.ceiling, DemandPrice.ONE, HIGHEST_CEILING, "ceiling");
        _pricing = pricing_;
        emit PricingChanged(pricing_);
    }

    function _require(uint256 value, uint256 least, uint256 most, string memory name) private pure {
        if (value < least || value > most) revert BadPricing(name, value, least, most);
    }

    function _requireStake(address provider) private view {
        uint256 stake = distributor.stakeOf(provider, Role.ModelProvider);
        uint256 required = distributor.minimumStake(Role.ModelProvider);
        if (stake < required) revert ModelProviderStakeTooLow(stake, required);
    }

    function _statusOf(Record storage model) private view returns (ModelStatus) {
        uint256 halts = model.facts.halts();
        if (halts & SUSPENDED != 0) return ModelStatus.Suspended;
        return halts & PAUSED != 0 ? ModelStatus.Paused : ModelStatus.Active;
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
        // The encoding pads the name to whole words.
        // slither-disable-next-line divide-before-multiply
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
