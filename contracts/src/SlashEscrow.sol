// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {ISlashEscrow, SlashCase} from "./interfaces/ISlashEscrow.sol";

/// @title Where heavy slashes wait until they are final
/// @notice It holds no money and decides nothing by itself: a case ends by time, by a review, or by governance.
contract SlashEscrow is ISlashEscrow, AccessManaged {
    struct State {
        CaseStatus status;
        uint64 until;
    }

    struct Rules {
        uint16 threshold;
        uint32 window;
    }

    uint16 private constant MAX_THRESHOLD = 9_999;
    uint32 private constant MAX_WINDOW = 30 days;

    /// @notice Keeps the MLB, and the stake that a case may give back.
    IRewardDistributor public immutable distributor;
    /// @notice Has cases judged again.
    address public immutable appeals;

    Rules private _rules;
    mapping(bytes32 caseId => State) private _cases;

    /// @param authority AccessManager of `veto` and `setRules`
    constructor(address authority, address distributor_, address appeals_, uint16 threshold, uint32 window)
        AccessManaged(authority)
    {
        if (authority == address(0) || distributor_ == address(0) || appeals_ == address(0)) revert ZeroAddress();
        distributor = IRewardDistributor(distributor_);
        appeals = appeals_;
        _setRules(threshold, window);
    }

    // ---- RewardDistributor only ----

    /// @inheritdoc ISlashEscrow
    function open(SlashCase calldata slashCase) external returns (bool held) {
        if (msg.sender != address(distributor)) revert OnlyRewardDistributor();
        Rules memory current = _rules;
        if (slashCase.basisPoints <= current.threshold) return false;
        bytes32 caseId = caseIdOf(slashCase);
        if (_cases[caseId].status != CaseStatus.None) return false;
        uint64 until = uint64(block.timestamp + current.window);
        _cases[caseId] = State(CaseStatus.Held, until);
        emit SlashHeld(caseId, slashCase.account, slashCase.taskId, slashCase, until);
        return true;
    }

    // ---- anyone ----

    /// @inheritdoc ISlashEscrow
    function finalise(SlashCase calldata slashCase) external {
        bytes32 caseId = caseIdOf(slashCase);
        State memory state = _cases[caseId];
        if (state.status != CaseStatus.Held && state.status != CaseStatus.Heard) {
            revert WrongCaseStatus(caseId, state.status);
        }
        if (block.timestamp <= state.until) revert WindowOpen(caseId, state.until);
        _cases[caseId].status = CaseStatus.Closed;
        emit SlashFinal(caseId);
        distributor.splitSlash(slashCase);
    }

    // ---- governance ----

    /// @inheritdoc ISlashEscrow
    function veto(SlashCase calldata slashCase) external restricted {
        bytes32 caseId = caseIdOf(slashCase);
        State memory state = _cases[caseId];
        if (state.status == CaseStatus.None || state.status == CaseStatus.Closed) {
            revert WrongCaseStatus(caseId, state.status);
        }
        if (state.status != CaseStatus.Appealed && block.timestamp > state.until) {
            revert WindowClosed(caseId, state.until);
        }
        _cases[caseId].status = CaseStatus.Closed;
        emit SlashVetoed(caseId);
        distributor.restoreSlash(slashCase);
    }

    /// @inheritdoc ISlashEscrow
    function setRules(uint16 threshold, uint32 window) external restricted {
        _setRules(threshold, window);
    }

    // ---- Appeals only ----

    /// @inheritdoc ISlashEscrow
    function beginAppeal(SlashCase calldata slashCase) external {
        if (msg.sender != appeals) revert OnlyAppeals();
        bytes32 caseId = caseIdOf(slashCase);
        State memory state = _cases[caseId];
        if (state.status != CaseStatus.Held) revert WrongCaseStatus(caseId, state.status);
        if (block.timestamp > state.until) revert WindowClosed(caseId, state.until);
        _cases[caseId] = State(CaseStatus.Appealed, 0);
        emit SlashAppealed(caseId);
    }

    /// @inheritdoc ISlashEscrow
    function endAppeal(SlashCase calldata slashCase, bool overturned) external {
        if (msg.sender != appeals) revert OnlyAppeals();
        bytes32 caseId = caseIdOf(slashCase);
        CaseStatus status = _cases[caseId].status;
        if (status == CaseStatus.Closed) return;
        if (status != CaseStatus.Appealed) revert WrongCaseStatus(caseId, status);
        if (overturned) {
            _cases[caseId].status = CaseStatus.Closed;
            emit SlashOverturned(caseId);
            distributor.restoreSlash(slashCase);
        } else {
            uint64 until = uint64(block.timestamp + _rules.window);
            _cases[caseId] = State(CaseStatus.Heard, until);
            emit SlashHeard(caseId, until);
        }
    }

    // ---- views ----

    /// @inheritdoc ISlashEscrow
    function caseIdOf(SlashCase calldata slashCase) public pure returns (bytes32) {
        return keccak256(abi.encode(slashCase));
    }

    /// @inheritdoc ISlashEscrow
    function caseState(bytes32 caseId) external view returns (CaseStatus status, uint256 until) {
        State memory state = _cases[caseId];
        return (state.status, state.until);
    }

    /// @inheritdoc ISlashEscrow
    function rules() external view returns (uint16 threshold, uint32 window) {
        return (_rules.threshold, _rules.window);
    }

    // ---- internal ----

    function _setRules(uint16 threshold, uint32 window) private {
        if (threshold > MAX_THRESHOLD || window == 0 || window > MAX_WINDOW) revert BadEscrowRules(threshold, window);
        _rules = Rules(threshold, window);
        emit EscrowRulesChanged(threshold, window);
    }
}
