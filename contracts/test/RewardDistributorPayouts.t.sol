// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {RewardDistributor} from "../src/RewardDistributor.sol";
import {IRewardDistributor} from "../src/interfaces/IRewardDistributor.sol";
import {Role} from "../src/interfaces/Types.sol";
import {BridgeStub, LedgerTest} from "./utils/LedgerTest.sol";

/// @dev An operator whose contract refuses money until told otherwise.
contract Moody {
    bool public willing;

    receive() external payable {
        require(willing, "no");
    }

    function setWilling() external {
        willing = true;
    }
}

/// @dev Tries to be paid twice in one call.
contract Greedy {
    RewardDistributor private immutable LEDGER;

    constructor(RewardDistributor ledger_) {
        LEDGER = ledger_;
    }

    receive() external payable {
        LEDGER.claim(address(this));
    }
}

/// @title Settlement, credits, claims, governance
contract RewardDistributorPayoutsTest is LedgerTest {
    function _settlement(uint32[] memory winners) private view returns (IRewardDistributor.Settlement memory) {
        return IRewardDistributor.Settlement({
            taskId: TASK,
            modelProvider: bob,
            modelFee: 3 ether,
            protocolFee: 1 ether,
            seatFee: 2 ether,
            requester: carol,
            refund: 5,
            winners: winners
        });
    }

    function _credit(address to, uint256 amount) private {
        vm.prank(taskManager);
        ledger.credit(to, TASK, amount);
    }

    // ---- settle ----

    function test_SettleCreditsEverybody() public {
        uint32[] memory winners = new uint32[](2);
        winners[0] = staked(alice, Role.Compute, COMPUTE_MIN);
        winners[1] = staked(bob, Role.Compute, COMPUTE_MIN);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.ReputationChanged(winners[0], 2_617);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.ReputationChanged(winners[1], 2_617);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.TaskSettled(TASK, 3 ether, 1 ether, 2 ether, 5, winners);
        vm.prank(taskManager);
        ledger.settle(_settlement(winners));
        assertEq(ledger.claimable(alice), 2 ether);
        assertEq(ledger.claimable(bob), 5 ether, "seat fee and model fee");
        assertEq(ledger.claimable(carol), 5);
        assertEq(ledger.protocolFees(), 1 ether);
    }

    function test_SettlingAWinWritesOneSlotOfTheAccount() public {
        uint32[] memory winners = new uint32[](1);
        winners[0] = staked(alice, Role.Compute, COMPUTE_MIN);
        win(winners[0], 1);
        vm.record();
        win(winners[0], 1);
        (, bytes32[] memory writes) = vm.accesses(address(ledger));
        for (uint256 i; i < writes.length; ++i) {
            assertEq(writes[i], writes[0], "one slot");
        }
    }

    function test_SettleRefusesAnUnknownWinner() public {
        uint32[] memory winners = new uint32[](1);
        winners[0] = 8;
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.UnknownAccount.selector, uint32(8)));
        vm.prank(taskManager);
        ledger.settle(_settlement(winners));
    }

    function test_ASeatFeeBeyondTheSlotIsRefused() public {
        uint32 id = staked(alice, Role.Compute, COMPUTE_MIN);
        win(id, type(uint96).max);
        uint32[] memory winners = new uint32[](1);
        winners[0] = id;
        vm.expectRevert(
            abi.encodeWithSelector(IRewardDistributor.AmountTooLarge.selector, uint256(type(uint96).max) + 1)
        );
        vm.prank(taskManager);
        ledger.settle(IRewardDistributor.Settlement(TASK, address(0), 0, 0, 1, address(0), 0, winners));
    }

    function testFuzz_SettlingDoesNotTouchStake(uint96 amount, uint80 seatFee, uint8 wins) public {
        amount = uint96(bound(amount, COMPUTE_MIN, 1e26));
        uint32 id = staked(alice, Role.Compute, amount);
        uint256 count = bound(wins, 1, 30);
        for (uint256 i; i < count; ++i) {
            win(id, seatFee);
        }
        assertEq(account(id).bonded, amount);
        assertEq(ledger.claimable(alice), count * seatFee);
        assertLe(account(id).reputation, 10_000);
    }

    // ---- credit and claim ----

    function test_CreditAndClaim() public {
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.Credited(carol, TASK, 7);
        _credit(carol, 7);
        _credit(carol, 0);
        assertEq(ledger.claimable(carol), 7);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.Claimed(carol, 7);
        vm.prank(stranger);
        assertEq(ledger.claim(carol), 7, "anyone may call");
        assertEq(carol.balance, 7, "and only the claimant is paid");
        assertEq(stranger.balance, 0);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NothingToClaim.selector, carol));
        ledger.claim(carol);
    }

    function test_OneClaimPaysEveryAccountAndCredit() public {
        win(staked(alice, Role.Compute, COMPUTE_MIN), 10);
        win(staked(alice, Role.Verifier, VERIFIER_MIN), 20);
        _credit(alice, 3);
        assertEq(ledger.claimable(alice), 33);
        assertEq(ledger.claim(alice), 33);
        assertEq(alice.balance, 33);
        assertEq(ledger.claimable(alice), 0);
        assertEq(ledger.stakeOf(alice, Role.Compute), COMPUTE_MIN, "stake stays");
    }

    function test_AReceiverThatRejectsStopsOnlyItself() public {
        address moody = address(new Moody());
        uint32[] memory winners = new uint32[](2);
        winners[0] = staked(moody, Role.Compute, COMPUTE_MIN);
        winners[1] = staked(alice, Role.Compute, COMPUTE_MIN);
        settle(winners, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(BridgeStub.TransferFailed.selector, moody, 1 ether));
        ledger.claim(moody);
        assertEq(ledger.claim(alice), 1 ether, "others are paid");
        assertEq(ledger.claimable(moody), 1 ether, "its credit stays");
        Moody(payable(moody)).setWilling();
        ledger.claim(moody);
        assertEq(moody.balance, 1 ether);
    }

    function test_ClaimingInsideAClaimFails() public {
        Greedy greedy = new Greedy(ledger);
        _credit(address(greedy), 1 ether);
        expectError(BridgeStub.TransferFailed.selector);
        ledger.claim(address(greedy));
        assertEq(address(greedy).balance, 0);
        assertEq(ledger.claimable(address(greedy)), 1 ether);
    }

    function test_ClaimTokensWithoutCreditReverts() public {
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NothingToClaim.selector, alice));
        ledger.claimTokens(alice);
    }

    // ---- authority ----

    function test_OnlyTheTaskManagerMovesMoney() public {
        uint32[] memory none = new uint32[](0);
        address[4] memory callers = [stranger, verifier, governor, address(bridge)];
        for (uint256 i; i < callers.length; ++i) {
            vm.startPrank(callers[i]);
            vm.expectRevert(IRewardDistributor.OnlyTaskManager.selector);
            ledger.settle(_settlement(none));
            vm.expectRevert(IRewardDistributor.OnlyTaskManager.selector);
            ledger.credit(callers[i], TASK, 1);
            vm.expectRevert(IRewardDistributor.OnlyTaskManager.selector);
            ledger.payJudges(TASK, none);
            vm.expectRevert(IRewardDistributor.OnlyTaskManager.selector);
            ledger.earmarkJudges(TASK, MODEL, 1);
            vm.stopPrank();
        }
    }

    function test_OnlyGovernanceSetsTheJudgeFee() public {
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        vm.prank(stranger);
        ledger.setJudgeFee(1);
        vm.startPrank(governor);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.JudgeFeeChanged(1);
        ledger.setJudgeFee(1);
        assertEq(ledger.judgeFee(), 1);
        uint256 limit = ledger.JUDGE_FEE_LIMIT();
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.BadParameter.selector, "judgeFee"));
        ledger.setJudgeFee(limit + 1);
        vm.stopPrank();
    }

    function test_OnlyGovernanceAssignsProtocolFees() public {
        vm.prank(taskManager);
        ledger.settle(_settlement(new uint32[](0)));
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        vm.prank(stranger);
        ledger.assignProtocolFees(stranger);
        vm.startPrank(governor);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.BadParameter.selector, "to"));
        ledger.assignProtocolFees(address(0));
        vm.expectEmit(true, true, true, true, address(ledger));
        emit IRewardDistributor.ProtocolFeesAssigned(treasury, 1 ether);
        ledger.assignProtocolFees(treasury);
        vm.expectRevert(IRewardDistributor.ZeroAmount.selector);
        ledger.assignProtocolFees(treasury);
        vm.stopPrank();
        assertEq(ledger.protocolFees(), 0);
        assertEq(ledger.claim(treasury), 1 ether);
    }

    function test_TheConstructorChecksItsParameters() public {
        address a = address(manager);
        address t = address(token);
        address b = address(bridge);
        address z = address(0);
        _expectBad("authority");
        new RewardDistributor(z, t, b, taskManager, verifier, 1, 1, 0);
        _expectBad("token");
        new RewardDistributor(a, z, b, taskManager, verifier, 1, 1, 0);
        _expectBad("bridge");
        new RewardDistributor(a, t, z, taskManager, verifier, 1, 1, 0);
        _expectBad("taskManager");
        new RewardDistributor(a, t, b, z, verifier, 1, 1, 0);
        _expectBad("verifier");
        new RewardDistributor(a, t, b, taskManager, z, 1, 1, 0);
        _expectBad("unbondingDelay");
        new RewardDistributor(a, t, b, taskManager, verifier, 0, 1, 0);
        _expectBad("unbondingDelay");
        new RewardDistributor(a, t, b, taskManager, verifier, 366 days, 1, 0);
        _expectBad("jailSeconds");
        new RewardDistributor(a, t, b, taskManager, verifier, 1, 0, 0);
        _expectBad("jailSeconds");
        new RewardDistributor(a, t, b, taskManager, verifier, 1, 366 days, 0);
        _expectBad("judgeFee");
        new RewardDistributor(a, t, b, taskManager, verifier, 1, 1, 501e18);
    }

    function _expectBad(string memory name) private {
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.BadParameter.selector, name));
    }
}
