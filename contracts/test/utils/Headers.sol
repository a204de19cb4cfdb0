// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "./Test.sol";

/// @title Block headers made up for a test, and a chain that takes them for its own
/// @dev RLP is written out here a second time, so that a mistake in the library cannot agree with itself.
abstract contract Headers is Test {
    struct Header {
        bytes32 parentHash;
        uint256 difficulty;
        uint256 number;
        uint256 timestamp;
        bytes32 prevRandao;
    }

    address internal constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;
    uint256 internal constant HISTORY_SIZE = 8_191;

    function encodeHeader(Header memory header) internal pure returns (bytes memory) {
        bytes memory body =
            bytes.concat(_word(header.parentHash), _word(keccak256("ommers")), hex"94", bytes20(uint160(0xc0ffee)));
        body = bytes.concat(body, _word(keccak256("state")), _word(keccak256("transactions")));
        body = bytes.concat(body, _word(keccak256("receipts")), hex"b90100", new bytes(256));
        body = bytes.concat(body, _number(header.difficulty), _number(header.number), _number(30_000_000));
        body = bytes.concat(body, _number(21_000), _number(header.timestamp), hex"80");
        body = bytes.concat(body, _word(header.prevRandao), hex"880000000000000000", _number(7));
        body = bytes.concat(body, _word(keccak256("withdrawals")), hex"8080", _word(0));
        body = bytes.concat(body, _word(keccak256("requests")));
        return bytes.concat(hex"f9", bytes2(uint16(body.length)), body);
    }

    /// @dev Three headers in a row, the youngest first, as a proof wants them.
    function chainOf(Header memory child, uint256 timestamp, uint256 timestampBefore)
        internal
        pure
        returns (bytes memory proof)
    {
        bytes memory oldest =
            encodeHeader(Header(keccak256("older"), 0, child.number - 2, timestampBefore, keccak256("unused")));
        bytes memory middle =
            encodeHeader(Header(keccak256(oldest), 0, child.number - 1, timestamp, keccak256("too early")));
        child.parentHash = keccak256(middle);
        return bytes.concat(encodeHeader(child), middle, oldest);
    }

    /// @dev Let the chain remember this header as its own block.
    function plant(uint256 number, bytes memory header) internal {
        uint256 current = vm.getBlockNumber();
        if (current - number <= 256) {
            vm.setBlockhash(number, keccak256(header));
            return;
        }
        if (HISTORY.code.length == 0) {
            // The system contract of EIP-2935, as every chain runs it.
            vm.etch(
                HISTORY,
                hex"3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500"
            );
        }
        vm.store(HISTORY, bytes32(number % HISTORY_SIZE), keccak256(header));
    }

    function firstHeader(bytes memory proof) internal pure returns (bytes memory header) {
        header = new bytes(3 + (uint256(uint8(proof[1])) << 8) + uint8(proof[2]));
        for (uint256 i; i < header.length; ++i) {
            header[i] = proof[i];
        }
    }

    function _word(bytes32 value) private pure returns (bytes memory) {
        return bytes.concat(hex"a0", value);
    }

    function _number(uint256 value) private pure returns (bytes memory encoded) {
        if (value == 0) return hex"80";
        while (value != 0) {
            encoded = bytes.concat(bytes1(uint8(value)), encoded);
            value >>= 8;
        }
        if (encoded.length == 1 && uint8(encoded[0]) < 0x80) return encoded;
        return bytes.concat(bytes1(uint8(0x80 + encoded.length)), encoded);
    }
}
