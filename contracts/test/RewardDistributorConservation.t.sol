// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IRewardDistributor} from "../src/interfaces/IRewardDistributor.sol";
import {Fault, Role} from "../src/interfaces/Types.sol";
import {LedgerTest} from "./utils/LedgerTest.sol";

/// @title No unit of MLB or wei appears or vanishes, whatever is done in whatever order
contract RewardDistributorConservationTest is LedgerTest {
    address[4] private who;
    uint256 private succeeded; // actions that changed something
    uint256 private weiOwed; // settled and credited so far, less what was claimed

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 4; ++i) {
            who[i] = address(uint160(0xA000 + i));
            fund(who[i], 10_000_000e18);
        }
    }

    /// @dev One action chosen by `dice`. Calls may fail; failing must change nothing, which the sums below would show.
    function _act(uint256 dice) private {
        address actor = who[dice % 4];
        Role role = Role(uint8((dice >> 8) % 4));
        uint256 amount = (dice >> 16) % 300_000e18;
        uint32 id = ledger.accountId(actor, role);
        uint256 kind = (dice >> 200) % 11;
        if (kind < 3) {
            vm.prank(actor);
            _try(abi.encodeCall(ledger.stake, (role, amount)));
        } else if (kind == 3) {
            // Half of the time everything.
            if (dice >> 255 == 1) amount = ledger.stakeOf(actor, role);
            vm.prank(actor);
            _try(abi.encodeCall(ledger.requestUnbond, (role, amount)));
        } else if (kind == 4) {
            skip(amount % 20 days);
            vm.prank(actor);
            _try(abi.encodeCall(ledger.withdraw, (role)));
        } else if (kind == 5) {
            Fault fault = Fault(uint8((dice >> 208) % 4));
            vm.prank(fault == Fault.Malicious ? verifier : taskManager);
            _try(abi.encodeCall(ledger.slash, (id, TASK, MODEL, fault, (dice >> 216) % 12_000, actor)));
        } else if (kind == 6 && id != 0) {
            uint32[] memory judges = new uint32[](1 + dice % 3);
            for (uint256 i; i < judges.length; ++i) {
                judges[i] = id;
            }
            vm.startPrank(taskManager);
            ledger.payJudges(TASK, new uint32[](0));
            bool able = ledger.earmarkJudges(TASK, MODEL, judges.length + dice % 2);
            if (dice >> 250 & 1 == 1) ledger.payJudges(TASK, judges);
            vm.stopPrank();
            if (able) ++succeeded;
        } else if (kind == 7) {
            vm.prank(actor);
            _try(abi.encodeCall(ledger.fundReserve, (MODEL, amount / 1_000)));
        } else if (kind == 8) {
            _settle(actor, id, amount);
        } else if (kind == 9) {
            uint256 before = actor.balance;
            _try(abi.encodeCall(ledger.claim, (actor)));
            weiOwed -= actor.balance - before;
        } else {
            _try(abi.encodeCall(ledger.claimTokens, (actor)));
        }
    }

    function _settle(address actor, uint32 id, uint256 dice) private {
        uint256 part = dice % 1 ether;
        uint32[] memory winners = new uint32[](id == 0 ? 0 : 1);
        if (id != 0) winners[0] = id;
        vm.prank(taskManager);
        ledger.settle(IRewardDistributor.Settlement(TASK, who[0], part, part / 3, part / 5, actor, part / 7, winners));
        weiOwed += part + part / 3 + (id == 0 ? 0 : part / 5) + part / 7;
    }

    function _try(bytes memory data) private {
        (bool ok,) = address(ledger).call(data);
        if (ok) ++succeeded;
    }

    /// @dev Fuzzed words lean towards small numbers; a hash of them reaches every action alike.
    function _dice(uint256 seed, uint256 step) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, step)));
    }

    function _mlbOwed() private view returns (uint256 owed) {
        owed = ledger.disputeReserve(MODEL) + ledger.disputeReserve(0) + ledger.earmarked(TASK);
        for (uint256 i; i < 4; ++i) {
            owed += ledger.totalStakeOf(who[i]) + ledger.claimableTokens(who[i]);
            for (uint256 role; role < 4; ++role) {
                (uint256 unbonding,) = ledger.unbondingOf(who[i], Role(uint8(role)));
                owed += unbonding;
            }
        }
    }

    function _weiCredited() private view returns (uint256 owed) {
        owed = ledger.protocolFees();
        for (uint256 i; i < 4; ++i) {
            owed += ledger.claimable(who[i]);
        }
    }

    function testFuzz_EveryUnitIsAccountedFor(uint256 seed) public {
        vm.deal(address(bridge), 1_000_000 ether);
        uint256 supply = token.totalSupply();
        for (uint256 i; i < 80; ++i) {
            uint256 before = token.totalSupply();
            _act(_dice(seed, i));
            supply -= before - token.totalSupply();
        }
        assertGt(succeeded, 20, "most actions do something");
        assertEq(_mlbOwed(), token.balanceOf(address(ledger)), "MLB");
        assertEq(_weiCredited(), weiOwed, "wei");
        uint256 outside = token.balanceOf(treasury) + token.balanceOf(team) + token.balanceOf(address(rewardPool));
        for (uint256 i; i < 4; ++i) {
            outside += token.balanceOf(who[i]);
        }
        assertEq(outside + token.balanceOf(address(ledger)), supply, "what is missing was burned");
    }

    function testFuzz_NothingDoneToOneAccountMovesAnother(uint256 seed) public {
        uint32 id = staked(bob, Role.Compute, COMPUTE_MIN);
        bytes memory before = abi.encode(account(id));
        for (uint256 i; i < 30; ++i) {
            _act(_dice(seed, i));
        }
        assertEq(abi.encode(account(id)), before);
        assertEq(ledger.claimable(bob), 0);
    }
}
