// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {MLBridgeToken} from "../src/MLBridgeToken.sol";
import {TeamVesting} from "../src/TeamVesting.sol";
import {IMLBridgeToken} from "../src/interfaces/IMLBridgeToken.sol";
import {Test} from "./utils/Test.sol";

contract TeamVestingTest is Test {
    uint256 private constant SHARE = 150_000_000e18;
    uint256 private constant FOUR_YEARS = 126_144_000;

    MLBridgeToken private token;
    TeamVesting private vesting;
    address private team = makeAddr("team");
    uint256 private begun;

    function setUp() public {
        vesting = new TeamVesting(team);
        IMLBridgeToken.Allocation memory to =
            IMLBridgeToken.Allocation(address(1), address(vesting), address(3), address(4), address(5));
        token = new MLBridgeToken(to, address(6));
        begun = block.timestamp;
    }

    function test_StartsAtConstructionAndLastsFourYears() public view {
        assertEq(vesting.start(), begun);
        assertEq(vesting.duration(), FOUR_YEARS);
        assertEq(vesting.end(), begun + FOUR_YEARS);
        assertEq(vesting.owner(), team);
        assertEq(token.balanceOf(address(vesting)), SHARE);
    }

    function test_NeedsABeneficiary() public {
        vm.expectRevert(abi.encodeWithSignature("OwnableInvalidOwner(address)", address(0)));
        new TeamVesting(address(0));
    }

    function testFuzz_ExactToTheSecond(uint256 elapsed) public {
        elapsed = bound(elapsed, 0, 2 * FOUR_YEARS);
        vm.warp(begun + elapsed);
        vesting.release(address(token));
        uint256 vested = elapsed >= FOUR_YEARS ? SHARE : SHARE * elapsed / FOUR_YEARS;
        assertEq(token.balanceOf(team), vested);
        if (elapsed < FOUR_YEARS) {
            vm.warp(begun + elapsed + 1);
            vesting.release(address(token));
            assertEq(token.balanceOf(team), SHARE * (elapsed + 1) / FOUR_YEARS, "a second later");
        }
    }

    /// @dev However it is split into releases, and whoever asks for them, the sum is the same and goes to the owner.
    function testFuzz_ReleasesAddUp(uint256 seed) public {
        uint256 elapsed;
        for (uint256 i; i < 12; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            elapsed += seed % (FOUR_YEARS / 6);
            vm.warp(begun + elapsed);
            vm.prank(address(uint160(seed)));
            vesting.release(address(token));
        }
        assertEq(token.balanceOf(team), elapsed >= FOUR_YEARS ? SHARE : SHARE * elapsed / FOUR_YEARS);
        assertEq(token.balanceOf(team) + token.balanceOf(address(vesting)), SHARE);
    }

    function test_WhatHasNotVestedDoesNotVote() public {
        vm.warp(begun + FOUR_YEARS / 4);
        vesting.release(address(token));
        vm.prank(team);
        token.delegate(team);
        assertEq(token.getVotes(team), SHARE / 4);
    }
}
