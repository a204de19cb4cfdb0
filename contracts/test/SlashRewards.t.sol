// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IRewardPool} from "../src/interfaces/IRewardPool.sol";
import {ISlashEscrow, SlashCase} from "../src/interfaces/ISlashEscrow.sol";
import {Fault} from "../src/interfaces/Types.sol";
import {AppealsTest} from "./utils/AppealsTest.sol";
import {Vm} from "./utils/Vm.sol";

/// @title What a compute provider's stake earns while a slash of it waits, and after it came back
contract SlashRewardsTest is AppealsTest {
    uint256 private constant STAKE = 2 * COMPUTE_MIN;
    uint64 private constant FINER = 11;

    Operator private one;

    function setUp() public override {
        super.setUp();
        addPool(4, 0);
        one = operators[0];
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = ledger.fine.selector;
        vm.startPrank(governor);
        manager.setTargetFunctionRole(address(ledger), selectors, FINER);
        manager.grantRole(FINER, address(this), 0);
        vm.stopPrank();
    }

    function _checkIn() private returns (uint256) {
        vm.prank(one.cold);
        return rewardPool.checkIn(one.account, exactModel);
    }

    function _held(uint256 confidence) private returns (SlashCase memory found) {
        vm.recordLogs();
        vm.prank(address(tasks));
        ledger.slash(one.account, "task", 1, Fault.Incorrect, confidence, address(0));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != ISlashEscrow.SlashHeld.selector) continue;
            (found,) = abi.decode(logs[i].data, (SlashCase, uint256));
        }
        assertGt(found.fromBonded, 0, "held");
    }

    function _unjail() private {
        skip(JAIL);
        vm.prank(one.cold);
        ledger.unjail(one.account);
    }

    function _veto(SlashCase memory found) private {
        vm.prank(governor);
        escrow.veto(found);
    }

    function _stakeThatEarns() private view returns (uint256) {
        IRewardPool.Interval memory interval = rewardPool.intervalOf(one.account);
        return interval.since == 0 ? 0 : interval.stake;
    }

    function test_StakeThatWaitsEarnsNothing() public {
        _checkIn();
        skip(10 hours);
        _held(10_000);
        assertEq(_stakeThatEarns(), 0, "interrupted");
        assertEq(rewardPool.uptimeOf(one.account), 0, "the time before is forfeited");
        _unjail();
        assertEq(_checkIn(), 0, "nothing for the time in jail");
        assertEq(_stakeThatEarns(), STAKE / 2, "what is left earns");
    }

    function test_StakeThatCameBackEarnsFromTheNextCheckIn() public {
        SlashCase memory found = _held(10_000);
        _unjail();
        _checkIn();
        skip(5 hours);
        uint256 earned = rewardPool.uptimeOf(one.account);
        _veto(found);
        assertEq(bondedOf(one.account), STAKE);
        assertEq(rewardPool.uptimeOf(one.account), earned, "nothing is lost by a restoration, and nothing gained");
        skip(5 hours);
        uint256 whole = rewardPool.uptimeOf(one.account);
        assertApproxEqAbs(whole, 2 * earned, 1); // still on half of the stake
        assertEq(_checkIn(), whole);
        assertEq(_stakeThatEarns(), STAKE);
        skip(10 hours);
        // On all of it; the early bonus fell a little in between.
        assertApproxEqAbs(rewardPool.uptimeOf(one.account), 2 * whole, whole / 500);
    }

    function test_CreditsStayWhateverHappensToTheStake() public {
        _checkIn();
        skip(10 hours);
        uint256 earned = _checkIn();
        assertGt(earned, 0);
        SlashCase memory found = _held(10_000);
        assertEq(rewardPool.owedTo(one.cold), earned, "after the slash");
        _veto(found);
        assertEq(rewardPool.owedTo(one.cold), earned, "after the restoration");
        assertEq(rewardPool.claim(one.cold), earned);
    }

    function test_AFineInterruptsToo() public {
        _checkIn();
        skip(10 hours);
        assertEq(ledger.fine(one.account, "case", 1, 100e18), 100e18);
        assertEq(_stakeThatEarns(), 0, "it would count on stake that is gone");
        _checkIn();
        assertEq(_stakeThatEarns(), STAKE - 100e18);
    }

    function test_AFineOfNothingInterruptsNothing() public {
        _checkIn();
        assertEq(ledger.fine(one.account, "case", 1, 0), 0);
        assertEq(_stakeThatEarns(), STAKE);
    }

    /// @dev Whatever is slashed, given back, fined and checked in, in any order: nobody is paid on more than is there.
    function testFuzz_NobodyIsPaidOnStakeThatIsGone(uint256 seed) public {
        SlashCase memory found;
        for (uint256 i; i < 12; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            skip((seed >> 64) % 2 days);
            uint256 kind = seed % 4;
            if (kind == 0) ledger.fine(one.account, "case", 1, (seed >> 128) % 1_000e18);
            if (kind == 1 && found.account == 0) found = _held(7_001 + (seed >> 128) % 3_000);
            if (kind == 2 && found.account != 0) {
                (, uint256 until) = escrow.caseState(escrow.caseIdOf(found));
                if (vm.getBlockTimestamp() <= until) _veto(found);
                else escrow.finalise(found);
                delete found;
            }
            vm.startPrank(one.cold);
            try ledger.unjail(one.account) {} catch {}
            try rewardPool.checkIn(one.account, exactModel) {} catch {}
            vm.stopPrank();
            assertLe(_stakeThatEarns(), bondedOf(one.account));
        }
    }
}
