"""What a panel said, seat by seat, as its events tell it. Pure.

A contract that asked a panel keeps one hash of it (`Hashing.ballot`), so whoever acts on the verdict says it
again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from contracts.events import Event
from mlbridge.protocol.types import RoundKind

_VOTED: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class PanelBallot:
    """accounts: by seat; values: digest or votes of each, 32 bytes, zero where nothing was opened; revealed:
    bit i: seat i opened what it had committed to; results: what each opened, tagged, by account.
    """

    accounts: tuple[int, ...]
    values: tuple[bytes, ...]
    revealed: int
    results: dict[int, bytes]

    def as_tuple(self) -> tuple[list[int], list[bytes], int]:
        """As the contracts take it."""
        return list(self.accounts), list(self.values), self.revealed

    def shown(self, digest: bytes) -> bytes | None:
        """The tagged result behind a digest; None if nobody opened it."""
        for account, value in zip(self.accounts, self.values, strict=True):
            if value == digest and account in self.results:
                return self.results[account]
        return None


def ballot_of(events: Sequence[Event]) -> PanelBallot | None:
    """Of a review, from all its events in chain order; None before its panel was drawn."""
    drawn = [event for event in events if event.name == "CommitteeDrawn"]
    if not drawn:
        return None
    # A redraw names every seat again.
    panel = drawn[-1].args
    accounts = tuple(int(account) for account in panel["accounts"])
    values, revealed = [bytes(32)] * len(accounts), 0
    results: dict[int, bytes] = {}
    for event in events:
        args = event.args
        if event.name != "ResultRevealed" or args["round"] != panel["round"]:
            continue
        seat, result = accounts.index(args["account"]), bytes(args["result"])
        results[accounts[seat]] = result
        if panel["kind"] == RoundKind.VOTE:
            values[seat] = (_VOTED | int.from_bytes(result[1:], "big")).to_bytes(32, "big")
        else:
            values[seat] = bytes(args["digest"])
        revealed |= 1 << seat
    return PanelBallot(accounts, tuple(values), revealed, results)
