"""Votes of a Vote round: two bits a candidate in a big-endian uint32, candidate i at bits 2i and 2i+1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import Vote

MAX_CANDIDATES: Final = 15
VOTES_BYTES: Final = 4


def pack(votes: Mapping[int, Vote]) -> bytes:
    """The 4-byte payload for votes by candidate seat index (0 to 14); candidates left out are GREY.

    Raises MLBridgeError `votes.candidate` for an index out of range.
    """
    bits = 0
    for candidate, vote in votes.items():
        if not 0 <= candidate < MAX_CANDIDATES:
            raise MLBridgeError("votes.candidate", f"Candidate {candidate} is not a seat index (0 to 14).")
        bits |= Vote(vote) << (2 * candidate)
    return bits.to_bytes(VOTES_BYTES, "big")


def unpack(data: bytes) -> list[Vote]:
    """The 15 votes of a payload, by candidate seat index; the bit pair 3 counts as GREY.

    Raises MLBridgeError `votes.length` unless data has 4 bytes. Bits 30 and 31 belong to no seat and are
    ignored, as the contract does.
    """
    if len(data) != VOTES_BYTES:
        raise MLBridgeError("votes.length", f"A vote has exactly 4 bytes, not {len(data)}.")
    bits = int.from_bytes(data, "big")
    return [_vote(bits >> (2 * candidate) & 3) for candidate in range(MAX_CANDIDATES)]


def _vote(pair: int) -> Vote:
    return Vote.GREY if pair == 3 else Vote(pair)
