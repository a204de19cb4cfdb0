"""Bounded room for work, and one run per piece of work."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager

from mlbridge.errors import MLBridgeError


class Gate:
    """`slots` run at once, `queue` wait; whoever comes next is told when to come back.

    changed: called with in_flight whenever that changes.
    """

    def __init__(
        self,
        slots: int,
        queue: int,
        *,
        changed: Callable[[int], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slots, self._queue = slots, queue
        self._changed = changed
        self._clock = clock
        self._inside = asyncio.Semaphore(slots)
        self._taken = 0
        self._typical = 0.0  # seconds a run takes, smoothed

    @property
    def in_flight(self) -> int:
        """Runs under way and waiting."""
        return self._taken

    @property
    def capacity(self) -> int:
        """Runs that may be under way or waiting at once."""
        return self._slots + self._queue

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """One slot, in turn. Raises MLBridgeError serve.busy, with retry_after in seconds, when full."""
        if self._taken >= self.capacity:
            seconds = max(1, math.ceil(self._typical * self._taken / self._slots))
            raise MLBridgeError(
                "serve.busy",
                f"All {self.capacity} places of this replica are taken.",
                hint=f"Try again in {seconds} s.",
                retry_after=seconds,
            )
        self._count(1)
        try:
            async with self._inside:
                started = self._clock()
                yield
                took = self._clock() - started
                self._typical = took if not self._typical else 0.8 * self._typical + 0.2 * took
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        self._taken += change
        self._changed(self._taken)


class SingleFlight:
    """Remembers finished work and joins work under way, so that no key runs twice.

    Failures are not remembered. The memory holds the most recently used results up to `max_bytes`.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._done: OrderedDict[Hashable, bytes] = OrderedDict()
        self._running: dict[Hashable, asyncio.Task[bytes]] = {}

    async def run(self, key: Hashable, work: Callable[[], Awaitable[bytes]]) -> bytes:
        """The result for a key. A caller that gives up does not stop the work: a retry finds it done."""
        if key in self._done:
            self._done.move_to_end(key)
            return self._done[key]
        task = self._running.get(key)
        if task is None:
            task = asyncio.ensure_future(self._work(key, work))
            task.add_done_callback(_retrieve)
            self._running[key] = task
        return await asyncio.shield(task)

    async def _work(self, key: Hashable, work: Callable[[], Awaitable[bytes]]) -> bytes:
        try:
            result = await work()
        finally:
            del self._running[key]
        if len(result) <= self._max_bytes:
            self._done[key] = result
            self._bytes += len(result)
        while self._bytes > self._max_bytes:
            self._bytes -= len(self._done.popitem(last=False)[1])
        return result


class Checkup:
    """One check at a time, whose outcome counts for a while: asking costs nothing, however many ask."""

    def __init__(self, work: Callable[[], Awaitable[None]], *, clock: Callable[[], float]) -> None:
        self._work = work
        self._clock = clock
        self._running: asyncio.Task[None] | None = None
        self._last: asyncio.Task[None] | None = None
        self._ended = 0.0

    async def run(self, *, max_age_s: float = 0.0) -> None:
        """The outcome of the check under way, of one that ended at most max_age_s ago, or of a new one."""
        if self._running is None:
            if self._last is not None and self._clock() - self._ended < max_age_s:
                return self._last.result()
            self._running = asyncio.ensure_future(self._check())
            self._running.add_done_callback(self._keep)
        await asyncio.shield(self._running)

    async def _check(self) -> None:
        await self._work()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._running = None
        if not task.cancelled():
            task.exception()
            self._last, self._ended = task, self._clock()


def _retrieve(task: asyncio.Task[bytes]) -> None:
    # When every caller gave up nobody awaits the task, and asyncio would report its error as never retrieved.
    if not task.cancelled():
        task.exception()
