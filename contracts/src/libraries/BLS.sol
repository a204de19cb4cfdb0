// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title BLS12-381 over the precompiles of EIP-2537
/// @notice Signatures are points of G1, keys are points of G2. Points are written as the precompiles read them: each
/// coordinate is 64 bytes, big-endian, of which the first 16 are zero; an element of Fp2 is its real part, then its
/// imaginary part; the point at infinity is all zeros.
/// @dev The pairing precompile refuses points outside the subgroups; the adding ones check the curve only. So whatever
/// is added here must have been in a pairing before, or go into one afterwards.
library BLS {
    /// @notice 128 bytes. `Hi` words hold 16 bytes.
    /// @param xHi x, high 16 bytes
    /// @param xLo x, low 32 bytes
    /// @param yHi y, high 16 bytes
    /// @param yLo y, low 32 bytes
    struct G1 {
        uint256 xHi;
        uint256 xLo;
        uint256 yHi;
        uint256 yLo;
    }

    /// @notice 256 bytes. Coordinates x = x0 + x1 i, y = y0 + y1 i.
    /// @param x0Hi x.c0, high 16 bytes
    /// @param x0Lo x.c0, low 32 bytes
    /// @param x1Hi x.c1, high 16 bytes
    /// @param x1Lo x.c1, low 32 bytes
    /// @param y0Hi y.c0, high 16 bytes
    /// @param y0Lo y.c0, low 32 bytes
    /// @param y1Hi y.c1, high 16 bytes
    /// @param y1Lo y.c1, low 32 bytes
    struct G2 {
        uint256 x0Hi;
        uint256 x0Lo;
        uint256 x1Hi;
        uint256 x1Lo;
        uint256 y0Hi;
        uint256 y0Lo;
        uint256 y1Hi;
        uint256 y1Lo;
    }

    uint256 private constant MODEXP = 0x05;
    uint256 private constant G1_ADD = 0x0b;
    uint256 private constant G2_ADD = 0x0d;
    uint256 private constant PAIRING = 0x0f;
    uint256 private constant MAP_FP_TO_G1 = 0x10;

    /// @dev The field's modulus p.
    uint256 private constant P_HI = 0x1a0111ea397fe69a4b1ba7b6434bacd7;
    uint256 private constant P_LO = 0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab;
    /// @dev (p - 1) / 2: a y above it is the larger of the two square roots.
    uint256 private constant HALF_HI = 0x0d0088f51cbff34d258dd3db21a5d66b;
    uint256 private constant HALF_LO = 0xb23ba5c279c2895fb39869507b587b120f55ffff58a9ffffdcff7fffffffd555;

    /// @dev Flags in the first byte of a compressed point: compressed; larger y.
    uint256 private constant COMPRESSED = 0x80 << 120;
    uint256 private constant LARGER = 0x20 << 120;

    /// @dev A longer tag would have to be hashed first (RFC 9380, 5.3.3), which nobody here needs.
    uint256 private constant LONGEST_TAG = 255;

    /// @notice A precompile refused its input: a coordinate that is no field element, a point off the curve or outside
    /// the subgroup; or the chain has no such precompile.
    /// @param precompile address of the precompile
    error PrecompileFailed(uint256 precompile);
    /// @notice The domain separation tag is longer than 255 bytes.
    /// @param length bytes given
    error TagTooLong(uint256 length);

    /// @notice Whether `signature` by `key` signs `message` under the domain separation tag `tag`.
    /// @dev e(signature, -generator) * e(hash, key) == 1. The key at infinity would accept the signature at infinity for
    /// any message: who keeps keys refuses it.
    function isSigned(G1 memory signature, G2 memory key, bytes memory message, bytes memory tag)
        internal
        view
        returns (bool)
    {
        bytes memory input = abi.encode(signature, negatedGenerator(), hashToG1(message, tag), key);
        uint256[1] memory one;
        uint256 out;
        assembly ("memory-safe") {
            out := one
        }
        _call(PAIRING, input, out, 32);
        return one[0] == 1;
    }

    /// @notice The point that a message hashes to: suite BLS12381G1_XMD:SHA-256_SSWU_RO_ of RFC 9380.
    function hashToG1(bytes memory message, bytes memory tag) internal view returns (G1 memory) {
        bytes32[4] memory uniform = expand(message, tag);
        G1 memory a = _mapToG1(uniform[0], uniform[1]);
        return add(a, _mapToG1(uniform[2], uniform[3]));
    }

    /// @notice expand_message_xmd of RFC 9380 with SHA-256, for two elements of the field: 128 bytes.
    function expand(bytes memory message, bytes memory tag) internal pure returns (bytes32[4] memory uniform) {
        if (tag.length > LONGEST_TAG) revert TagTooLong(tag.length);
        bytes memory suffix = abi.encodePacked(tag, uint8(tag.length));
        bytes32 first = sha256(abi.encodePacked(new bytes(64), message, uint16(128), uint8(0), suffix));
        // The same bytes four times, but for the word and the number in front.
        bytes memory input = abi.encodePacked(bytes32(0), uint8(0), suffix);
        bytes32 last;
        for (uint256 i; i < 4; ++i) {
            assembly ("memory-safe") {
                mstore(add(input, 32), xor(first, last))
                mstore8(add(input, 64), add(i, 1))
            }
            last = sha256(input);
            uniform[i] = last;
        }
    }

    /// @notice a + b.
    function add(G1 memory a, G1 memory b) internal view returns (G1 memory sum) {
        uint256 out;
        assembly ("memory-safe") {
            out := sum
        }
        _call(G1_ADD, abi.encode(a, b), out, 128);
    }

    /// @notice a + b.
    function add(G2 memory a, G2 memory b) internal view returns (G2 memory sum) {
        uint256 out;
        assembly ("memory-safe") {
            out := sum
        }
        _call(G2_ADD, abi.encode(a, b), out, 256);
    }

    /// @notice a - b. Both points must be well formed.
    function subtract(G2 memory a, G2 memory b) internal view returns (G2 memory) {
        G2 memory negative = G2(b.x0Hi, b.x0Lo, b.x1Hi, b.x1Lo, 0, 0, 0, 0);
        (negative.y0Hi, negative.y0Lo) = _negate(b.y0Hi, b.y0Lo);
        (negative.y1Hi, negative.y1Lo) = _negate(b.y1Hi, b.y1Lo);
        return add(a, negative);
    }

    /// @notice The 48 bytes by which signatures of G1 travel (the ZCash format). The point must be well formed and not at
    /// infinity.
    function compress(G1 memory point) internal pure returns (bytes memory) {
        uint256 top = point.xHi | COMPRESSED;
        if (point.yHi > HALF_HI || (point.yHi == HALF_HI && point.yLo > HALF_LO)) top |= LARGER;
        return abi.encodePacked(uint128(top), point.xLo);
    }

    /// @notice Whether the point is the one at infinity.
    function isInfinity(G2 memory point) internal pure returns (bool) {
        return
            (point.x0Hi | point.x0Lo | point.x1Hi | point.x1Lo | point.y0Hi | point.y0Lo | point.y1Hi | point.y1Lo) == 0;
    }

    /// @notice The generator of G2, negated: what a signature is paired with.
    function negatedGenerator() internal pure returns (G2 memory) {
        return G2(
            0x024aa2b2f08f0a91260805272dc51051,
            0xc6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8,
            0x13e02b6052719f607dacd3a088274f65,
            0x596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e,
            0x0d1b3cc2c7027888be51d9ef691d77bc,
            0xb679afda66c73f17f9ee3837a55024f78c71363275a75d75d86bab79f74782aa,
            0x13fa4d4a0ad8b1ce186ed5061789213d,
            0x993923066dddaf1040bc3ff59f825c78df74f2d75467e25e0f55f8a00fa030ed
        );
    }

    /// @dev 64 uniform bytes, taken modulo p, as a point of the subgroup: the precompile clears the cofactor.
    function _mapToG1(bytes32 hi, bytes32 lo) private view returns (G1 memory point) {
        // base ** 1 mod p by the modular exponentiation precompile, which takes numbers of any size.
        bytes memory input = abi.encodePacked(uint256(64), uint256(1), uint256(64), hi, lo, uint8(1), P_HI, P_LO);
        bytes memory element = new bytes(64);
        uint256 out;
        assembly ("memory-safe") {
            out := add(element, 32)
        }
        _call(MODEXP, input, out, 64);
        assembly ("memory-safe") {
            out := point
        }
        _call(MAP_FP_TO_G1, element, out, 128);
    }

    /// @dev p - (hi, lo), and zero for zero.
    function _negate(uint256 hi, uint256 lo) private pure returns (uint256, uint256) {
        if (hi | lo == 0) return (0, 0);
        unchecked {
            uint256 borrow = lo > P_LO ? 1 : 0;
            return (P_HI - hi - borrow, P_LO - lo);
        }
    }

    function _call(uint256 precompile, bytes memory input, uint256 out, uint256 size) private view {
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(gas(), precompile, add(input, 32), mload(input), out, size)
            // A chain without the precompile succeeds and answers nothing.
            ok := and(ok, eq(returndatasize(), size))
        }
        if (!ok) revert PrecompileFailed(precompile);
    }
}
