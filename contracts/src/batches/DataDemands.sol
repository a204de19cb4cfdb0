// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Evidence, Outcome} from "../interfaces/ChannelTypes.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";
import {LedgerProof, TaskProof} from "../libraries/BatchLeaves.sol";
import {BatchBook} from "./BatchBook.sol";

/// @title Demands for leaves that nobody can get
/// @notice Second layer of Settlement. A batch that does not show a demanded leaf in time is void.
abstract contract DataDemands is BatchBook {
    /// @notice A demand that a coordinator shows a leaf.
    /// @param by who demanded it
    /// @param dueAt unix seconds from which it is due
    struct Demand {
        address by;
        uint40 dueAt;
    }

    mapping(bytes32 batch => mapping(bool ledger => mapping(uint256 index => Demand))) private _demands;

    // ---- anyone: data ----

    /// @inheritdoc ISettlement
    function demand(Header calldata header, bool ledger, uint32 index) external payable {
        (bytes32 batch, Batch storage state) = _live(header);
        Limits storage held = _limitsOf(batch);
        // By the first window alone, so that demands cannot put off the end for ever.
        uint256 until = uint256(header.postedAt) + held.challengeWindow;
        if (block.timestamp >= until) revert BatchFinal(batch, until);
        if (msg.value != held.demandBond) revert WrongBond(msg.value, held.demandBond);
        if (index >= (ledger ? header.entries : header.tasks)) revert NotInBatch(batch);
        Demand storage open = _demands[batch][ledger][index];
        if (open.by != address(0)) revert DemandOpen(batch, index);
        uint40 answerWindow = held.answerWindow;
        uint40 dueAt = uint40(block.timestamp) + answerWindow;
        (open.by, open.dueAt) = (msg.sender, dueAt);
        ++state.demands;
        // Time to challenge what the answer shows.
        if (dueAt + answerWindow > state.finalAt) {
            state.finalAt = dueAt + answerWindow;
            if (bonds[header.coordinator].lockedUntil < state.finalAt) {
                bonds[header.coordinator].lockedUntil = state.finalAt;
            }
        }
        emit DataDemanded(batch, ledger, index, msg.sender, dueAt);
    }

    /// @inheritdoc ISettlement
    function answerTask(
        Header calldata header,
        TaskProof calldata leaf,
        Evidence calldata evidence,
        Outcome calldata outcome
    ) external {
        bytes32 batch = _holds(header, leaf);
        _requireData(batch, leaf.leaf, evidence, outcome);
        _answered(batch, header, false, leaf.leaf.index);
    }

    /// @inheritdoc ISettlement
    function answerLedger(Header calldata header, LedgerProof calldata entry) external {
        _answered(_holds(header, entry), header, true, entry.leaf.index);
    }

    /// @inheritdoc ISettlement
    function voidUnanswered(Header calldata header, bool ledger, uint32 index) external {
        (bytes32 batch,) = _live(header);
        Demand memory open = _demands[batch][ledger][index];
        if (open.by == address(0)) revert NoDemand(batch, index);
        if (block.timestamp <= open.dueAt) revert DemandNotDue(open.dueAt);
        delete _demands[batch][ledger][index];
        withdrawable[open.by] += _limitsOf(batch).demandBond;
        _void(batch, header, open.by);
    }

    /// @inheritdoc ISettlement
    function returnDemand(Header calldata header, bool ledger, uint32 index) external {
        bytes32 batch = batchId(header);
        if (_batches[batch].status != Status.Void) revert BatchNotVoid(batch);
        address by = _demands[batch][ledger][index].by;
        if (by == address(0)) revert NoDemand(batch, index);
        delete _demands[batch][ledger][index];
        withdrawable[by] += _limitsOf(batch).demandBond;
        emit DataAnswered(batch, ledger, index);
    }

    // ---- private ----

    function _answered(bytes32 batch, Header calldata header, bool ledger, uint256 index) private {
        Demand memory open = _demands[batch][ledger][index];
        if (open.by == address(0)) revert NoDemand(batch, index);
        if (block.timestamp > open.dueAt) revert DemandOverdue(open.dueAt);
        delete _demands[batch][ledger][index];
        --_batches[batch].demands;
        withdrawable[header.coordinator] += _limitsOf(batch).demandBond;
        emit DataAnswered(batch, ledger, index);
    }
}
