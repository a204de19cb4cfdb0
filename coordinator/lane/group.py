"""Writes that share transactions: whatever came while the last one was under way goes with the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from mlbridge.errors import MLBridgeError

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]
MOST = 256
# One process writes at a time, so what was read in a transaction still holds when it writes. SQLite's one
# write lock is taken by a change of nothing: a reader cannot become a writer once another has written.
_WRITE_LOCK = {
    "sqlite": text("UPDATE lane_runners SET alive_until = alive_until WHERE 1 = 0"),
    "postgresql": text("SELECT pg_advisory_xact_lock(7236921401)"),
}


@dataclass
class _Job:
    work: Work[Any]
    done: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    outcome: Any = None
    refusal: MLBridgeError | None = None


class GroupWriter:
    """One transaction at a time for one event loop. lock: held around each, shared with other writers."""

    def __init__(self, engine: AsyncEngine, lock: asyncio.Lock) -> None:
        self._engine, self._lock = engine, lock
        self._jobs: list[_Job] = []
        self._writing: asyncio.Task[None] | None = None

    async def run(self, work: Work[T]) -> T:
        """Have work done in a transaction; its value, once that is committed.

        An MLBridgeError that work raises before it writes anything spoils nobody else's; any other error
        fails the transaction, and all who were in it.
        """
        job = _Job(work)
        self._jobs.append(job)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all(), name="lane-writes")
        value: T = await asyncio.shield(job.done)
        return value

    async def drain(self) -> None:
        """Until nothing waits."""
        while self._writing is not None and not self._writing.done():
            await asyncio.wait({self._writing})

    async def _write_all(self) -> None:
        while self._jobs:
            jobs, self._jobs = self._jobs[:MOST], self._jobs[MOST:]
            try:
                async with self._lock, self._engine.begin() as connection:
                    await connection.execute(_WRITE_LOCK[connection.dialect.name])
                    for job in jobs:
                        try:
                            job.outcome = await job.work(connection)
                        except MLBridgeError as error:
                            job.refusal = error
            except Exception as error:  # noqa: BLE001 - handed to everybody who waits for it
                for job in jobs:
                    _fail(job, error)
                continue
            for job in jobs:
                if job.refusal is not None:
                    _fail(job, job.refusal)
                elif not job.done.done():
                    job.done.set_result(job.outcome)


def _fail(job: _Job, error: Exception) -> None:
    if not job.done.done():
        job.done.set_exception(error)
