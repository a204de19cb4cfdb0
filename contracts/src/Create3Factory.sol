// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Create3} from "@openzeppelin/contracts/utils/Create3.sol";

/// @title Contracts at addresses that depend on nothing but who makes them and a salt
/// @notice Put by the deterministic-deployment proxy, so it stands at one address on every chain. The same account and
/// salt then give the same address everywhere, whatever the constructor's arguments. It has no owner and keeps no coin.
contract Create3Factory {
    /// @notice The maker used this salt before. Making it again would burn all gas.
    error AlreadyMade(address made);

    /// @notice A contract was made.
    /// @param maker whose salt it was
    /// @param salt as the maker gave it
    /// @param made its address
    /// @param creation keccak256 of its creation code with arguments
    event ContractMade(address indexed maker, bytes32 indexed salt, address indexed made, bytes32 creation);

    /// @notice What a contract of this factory was made from: keccak256 of creation code with arguments; zero for
    /// addresses that this factory did not make. Whoever resumes a deployment compares it with what it would send.
    mapping(address made => bytes32) public creationOf;

    /// @notice Make a contract at `addressOf(msg.sender, salt)`.
    /// @dev The salt is bound to the caller, so nobody can take another's address. A constructor's own error passes
    /// through. Reverts with AlreadyMade, and with OpenZeppelin's Create3EmptyBytecode.
    /// @param salt the caller's; once for each contract
    /// @param code creation code with ABI-encoded arguments
    /// @return made where it stands
    function make(bytes32 salt, bytes calldata code) external returns (address made) {
        bytes32 creation = keccak256(code);
        made = addressOf(msg.sender, salt);
        if (creationOf[made] != 0) revert AlreadyMade(made);
        // Before the constructor runs: it may ask, and nothing that it calls can change the answer.
        creationOf[made] = creation;
        emit ContractMade(msg.sender, salt, made, creation);
        Create3.deploy(0, _bound(msg.sender, salt), code);
    }

    /// @notice Where a maker's contract stands or will stand.
    function addressOf(address maker, bytes32 salt) public view returns (address) {
        return Create3.computeAddress(_bound(maker, salt));
    }

    function _bound(address maker, bytes32 salt) private pure returns (bytes32) {
        return keccak256(abi.encode(maker, salt));
    }
}
