// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @title Whether somebody signed
library Signers {
    uint256 private constant KEY_SIZE = 65;

    /// @notice By its own key, or as a contract account by ERC-1271.
    /// @dev The key is tried first, which spares a plain account the look at its code.
    function signed(address signer, bytes32 hash, bytes calldata signature) internal view returns (bool) {
        return keySigned(signer, hash, signature)
            || (signer.code.length != 0 && SignatureChecker.isValidERC1271SignatureNowCalldata(signer, hash, signature));
    }

    /// @notice By its own key. What was once true stays true; a contract account may take back what it said.
    function keySigned(address signer, bytes32 hash, bytes calldata signature) internal pure returns (bool) {
        (address found, ECDSA.RecoverError problem,) = ECDSA.tryRecoverCalldata(hash, signature);
        return problem == ECDSA.RecoverError.NoError && found == signer;
    }

    /// @notice Who signed, where the signature says it: 65 bytes are a key's, anything longer is the address of a contract
    /// account and what that takes for a signature.
    function named(bytes32 hash, bytes calldata signature, bool keysOnly)
        internal
        view
        returns (address signer, bool valid)
    {
        if (signature.length == KEY_SIZE) {
            ECDSA.RecoverError problem;
            (signer, problem,) = ECDSA.tryRecoverCalldata(hash, signature);
            return (signer, problem == ECDSA.RecoverError.NoError);
        }
        if (keysOnly || signature.length < KEY_SIZE) return (address(0), false);
        signer = address(bytes20(signature[:20]));
        valid = SignatureChecker.isValidERC1271SignatureNowCalldata(signer, hash, signature[20:]);
    }

    /// @notice The key that signed; zero if none did.
    function keyOf(bytes32 hash, bytes memory signature) internal pure returns (address) {
        (address found, ECDSA.RecoverError problem,) = ECDSA.tryRecover(hash, signature);
        return problem == ECDSA.RecoverError.NoError ? found : address(0);
    }
}
