"""Chain to store: events in, states and cursor in one transaction, whoever waits told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from contracts.chain import Chain
from contracts.cursor import Cursor, cursor_from_json, cursor_to_json
from contracts.events import BlockRef, Event
from contracts.follower import Batch, LogFollower
from coordinator.events import TaskEvent, from_log
from coordinator.metrics import Metrics
from coordinator.store import Applied, Store
from mlbridge.errors import MLBridgeError

log = structlog.get_logger(__name__)

HEADERS_AT_ONCE = 8
HEADERS_KEPT = 1024


class StoredCursor:
    """The follower's cursor as the store keeps it; the store itself moves it, with the batch's effects."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def load(self) -> Cursor | None:
        """Where the last applied batch ended; None at the first start."""
        text = await self._store.position()
        return cursor_from_json(text) if text else None

    async def save(self, cursor: Cursor) -> None:
        """Nothing to do: `Store.apply` has saved it already."""


class Follow:
    """Applies every batch of the chain's events. `head` is the newest block seen."""

    def __init__(
        self, chain: Chain, store: Store, metrics: Metrics, *, told: Callable[[Applied], None]
    ) -> None:
        self.head: BlockRef | None = None
        self.applied_block = -1
        self._chain = chain
        self._store = store
        self._metrics = metrics
        self._told = told
        self._follower = LogFollower(chain, StoredCursor(store))
        self._times: dict[str, int] = {}

    @property
    def lag(self) -> int | None:
        """Blocks between the head and what is applied; None before the first look."""
        return None if self.head is None else max(0, self.head.number - self.applied_block)

    async def step(self) -> bool:
        """Read and apply one batch; whether there was one. Raises what the chain or the database raises."""
        batch = await self._follower.poll()
        if batch is None:
            # Nothing to apply, but time goes on: deadlines are judged by the head.
            self.head = await self._chain.head()
            if self.applied_block < 0:
                await self._recall()
            self._gauge()
            return False
        applied = await self._store.apply(
            await self._stamped(batch.events),
            position=cursor_to_json(batch.cursor),
            removed_from=batch.removed_from,
        )
        await self._follower.handled(batch)
        self._note(batch, applied)
        return True

    async def _recall(self) -> None:
        cursor = await StoredCursor(self._store).load()
        if cursor is not None:
            self.applied_block = cursor.number

    def _note(self, batch: Batch, applied: Applied) -> None:
        self.head = batch.head
        self.applied_block = batch.cursor.number
        self._metrics.record(applied.changes)
        if batch.removed_from is not None:
            self._metrics.reorgs.inc()
            log.info("reorg_undone", from_block=batch.removed_from, tasks=len(applied.undone))
        for anomaly in applied.anomalies:
            self._metrics.anomalies.inc()
            log.warning("event_refused", reason=anomaly.message)
        self._gauge()
        self._told(applied)

    def _gauge(self) -> None:
        if self.head is not None:
            self._metrics.head.set(self.head.number)
            self._metrics.lag.set(self.lag or 0)

    async def _stamped(self, events: Sequence[Event]) -> list[TaskEvent]:
        """The events that name a task, each with its block's time."""
        ours = [event for event in events if event.task_id is not None]
        missing = sorted({event.block_hash for event in ours} - self._times.keys())
        for start in range(0, len(missing), HEADERS_AT_ONCE):
            chunk = missing[start : start + HEADERS_AT_ONCE]
            headers = await asyncio.gather(*(self._chain.block_by_hash(item) for item in chunk))
            for block_hash, header in zip(chunk, headers, strict=True):
                if header is None:
                    raise MLBridgeError(
                        "chain.block_gone",
                        f"Block {block_hash} left the chain while it was read.",
                        hint="The next pass reads what replaced it.",
                    )
                self._times[block_hash] = header.timestamp
        stamped = [from_log(event, self._times[event.block_hash]) for event in ours]
        while len(self._times) > HEADERS_KEPT:
            del self._times[next(iter(self._times))]
        return [event for event in stamped if event is not None]
