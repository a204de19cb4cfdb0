"""Summonses and dissent cases that wait for anybody to end them, ended: mechanical steps that pay nobody.

Nothing is kept but where to look from: what is open stands on the chain, and every step looks first. So
whoever is killed goes on where the chain stands, and several callers do each other no harm.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import structlog

from contracts import artifacts, dissents, summons
from contracts.errors import ContractError
from contracts.laneview import LaneView
from contracts.sender import Sender
from contracts.summons import CaseStatus, SummonsStatus
from mlbridge.errors import MLBridgeError

log = structlog.get_logger(__name__)

_DEEP: Final = 64
"""Blocks that are read again, as a reorganisation may have moved what they hold."""
_RULED_EVERY_S: Final = 60.0
"""Seconds between two looks at a case that was ruled, which may wait a week for its bond."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What was done about an order. what: closed (its summons), ruled, condemned, concluded (its case)."""

    order: str
    what: str
    detail: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


class Endings:
    """Follows every summons and every case of a lane. Without summonses there is nothing to do."""

    def __init__(self, view: LaneView, sender: Sender) -> None:
        self._view, self._lane, self._sender = view, view.lane, sender
        self._summoned: set[bytes] = set()
        self._cases: set[bytes] = set()
        self._ruled: dict[bytes, float] = {}
        self._first: int | None = None

    async def step(self) -> list[Ending]:
        """Take every step that is due. Raises what a read of the chain raises; the next step looks again."""
        if self._lane.summons is None or self._lane.dissent_cases is None:
            return []
        await self._view.refresh()
        await self._look()
        done: list[Ending] = []
        for order in sorted(self._summoned):
            done += await self._tried(order, self._close)
        for order in sorted(self._cases):
            done += await self._tried(order, self._follow)
        return done

    async def _look(self) -> None:
        last = self._view.head.number
        first = None if self._first is None else max(0, min(self._first, last) - _DEEP)
        posted = await self._lane.events(artifacts.SUMMONS, "SeatsSummoned", first=first, last=last)
        opened = await self._lane.events(artifacts.DISSENT_CASES, "DissentCaseOpened", first=first, last=last)
        self._summoned |= {bytes(event.args["order"]) for event in posted}
        self._cases |= {bytes(event.args["order"]) for event in opened}
        self._first = last + 1

    async def _tried(
        self, order: bytes, step: Callable[[bytes], Awaitable[list[tuple[str, str]]]]
    ) -> list[Ending]:
        try:
            found = [Ending("0x" + order.hex(), what, detail) for what, detail in await step(order)]
        except (ContractError, MLBridgeError) as error:
            # One order must not keep the others waiting.
            log.warning("ending_refused", order="0x" + order.hex(), reason=error.message)
            return []
        for ending in found:
            log.info("order_ended", **ending.to_dict())
        return found

    async def _close(self, order: bytes) -> list[tuple[str, str]]:
        state = await summons.summoned(self._lane, order)
        if state.status is not SummonsStatus.OPEN:
            self._summoned.discard(order)
            return []
        # While there is time its own seats close it, for their fees.
        if self._view.now() <= state.closes_at():
            return []
        try:
            await summons.close(self._lane, self._sender, order)
        except ContractError as error:
            if error.name not in ("NotSummoned", "TooEarly"):
                raise
            return []
        return [("closed", f"{state.opened.bit_count()} of {len(state.seats)} seats had opened")]

    async def _follow(self, order: bytes) -> list[tuple[str, str]]:
        lane, sender = self._lane, self._sender
        now = self._view.now()
        if now < self._ruled.get(order, 0.0) + _RULED_EVERY_S:
            return []
        case = await summons.dissent_case(lane, order)
        if case.status is CaseStatus.NONE or (case.status is CaseStatus.CLOSED and not any(case.truth)):
            self._forget(order)
            return []
        if case.status is CaseStatus.RULED:
            self._ruled[order] = now
        done: list[tuple[str, str]] = []
        if await dissents.rule(lane, sender, order):
            done.append(("ruled", "in the terms of the order"))
        gone = await dissents.condemn_reported(lane, sender, order)
        gone += await dissents.condemn_shown(lane, sender, order)
        done += [("condemned", f"account {account}") for account in gone]
        if await dissents.conclude(lane, sender, order, now):
            done.append(("concluded", "its bond was dealt with"))
        elif case.status is CaseStatus.CLOSED:
            # Whoever closes a case at its first slash must not save the others that are on record.
            self._forget(order)
        return done

    def _forget(self, order: bytes) -> None:
        self._cases.discard(order)
        self._ruled.pop(order, None)
