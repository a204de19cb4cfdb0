// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {RandomnessBeacon} from "../src/RandomnessBeacon.sol";
import {IEpochBeacon} from "../src/interfaces/IEpochBeacon.sol";
import {DrandSource} from "../src/sources/DrandSource.sol";
import {PrevrandaoSource} from "../src/sources/PrevrandaoSource.sol";
import {Headers} from "./utils/Headers.sol";
import {SourceStub} from "./utils/SourceStub.sol";

/// @dev Ready before the time that it is asked for.
contract HastySource {
    function readyAt(uint256 from) external pure returns (uint256) {
        return from - 1;
    }
}

/// @title Seeds of epochs
contract RandomnessBeaconTest is Headers {
    uint256 private constant EPOCH = 300;
    uint256 private constant GENESIS = 1_750_000_000;
    uint256 private constant DELAY = 30;

    address private governor = makeAddr("governor");
    address private stranger = makeAddr("stranger");
    AccessManager private manager;
    SourceStub private stub;
    RandomnessBeacon private beacon;

    function setUp() public {
        vm.warp(GENESIS + EPOCH + 1);
        manager = new AccessManager(governor);
        stub = new SourceStub(DELAY);
        beacon = new RandomnessBeacon(address(manager), GENESIS, EPOCH, address(stub));
    }

    function _enter(uint256 epoch) private {
        vm.warp(beacon.startOf(epoch));
    }

    function _proof(uint256 value) private pure returns (bytes memory) {
        return abi.encode(value);
    }

    function _seed(uint256 epoch, bytes32 value) private view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("MLBridgeSeed(uint256 chainId,address beacon,uint256 epoch,bytes32 value)"),
                block.chainid,
                address(beacon),
                epoch,
                value
            )
        );
    }

    // ---- construction and time ----

    function test_Construction() public view {
        assertEq(beacon.genesis(), GENESIS);
        assertEq(beacon.epochSeconds(), EPOCH);
        assertEq(beacon.currentEpoch(), 2);
        assertEq(beacon.startOf(1), GENESIS);
        assertEq(beacon.authority(), address(manager));
        assertEq(beacon.readyAt(4), GENESIS + 3 * EPOCH + DELAY);
    }

    function test_ConstructionRefusesBadParameters() public {
        address source = address(stub);
        _expectBad("authority");
        new RandomnessBeacon(address(0), GENESIS, EPOCH, source);
        _expectBad("genesis");
        new RandomnessBeacon(address(manager), 0, EPOCH, source);
        _expectBad("genesis");
        new RandomnessBeacon(address(manager), block.timestamp + 1, EPOCH, source);
        _expectBad("epochSeconds");
        new RandomnessBeacon(address(manager), GENESIS, 0, source);
        _expectBad("epochSeconds");
        new RandomnessBeacon(address(manager), GENESIS, 1 days + 1, source);
        _expectBad("source");
        new RandomnessBeacon(address(manager), GENESIS, EPOCH, stranger);
        address hasty = address(new HastySource());
        _expectBad("source");
        new RandomnessBeacon(address(manager), GENESIS, EPOCH, hasty);
    }

    function testFuzz_EpochsTileTime(uint256 time) public {
        time = bound(time, GENESIS, 1 << 40);
        vm.warp(time);
        uint256 epoch = beacon.currentEpoch();
        assertLe(beacon.startOf(epoch), time);
        assertGt(beacon.startOf(epoch + 1), time);
    }

    function test_StartOfRefusesWhatIsNoEpoch() public {
        _expectBad("epoch");
        beacon.startOf(0);
        _expectBad("epoch");
        beacon.startOf(uint256(type(uint96).max) + 1);
    }

    /// @dev Who deployed the beacon knew the values of these epochs when it chose the source.
    function test_EpochsBeforeTheFirstSourceNeverGetASeed() public {
        _enter(10);
        for (uint256 epoch; epoch < 4; ++epoch) {
            assertEq(beacon.sourceOf(epoch), address(0));
            vm.expectRevert(abi.encodeWithSelector(IEpochBeacon.NoSource.selector, epoch));
            beacon.post(epoch, _proof(1));
            vm.expectRevert(abi.encodeWithSelector(IEpochBeacon.NoSource.selector, epoch));
            beacon.readyAt(epoch);
        }
        assertEq(beacon.sourceOf(4), address(stub));
        assertEq(beacon.sourceOf(type(uint256).max), address(stub));
    }

    // ---- posting ----

    function test_AnyonePostsOnce() public {
        _enter(5);
        vm.warp(beacon.readyAt(5));
        assertEq(beacon.seedOf(5), bytes32(0));
        bytes32 expected = _seed(5, bytes32(uint256(7)));
        vm.expectEmit(address(beacon));
        emit IEpochBeacon.SeedPosted(5, expected, stranger);
        vm.prank(stranger);
        assertEq(beacon.post(5, _proof(7)), expected);
        assertEq(beacon.seedOf(5), expected);
        vm.expectRevert(abi.encodeWithSelector(IEpochBeacon.SeedExists.selector, 5));
        beacon.post(5, _proof(7));
        vm.expectRevert(abi.encodeWithSelector(IEpochBeacon.SeedExists.selector, 5));
        beacon.post(5, _proof(8));
        // A late seed is as good: waiting changes nothing.
        beacon.post(4, _proof(7));
        assertEq(beacon.seedOf(4), _seed(4, bytes32(uint256(7))));
        assertNotEq(beacon.seedOf(4), beacon.seedOf(5));
    }

    function test_NobodyPostsTooEarly() public {
        _enter(5);
        vm.expectRevert(abi.encodeWithSelector(IEpochBeacon.EpochNotBegun.selector, 6, 5));
        beacon.post(6, _proof(1));
        vm.expectRevert(abi.encodeWithSelector(IEpochBeacon.EpochNotBegun.selector, type(uint256).max, 5));
        beacon.post(type(uint256).max, _proof(1));
        uint256 ready = beacon.readyAt(5);
        vm.warp(ready - 1);
        vm.expectRevert(abi.encodeWithSelector(IEpochBeacon.SeedNotReady.selector, 5, ready));
        beacon.post(5, _proof(1));
        vm.warp(ready);
        beacon.post(5, _proof(1));
    }

    function test_WhatIsNotProvenIsNotPosted() public {
        _enter(6);
        vm.expectRevert(SourceStub.NotProven.selector);
        beacon.post(5, "");
        assertEq(beacon.seedOf(5), bytes32(0));
    }

    function test_SeedIsBoundToChainBeaconAndEpoch() public {
        RandomnessBeacon other = new RandomnessBeacon(address(manager), GENESIS, EPOCH, address(stub));
        _enter(6);
        assertNotEq(beacon.post(5, _proof(1)), other.post(5, _proof(1)));
        vm.chainId(5);
        assertNotEq(beacon.post(4, _proof(1)), other.post(4, _proof(1)));
        assertEq(beacon.seedOf(4), _seed(4, bytes32(uint256(1))));
    }

    // ---- sources ----

    function test_NewSourceServesFromTheSecondEpochOn() public {
        SourceStub next = new SourceStub(0);
        _enter(10);
        vm.expectEmit(address(beacon));
        emit IEpochBeacon.SourceChanged(address(next), 12);
        vm.prank(governor);
        beacon.setSource(address(next));
        for (uint256 epoch = 4; epoch < 12; ++epoch) {
            assertEq(beacon.sourceOf(epoch), address(stub));
        }
        assertEq(beacon.sourceOf(12), address(next));
        // Before it serves it can still be replaced, by one that then serves.
        SourceStub other = new SourceStub(1);
        vm.prank(governor);
        beacon.setSource(address(other));
        assertEq(beacon.sourceOf(11), address(stub));
        assertEq(beacon.sourceOf(12), address(other));
        _enter(13);
        beacon.post(11, _proof(1));
        assertEq(beacon.readyAt(12), beacon.startOf(12) + 1);
    }

    function test_OnlyGovernanceChangesTheSource() public {
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        vm.prank(stranger);
        beacon.setSource(address(stub));
        vm.startPrank(governor);
        _expectBad("source");
        beacon.setSource(stranger);
        address hasty = address(new HastySource());
        _expectBad("source");
        beacon.setSource(hasty);
        vm.stopPrank();
    }

    // ---- with the real sources ----

    function test_DrandRoundBecomesASeed() public {
        string memory json = vm.readFile("test/vectors/bls.json");
        DrandSource drand = new DrandSource(DELAY);
        uint256 genesis = vm.parseJsonUint(json, ".drand[2].time") - DELAY - 10 * EPOCH;
        vm.warp(genesis);
        beacon = new RandomnessBeacon(address(manager), genesis, EPOCH, address(drand));
        _enter(11);
        bytes memory proof = vm.parseJsonBytes(json, ".drand[2].signature");
        uint256 ready = vm.parseJsonUint(json, ".drand[2].time");
        vm.expectRevert(abi.encodeWithSelector(IEpochBeacon.SeedNotReady.selector, 11, ready));
        beacon.post(11, proof);
        // Two weeks late, and still the same.
        vm.warp(ready + 14 days);
        bytes32 value = bytes32(vm.parseJsonBytes(json, ".drand[2].randomness"));
        assertEq(beacon.post(11, proof), _seed(11, value));
        vm.expectPartialRevert(DrandSource.WrongRoundSignature.selector);
        beacon.post(12, proof);
    }

    function test_RandaoBecomesASeed() public {
        PrevrandaoSource randao = new PrevrandaoSource(DELAY, 1 days);
        vm.prank(governor);
        beacon.setSource(address(randao));
        _enter(11);
        vm.roll(100_000);
        uint256 target = beacon.startOf(10) + DELAY;
        bytes memory proof = chainOf(Headers.Header(0, 0, 99_990, target + 13, "randao"), target + 1, target - 11);
        plant(99_990, firstHeader(proof));
        assertEq(beacon.post(10, proof), _seed(10, "randao"));
        vm.expectPartialRevert(IEpochBeacon.SeedNotReady.selector);
        beacon.post(11, proof);
        vm.expectPartialRevert(PrevrandaoSource.WrongBlock.selector);
        beacon.post(9, proof);
    }

    function _expectBad(string memory name) private {
        vm.expectRevert(abi.encodeWithSelector(IEpochBeacon.BadParameter.selector, name));
    }
}
