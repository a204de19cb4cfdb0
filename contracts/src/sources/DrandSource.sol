// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IRandomnessSource} from "../interfaces/IRandomnessSource.sol";
import {BLS} from "../libraries/BLS.sol";

/// @title Rounds of drand's quicknet
/// @notice The value is the `randomness` that drand itself publishes with the round: SHA-256 of the compressed signature.
/// @dev A round has one valid signature, so nobody chooses; it never expires, so nobody can wait for another one. The
/// network's key and clock are facts and therefore constants: there is nothing to deploy wrongly.
contract DrandSource is IRandomnessSource {
    /// @notice Unix seconds of round 1.
    uint256 public constant GENESIS = 1_692_803_367;
    /// @notice Seconds from one round to the next.
    uint256 public constant PERIOD = 3;
    /// @notice Hash of the network's parameters, by which drand's servers name it.
    bytes32 public constant CHAIN_HASH = 0x52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971;
    bytes private constant TAG = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";
    uint256 private constant LONGEST_DELAY = 1 hours;
    uint256 private constant SIGNATURE_SIZE = 128;

    /// @notice Seconds between a time and the round that serves it: by how much the chain's clock may lag behind the
    /// world's without anybody reading a value too early.
    uint256 public immutable delay;

    /// @notice The value for `name` is not allowed.
    /// @param name which value
    error BadParameter(string name);
    /// @notice The proof is not a point of G1 in 128 bytes.
    /// @param length bytes given
    error MalformedSignature(uint256 length);
    /// @notice The signature is not that of the one round that counts.
    /// @param round number of the round, from 0
    error WrongRoundSignature(uint256 round);

    /// @dev Checks a round that everybody knows, so that the source cannot come to be where the precompiles are
    /// missing or mean something else.
    /// @param delay_ at most an hour
    constructor(uint256 delay_) {
        if (delay_ > LONGEST_DELAY) revert BadParameter("delay");
        delay = delay_;
        _requireSigned(
            1_000,
            BLS.G1(
                0x144679b9a59af2ec876b1a6b1ad52ea9,
                0xb1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39,
                0x11f92e4521ef54f047b64b85fa98db2d,
                0x46f0f44add1f60b93f8a0dbddd63b34f238657c2d93aed18b90bddd60a01b6d2
            )
        );
    }

    /// @inheritdoc IRandomnessSource
    function readyAt(uint256 from) external view returns (uint256) {
        return GENESIS + (roundFor(from) - 1) * PERIOD;
    }

    /// @inheritdoc IRandomnessSource
    /// @param proof the round's signature, uncompressed (EIP-2537)
    function valueOf(uint256 from, bytes calldata proof) external view returns (bytes32) {
        if (proof.length != SIGNATURE_SIZE) revert MalformedSignature(proof.length);
        BLS.G1 memory signature = abi.decode(proof, (BLS.G1));
        _requireSigned(roundFor(from), signature);
        return sha256(BLS.compress(signature));
    }

    /// @notice The first round whose time is not before `from + delay`.
    /// @param from unix seconds
    function roundFor(uint256 from) public view returns (uint256) {
        uint256 time = from + delay;
        return time <= GENESIS ? 1 : (time - GENESIS + PERIOD - 1) / PERIOD + 1;
    }

    function _requireSigned(uint256 round, BLS.G1 memory signature) private view {
        bytes memory message = abi.encodePacked(sha256(abi.encodePacked(uint64(round))));
        if (!BLS.isSigned(signature, _key(), message, TAG)) revert WrongRoundSignature(round);
    }

    /// @dev The network's group key.
    function _key() private pure returns (BLS.G2 memory) {
        return BLS.G2(
            0x0d1fec758c921cc22b0e17e63aaf4bcb,
            0x5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a,
            0x03cf0f2896adee7eb8b5f01fcad39122,
            0x12c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451,
            0x0e5db2b6bfbb01c867749cadffca88b3,
            0x6c24f3012ba09fc4d3022c5c37dce0f977d3adb5d183c7477c442b1f04515273,
            0x01a714f2edb74119a2f2b0d5a7c75ba9,
            0x02d163700a61bc224ededd8e63aef7be1aaf8e93d7a9718b047ccddb3eb5d68b
        );
    }
}
