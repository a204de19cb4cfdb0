"""Signed messages as bytes: one spelling each, held to the vectors that Solidity reads."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cbor2
import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import orders712, signatures
from mlbridge.protocol.encoding import decode, encode
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.types import Policy
from mlbridge.protocol.wire import Signed, parse, sign

VECTORS = json.loads(
    (Path(__file__).parents[2] / "contracts/test/vectors/channels.json").read_text(encoding="utf-8")
)
DOMAIN = orders712.Domain(VECTORS["chainId"], VECTORS["contract"])
KINDS = {
    "order": orders712.TaskOrder,
    "commitment": orders712.Commitment,
    "attestation": orders712.Attestation,
    "voucher": orders712.Voucher,
    "close": orders712.Close,
}
ORDER_OF_CURVE = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
KEY = keccak(b"key")

words = st.binary(min_size=32, max_size=32)
uint32 = st.integers(0, 2**32 - 1)
uint96 = st.integers(0, 2**96 - 1)
messages = st.one_of(
    st.builds(
        orders712.TaskOrder,
        words,
        uint32,
        uint32,
        words,
        words,
        words,
        st.integers(0, 255),
        st.sampled_from(Policy),
        uint96,
        st.integers(0, 2**40 - 1),
    ),
    st.builds(orders712.Commitment, words, uint32, words),
    st.builds(orders712.Attestation, words, uint32, words, words, words),
    st.builds(orders712.Voucher, words, uint96, uint32),
    st.builds(orders712.Close, words, uint96, uint32),
)


def raw(value: str) -> bytes:
    return bytes.fromhex(value[2:])


def voucher(**changes: Any) -> Signed[orders712.Voucher]:
    return sign(replace(orders712.Voucher(keccak(b"channel"), 7, 3), **changes), DOMAIN, KEY)


def spelt(signed: Signed[orders712.Voucher] | None = None, **changes: Any) -> bytes:
    """The wire form with other fields; None leaves one out."""
    fields = decode((signed or voucher()).to_bytes())
    assert isinstance(fields, dict)
    fields |= changes
    return encode({name: value for name, value in fields.items() if value is not None})


def refused(data: bytes, kind: Any = orders712.Voucher) -> str:
    with pytest.raises(MLBridgeError) as caught:
        parse(data, kind)
    assert caught.value.code == "message.malformed"
    return caught.value.message


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: str(case["sequence"]))
def test_vectors(case: dict[str, Any], name: str) -> None:
    signed: Signed[Any] = parse(raw(case["wire"][name]), KINDS[name])
    who = "node" if name in ("commitment", "attestation") else "requester"
    assert signed.signature == raw(case["signatures"][name])
    assert signed.signer(DOMAIN) == case[f"{who}KeyAddress"]
    assert signed.to_bytes() == raw(case["wire"][name])
    digest = {"commitment": "commitmentMessage"}.get(name, name)
    assert signed.message.digest(DOMAIN) == raw(case[digest])
    assert sign(signed.message, DOMAIN, raw(case[f"{who}Key"])) == signed


@settings(deadline=None)
@given(messages, words)
def test_what_is_written_is_read(message: Any, key: bytes) -> None:
    if not 0 < int.from_bytes(key, "big") < ORDER_OF_CURVE:
        return
    signed = sign(message, DOMAIN, key)
    read = parse(signed.to_bytes(), type(message))
    assert read == signed
    assert read.signer(DOMAIN) == signatures.address_of(key) == Account.from_key(key).address


def test_signatures_are_those_of_eth_account() -> None:
    digest = keccak(b"anything")
    assert signatures.sign_digest(digest, KEY) == bytes(Account.unsafe_sign_hash(digest, KEY).signature)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_noise_is_refused(data: bytes) -> None:
    for kind in KINDS.values():
        refused(data, kind)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_other_bytes_read_as_the_same_message(place: int, change: int) -> None:
    """A changed byte is refused or another message; nothing is corrected in silence."""
    data = bytearray(voucher().to_bytes())
    data[place % len(data)] ^= change
    read: Signed[Any] | None = None
    with contextlib.suppress(MLBridgeError):
        read = parse(bytes(data), orders712.Voucher)
    assert read is None or (read != voucher() and read.to_bytes() == data)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"channel": bytes(31)}, "channel must be 32 bytes"),
        ({"channel": "a" * 32}, "channel must be 32 bytes"),
        ({"total": 7}, "total must be 12 bytes"),
        ({"total": bytes(11)}, "total must be 12 bytes"),
        ({"covered": 2**32}, "covered must be an unsigned integer of 32 bits"),
        ({"covered": -1}, "covered must be an unsigned integer of 32 bits"),
        ({"covered": True}, "covered must be an unsigned integer of 32 bits"),
        ({"covered": 3.0}, "covered must be an unsigned integer of 32 bits"),
        ({"type": "Close"}, "another type"),
        ({"extra": 1}, "must hold exactly"),
        ({"covered": None}, "must hold exactly"),
        ({"signature": None}, "must hold exactly"),
        ({"signature": bytes(64)}, "signature is not 65 bytes"),
        ({"signature": bytes(65)}, "signature is not 65 bytes"),
    ],
    ids=str,
)
def test_other_fields_and_sizes_are_refused(changes: dict[str, Any], said: str) -> None:
    assert said in refused(spelt(**changes))


def test_the_mirrored_signature_is_refused() -> None:
    good = voucher()
    s = ORDER_OF_CURVE - int.from_bytes(good.signature[32:64], "big")
    mirrored = good.signature[:32] + s.to_bytes(32, "big") + bytes((55 - good.signature[64],))
    assert "lower half" in refused(spelt(signature=mirrored))
    with pytest.raises(MLBridgeError) as caught:
        Signed(good.message, mirrored).signer(DOMAIN)
    assert caught.value.code == "signature.invalid"


def test_other_encodings_are_refused() -> None:
    fields: Any = decode(voucher().to_bytes())
    unsorted = cbor2.dumps(dict(reversed(list(fields.items()))))
    assert unsorted != voucher().to_bytes()
    assert "canonical" in refused(unsorted)
    assert "canonical" in refused(voucher().to_bytes() + b"\0")
    assert "more than" in refused(spelt(extra=bytes(2_000)))


def test_a_policy_that_does_not_exist_is_refused() -> None:
    case = VECTORS["cases"][0]
    fields: Any = decode(raw(case["wire"]["order"]))
    assert "no such policy" in refused(encode(fields | {"policy": 9}), orders712.TaskOrder)


def test_what_does_not_fit_is_not_written() -> None:
    for bad in ({"channel": bytes(3)}, {"total": 2**96}, {"covered": -1}):
        with pytest.raises(MLBridgeError) as caught:
            Signed(replace(voucher().message, **bad), voucher().signature).to_bytes()
        assert caught.value.code == "message.malformed"


def test_another_domain_is_another_signer() -> None:
    signed = voucher()
    elsewhere = orders712.Domain(DOMAIN.chain_id + 1, DOMAIN.contract)
    assert signed.signer(elsewhere) != signed.signer(DOMAIN)


@pytest.mark.parametrize("signature", [b"\xff" * 32 + bytes(32) + b"\x1b", bytes(64) + b"\x1b"])
def test_signatures_that_no_key_can_have_made(signature: bytes) -> None:
    with pytest.raises(MLBridgeError) as caught:
        signatures.recover(keccak(b"digest"), signature)
    assert caught.value.code == "signature.invalid"
