"""What an appeal says again of its case: who ever sat, and what the first round opened. Pure.

The chain keeps one hash of it (`TaskManager.recordOf`), see docs/design/direct-lane.md, "Appeal".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from contracts.events import Event
from mlbridge.protocol import hashing

NOTHING: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """A case in which judges ruled against a member; fields in the order of Hashing.CaseRecord.

    model: its index; winner: digest that won, zero if none did; largest: seats of the largest round;
    accounts: whoever ever held a seat; digests: what round 0 opened, by seat, zero where nothing.
    """

    model: int
    input_hash: bytes
    winner: bytes
    largest: int
    accounts: tuple[int, ...]
    digests: tuple[bytes, ...]

    def as_tuple(self) -> tuple[Any, ...]:
        """As the contracts take it."""
        lists = list(self.accounts), list(self.digests)
        return self.model, self.input_hash, self.winner, self.largest, *lists

    def hash(self) -> bytes:
        """What `recordOf` keeps, 32 bytes."""
        accounts = hashing.keccak(hashing.words(["uint256"] * len(self.accounts), self.accounts))
        digests = hashing.keccak(b"".join(self.digests))
        return hashing.hash_words(
            ["uint32", "bytes32", "bytes32", "uint8", "bytes32", "bytes32"],
            [self.model, self.input_hash, self.winner, self.largest, accounts, digests],
        )


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A task that judges decided, as its events tell it.

    input_data: tagged bytes as submitted; opened: tagged results of round 0 by account.
    """

    record: CaseRecord
    input_data: bytes
    opened: dict[int, bytes]

    def delivered(self) -> bytes:
        """The tagged result of round 0 that won; empty if none of them did."""
        for account, digest in zip(self.record.accounts, self.record.digests, strict=False):
            if digest == self.record.winner != NOTHING:
                return self.opened[account]
        return b""


def case_file(events: Sequence[Event], model: int) -> CaseFile:
    """From all events of a task, in chain order. model: its index in the registry.

    Raises KeyError or StopIteration for events that lack the task's beginning.
    """
    submitted = next(event for event in events if event.name == "TaskSubmitted")
    rounds: dict[int, list[int]] = {}
    replaced: list[int] = []
    for event in events:
        if event.name != "CommitteeDrawn":
            continue
        index, drawn = event.args["round"], list(event.args["accounts"])
        # A redraw names every seat again; who is gone was replaced.
        replaced += [gone for gone, now in zip(rounds.get(index, drawn), drawn, strict=True) if gone != now]
        rounds[index] = drawn
    revealed = {
        event.args["account"]: event
        for event in events
        if event.name == "ResultRevealed" and event.args["round"] == 0
    }
    first = rounds[0]
    ended = [bytes(event.args["digest"]) for event in events if event.name == "TaskFinalized"]
    input_data = bytes(submitted.args["inputData"])
    record = CaseRecord(
        model=model,
        input_hash=hashing.input_hash(input_data),
        winner=ended[0] if ended else NOTHING,
        largest=max(len(accounts) for accounts in rounds.values()),
        accounts=tuple(
            [account for index in sorted(rounds) for account in rounds[index]] + replaced,
        ),
        digests=tuple(
            bytes(revealed[account].args["digest"]) if account in revealed else NOTHING for account in first
        ),
    )
    opened = {account: bytes(event.args["result"]) for account, event in revealed.items()}
    return CaseFile(record, input_data, opened)
