"""Votes packed into a uint32."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import Vote
from mlbridge.protocol.votes import MAX_CANDIDATES, pack, unpack


@given(st.dictionaries(st.integers(0, MAX_CANDIDATES - 1), st.sampled_from(Vote)))
def test_unpack_inverts_pack(votes: dict[int, Vote]) -> None:
    assert unpack(pack(votes)) == [votes.get(i, Vote.GREY) for i in range(MAX_CANDIDATES)]


def test_layout() -> None:
    assert pack({}).hex() == "00000000"
    assert pack({0: Vote.ACCEPT, 1: Vote.REJECT}).hex() == "00000009"
    assert pack({14: Vote.REJECT}).hex() == "20000000"


def test_three_counts_as_grey_and_the_top_bits_as_nothing() -> None:
    assert unpack(bytes.fromhex("ffffffff")) == [Vote.GREY] * MAX_CANDIDATES
    assert unpack(bytes.fromhex("80000001"))[0] == Vote.ACCEPT


@pytest.mark.parametrize("candidate", [-1, 15, 16])
def test_a_candidate_is_a_seat(candidate: int) -> None:
    with pytest.raises(MLBridgeError) as caught:
        pack({candidate: Vote.ACCEPT})
    assert caught.value.code == "votes.candidate"


@pytest.mark.parametrize("data", [b"", b"\x00" * 3, b"\x00" * 5, b"\x00" * 32])
def test_a_vote_has_four_bytes(data: bytes) -> None:
    with pytest.raises(MLBridgeError) as caught:
        unpack(data)
    assert caught.value.code == "votes.length"
