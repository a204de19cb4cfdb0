// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Settlement} from "../../src/Settlement.sol";
import {Outcome} from "../../src/interfaces/ChannelTypes.sol";
import {TaskLeaf} from "../../src/libraries/BatchLeaves.sol";

/// @dev The settlement itself, with its steps where a claim can reach them.
contract SettlementHarness is Settlement {
    constructor(address all, Limits memory limits_) Settlement(all, all, all, all, all, limits_) {}

    function strike(Header calldata header, TaskLeaf calldata leaf, Outcome calldata outcome, uint88 taken) external {
        _strike(batchId(header), header, leaf, outcome, taken);
    }

    function void(Header calldata header) external {
        _void(batchId(header), header, msg.sender);
    }
}
