// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ChannelHandler} from "./invariant/ChannelHandler.sol";
import {Campaign} from "./invariant/Campaign.sol";

/// @title What holds in the channel lane whatever anybody does in whatever order
/// @notice The handler plays all parties of several channels and their batches, a lying coordinator and a watcher among
/// them. After every call it checks by itself that
/// - every wei of the lane has one owner, and what left a channel is what was signed for;
/// - no sequence is paid twice, alone, in a batch, or after it was opened again;
/// - a void batch pays nobody; a struck leaf takes nothing from the others, which are paid in full;
/// - an honest batch stands against challenges, and a demand that is answered costs whoever made it;
/// - a lie costs the coordinator's bond once, and a contradiction all the stake of one account.
/// A run ends by finishing whatever waits and paying everybody: not a wei stays behind.
contract ChannelInvariantTest is Campaign {
    function setUp() public {
        _begin(address(new ChannelHandler()));
    }

    function invariant_EveryWeiHasOneOwner() public view {
        handler.check();
    }

    function _wanted() internal pure override returns (string memory) {
        return "settled,settled before,too poor,posted,posted for several channels,void,struck,"
            "unanswered,demanded,answered,false alarm,final,reopened,voucher,topped up,forced close,"
            "closed together,closed,contradiction,several batches at once,closed while a batch waits";
    }
}
