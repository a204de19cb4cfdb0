"""What a panel said, rebuilt from its events."""

from __future__ import annotations

from typing import Any

from contracts.ballots import ballot_of
from contracts.events import Event
from mlbridge.protocol import votes
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.types import RoundKind, Vote

RIGHT, WRONG = keccak(b"right"), keccak(b"wrong")


def event(name: str, **args: Any) -> Event:
    return Event(name, "TaskManager", args, "0x" + "00" * 20, 1, "0x01", "0x02", 0)


def drawn(round: int, kind: RoundKind, *accounts: int) -> Event:
    return event("CommitteeDrawn", round=round, kind=int(kind), accounts=list(accounts))


def revealed(round: int, account: int, result: bytes, digest: bytes = RIGHT) -> Event:
    return event("ResultRevealed", round=round, account=account, digest=digest, result=result)


def test_a_panel_that_was_not_drawn_said_nothing() -> None:
    assert ballot_of([event("TaskSubmitted", inputData=b"\x00")]) is None


def test_results_stand_by_seat_of_the_last_draw_and_silence_is_zero() -> None:
    found = ballot_of(
        [
            drawn(0, RoundKind.RESULT, 3, 5, 7),
            drawn(0, RoundKind.RESULT, 3, 9, 7),  # 5 was silent
            revealed(0, 7, b"\0right"),
            revealed(0, 3, b"\0wrong", WRONG),
        ]
    )
    assert found is not None
    assert found.as_tuple() == ([3, 9, 7], [WRONG, bytes(32), RIGHT], 0b101)
    assert found.shown(RIGHT) == b"\0right"
    assert found.shown(keccak(b"nobody's")) is None


def test_votes_are_packed_with_their_tag_and_candidates_are_no_votes() -> None:
    ballot = votes.pack({0: Vote.ACCEPT, 2: Vote.REJECT})
    found = ballot_of(
        [
            revealed(0, 11, b"\0candidate"),
            drawn(1, RoundKind.VOTE, 3, 5),
            revealed(1, 5, b"\0" + ballot),
        ]
    )
    assert found is not None
    value = (1 << 32 | int.from_bytes(ballot, "big")).to_bytes(32, "big")
    assert found.as_tuple() == ([3, 5], [bytes(32), value], 0b10)
