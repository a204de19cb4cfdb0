// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BLS} from "../src/libraries/BLS.sol";
import {DrandSource} from "../src/sources/DrandSource.sol";
import {BlsTest} from "./utils/BlsTest.sol";

/// @title Rounds of quicknet as they were published
contract DrandSourceTest is BlsTest {
    uint256 private constant PAIRING = 0x0f;
    uint256 private constant DELAY = 30;

    DrandSource private source = new DrandSource(DELAY);
    string private json = vm.readFile("test/vectors/bls.json");

    function _text(uint256 i, string memory field) private pure returns (string memory) {
        return string.concat(".drand[", vm.toString(i), "].", field);
    }

    function _number(uint256 i, string memory field) private view returns (uint256) {
        return vm.parseJsonUint(json, _text(i, field));
    }

    function _bytes(uint256 i, string memory field) private view returns (bytes memory) {
        return vm.parseJsonBytes(json, _text(i, field));
    }

    function test_PublishedRoundsGiveThePublishedRandomness() public view {
        uint256 count = vm.parseJsonUint(json, ".drandCount");
        assertEq(count, 5);
        for (uint256 i; i < count; ++i) {
            uint256 from = _number(i, "time") - DELAY;
            assertEq(source.roundFor(from), _number(i, "round"));
            assertEq(source.readyAt(from), _number(i, "time"));
            // Every time up to the round before belongs to this round.
            for (uint256 early; early < 3; ++early) {
                assertEq(source.valueOf(from - early, _bytes(i, "signature")), bytes32(_bytes(i, "randomness")));
            }
        }
    }

    function test_SignatureOfAnotherRoundIsRefused() public {
        // Two rounds in a row.
        uint256 from = _number(3, "time") - DELAY;
        uint256 round = _number(3, "round");
        assertEq(_number(4, "round"), round + 1);
        bytes memory later = _bytes(4, "signature");
        vm.expectRevert(abi.encodeWithSelector(DrandSource.WrongRoundSignature.selector, round));
        source.valueOf(from, later);
        bytes memory right = _bytes(3, "signature");
        vm.expectRevert(abi.encodeWithSelector(DrandSource.WrongRoundSignature.selector, round + 1));
        source.valueOf(from + 1, right);
        vm.expectRevert(abi.encodeWithSelector(DrandSource.WrongRoundSignature.selector, round - 1));
        source.valueOf(from - 3, right);
    }

    function test_ForgedAndMalformedSignaturesAreRefused() public {
        uint256 from = _number(0, "time") - DELAY;
        BLS.G1 memory right = abi.decode(_bytes(0, "signature"), (BLS.G1));
        BLS.G1 memory infinity;
        // The negative, a multiple, infinity, and somebody else's signature of the same message.
        bytes memory message = abi.encodePacked(sha256(abi.encodePacked(uint64(1_000))));
        BLS.G1[4] memory wrong = [
            times(right, ORDER - 1),
            times(right, 2),
            infinity,
            signBls(7, message, "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_")
        ];
        for (uint256 i; i < 4; ++i) {
            vm.expectRevert(abi.encodeWithSelector(DrandSource.WrongRoundSignature.selector, 1_000));
            source.valueOf(from, abi.encode(wrong[i]));
        }
        BLS.G1[3] memory malformed = [outsideG1(), BLS.add(right, outsideG1()), right];
        ++malformed[2].xLo;
        for (uint256 i; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(BLS.PrecompileFailed.selector, PAIRING));
            source.valueOf(from, abi.encode(malformed[i]));
        }
        uint256[3] memory lengths = [uint256(0), 127, 129];
        for (uint256 i; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(DrandSource.MalformedSignature.selector, lengths[i]));
            source.valueOf(from, new bytes(lengths[i]));
        }
    }

    function testFuzz_RoundIsTheFirstThatIsNotTooEarly(uint256 from) public view {
        from = bound(from, source.GENESIS(), 1 << 40);
        uint256 time = source.GENESIS() + (source.roundFor(from) - 1) * source.PERIOD();
        assertGe(time, from + DELAY);
        assertLt(time, from + DELAY + source.PERIOD());
        assertEq(source.readyAt(from), time);
    }

    function test_BeforeTheNetworkBeganItIsRoundOne() public view {
        assertEq(source.roundFor(0), 1);
        assertEq(source.roundFor(source.GENESIS() - DELAY), 1);
        assertEq(source.roundFor(source.GENESIS() - DELAY + 1), 2);
        assertEq(source.readyAt(0), source.GENESIS());
    }

    function test_ChainWithoutThePrecompilesGetsNoSource() public {
        vm.mockCall(address(uint160(PAIRING)), "", "");
        vm.expectRevert(abi.encodeWithSelector(BLS.PrecompileFailed.selector, PAIRING));
        new DrandSource(DELAY);
        // Or one that answers "no" to what is true.
        vm.mockCall(address(uint160(PAIRING)), "", abi.encode(uint256(0)));
        vm.expectRevert(abi.encodeWithSelector(DrandSource.WrongRoundSignature.selector, 1_000));
        new DrandSource(DELAY);
        vm.clearMockedCalls();
        new DrandSource(DELAY);
    }

    function test_DelayIsBounded() public {
        assertEq(new DrandSource(1 hours).delay(), 1 hours);
        vm.expectRevert(abi.encodeWithSelector(DrandSource.BadParameter.selector, "delay"));
        new DrandSource(1 hours + 1);
    }
}
