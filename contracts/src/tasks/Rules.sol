// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IConsensusVerifier} from "../interfaces/IConsensusVerifier.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "../interfaces/IRewardDistributor.sol";
import {ITaskManager} from "../interfaces/ITaskManager.sol";
import {MAX_SEATS, SeatPacking} from "../libraries/SeatPacking.sol";
import {HeadWord} from "../libraries/TaskWords.sol";

/// @title Neighbours, epochs and governed parameters
/// @notice First layer of the TaskManager and its module. A task keeps the rules that it was submitted under: what it pays and how
/// long its phases last cannot change under its parties.
abstract contract Rules is AccessManaged {
    /// @dev What a running task needs, in one slot.
    struct RunRules {
        uint96 tip;
        uint32 commitWindow;
        uint32 revealWindow;
        uint16 protocolFee;
        uint8 version;
        uint8 defaultSeats;
        uint8 firstJudgeSeats;
        uint8 lastJudgeSeats;
        uint8 maxRedraws;
    }

    /// @dev What only a submission needs.
    struct EntryRules {
        uint96 seatFee;
        uint32 minTaskTime;
        uint32 maxTaskTime;
    }

    /// @dev Tips set aside for a task: enough for a draw, a redraw, a late reveal phase and one step more.
    uint256 internal constant TIPS = 4;
    uint256 internal constant MIN_SEATS = 3;
    uint256 internal constant BASIS = 10_000;
    uint256 private constant MAX_PROTOCOL_FEE = 3_000;
    /// @dev Keeps any quote far inside a task's reward field.
    uint256 private constant MAX_FEE = 1 << 80;
    /// @dev Time within which somebody is expected to carry out a step that is due, when a task's life is bounded.
    uint256 private constant STEP_SLACK = 10 minutes;

    /// @notice The one caller of create, cancel, commit and reveal.
    address public immutable bridge;
    /// @notice The one caller of applyVerdict.
    IConsensusVerifier public immutable verifier;
    /// @notice Keeps stakes and credits.
    IRewardDistributor public immutable distributor;
    /// @notice Keeps models and terms.
    IModelRegistry public immutable registry;
    /// @notice Unix seconds at which epoch 1 began.
    uint256 public immutable genesis;
    /// @notice Length of an epoch.
    uint256 public immutable epochSeconds;

    RunRules internal _run;
    EntryRules internal _entry;
    mapping(uint256 version => RunRules) internal _runAt;

    modifier onlyBridge() {
        if (msg.sender != bridge) revert ITaskManager.OnlyMLBridge();
        _;
    }

    constructor(address bridge_, address verifier_, address distributor_, address registry_, uint256 epochSeconds_) {
        if (bridge_ == address(0)) revert ITaskManager.BadParameter("bridge");
        if (verifier_ == address(0)) revert ITaskManager.BadParameter("verifier");
        if (distributor_ == address(0)) revert ITaskManager.BadParameter("distributor");
        if (registry_ == address(0)) revert ITaskManager.BadParameter("registry");
        if (epochSeconds_ == 0) revert ITaskManager.BadParameter("epochSeconds");
        bridge = bridge_;
        verifier = IConsensusVerifier(verifier_);
        distributor = IRewardDistributor(distributor_);
        registry = IModelRegistry(registry_);
        genesis = block.timestamp;
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

    /// @dev Counted from 1, so that the tag of a node that never changed is older than any epoch.
    function _epoch() internal view returns (uint256) {
        return (block.timestamp - genesis) / epochSeconds + 1;
    }

    /// @dev The seat fees, fee and tips must be left after the protocol took its share of the whole, so the sum is
    /// divided by what remains, and rounded up.
    function _quote(uint256 price, uint256 seats) internal view returns (uint256) {
        uint256 net = price + TIPS * _run.tip + seats * _entry.seatFee;
        uint256 share = BASIS - _run.protocolFee;
        return (net * BASIS + share - 1) / share;
    }

    function _requireDeadline(uint256 deadline) internal view {
        uint256 earliest = block.timestamp + _entry.minTaskTime;
        uint256 latest = block.timestamp + _entry.maxTaskTime;
        if (deadline < earliest || deadline > latest) revert ITaskManager.BadDeadline(deadline, earliest, latest);
    }

    function _setParameters(ITaskManager.Parameters memory p, uint256 unbondingDelay) internal {
        _requireSeats(p.defaultSeats, MIN_SEATS, "defaultSeats");
        _requireSeats(p.firstJudgeSeats, MIN_SEATS, "firstJudgeSeats");
        _requireSeats(p.lastJudgeSeats, p.firstJudgeSeats, "lastJudgeSeats");
        if (p.maxRedraws > HeadWord.MAX_REDRAWS) revert ITaskManager.BadParameter("maxRedraws");
        if (p.commitWindow == 0) revert ITaskManager.BadParameter("commitWindow");
        if (p.revealWindow == 0) revert ITaskManager.BadParameter("revealWindow");
        // A draw needs a whole commit window before the deadline, and time for its randomness before that.
        if (p.minTaskTime <= p.commitWindow) revert ITaskManager.BadParameter("minTaskTime");
        if (p.maxTaskTime < p.minTaskTime) revert ITaskManager.BadParameter("maxTaskTime");
        if (p.protocolFee > MAX_PROTOCOL_FEE) revert ITaskManager.BadParameter("protocolFee");
        if (p.seatFee > MAX_FEE) revert ITaskManager.BadParameter("seatFee");
        if (p.tip > MAX_FEE) revert ITaskManager.BadParameter("tip");
        if (_longestTask(p) >= unbondingDelay) revert ITaskManager.BadParameter("longestTask");
        uint256 version = uint256(_run.version) + 1;
        if (version > HeadWord.MAX_VERSION) revert ITaskManager.BadParameter("version");

        RunRules memory run = RunRules({
            tip: p.tip,
            commitWindow: p.commitWindow,
            revealWindow: p.revealWindow,
            protocolFee: p.protocolFee,
            version: uint8(version),
            defaultSeats: p.defaultSeats,
            firstJudgeSeats: p.firstJudgeSeats,
            lastJudgeSeats: p.lastJudgeSeats,
            maxRedraws: p.maxRedraws
        });
        _run = run;
        _runAt[version] = run;
        _entry = EntryRules({seatFee: p.seatFee, minTaskTime: p.minTaskTime, maxTaskTime: p.maxTaskTime});
        emit ITaskManager.ParametersChanged(p);
    }

    function _requireSeats(uint256 seats, uint256 least, string memory name) private pure {
        if (seats < least || seats > MAX_SEATS) revert ITaskManager.BadParameter(name);
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
