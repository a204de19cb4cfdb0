"""Writes that share transactions: whatever came while the last one was under way goes with the next.

A thread of its own does them. Through an asynchronous driver each statement changes threads several times,
which costs more than the statement.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, Executable, text
from sqlalchemy.ext.asyncio import AsyncEngine

from coordinator.database import open_blocking_engine
from mlbridge.errors import MLBridgeError

T = TypeVar("T")
Work = Callable[[Connection], T]
MOST = 256
# One process writes at a time, so what was read in a transaction still holds when it writes. SQLite's one
# write lock is taken by a change of nothing: a reader cannot become a writer once another has written.
_WRITE_LOCK = {
    "sqlite": text("UPDATE lane_runners SET alive_until = alive_until WHERE 1 = 0"),
    "postgresql": text("SELECT pg_advisory_xact_lock(7236921401)"),
}


@dataclass
class _Job:
    """work: anything; or statement and its parameters, done together with others of the same statement."""

    work: Work[Any] | None = None
    statement: Executable | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    done: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    outcome: Any = None
    refusal: MLBridgeError | None = None


class GroupWriter:
    """One transaction at a time for one event loop. lock: held around each, shared with other writers."""

    def __init__(self, engine: AsyncEngine, lock: asyncio.Lock) -> None:
        self._engine, self._lock = open_blocking_engine(engine.url), lock
        self._thread = ThreadPoolExecutor(1, "lane-store")
        self._jobs: list[_Job] = []
        self._writing: asyncio.Task[None] | None = None

    async def run(self, work: Work[T]) -> T:
        """Have work done in a transaction, in another thread; its value, once that is committed.

        An MLBridgeError that work raises before it writes anything spoils nobody else's; any other error
        fails the transaction, and all who were in it.
        """
        value: T = await self._add(_Job(work))
        return value

    async def execute(self, statement: Executable, parameters: Mapping[str, Any]) -> None:
        """Have a statement done. Those of one transaction happen before its other work, in any order."""
        await self._add(_Job(statement=statement, parameters=parameters))

    async def _add(self, job: _Job) -> Any:
        self._jobs.append(job)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all(), name="lane-writes")
        return await asyncio.shield(job.done)

    async def close(self) -> None:
        """Once nothing waits, let go of the database; a later write opens it again."""
        while self._writing is not None and not self._writing.done():
            await asyncio.wait({self._writing})
        self._engine.dispose()

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._jobs:
            jobs, self._jobs = self._jobs[:MOST], self._jobs[MOST:]
            try:
                async with self._lock:
                    await loop.run_in_executor(self._thread, self._write, jobs)
            except Exception as error:  # noqa: BLE001 - handed to everybody who waits for it
                for job in jobs:
                    _fail(job, error)
                continue
            for job in jobs:
                if job.refusal is not None:
                    _fail(job, job.refusal)
                elif not job.done.done():
                    job.done.set_result(job.outcome)

    def _write(self, jobs: list[_Job]) -> None:
        with self._engine.begin() as connection:
            connection.execute(_WRITE_LOCK[connection.dialect.name])
            for statement, parameters in _alike(jobs):
                connection.execute(statement, parameters)
            for job in jobs:
                if job.work is None:
                    continue
                try:
                    job.outcome = job.work(connection)
                except MLBridgeError as error:
                    job.refusal = error


def _alike(jobs: list[_Job]) -> list[tuple[Executable, list[Mapping[str, Any]]]]:
    """Statements, each with the parameters of all jobs that want it with the same names."""
    found: dict[tuple[int, frozenset[str]], tuple[Executable, list[Mapping[str, Any]]]] = {}
    for job in jobs:
        if job.statement is not None:
            key = id(job.statement), frozenset(job.parameters)
            found.setdefault(key, (job.statement, []))[1].append(job.parameters)
    return list(found.values())


def _fail(job: _Job, error: Exception) -> None:
    if not job.done.done():
        job.done.set_exception(error)
