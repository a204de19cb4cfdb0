// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BlockHeader} from "@openzeppelin/contracts/utils/BlockHeader.sol";
import {RLP} from "@openzeppelin/contracts/utils/RLP.sol";

import {PrevrandaoSource} from "../src/sources/PrevrandaoSource.sol";
import {Headers} from "./utils/Headers.sol";

/// @title RANDAO from headers: those of a real node, and forged ones
contract PrevrandaoSourceTest is Headers {
    uint256 private constant DELAY = 48;
    uint256 private constant WINDOW = 1 days;
    bytes32 private constant VALUE = keccak256("randao");
    uint256 private constant FROM = 1_750_000_000;

    PrevrandaoSource private source = new PrevrandaoSource(DELAY, WINDOW);

    function setUp() public {
        vm.roll(100_000);
        vm.warp(FROM + DELAY + 100);
    }

    /// @dev A proof for a block at `timestamp` whose parent is at `before`; the chain knows it.
    function _planted(uint256 number, uint256 timestamp, uint256 before) private returns (bytes memory proof) {
        proof = chainOf(Headers.Header(0, 0, number, timestamp + 12, VALUE), timestamp, before);
        plant(number, firstHeader(proof));
    }

    function test_HeadersOfARealNode() public {
        string memory json = vm.readFile("test/vectors/headers.json");
        bytes[3] memory headers;
        // The blocks at 36, 24 and 12 seconds.
        for (uint256 i; i < 3; ++i) {
            headers[i] = vm.parseJsonBytes(json, string.concat(".blocks[", vm.toString(2 - i), "].rlp"));
        }
        bytes32 known = bytes32(vm.parseJsonBytes(json, ".blocks[2].hash"));
        vm.roll(10);
        vm.setBlockhash(3, known);
        bytes memory proof = bytes.concat(headers[0], headers[1], headers[2]);
        bytes32 value = bytes32(vm.parseJsonBytes(json, ".blocks[2].prevRandao"));
        for (uint256 from = FROM + 13; from <= FROM + 24; ++from) {
            assertEq(source.valueOf(from - DELAY, proof), value);
        }
        for (uint256 i; i < 2; ++i) {
            uint256 target = FROM + 12 + 13 * i;
            vm.expectRevert(abi.encodeWithSelector(PrevrandaoSource.WrongBlock.selector, target, FROM + 24, FROM + 12));
            source.valueOf(target - DELAY, proof);
        }
    }

    function testFuzz_OnlyTheFirstBlockAtOrAfterTheTargetCounts(uint256 timestamp, uint256 before) public {
        uint256 target = FROM + DELAY;
        before = bound(before, target - 1_000, target + 1_000);
        timestamp = bound(timestamp, before + 1, target + 2_000);
        bytes memory proof = _planted(99_990, timestamp, before);
        if (before < target && timestamp >= target) {
            assertEq(source.valueOf(FROM, proof), VALUE);
        } else {
            vm.expectRevert(abi.encodeWithSelector(PrevrandaoSource.WrongBlock.selector, target, timestamp, before));
            source.valueOf(FROM, proof);
        }
    }

    /// @dev A run of missed slots, or a halted chain, does not matter.
    function test_BlockLongAfterTheTarget() public {
        vm.warp(FROM + DELAY + 10_000);
        bytes memory proof = _planted(99_990, FROM + DELAY + 9_000, FROM - 5_000);
        assertEq(source.valueOf(FROM, proof), VALUE);
    }

    // ---- forgeries ----

    function test_ForgedHeaderIsRefused() public {
        bytes memory proof = _planted(99_990, FROM + DELAY, FROM + DELAY - 12);
        Headers.Header memory liar = Headers.Header(0, 0, 99_990, FROM + DELAY + 12, keccak256("mine"));
        bytes memory forged = chainOf(liar, FROM + DELAY, FROM + DELAY - 12);
        vm.expectRevert(abi.encodeWithSelector(PrevrandaoSource.ForgedHeader.selector, 99_990));
        source.valueOf(FROM, forged);
        // The true header under another number.
        liar = Headers.Header(0, 0, 99_991, FROM + DELAY + 12, VALUE);
        forged = chainOf(liar, FROM + DELAY, FROM + DELAY - 12);
        vm.expectPartialRevert(PrevrandaoSource.ForgedHeader.selector);
        source.valueOf(FROM, forged);
        assertEq(source.valueOf(FROM, proof), VALUE);
    }

    function test_OtherParentsAreRefused() public {
        bytes memory proof = _planted(99_990, FROM + DELAY + 12, FROM + DELAY);
        // Blocks with the times that one would need, but of another history.
        bytes memory other =
            chainOf(Headers.Header(0, 0, 99_990, FROM + DELAY + 24, VALUE), FROM + DELAY, FROM + DELAY - 12);
        bytes memory child = firstHeader(proof);
        bytes memory mixed = bytes.concat(child, _after(other, child.length));
        vm.expectPartialRevert(PrevrandaoSource.NotParent.selector);
        source.valueOf(FROM, mixed);
        // The true parent, and a grandparent of another history.
        bytes memory parent = firstHeader(_after(proof, child.length));
        mixed = bytes.concat(child, parent, _after(other, child.length + parent.length));
        vm.expectPartialRevert(PrevrandaoSource.NotParent.selector);
        source.valueOf(FROM, mixed);
        vm.expectPartialRevert(PrevrandaoSource.WrongBlock.selector);
        source.valueOf(FROM, proof);
    }

    function test_EveryFlippedByteIsRefused() public {
        bytes memory proof = _planted(99_990, FROM + DELAY, FROM + DELAY - 12);
        for (uint256 i; i < proof.length; i += 37) {
            bytes1 right = proof[i];
            proof[i] = right ^ 0x01;
            (bool ok,) = address(source).staticcall(abi.encodeCall(source.valueOf, (FROM, proof)));
            assertFalse(ok, "a changed byte passed");
            proof[i] = right;
        }
        assertEq(source.valueOf(FROM, proof), VALUE);
    }

    function test_MalformedProofsAreRefused() public {
        bytes memory proof = _planted(99_990, FROM + DELAY, FROM + DELAY - 12);
        uint256 first = firstHeader(proof).length;
        _expectMalformed("", 0);
        _expectMalformed(hex"f9ff", 0);
        _expectMalformed(hex"f9ffff00", 0);
        _expectMalformed(bytes.concat(hex"f8", _after(proof, 1)), 0);
        _expectMalformed(firstHeader(proof), first);
        _expectMalformed(bytes.concat(proof, hex"00"), proof.length);
        // Lists that are no headers: one of a single field, and one that says a short length in a long way.
        vm.expectRevert(
            abi.encodeWithSelector(BlockHeader.FieldNotPresentInBlockHeader.selector, BlockHeader.HeaderField.Number)
        );
        source.valueOf(FROM, bytes.concat(hex"f90103b90100", new bytes(256)));
        vm.expectRevert(RLP.RLPInvalidEncoding.selector);
        source.valueOf(FROM, hex"f9000180");
    }

    function test_ChainsWithoutRandaoAreRefused() public {
        // Difficulty 1, as on Arbitrum.
        bytes memory proof =
            chainOf(Headers.Header(0, 1, 99_990, FROM + DELAY + 12, bytes32(uint256(1))), FROM + DELAY, FROM);
        plant(99_990, firstHeader(proof));
        vm.expectRevert(PrevrandaoSource.NoRandao.selector);
        source.valueOf(FROM, proof);
    }

    // ---- age ----

    function test_HistoryReachesBackEightThousandBlocks() public {
        uint256 number = 100_000 - HISTORY_SIZE;
        vm.warp(FROM + DELAY + WINDOW - 1);
        bytes memory proof = _planted(number, FROM + DELAY + 3, FROM + DELAY - 9);
        assertEq(source.valueOf(FROM, proof), VALUE);
        vm.roll(100_001);
        vm.expectRevert(abi.encodeWithSelector(PrevrandaoSource.BlockUnknown.selector, number));
        source.valueOf(FROM, proof);
    }

    function test_BlocksOfTheFutureAreUnknown() public {
        for (uint256 number = 100_000; number < 100_002; ++number) {
            bytes memory proof = chainOf(Headers.Header(0, 0, number, FROM + DELAY + 12, VALUE), FROM + DELAY, FROM);
            vm.expectRevert(abi.encodeWithSelector(PrevrandaoSource.BlockUnknown.selector, number));
            source.valueOf(FROM, proof);
        }
    }

    /// @dev The first block's value dies with its window; what counts next was not made before it died.
    function test_MissedWindowFallsBackToTheFirstBlockOfTheNext() public {
        uint256 target = FROM + DELAY;
        bytes memory missed = _planted(99_990, target + 3, target - 9);
        vm.warp(target + WINDOW - 1);
        assertEq(source.targetOf(FROM), target);
        assertEq(source.valueOf(FROM, missed), VALUE);
        vm.warp(target + WINDOW);
        vm.expectRevert(
            abi.encodeWithSelector(PrevrandaoSource.WrongBlock.selector, target + WINDOW, target + 3, target - 9)
        );
        source.valueOf(FROM, missed);
        vm.warp(target + WINDOW + 30);
        bytes memory proof = _planted(99_995, target + WINDOW, target + WINDOW - 12);
        assertEq(source.valueOf(FROM, proof), VALUE);
    }

    function testFuzz_TargetIsTheBeginningOfTheCurrentWindow(uint256 from, uint256 time) public {
        from = bound(from, 0, 1 << 40);
        time = bound(time, 0, 1 << 41);
        vm.warp(time);
        uint256 target = source.targetOf(from);
        assertEq(source.readyAt(from), from + DELAY);
        if (time < from + DELAY) {
            assertEq(target, from + DELAY);
        } else {
            assertEq((target - from - DELAY) % WINDOW, 0);
            assertLe(target, time);
            assertGt(target + WINDOW, time);
        }
    }

    function test_ParametersAreBounded() public {
        PrevrandaoSource widest = new PrevrandaoSource(1 hours, 7 days);
        assertEq(widest.delay(), 1 hours);
        assertEq(widest.window(), 7 days);
        vm.expectRevert(abi.encodeWithSelector(PrevrandaoSource.BadParameter.selector, "delay"));
        new PrevrandaoSource(1 hours + 1, 1 days);
        vm.expectRevert(abi.encodeWithSelector(PrevrandaoSource.BadParameter.selector, "window"));
        new PrevrandaoSource(0, 0);
        vm.expectRevert(abi.encodeWithSelector(PrevrandaoSource.BadParameter.selector, "window"));
        new PrevrandaoSource(0, 7 days + 1);
    }

    // ---- helpers ----

    function _expectMalformed(bytes memory proof, uint256 position) private {
        vm.expectRevert(abi.encodeWithSelector(PrevrandaoSource.MalformedProof.selector, position));
        source.valueOf(FROM, proof);
    }

    function _after(bytes memory data, uint256 start) private pure returns (bytes memory rest) {
        rest = new bytes(data.length - start);
        for (uint256 i; i < rest.length; ++i) {
            rest[i] = data[start + i];
        }
    }
}
