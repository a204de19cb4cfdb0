// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IRewardDistributor} from "../src/interfaces/IRewardDistributor.sol";
import {Fault, Role} from "../src/interfaces/Types.sol";
import {LedgerTest} from "./utils/LedgerTest.sol";

/// @title Staking, unbonding, jail, weight
contract RewardDistributorStakeTest is LedgerTest {
    bytes32 private constant PERMIT =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    // ---- stake ----

    function test_Minima() public view {
        assertEq(ledger.minimumStake(Role.Compute), COMPUTE_MIN);
        assertEq(ledger.minimumStake(Role.Verifier), VERIFIER_MIN);
        assertEq(ledger.minimumStake(Role.ModelProvider), PROVIDER_MIN);
        assertEq(ledger.minimumStake(Role.Holder), 0);
    }

    function test_FirstStakeOpensAnAccount() public {
        fund(alice, COMPUTE_MIN);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.AccountOpened(2, alice, Role.Compute);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.Staked(alice, Role.Compute, COMPUTE_MIN, COMPUTE_MIN);
        vm.prank(alice);
        ledger.stake(Role.Compute, COMPUTE_MIN);

        IRewardDistributor.Account memory opened = account(2);
        assertEq(opened.operator, alice);
        assertEq(opened.bonded, COMPUTE_MIN);
        assertEq(opened.reputation, 2_500);
        assertEq(opened.jailedUntil, 0);
        assertEq(ledger.accountId(alice, Role.Compute), 2);
        assertEq(ledger.accountId(alice, Role.Verifier), 0, "not staked in that role");
        assertEq(ledger.accountId(alice, Role.Holder), 0);
        assertEq(ledger.accountId(stranger, Role.Compute), 0);
    }

    function test_AccountIdsFollowOperatorAndRole() public {
        assertEq(staked(alice, Role.Verifier, VERIFIER_MIN), 3);
        assertEq(staked(alice, Role.Compute, COMPUTE_MIN), 2);
        assertEq(staked(bob, Role.Compute, COMPUTE_MIN), 4);
        assertEq(ledger.operatorCount(), 2);
    }

    function test_UnknownAccountIsAllZero() public view {
        IRewardDistributor.Account memory unknown = account(99);
        assertEq(unknown.operator, address(0));
        assertEq(unknown.reputation, 0);
        assertEq(ledger.weightOf(99), 0);
        assertEq(ledger.weightOf(0), 0);
        assertEq(ledger.weightOf(1), 0);
    }

    function test_FirstStakeMustReachTheMinimum() public {
        fund(alice, COMPUTE_MIN);
        Role[3] memory roles = [Role.ModelProvider, Role.Compute, Role.Verifier];
        for (uint256 i; i < 3; ++i) {
            uint256 minimum = ledger.minimumStake(roles[i]);
            vm.expectRevert(
                abi.encodeWithSelector(IRewardDistributor.BelowMinimum.selector, roles[i], minimum - 1, minimum)
            );
            vm.prank(alice);
            ledger.stake(roles[i], minimum - 1);
        }
    }

    function test_HoldersStakeAnyAmount() public {
        staked(alice, Role.Holder, 1);
        assertEq(ledger.stakeOf(alice, Role.Holder), 1);
    }

    function test_AnyTopUpIsWelcomeAboveTheMinimum() public {
        staked(alice, Role.Compute, COMPUTE_MIN);
        staked(alice, Role.Compute, 1);
        assertEq(ledger.stakeOf(alice, Role.Compute), COMPUTE_MIN + 1);
    }

    function test_ATopUpAfterASlashMustReachTheMinimum() public {
        uint32 id = staked(alice, Role.Compute, COMPUTE_MIN);
        uint256 taken = slash(id, Fault.Incorrect, 10_000);
        fund(alice, taken);
        expectError(IRewardDistributor.BelowMinimum.selector);
        vm.prank(alice);
        ledger.stake(Role.Compute, taken - 1);
        vm.prank(alice);
        ledger.stake(Role.Compute, taken);
        assertEq(account(id).bonded, COMPUTE_MIN);
    }

    function test_StakeRefusesZeroAndMoreThanFits() public {
        vm.startPrank(alice);
        vm.expectRevert(IRewardDistributor.ZeroAmount.selector);
        ledger.stake(Role.Holder, 0);
        uint256 huge = uint256(type(uint96).max) + 1;
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.AmountTooLarge.selector, huge));
        ledger.stake(Role.Holder, huge);
        vm.stopPrank();
    }

    function test_StakeWithoutAllowanceRevertsWhole() public {
        vm.prank(treasury);
        token.transfer(alice, COMPUTE_MIN);
        expectError(bytes4(keccak256("ERC20InsufficientAllowance(address,uint256,uint256)")));
        vm.prank(alice);
        ledger.stake(Role.Compute, COMPUTE_MIN);
        assertEq(ledger.stakeOf(alice, Role.Compute), 0);
    }

    function test_OnlyTheTokenReportsHolderStake() public {
        vm.expectRevert(IRewardDistributor.OnlyToken.selector);
        vm.prank(alice);
        ledger.onTokenStake(alice, 1);
    }

    // ---- permit ----

    function _permit(uint256 amount) private returns (address owner, uint8 v, bytes32 r, bytes32 s) {
        uint256 key;
        (owner, key) = makeAddrAndKey("permitter");
        vm.prank(treasury);
        token.transfer(owner, amount);
        bytes32 structHash = keccak256(abi.encode(PERMIT, owner, address(ledger), amount, 0, type(uint256).max));
        (v, r, s) = vm.sign(key, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash)));
    }

    function test_StakeWithPermit() public {
        (address owner, uint8 v, bytes32 r, bytes32 s) = _permit(COMPUTE_MIN);
        vm.prank(owner);
        ledger.stakeWithPermit(Role.Compute, COMPUTE_MIN, type(uint256).max, v, r, s);
        assertEq(ledger.stakeOf(owner, Role.Compute), COMPUTE_MIN);
    }

    function test_APermitSubmittedBySomebodyElseFirstStillStakes() public {
        (address owner, uint8 v, bytes32 r, bytes32 s) = _permit(COMPUTE_MIN);
        vm.prank(stranger);
        token.permit(owner, address(ledger), COMPUTE_MIN, type(uint256).max, v, r, s);
        vm.prank(owner);
        ledger.stakeWithPermit(Role.Compute, COMPUTE_MIN, type(uint256).max, v, r, s);
        assertEq(ledger.stakeOf(owner, Role.Compute), COMPUTE_MIN);
    }

    function test_SomebodyElsesPermitIsOfNoUse() public {
        (, uint8 v, bytes32 r, bytes32 s) = _permit(COMPUTE_MIN);
        expectError(bytes4(keccak256("ERC20InsufficientAllowance(address,uint256,uint256)")));
        vm.prank(stranger);
        ledger.stakeWithPermit(Role.Compute, COMPUTE_MIN, type(uint256).max, v, r, s);
    }

    // ---- unbonding ----

    function test_UnbondThenWithdrawAfterTheDelay() public {
        uint32 id = staked(alice, Role.Compute, COMPUTE_MIN);
        uint256 releaseAt = block.timestamp + UNBONDING;
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.UnbondRequested(alice, Role.Compute, COMPUTE_MIN, releaseAt);
        unbond(alice, Role.Compute, COMPUTE_MIN);
        assertEq(account(id).bonded, 0);
        assertEq(account(id).unbonding, COMPUTE_MIN);
        assertEq(account(id).releaseAt, releaseAt);
        assertEq(ledger.weightOf(id), 0, "leaving is not drawn");

        vm.warp(releaseAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.StillBonded.selector, releaseAt));
        vm.prank(alice);
        ledger.withdraw(Role.Compute);

        vm.warp(releaseAt);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.Withdrawn(alice, Role.Compute, COMPUTE_MIN);
        vm.prank(alice);
        assertEq(ledger.withdraw(Role.Compute), COMPUTE_MIN);
        assertEq(token.balanceOf(alice), COMPUTE_MIN);
        vm.expectRevert(IRewardDistributor.ZeroAmount.selector);
        vm.prank(alice);
        ledger.withdraw(Role.Compute);
    }

    function test_ASecondRequestRestartsTheDelay() public {
        staked(alice, Role.Compute, COMPUTE_MIN + 10);
        unbond(alice, Role.Compute, 4);
        skip(UNBONDING);
        unbond(alice, Role.Compute, 6);
        (uint256 amount, uint256 releaseAt) = ledger.unbondingOf(alice, Role.Compute);
        assertEq(amount, 10);
        assertEq(releaseAt, block.timestamp + UNBONDING);
        expectError(IRewardDistributor.StillBonded.selector);
        vm.prank(alice);
        ledger.withdraw(Role.Compute);
    }

    function test_APartialUnbondMustLeaveTheMinimumOrNothing() public {
        staked(alice, Role.Verifier, VERIFIER_MIN + 5);
        vm.expectRevert(
            abi.encodeWithSelector(
                IRewardDistributor.BelowMinimum.selector, Role.Verifier, VERIFIER_MIN - 1, VERIFIER_MIN
            )
        );
        vm.prank(alice);
        ledger.requestUnbond(Role.Verifier, 6);
        unbond(alice, Role.Verifier, 5);
        unbond(alice, Role.Verifier, VERIFIER_MIN);
        assertEq(ledger.stakeOf(alice, Role.Verifier), 0);
    }

    function test_UnbondRefusesZeroAndMoreThanStaked() public {
        staked(alice, Role.Compute, COMPUTE_MIN);
        vm.startPrank(alice);
        vm.expectRevert(IRewardDistributor.ZeroAmount.selector);
        ledger.requestUnbond(Role.Compute, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IRewardDistributor.InsufficientStake.selector, COMPUTE_MIN + 1, COMPUTE_MIN)
        );
        ledger.requestUnbond(Role.Compute, COMPUTE_MIN + 1);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.InsufficientStake.selector, 1, 0));
        ledger.requestUnbond(Role.Verifier, 1);
        vm.stopPrank();
    }

    function test_RolesThatHoldNoSeatsUnbondTheSameWay() public {
        staked(alice, Role.ModelProvider, PROVIDER_MIN);
        expectError(IRewardDistributor.BelowMinimum.selector);
        vm.prank(alice);
        ledger.requestUnbond(Role.ModelProvider, 1);
        unbond(alice, Role.ModelProvider, PROVIDER_MIN);
        (uint256 amount, uint256 releaseAt) = ledger.unbondingOf(alice, Role.ModelProvider);
        assertEq(amount, PROVIDER_MIN);
        expectError(IRewardDistributor.StillBonded.selector);
        vm.prank(alice);
        ledger.withdraw(Role.ModelProvider);
        vm.warp(releaseAt);
        vm.prank(alice);
        ledger.withdraw(Role.ModelProvider);
        assertEq(token.balanceOf(alice), PROVIDER_MIN);
    }

    function testFuzz_RolesDoNotTouchEachOther(uint96 compute, uint96 verifierStake, uint96 holder) public {
        compute = uint96(bound(compute, COMPUTE_MIN, 1e26));
        verifierStake = uint96(bound(verifierStake, VERIFIER_MIN, 1e26));
        holder = uint96(bound(holder, 1, 1e26));
        staked(alice, Role.Compute, compute);
        staked(alice, Role.Verifier, verifierStake);
        staked(alice, Role.Holder, holder);
        unbond(alice, Role.Compute, compute);
        assertEq(ledger.stakeOf(alice, Role.Compute), 0);
        assertEq(ledger.stakeOf(alice, Role.Verifier), verifierStake);
        assertEq(ledger.totalStakeOf(alice), uint256(verifierStake) + holder);
    }

    function test_LeavingAndComingBackKeepsTheRecord() public {
        uint32 id = staked(alice, Role.Compute, COMPUTE_MIN);
        slash(id, Fault.Incorrect, 0);
        uint256 left = account(id).bonded;
        unbond(alice, Role.Compute, left);
        skip(UNBONDING);
        vm.prank(alice);
        ledger.withdraw(Role.Compute);
        assertEq(staked(alice, Role.Compute, COMPUTE_MIN), id);
        assertEq(account(id).reputation, 1_250);
        assertEq(ledger.weightOf(id), 0, "still jailed");
    }

    // ---- weight ----

    function testFuzz_WeightIsWholeStakeTimesReputation(uint256 amount) public {
        amount = bound(amount, COMPUTE_MIN, token.balanceOf(treasury));
        uint32 id = staked(alice, Role.Compute, amount);
        assertEq(ledger.weightOf(id), amount / 1e18 * 2_500);
        assertLt(ledger.weightOf(id), 1 << 48);
    }

    function test_WeightsOfAnswersForMany() public {
        uint32[] memory ids = new uint32[](3);
        ids[0] = staked(alice, Role.Compute, COMPUTE_MIN);
        ids[1] = staked(bob, Role.Verifier, VERIFIER_MIN);
        ids[2] = 77;
        uint64[] memory weights = ledger.weightsOf(ids);
        assertEq(weights[0], 50_000 * 2_500);
        assertEq(weights[1], 25_000 * 2_500);
        assertEq(weights[2], 0);
    }

    function test_WeightIsZeroBelowTheMinimum() public {
        uint32 id = staked(alice, Role.Compute, COMPUTE_MIN);
        slash(id, Fault.Absent, 0);
        assertEq(account(id).bonded, COMPUTE_MIN * 95 / 100);
        assertEq(account(id).jailedUntil, 0, "not jailed");
        assertEq(ledger.weightOf(id), 0);
    }

    function test_WeightDecaysWithoutAnyTransaction() public {
        uint32 id = staked(alice, Role.Compute, COMPUTE_MIN);
        for (uint256 i; i < 20; ++i) {
            win(id, 0);
        }
        uint256 reputation = account(id).reputation;
        skip(7 days);
        uint256 expected = 2_500 + (reputation - 2_500) * 7 / 8;
        assertEq(account(id).reputation, expected);
        assertEq(ledger.weightOf(id), 50_000 * expected);
        win(id, 0);
        assertEq(account(id).reputation, expected + (10_000 - expected) / 64, "the decay is counted before the gain");
    }

    // ---- jail ----

    function test_UnjailAfterTheTermWithTheMinimum() public {
        uint32 id = staked(alice, Role.Compute, 2 * COMPUTE_MIN);
        slash(id, Fault.Incorrect, 0);
        uint256 until = account(id).jailedUntil;
        assertEq(until, block.timestamp + JAIL);
        assertEq(ledger.weightOf(id), 0);

        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.StillJailed.selector, until));
        ledger.unjail(id);
        vm.warp(until);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.Unjailed(id);
        ledger.unjail(id);
        assertEq(account(id).jailedUntil, 0);
        assertEq(ledger.weightOf(id), 90_000 * 1_250);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NotJailed.selector, id));
        ledger.unjail(id);
        vm.stopPrank();
    }

    function test_TheTermDoesNotEndByItself() public {
        uint32 id = staked(alice, Role.Compute, 2 * COMPUTE_MIN);
        slash(id, Fault.Unopened, 0);
        skip(30 days);
        assertEq(ledger.weightOf(id), 0, "jailed until unjail");
    }

    function test_UnjailNeedsTheMinimumAndTheOperator() public {
        uint32 id = staked(alice, Role.Compute, COMPUTE_MIN);
        slash(id, Fault.Incorrect, 0);
        skip(JAIL);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NotOperator.selector, id, stranger));
        vm.prank(stranger);
        ledger.unjail(id);
        vm.expectRevert(
            abi.encodeWithSelector(
                IRewardDistributor.BelowMinimum.selector, Role.Compute, COMPUTE_MIN * 9 / 10, COMPUTE_MIN
            )
        );
        vm.prank(alice);
        ledger.unjail(id);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.UnknownAccount.selector, uint32(99)));
        ledger.unjail(99);
        staked(alice, Role.Compute, COMPUTE_MIN / 10);
        vm.prank(alice);
        ledger.unjail(id);
        assertEq(ledger.weightOf(id), 50_000 * 1_250);
    }
}
