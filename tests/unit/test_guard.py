"""Execution orders and the guard that checks them."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.encoding import decode, encode
from mlbridge.protocol.hashing import keccak
from serve.guard import Guard, GuardRules, node_keys, order_key
from serve.orders import DOMAIN_TYPEHASH, SignedOrder, make_order, parse_header, sign_order

KEY, OTHER = b"\x11" * 32, b"\x22" * 32
NODE = Account.from_key(KEY).address
CHAIN, NOW, MODEL, BODY = 31337, 1_800_000_000, b"\x07" * 32, b"input"


def signed(key: bytes = KEY, *, chain: int = CHAIN, **changes: object) -> SignedOrder:
    order = make_order(
        task_id=b"\x01" * 32, round=1, account=7, model_id=MODEL, payload=BODY, expires_at=NOW + 60, key=key
    )
    return sign_order(replace(order, **changes), chain_id=chain, key=key)


def guard(now: float = NOW) -> Guard:
    rules = GuardRules(
        chain_id=CHAIN, model_id=MODEL, node_keys=frozenset({NODE}), max_validity_s=600, skew_s=5
    )
    return Guard(rules, now=lambda: now)


def refusal(header: str | None, body: bytes = BODY, now: float = NOW) -> str:
    with pytest.raises(MLBridgeError) as caught:
        guard(now).admit(header, body)
    assert caught.value.hint
    return caught.value.code


def test_the_digest_is_what_wallets_sign() -> None:
    order = signed().order
    typed = {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
            ],
            "ExecutionOrder": [
                {"name": "taskId", "type": "bytes32"},
                {"name": "round", "type": "uint8"},
                {"name": "account", "type": "uint32"},
                {"name": "modelId", "type": "bytes32"},
                {"name": "inputHash", "type": "bytes32"},
                {"name": "expiresAt", "type": "uint64"},
                {"name": "node", "type": "address"},
            ],
        },
        "primaryType": "ExecutionOrder",
        "domain": {"name": "ML Bridge Execution", "version": "1", "chainId": CHAIN},
        "message": {
            "taskId": order.task_id,
            "round": order.round,
            "account": order.account,
            "modelId": order.model_id,
            "inputHash": order.input_hash,
            "expiresAt": order.expires_at,
            "node": order.node,
        },
    }
    message = encode_typed_data(full_message=typed)
    assert keccak(b"\x19\x01" + message.header + message.body) == order.digest(CHAIN)
    assert Account.sign_message(message, KEY).signature == signed().signature
    assert keccak(b"EIP712Domain(string name,string version,uint256 chainId)") == DOMAIN_TYPEHASH


@given(
    st.binary(min_size=32, max_size=32),
    st.integers(0, 255),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**64 - 1),
)
def test_an_order_survives_its_header(task: bytes, round: int, account: int, expires: int) -> None:
    order = replace(signed().order, task_id=task, round=round, account=account, expires_at=expires)
    sent = SignedOrder(order, b"\x01" * 65)
    assert parse_header(sent.header()) == sent


def test_a_good_order_passes() -> None:
    order = guard().admit(signed().header(), BODY)
    assert (order.task_id, order.account, order.node) == (b"\x01" * 32, 7, NODE)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "order.missing"),
        ("", "order.malformed"),
        ("%%%", "order.malformed"),
        ("é", "order.malformed"),
        ("A" * 2000, "order.malformed"),
        (base64.urlsafe_b64encode(encode([1])).decode(), "order.malformed"),
        (base64.urlsafe_b64encode(encode({"taskId": b""})).decode(), "order.malformed"),
        (signed(expires_at=NOW - 6).header(), "order.expired"),
        (signed(expires_at=NOW + 606).header(), "order.validity"),
        (signed(model_id=b"\x08" * 32).header(), "order.model"),
        (signed(input_hash=b"\x08" * 32).header(), "order.input"),
        (signed(OTHER).header(), "order.node"),
        (signed(chain=1).header(), "order.signature"),
        (replace(signed(), order=replace(signed().order, round=2)).header(), "order.signature"),
        (replace(signed(), signature=b"\0" * 65).header(), "order.signature"),
        (replace(signed(), signature=b"\xff" * 64 + b"\x1b").header(), "order.signature"),
    ],
)
def test_a_bad_order_is_refused(header: str | None, code: str) -> None:
    assert refusal(header) == code


@pytest.mark.parametrize(
    "field", ["taskId", "modelId", "inputHash", "node", "round", "expiresAt", "signature"]
)
def test_fields_of_the_wrong_shape_are_refused(field: str) -> None:
    fields = decode(base64.urlsafe_b64decode(signed().header()))
    assert isinstance(fields, dict)
    header = base64.urlsafe_b64encode(encode({**fields, field: None})).decode()
    assert refusal(header) == "order.malformed"


def test_another_body_is_refused() -> None:
    assert refusal(signed().header(), b"other") == "order.input"


def test_clocks_may_differ_a_little() -> None:
    header = signed(expires_at=NOW).header()
    guard(NOW + 5).admit(header, BODY)
    assert refusal(header, now=NOW + 5.5) == "order.expired"


def test_the_mirrored_signature_is_refused() -> None:
    good = signed().signature
    order_of_curve = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    s = order_of_curve - int.from_bytes(good[32:64], "big")
    mirrored = good[:32] + s.to_bytes(32, "big") + bytes((55 - good[64],))
    assert refusal(replace(signed(), signature=mirrored).header()) == "order.signature"


def test_a_renewed_order_is_the_same_work() -> None:
    assert order_key(signed().order) == order_key(signed(expires_at=NOW + 99).order)
    assert order_key(signed().order) != order_key(signed(round=2).order)


def test_node_keys_are_checked() -> None:
    assert node_keys([NODE.lower()]) == {NODE}
    with pytest.raises(MLBridgeError, match="not an address"):
        node_keys(["0x12"])
