// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SealingKeys} from "../src/SealingKeys.sol";
import {ISealingKeys} from "../src/interfaces/ISealingKeys.sol";
import {Role} from "../src/interfaces/Types.sol";
import {LedgerTest} from "./utils/LedgerTest.sol";

/// @title Sealing keys: rotation, revocation, and reading old ones
contract SealingKeysTest is LedgerTest {
    SealingKeys private keys;

    function setUp() public override {
        super.setUp();
        keys = new SealingKeys(address(ledger));
        staked(alice, Role.Compute, COMPUTE_MIN);
        staked(bob, Role.Verifier, VERIFIER_MIN);
    }

    function _key(uint256 number) private pure returns (bytes memory) {
        return abi.encode(number);
    }

    function _register(address who, uint256 number, uint256 validFrom) private returns (uint256) {
        vm.prank(who);
        return keys.register(1, 0, _key(number), uint64(validFrom));
    }

    function _indexAt(uint256 time) private view returns (bool found, uint256 index) {
        (found, index,) = keys.keyAt(alice, time);
    }

    function test_AKeyIsReadBackAsRegistered() public {
        vm.expectEmit(true, true, true, true, address(keys));
        emit ISealingKeys.SealingKeyRegistered(alice, 0, 1, keccak256(_key(7)), block.timestamp, _key(7));
        assertEq(_register(alice, 7, 0), 0);
        ISealingKeys.SealingKey memory key = keys.keyOf(alice, 0);
        assertEq(key.location, _key(7));
        assertEq(key.digest, keccak256(_key(7)));
        assertEq(key.validFrom, block.timestamp);
        assertEq(keys.keyCount(alice), 1);
        assertEq(keys.keyCount(bob), 0);
    }

    function test_AHybridKeyStandsByHashAndCid() public {
        bytes memory key = new bytes(1_216);
        vm.prank(bob);
        keys.register(2, keccak256(key), hex"01551220aa", 0);
        (bool found,, ISealingKeys.SealingKey memory read) = keys.keyAt(bob, block.timestamp);
        assertTrue(found);
        assertEq(read.digest, keccak256(key));
        assertEq(read.location, hex"01551220aa");
    }

    function test_RotationKeepsOldKeysReadable() public {
        uint256 start = block.timestamp;
        _register(alice, 1, 0);
        _register(alice, 2, start + 1 days);
        (bool found, uint256 index) = _indexAt(start - 1);
        assertFalse(found, "before the first");
        (found, index) = _indexAt(start + 1 days - 1);
        assertTrue(found && index == 0);
        (found, index) = _indexAt(start + 1 days);
        assertTrue(found && index == 1);
        skip(30 days);
        assertEq(keys.keyOf(alice, 0).location, _key(1));
        (found, index) = _indexAt(start);
        assertTrue(found && index == 0);
    }

    function test_StartsRiseAndLieAhead() public {
        skip(10);
        uint256 now_ = block.timestamp;
        expectError(ISealingKeys.BadStart.selector);
        _register(alice, 1, now_ - 1);
        expectError(ISealingKeys.BadStart.selector);
        _register(alice, 1, now_ + 365 days + 1);
        _register(alice, 1, now_ + 100);
        vm.expectRevert(abi.encodeWithSelector(ISealingKeys.BadStart.selector, now_ + 100, now_ + 101, now_ + 365 days));
        _register(alice, 2, now_ + 100);
        expectError(ISealingKeys.BadStart.selector);
        _register(alice, 2, 0);
        _register(alice, 2, now_ + 101);
    }

    function testFuzz_TheKeyAtATimeIsTheLastThatBegan(uint256 seed, uint256 time) public {
        uint256 count = 1 + seed % 12;
        uint256[] memory starts = new uint256[](count);
        uint256 moment = block.timestamp;
        for (uint256 i; i < count; ++i) {
            moment += 1 + uint256(keccak256(abi.encode(seed, i))) % 1 days;
            starts[i] = moment;
            _register(alice, i, moment);
        }
        time = bound(time, block.timestamp, moment + 1 days);
        uint256 expected = type(uint256).max;
        for (uint256 i; i < count; ++i) {
            if (starts[i] <= time) expected = i;
        }
        (bool found, uint256 index) = _indexAt(time);
        assertEq(found, expected != type(uint256).max);
        if (found) assertEq(index, expected);
    }

    function test_ARevokedKeyIsNoLongerCurrentButStaysReadable() public {
        _register(alice, 1, 0);
        skip(100);
        uint256 moment = block.timestamp;
        vm.expectEmit(true, true, true, true, address(keys));
        emit ISealingKeys.SealingKeyRevoked(alice, 0, moment);
        vm.prank(alice);
        keys.revoke(0);
        (bool found,) = _indexAt(moment);
        assertFalse(found, "nothing may be sealed to it");
        (found,) = _indexAt(moment - 1);
        assertTrue(found, "it was good before");
        assertEq(keys.keyOf(alice, 0).location, _key(1));
        vm.expectRevert(abi.encodeWithSelector(ISealingKeys.AlreadyRevoked.selector, 0));
        vm.prank(alice);
        keys.revoke(0);
    }

    function test_NobodyTouchesAnothersKeys() public {
        _register(alice, 1, 0);
        vm.expectRevert(abi.encodeWithSelector(ISealingKeys.UnknownKey.selector, bob, 0));
        vm.prank(bob);
        keys.revoke(0);
        vm.expectRevert(abi.encodeWithSelector(ISealingKeys.NotAnOperator.selector, stranger));
        _register(stranger, 1, 0);
        assertEq(keys.keyCount(alice), 1);
        vm.expectRevert(abi.encodeWithSelector(ISealingKeys.UnknownKey.selector, alice, 1));
        keys.keyOf(alice, 1);
    }

    function test_UnreadableKeysAreRefused() public {
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(ISealingKeys.BadScheme.selector, 0));
        keys.register(0, 0, _key(1), 0);
        vm.expectRevert(abi.encodeWithSelector(ISealingKeys.BadScheme.selector, 3));
        keys.register(3, 0, _key(1), 0);
        vm.expectRevert(abi.encodeWithSelector(ISealingKeys.BadKeyLength.selector, 31, 32));
        keys.register(1, 0, new bytes(31), 0);
        expectError(ISealingKeys.DigestMismatch.selector);
        keys.register(1, keccak256("other"), _key(1), 0);
        expectError(ISealingKeys.BadLocation.selector);
        keys.register(2, 0, hex"01", 0);
        expectError(ISealingKeys.BadLocation.selector);
        keys.register(2, keccak256("k"), "", 0);
        expectError(ISealingKeys.BadLocation.selector);
        keys.register(2, keccak256("k"), new bytes(65), 0);
        keys.register(1, keccak256(_key(1)), _key(1), 0);
        skip(1);
        vm.expectRevert(abi.encodeWithSelector(ISealingKeys.SameKey.selector, keccak256(_key(1))));
        keys.register(1, 0, _key(1), 0);
    }

    function test_TheListIsBounded() public {
        for (uint256 i; i < 520; ++i) {
            _register(alice, i, block.timestamp + i);
        }
        vm.expectRevert(abi.encodeWithSelector(ISealingKeys.TooManyKeys.selector, 520));
        _register(alice, 520, block.timestamp + 520);
    }

    function test_ConstructorRefusesTheZeroAddress() public {
        vm.expectRevert(ISealingKeys.ZeroAddress.selector);
        new SealingKeys(address(0));
    }
}
