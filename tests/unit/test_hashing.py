"""The protocol's hashes, held to Solidity by the vectors both sides read."""

from __future__ import annotations

import pytest

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.hashing import (
    COMMIT_TYPEHASH,
    RESULT_TYPEHASH,
    TASK_TYPEHASH,
    commitment,
    draw_seed,
    input_hash,
    keccak,
    payload_root,
    result_digest,
    submit_salt,
    task_id,
)

MANAGER = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
REQUESTER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
MODEL, INPUT, SALT, TASK, DIGEST = (bytes([i]) * 32 for i in range(1, 6))


def words(*values: bytes | int | str) -> bytes:
    """abi.encode of static values by hand: 32 bytes each, numbers and addresses on the right."""
    plain = (bytes.fromhex(value[2:]) if isinstance(value, str) else value for value in values)
    return b"".join(
        value.to_bytes(32, "big") if isinstance(value, int) else value.rjust(32, b"\0") for value in plain
    )


def test_keccak_is_not_sha3() -> None:
    assert keccak(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak(b"abc").hex() == "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"
    assert payload_root(b"abc") == input_hash(b"abc") == keccak(b"abc")


def test_task_id() -> None:
    expected = keccak(words(TASK_TYPEHASH, 31337, MANAGER, REQUESTER, MODEL, INPUT, 10**10, 10**18, 5, SALT))
    assert task_id(31337, MANAGER, REQUESTER, MODEL, INPUT, 10**10, 10**18, 5, SALT) == expected


def test_result_digest() -> None:
    assert result_digest(31337, TASK, INPUT) == keccak(words(RESULT_TYPEHASH, 31337, TASK, INPUT))


def test_commitment() -> None:
    expected = keccak(words(COMMIT_TYPEHASH, 31337, MANAGER, TASK, 2, 7, DIGEST, SALT))
    assert commitment(31337, MANAGER, TASK, 2, 7, DIGEST, SALT) == expected


def test_seed_and_salt() -> None:
    assert draw_seed(MODEL, TASK, 1, 2) == keccak(words(MODEL, TASK, 1, 2))
    assert submit_salt(123) == keccak(words(123))


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (0, -1),
        (0, 2**256),
        (0, "1"),
        (0, True),
        (1, MANAGER.lower()),
        (1, "0x00"),
        (1, bytes(20)),
        (2, REQUESTER[:-1] + "7"),
        (3, MODEL[:-1]),
        (3, MODEL + b"\0"),
        (3, MODEL.hex()),
        (5, 1.5),
        (7, 256),
        (8, bytearray(32)),
        (8, b""),
    ],
)
def test_arguments_that_do_not_fit_are_refused(position: int, value: object) -> None:
    arguments: list[object] = [31337, MANAGER, REQUESTER, MODEL, INPUT, 10**10, 10**18, 5, SALT]
    arguments[position] = value
    with pytest.raises(MLBridgeError) as caught:
        task_id(*arguments)  # type: ignore[arg-type]
    assert caught.value.code == "hash.argument"


@pytest.mark.parametrize(("round_", "account"), [(256, 0), (-1, 0), (0, 2**32)])
def test_rounds_and_accounts_have_their_width(round_: int, account: int) -> None:
    with pytest.raises(MLBridgeError) as caught:
        commitment(1, MANAGER, TASK, round_, account, DIGEST, SALT)
    assert caught.value.code == "hash.argument"


def test_a_bad_salt_is_not_shown() -> None:
    with pytest.raises(MLBridgeError) as caught:
        commitment(1, MANAGER, TASK, 0, 0, DIGEST, b"secretsecret")
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(caught.value.to_dict())


def test_every_argument_matters() -> None:
    arguments: list[object] = [31337, MANAGER, REQUESTER, MODEL, INPUT, 10**10, 10**18, 5, SALT]
    ids = {task_id(*arguments)}  # type: ignore[arg-type]
    others: list[object] = [1, REQUESTER, MANAGER, INPUT, MODEL, 1, 1, 3, INPUT]
    for position, other in enumerate(others):
        changed = [*arguments[:position], other, *arguments[position + 1 :]]
        ids.add(task_id(*changed))  # type: ignore[arg-type]
    assert len(ids) == 1 + len(others)
