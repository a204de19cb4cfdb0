"""Terms, closed sets and evidence as bytes: one spelling each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import parcels
from mlbridge.protocol.encoding import decode, encode
from tests.support.lane_order import Parties

PARTIES = Parties(5)
EVIDENCE = PARTIES.world.evidence(PARTIES.order, silent=[1])
PAIRS: dict[str, tuple[Any, Callable[[Any], bytes], Callable[[bytes], Any]]] = {
    "ChannelTerms": (PARTIES.world.terms(), parcels.terms_to_bytes, parcels.terms_from_bytes),
    "SetClosed": (PARTIES.closed(PARTIES.words()), parcels.set_to_bytes, parcels.set_from_bytes),
    "Evidence": (EVIDENCE, parcels.evidence_to_bytes, parcels.evidence_from_bytes),
}


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_written_is_read(name: str) -> None:
    parcel, write, read = PAIRS[name]
    assert read(write(parcel)) == parcel
    assert len(write(parcel)) < 2_000


@pytest.mark.parametrize("name", PAIRS)
@settings(deadline=None)
@given(place=st.integers(0, 10**6), change=st.integers(1, 255))
def test_a_changed_byte_is_another_parcel_or_none(name: str, place: int, change: int) -> None:
    parcel, write, read = PAIRS[name]
    data = bytearray(write(parcel))
    data[place % len(data)] ^= change
    try:
        found = read(bytes(data))
    except MLBridgeError as error:
        code = error.code
    else:
        code = "message.malformed" if found != parcel and write(found) == data else "the same"
    assert code == "message.malformed"


@pytest.mark.parametrize("name", PAIRS)
@settings(deadline=None)
@given(data=st.binary(max_size=100))
def test_noise_is_refused(name: str, data: bytes) -> None:
    with pytest.raises(MLBridgeError) as caught:
        PAIRS[name][2](data)
    assert caught.value.code == "message.malformed"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("ChannelTerms", {"type": "Evidence"}),
        ("ChannelTerms", {"more": 1}),
        ("ChannelTerms", {"terms": 5}),
        ("ChannelTerms", {"terms": []}),
        ("SetClosed", {"closed": 1}),
        ("SetClosed", {"closed": b""}),
        ("SetClosed", {"words": b""}),
        ("SetClosed", {"words": [bytes(31)]}),
        ("SetClosed", {"words": [bytes(32)] * 16}),
        ("Evidence", {"evidence": [1, 2, 3, 4]}),
        ("Evidence", {"evidence": []}),
    ],
    ids=str,
)
def test_other_members_are_refused(name: str, change: dict[str, Any]) -> None:
    parcel, write, read = PAIRS[name]
    fields = decode(write(parcel))
    assert isinstance(fields, dict)
    with pytest.raises(MLBridgeError) as caught:
        read(encode(fields | change))
    assert caught.value.code == "message.malformed"


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(MLBridgeError):
        parcels.evidence_from_bytes(bytes(parcels.MAX_BYTES + 1))
