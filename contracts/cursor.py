"""How far a follower has read, and where that is kept."""

from __future__ import annotations

import json
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

DENSE = 128
LIMIT = 256


@dataclass(frozen=True)
class Cursor:
    """Everything up to and including block `number` has been handed out.

    recent: (number, hash) of blocks handed out, ascending; the last one is `number`. Empty and number one
    below the first block of interest: nothing has been read yet.
    """

    number: int
    recent: tuple[tuple[int, str], ...] = ()

    @property
    def hash(self) -> str | None:
        """Hash of the last block; None before the first."""
        return self.recent[-1][1] if self.recent else None

    def advance(self, blocks: list[tuple[int, str]]) -> Cursor:
        """The cursor after these blocks (ascending, above `number`, at least one)."""
        return Cursor(blocks[-1][0], _thin((*self.recent, *blocks)))

    def rewind(self, number: int) -> Cursor:
        """The cursor as it stood at kept block `number`, or before the first block."""
        return Cursor(number, tuple(item for item in self.recent if item[0] <= number))


def _thin(recent: tuple[tuple[int, str], ...]) -> tuple[tuple[int, str], ...]:
    """Keep the newest blocks and ever fewer older ones: a deep reorganisation still finds a fork."""
    if len(recent) <= LIMIT:
        return recent
    old, new = recent[:-DENSE], recent[-DENSE:]
    return (*old[: len(old) % 2], *old[len(old) % 2 :: 2], *new)


class CursorStore(Protocol):
    """Where a follower keeps its cursor.

    Saved after a batch was handled, so a crash repeats a batch, skips none.

    Whoever must not see a batch twice stores `Batch.cursor` in the transaction that stores the batch's
    effects.
    """

    async def load(self) -> Cursor | None:
        """The last saved cursor; None at first."""
        ...

    async def save(self, cursor: Cursor) -> None:
        """Replace the cursor."""
        ...


class MemoryCursorStore:
    """For readers that start anew with their process."""

    def __init__(self, cursor: Cursor | None = None) -> None:
        self.cursor = cursor

    async def load(self) -> Cursor | None:
        """The last saved cursor; None at first."""
        return self.cursor

    async def save(self, cursor: Cursor) -> None:
        """Replace the cursor."""
        self.cursor = cursor


class SqliteCursorStore:
    """One row a follower in a SQLite file that others may share. Each call is well below a millisecond."""

    def __init__(self, path: str | Path, name: str = "default") -> None:
        self._name = name
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS follower_cursor (name TEXT PRIMARY KEY, cursor TEXT NOT NULL)"
        )

    async def load(self) -> Cursor | None:
        """The last saved cursor; None at first."""
        with self._lock:
            row = self._db.execute(
                "SELECT cursor FROM follower_cursor WHERE name = ?", (self._name,)
            ).fetchone()
        return cursor_from_json(row[0]) if row else None

    async def save(self, cursor: Cursor) -> None:
        """Replace the cursor."""
        with self._lock:
            self._db.execute(
                "INSERT INTO follower_cursor VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET cursor = excluded.cursor",
                (self._name, cursor_to_json(cursor)),
            )

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def cursor_to_json(cursor: Cursor) -> str:
    """For stores that keep text."""
    return json.dumps({"number": cursor.number, "recent": cursor.recent}, separators=(",", ":"))


def cursor_from_json(text: str) -> Cursor:
    """Inverse of `cursor_to_json`."""
    data = json.loads(text)
    return Cursor(int(data["number"]), tuple((int(number), str(block)) for number, block in data["recent"]))
