"""Tagged content on chain: inline or by reference."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.content import (
    MAX_INLINE_PAYLOAD,
    Inline,
    Reference,
    inline,
    parse,
    reference,
    root_of,
)
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.unixfs import cid_of


@given(st.binary(max_size=200))
def test_inline_carries_the_payload(payload: bytes) -> None:
    data = inline(payload)
    assert data == b"\x00" + payload
    assert parse(data) == Inline(payload)
    assert Inline(payload).root == keccak(payload)


@given(st.binary(max_size=200))
def test_a_reference_names_hash_and_place(payload: bytes) -> None:
    cid = cid_of(payload)
    data = reference(payload, cid)
    assert data[:33] == b"\x01" + keccak(payload)
    assert len(data) == 69
    assert parse(data) == Reference(keccak(payload), cid)


def test_inline_is_limited_by_the_chain() -> None:
    assert len(inline(bytes(MAX_INLINE_PAYLOAD))) == 4096
    with pytest.raises(MLBridgeError, match="reference") as caught:
        inline(bytes(MAX_INLINE_PAYLOAD + 1))
    assert caught.value.code == "content.too_large"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "bad_tag"),
        (b"\x02abc", "bad_tag"),
        (b"\x01", "bad_reference"),
        (b"\x01" + bytes(32), "bad_reference"),
        (b"\x01" + bytes(68), "bad_cid"),
        (b"\x01" + bytes(32) + b"\x01\x71\x12\x20" + bytes(32), "bad_cid"),
        (reference(b"x", cid_of(b"x")) + b"\x00", "bad_reference"),
        (bytes(4097), "too_large"),
    ],
)
def test_other_bytes_are_refused(data: bytes, code: str) -> None:
    with pytest.raises(MLBridgeError) as caught:
        parse(data)
    assert caught.value.code == f"content.{code}"


@given(st.binary(max_size=80))
def test_whatever_parses_is_its_own_spelling(data: bytes) -> None:
    try:
        content = parse(data)
    except MLBridgeError:
        return
    assert isinstance(content, Inline)
    assert inline(content.payload) == data


def test_the_root_is_read_as_the_contract_reads_it() -> None:
    root = b"\x07" * 32
    assert root_of(inline(b"abc")) == keccak(b"abc")
    assert root_of(b"\x01" + root + b"x") == root
    for unreadable in (b"", b"\x02abc", b"\x01" + root):
        with pytest.raises(MLBridgeError) as caught:
            root_of(unreadable)
        assert caught.value.code in ("content.bad_tag", "content.bad_reference")
