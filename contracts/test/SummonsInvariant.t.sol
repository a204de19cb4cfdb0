// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AnswerHandler} from "./invariant/AnswerHandler.sol";
import {InvariantTargets, Test} from "./utils/Test.sol";

/// @title What holds of summonses and of cases about dissents, whatever anybody does in whatever order
/// @notice The handler plays everybody. After every call it checks by itself that
/// - every wei of the bonds of summonses is owed to somebody or bound in an open one, each as counted a second time;
/// - openOf counts the open summonses of a seat;
/// - nobody is slashed that answered, or that attested what the panel found; nobody twice; nobody besides;
/// - a bond of a case is returned, kept for the panel or burned, exactly as the panel's finding asks.
/// A run ends by closing whatever is open and paying everybody: nothing stays behind.
contract SummonsInvariantTest is Test, InvariantTargets {
    uint256 private constant MOST_ACTS = 5_000;

    AnswerHandler private handler;

    function setUp() public {
        handler = new AnswerHandler();
        handler.setUp();
        bytes4[] memory entries = new bytes4[](1);
        entries[0] = AnswerHandler.act.selector;
        targetContract(address(handler));
        targetSelector(address(handler), entries);
    }

    function invariant_BondsAreConservedAndAnswersAreSafe() public view {
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
        string[25] memory wanted = _wanted();
        for (uint256 i; i < wanted.length; ++i) {
            assertGt(handler.seen(wanted[i]), 0, wanted[i]);
        }
    }

    function _missing() private view returns (uint256 count) {
        string[25] memory wanted = _wanted();
        for (uint256 i; i < wanted.length; ++i) {
            if (handler.seen(wanted[i]) == 0) ++count;
        }
    }

    function _wanted() private pure returns (string[25] memory) {
        return [
            "summoned",
            "summoned falsely",
            "seat full",
            "committed",
            "opened",
            "shown",
            "refuted",
            "not refuted",
            "too early",
            "silent",
            "nobody answered",
            "answered",
            "no verdict possible",
            "withdrawn",
            "unjailed",
            "case",
            "undecided",
            "judged",
            "ruled",
            "dissenter was wrong",
            "majority was wrong",
            "not condemned",
            "bond returned",
            "half a bond returned",
            "bond lost"
        ];
    }
}
