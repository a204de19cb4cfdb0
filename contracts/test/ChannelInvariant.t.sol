// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ChannelHandler} from "./invariant/ChannelHandler.sol";
import {InvariantTargets, Test} from "./utils/Test.sol";

/// @title What holds in the channel lane whatever anybody does in whatever order
/// @notice The handler plays all parties of several channels and their batches, a lying coordinator and a watcher among
/// them. After every call it checks by itself that
/// - every wei of the lane has one owner, and what left a channel is what was signed for;
/// - no sequence is paid twice, alone, in a batch, or after it was opened again;
/// - a void batch pays nobody; a struck leaf takes nothing from the others, which are paid in full;
/// - an honest batch stands against challenges, and a demand that is answered costs whoever made it;
/// - a lie costs the coordinator's bond once, and a contradiction all the stake of one account.
/// A run ends by finishing whatever waits and paying everybody: not a wei stays behind.
contract ChannelInvariantTest is Test, InvariantTargets {
    uint256 private constant MOST_ACTS = 5_000;

    ChannelHandler private handler;

    function setUp() public {
        handler = new ChannelHandler();
        handler.setUp();
        bytes4[] memory entries = new bytes4[](1);
        entries[0] = ChannelHandler.act.selector;
        targetContract(address(handler));
        targetSelector(address(handler), entries);
    }

    function invariant_EveryWeiHasOneOwner() public view {
        handler.check();
    }

    function afterInvariant() public {
        handler.drain();
    }

    /// @dev Random runs prove something only about what they reach. This one goes on until it reached everything.
    function test_TheHandlerReachesEveryPath() public {
        for (uint256 i; i < MOST_ACTS && (i % 100 != 0 || _missing() != 0); ++i) {
            handler.act(uint256(keccak256(abi.encode(i))));
        }
        handler.drain();
        string[21] memory wanted = _wanted();
        for (uint256 i; i < wanted.length; ++i) {
            assertGt(handler.seen(wanted[i]), 0, wanted[i]);
        }
    }

    function _missing() private view returns (uint256 count) {
        string[21] memory wanted = _wanted();
        for (uint256 i; i < wanted.length; ++i) {
            if (handler.seen(wanted[i]) == 0) ++count;
        }
    }

    function _wanted() private pure returns (string[21] memory) {
        return [
            "settled",
            "settled before",
            "too poor",
            "posted",
            "posted for several channels",
            "void",
            "struck",
            "unanswered",
            "demanded",
            "answered",
            "false alarm",
            "final",
            "reopened",
            "voucher",
            "topped up",
            "forced close",
            "closed together",
            "closed",
            "contradiction",
            "several batches at once",
            "closed while a batch waits"
        ];
    }
}
