"""The record of a case, rebuilt from a task's events."""

from __future__ import annotations

from typing import Any

from contracts.case_record import NOTHING, case_file
from contracts.events import Event
from mlbridge.protocol.hashing import keccak

INPUT = b"\x00an input"
RIGHT, WRONG = keccak(b"right"), keccak(b"wrong")


def event(name: str, **args: Any) -> Event:
    return Event(name, "TaskManager", args, "0x" + "00" * 20, 1, "0x01", "0x02", 0)


def drawn(round: int, *accounts: int) -> Event:
    return event("CommitteeDrawn", round=round, accounts=list(accounts))


def revealed(round: int, account: int, digest: bytes) -> Event:
    return event("ResultRevealed", round=round, account=account, digest=digest, result=b"\x00" + digest[:4])


STORY = [
    event("TaskSubmitted", inputData=INPUT),
    drawn(0, 2, 4, 6),
    drawn(0, 2, 8, 10),  # 4 and 6 were silent
    drawn(0, 2, 12, 10),  # and so was 8
    revealed(0, 2, WRONG),
    revealed(0, 10, RIGHT),
    drawn(1, 3, 5, 7, 9),
    drawn(1, 3, 5, 7, 11),
    revealed(1, 3, RIGHT),
]


def test_whoever_ever_sat_is_on_record_in_the_order_of_the_chain() -> None:
    record = case_file([*STORY, event("TaskFinalized", digest=RIGHT)], 7).record
    assert record.accounts == (2, 12, 10, 3, 5, 7, 11, 4, 6, 8, 9)
    assert record.largest == 4
    assert record.digests == (WRONG, NOTHING, RIGHT)
    assert (record.model, record.winner, record.input_hash) == (7, RIGHT, keccak(INPUT))


def test_what_won_is_delivered_by_whoever_opened_it_first() -> None:
    won = case_file([*STORY, event("TaskFinalized", digest=RIGHT)], 7)
    assert won.delivered() == b"\x00" + RIGHT[:4]
    assert won.opened[2] == b"\x00" + WRONG[:4]


def test_a_task_in_which_nothing_won_delivers_nothing() -> None:
    none = case_file([*STORY, event("TaskRefunded", reason="all rejected")], 7)
    assert none.record.winner == NOTHING
    assert none.delivered() == b""


def test_another_record_has_another_hash() -> None:
    story = [*STORY, event("TaskFinalized", digest=RIGHT)]
    record = case_file(story, 7).record
    assert len({record.hash(), case_file(story, 8).record.hash(), case_file(STORY, 7).record.hash()}) == 3
