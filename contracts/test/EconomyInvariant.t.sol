// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {EconomyHandler} from "./invariant/EconomyHandler.sol";
import {InvariantTargets, Test} from "./utils/Test.sol";

/// @title What holds of MLB's supply, the pool and its streams, whatever anybody does in whatever order
contract EconomyInvariantTest is Test, InvariantTargets {
    EconomyHandler private handler;

    function setUp() public {
        handler = new EconomyHandler();
        handler.setUp();
        bytes4[] memory entries = new bytes4[](1);
        entries[0] = EconomyHandler.act.selector;
        targetContract(address(handler));
        targetSelector(address(handler), entries);
    }

    function invariant_NothingIsOverdrawnAndNothingIsLost() public view {
        handler.check();
    }

    function test_TheHandlerReachesEveryStream() public {
        for (uint256 i; i < 600; ++i) {
            handler.act(i);
        }
        handler.check();
        string[16] memory wanted = [
            "stake",
            "unbond",
            "withdraw",
            "check in",
            "rebate",
            "quality",
            "votes",
            "claim",
            "unjail",
            "fine",
            "veto",
            "finalise",
            "stop",
            "report",
            "serve",
            "mint"
        ];
        for (uint256 i; i < wanted.length; ++i) {
            assertGt(handler.seen(wanted[i]), 0, wanted[i]);
        }
    }
}

/// @title Ten years of days, and some more
contract TenYearsTest is EconomyHandler {
    /// @dev A day at a time, each ending at another second; somebody does something on each.
    function test_TenYearsDayByDay() public {
        for (uint256 day; day < 3_700; ++day) {
            uint256 drift = uint256(keccak256(abi.encode(day))) % 600;
            step(day, 1 days - 300 + drift);
            if (day % 20 == 0) check();
        }
        check();
        if (token.mintable() != 0) rewardPool.mintInflation();
        uint256 elapsed = vm.getBlockTimestamp() - token.genesis();
        assertGt(elapsed, 3_690 days);
        assertEq(token.inflationMinted(), _issued(elapsed), "the formula, written out again");
        vesting.release(address(token));
        assertEq(token.balanceOf(team), 150_000_000e18);
        assertEq(token.balanceOf(address(vesting)), 0);
    }

    /// forge-config: default.fuzz.runs = 4
    function testFuzz_ElevenYearsInAnyStride(uint256 seed) public {
        uint256 end = token.genesis() + 11 * 365 days;
        for (uint256 i; vm.getBlockTimestamp() < end; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            step(seed, (seed >> 200) % 20 days);
            check();
        }
        if (token.mintable() != 0) rewardPool.mintInflation();
        assertEq(token.inflationMinted(), _issued(vm.getBlockTimestamp() - token.genesis()));
    }

    /// @dev Years 1 to 10 at 3 %, later ones at 0.5 %, by whole epochs of 300 seconds.
    function _issued(uint256 elapsed) private pure returns (uint256 sum) {
        uint256 supply = 1_000_000_000e18;
        uint256 year;
        for (; (year + 1) * 365 days <= elapsed; ++year) {
            uint256 grown = year < 10 ? supply * 103 / 100 : supply * 201 / 200;
            sum += grown - supply;
            supply = grown;
        }
        uint256 epochs = (elapsed - year * 365 days) / 300;
        sum += (year < 10 ? supply * 3 / 100 : supply / 200) * epochs / 105_120;
    }
}
