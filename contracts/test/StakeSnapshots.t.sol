// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {StakeSnapshots} from "../src/StakeSnapshots.sol";
import {IStakeSnapshots} from "../src/interfaces/IStakeSnapshots.sol";
import {Role} from "../src/interfaces/Types.sol";
import {ChannelTest} from "./utils/ChannelTest.sol";

contract StakeSnapshotsTest is ChannelTest {
    function _epoch() private view returns (uint256) {
        return beacon.currentEpoch();
    }

    function _weight(uint256 epoch, uint32 account) private view returns (uint64) {
        return snapshots.weightAt(exactModel, epoch, account);
    }

    function testARecordCountsFromTheNextEpochOn() public {
        uint32 account = pool[0];
        uint64 before = ledger.weightOf(account);
        stakeAs(operators[0].cold, Role.Compute, COMPUTE_MIN);
        assertEq(snapshots.recordWeight(exactModel, account), _epoch() + 1);
        assertEq(_weight(_epoch(), account), before, "not in the epoch that runs");
        assertEq(_weight(_epoch() + 1, account), ledger.weightOf(account), "in the next");
        assertGt(ledger.weightOf(account), before);
    }

    /// @dev What a liar would gain by leaving right after it was recorded: nothing, anybody corrects it in time.
    function testAnybodyCorrectsARecordDownwards() public {
        Operator memory liar = operators[1];
        snapshots.recordWeight(exactModel, liar.account);
        uint256 staked = ledger.stakeOf(liar.cold, Role.Compute);
        vm.prank(liar.cold);
        ledger.requestUnbond(Role.Compute, staked);
        vm.prank(stranger);
        snapshots.recordWeight(exactModel, liar.account);
        assertEq(_weight(_epoch() + 1, liar.account), 0);
    }

    function testWhoStopsServingHasNoWeight() public {
        Operator memory operator = operators[2];
        vm.prank(operator.cold);
        tasks.stopServing(exactModel, operator.account);
        snapshots.recordWeight(exactModel, operator.account);
        assertEq(_weight(_epoch() + 1, operator.account), 0);
        assertEq(snapshots.weightAt(numericModel, _epoch() + 1, operator.account), 0, "never served");
    }

    /// @dev An epoch that has begun never reads otherwise, whatever is recorded later.
    function testFuzz_ThePastStays(uint256 seed) public {
        uint32 account = pool[seed % pool.length];
        uint256 first = _epoch();
        uint64[] memory seen = new uint64[](8);
        for (uint256 i; i < 8; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            if (seed & 1 == 1) stakeAs(operators[(account >> 1) - 1].cold, Role.Compute, 1e18 * (1 + seed % 1_000));
            if (seed & 2 == 2) snapshots.recordWeight(exactModel, account);
            if (seed & 4 == 4) snapshots.recordWeight(exactModel, account);
            seen[i] = _weight(_epoch(), account);
            advance();
        }
        for (uint256 i; i < 8; ++i) {
            assertEq(_weight(first + i, account), seen[i], "an epoch of the past");
        }
        assertEq(_weight(0, account), 0, "before the first record");
    }

    function testPricesByEpoch() public {
        uint32[] memory accounts = new uint32[](2);
        (accounts[0], accounts[1]) = (pool[0], pool[1]);
        uint256 epoch = _epoch();
        vm.prank(provider);
        registry.setPrice(exactModel, 5 gwei + 3);
        snapshots.recordModel(exactModel);
        advance();
        vm.prank(provider);
        registry.setPaused(exactModel, true);
        snapshots.recordModel(exactModel);

        (uint96 price, address paid, uint64[] memory weights) = snapshots.termsAt(exactModel, epoch, accounts);
        assertEq(price, MODEL_PRICE, "as first recorded");
        assertEq(paid, provider);
        assertEq(weights[0], _weight(epoch, pool[0]));
        assertEq(weights[1], _weight(epoch, pool[1]));
        (price,,) = snapshots.termsAt(exactModel, epoch + 1, accounts);
        assertEq(price, 5 gwei, "whole gwei");
        vm.expectRevert(abi.encodeWithSelector(IStakeSnapshots.ModelNotRecorded.selector, exactModel, epoch + 2));
        snapshots.termsAt(exactModel, epoch + 2, accounts);
        vm.expectRevert(abi.encodeWithSelector(IStakeSnapshots.ModelNotRecorded.selector, exactModel, epoch - 5));
        snapshots.termsAt(exactModel, epoch - 5, accounts);
    }

    function testNothingIsRecordedForAnEpochWhoseSeedIsKnown() public {
        uint256 next = _epoch() + 1;
        beacon.set(next, keccak256("early"));
        vm.expectRevert(abi.encodeWithSelector(IStakeSnapshots.SeedKnown.selector, next));
        snapshots.recordWeight(exactModel, pool[0]);
        vm.expectRevert(abi.encodeWithSelector(IStakeSnapshots.SeedKnown.selector, next));
        snapshots.recordModel(exactModel);
    }

    function testRefusesVerifiersAndWildPrices() public {
        Operator memory judge = addOperator(Role.Verifier, VERIFIER_MIN);
        serve(judge, exactModel);
        vm.expectRevert(abi.encodeWithSelector(IStakeSnapshots.NotCompute.selector, judge.account));
        snapshots.recordWeight(exactModel, judge.account);
        vm.prank(provider);
        registry.setPrice(exactModel, type(uint96).max);
        vm.expectRevert(abi.encodeWithSelector(IStakeSnapshots.ModelTooDear.selector, exactModel, type(uint96).max));
        snapshots.recordModel(exactModel);
    }

    function testConstructorWantsAddresses() public {
        for (uint256 i; i < 4; ++i) {
            address[4] memory given = [address(1), address(2), address(3), address(4)];
            given[i] = address(0);
            vm.expectRevert(IStakeSnapshots.ZeroAddress.selector);
            new StakeSnapshots(given[0], given[1], given[2], given[3]);
        }
    }
}
