// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @title A key's word that it wants to serve an operator
/// @notice EIP-712, domain ("ML Bridge", "1", chainId, TaskManager). A key that is a contract answers by ERC-1271. Without
/// it anybody who once staked could bind the keys of others to itself, for ever.
library Consent {
    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant CONSENT_TYPEHASH = keccak256("NodeConsent(address operator,address node)");
    bytes32 private constant NAME = keccak256("ML Bridge");
    bytes32 private constant VERSION = keccak256("1");

    /// @notice What the node key signs.
    function hash(address taskManager, address operator, address node) internal view returns (bytes32) {
        bytes32 domain = keccak256(abi.encode(DOMAIN_TYPEHASH, NAME, VERSION, block.chainid, taskManager));
        return MessageHashUtils.toTypedDataHash(domain, keccak256(abi.encode(CONSENT_TYPEHASH, operator, node)));
    }

    function given(address operator, address node, bytes calldata signature) internal view returns (bool) {
        return SignatureChecker.isValidSignatureNowCalldata(node, hash(address(this), operator, node), signature);
    }
}
