"""What a requester must not forget: where its channels' coordinators and their members are, and which
sequences it used.

One SQLite file for all programs of a user on a machine. A sequence is taken, and the order that it is for is
written down, before the order leaves; whoever is killed finds it again and sends the same bytes. What threads
write at the same time shares a transaction, and one wait for the disk.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.batch import WINDOW

T = TypeVar("T")

_VERSION: Final = 3
_NODES: Final = """
CREATE TABLE nodes (channel BLOB NOT NULL, url TEXT NOT NULL, PRIMARY KEY (channel, url)) WITHOUT ROWID;
"""
_SCHEMA: Final = f"""{_NODES}
CREATE TABLE channels (
    id BLOB PRIMARY KEY, chain_id INTEGER NOT NULL, contract TEXT NOT NULL, url TEXT NOT NULL,
    next INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE orders (
    channel BLOB NOT NULL, sequence INTEGER NOT NULL, key TEXT NOT NULL, offer BLOB NOT NULL,
    kind TEXT, state TEXT NOT NULL, receipt BLOB, reason TEXT, attested BLOB,
    PRIMARY KEY (channel, sequence)
) WITHOUT ROWID;
CREATE INDEX keys ON orders (channel, key);
"""
_STEPS: Final = _NODES, "ALTER TABLE orders ADD COLUMN attested BLOB"
"""From one format to the next; the first is from 1 to 2."""

OPEN: Final = "open"
DONE: Final = "done"
FAILED: Final = "failed"


@dataclass(frozen=True, slots=True)
class Known:
    """A channel of this user. next: the first sequence that was never used."""

    id: bytes
    chain_id: int
    contract: str
    url: str
    next: int


@dataclass(frozen=True, slots=True)
class Kept:
    """An order. offer: as it travels; state: open, done (has a receipt) or failed (has a reason); attested:
    what its seats attested if they disagreed, as mlbridge.protocol.disagreement writes it."""

    channel: bytes
    sequence: int
    key: str
    offer: bytes
    kind: str | None
    state: str
    receipt: bytes | None
    reason: str | None
    attested: bytes | None


_KEPT: Final = "channel, sequence, key, offer, kind, state, receipt, reason, attested"
_CURRENT: Final = (
    f"SELECT {_KEPT} FROM orders WHERE channel=? AND key=? AND state!=? "  # noqa: S608 - constants
    "ORDER BY sequence DESC LIMIT 1"
)


@dataclass(slots=True)
class _Write:
    """One piece of a transaction. durable: it must be on disk before whoever wants it goes on."""

    work: Callable[[sqlite3.Connection], Any]
    durable: bool
    done: bool = False
    value: Any = None
    error: BaseException | None = None


class ChannelBook:
    """Open in each process that needs it, for any thread of it. Raises `channel.book`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn, self._reading = threading.Lock(), threading.Lock()
        self._waiting: deque[_Write] = deque()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # What was asked and answered stands in it; SQLite gives its other files the same rights.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            path.chmod(0o600)
            # A sequence must not come back after a power cut: its order may be settled.
            self._durable = self._connect("FULL")
            self._quick = self._connect("NORMAL")
            self._reader = self._connect("NORMAL")
        except (OSError, sqlite3.Error) as error:
            raise _broken(path, str(error)) from error
        version = self._write(_prepare)
        if not 0 <= version <= _VERSION:
            raise _broken(path, f"it has format {version}, and this program writes format {_VERSION}")

    def _connect(self, synchronous: str) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None, timeout=30, check_same_thread=False)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={synchronous}")
        return db

    def close(self) -> None:
        with self._turn, self._reading:
            for db in (self._durable, self._quick, self._reader):
                db.close()

    def _write(self, work: Callable[[sqlite3.Connection], T], *, durable: bool = True) -> T:
        """What work returns, once it is committed together with whatever other threads wait for."""
        mine = _Write(work, durable)
        self._waiting.append(mine)
        with self._turn:
            if not mine.done:
                self._write_all()
        if mine.error is not None:
            raise mine.error
        value: T = mine.value
        return value

    def _write_all(self) -> None:
        group = [self._waiting.popleft() for _ in range(len(self._waiting))]
        db = self._durable if any(one.durable for one in group) else self._quick
        try:
            db.execute("BEGIN IMMEDIATE")
            try:
                for one in group:
                    _do(db, one)
                db.execute("COMMIT")
            except BaseException:
                db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            for one in group:
                one.error = _broken(self._path, str(error))
        finally:
            for one in group:
                one.done = True

    def _read(self, query: str, *arguments: object) -> list[Any]:
        try:
            with self._reading:
                return self._reader.execute(query, arguments).fetchall()
        except sqlite3.Error as error:
            raise _broken(self._path, str(error)) from error

    # ---- channels ----

    def put(self, channel: bytes, *, chain_id: int, contract: str, url: str) -> Known:
        """Remember a channel, or where its coordinator is now."""
        query = "INSERT INTO channels VALUES (?,?,?,?,0) ON CONFLICT (id) DO UPDATE SET url=excluded.url"
        self._write(lambda db: db.execute(query, (channel, chain_id, contract, url)))
        found = self.get(channel)
        if found is None:
            raise _broken(self._path, "a channel vanished")
        return found

    def get(self, channel: bytes) -> Known | None:
        """A channel by id."""
        rows = self._read("SELECT id, chain_id, contract, url, next FROM channels WHERE id=?", channel)
        return Known(*rows[0]) if rows else None

    def all(self, chain_id: int) -> list[Known]:
        """The channels on a chain."""
        rows = self._read(
            "SELECT id, chain_id, contract, url, next FROM channels WHERE chain_id=? ORDER BY id", chain_id
        )
        return [Known(*row) for row in rows]

    def put_nodes(self, channel: bytes, urls: Sequence[str]) -> None:
        """Remember the provider nodes that a channel's coordinator names, instead of those that it named."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM nodes WHERE channel=?", (channel,))
            db.executemany("INSERT OR IGNORE INTO nodes VALUES (?,?)", [(channel, url) for url in urls])

        self._write(work, durable=False)

    def nodes(self, channel: bytes) -> list[str]:
        """Base URLs of provider nodes that a channel's coordinator named."""
        return [url for (url,) in self._read("SELECT url FROM nodes WHERE channel=? ORDER BY url", channel)]

    # ---- orders ----

    def take(
        self,
        channel: bytes,
        key: str,
        *,
        least: int,
        kind: str | None,
        make: Callable[[int], bytes],
    ) -> Kept:
        """The next sequence, with the order that `make` signs for it; both on disk before this returns.

        least: the channel's floor. An order of this key that is open or done is given back instead. Raises
        MLBridgeError `channel.full` where the chain takes no sequence so far from the floor: none is used up
        then, because whoever goes on beyond it never comes back.
        """

        def work(db: sqlite3.Connection) -> Kept:
            kept = _current(db.execute(_CURRENT, (channel, key, FAILED)).fetchall())
            if kept is not None:
                return kept
            (following,) = db.execute("SELECT next FROM channels WHERE id=?", (channel,)).fetchone()
            sequence = max(int(following), least)
            if sequence >= least + WINDOW:
                raise full()
            offer = make(sequence)
            db.execute(
                "INSERT INTO orders VALUES (?,?,?,?,?,?,NULL,NULL,NULL)",
                (channel, sequence, key, offer, kind, OPEN),
            )
            db.execute("UPDATE channels SET next=? WHERE id=?", (sequence + 1, channel))
            return Kept(channel, sequence, key, offer, kind, OPEN, None, None, None)

        return self._write(work)

    def current(self, channel: bytes, key: str) -> Kept | None:
        """The order of a key that is open or done; None: none was signed, or all failed."""
        return _current(self._read(_CURRENT, channel, key, FAILED))

    def done(self, channel: bytes, sequence: int, receipt: bytes) -> None:
        """An order was answered. A power cut may take this back: the same bytes bring the same answer."""
        self._end(channel, sequence, DONE, receipt, None)

    def failed(self, channel: bytes, sequence: int, reason: str, attested: bytes | None = None) -> None:
        """An order came to nothing; a repeated key takes another sequence. As `done` for a power cut.

        attested: see Kept; what is known already is not forgotten.
        """
        self._end(channel, sequence, FAILED, None, reason, attested)

    def _end(
        self,
        channel: bytes,
        sequence: int,
        state: str,
        receipt: bytes | None,
        reason: str | None,
        attested: bytes | None = None,
    ) -> None:
        query = (
            "UPDATE orders SET state=?, receipt=COALESCE(?, receipt), reason=?, "
            "attested=COALESCE(?, attested) WHERE channel=? AND sequence=?"
        )
        values = (state, receipt, reason, attested, channel, sequence)
        self._write(lambda db: db.execute(query, values), durable=False)

    def open_orders(self, channel: bytes) -> list[Kept]:
        """Orders of which nothing is known since they left, oldest first."""
        rows = self._read(
            f"SELECT {_KEPT} FROM orders WHERE channel=? AND state=? ORDER BY sequence",  # noqa: S608 - constants
            *(channel, OPEN),
        )
        return [Kept(*row) for row in rows]

    def orders(self, channel: bytes) -> list[Kept]:
        """Every order that was ever signed for a channel, newest first."""
        rows = self._read(
            f"SELECT {_KEPT} FROM orders WHERE channel=? ORDER BY sequence DESC",  # noqa: S608 - constants
            channel,
        )
        return [Kept(*row) for row in rows]


