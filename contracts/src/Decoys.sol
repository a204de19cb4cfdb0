// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Blockhash} from "@openzeppelin/contracts/utils/Blockhash.sol";

import {IDecoys} from "./interfaces/IDecoys.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IReviewer, Review} from "./interfaces/IReviewer.sol";
import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {ITaskManager} from "./interfaces/ITaskManager.sol";
import {DecoyMath} from "./libraries/DecoyMath.sol";
import {Hashing} from "./libraries/Hashing.sol";

/// @title Cases with planted wrong results
/// @notice Pays authors from the MLB that it holds, as long as there are any; whoever wants decoys sends it some.
contract Decoys is IDecoys, AccessManaged {
    using SafeERC20 for IERC20;

    uint256 private constant COUNT = DecoyMath.CANDIDATES;
    uint8 private constant ALL = 7;
    uint8 private constant PANEL = 5;
    uint256 private constant RANDOMNESS_DELAY = 2;
    /// @dev How many listed authors a draw looks at before it gives up.
    uint256 private constant PROBES = 32;
    /// @dev What an author that did not do its work loses, in judges' fees.
    uint256 private constant AUTHOR_FINE = 3;
    /// @dev What a careless vote costs, in judges' fees: as much as RewardDistributor.fine takes for three of them.
    uint256 private constant CARELESS_FINE = 5;
    uint32 private constant SHORTEST = 1 minutes;
    uint32 private constant LONGEST = 30 days;

    /// @notice MLB.
    IERC20 public immutable token;
    /// @notice Keeps accounts and takes fines.
    IRewardDistributor public immutable distributor;
    /// @notice Has panels judge.
    ITaskManager public immutable taskManager;
    /// @notice Knows the models.
    IModelRegistry public immutable registry;

    /// @notice Seconds between two cases of a model.
    uint32 public interval;
    /// @notice Seconds in which authors bring results, and in which they open secrets.
    uint32 public window;
    /// @notice Cases so far; ids count from 1.
    uint256 public caseCount;
    mapping(uint256 caseId => Case) private _cases;
    mapping(bytes32 reviewId => uint256) private _caseOf;
    mapping(bytes32 modelId => uint256) private _lastAt;
    /// @dev A list a model: whoever is on it said that it runs that model, so nobody is drawn, and fined, for another's.
    mapping(bytes32 modelId => uint32[]) private _lists;
    mapping(bytes32 modelId => mapping(uint32 account => Author)) private _authors;
    /// @dev Cases that wait for their draw. Their randomness may be known, so list and secrets hold still meanwhile.
    mapping(bytes32 modelId => uint256) private _armed;

    /// @notice Deploy for these neighbours; the addresses are fixed for ever.
    /// @param authority the AccessManager
    /// @param token_ the MLB token
    /// @param distributor_ stakes, reputation and credits
    /// @param taskManager_ runs the tasks
    /// @param registry_ models and their terms
    /// @param window_ bit i: sequence floor + i was settled by itself
    /// @param interval_ seconds between two cases
    constructor(
        address authority,
        address token_,
        address distributor_,
        address taskManager_,
        address registry_,
        uint32 interval_,
        uint32 window_
    ) AccessManaged(authority) {
        if (authority == address(0) || token_ == address(0) || distributor_ == address(0)) {
            revert ZeroAddress();
        }
        if (taskManager_ == address(0) || registry_ == address(0)) revert ZeroAddress();
        token = IERC20(token_);
        distributor = IRewardDistributor(distributor_);
        taskManager = ITaskManager(taskManager_);
        registry = IModelRegistry(registry_);
        _setTimes(interval_, window_);
    }

    // ---- authors ----

    /// @inheritdoc IDecoys
    function enlist(bytes32 modelId, uint32 account, bytes32 anchor) external {
        _requireOwn(account);
        bool able = account & 1 == 1 && distributor.weightOf(account) != 0 && taskManager.isServing(modelId, account);
        if (!able) revert NotVerifier(account);
        if (anchor == 0) revert ZeroAnchor();
        Author storage author = _idle(modelId, account);
        author.anchor = anchor;
        if (author.index == 0) {
            _lists[modelId].push(account);
            author.index = uint32(_lists[modelId].length);
        }
        emit AuthorListed(modelId, account, anchor);
    }

    /// @inheritdoc IDecoys
    function retire(bytes32 modelId, uint32 account) external {
        _requireOwn(account);
        Author storage author = _idle(modelId, account);
        if (author.index == 0) revert NotVerifier(account);
        uint32[] storage list = _lists[modelId];
        uint32 moved = list[list.length - 1];
        list[author.index - 1] = moved;
        _authors[modelId][moved].index = author.index;
        list.pop();
        delete _authors[modelId][account];
        emit AuthorRetired(modelId, account);
    }

    /// @inheritdoc IDecoys
    function bring(uint256 caseId, uint256 index, bytes calldata result) external {
        Case storage found = _inPhase(caseId, Phase.Submitting);
        if (index >= COUNT) revert BadIndex(index);
        _requireOwn(found.authors[index]);
        if (block.timestamp > found.until) revert TooLate(found.until);
        if (found.submitted >> index & 1 == 1) revert AlreadyDone(index);
        _requireInline(result);
        bytes32 root = Hashing.payloadRoot(result);
        found.roots[index] = root;
        found.submitted |= uint8(1 << index);
        emit CandidateBrought(caseId, index, root, result);
    }

    // ---- anyone ----

    /// @inheritdoc IDecoys
    function openCase(bytes32 modelId, bytes calldata inputData) external returns (uint256 caseId) {
        uint256 earliest = _lastAt[modelId] + interval;
        if (block.timestamp < earliest) revert TooSoon(earliest);
        _requireInline(inputData);
        _lastAt[modelId] = block.timestamp;
        caseId = ++caseCount;
        ++_armed[modelId];
        Case storage found = _cases[caseId];
        found.phase = Phase.Armed;
        found.until = uint64(block.number + RANDOMNESS_DELAY);
        found.model = registry.terms(modelId).index;
        (found.modelId, found.inputHash) = (modelId, keccak256(inputData));
        emit CaseOpened(caseId, modelId, inputData, found.until);
    }

    /// @inheritdoc IDecoys
    function drawAuthors(uint256 caseId) external {
        Case storage found = _inPhase(caseId, Phase.Armed);
        if (block.number <= found.until) revert NotYet(found.until);
        bytes32 modelId = found.modelId;
        --_armed[modelId];
        bytes32 randomness = Blockhash.blockHash(found.until);
        uint32[] storage list = _lists[modelId];
        uint256 size = list.length;
        if (randomness == 0 || size < COUNT) return _void(caseId, found);
        bytes32 seed = keccak256(abi.encode(randomness, caseId));
        uint256 count;
        for (uint256 i; i < PROBES && count < COUNT; ++i) {
            uint32 account = list[uint256(keccak256(abi.encode(seed, i))) % size];
            if (_authors[modelId][account].busy || distributor.weightOf(account) == 0) continue;
            _authors[modelId][account].busy = true;
            found.authors[count++] = account;
        }
        if (count < COUNT) return _void(caseId, found);
        (found.seed, found.phase) = (seed, Phase.Submitting);
        found.until = uint64(block.timestamp + window);
        emit AuthorsDrawn(caseId, found.authors, seed, found.until);
    }

    /// @inheritdoc IDecoys
    function callPanel(uint256 caseId, bytes calldata inputData, bytes[] calldata results) external {
        Case storage found = _inPhase(caseId, Phase.Submitting);
        uint8 submitted = found.submitted;
        if (submitted != ALL && block.timestamp <= found.until) revert NotYet(found.until);
        // Fewer candidates would not be the case that the arithmetic is about; and authors are not held for ever by a model
        // whose reserve cannot pay a panel.
        if (submitted != ALL || block.timestamp > found.until + window) return _void(caseId, found);
        if (keccak256(inputData) != found.inputHash) revert ContentDiffers(found.inputHash, keccak256(inputData));
        if (results.length != COUNT) revert BadIndex(results.length);
        Review memory review;
        (review.modelId, review.seats, review.salt) = (found.modelId, PANEL, bytes32(caseId));
        (review.inputData, review.candidates) = (inputData, results);
        review.authors = new uint32[](COUNT);
        for (uint256 i; i < COUNT; ++i) {
            _requireInline(results[i]);
            bytes32 root = Hashing.payloadRoot(results[i]);
            if (root != found.roots[i]) revert ContentDiffers(found.roots[i], root);
            review.authors[i] = found.authors[i];
        }
        found.phase = Phase.Judging;
        found.fee = uint96(distributor.judgeFee());
        bytes32 reviewId = taskManager.openReview(review);
        _caseOf[reviewId] = caseId;
        emit PanelCalled(caseId, reviewId);
    }

    /// @inheritdoc IDecoys
    function openSecret(uint256 caseId, uint256 index, bytes32 secret) external {
        Case storage found = _inPhase(caseId, Phase.Opening);
        if (index >= COUNT) revert BadIndex(index);
        if (block.timestamp > found.until) revert TooLate(found.until);
        if (found.opened >> index & 1 == 1) revert AlreadyDone(index);
        Author storage author = _authors[found.modelId][found.authors[index]];
        if (keccak256(abi.encode(secret)) != author.anchor) revert WrongSecret(author.anchor);
        author.anchor = secret;
        bool decoy = DecoyMath.isDecoy(secret, found.seed);
        found.opened |= uint8(1 << index);
        if (decoy) found.decoys |= uint8(1 << index);
        emit SecretOpened(caseId, index, secret, decoy);
    }

    /// @inheritdoc IDecoys
    function settle(uint256 caseId, uint32[] calldata accounts, bytes32[] calldata values, uint256 revealed) external {
        Case memory found = _inPhase(caseId, Phase.Opening);
        if (found.opened != ALL && block.timestamp <= found.until) revert NotYet(found.until);
        bytes32 given = Hashing.ballot(accounts, values, revealed);
        if (given != found.votes) revert ContentDiffers(found.votes, given);
        _end(caseId);
        uint256 careless;
        for (uint256 seat; seat < accounts.length; ++seat) {
            if (revealed >> seat & 1 == 0) continue;
            uint256 count = _careless(found, uint256(values[seat]));
            if (count == 0) continue;
            careless += count;
            distributor.fine(accounts[seat], bytes32(caseId), found.model, count * CARELESS_FINE * found.fee);
        }
        emit CaseEnded(caseId, careless);
        for (uint256 i; i < COUNT; ++i) {
            _settleAuthor(caseId, found, i);
        }
    }

    // ---- TaskManager only ----

    /// @inheritdoc IReviewer
    function onVerdict(bytes32 taskId, bytes32, uint256 accepted, uint256 rejected, bytes32 ballot) external {
        if (msg.sender != address(taskManager)) revert OnlyTaskManager();
        uint256 caseId = _caseOf[taskId];
        Case storage found = _cases[caseId];
        found.phase = Phase.Opening;
        found.until = uint64(block.timestamp + window);
        (found.accepted, found.rejected) = (uint8(accepted), uint8(rejected));
        found.votes = ballot;
        emit PanelVoted(caseId, found.accepted, found.rejected, found.until);
    }

    /// @inheritdoc IReviewer
    function onNoVerdict(bytes32 taskId) external {
        if (msg.sender != address(taskManager)) revert OnlyTaskManager();
        uint256 caseId = _caseOf[taskId];
        _end(caseId);
        emit CaseVoid(caseId);
    }

    // ---- governance ----

    /// @inheritdoc IDecoys
    function setTimes(uint32 interval_, uint32 window_) external restricted {
        _setTimes(interval_, window_);
    }

    // ---- views ----

    /// @inheritdoc IDecoys
    function cases(uint256 caseId) external view returns (Case memory) {
        return _cases[caseId];
    }

    /// @inheritdoc IDecoys
    function authors(bytes32 modelId, uint32 account) external view returns (Author memory) {
        return _authors[modelId][account];
    }

    /// @inheritdoc IDecoys
    function authorCount(bytes32 modelId) external view returns (uint256) {
        return _lists[modelId].length;
    }

    // ---- internal ----

    /// @dev How many candidates a judge was careless about.
    function _careless(Case memory found, uint256 votes) private pure returns (uint256 count) {
        for (uint256 i; i < COUNT; ++i) {
            bool decoy = found.decoys >> i & 1 == 1;
            if (DecoyMath.isCareless(votes >> (2 * i) & 3, decoy, found.accepted >> i & 1 == 1)) ++count;
        }
    }

    /// @dev A decoy that no other decoy agreed with could not mislead anybody, so where there are two it earns nothing.
    function _settleAuthor(uint256 caseId, Case memory found, uint256 index) private {
        uint32 account = found.authors[index];
        bool decoy = found.decoys >> index & 1 == 1;
        bool accepted = found.accepted >> index & 1 == 1;
        bool opened = found.opened >> index & 1 == 1;
        // Where the panel decided nothing, a secret that stays hidden would hide who was careless.
        bool hidden = !opened && !accepted;
        if (hidden || !DecoyMath.isGoodAuthor(decoy, accepted, found.rejected >> index & 1 == 1)) {
            distributor.fine(account, bytes32(caseId), found.model, AUTHOR_FINE * found.fee);
            return;
        }
        if (!opened || found.fee == 0) return;
        if (decoy ? !_agrees(found, index) : !accepted) return;
        if (token.balanceOf(address(this)) < found.fee) return;
        emit AuthorPaid(account, found.fee);
        token.safeTransfer(distributor.accounts(account).operator, found.fee);
    }

    function _agrees(Case memory found, uint256 index) private pure returns (bool) {
        uint256 others;
        for (uint256 i; i < COUNT; ++i) {
            if (i == index || found.decoys >> i & 1 == 0) continue;
            if (found.roots[i] == found.roots[index]) return true;
            ++others;
        }
        return others == 0;
    }

    /// @dev Whoever was drawn and brought nothing is fined as an author that did not do its work.
    function _void(uint256 caseId, Case storage found) private {
        bool late = found.phase == Phase.Submitting;
        uint8 submitted = found.submitted;
        _end(caseId);
        emit CaseVoid(caseId);
        if (!late) return;
        uint256 amount = AUTHOR_FINE * distributor.judgeFee();
        for (uint256 i; i < COUNT; ++i) {
            if (submitted >> i & 1 == 0) distributor.fine(found.authors[i], bytes32(caseId), found.model, amount);
        }
    }

    function _end(uint256 caseId) private {
        Case storage found = _cases[caseId];
        found.phase = Phase.Ended;
        for (uint256 i; i < COUNT; ++i) {
            if (found.authors[i] != 0) _authors[found.modelId][found.authors[i]].busy = false;
        }
    }

    function _inPhase(uint256 caseId, Phase wanted) private view returns (Case storage found) {
        found = _cases[caseId];
        if (found.phase != wanted) revert WrongPhase(caseId, found.phase);
    }

    /// @dev An author that may leave or change its secrets now.
    function _idle(bytes32 modelId, uint32 account) private view returns (Author storage author) {
        if (_armed[modelId] != 0) revert DrawPending(_armed[modelId]);
        author = _authors[modelId][account];
        if (author.busy) revert AuthorBusy(account);
    }

    /// @dev What lies elsewhere can be withheld, and then judges and authors would be fined for what they cannot see.
    function _requireInline(bytes calldata content) private pure {
        if (!Hashing.wellFormed(content) || Hashing.isPointer(content)) revert BadInput();
    }

    function _requireOwn(uint32 account) private view {
        if (distributor.accounts(account).operator != msg.sender) revert NotAuthor(account, msg.sender);
    }

    function _setTimes(uint32 interval_, uint32 window_) private {
        bool short = interval_ < SHORTEST || window_ < SHORTEST;
        if (short || interval_ > LONGEST || window_ > LONGEST) revert BadTimes(interval_, window_);
        (interval, window) = (interval_, window_);
        emit TimesChanged(interval_, window_);
    }
}
