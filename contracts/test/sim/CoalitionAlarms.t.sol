// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Evidence, Outcome as Share} from "../../src/interfaces/ChannelTypes.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {TaskProof} from "../../src/libraries/BatchLeaves.sol";
import {LaneArena} from "./LaneArena.sol";

/// @title Coalitions that trouble an honest coordinator's batches
/// @notice Nothing is wrong with these batches, and everybody is paid from them in the end.
contract CoalitionAlarmsTest is LaneArena {
    uint32 private constant LEAVES = 3;

    function _thrift() internal pure override returns (uint256) {
        return 4;
    }

    // ---- episodes ----

    /// @dev Every challenge there is, of a batch without a fault. A win is one that comes through.
    function falseAlarms(uint256 seed) external {
        Draft memory made = _honestBatch(seed);
        bytes32 batch = post(made);
        uint256 through = _alarm(made, seed);
        finish(batch);
        claimAll(made);
        assertEq(settlement.batches(batch).pot, 0, "everybody is paid");
        _end(through != 0);
    }

    /// @dev Demands for leaves of a batch without a fault, at the last moment. A win is a batch that comes to nothing.
    function pester(uint256 seed) external {
        Draft memory made = _honestBatch(seed);
        bytes32 batch = post(made);
        vm.warp(settlement.batches(batch).finalAt - 1);
        for (uint32 i; i < 2; ++i) {
            vm.startPrank(raider);
            settlement.demand{value: 0.01 ether}(made.header, false, i);
            settlement.demand{value: 0.01 ether}(made.header, true, i);
            vm.stopPrank();
        }
        for (uint256 i; i < 2; ++i) {
            settlement.answerTask(made.header, task(made, i), made.evidence[i], made.outcomes[i]);
            settlement.answerLedger(made.header, entry(made, i));
        }
        uint256 latest = made.header.postedAt + 1 days + 2 * HOUR;
        assertLe(settlement.batches(batch).finalAt, latest, "two answers' time at most");
        assertEq(settlement.withdrawable(coordinator), 0.04 ether, "who answers is paid");
        finish(batch);
        claimAll(made);
        _end(settlement.batches(batch).status == ISettlement.Status.Void);
    }

    // ---- what must hold ----

    /// @notice A false challenge reverts. It costs gas and troubles nobody.
    function testFalseAlarmsComeToNothing() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            Row memory row = _sample("false challenges", shares[i], UNKNOWN, this.falseAlarms);
            _assertNeverWon(row);
            assertTrue(row.mlb == 0 && row.others == 0, "nobody's stake");
        }
    }

    /// @notice Demands pay whoever answers them, and put the end off by two answers' time at most.
    function testNeedlessDemandsPayTheCoordinator() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], false, true);
            Row memory row = _sample("needless demands", shares[i], UNKNOWN, this.pester);
            _assertNeverWon(row);
            _assertCoinLost(row);
        }
    }

    // ---- internal ----

    function _honestBatch(uint256 seed) private returns (Draft memory) {
        _nextSeed(seed);
        return draft(LEAVES);
    }

    /// @return through challenges that did not revert
    function _alarm(Draft memory made, uint256 seed) private returns (uint256 through) {
        (uint256 a, uint256 b) = (seed % LEAVES, seed / LEAVES % LEAVES);
        seed /= LEAVES * LEAVES;
        through = _void(made, a, b) + _strike(made, a) + _strikeSeat(made, a, drawn(made.evidence[b].order));
        return
            through + _ofLedger(made, seed % made.entries.length, seed / made.entries.length % made.entries.length, a);
    }

    function _void(Draft memory made, uint256 a, uint256 b) private returns (uint256) {
        ISettlement.Header memory header = made.header;
        return _call(abi.encodeCall(settlement.challengeTasks, (header, task(made, a), task(made, b))))
            + _call(abi.encodeCall(settlement.challengeDebit, (header, made.debits, task(made, a))))
            + _call(
            abi.encodeCall(settlement.challengeEmptyDebit, (header, made.debits, 0, task(made, a), task(made, b)))
        ) + _call(abi.encodeCall(settlement.voidUnanswered, (header, false, uint32(a))));
    }

    function _ofLedger(Draft memory made, uint256 c, uint256 d, uint256 a) private returns (uint256) {
        ISettlement.Header memory header = made.header;
        return _call(abi.encodeCall(settlement.challengeLedger, (header, entry(made, c), entry(made, d))))
            + _call(
            abi.encodeCall(settlement.challengeEntry, (header, entry(made, c), task(made, a), made.outcomes[a]))
        );
    }

    function _strike(Draft memory made, uint256 a) private returns (uint256) {
        ISettlement.Header memory header = made.header;
        Evidence memory proof = made.evidence[a];
        Share memory outcome = made.outcomes[a];
        return _call(abi.encodeCall(settlement.strikeEvidence, (header, task(made, a), proof, outcome, made.debits)))
            + _call(abi.encodeCall(settlement.strikeDuplicate, (header, task(made, a), outcome, made.debits)));
    }

    /// @dev The first seat of one order, against the committee of another.
    function _strikeSeat(Draft memory made, uint256 a, uint32[] memory better) private returns (uint256) {
        TaskProof memory leaf = task(made, a);
        return _call(
            abi.encodeCall(
                settlement.strikeCommittee,
                (made.header, leaf, made.evidence[a], made.outcomes[a], made.debits, 0, better)
            )
        );
    }

    /// @return 1 for a call that came through
    function _call(bytes memory data) private returns (uint256) {
        vm.prank(raider);
        (bool ok,) = address(settlement).call(data);
        return ok ? 1 : 0;
    }
}
