// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ChannelHandler} from "./invariant/ChannelHandler.sol";
import {InvariantTargets, Test} from "./utils/Test.sol";

/// @title What holds in the channel lane whatever anybody does in whatever order
/// @notice The handler plays all parties of a channel and its batches, a lying coordinator and a watcher among them. After
/// every call it checks by itself that
/// - every wei of the lane has one owner, and what left the channel is what was signed for;
/// - no sequence is paid twice, alone, in a batch, or after it was opened again;
/// - a void batch pays nobody; a struck leaf takes nothing from the others, which are paid in full;
/// - an honest batch stands against challenges.
contract ChannelInvariantTest is Test, InvariantTargets {
    ChannelHandler private handler;

    function setUp() public {
        handler = new ChannelHandler();
        handler.setUp();
        bytes4[] memory entries = new bytes4[](1);
        entries[0] = ChannelHandler.act.selector;
        targetContract(address(handler));
        targetSelector(address(handler), entries);
    }

    /// forge-config: default.invariant.runs = 6
    /// forge-config: default.invariant.depth = 48
    function invariant_EveryWeiHasOneOwner() public view {
        handler.check();
    }

    function afterInvariant() public {
        handler.drain();
    }

    /// @dev Random runs prove something only about what they reach.
    function test_TheHandlerReachesEveryPath() public {
        for (uint256 i; i < 400; ++i) {
            handler.act(uint256(keccak256(abi.encode(i))));
        }
        string[8] memory wanted = ["settled", "posted", "void", "struck", "false alarm", "voucher", "final", "reopened"];
        for (uint256 i; i < wanted.length; ++i) {
            assertGt(handler.seen(wanted[i]), 0, wanted[i]);
        }
        handler.drain();
    }
}
