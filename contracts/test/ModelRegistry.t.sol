// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {ModelRegistry} from "../src/ModelRegistry.sol";
import {IModelRegistry, ModelStatus} from "../src/interfaces/IModelRegistry.sol";
import {Policy, Role} from "../src/interfaces/Types.sol";
import {LedgerTest} from "./utils/LedgerTest.sol";

contract ModelRegistryTest is LedgerTest {
    string private constant CID = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
    bytes32 private constant CLASS = keccak256("cpu-x86-64/f32");

    ModelRegistry private registry;

    function setUp() public override {
        super.setUp();
        registry = new ModelRegistry(address(manager), taskManager, address(ledger), 300, _pricing());
        staked(alice, Role.ModelProvider, PROVIDER_MIN);
    }

    function _pricing() private pure returns (IModelRegistry.Pricing memory) {
        return IModelRegistry.Pricing({seatsPerProvider: 10, ceiling: 16_000_000});
    }

    function _metadata(uint8 policy, string memory name) private pure returns (bytes memory) {
        return abi.encode(policy, CLASS, name);
    }

    function _register() private returns (bytes32) {
        vm.prank(alice);
        return registry.registerModel(CID, 5 gwei, _metadata(1, "linear-regression"));
    }

    function _status(bytes32 id) private view returns (ModelStatus status) {
        (,,,, status,) = registry.models(id);
    }

    // ---- register ----

    function test_Register() public {
        bytes32 expected = keccak256(abi.encode(block.chainid, address(registry), alice, CID));
        vm.expectEmit(true, true, true, true, address(registry));
        emit IModelRegistry.ModelRegistered(expected, alice, CID, 5 gwei, Policy.Exact, CLASS, "linear-regression");
        bytes32 id = _register();
        assertEq(id, expected);
        (
            bytes32 storedId,
            address provider,
            string memory ipfsHash,
            uint256 price,
            ModelStatus status,
            uint256 reputation
        ) = registry.models(id);
        assertEq(storedId, id);
        assertEq(provider, alice);
        assertEq(ipfsHash, CID);
        assertEq(price, 5 gwei);
        assertTrue(status == ModelStatus.Active);
        assertEq(reputation, 10_000);
        assertEq(registry.providerModels(alice, 0), id);
        assertEq(registry.modelCount(), 1);
        assertEq(registry.modelAt(1), id);
        assertEq(registry.execClassOf(id), CLASS);
    }

    function test_TermsInOneRead() public {
        bytes32 id = _register();
        IModelRegistry.Terms memory terms = registry.terms(id);
        assertEq(terms.index, 1);
        assertEq(terms.provider, alice);
        assertEq(terms.price, 5 gwei);
        assertTrue(terms.policy == Policy.Exact);
        assertTrue(terms.active);
        (bytes32 sameId, IModelRegistry.Terms memory same) = registry.termsAt(1);
        assertEq(sameId, id);
        assertEq(abi.encode(same), abi.encode(terms));
    }

    function test_IndicesCountUp() public {
        vm.startPrank(alice);
        bytes32 a = registry.registerModel("a", 0, _metadata(1, ""));
        bytes32 b = registry.registerModel("b", type(uint96).max, _metadata(2, "b"));
        vm.stopPrank();
        assertEq(registry.terms(a).index, 1);
        assertEq(registry.terms(b).index, 2);
        assertTrue(registry.terms(b).policy == Policy.Numeric);
        assertEq(registry.modelAt(2), b);
        assertEq(registry.providerModels(alice, 1), b);
    }

    function test_RegisterNeedsTheModelProviderMinimum() public {
        bytes memory metadata = _metadata(1, "m");
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelProviderStakeTooLow.selector, 0, PROVIDER_MIN));
        vm.prank(bob);
        registry.registerModel(CID, 1, metadata);
        // Stake in another role does not count.
        staked(bob, Role.Compute, COMPUTE_MIN);
        expectError(IModelRegistry.ModelProviderStakeTooLow.selector);
        vm.prank(bob);
        registry.registerModel(CID, 1, metadata);
    }

    function test_TheSameManifestTwiceIsRefusedButAnotherProviderMayOfferIt() public {
        bytes32 id = _register();
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelExists.selector, id));
        vm.prank(alice);
        registry.registerModel(CID, 1, _metadata(2, "other"));
        staked(bob, Role.ModelProvider, PROVIDER_MIN);
        vm.prank(bob);
        assertNotEq(registry.registerModel(CID, 1, _metadata(1, "same")), id);
    }

    function test_ManifestCidIsChecked() public {
        bytes memory metadata = _metadata(1, "m");
        string[4] memory bad = ["", string(new bytes(129)), "has space", unicode"é"];
        vm.startPrank(alice);
        for (uint256 i; i < bad.length; ++i) {
            vm.expectRevert(IModelRegistry.BadManifestCid.selector);
            registry.registerModel(bad[i], 1, metadata);
        }
        bytes memory longest = new bytes(128);
        for (uint256 i; i < 128; ++i) {
            longest[i] = "z";
        }
        registry.registerModel(string(longest), 1, metadata);
        vm.stopPrank();
    }

    function test_MetadataIsChecked() public {
        bytes[9] memory bad = [
            bytes(""),
            abi.encode(uint8(1), CLASS),
            _metadata(0, "m"),
            _metadata(3, "m"),
            abi.encode(uint256(257), CLASS, "m"),
            _metadata(1, string(new bytes(65))),
            _metadata(1, "line\nbreak"),
            bytes.concat(_metadata(1, "m"), bytes32(0)),
            abi.encode(uint256(1), CLASS, uint256(97), uint256(1), bytes32("m"))
        ];
        vm.startPrank(alice);
        for (uint256 i; i < bad.length; ++i) {
            vm.expectRevert(IModelRegistry.BadMetadata.selector);
            registry.registerModel(CID, 1, bad[i]);
        }
        vm.stopPrank();
    }

    function testFuzz_AnyMetadataEitherDecodesOrFailsByName(bytes calldata metadata) public {
        vm.prank(alice);
        try registry.registerModel(CID, 1, metadata) {}
        catch (bytes memory reason) {
            assertEq(reason, abi.encodePacked(IModelRegistry.BadMetadata.selector));
        }
    }

    function testFuzz_Price(uint256 price) public {
        bytes32 id = _register();
        vm.startPrank(alice);
        if (price > type(uint96).max) {
            vm.expectRevert(abi.encodeWithSelector(IModelRegistry.PriceTooHigh.selector, price));
            registry.setPrice(id, price);
            vm.expectRevert(abi.encodeWithSelector(IModelRegistry.PriceTooHigh.selector, price));
            registry.registerModel("other", price, _metadata(1, "m"));
        } else {
            vm.expectEmit(true, true, true, true, address(registry));
            emit IModelRegistry.ModelPriceChanged(id, price);
            registry.setPrice(id, price);
            assertEq(registry.terms(id).price, price);
            assertEq(registry.terms(id).provider, alice, "the neighbour in the slot stays");
        }
        vm.stopPrank();
    }

    // ---- status ----

    function test_PauseAndResume() public {
        bytes32 id = _register();
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.BadModelStatus.selector, ModelStatus.Active));
        registry.setPaused(id, false);
        vm.expectEmit(true, true, true, true, address(registry));
        emit IModelRegistry.ModelStatusChanged(id, ModelStatus.Paused);
        registry.setPaused(id, true);
        assertFalse(registry.terms(id).active);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.BadModelStatus.selector, ModelStatus.Paused));
        registry.setPaused(id, true);
        registry.setPaused(id, false);
        assertTrue(registry.terms(id).active);
        vm.stopPrank();
    }

    function test_OnlyItsProviderChangesAModel() public {
        bytes32 id = _register();
        vm.startPrank(stranger);
        bytes memory wanted = abi.encodeWithSelector(IModelRegistry.NotModelProvider.selector, id, stranger);
        vm.expectRevert(wanted);
        registry.setPrice(id, 1);
        vm.expectRevert(wanted);
        registry.setPaused(id, true);
        vm.stopPrank();
    }

    function test_GovernanceSuspends() public {
        bytes32 id = _register();
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        vm.prank(stranger);
        registry.setSuspended(id, true);

        vm.startPrank(governor);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.BadModelStatus.selector, ModelStatus.Active));
        registry.setSuspended(id, false);
        registry.setSuspended(id, true);
        vm.stopPrank();
        assertTrue(_status(id) == ModelStatus.Suspended);
        assertFalse(registry.terms(id).active);

        expectError(IModelRegistry.BadModelStatus.selector);
        vm.prank(alice);
        registry.setPaused(id, false);

        vm.prank(governor);
        registry.setSuspended(id, false);
        assertTrue(_status(id) == ModelStatus.Active);
    }

    function test_LiftingASuspensionRestoresTheProvidersChoice() public {
        bytes32 id = _register();
        vm.prank(alice);
        registry.setPaused(id, true);
        vm.startPrank(governor);
        registry.setSuspended(id, true);
        registry.setSuspended(id, false);
        vm.stopPrank();
        assertTrue(_status(id) == ModelStatus.Paused);
    }

    function test_AModelWhoseProviderLeftCanBePausedByAnyone() public {
        bytes32 id = _register();
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ProviderStakeSufficient.selector, PROVIDER_MIN));
        registry.pauseUnderstaked(id);
        unbond(alice, Role.ModelProvider, PROVIDER_MIN);
        vm.prank(stranger);
        registry.pauseUnderstaked(id);
        assertFalse(registry.terms(id).active);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.BadModelStatus.selector, ModelStatus.Paused));
        registry.pauseUnderstaked(id);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelProviderStakeTooLow.selector, 0, PROVIDER_MIN));
        vm.prank(alice);
        registry.setPaused(id, false);
        staked(alice, Role.ModelProvider, PROVIDER_MIN);
        vm.prank(alice);
        registry.setPaused(id, false);
        assertTrue(registry.terms(id).active);
    }

    // ---- flags ----

    function test_EveryUnresolvedDisputeTakesAQuarterOfTheReputation() public {
        bytes32 id = _register();
        uint256[3] memory expected = [uint256(7_500), 5_625, 4_218];
        for (uint256 i; i < 3; ++i) {
            vm.expectEmit(true, true, true, true, address(registry));
            emit IModelRegistry.ModelFlagged(id, TASK, i + 1);
            vm.expectEmit(true, true, true, true, address(registry));
            emit IModelRegistry.ModelReputationChanged(id, expected[i]);
            vm.prank(taskManager);
            registry.flag(1, TASK);
            (,,,,, uint256 reputation) = registry.models(id);
            assertEq(reputation, expected[i]);
        }
        assertTrue(registry.terms(id).active, "flags do not stop a model");
    }

    function test_OnlyTheTaskManagerFlags() public {
        _register();
        vm.expectRevert(IModelRegistry.OnlyTaskManager.selector);
        vm.prank(governor);
        registry.flag(1, TASK);
    }

    // ---- unknown models ----

    function test_UnknownModels() public {
        bytes32 id = keccak256("nothing");
        (bytes32 storedId, address provider,,, ModelStatus status,) = registry.models(id);
        assertEq(storedId, bytes32(0));
        assertEq(provider, address(0));
        assertTrue(status == ModelStatus.None);
        bytes memory unknown = abi.encodeWithSelector(IModelRegistry.UnknownModel.selector, id);
        vm.expectRevert(unknown);
        registry.terms(id);
        vm.expectRevert(unknown);
        registry.execClassOf(id);
        vm.expectRevert(unknown);
        registry.setPrice(id, 1);
        vm.expectRevert(unknown);
        registry.pauseUnderstaked(id);
        vm.expectRevert(unknown);
        vm.prank(governor);
        registry.setSuspended(id, true);
        expectError(IModelRegistry.UnknownModel.selector);
        registry.modelAt(0);
        expectError(IModelRegistry.UnknownModel.selector);
        registry.termsAt(1);
        expectError(IModelRegistry.UnknownModel.selector);
        vm.prank(taskManager);
        registry.flag(1, TASK);
    }

    function test_TheConstructorRefusesZeroAddresses() public {
        vm.expectRevert(ModelRegistry.ZeroAddress.selector);
        new ModelRegistry(address(0), taskManager, address(ledger), 300, _pricing());
        vm.expectRevert(ModelRegistry.ZeroAddress.selector);
        new ModelRegistry(address(manager), address(0), address(ledger), 300, _pricing());
        vm.expectRevert(ModelRegistry.ZeroAddress.selector);
        new ModelRegistry(address(manager), taskManager, address(0), 300, _pricing());
    }
}
