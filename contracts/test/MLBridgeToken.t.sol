// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {MLBridgeToken} from "../src/MLBridgeToken.sol";
import {IMLBridgeToken} from "../src/interfaces/IMLBridgeToken.sol";
import {IRewardDistributor} from "../src/interfaces/IRewardDistributor.sol";
import {Role} from "../src/interfaces/Types.sol";
import {Inflation} from "../src/libraries/Inflation.sol";
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

    function test_GenesisDistribution() public {
        IMLBridgeToken.Allocation memory to =
            IMLBridgeToken.Allocation(address(1), address(2), address(3), address(4), address(5));
        MLBridgeToken mlb = new MLBridgeToken(to, address(ledger));
        assertEq(mlb.balanceOf(to.community), 400_000_000e18, "community");
        assertEq(mlb.balanceOf(to.team), 150_000_000e18, "team");
        assertEq(mlb.balanceOf(to.ecosystem), 200_000_000e18, "ecosystem");
        assertEq(mlb.balanceOf(to.liquidity), 100_000_000e18, "liquidity");
        assertEq(mlb.balanceOf(to.reserve), 150_000_000e18, "reserve");
        assertEq(mlb.totalSupply(), mlb.TOTAL_SUPPLY());
        assertEq(mlb.genesis(), block.timestamp);
        assertEq(mlb.rewardPool(), to.community);
        assertEq(address(mlb.distributor()), address(ledger));
    }

    function test_RefusesZeroAddresses() public {
        address[5] memory to = [address(1), address(2), address(3), address(4), address(5)];
        for (uint256 i; i < 5; ++i) {
            address kept = to[i];
            to[i] = address(0);
            vm.expectRevert(abi.encodeWithSignature("ERC20InvalidReceiver(address)", address(0)));
            new MLBridgeToken(IMLBridgeToken.Allocation(to[0], to[1], to[2], to[3], to[4]), address(ledger));
            to[i] = kept;
        }
        vm.expectRevert(MLBridgeToken.ZeroAddress.selector);
        new MLBridgeToken(IMLBridgeToken.Allocation(to[0], to[1], to[2], to[3], to[4]), address(0));
    }

    // ---- inflation ----

    function test_OnlyTheRewardPoolMints() public {
        vm.warp(block.timestamp + 365 days);
        address[4] memory others = [stranger, governor, treasury, address(ledger)];
        for (uint256 i; i < 4; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IMLBridgeToken.OnlyRewardPool.selector, others[i]));
            vm.prank(others[i]);
            token.mint();
        }
        assertEq(token.totalSupply(), token.TOTAL_SUPPLY());
    }

    function test_AnyoneMintsIntoThePoolWhatTheFormulaAllows() public {
        vm.expectRevert(abi.encodeWithSelector(IMLBridgeToken.NothingToMint.selector, 0));
        rewardPool.mintInflation();
        vm.warp(block.timestamp + 365 days);
        assertEq(token.mintable(), 30_000_000e18);
        uint256 before = token.balanceOf(address(rewardPool));
        vm.expectEmit(true, true, true, true, address(token));
        emit IMLBridgeToken.InflationMinted(30_000_000e18, 30_000_000e18);
        vm.prank(stranger);
        assertEq(rewardPool.mintInflation(), 30_000_000e18);
        assertEq(token.balanceOf(address(rewardPool)) - before, 30_000_000e18);
        assertEq(token.inflationMinted(), 30_000_000e18);
        vm.expectRevert(abi.encodeWithSelector(IMLBridgeToken.NothingToMint.selector, 30_000_000e18));
        rewardPool.mintInflation();
    }

    /// @dev Many calls at any times mint together what one call would, and never more at any moment.
    function testFuzz_NoSequenceOfCallsMintsMoreThanTheFormula(uint256 seed) public {
        uint256 genesis = token.genesis();
        uint256 now_ = genesis;
        for (uint256 i; i < 40; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            now_ += seed % 3 == 0 ? seed % 900 : seed % 300 days;
            vm.warp(now_);
            if (token.mintable() != 0) rewardPool.mintInflation();
            assertEq(token.inflationMinted(), Inflation.issuable(now_ - genesis));
            // Burning opens no room for more.
            vm.prank(treasury);
            token.burn(seed % 1e18);
        }
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
        amount = bound(amount, 1, token.balanceOf(treasury));
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

    function test_StakingRewardsIncludeWhatTheRewardPoolOwes() public {
        fund(alice, 1_000e18);
        vm.prank(alice);
        token.stake(1_000e18);
        vm.warp(block.timestamp + 365 days);
        assertEq(token.stakingRewards(alice), 20e18, "2 % a year");
        rewardPool.claim(alice);
        assertEq(token.stakingRewards(alice), 0);
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
        assertEq(token.getVotes(bob), 450_000_000e18 - 400);
        assertEq(token.getPastVotes(bob, before), 450_000_000e18);
    }

    function test_BurningLowersTheSupplyForGood() public {
        vm.prank(treasury);
        token.burn(1_000);
        assertEq(token.totalSupply(), token.TOTAL_SUPPLY() - 1_000);
    }
}
