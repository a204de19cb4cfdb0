// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

import {RandomnessBeacon} from "../src/RandomnessBeacon.sol";
import {Headers} from "./utils/Headers.sol";

/// @title What a seed costs
/// @notice Measured on the committed bytecode in abi/, each post as a transaction of its own; figures are what a receipt
/// shows. snapshots/randomness.json keeps them.
/// forge-config: default.isolate = true
contract RandomnessGasTest is Headers {
    uint256 private constant EPOCH = 300;
    uint256 private constant DELAY = 30;
    uint256 private constant LARGEST = 250_000;

    function _deploy(string memory name, bytes memory arguments) private returns (address created) {
        bytes memory code = vm.parseJsonBytes(vm.readFile(string.concat("abi/", name, ".json")), ".bytecode");
        code = bytes.concat(code, arguments);
        assembly ("memory-safe") {
            created := create(0, add(code, 32), mload(code))
        }
        assertTrue(created != address(0), name);
    }

    function _beacon(uint256 genesis, address source) private returns (RandomnessBeacon beacon) {
        AccessManager manager = new AccessManager(address(this));
        bytes memory arguments = abi.encode(address(manager), genesis, EPOCH, source);
        beacon = RandomnessBeacon(_deploy("RandomnessBeacon", arguments));
    }

    function _spent(string memory name) private {
        uint256 used = vm.lastCallGas().gasTotalUsed;
        vm.snapshotValue("randomness", name, used);
        assertLe(used, LARGEST, name);
    }

    function test_SeedFromDrand() public {
        string memory json = vm.readFile("test/vectors/bls.json");
        uint256 time = vm.parseJsonUint(json, ".drand[2].time");
        uint256 genesis = time - DELAY - 3 * EPOCH;
        vm.warp(genesis);
        RandomnessBeacon beacon = _beacon(genesis, _deploy("DrandSource", abi.encode(DELAY)));
        vm.warp(time);
        beacon.post(4, vm.parseJsonBytes(json, ".drand[2].signature"));
        _spent("post: drand");
    }

    function test_SeedFromRandao() public {
        uint256 genesis = vm.getBlockTimestamp();
        RandomnessBeacon beacon = _beacon(genesis, _deploy("PrevrandaoSource", abi.encode(DELAY, 1 days)));
        uint256 target = genesis + 3 * EPOCH + DELAY;
        bytes memory proof = chainOf(Headers.Header(0, 0, 99_990, target + 13, "randao"), target + 1, target - 11);
        vm.warp(target + 100);
        vm.roll(99_998);
        plant(99_990, firstHeader(proof));
        beacon.post(4, proof);
        _spent("post: RANDAO");
    }
}
