// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BatchLeaves, LedgerLeaf, TaskLeaf} from "../src/libraries/BatchLeaves.sol";
import {Test} from "./utils/Test.sol";

/// @title What two neighbours show: an order that is not in a batch, a ledger that does not add up
contract BatchLeavesTest is Test {
    uint256 private constant COUNT = 3;
    uint256 private constant TASKS = 4;
    bytes32 private constant CHANNEL = bytes32(uint256(5));

    function _task(uint32 index, uint32 sequence) private pure returns (TaskLeaf memory leaf) {
        (leaf.index, leaf.channel, leaf.sequence) = (index, CHANNEL, sequence);
    }

    function _absent(TaskLeaf memory a, TaskLeaf memory b, uint256 sequence) private pure returns (bool) {
        return BatchLeaves.absent(a, b, COUNT, CHANNEL, sequence);
    }

    function testBeforeTheFirstLeafIsNothing() public pure {
        TaskLeaf memory first = _task(0, 10);
        assertTrue(_absent(first, first, 9));
        assertFalse(_absent(first, first, 10));
        assertFalse(_absent(first, first, 11));
    }

    function testAfterTheLastLeafIsNothing() public pure {
        TaskLeaf memory end = _task(2, 10);
        assertTrue(_absent(end, end, 11));
        assertFalse(_absent(end, end, 9));
    }

    function testALeafAmongOthersShowsNothingByItself() public pure {
        TaskLeaf memory middle = _task(1, 10);
        assertFalse(_absent(middle, middle, 9));
        assertFalse(_absent(middle, middle, 11));
    }

    function testBetweenNeighboursIsNothing() public pure {
        assertTrue(_absent(_task(0, 10), _task(1, 12), 11));
        assertFalse(_absent(_task(0, 10), _task(1, 12), 12));
        assertFalse(_absent(_task(0, 10), _task(2, 12), 11));
    }

    /// @dev The end of one party and the beginning of the next, as they must be.
    function _parties() private pure returns (LedgerLeaf memory a, LedgerLeaf memory b) {
        a = LedgerLeaf({index: 0, party: 2, task: 1, amount: 7, total: 7, last: true});
        b = LedgerLeaf({index: 1, party: 4, task: 0, amount: 5, total: 5, last: true});
    }

    function _broken(LedgerLeaf memory a, LedgerLeaf memory b) private pure returns (bool) {
        return BatchLeaves.broken(a, b, COUNT, TASKS);
    }

    function testANewPartyBeginsAfterTheLastLeafOfAnother() public pure {
        (LedgerLeaf memory a, LedgerLeaf memory b) = _parties();
        assertFalse(_broken(a, b));
        a.last = false;
        assertTrue(_broken(a, b), "the other has no end");
    }

    function testPartiesAscend() public pure {
        (LedgerLeaf memory a, LedgerLeaf memory b) = _parties();
        b.party = 1;
        assertTrue(_broken(a, b));
    }

    function testANewPartyBeginsAtNothing() public pure {
        (LedgerLeaf memory a, LedgerLeaf memory b) = _parties();
        b.total = 12;
        assertTrue(_broken(a, b));
    }

    function testOnePartyGoesOnByTaskAndSum() public pure {
        (LedgerLeaf memory a, LedgerLeaf memory b) = _parties();
        (a.last, b.party, b.task, b.total) = (false, 2, 2, 12);
        assertFalse(_broken(a, b));
        b.total = 11;
        assertTrue(_broken(a, b), "the sum");
        (b.total, b.task) = (12, 1);
        assertTrue(_broken(a, b), "the order of tasks");
        (b.task, a.last) = (2, true);
        assertTrue(_broken(a, b), "after its end");
    }
}
