// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AnswerHandler} from "./invariant/AnswerHandler.sol";
import {Campaign} from "./invariant/Campaign.sol";

/// @title What holds of summonses and of cases about dissents, whatever anybody does in whatever order
/// @notice The handler plays everybody. After every call it checks by itself that
/// - every wei of the bonds of summonses is owed to somebody or bound in an open one, each as counted a second time;
/// - openOf counts the open summonses of a seat;
/// - nobody is slashed that answered, or that attested what the panel found; nobody twice; nobody besides;
/// - a bond of a case is returned, kept for the panel or burned, exactly as the panel's finding asks.
/// A run ends by closing whatever is open and paying everybody: nothing stays behind.
contract SummonsInvariantTest is Campaign {
    function setUp() public {
        _begin(address(new AnswerHandler()));
    }

    function invariant_BondsAreConservedAndAnswersAreSafe() public view {
        handler.check();
    }

    function _wanted() internal pure override returns (string memory) {
        return "summoned,summoned falsely,seat full,committed,opened,shown,refuted,not refuted,too early,"
            "silent,nobody answered,answered,no verdict possible,withdrawn,unjailed,case,undecided,"
            "judged,ruled,dissenter was wrong,majority was wrong,not condemned,bond returned,"
            "half a bond returned,bond lost";
    }
}
