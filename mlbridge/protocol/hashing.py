"""The hashes of the direct lane (docs/design/direct-lane.md, "Content on chain").

Every bytes32 is a `bytes` of length 32, every address a checksummed `str`. Arguments of the wrong length or
range raise MLBridgeError `hash.argument`; nothing is padded or truncated in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from eth_utils.address import is_checksum_address
from sha3 import keccak_256

from mlbridge.errors import MLBridgeError


def keccak(data: bytes) -> bytes:
    """keccak256 of data, 32 bytes."""
    return bytes(keccak_256(data).digest())


TASK_TYPEHASH: Final = keccak(
    b"MLBridgeTask(uint256 chainId,address taskManager,address requester,bytes32 modelId,bytes32 inputHash,"
    b"uint256 deadline,uint256 payment,uint8 seats,bytes32 salt)"
)
RESULT_TYPEHASH: Final = keccak(b"MLBridgeResult(uint256 chainId,bytes32 taskId,bytes32 payloadRoot)")
COMMIT_TYPEHASH: Final = keccak(
    b"MLBridgeCommitment(uint256 chainId,address taskManager,bytes32 taskId,uint8 round,uint32 account,"
    b"bytes32 digest,bytes32 salt)"
)


def hash_words(types: Sequence[str], values: Sequence[object]) -> bytes:
    """keccak256 of abi.encode of static values: bytes32, address, bool, uint8 to uint256."""
    return keccak(words(types, values))


def words(types: Sequence[str], values: Sequence[object]) -> bytes:
    """abi.encode of static values, 32 bytes each."""
    return b"".join([word(kind, value) for kind, value in zip(types, values, strict=True)])


def word(kind: str, value: object) -> bytes:
    """abi.encode of one static value, 32 bytes."""
    if kind == "bytes32":
        if not (isinstance(value, bytes) and len(value) == 32):
            raise _argument("a bytes32 must be exactly 32 bytes")
        return value
    if kind == "address":
        if not isinstance(value, str):
            raise _argument("an address must be a checksummed 0x string")
        return _address_word(value)
    if kind == "bool":
        if not isinstance(value, bool):
            raise _argument("a bool must be a bool")
        return value.to_bytes(32, "big")
    if isinstance(value, bool) or not isinstance(value, int):
        raise _argument(f"a {kind} must be an int")
    if not 0 <= value < 1 << int(kind.removeprefix("uint")):
        raise _argument(f"a {kind} does not fit its Solidity type")
    return value.to_bytes(32, "big")


@lru_cache(maxsize=65_536)
def _address_word(value: str) -> bytes:
    if not is_checksum_address(value):
        raise _argument("an address must be a checksummed 0x string")
    return bytes.fromhex(value[2:]).rjust(32, b"\0")


def _argument(message: str) -> MLBridgeError:
    # The value stays out of the message: it may be a salt.
    return MLBridgeError("hash.argument", f"In a hash of the protocol {message}.")


def input_hash(input_data: bytes) -> bytes:
    """keccak256 of the tagged input bytes that go on chain."""
    return keccak(input_data)


def payload_root(payload: bytes) -> bytes:
    """keccak256 of the payload itself, whether it travels inline or by CID."""
    return keccak(payload)


def submit_salt(block_number: int) -> bytes:
    """The salt `submitTask` uses in block `block_number`; `submitTaskWith` takes any."""
    return hash_words(["uint256"], [block_number])


def task_id(
    chain_id: int,
    task_manager: str,
    requester: str,
    model_id: bytes,
    input_hash: bytes,
    deadline: int,
    payment: int,
    seats: int,
    salt: bytes,
) -> bytes:
    """Id of a task; deadline in unix seconds, payment in wei, seats at most 15 (the chain's rule)."""
    return hash_words(
        [
            "bytes32",
            "uint256",
            "address",
            "address",
            "bytes32",
            "bytes32",
            "uint256",
            "uint256",
            "uint8",
            "bytes32",
        ],
        [
            TASK_TYPEHASH,
            chain_id,
            task_manager,
            requester,
            model_id,
            input_hash,
            deadline,
            payment,
            seats,
            salt,
        ],
    )


def result_digest(chain_id: int, task_id: bytes, payload_root: bytes) -> bytes:
    """What members compare: binds the payload to chain and task, and by the task id to model and class."""
    return hash_words(
        ["bytes32", "uint256", "bytes32", "bytes32"], [RESULT_TYPEHASH, chain_id, task_id, payload_root]
    )


def commitment(
    chain_id: int, task_manager: str, task_id: bytes, round: int, account: int, digest: bytes, salt: bytes
) -> bytes:
    """What a seat stores before anybody reveals. salt: 32 secret random bytes."""
    return hash_words(
        ["bytes32", "uint256", "address", "bytes32", "uint8", "uint32", "bytes32", "bytes32"],
        [COMMIT_TYPEHASH, chain_id, task_manager, task_id, round, account, digest, salt],
    )


def draw_seed(block_hash: bytes, task_id: bytes, round: int, redraw: int) -> bytes:
    """Seed of a draw; block_hash is that of the armed randomness block."""
    return hash_words(["bytes32", "bytes32", "uint256", "uint256"], [block_hash, task_id, round, redraw])
