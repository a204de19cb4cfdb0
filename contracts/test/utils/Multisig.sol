// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title An account of several owners, as Safe-style multisigs are
/// @dev Signatures are 65 bytes each, in ascending order of their owners. Coin that comes in is booked, which needs
/// much more than the 2,300 gas of a bare transfer.
contract Multisig is IERC1271 {
    uint256 private constant SIGNATURE = 65;

    uint256 public immutable threshold;
    mapping(address => bool) public isOwner;
    uint256 public nonce;
    uint256 public received;
    mapping(uint256 payment => address) public payerOf;

    error NotApproved();

    constructor(address[] memory owners, uint256 threshold_) {
        threshold = threshold_;
        for (uint256 i; i < owners.length; ++i) {
            isOwner[owners[i]] = true;
        }
    }

    receive() external payable {
        payerOf[++received] = msg.sender;
    }

    function execute(address target, uint256 value, bytes calldata data, bytes calldata signatures)
        external
        returns (bytes memory answer)
    {
        if (!_approved(callHash(target, value, data, nonce++), signatures)) revert NotApproved();
        bool done;
        (done, answer) = target.call{value: value}(data);
        if (!done) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
    }

    function isValidSignature(bytes32 hash, bytes calldata signatures) external view returns (bytes4) {
        return _approved(hash, signatures) ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }

    function callHash(address target, uint256 value, bytes calldata data, uint256 nonce_)
        public
        view
        returns (bytes32)
    {
        return keccak256(abi.encode(block.chainid, address(this), target, value, data, nonce_));
    }

    function _approved(bytes32 hash, bytes calldata signatures) private view returns (bool) {
        if (signatures.length != threshold * SIGNATURE) return false;
        address last;
        for (uint256 i; i < threshold; ++i) {
            bytes calldata one = signatures[i * SIGNATURE:(i + 1) * SIGNATURE];
            (address owner,,) = ECDSA.tryRecoverCalldata(hash, one);
            if (owner <= last || !isOwner[owner]) return false;
            last = owner;
        }
        return true;
    }
}
