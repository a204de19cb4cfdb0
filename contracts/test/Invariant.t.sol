// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Handler} from "./invariant/Handler.sol";
import {InvariantTargets, Test} from "./utils/Test.sol";

/// @title What holds whatever anybody does in whatever order
/// @notice The handler plays everybody. After every call it makes, it checks by itself that
/// - a status moved only along the transition table, and what ended stays ended;
/// - a finalized result had its weight and heads, counted a second time, and exactly its holders won;
/// - exactly the guilty were punished, once each: no terminal path leaves a silent committer or, after judges, a
///   dissenter unpunished, or an honest seat punished;
/// - every slash took its share of bonded and unbonding stake together, and nothing else but withdrawing took any;
/// - reserves grow by half of every slash and by gifts, and pay judges and nobody else;
/// - a seat has a value exactly from its commitment on, and nothing but an opening counts as one;
/// - no operator sat twice, and no judge had sat before.
/// A run ends by waiting and poking until every task ended and everybody was paid: not a wei stays behind.
contract InvariantTest is Test, InvariantTargets {
    uint256 private constant MOST_ACTS = 10_000;

    Handler private handler;

    function setUp() public {
        handler = new Handler();
        handler.setUp();
        bytes4[] memory entries = new bytes4[](1);
        entries[0] = Handler.act.selector;
        targetContract(address(handler));
        targetSelector(address(handler), entries);
    }

    /// @dev In one function, because forge repeats the whole campaign for each.
    function invariant_ValueIsConservedAndEndsStayEnds() public view {
        handler.checkWei();
        handler.checkMlb();
        handler.checkStake();
        handler.checkSeats();
        handler.checkEnded();
    }

    function afterInvariant() public {
        handler.drain();
    }

    /// @dev Random runs prove something only about what they reach. This one goes on until it reached everything.
    function test_TheHandlerReachesEveryPath() public {
        for (uint256 i; i < MOST_ACTS && (i % 500 != 0 || _missing() != 0); ++i) {
            handler.act(uint256(keccak256(abi.encode(i))));
        }
        handler.checkWei();
        handler.checkMlb();
        handler.checkStake();
        handler.drain();
        string[32] memory wanted = _wanted();
        for (uint256 i; i < wanted.length; ++i) {
            assertGt(handler.seen(wanted[i]), 0, wanted[i]);
        }
    }

    function _missing() private view returns (uint256 count) {
        string[32] memory wanted = _wanted();
        for (uint256 i; i < wanted.length; ++i) {
            if (handler.seen(wanted[i]) == 0) ++count;
        }
    }

    function _wanted() private pure returns (string[32] memory) {
        return [
            "submitted",
            "finalized",
            "refunded",
            "cancelled",
            "result",
            "vote",
            "judges",
            "last judges",
            "judges vote",
            "judged",
            "judges overrule all",
            "all rejected",
            "neither accepted nor rejected",
            "no verdict",
            "too few operators",
            "deadline",
            "vacated",
            "armed again",
            "tip",
            "wrong opening",
            "absent",
            "unopened",
            "incorrect",
            "unbonding",
            "withdrawn",
            "contradiction",
            "unjailed",
            "refused",
            "too late to cancel",
            "held",
            "vetoed",
            "final"
        ];
    }
}
