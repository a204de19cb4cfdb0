// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BLS} from "../src/libraries/BLS.sol";
import {BlsTest} from "./utils/BlsTest.sol";

/// @dev The library as a contract, so that its reverts can be expected.
contract BlsHarness {
    function hashToG1(bytes memory message, bytes memory tag) external view returns (BLS.G1 memory) {
        return BLS.hashToG1(message, tag);
    }

    function expand(bytes memory message, bytes memory tag) external pure returns (bytes32[4] memory) {
        return BLS.expand(message, tag);
    }

    function isSigned(BLS.G1 memory signature, BLS.G2 memory key, bytes memory message, bytes memory tag)
        external
        view
        returns (bool)
    {
        return BLS.isSigned(signature, key, message, tag);
    }

    function addG1(BLS.G1 memory a, BLS.G1 memory b) external view returns (BLS.G1 memory) {
        return BLS.add(a, b);
    }

    function addG2(BLS.G2 memory a, BLS.G2 memory b) external view returns (BLS.G2 memory) {
        return BLS.add(a, b);
    }
}

/// @title The library over the precompiles, against RFC 9380, py_ecc and its own algebra
contract BLSTest is BlsTest {
    uint256 private constant PAIRING = 0x0f;
    bytes private constant TAG = "a tag";

    BlsHarness private bls = new BlsHarness();
    string private json = vm.readFile("test/vectors/bls.json");

    // ---- published vectors ----

    function test_HashToCurveOfTheRfc() public view {
        bytes memory tag = vm.parseJsonBytes(json, ".rfcTag");
        uint256 count = vm.parseJsonUint(json, ".rfcCount");
        assertEq(count, 5);
        for (uint256 i; i < count; ++i) {
            string memory key = string.concat(".rfc[", vm.toString(i), "]");
            bytes memory message = vm.parseJsonBytes(json, string.concat(key, ".message"));
            bytes memory point = vm.parseJsonBytes(json, string.concat(key, ".point"));
            assertEq(abi.encode(bls.hashToG1(message, tag)), point);
        }
    }

    /// @dev RFC 9380, K.1, length 128.
    function test_ExpandOfTheRfc() public view {
        bytes32[4] memory found = bls.expand("", "QUUX-V01-CS02-with-expander-SHA256-128");
        assertEq(
            abi.encode(found),
            hex"af84c27ccfd45d41914fdff5df25293e221afc53d8ad2ac06d5e3e29485dadbee0d121587713a3e0dd4d5e69e93eb7cd4f5df4"
            hex"cd103e188cf60cb02edc3edf18eda8576c412b18ffb658e3dd6ec849469b979d444cf7b26911a08e63cf31f9dcc541708d3491184472c2c29bb749d4286b004ceb5ee6b9a7fa5b646c993f0ced"
        );
    }

    function test_AggregateMadeInPython() public view {
        bytes memory message = vm.parseJsonBytes(json, ".aggregate.message");
        bytes memory tag = vm.parseJsonBytes(json, ".aggregate.tag");
        uint256 count = vm.parseJsonUint(json, ".aggregate.keyCount");
        BLS.G2 memory key;
        BLS.G1 memory signature;
        for (uint256 i; i < count; ++i) {
            string memory index = string.concat("[", vm.toString(i), "]");
            BLS.G2 memory one = abi.decode(vm.parseJsonBytes(json, string.concat(".aggregate.keys", index)), (BLS.G2));
            BLS.G1 memory signed =
                abi.decode(vm.parseJsonBytes(json, string.concat(".aggregate.signatures", index)), (BLS.G1));
            assertTrue(BLS.isSigned(signed, one, message, tag), "one signer");
            (key, signature) = (BLS.add(key, one), BLS.add(signature, signed));
        }
        assertEq(abi.encode(key), vm.parseJsonBytes(json, ".aggregate.key"));
        assertEq(abi.encode(signature), vm.parseJsonBytes(json, ".aggregate.signature"));
        assertTrue(BLS.isSigned(signature, key, message, tag), "all of them");
    }

    function test_CompressesAsDrandDoes() public view {
        uint256 count = vm.parseJsonUint(json, ".drandCount");
        uint256 larger;
        for (uint256 i; i < count; ++i) {
            string memory key = string.concat(".drand[", vm.toString(i), "]");
            bytes memory point = vm.parseJsonBytes(json, string.concat(key, ".signature"));
            bytes memory compressed = vm.parseJsonBytes(json, string.concat(key, ".compressed"));
            assertEq(BLS.compress(abi.decode(point, (BLS.G1))), compressed);
            if (compressed[0] & 0x20 != 0) ++larger;
        }
        assertTrue(larger != 0 && larger != count, "both roots are among the vectors");
    }

    // ---- signatures ----

    /// forge-config: default.fuzz.runs = 32
    function testFuzz_OnlyTheSignatureOfKeyMessageAndTagHolds(uint256 seed, bytes memory message) public view {
        uint256 secret = secretOf(seed);
        BLS.G2 memory key = publicKey(secret);
        BLS.G1 memory signature = signBls(secret, message, string(TAG));
        assertTrue(bls.isSigned(signature, key, message, TAG), "its own");
        assertFalse(bls.isSigned(signature, key, bytes.concat(message, hex"00"), TAG), "another message");
        assertFalse(bls.isSigned(signature, key, message, "another tag"), "another tag");
        assertFalse(bls.isSigned(signature, publicKey(secret + 1), message, TAG), "another key");
        assertFalse(bls.isSigned(times(signature, 2), key, message, TAG), "another signature");
    }

    function test_SignatureAtInfinityHoldsForNoKeyButTheOneAtInfinity() public view {
        BLS.G1 memory nothing;
        BLS.G2 memory infinity;
        assertFalse(bls.isSigned(nothing, publicKey(7), "message", TAG));
        // Why whoever keeps keys must refuse this one.
        assertTrue(bls.isSigned(nothing, infinity, "message", TAG));
        assertTrue(BLS.isInfinity(infinity));
    }

    function test_RefusesPointsOffTheCurve() public {
        (BLS.G1 memory signature, BLS.G2 memory key) = (signBls(7, "message", string(TAG)), publicKey(7));
        ++signature.yLo;
        _expectRefused(signature, key);
        --signature.yLo;
        assertTrue(bls.isSigned(signature, key, "message", TAG));
        ++key.x1Lo;
        _expectRefused(signature, key);
    }

    function test_RefusesPointsOutsideTheSubgroups() public {
        (BLS.G1 memory signature, BLS.G2 memory key) = (signBls(7, "message", string(TAG)), publicKey(7));
        _expectRefused(outsideG1(), key);
        // Shifted by a point of small order, a signature would be a second one for the same message.
        _expectRefused(bls.addG1(signature, outsideG1()), key);
        _expectRefused(signature, abi.decode(vm.parseJsonBytes(json, ".outsideG2"), (BLS.G2)));
    }

    /// @dev The same point written with a coordinate that is larger by p, or with bits in the padding.
    function test_RefusesOtherWaysToWriteAPoint() public {
        (BLS.G1 memory signature, BLS.G2 memory key) = (signBls(7, "message", string(TAG)), publicKey(7));
        BLS.G1 memory other = BLS.G1(signature.xHi, signature.xLo, signature.yHi + P_HI, 0);
        unchecked {
            other.yLo = signature.yLo + P_LO;
            if (other.yLo < P_LO) ++other.yHi;
        }
        _expectRefused(other, key);
        signature.xHi |= 1 << 128;
        _expectRefused(signature, key);
    }

    function _expectRefused(BLS.G1 memory signature, BLS.G2 memory key) private {
        vm.expectRevert(abi.encodeWithSelector(BLS.PrecompileFailed.selector, PAIRING));
        bls.isSigned(signature, key, "message", TAG);
    }

    function test_ChainWithoutThePrecompilesIsNoticed() public {
        BLS.G1 memory signature = signBls(7, "message", string(TAG));
        BLS.G2 memory key = publicKey(7);
        vm.mockCall(address(uint160(PAIRING)), "", "");
        vm.expectRevert(abi.encodeWithSelector(BLS.PrecompileFailed.selector, PAIRING));
        bls.isSigned(signature, key, "message", TAG);
    }

    function test_AddingChecksTheCurve() public {
        BLS.G1 memory off = generatorG1();
        ++off.xLo;
        vm.expectRevert(abi.encodeWithSelector(BLS.PrecompileFailed.selector, 0x0b));
        bls.addG1(off, generatorG1());
        BLS.G2 memory key = publicKey(7);
        BLS.G2 memory offG2 = publicKey(7);
        ++offG2.x0Lo;
        vm.expectRevert(abi.encodeWithSelector(BLS.PrecompileFailed.selector, 0x0d));
        bls.addG2(key, offG2);
    }

    function test_LongTagsAreRefused() public {
        bls.expand("message", new bytes(255));
        vm.expectRevert(abi.encodeWithSelector(BLS.TagTooLong.selector, 256));
        bls.expand("message", new bytes(256));
    }

    // ---- algebra ----

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_SumsFollowTheScalars(uint256 a, uint256 b) public view {
        (a, b) = (bound(a, 1, ORDER - 1), bound(b, 1, ORDER - 1));
        uint256 sum = addmod(a, b, ORDER);
        uint256 difference = addmod(a, ORDER - b, ORDER);
        assertPoint(BLS.add(publicKey(a), publicKey(b)), publicKey(sum));
        assertPoint(BLS.subtract(publicKey(a), publicKey(b)), publicKey(difference));
        assertPoint(BLS.add(times(generatorG1(), a), times(generatorG1(), b)), times(generatorG1(), sum));
    }

    function test_SubtractingAtTheEdges() public view {
        BLS.G2 memory infinity;
        BLS.G2 memory key = publicKey(7);
        assertTrue(BLS.isInfinity(BLS.subtract(key, key)));
        assertPoint(BLS.subtract(key, infinity), key);
        assertPoint(BLS.subtract(infinity, key), publicKey(ORDER - 7));
        assertFalse(BLS.isInfinity(key));
    }

    function test_InfinityHasNoNonzeroWord() public pure {
        for (uint256 i; i < 8; ++i) {
            uint256[8] memory words;
            words[i] = 1;
            assertFalse(BLS.isInfinity(abi.decode(abi.encode(words), (BLS.G2))));
        }
    }
}
