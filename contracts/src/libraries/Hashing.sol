// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Every hash that the chain and the nodes must agree on
/// @notice docs/design/direct-lane.md, "Content on chain"; test/vectors/hashing.json holds examples.
library Hashing {
    /// @dev Its memory layout is what is hashed, so the order of its members is part of the protocol.
    /// @param typeHash hash of the type
    /// @param chainId chain on which it counts
    /// @param taskManager runs the tasks
    /// @param requester who pays
    /// @param modelId id of the model
    /// @param inputHash hash of the input's bytes
    /// @param deadline unix seconds by which the first committee must have committed
    /// @param payment wei
    /// @param seats seats of the committee
    /// @param salt the caller's choice
    struct TaskSpec {
        bytes32 typeHash;
        uint256 chainId;
        address taskManager;
        address requester;
        bytes32 modelId;
        bytes32 inputHash;
        uint256 deadline;
        uint256 payment;
        uint8 seats;
        bytes32 salt;
    }

    /// @notice A case in which judges ruled against a member of the first committee. Every part is in the task's events.
    /// @param model its index in the registry
    /// @param inputHash of the task
    /// @param winner the digest that won
    /// @param largest seats of its largest round
    /// @param accounts whoever ever held a seat: of round 0 as it ended, of each later round, of seats that were vacated
    /// @param digests what round 0 revealed, by seat; zero for a seat that did not
    struct CaseRecord {
        uint32 model;
        bytes32 inputHash;
        bytes32 winner;
        uint8 largest;
        uint32[] accounts;
        bytes32[] digests;
    }

    bytes32 internal constant TASK_TYPEHASH = keccak256(
        "MLBridgeTask(uint256 chainId,address taskManager,address requester,bytes32 modelId,bytes32 inputHash,uint256 deadline,uint256 payment,uint8 seats,bytes32 salt)"
    );
    bytes32 internal constant RESULT_TYPEHASH =
        keccak256("MLBridgeResult(uint256 chainId,bytes32 taskId,bytes32 payloadRoot)");
    bytes32 internal constant COMMIT_TYPEHASH = keccak256(
        "MLBridgeCommitment(uint256 chainId,address taskManager,bytes32 taskId,uint8 round,uint32 account,bytes32 digest,bytes32 salt)"
    );

    /// @notice First byte of content that carries its payload.
    bytes1 internal constant INLINE = 0x00;
    /// @notice First byte of content that names its payload by hash and CID.
    bytes1 internal constant POINTER = 0x01;
    /// @dev Tag and payload hash.
    uint256 private constant POINTER_HEAD = 33;
    /// @dev A CIDv1 of one block or one file by SHA-256, in its binary form.
    uint256 private constant CID_SIZE = 36;
    bytes4 private constant CID_RAW = 0x01551220;
    bytes4 private constant CID_FILE = 0x01701220;

    /// @notice abi.encode of the struct is its ten words as they lie in memory.
    function taskId(TaskSpec memory spec) internal pure returns (bytes32 id) {
        spec.typeHash = TASK_TYPEHASH;
        assembly ("memory-safe") {
            id := keccak256(spec, 320)
        }
    }

    function digest(bytes32 task, bytes32 root) internal view returns (bytes32) {
        return keccak256(abi.encode(RESULT_TYPEHASH, block.chainid, task, root));
    }

    function commitment(
        address taskManager,
        bytes32 task,
        uint256 round,
        uint256 account,
        bytes32 resultDigest,
        bytes32 salt
    ) internal view returns (bytes32) {
        return keccak256(
            abi.encode(COMMIT_TYPEHASH, block.chainid, taskManager, task, round, account, resultDigest, salt)
        );
    }

    function seed(bytes32 randomness, bytes32 task, uint256 round, uint256 redraw) internal pure returns (bytes32) {
        return keccak256(abi.encode(randomness, task, round, redraw));
    }

    /// @notice keccak256(abi.encode(model, inputHash, winner, largest, hash of accounts, hash of digests)), where a list
    /// hashes as keccak256(abi.encodePacked(list)): each element in a word, without the length.
    function record(CaseRecord memory found) internal pure returns (bytes32) {
        uint32[] memory accounts = found.accounts;
        bytes32[] memory digests = found.digests;
        return keccak256(
            abi.encode(
                found.model, found.inputHash, found.winner, found.largest, _listHash(accounts), _wordsHash(digests)
            )
        );
    }

    /// @notice What a panel said by seat: keccak256(abi.encode(hash of accounts, hash of values, revealed)).
    function ballot(uint32[] memory accounts, bytes32[] memory values, uint256 revealed)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(_listHash(accounts), _wordsHash(values), revealed));
    }

    /// @notice What a panel was asked, and who could not sit: keccak256(abi.encode(input hash, hash of accounts)).
    function asked(bytes32 inputHash, uint32[] memory excluded) internal pure returns (bytes32) {
        return keccak256(abi.encode(inputHash, _listHash(excluded)));
    }

    /// @dev In memory an array of narrow integers lies as one of words does.
    function _listHash(uint32[] memory list) private pure returns (bytes32) {
        bytes32[] memory words;
        assembly ("memory-safe") {
            words := list
        }
        return _wordsHash(words);
    }

    function _wordsHash(bytes32[] memory words) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            hash := keccak256(add(words, 32), shl(5, mload(words)))
        }
    }

    /// @notice Whether tagged content can be read at all: it carries its payload, or names it by a CIDv1 with codec raw or
    /// dag-pb and a SHA-256 multihash. A name that no reader understands would withhold what it seems to deliver.
    function wellFormed(bytes calldata content) internal pure returns (bool) {
        if (content.length == 0) return false;
        return content[0] == INLINE || isPointer(content);
    }

    /// @notice Whether tagged content names its payload. See https://github.com/multiformats/cid for the binary form.
    function isPointer(bytes calldata content) internal pure returns (bool) {
        if (content.length != POINTER_HEAD + CID_SIZE || content[0] != POINTER) return false;
        bytes4 head = bytes4(content[POINTER_HEAD:]);
        return head == CID_RAW || head == CID_FILE;
    }

    /// @notice keccak256 of the payload, the same whether it is carried or named.
    /// @dev Content must be well formed.
    function payloadRoot(bytes calldata content) internal pure returns (bytes32) {
        return content[0] == INLINE ? keccak256(content[1:]) : bytes32(content[1:POINTER_HEAD]);
    }
}
