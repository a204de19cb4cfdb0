// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ITaskManager} from "../../src/interfaces/ITaskManager.sol";
import {Policy, Role} from "../../src/interfaces/Types.sol";
import {Player} from "./Player.sol";

/// @title Coalitions that are model provider, requester and all operators of a model at once
/// @notice What they decide there is nobody else's business. What they must not do is earn by it.
contract CoalitionOwnModelTest is Player {
    uint8 private constant SEATS = 3;
    uint256 private constant BENCH = 5;
    uint256 private constant BASIS = 10_000;
    uint256 private constant MOST_TASKS = 1_000;

    function setUp() public override {
        super.setUp();
        stakeAs(raider, Role.ModelProvider, ledger.minimumStake(Role.ModelProvider));
        bytes memory metadata = abi.encode(uint8(Policy.Exact), CLASS, "own");
        vm.prank(raider);
        ownModel = registry.registerModel("own", 0, metadata);
        fundReserve(ownModel, BENCH * JUDGE_FEE);
    }

    // ---- episodes ----

    function submitOwn(uint256 seed) external returns (bytes32) {
        return _submit(raider, ownModel, SEATS, false, seed);
    }

    /// @dev One of its members lies and its judges say so. A win is MLB.
    function judgeItself(uint256 seed) external {
        _ownTask(seed, Move.LieOne, Move.Honest);
    }

    /// @dev One lies and the judges agree with nobody, so nobody is punished. A win is MLB.
    function quarrel(uint256 seed) external {
        _ownTask(seed, Move.LieOne, Move.Block);
    }

    /// @dev All say the same wrong thing. A win is MLB.
    function agree(uint256 seed) external {
        _ownTask(seed, Move.Lie, Move.Lie);
    }

    // ---- what must hold ----

    /// @notice A lost dispute of one's own burns half of what it takes; the other half feeds judges who are oneself.
    function testJudgingOneselfBurnsStake() public {
        for (uint256 i; i < shares.length; ++i) {
            bool enough = _settle(shares[i]);
            Row memory row = _sample("dispute on its own model", shares[i], UNKNOWN, this.judgeItself);
            _assertNoGain(row, enough);
            if (enough) _assertMlbLost(row);
        }
    }

    /// @notice A dispute without a verdict moves judge fees from its own reserve to itself: nothing gained.
    function testQuarrelsOnOnesOwnReserveGainNothing() public {
        for (uint256 i; i < shares.length; ++i) {
            bool enough = _settle(shares[i]);
            _assertNoGain(_sample("quarrel on its own model", shares[i], UNKNOWN, this.quarrel), enough);
        }
    }

    /// @notice Fees paid to oneself come back less the protocol's part and the tips.
    function testPayingOneselfCostsTheProtocolFee() public {
        for (uint256 i; i < shares.length; ++i) {
            bool enough = _settle(shares[i]);
            Row memory row = _sample("pay itself on its own model", shares[i], UNKNOWN, this.agree);
            _assertNoGain(row, enough);
            assertTrue(row.mlb == 0, "no MLB moves");
        }
    }

    /// @notice A record made on one's own model counts everywhere: weight is stake times reputation. It costs the
    /// protocol's part of fees paid to oneself, and gives at most four times a newcomer's weight.
    function testRecordsMadeAtHomeAreBoundedAndPaidFor() public {
        _settle(40);
        uint256 members = _members(COMPUTE, 40);
        uint256 before = _meanReputation(members);
        uint256 count;
        Strategy memory honest;
        while (_meanReputation(members) < 2 * before) {
            _play(_submit(raider, ownModel, SEATS, false, count), honest);
            assertLt(++count, MOST_TASKS, "a record can be made");
        }
        int256 spent = -_gained().coin;
        assertTrue(spent > 0, "it is paid for");
        assertLe(_meanReputation(members), BASIS);
        string memory line = string.concat('{"record":"weight doubled","members":', vm.toString(members));
        line = string.concat(line, ',"tasks":', vm.toString(count));
        _report(string.concat(line, ',"coin":"', vm.toString(uint256(spent)), '"}'));
    }

    // ---- internal ----

    function _meanReputation(uint256 members) private view returns (uint256 mean) {
        for (uint256 i; i < members; ++i) {
            mean += ledger.accounts(operators[i].account).reputation;
        }
        mean /= members;
    }

    /// @dev The coalition of this share serves its model. Larger ones hold the smaller.
    /// @return whether they are enough for a task
    function _settle(uint256 share) private returns (bool) {
        _muster(share, true, true);
        for (uint256 i; i < operators.length; ++i) {
            if (own[operators[i].account] && !tasks.isServing(ownModel, operators[i].account)) {
                serve(operators[i], ownModel);
            }
        }
        nextEpoch();
        _mark();
        return _members(COMPUTE, share) + _members(VERIFIERS, share) >= SEATS + parameters().spareSeats;
    }

    function _assertNoGain(Row memory row, bool enough) private pure {
        _assertNeverWon(row);
        _assertNoMlbGained(row);
        assertTrue(row.reserve == 0, "nobody else's reserve");
        assertTrue(row.others == 0, "nobody else's stake");
        if (enough) _assertCoinLost(row);
        else assertTrue(row.coin == 0, "no task was taken");
    }

    function _ownTask(uint256 seed, Move member, Move judge) private {
        int256 before = _holdings().mlb;
        try this.submitOwn(seed) returns (bytes32 taskId) {
            Strategy memory strategy;
            (strategy.member, strategy.judge) = (member, judge);
            _play(taskId, strategy);
        } catch (bytes memory reason) {
            assertTrue(bytes4(reason) == ITaskManager.TooFewProviders.selector, "too few of its own");
        }
        _end(_holdings().mlb > before);
    }
}
