// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAttestationVerifier} from "./interfaces/IAttestationVerifier.sol";
import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {ITaskManager} from "./interfaces/ITaskManager.sol";
import {Signers} from "./libraries/Signers.sol";

/// @title Attestations by a list of signatures
/// @notice Evidence is abi.encode(uint32[] accounts, bytes[] signatures): Verifier accounts in ascending order, and a
/// signature by a node key of each. For small sets; each signer costs about 8,000 gas.
contract EcdsaAttestations is IAttestationVerifier {
    /// @notice An address argument is the zero address.
    error ZeroAddress();
    /// @notice The attesters are not a list of verifier accounts in ascending order with a signature each.
    error BadAttesters();
    /// @notice The account `account` has no weight, so it stands behind nothing.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NotAttester(uint32 account);
    /// @notice The signature of account `account` is not by an allowed node key of its operator.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error BadAttesterSignature(uint32 account);

    /// @notice Knows the weights.
    IRewardDistributor public immutable distributor;
    /// @notice Knows the node keys.
    ITaskManager public immutable taskManager;

    /// @notice Deploy for these neighbours; the addresses are fixed for ever.
    /// @param distributor_ stakes, reputation and credits
    /// @param taskManager_ runs the tasks
    constructor(address distributor_, address taskManager_) {
        if (distributor_ == address(0) || taskManager_ == address(0)) revert ZeroAddress();
        distributor = IRewardDistributor(distributor_);
        taskManager = ITaskManager(taskManager_);
    }

    /// @inheritdoc IAttestationVerifier
    /// @dev The epoch is not read: a signature counts with the weight that its account has now, and only by a key that is
    /// allowed now. Who was jailed or left since stands behind nothing.
    function verify(bytes32 digest, uint256, bytes calldata evidence)
        external
        view
        returns (uint256 weight, uint256 signers)
    {
        (uint32[] memory accounts, bytes[] memory signatures) = abi.decode(evidence, (uint32[], bytes[]));
        signers = accounts.length;
        if (signatures.length != signers) revert BadAttesters();
        uint32 previous;
        for (uint256 i; i < signers; ++i) {
            uint32 account = accounts[i];
            // Ascending, so nobody counts twice; Verifier accounts have odd numbers.
            if (account <= previous || account & 1 == 0) revert BadAttesters();
            previous = account;
            uint256 own = distributor.weightOf(account);
            if (own == 0) revert NotAttester(account);
            address node = Signers.keyOf(digest, signatures[i]);
            if (node == address(0) || taskManager.operatorOfNode(node) != account >> 1) {
                revert BadAttesterSignature(account);
            }
            weight += own;
        }
    }
}
