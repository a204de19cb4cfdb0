// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BLS} from "../../src/libraries/BLS.sol";
import {Test} from "./Test.sol";

/// @title Keys and signatures of BLS12-381, made with the precompiles
abstract contract BlsTest is Test {
    /// @dev Order of the subgroups.
    uint256 internal constant ORDER = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001;
    uint256 internal constant P_HI = 0x1a0111ea397fe69a4b1ba7b6434bacd7;
    uint256 internal constant P_LO = 0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab;
    address internal constant G1_MSM = address(0x0c);
    address internal constant G2_MSM = address(0x0e);

    function secretOf(uint256 seed) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("secret key", seed))) % (ORDER - 1) + 1;
    }

    function times(BLS.G1 memory point, uint256 scalar) internal view returns (BLS.G1 memory) {
        (bool ok, bytes memory out) = G1_MSM.staticcall(abi.encode(point, scalar));
        assertTrue(ok, "multiplication in G1");
        return abi.decode(out, (BLS.G1));
    }

    function times(BLS.G2 memory point, uint256 scalar) internal view returns (BLS.G2 memory) {
        (bool ok, bytes memory out) = G2_MSM.staticcall(abi.encode(point, scalar));
        assertTrue(ok, "multiplication in G2");
        return abi.decode(out, (BLS.G2));
    }

    function publicKey(uint256 secret) internal view returns (BLS.G2 memory) {
        return times(BLS.negatedGenerator(), ORDER - secret);
    }

    function signBls(uint256 secret, bytes memory message, string memory tag) internal view returns (BLS.G1 memory) {
        return times(BLS.hashToG1(message, bytes(tag)), secret);
    }

    function generatorG1() internal pure returns (BLS.G1 memory) {
        return BLS.G1(
            0x17f1d3a73197d7942695638c4fa9ac0f,
            0xc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb,
            0x08b3f481e3aaa0f1a09e30ed741d8ae4,
            0xfcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1
        );
    }

    /// @dev On the curve y**2 = x**3 + 4, but not in the subgroup: (0, 2) has order 3.
    function outsideG1() internal pure returns (BLS.G1 memory) {
        return BLS.G1(0, 0, 0, 2);
    }

    function assertPoint(BLS.G1 memory actual, BLS.G1 memory expected) internal pure {
        assertEq(abi.encode(actual), abi.encode(expected));
    }

    function assertPoint(BLS.G2 memory actual, BLS.G2 memory expected) internal pure {
        assertEq(abi.encode(actual), abi.encode(expected));
    }
}
