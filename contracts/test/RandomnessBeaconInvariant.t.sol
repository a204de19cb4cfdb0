// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

import {RandomnessBeacon} from "../src/RandomnessBeacon.sol";
import {SourceStub} from "./utils/SourceStub.sol";
import {InvariantTargets, Test} from "./utils/Test.sol";

/// @title Everybody who can call a beacon, and what they may never see
/// @dev The sources believe their prover, so whatever holds here holds by the beacon alone.
contract BeaconHandler is Test {
    RandomnessBeacon public immutable beacon;
    SourceStub[3] public sources;
    uint256 public posted;
    uint256 public refused;
    uint256 public changes;
    uint256[] public seeded;
    mapping(uint256 epoch => bytes32) public firstSeed;

    /// @dev Sources of the epochs whose value might be known, as they were when they first might.
    mapping(uint256 epoch => address) private _settled;
    uint256 private _settledTo;

    constructor() {
        sources = [new SourceStub(0), new SourceStub(30), new SourceStub(400)];
        AccessManager manager = new AccessManager(address(this));
        beacon = new RandomnessBeacon(address(manager), block.timestamp, 300, address(sources[0]));
        _settle();
    }

    modifier settled() {
        _settle();
        _;
        _settle();
    }

    function post(uint256 back, uint256 ahead, bytes32 value, address poster) external settled {
        uint256 current = beacon.currentEpoch();
        back = bound(back, 0, current);
        uint256 epoch = current - back + bound(ahead, 0, 2);
        bool allowed = epoch <= current && firstSeed[epoch] == 0 && _settled[epoch] != address(0)
            && block.timestamp >= SourceStub(_settled[epoch]).readyAt(beacon.startOf(epoch));
        vm.prank(poster);
        try beacon.post(epoch, abi.encode(value)) returns (bytes32 seed) {
            assertTrue(allowed, "posted what nobody could know");
            assertNotEq(seed, bytes32(0));
            firstSeed[epoch] = seed;
            seeded.push(epoch);
            ++posted;
        } catch {
            assertFalse(allowed, "refused what was due");
            ++refused;
        }
    }

    function setSource(uint256 which) external settled {
        beacon.setSource(address(sources[bound(which, 0, 2)]));
        ++changes;
    }

    function setSourceAsStranger(uint256 which, address stranger) external settled {
        vm.assume(stranger != address(this));
        address source = address(sources[bound(which, 0, 2)]);
        vm.prank(stranger);
        try beacon.setSource(source) {
            fail("a stranger changed the source");
        } catch {}
    }

    function wait_(uint256 time) external settled {
        skip(bound(time, 1, 700));
    }

    function seededCount() external view returns (uint256) {
        return seeded.length;
    }

    function requireSettled() external view {
        for (uint256 epoch = 1; epoch <= _settledTo; ++epoch) {
            assertEq(beacon.sourceOf(epoch), _settled[epoch], "a settled source changed");
        }
    }

    /// @dev The next epoch's value might be known to whoever is ahead of the chain's clock.
    function _settle() private {
        for (uint256 epoch = _settledTo + 1; epoch <= beacon.currentEpoch() + 1; ++epoch) {
            _settled[epoch] = beacon.sourceOf(epoch);
            _settledTo = epoch;
        }
    }
}

/// @title One seed for each epoch, whatever anybody calls
contract RandomnessBeaconInvariantTest is InvariantTargets, Test {
    BeaconHandler private handler = new BeaconHandler();

    function setUp() public {
        bytes4[] memory selectors = new bytes4[](6);
        selectors[0] = BeaconHandler.post.selector;
        selectors[1] = BeaconHandler.post.selector;
        selectors[2] = BeaconHandler.post.selector;
        selectors[3] = BeaconHandler.setSource.selector;
        selectors[4] = BeaconHandler.setSourceAsStranger.selector;
        selectors[5] = BeaconHandler.wait_.selector;
        targetContract(address(handler));
        targetSelector(address(handler), selectors);
    }

    function invariant_SeedsNeverChange() public view {
        for (uint256 i; i < handler.seededCount(); ++i) {
            uint256 epoch = handler.seeded(i);
            assertEq(handler.beacon().seedOf(epoch), handler.firstSeed(epoch));
        }
        assertEq(handler.seededCount(), handler.posted());
    }

    function invariant_OnlyPostedEpochsHaveSeeds() public view {
        RandomnessBeacon beacon = handler.beacon();
        uint256 found;
        for (uint256 epoch; epoch <= beacon.currentEpoch() + 2; ++epoch) {
            if (beacon.seedOf(epoch) != 0) ++found;
        }
        assertEq(found, handler.posted());
    }

    function invariant_SettledSourcesStay() public view {
        handler.requireSettled();
    }

    /// @dev The handler reaches what it is made for.
    function test_HandlerPostsRefusesAndChanges() public {
        handler.wait_(700);
        handler.post(0, 0, "a", address(this));
        handler.wait_(700);
        handler.setSource(2);
        handler.post(0, 0, "b", address(this));
        handler.post(0, 0, "c", address(this));
        assertGt(handler.posted(), 0);
        assertGt(handler.refused(), 0);
        assertEq(handler.changes(), 1);
    }
}
