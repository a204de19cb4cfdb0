// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {ModelRegistry} from "../src/ModelRegistry.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {ITaskManager} from "../src/interfaces/ITaskManager.sol";
import {BaseTest} from "./utils/BaseTest.sol";

/// @title How prices move with demand, through the whole system
contract ModelPricingTest is BaseTest {
    uint256 private constant ONE = 1_000_000;

    function setUp() public override {
        super.setUp();
        addPool(6, 0);
    }

    /// @dev Six providers meant to fill two seats an epoch each: twelve seats, four tasks of three.
    function pricing() internal pure override returns (IModelRegistry.Pricing memory) {
        return IModelRegistry.Pricing({seatsPerProvider: 2, ceiling: 4_000_000});
    }

    function _price() private view returns (uint256) {
        return registry.terms(exactModel).price;
    }

    function _order(uint256 count) private {
        for (uint256 i; i < count; ++i) {
            submit(exactModel, 3);
        }
    }

    function _cancel(bytes32 taskId) private {
        vm.prank(requester);
        bridge.cancelTask(taskId);
    }

    // ---- demand ----

    function test_ThePriceFollowsDemandFromEpochToEpoch() public {
        assertEq(_price(), MODEL_PRICE);
        uint256 quoted = tasks.quote(exactModel, 3);
        _order(8);
        assertEq(_price(), MODEL_PRICE, "not within the epoch");
        nextEpoch();
        assertEq(_price(), MODEL_PRICE * 9 / 8, "twice the capacity: an eighth more");
        assertGt(tasks.quote(exactModel, 3), quoted, "quotes follow");
        vm.expectEmit(true, true, true, true, address(registry));
        emit IModelRegistry.ModelPriceMoved(exactModel, registry.priceEpoch(), 1_125_000);
        _order(4);
        nextEpoch();
        assertEq(_price(), MODEL_PRICE * 9 / 8, "capacity met: stays");
        nextEpoch();
        assertEq(_price(), MODEL_PRICE, "nothing ordered: an eighth of it less, to the floor");
        assertEq(registry.terms(numericModel).price, MODEL_PRICE, "the other model does not move");
        (,,, uint256 floor,,) = registry.models(exactModel);
        assertEq(floor, MODEL_PRICE, "the provider's own price is what it said");
    }

    function test_ATaskPaysThePriceOfItsSubmission() public {
        _order(8);
        nextEpoch();
        bytes32 taskId = submit(exactModel, 3);
        assertEq(tasks.getTask(taskId).modelFee, MODEL_PRICE * 9 / 8);
        nextEpoch();
        assertEq(tasks.getTask(taskId).modelFee, MODEL_PRICE * 9 / 8);
    }

    function test_NobodyPaysMoreThanItSent() public {
        uint256 quoted = tasks.quote(exactModel, 3);
        _order(8);
        nextEpoch();
        uint256 now_ = tasks.quote(exactModel, 3);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.PaymentTooLow.selector, quoted, now_));
        submit(exactModel, 3, quoted);
        uint256 before = registry.demandOf(exactModel).epoch;
        assertLt(before, registry.priceEpoch(), "what failed was not ordered");
    }

    function test_TheCeilingHolds() public {
        for (uint256 i; i < 16; ++i) {
            _order(8);
            nextEpoch();
        }
        assertEq(_price(), 4 * MODEL_PRICE);
        vm.prank(governor);
        registry.setPricing(IModelRegistry.Pricing({seatsPerProvider: 2, ceiling: 2_000_000}));
        _order(8);
        nextEpoch();
        assertEq(_price(), 2 * MODEL_PRICE, "a lowered ceiling holds from the next step");
    }

    function test_ALongSilenceEndsAtTheFloor() public {
        for (uint256 i; i < 8; ++i) {
            _order(8);
            nextEpoch();
        }
        assertGt(_price(), 2 * MODEL_PRICE);
        skip(1_000 days);
        assertEq(_price(), MODEL_PRICE);
        _order(1);
        assertEq(registry.demandOf(exactModel).multiple, ONE);
    }

    function test_MoreProvidersAreMoreCapacity() public {
        assertEq(registry.demandOf(exactModel).providers, 0);
        vm.expectEmit(true, true, true, true, address(registry));
        emit IModelRegistry.ModelProvidersChanged(exactModel, 6);
        _order(8);
        assertEq(registry.demandOf(exactModel).providers, 6);
        addPool(6, 0);
        _order(8);
        assertEq(registry.demandOf(exactModel).providers, 12);
        nextEpoch();
        assertEq(registry.demandOf(exactModel).multiple, 1_125_000, "the first epoch was crowded");
        assertEq(_price(), MODEL_PRICE * 9 / 8, "twenty-four seats for twelve providers are met");
    }

    function test_ACheaperFloorCountsAtOnce() public {
        _order(8);
        nextEpoch();
        vm.prank(provider);
        registry.setPrice(exactModel, MODEL_PRICE / 2);
        assertEq(_price(), MODEL_PRICE / 2 * 9 / 8);
    }

    // ---- liars ----

    /// @dev Tasks that are cancelled cost nothing, so they must not move a price for long.
    function test_CancelledTasksDoNotDriveAPriceUp() public {
        bytes32[] memory made = new bytes32[](8);
        for (uint256 i; i < 8; ++i) {
            made[i] = submit(exactModel, 3);
        }
        for (uint256 i; i < 8; ++i) {
            _cancel(made[i]);
        }
        assertEq(registry.demandOf(exactModel).ordered, 0);
        nextEpoch();
        assertEq(_price(), MODEL_PRICE);
    }

    /// @dev Submitted at the end of every epoch and cancelled at the beginning of the next.
    function test_CancellingAcrossEpochsDoesNotDriveAPriceUp() public {
        bytes32[] memory made = new bytes32[](8);
        for (uint256 epoch; epoch < 12; ++epoch) {
            for (uint256 i; i < 8; ++i) {
                if (epoch != 0) _cancel(made[i]);
            }
            for (uint256 i; i < 8; ++i) {
                made[i] = submit(exactModel, 3);
            }
            // Time passes and no block: as late as a cancellation can be.
            vm.warp(vm.getBlockTimestamp() + EPOCH);
            assertLe(_price(), MODEL_PRICE * 9 / 8, "one step at most");
        }
    }

    function testFuzz_ThePriceStaysBetweenFloorAndCeilingAndMovesByAnEighth(uint256 seed) public {
        uint256 last = _price();
        for (uint256 i; i < 25; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            _order(seed % 10);
            assertEq(_price(), last, "within an epoch");
            uint256 epochs = 1 + (seed >> 8) % 3;
            for (uint256 j; j < epochs; ++j) {
                nextEpoch();
                uint256 price = _price();
                assertGe(price, MODEL_PRICE);
                assertLe(price, 4 * MODEL_PRICE);
                // Multiples are whole millionths, which one step rounds by less than one.
                assertLe(price, last + last / 8 + MODEL_PRICE / ONE);
                assertGe(price + MODEL_PRICE / ONE, last - last / 8);
                last = price;
            }
        }
    }

    /// @dev What terms foretells is what the order then meets.
    function testFuzz_TheQuoteIsWhatASubmissionNeeds(uint256 seed) public {
        for (uint256 i; i < 12; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            _order(seed % 9);
            skip((seed >> 8) % (4 * EPOCH));
            uint256 quoted = tasks.quote(exactModel, 3);
            vm.expectRevert(abi.encodeWithSelector(ITaskManager.PaymentTooLow.selector, quoted - 1, quoted));
            submit(exactModel, 3, quoted - 1);
            submit(exactModel, 3, quoted);
        }
    }

    // ---- who may ----

    function test_OnlyTheTaskManagerOrders() public {
        vm.startPrank(governor);
        vm.expectRevert(IModelRegistry.OnlyTaskManager.selector);
        registry.orderTask(exactModel, 3);
        vm.expectRevert(IModelRegistry.OnlyTaskManager.selector);
        registry.setProviders(exactModel, 1);
        vm.expectRevert(IModelRegistry.OnlyTaskManager.selector);
        registry.cancelOrder(1, 3);
        vm.stopPrank();
        bytes memory unknown = abi.encodeWithSelector(IModelRegistry.UnknownModel.selector, bytes32(0));
        vm.startPrank(address(tasks));
        vm.expectRevert(unknown);
        registry.orderTask(bytes32(0), 3);
        vm.expectRevert(unknown);
        registry.setProviders(bytes32(0), 3);
        vm.expectRevert(unknown);
        registry.cancelOrder(0, 3);
        vm.stopPrank();
        vm.expectRevert(unknown);
        registry.demandOf(bytes32(0));
    }

    function test_OnlyGovernanceSetsPricingWithinLimits() public {
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        vm.prank(stranger);
        registry.setPricing(pricing());
        vm.startPrank(governor);
        _refused("seatsPerProvider", 0, 1, 1_000_000);
        registry.setPricing(IModelRegistry.Pricing(0, 2_000_000));
        _refused("seatsPerProvider", 1_000_001, 1, 1_000_000);
        registry.setPricing(IModelRegistry.Pricing(1_000_001, 2_000_000));
        _refused("ceiling", ONE - 1, ONE, 100 * ONE);
        registry.setPricing(IModelRegistry.Pricing(1, uint32(ONE - 1)));
        _refused("ceiling", 100 * ONE + 1, ONE, 100 * ONE);
        registry.setPricing(IModelRegistry.Pricing(1, uint32(100 * ONE + 1)));
        IModelRegistry.Pricing memory wanted = IModelRegistry.Pricing(7, 3_000_000);
        vm.expectEmit(true, true, true, true, address(registry));
        emit IModelRegistry.PricingChanged(wanted);
        registry.setPricing(wanted);
        vm.stopPrank();
        assertEq(abi.encode(registry.pricing()), abi.encode(wanted));
        _refused("epochSeconds", 0, 1, 1 days);
        new ModelRegistry(address(1), address(2), address(3), 0, wanted);
        _refused("epochSeconds", 1 days + 1, 1, 1 days);
        new ModelRegistry(address(1), address(2), address(3), 1 days + 1, wanted);
    }

    function _refused(string memory name, uint256 value, uint256 least, uint256 most) private {
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.BadPricing.selector, name, value, least, most));
    }

    // ---- quality ----

    function test_AProviderIsWorthItsWorstModel() public {
        assertEq(registry.qualityOf(provider), 10_000);
        vm.startPrank(address(tasks));
        registry.flag(1, bytes32(0));
        assertEq(registry.qualityOf(provider), 7_500);
        registry.flag(2, bytes32(0));
        assertEq(registry.qualityOf(provider), 7_500, "the worst, not the sum");
        registry.flag(2, bytes32(0));
        assertEq(registry.qualityOf(provider), 5_625);
        registry.flag(1, bytes32(0));
        assertEq(registry.qualityOf(provider), 5_625);
        vm.stopPrank();
        assertEq(registry.qualityOf(stranger), 10_000);
    }
}
