"""Canonical CBOR: one value, one spelling."""

from __future__ import annotations

import itertools

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.encoding import MAX_DEPTH, decode, encode

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


# RFC 8949, appendix A: the shortest form of each value.
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "00"),
        (23, "17"),
        (24, "1818"),
        (1000, "1903e8"),
        (2**64 - 1, "1bffffffffffffffff"),
        (-1, "20"),
        (-(2**64), "3bffffffffffffffff"),
        (0.0, "f90000"),
        (-0.0, "f98000"),
        (1.1, "fb3ff199999999999a"),
        (100000.0, "fa47c35000"),
        (float("inf"), "f97c00"),
        (float("nan"), "f97e00"),
        (None, "f6"),
        (True, "f5"),
        (b"\x01\x02\x03\x04", "4401020304"),
        ("ü", "62c3bc"),
        ([1, [2, 3]], "8201820203"),
        ({"b": [2, 3], "a": 1}, "a26161016162820203"),
        ({"aa": 1, "b": 2}, "a261620262616101"),
    ],
)
def test_rfc_8949_examples(value: object, expected: str) -> None:
    assert encode(value).hex() == expected
    assert encode(decode(bytes.fromhex(expected))).hex() == expected


@given(values)
def test_decode_inverts_encode(value: object) -> None:
    data = encode(value)
    assert repr(decode(data)) == repr(value) or encode(decode(data)) == data


@given(st.dictionaries(st.text(), st.integers(0, 100), max_size=6), st.randoms())
def test_the_order_of_a_map_does_not_matter(fields: dict[str, int], random: object) -> None:
    shuffled = dict(sorted(fields.items(), key=lambda _: random.random()))  # type: ignore[attr-defined]
    assert encode(shuffled) == encode(fields)
    assert decode(encode(shuffled)) == fields


@given(st.binary(max_size=16))
@example(b"\xfb\x7f\xf8\x00\x00\x00\x00\x00\x01")
def test_whatever_decodes_is_its_own_encoding(data: bytes) -> None:
    try:
        value = decode(data)
    except MLBridgeError:
        return
    assert encode(value) == data


@given(values)
def test_what_is_written_without_sorting_is_what_sorting_gives(value: object) -> None:
    """Maps that stand in the order of their keys are written as they are."""
    assert encode(value) == cbor2.dumps(value, canonical=True)
    in_order = cbor2.loads(cbor2.dumps(value, canonical=True))
    assert encode(in_order) == encode(value)


@given(values, st.data())
def test_no_change_of_a_byte_gives_a_second_spelling(value: object, data: st.DataObject) -> None:
    """The encoder of another hand is the measure: what it writes otherwise is refused."""
    raw = bytearray(encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(raw)))
        cut = data.draw(st.integers(0, 2))
        raw[place : place + cut] = data.draw(st.binary(max_size=2))
    try:
        found = decode(bytes(raw))
    except MLBridgeError:
        return
    assert cbor2.dumps(found, canonical=True) == raw


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 30), max_size=4))
def test_keys_come_in_one_order_alone(fields: dict[str, int]) -> None:
    """Every other order of the same members is refused."""
    head = bytes([0xA0 + len(fields)])
    for members in itertools.permutations(fields.items()):
        raw = head + b"".join(cbor2.dumps(key) + cbor2.dumps(value) for key, value in members)
        if raw == encode(fields):
            assert decode(raw) == fields
            continue
        with pytest.raises(MLBridgeError) as caught:
            decode(raw)
        assert caught.value.code == "encoding.not_canonical"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("", "truncated"),
        ("62c3", "truncated"),
        ("19e8", "truncated"),
        ("5bffffffffffffffff00", "truncated"),
        ("9bffffffffffffffff", "truncated"),
        ("820101" + "01", "trailing"),
        ("a2616101616102", "duplicate_key"),
        ("a2616201616101", "not_canonical"),
        ("a262616101616202", "not_canonical"),
        ("1817", "not_canonical"),
        ("190018", "not_canonical"),
        ("1b00000000ffffffff", "not_canonical"),
        ("5800", "not_canonical"),
        ("9f01ff", "not_canonical"),
        ("5f4101ff", "not_canonical"),
        ("bfff", "not_canonical"),
        ("1c", "not_canonical"),
        ("fb3ff0000000000000", "not_canonical"),
        ("f97e01", "not_canonical"),
        ("fb7ff8000000000000", "not_canonical"),
        ("62c328", "not_canonical"),
        ("a10101", "type"),
        ("a1410101", "type"),
        ("c101", "type"),
        ("c249010000000000000000", "type"),
        ("f7", "type"),
        ("e0", "type"),
        ("f818", "type"),
    ],
)
def test_other_spellings_are_refused(data: str, code: str) -> None:
    with pytest.raises(MLBridgeError) as caught:
        decode(bytes.fromhex(data))
    assert caught.value.code == f"encoding.{code}"


def test_depth_is_limited_both_ways() -> None:
    value: object = 0
    for _ in range(MAX_DEPTH):
        value = [value]
    assert decode(encode(value)) == value
    with pytest.raises(MLBridgeError, match="nests") as caught:
        encode([value])
    assert caught.value.code == "encoding.too_deep"
    for opener in (b"\x81", b"\xa1\x60"):
        with pytest.raises(MLBridgeError, match="nests"):
            decode(opener * 100_000 + b"\x00")


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(MLBridgeError, match="nests"):
        encode(value)


def test_size_is_limited_both_ways() -> None:
    assert decode(encode(b"x" * 8, max_bytes=9), max_bytes=9) == b"x" * 8
    with pytest.raises(MLBridgeError) as caught:
        encode(b"x" * 9, max_bytes=9)
    assert caught.value.code == "encoding.too_large"
    with pytest.raises(MLBridgeError) as caught:
        decode(encode(b"x" * 9), max_bytes=9)
    assert caught.value.code == "encoding.too_large"


@pytest.mark.parametrize("value", [2**64, -(2**64) - 1, {1: 2}, {b"a": 1}, {1, 2}, object(), 1j, "\ud800"])
def test_values_without_an_encoding_are_refused(value: object) -> None:
    with pytest.raises(MLBridgeError) as caught:
        encode(value)
    assert caught.value.code == "encoding.type"


@pytest.mark.parametrize("value", [[0, 1, 2], {"a": 0, "b": 1, "c": 2}, [[0], 1], [[[]], 0]])
def test_members_are_counted_before_they_are_read(value: object) -> None:
    data = encode(value)
    assert decode(data, max_items=3) == value
    with pytest.raises(MLBridgeError) as caught:
        decode(data, max_items=2)
    assert caught.value.code == "encoding.too_many"
