// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BatchLeaves, LedgerLeaf, TaskLeaf} from "../../src/libraries/BatchLeaves.sol";
import {VM as vm} from "../utils/Vm.sol";

/// @title What the rules of two neighbours make of a whole tree
/// @dev Four leaves, all values; nobody can show that one of them, or two neighbours, break a rule.
contract BatchTreeCheck {
    uint256 private constant LEAVES = 4;
    uint256 private constant TASKS = 8;

    /// @custom:halmos --loop 8
    function check_LastEntriesPayWhatAllEntriesSay(
        uint256[4] calldata parties,
        uint32[4] calldata tasks,
        uint96[4] calldata amounts,
        uint96[4] calldata totals,
        bool[4] calldata lasts
    ) external pure {
        LedgerLeaf[4] memory leaves;
        for (uint32 i; i < LEAVES; ++i) {
            leaves[i] = LedgerLeaf(i, parties[i], tasks[i], amounts[i], totals[i], lasts[i]);
        }
        for (uint256 i; i + 1 < LEAVES; ++i) {
            vm.assume(!BatchLeaves.broken(leaves[i], leaves[i + 1], LEAVES, TASKS));
        }
        vm.assume(!BatchLeaves.broken(leaves[LEAVES - 1], leaves[LEAVES - 1], LEAVES, TASKS));
        uint256 entries;
        uint256 claims;
        for (uint256 i; i < LEAVES; ++i) {
            entries += amounts[i];
            if (lasts[i]) claims += totals[i];
            // One claim a party, and one entry a party and task.
            for (uint256 k; k < i; ++k) {
                assert(!(lasts[i] && lasts[k]) || parties[i] != parties[k]);
                assert(parties[i] != parties[k] || tasks[i] != tasks[k]);
            }
        }
        assert(claims == entries);
    }

    /// @custom:halmos --loop 8
    function check_LastLeavesOfChannelsSumUpAllDebits(
        bytes32[4] calldata channels,
        uint32[4] calldata sequences,
        uint32[4] calldata ranks,
        uint88[4] calldata debits,
        uint88[4] calldata totals,
        bool[4] calldata lasts
    ) external pure {
        TaskLeaf[4] memory leaves;
        for (uint32 i; i < LEAVES; ++i) {
            leaves[i] = TaskLeaf(i, channels[i], sequences[i], ranks[i], debits[i], totals[i], lasts[i], 0, 0);
        }
        for (uint256 i; i + 1 < LEAVES; ++i) {
            vm.assume(!BatchLeaves.broken(leaves[i], leaves[i + 1], LEAVES));
        }
        vm.assume(!BatchLeaves.broken(leaves[LEAVES - 1], leaves[LEAVES - 1], LEAVES));
        uint256 all;
        uint256 taken;
        for (uint256 i; i < LEAVES; ++i) {
            all += debits[i];
            if (lasts[i]) taken += totals[i];
            // No order twice.
            for (uint256 k; k < i; ++k) {
                assert(channels[i] != channels[k] || sequences[i] != sequences[k]);
            }
        }
        assert(taken == all);
    }
}
