"""Group commit: one thread writes an SQLite file, and waits for the disk once for all who wait.

A durable write is on disk (synchronous=FULL) before it is answered; what came while the disk was busy goes
with the next fsync, which costs milliseconds however much it holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from mlbridge.errors import MLBridgeError

T = TypeVar("T")

_GROUP: Final = 512
_BUSY_S: Final = 30


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    durable: bool
    done: Callable[[Any, BaseException | None], None]


class GroupWriter:
    """Writes one file, which other processes may write too."""

    def __init__(self, path: Path) -> None:
        """Raises sqlite3.Error."""
        self._path = path
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._durable = connect(path, "FULL")
        self._quick = connect(path, "NORMAL")
        self._thread = threading.Thread(target=self._write_all, name="lane-store", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """After what was asked for is written."""
        self._jobs.put(None)
        self._thread.join()
        self._durable.close()
        self._quick.close()

    async def write(self, work: Callable[[sqlite3.Connection], T], *, durable: bool) -> T:
        """What `work` returns, once it is written. Raises the MLBridgeError of `work`, or `lane.store`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(value: Any, error: BaseException | None) -> None:
            if future.done():  # whoever asked has gone
                return
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)

        def done(value: Any, error: BaseException | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(settle, value, error)

        self._jobs.put(_Job(work, durable, done))
        return await future

    def _write_all(self) -> None:
        open_ = True
        while open_:
            group = [self._jobs.get()]
            with contextlib.suppress(queue.Empty):
                while len(group) < _GROUP:
                    group.append(self._jobs.get_nowait())
            open_ = None not in group
            jobs = [job for job in group if job is not None]
            if jobs:
                self._write_group(jobs)

    def _write_group(self, jobs: list[_Job]) -> None:
        """One transaction. A job that refuses takes nothing of the others with it."""
        db = self._durable if any(job.durable for job in jobs) else self._quick
        answers: list[tuple[Any, BaseException | None]] = []
        try:
            db.execute("BEGIN IMMEDIATE")
            for job in jobs:
                db.execute("SAVEPOINT job")
                try:
                    answers.append((job.work(db), None))
                except MLBridgeError as error:
                    answers.append((None, error))
                    db.execute("ROLLBACK TO job")
                db.execute("RELEASE job")
            db.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, and the thread must go on
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            answers = [(None, broken(self._path, error))] * len(jobs)
        for job, (value, problem) in zip(jobs, answers, strict=True):
            job.done(value, problem)


def connect(path: Path, synchronous: Literal["FULL", "NORMAL"]) -> sqlite3.Connection:
    """A connection in WAL mode. FULL: a commit waits for the disk. Raises sqlite3.Error."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_S)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(f"PRAGMA synchronous={synchronous}")
    return db


def broken(path: Path, error: BaseException) -> MLBridgeError:
    """The error for a file that cannot be used."""
    return MLBridgeError(
        "lane.store",
        f"The member's store {path} cannot be used: {type(error).__name__} {error}.",
        hint="Is the disk full? Without its store a member signs nothing.",
        retry_after=5,
    )
