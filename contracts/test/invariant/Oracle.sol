// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IRewardDistributor} from "../../src/interfaces/IRewardDistributor.sol";
import {ISlashEscrow, SlashCase} from "../../src/interfaces/ISlashEscrow.sol";
import {ITaskManager} from "../../src/interfaces/ITaskManager.sol";
import {Fault, Role, RoundKind, TaskStatus} from "../../src/interfaces/Types.sol";
import {AppealsTest} from "../utils/AppealsTest.sol";
import {Vm} from "../utils/Vm.sol";
import {ShadowTally} from "./ShadowTally.sol";

/// @title What must hold after every call, kept from events and from what the handler itself did
/// @dev It never asks the contracts who is guilty or who won. It knows who committed what and who opened it, and says
/// from the page's rules what had to follow.
abstract contract Oracle is AppealsTest {
    /// @dev What a member of a round did.
    struct Play {
        bool committed;
        bool opened;
        bytes32 digest;
        uint32 votes;
    }

    /// @dev A round as its last draw left it.
    struct Drawn {
        uint32[] accounts;
        uint64[] weights;
        RoundKind kind;
        bool judges;
        bool opening; // the reveal phase was reached
    }

    bytes32[] public live;
    bytes32[] public ended;
    mapping(bytes32 taskId => TaskStatus) public endedAs;
    mapping(bytes32 taskId => mapping(uint256 round => Drawn)) internal drawn;
    mapping(bytes32 taskId => mapping(uint256 round => mapping(uint32 account => Play))) internal plays;
    mapping(bytes32 taskId => mapping(uint32 operatorId => bool)) internal sat;
    mapping(bytes32 taskId => uint256) internal rounds; // number of the last round drawn or called for
    mapping(bytes32 taskId => uint256) internal locked; // payment less tips paid
    mapping(bytes32 taskId => bool) internal rearmed; // for its first draw, or for another
    mapping(bytes32 taskId => mapping(uint32 account => uint256[4])) internal slashed; // by fault
    mapping(bytes32 taskId => mapping(uint32 account => uint256)) internal absent; // expected
    mapping(uint32 account => uint256) internal absentAt; // when an absence counted last
    mapping(bytes32 taskId => uint256) internal slashes; // contradictions apart
    mapping(uint32 account => uint256) internal stakeAtRisk; // bonded and unbonding
    SlashCase[] internal waiting; // slashes that wait
    uint256 internal kitty; // MLB for judges: half of every slash, and gifts, less what judges were paid

    /// @dev How often each thing was reached; the tests ask that all of it is.
    mapping(string what => uint256) public seen;
    /// @dev Whoever may be owed anything.
    address[] internal claimants;

    // ---- around every call ----

    /// @dev Call as somebody, then see what it did. A call that the handler makes must succeed.
    function perform(address caller, address target, bytes memory data, uint256 value) internal {
        TaskStatus[] memory before = _statuses();
        vm.recordLogs();
        vm.prank(caller);
        (bool ok, bytes memory answer) = target.call{value: value}(data);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
        _observe(vm.getRecordedLogs());
        _checkMoves(before);
    }

    function perform(address caller, address target, bytes memory data) internal {
        perform(caller, target, data, 0);
    }

    // ---- what may be asked at any time ----

    /// @notice Every wei in MLBridge is owed to somebody or locked for a live task.
    function checkWei() public view {
        uint256 owed = ledger.protocolFees();
        for (uint256 i; i < claimants.length; ++i) {
            owed += ledger.claimable(claimants[i]);
        }
        for (uint256 i; i < live.length; ++i) {
            owed += locked[live[i]];
        }
        assertEq(address(bridge).balance, owed, "wei");
    }

    /// @notice Every MLB in the ledger is stake, unbonding, reserve, credit, or a slash that waits.
    function checkMlb() public view {
        uint256 owed = _reserves();
        for (uint256 i; i < live.length; ++i) {
            owed += ledger.earmarked(live[i]);
        }
        assertEq(owed, kitty, "reserves grow by slashes and gifts, and pay judges alone");
        for (uint256 i; i < waiting.length; ++i) {
            owed += uint256(waiting[i].fromBonded) + waiting[i].fromUnbonding;
        }
        for (uint256 i; i < claimants.length; ++i) {
            owed += ledger.totalStakeOf(claimants[i]) + ledger.claimableTokens(claimants[i]);
            for (uint8 role; role < 4; ++role) {
                (uint256 unbonding,) = ledger.unbondingOf(claimants[i], Role(role));
                owed += unbonding;
            }
        }
        assertEq(token.balanceOf(address(ledger)), owed, "MLB");
    }

    function _reserves() internal view returns (uint256) {
        uint256 ofModels = ledger.disputeReserve(registry.terms(exactModel).index)
            + ledger.disputeReserve(registry.terms(numericModel).index);
        return ledger.disputeReserve(0) + ofModels;
    }

    /// @notice What ended stays as it ended.
    function checkEnded() public view {
        for (uint256 i; i < ended.length; ++i) {
            assertEq(uint256(status(ended[i])), uint256(endedAs[ended[i]]), "an ended task moved");
        }
    }

    /// @notice Stake at risk is what the ledger holds for the account, bonded or not.
    function checkStake() public view {
        for (uint256 i; i < operators.length; ++i) {
            IRewardDistributor.Account memory held = ledger.accounts(operators[i].account);
            assertEq(uint256(held.bonded) + held.unbonding, stakeAtRisk[operators[i].account], "stake at risk");
        }
    }

    // ---- moves ----

    function _statuses() private view returns (TaskStatus[] memory found) {
        found = new TaskStatus[](live.length);
        for (uint256 i; i < live.length; ++i) {
            found[i] = status(live[i]);
        }
    }

    function _checkMoves(TaskStatus[] memory before) private {
        for (uint256 i = before.length; i != 0;) {
            --i;
            bytes32 taskId = live[i];
            TaskStatus now_ = status(taskId);
            assertTrue(_mayMove(before[i], now_), "a move outside the table");
            if (now_ < TaskStatus.Finalized) continue;
            if (now_ == TaskStatus.Cancelled) ++seen["cancelled"];
            else _checkPunishments(taskId, now_);
            endedAs[taskId] = now_;
            ended.push(taskId);
            live[i] = live[live.length - 1];
            live.pop();
        }
    }

    /// @dev One call. A vote round that nobody joined is closed and judged by the same call.
    function _mayMove(TaskStatus from, TaskStatus to) private pure returns (bool) {
        if (from == to || to == TaskStatus.Refunded) return true;
        if (from == TaskStatus.Submitted) return to == TaskStatus.Committing || to == TaskStatus.Cancelled;
        if (from == TaskStatus.Committing) {
            return to == TaskStatus.Revealing || to == TaskStatus.Redrawing || to == TaskStatus.Escalated;
        }
        if (from == TaskStatus.Redrawing) return to == TaskStatus.Committing || to == TaskStatus.Revealing;
        if (from == TaskStatus.Revealing) {
            return to == TaskStatus.Finalized || to == TaskStatus.Committing || to == TaskStatus.Escalated;
        }
        return from == TaskStatus.Escalated && to == TaskStatus.Committing;
    }

    // ---- events ----

    function _observe(Vm.Log[] memory logs) private {
        for (uint256 i; i < logs.length; ++i) {
            bytes32 kind = logs[i].topics[0];
            if (logs[i].emitter == address(ledger)) {
                if (kind == IRewardDistributor.Slashed.selector) _onSlashed(logs[i]);
                else if (kind == IRewardDistributor.SlashRestored.selector) _onRestored(logs[i]);
                else if (kind == IRewardDistributor.SlashSplit.selector) _onSplit(logs[i]);
                else if (kind == IRewardDistributor.JudgePaid.selector) kitty -= abi.decode(logs[i].data, (uint256));
            } else if (kind == ISlashEscrow.SlashHeld.selector) {
                (SlashCase memory found,) = abi.decode(logs[i].data, (SlashCase, uint256));
                waiting.push(found);
                ++seen["held"];
            } else if (kind == ITaskManager.CommitteeDrawn.selector) {
                _onDrawn(logs[i]);
            } else if (kind == ITaskManager.RevealOpened.selector) {
                (uint8 round,) = abi.decode(logs[i].data, (uint8, uint256));
                drawn[logs[i].topics[1]][round].opening = true;
            } else if (kind == ITaskManager.TaskEscalated.selector) {
                (uint8 round,,) = abi.decode(logs[i].data, (uint8, uint8, uint256));
                drawn[logs[i].topics[1]][round].judges = true;
                rounds[logs[i].topics[1]] = round;
                ++seen[round > 1 && drawn[logs[i].topics[1]][round - 1].judges ? "last judges" : "judges"];
            } else if (kind == ITaskManager.TipPaid.selector) {
                locked[logs[i].topics[1]] -= abi.decode(logs[i].data, (uint256));
                ++seen["tip"];
            } else if (kind == ITaskManager.SeatsVacated.selector) {
                ++seen["vacated"];
            } else if (kind == ITaskManager.RandomnessArmed.selector) {
                ++seen["armed again"];
                rearmed[logs[i].topics[1]] = true;
            } else if (kind == ITaskManager.TaskFinalized.selector) {
                _onFinalized(logs[i]);
            } else if (kind == ITaskManager.TaskRefunded.selector) {
                (, string memory reason) = abi.decode(logs[i].data, (uint256, string));
                ++seen[reason];
                ++seen["refunded"];
            }
        }
    }

    /// @dev The share is taken of bonded and unbonding stake together, whether or not it could be withdrawn.
    function _onSlashed(Vm.Log memory log) private {
        uint32 account = uint32(uint256(log.topics[1]));
        uint256 fault = uint256(log.topics[3]);
        (uint256 amount, uint256 points) = abi.decode(log.data, (uint256, uint256));
        assertEq(amount, stakeAtRisk[account] * points / 10_000, "slash of stake at risk");
        stakeAtRisk[account] -= amount;
        ++slashed[log.topics[2]][account][fault];
        if (fault == uint256(Fault.Malicious)) assertEq(stakeAtRisk[account], 0, "all of it");
        else ++slashes[log.topics[2]];
    }

    function _onRestored(Vm.Log memory log) private {
        (uint256 toBonded, uint256 toUnbonding) = abi.decode(log.data, (uint256, uint256));
        stakeAtRisk[uint32(uint256(log.topics[1]))] += toBonded + toUnbonding;
    }

    function _onSplit(Vm.Log memory log) private {
        (uint256 half, uint256 toReporter, uint256 burned) = abi.decode(log.data, (uint256, uint256, uint256));
        assertTrue(burned == half || burned == half + 1, "half is burned, and the odd unit");
        assertLe(toReporter, (half + toReporter + burned) / 10, "a tenth to a reporter");
        kitty += half;
    }

    function _onDrawn(Vm.Log memory log) private {
        bytes32 taskId = log.topics[1];
        (uint8 round, RoundKind kind, uint32[] memory accounts, uint64[] memory weights,,) =
            abi.decode(log.data, (uint8, RoundKind, uint32[], uint64[], uint256, bytes32));
        Drawn storage found = drawn[taskId][round];
        // The members of a first committee vote without a new draw.
        if (kind == RoundKind.Result || found.judges) {
            for (uint256 i; i < accounts.length; ++i) {
                // Who keeps a seat through a redraw was fit when it was drawn.
                if (i < found.accounts.length && found.accounts[i] == accounts[i]) continue;
                _checkFit(accounts[i], weights[i]);
                // In no round, in neither role, not even one who lost its seat.
                assertFalse(sat[taskId][accounts[i] >> 1], "an operator that sat before");
                sat[taskId][accounts[i] >> 1] = true;
            }
        }
        (found.accounts, found.weights, found.kind) = (accounts, weights, kind);
        rounds[taskId] = round;
        ++seen[kind == RoundKind.Vote ? found.judges ? "judges vote" : "vote" : "result"];
    }

    /// @dev Nobody in jail, nobody without its minimum, and no more weight than the account has now.
    function _checkFit(uint32 account, uint256 weight) private view {
        IRewardDistributor.Account memory held = ledger.accounts(account);
        assertEq(held.jailedUntil, 0, "drawn in jail");
        assertGe(held.bonded, account & 1 == 1 ? VERIFIER_MIN : COMPUTE_MIN, "drawn below the minimum");
        assertGt(weight, 0, "drawn without weight");
        assertLe(weight, held.bonded / 1e18 * held.reputation, "drawn with more than its weight");
    }

    // ---- verdicts ----

    function _onFinalized(Vm.Log memory log) private {
        bytes32 taskId = log.topics[1];
        (bytes32 digest,,,, uint32[] memory winners) = abi.decode(log.data, (bytes32, uint32, uint8, uint256, uint32[]));
        Drawn storage first = drawn[taskId][0];
        Drawn storage last = drawn[taskId][rounds[taskId]];
        if (last.kind == RoundKind.Result) {
            assertTrue(_passes(taskId, rounds[taskId], digest), "weight and heads of the result");
        }
        uint256 count;
        for (uint256 i; i < first.accounts.length; ++i) {
            Play storage play = plays[taskId][0][first.accounts[i]];
            if (!play.opened || !_accepted(taskId, i, digest)) continue;
            assertEq(winners[count++], first.accounts[i], "winner");
        }
        assertEq(winners.length, count, "winners");
        if (last.kind == RoundKind.Vote) {
            assertGt(count, 0, "somebody's candidate");
            assertEq(plays[taskId][0][winners[0]].digest, digest, "the first accepted candidate is delivered");
        }
        ++seen["finalized"];
        if (last.judges) ++seen[count == 0 ? "judges overrule all" : "judged"];
        // First committees settle without judges only when nobody dissents.
        else assertEq(count, _opened(taskId, 0), "no dissent");
    }

    function _opened(bytes32 taskId, uint256 round) private view returns (uint256 count) {
        uint32[] storage accounts = drawn[taskId][round].accounts;
        for (uint256 i; i < accounts.length; ++i) {
            if (plays[taskId][round][accounts[i]].opened) ++count;
        }
    }

    /// @dev Whether a first result won: it is the result, or its vote passed.
    function _accepted(bytes32 taskId, uint256 seat, bytes32 digest) private view returns (bool) {
        uint256 round = rounds[taskId];
        Drawn storage last = drawn[taskId][round];
        if (last.kind == RoundKind.Result) return plays[taskId][0][drawn[taskId][0].accounts[seat]].digest == digest;
        bool[] memory yes = new bool[](last.accounts.length);
        for (uint256 i; i < yes.length; ++i) {
            Play storage play = plays[taskId][round][last.accounts[i]];
            yes[i] = (play.opened && play.votes >> (2 * seat) & 3 == ACCEPT) || (!last.judges && i == seat);
        }
        return ShadowTally.passes(last.weights, yes);
    }

    /// @dev Whether judges ruled against a first result: another one is right, or REJECT passed. GREY condemns nobody.
    function _condemned(bytes32 taskId, uint256 seat, bytes32 digest) private returns (bool) {
        Drawn storage last = drawn[taskId][rounds[taskId]];
        if (last.kind == RoundKind.Result) return !_accepted(taskId, seat, digest);
        bool[] memory no = new bool[](last.accounts.length);
        for (uint256 i; i < no.length; ++i) {
            Play storage play = plays[taskId][rounds[taskId]][last.accounts[i]];
            no[i] = play.opened && play.votes >> (2 * seat) & 3 == REJECT;
        }
        bool condemned = ShadowTally.passes(last.weights, no);
        if (!condemned && !_accepted(taskId, seat, digest)) ++seen["neither accepted nor rejected"];
        return condemned;
    }

    function _passes(bytes32 taskId, uint256 round, bytes32 digest) private view returns (bool) {
        Drawn storage found = drawn[taskId][round];
        bool[] memory yes = new bool[](found.accounts.length);
        for (uint256 i; i < yes.length; ++i) {
            Play storage play = plays[taskId][round][found.accounts[i]];
            yes[i] = play.opened && play.digest == digest;
        }
        return ShadowTally.passes(found.weights, yes);
    }

    // ---- punishments ----

    /// @dev Exactly the guilty, each exactly once: who was silent, who committed and did not open, and who of the
    /// first committee was ruled against.
    function _checkPunishments(bytes32 taskId, TaskStatus end) private {
        Drawn storage last = drawn[taskId][rounds[taskId]];
        // Judges that reject candidates under the rule have ruled, even where they accept nothing.
        bool ruled = last.judges && (end == TaskStatus.Finalized || (last.kind == RoundKind.Vote && last.opening));
        bytes32 digest = ruled ? _result(taskId) : bytes32(0);
        uint256 expected;
        for (uint256 i; i < operators.length; ++i) {
            uint32 account = operators[i].account;
            uint256[4] memory due;
            due[uint256(Fault.Absent)] = absent[taskId][account];
            for (uint256 round; round <= rounds[taskId]; ++round) {
                Play storage play = plays[taskId][round][account];
                if (drawn[taskId][round].opening && play.committed && !play.opened) {
                    ++due[uint256(Fault.Unopened)];
                }
            }
            if (ruled && plays[taskId][0][account].opened && _condemned(taskId, _seat(taskId, account), digest)) {
                ++due[uint256(Fault.Incorrect)];
            }
            for (uint256 fault; fault < uint256(Fault.Malicious); ++fault) {
                assertEq(slashed[taskId][account][fault], due[fault], "punished as deserved");
                expected += due[fault];
                if (due[fault] != 0) ++seen[["absent", "unopened", "incorrect"][fault]];
            }
        }
        assertEq(slashes[taskId], expected, "nobody else");
    }

    /// @dev The digest that won a judged result round: the one that passes.
    function _result(bytes32 taskId) private view returns (bytes32) {
        uint256 round = rounds[taskId];
        uint32[] storage accounts = drawn[taskId][round].accounts;
        for (uint256 i; i < accounts.length; ++i) {
            bytes32 digest = plays[taskId][round][accounts[i]].digest;
            if (digest != 0 && _passes(taskId, round, digest)) return digest;
        }
        return 0;
    }

    function _seat(bytes32 taskId, uint32 account) private view returns (uint256 seat) {
        uint32[] storage accounts = drawn[taskId][0].accounts;
        while (accounts[seat] != account) {
            ++seat;
        }
    }
}
