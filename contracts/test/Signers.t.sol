// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Signers} from "../src/libraries/Signers.sol";
import {Test} from "./utils/Test.sol";

/// @title Who signed: keys, and contract accounts where they may
contract SignersTest is Test {
    bytes32 private constant HASH = keccak256("hash");
    uint256 private constant KEY = 7;

    /// @notice ERC-1271: this account takes its own address of bytes for a signature, and nothing else.
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        bool mine = hash == HASH && keccak256(signature) == keccak256(_word());
        return mine ? this.isValidSignature.selector : bytes4(0);
    }

    function named(bytes calldata signature, bool keysOnly) external view returns (address signer, bool valid) {
        return Signers.named(HASH, signature, keysOnly);
    }

    function _word() private view returns (bytes memory) {
        return abi.encode(address(this), "agreed");
    }

    function testAContractAccountIsNamedBeforeItsSignature() public view {
        (address signer, bool valid) = this.named(abi.encodePacked(address(this), _word()), false);
        assertTrue(valid);
        assertEq(signer, address(this));
    }

    function testWhereKeysAloneCountNoContractSigns() public view {
        (address signer, bool valid) = this.named(abi.encodePacked(address(this), _word()), true);
        assertFalse(valid);
        assertEq(signer, address(0));
    }

    function testWhatIsShorterThanAKeysSignatureIsNobodys() public view {
        (address signer, bool valid) = this.named(abi.encodePacked(address(this)), false);
        assertFalse(valid);
        assertEq(signer, address(0));
    }

    function testAKeysSignatureCountsEitherWay() public view {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY, HASH);
        for (uint256 i; i < 2; ++i) {
            (address signer, bool valid) = this.named(abi.encodePacked(r, s, v), i == 1);
            assertTrue(valid);
            assertEq(signer, vm.addr(KEY));
        }
    }
}
