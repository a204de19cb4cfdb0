// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IConsensusVerifier} from "../interfaces/IConsensusVerifier.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "../interfaces/IRewardDistributor.sol";
import {ITaskManager} from "../interfaces/ITaskManager.sol";
import {MAX_SEATS} from "../libraries/SeatPacking.sol";
import {HeadWord} from "../libraries/TaskWords.sol";

/// @title Neighbours, epochs and governed parameters
/// @notice First layer of the TaskManager and its modules. A task keeps the rules that it was submitted under: what it pays and how
/// long its phases last cannot change under its parties.
abstract contract Rules is AccessManaged {
    /// @dev What every task needs, in one slot.
    struct RunRules {
        uint72 seatFee;
        uint64 tip;
        uint24 commitWindow;
        uint24 revealWindow;
        uint24 minTaskTime;
        uint24 maxTaskTime;
        uint16 protocolFee;
        uint8 version;
    }

    /// @dev What only some tasks need.
    struct SizeRules {
        uint8 defaultSeats;
        uint8 firstJudgeSeats;
        uint8 lastJudgeSeats;
        uint8 maxRedraws;
        uint8 spareSeats;
        uint16 openSeats;
    }

    /// @dev Tips set aside for a task: enough for a draw, a redraw, a late reveal phase and one step more.
    uint256 internal constant TIPS = 4;
    uint256 internal constant MIN_SEATS = 3;
    uint256 internal constant BASIS = 10_000;
    /// @dev What fits beside the seats, so that the last commitment need not ask the rules.
    uint256 private constant MAX_REVEAL_WINDOW = (1 << 15) - 1;
    uint256 private constant MAX_PROTOCOL_FEE = 3_000;
    /// @dev Time within which somebody is expected to carry out a step that is due, when a task's life is bounded.
    uint256 private constant STEP_SLACK = 10 minutes;

    // Without a getter each: every function of the contract makes each call of it dearer.
    /// @dev The one caller of create, cancel, commit and reveal.
    address internal immutable bridge;
    /// @dev The one caller of applyVerdict.
    IConsensusVerifier internal immutable verifier;
    /// @dev Keeps stakes and credits.
    IRewardDistributor internal immutable distributor;
    /// @dev Keeps models and terms.
    IModelRegistry internal immutable registry;
    /// @notice Unix seconds at which epoch 1 began.
    uint256 public immutable genesis;
    /// @notice Length of an epoch.
    uint256 public immutable epochSeconds;

    RunRules internal _run;
    SizeRules internal _sizes;
    mapping(uint256 version => RunRules) internal _runAt;
    mapping(uint256 version => SizeRules) internal _sizesAt;

    modifier onlyBridge() {
        if (msg.sender != bridge) revert ITaskManager.OnlyMLBridge();
        _;
    }

    /// @param genesis_ the same for a TaskManager and its modules, which are created one after the other
    constructor(
        address bridge_,
        address verifier_,
        address distributor_,
        address registry_,
        uint256 epochSeconds_,
        uint256 genesis_
    ) {
        if (bridge_ == address(0)) revert ITaskManager.BadParameter("bridge");
        if (verifier_ == address(0)) revert ITaskManager.BadParameter("verifier");
        if (distributor_ == address(0)) revert ITaskManager.BadParameter("distributor");
        if (registry_ == address(0)) revert ITaskManager.BadParameter("registry");
        if (epochSeconds_ == 0) revert ITaskManager.BadParameter("epochSeconds");
        bridge = bridge_;
        verifier = IConsensusVerifier(verifier_);
        distributor = IRewardDistributor(distributor_);
        registry = IModelRegistry(registry_);
        genesis = genesis_;
        epochSeconds = epochSeconds_;
    }

    /// @dev At construction: the distributor may stand at an address that is only predicted so far.
    function _initParameters(ITaskManager.Parameters memory p) internal {
        address distributor_ = address(distributor);
        _setParameters(
            p, distributor_.code.length == 0 ? type(uint256).max : IRewardDistributor(distributor_).unbondingDelay()
        );
    }

    // ---- internal ----

    /// @dev What a TaskManager and its modules have to have in common.
    function _configuration() internal view returns (bytes32) {
        return keccak256(abi.encode(authority(), bridge, verifier, distributor, registry, epochSeconds, genesis));
    }

    /// @dev Counted from 1, so that the tag of a node that never changed is older than any epoch.
    function _epoch() internal view returns (uint256) {
        return (block.timestamp - genesis) / epochSeconds + 1;
    }

    /// @dev The seat fees, fee and tips must be left after the protocol took its share of the whole, so the sum is
    /// divided by what remains, and rounded up.
    function _quote(uint256 price, uint256 seats) internal view returns (uint256) {
        uint256 net = price + TIPS * _run.tip + seats * _run.seatFee;
        uint256 share = BASIS - _run.protocolFee;
        return (net * BASIS + share - 1) / share;
    }

    function _requireDeadline(uint256 deadline) internal view {
        uint256 earliest = block.timestamp + _run.minTaskTime;
        uint256 latest = block.timestamp + _run.maxTaskTime;
        if (deadline < earliest || deadline > latest) revert ITaskManager.BadDeadline(deadline, earliest, latest);
    }

    function _setParameters(ITaskManager.Parameters memory p, uint256 unbondingDelay) internal {
        _requireWithin(p.defaultSeats, MIN_SEATS, MAX_SEATS, "defaultSeats");
        _requireWithin(p.firstJudgeSeats, MIN_SEATS, MAX_SEATS, "firstJudgeSeats");
        _requireWithin(p.lastJudgeSeats, p.firstJudgeSeats, MAX_SEATS, "lastJudgeSeats");
        _requireWithin(p.maxRedraws, 0, HeadWord.MAX_REDRAWS, "maxRedraws");
        _requireWithin(p.spareSeats, 0, MAX_SEATS, "spareSeats");
        _requireWithin(p.openSeats, 1, type(uint16).max, "openSeats");
        // A window is above zero; a draw needs a whole commit window before the deadline, and time for its randomness
        // before that.
        _requireWithin(p.commitWindow, 1, type(uint24).max, "commitWindow");
        _requireWithin(p.revealWindow, 1, MAX_REVEAL_WINDOW, "revealWindow");
        _requireWithin(p.minTaskTime, uint256(p.commitWindow) + 1, type(uint24).max, "minTaskTime");
        _requireWithin(p.maxTaskTime, p.minTaskTime, type(uint24).max, "maxTaskTime");
        _requireWithin(p.protocolFee, 0, MAX_PROTOCOL_FEE, "protocolFee");
        _requireWithin(p.seatFee, 0, type(uint72).max, "seatFee");
        _requireWithin(p.tip, 0, type(uint64).max, "tip");
        if (_longestTask(p) >= unbondingDelay) revert ITaskManager.BadParameter("longestTask");
        uint256 version = uint256(_run.version) + 1;
        if (version > HeadWord.MAX_VERSION) revert ITaskManager.BadParameter("version");

        _run = RunRules({
            seatFee: uint72(p.seatFee),
            tip: uint64(p.tip),
            commitWindow: uint24(p.commitWindow),
            revealWindow: uint24(p.revealWindow),
            minTaskTime: uint24(p.minTaskTime),
            maxTaskTime: uint24(p.maxTaskTime),
            protocolFee: p.protocolFee,
            version: uint8(version)
        });
        _sizes = SizeRules({
            defaultSeats: p.defaultSeats,
            firstJudgeSeats: p.firstJudgeSeats,
            lastJudgeSeats: p.lastJudgeSeats,
            maxRedraws: p.maxRedraws,
            spareSeats: p.spareSeats,
            openSeats: p.openSeats
        });
        _runAt[version] = _run;
        _sizesAt[version] = _sizes;
        emit ITaskManager.ParametersChanged(p);
    }

    function _requireWithin(uint256 value, uint256 least, uint256 most, string memory name) private pure {
        if (value < least || value > most) revert ITaskManager.BadParameter(name);
    }

    /// @dev First committee: committed by the deadline, a reveal, a vote round. Then two rounds of judges, each with
    /// all its redraws. Every draw and every close may wait for its caller.
    function _longestTask(ITaskManager.Parameters memory p) internal pure returns (uint256) {
        uint256 commit = uint256(p.commitWindow) + STEP_SLACK;
        uint256 reveal = uint256(p.revealWindow) + STEP_SLACK;
        uint256 judges = (uint256(p.maxRedraws) + 1) * (commit + STEP_SLACK) + reveal;
        return p.maxTaskTime + reveal + (commit + reveal) + 2 * judges;
    }
}
