"""Which opened result a task's payload is taken from.

The chain names the earliest-drawn winner, but one digest is one payload: whoever else opened the same digest
serves as well. So a member that points to nowhere keeps nobody from a result that another one carries.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import content
from mlbridge.sdk.receipt_model import RoundPart, SeatPart


def openings(rounds: Sequence[RoundPart], digest: str) -> list[tuple[int, SeatPart]]:
    """(round, seat) of everybody who opened this digest (0x hex).

    First who carries the payload, then who points to it, last whose pointer cannot be read; each in the order
    of the draw.
    """
    found = [
        (part.index, seat)
        for part in rounds
        if part.kind == "result"
        for seat in part.seats
        if seat.digest == digest and seat.result is not None
    ]
    return sorted(found, key=lambda item: _rank(item[1]))


def contents(rounds: Sequence[RoundPart], digest: str) -> list[bytes]:
    """The tagged bytes of `openings`, each once."""
    results = dict.fromkeys(seat.result for _, seat in openings(rounds, digest))
    return [bytes.fromhex(result[2:]) for result in results if result is not None]


def cid_of(data: bytes) -> str | None:
    """Where tagged bytes point to; None if they carry their payload, or cannot be read."""
    try:
        parsed = content.parse(data)
    except MLBridgeError:
        return None
    return parsed.cid if isinstance(parsed, content.Reference) else None


def _rank(seat: SeatPart) -> int:
    data = bytes.fromhex((seat.result or "0x")[2:])
    if data[:1] == b"\0":
        return 0
    return 1 if cid_of(data) is not None else 2