def full() -> MLBridgeError:
    """What is said while a channel has no free sequence."""
    return MLBridgeError(
        "channel.full",
        "The channel has no free sequence before its coordinator's next batch is posted.",
        hint="Try again in a few seconds.",
        retry_after_s=5,
    )


def _prepare(db: sqlite3.Connection) -> int:
    """The format of the file before this made it."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if 0 <= version < _VERSION:
        for statement in _SCHEMA.split(";") if version == 0 else _STEPS[version - 1 :]:
            db.execute(statement)
        db.execute(f"PRAGMA user_version={_VERSION}")
    return int(version)


def _do(db: sqlite3.Connection, one: _Write) -> None:
    """One that fails takes nothing of the others with it, unless the file itself fails."""
    db.execute("SAVEPOINT one")
    try:
        one.value = one.work(db)
    except sqlite3.Error:
        raise
    except BaseException as error:  # noqa: BLE001 - raised again where it was asked for
        one.error = error
        db.execute("ROLLBACK TO one")
    db.execute("RELEASE one")


def _current(rows: list[Any]) -> Kept | None:
    return Kept(*rows[0]) if rows else None


def _broken(path: Path, reason: str) -> MLBridgeError:
    return MLBridgeError(
        "channel.book",
        f"The book of channels {path} cannot be used: {reason}.",
        hint="Without it a program does not know which sequences it used; it is found in the MLBridge home.",
    )
