// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {MLBridgeToken} from "../src/MLBridgeToken.sol";
import {IMLBridgeToken} from "../src/interfaces/IMLBridgeToken.sol";
import {IRewardDistributor} from "../src/interfaces/IRewardDistributor.sol";
import {Role} from "../src/interfaces/Types.sol";
import {LedgerTest} from "./utils/LedgerTest.sol";

contract MLBridgeTokenTest is LedgerTest {
    bytes32 private constant PERMIT =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    function test_WhitePaperConstants() public view {
        assertEq(token.TOTAL_SUPPLY(), 1_000_000_000e18);
        assertEq(token.INFLATION_RATE(), 300);
        assertEq(token.INFLATION_CAP(), 50);
        assertEq(token.name(), "ML Bridge");
        assertEq(token.symbol(), "MLB");
        assertEq(token.decimals(), 18);
    }

    function test_TheTreasuryHoldsTheWholeSupply() public view {
        assertEq(token.totalSupply(), token.TOTAL_SUPPLY());
        assertEq(token.balanceOf(treasury), token.TOTAL_SUPPLY());
    }

    function test_RefusesZeroAddresses() public {
        vm.expectRevert(MLBridgeToken.ZeroAddress.selector);
        new MLBridgeToken(address(0), address(ledger));
        vm.expectRevert(MLBridgeToken.ZeroAddress.selector);
        new MLBridgeToken(treasury, address(0));
    }

    function test_StakeZeroReverts() public {
        vm.expectRevert(IMLBridgeToken.InvalidStakeAmount.selector);
        token.stake(0);
    }

    function test_StakeWithoutBalanceReverts() public {
        expectError(bytes4(keccak256("ERC20InsufficientBalance(address,uint256,uint256)")));
        vm.prank(stranger);
        token.stake(1);
    }

    function testFuzz_StakeMovesTokensIntoTheLedgerAsHolder(uint256 amount) public {
        amount = bound(amount, 1, token.TOTAL_SUPPLY());
        vm.prank(treasury);
        token.transfer(alice, amount);
        vm.expectEmit(true, true, true, true, address(token));
        emit IMLBridgeToken.Staked(alice, amount);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.Staked(alice, Role.Holder, amount, amount);
        vm.prank(alice);
        token.stake(amount);
        assertEq(token.balanceOf(alice), 0);
        assertEq(token.balanceOf(address(ledger)), amount);
        assertEq(ledger.stakeOf(alice, Role.Holder), amount);
        assertEq(token.stakingBalances(alice), amount);
    }

    function test_StakingBalanceCountsEveryRole() public {
        staked(alice, Role.Compute, COMPUTE_MIN);
        staked(alice, Role.ModelProvider, PROVIDER_MIN);
        staked(alice, Role.Verifier, VERIFIER_MIN);
        staked(alice, Role.Holder, 7);
        assertEq(token.stakingBalances(alice), COMPUTE_MIN + PROVIDER_MIN + VERIFIER_MIN + 7);
    }

    function test_StakingRewardsAreTheClaimableTokens() public {
        uint32 judge = staked(alice, Role.Verifier, VERIFIER_MIN);
        fund(bob, 1_000e18);
        vm.prank(bob);
        ledger.fundReserve(MODEL, 1_000e18);
        uint32[] memory judges = new uint32[](1);
        judges[0] = judge;
        judged(judges, 1);
        assertEq(token.stakingRewards(alice), JUDGE_FEE);
    }

    function test_PermitApprovesOnce() public {
        (address owner, uint256 key) = makeAddrAndKey("permitter");
        uint256 deadline = block.timestamp + 1 hours;
        bytes32 structHash = keccak256(abi.encode(PERMIT, owner, bob, 5, 0, deadline));
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(key, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash)));
        token.permit(owner, bob, 5, deadline, v, r, s);
        assertEq(token.allowance(owner, bob), 5);
        assertEq(token.nonces(owner), 1);
        expectError(bytes4(keccak256("ERC2612InvalidSigner(address,address)")));
        token.permit(owner, bob, 5, deadline, v, r, s);
    }

    function test_VotesAreCountedByTime() public {
        assertEq(token.CLOCK_MODE(), "mode=timestamp");
        assertEq(token.clock(), block.timestamp);
        vm.prank(treasury);
        token.delegate(bob);
        uint256 before = block.timestamp;
        vm.warp(before + 1 days);
        vm.prank(treasury);
        token.transfer(alice, 400);
        assertEq(token.getVotes(bob), token.TOTAL_SUPPLY() - 400);
        assertEq(token.getPastVotes(bob, before), token.TOTAL_SUPPLY());
    }

    function test_BurningLowersTheSupplyForGood() public {
        vm.prank(treasury);
        token.burn(1_000);
        assertEq(token.totalSupply(), token.TOTAL_SUPPLY() - 1_000);
    }
}
