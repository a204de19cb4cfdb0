"""What a member knows of the chain: channels, seeds, weights, prices and node keys, in one small SQLite file.

The provider's agent follows the chain and writes it (`ViewWriter`), replicas read it (`View`): a look-up
costs microseconds and no replica waits for a chain node. Everything in it can be told again by the chain, so
it is written without waiting for the disk, and a file of another format is made anew.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.snapshots import Snapshots

T = TypeVar("T")

_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE channels (
    id BLOB PRIMARY KEY, balance TEXT NOT NULL, floor INTEGER NOT NULL, window BLOB NOT NULL,
    closes_at INTEGER NOT NULL, promised TEXT NOT NULL, covered INTEGER NOT NULL, due_at INTEGER NOT NULL,
    block INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE seeds (epoch INTEGER PRIMARY KEY, seed BLOB NOT NULL, block INTEGER NOT NULL);
CREATE TABLE weights (
    place INTEGER PRIMARY KEY AUTOINCREMENT, model BLOB NOT NULL, account INTEGER NOT NULL,
    epoch INTEGER NOT NULL, weight INTEGER NOT NULL, block INTEGER NOT NULL
);
CREATE TABLE prices (
    place INTEGER PRIMARY KEY AUTOINCREMENT, model BLOB NOT NULL, epoch INTEGER NOT NULL, price TEXT,
    provider TEXT NOT NULL, block INTEGER NOT NULL
);
CREATE TABLE batches (id BLOB PRIMARY KEY, block INTEGER NOT NULL, ending TEXT) WITHOUT ROWID;
CREATE TABLE nodes (node TEXT PRIMARY KEY, operator INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX weights_of ON weights (model, place);
CREATE INDEX prices_of ON prices (model, place);
"""
_HEAD: Final = "head"
_RULES: Final = "rules"
_ROLLED_BACK: Final = "rolled_back"
_PAUSED: Final = "paused"
_DEEP: Final = 10_000


@dataclass(frozen=True, slots=True)
class LaneRules:
    """What the contracts never change. genesis: unix seconds of epoch 0; windows in seconds.

    account: the provider's Compute account.
    """

    genesis: int
    epoch_seconds: int
    settle_window: int
    order_epochs: int
    account: int

    def epoch_at(self, moment: float) -> int:
        """The beacon's epoch at a time of the chain (unix seconds)."""
        return (int(moment) - self.genesis) // self.epoch_seconds


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """Where a channel stood at `block`.

    balance: wei; floor: sequences below are done with; window: bit i: floor + i is settled; closes_at: 0:
    open; promised: wei of the balance that a waiting voucher takes; covered: sequences below go with it;
    due_at: when it may, 0: none waits.
    """

    id: bytes
    balance: int
    floor: int
    window: int
    closes_at: int
    promised: int
    covered: int
    due_at: int
    block: int

    @property
    def spendable(self) -> int:
        """Wei that no waiting voucher takes."""
        return self.balance - min(self.promised, self.balance)


@dataclass(frozen=True, slots=True)
class _Head:
    """number, timestamp: of the newest block; since, seen: when the node first and last told of it.

    The latter two by this machine's clock, unix seconds.
    """

    number: int
    timestamp: int
    since: float
    seen: float


class View:
    """Reads the file. One per process; not for several threads.

    model_id: whose weights and prices are kept at hand; stale_s: seconds after which a view that nobody
    renewed is not trusted.
    """

    def __init__(
        self, path: Path, model_id: bytes, *, stale_s: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._model = model_id
        self._stale_s = stale_s
        self._clock = clock
        self._db: sqlite3.Connection | None = None
        self._version = -1
        self._found: dict[tuple[str, object], Any] = {}
        self._snapshots = Snapshots()
        self._read_to = (0, 0)
        self._rolled_back = ""

    def rules(self) -> LaneRules:
        """Raises MLBridgeError `lane.stale` while the agent has written nothing."""
        return self._once("rules", None, lambda: LaneRules(**json.loads(self._fact(_RULES))))

    def paused(self) -> bool:
        """Whether governance lets nothing new begin in the lane."""
        return self._once("paused", None, lambda: self._optional(_PAUSED) == "yes")

    def now(self) -> float:
        """The chain's time, unix seconds. Raises MLBridgeError `lane.stale` for a view that is too old."""
        age = self._clock() - self._head().seen
        if age > self._stale_s:
            raise _stale(f"the provider's agent last heard of the chain {age:.0f} s ago")
        return self.reckoned()

    def reckoned(self) -> float:
        """The chain's time by this machine's clock, however long ago anything was heard of it."""
        head = self._head()
        return head.timestamp + max(0.0, self._clock() - head.since)

    def _head(self) -> _Head:
        return self._once("head", None, lambda: _Head(**json.loads(self._fact(_HEAD))))

    def channel(self, channel: bytes) -> ChannelRow | None:
        """A channel by id."""

        def read() -> ChannelRow | None:
            row = self._row("SELECT * FROM channels WHERE id=?", channel)
            return None if row is None else _channel(row)

        return self._once("channel", channel, read)

    def seed(self, epoch: int) -> bytes | None:
        """An epoch's seed, 32 bytes."""

        def read() -> bytes | None:
            row = self._row("SELECT seed FROM seeds WHERE epoch=?", epoch)
            return None if row is None else bytes(row[0])

        return self._once("seed", epoch, read)

    def operator(self, node: str) -> int:
        """Id of the operator to whom a node key (checksummed address) was ever bound; 0: to none."""

        def read() -> int:
            row = self._row("SELECT operator FROM nodes WHERE node=?", node)
            return 0 if row is None else int(row[0])

        return self._once("operator", node, read)

    def snapshots(self) -> Snapshots:
        """Weights and prices of the model, as far as they are known now."""
        return self._once("snapshots", None, self._read_on)

    def _read_on(self) -> Snapshots:
        marker = self._optional(_ROLLED_BACK)
        if marker != self._rolled_back:
            self._snapshots, self._read_to, self._rolled_back = Snapshots(), (0, 0), marker
        weights, prices = self._read_to
        db = self._open()
        query = "SELECT place, account, epoch, weight FROM weights WHERE model=? AND place>? ORDER BY place"
        for place, account, epoch, weight in db.execute(query, (self._model, weights)):
            self._snapshots.record_weight(self._model, account, epoch, weight)
            weights = place
        query = "SELECT place, epoch, provider, price FROM prices WHERE model=? AND place>? ORDER BY place"
        for place, epoch, provider, price in db.execute(query, (self._model, prices)):
            known = None if price is None else int(price)
            self._snapshots.record_model(self._model, epoch, provider, known)
            prices = place
        self._read_to = weights, prices
        return self._snapshots

    def _once(self, kind: str, key: object, read: Callable[[], T]) -> T:
        """What was read since the file last changed, or is read now."""
        (version,) = self._open().execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self._found.clear()
            self._version = version
        name = kind, key
        if name not in self._found:
            self._found[name] = read()
        found: T = self._found[name]
        return found

    def _fact(self, name: str) -> str:
        found = self._optional(name)
        if not found:
            raise _stale("the provider's agent has not told it about the chain yet")
        return found

    def _optional(self, name: str) -> str:
        row = self._row("SELECT value FROM facts WHERE name=?", name)
        return "" if row is None else str(row[0])

    def _row(self, query: str, *values: object) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._open().execute(query, values).fetchone()
        return row

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            if not self._path.exists():
                raise _stale("the provider's agent has not written it yet")
            self._db = sqlite3.connect(self._path, isolation_level=None, timeout=5)
        return self._db


class ViewWriter:
    """Writes the file; one process at a time. `with writer:` makes one transaction of what is put in it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version != _VERSION:
            self._make()

    def close(self) -> None:
        self._db.close()

    def _make(self) -> None:
        """In the file that is there: replicas hold it open."""
        with self as db:
            tables = db.execute(
                "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite%'"
            )
            for (name,) in tables.fetchall():
                db.execute(f"DROP TABLE {name}")
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version={_VERSION}")

    def __enter__(self) -> sqlite3.Connection:
        self._db.execute("BEGIN IMMEDIATE")
        return self._db

    def __exit__(self, kind: object, *_: object) -> None:
        self._db.execute("ROLLBACK" if kind is not None else "COMMIT")

    # ---- what the agent knows ----
    def fact(self, name: str) -> str | None:
        """A fact of the agent's own, such as its place in the chain."""
        row = self._db.execute("SELECT value FROM facts WHERE name=?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def put_fact(self, name: str, value: str) -> None:
        self._put(name, value)

    def put_rules(self, rules: LaneRules) -> None:
        self._put(_RULES, json.dumps(asdict(rules)))

    def put_paused(self, paused: bool) -> None:
        """Whether governance lets nothing new begin in the lane."""
        self._put(_PAUSED, "yes" if paused else "no")

    def put_head(self, number: int, timestamp: int, seen: float) -> None:
        """The chain node told of this newest block at `seen` (this machine's unix seconds)."""
        told = self.fact(_HEAD)
        before = None if told is None else _Head(**json.loads(told))
        same = before is not None and (before.number, before.timestamp) == (number, timestamp)
        since = before.since if before is not None and same else seen
        self._put(_HEAD, json.dumps(asdict(_Head(number, timestamp, since, seen))))

    def put_channels(self, rows: Iterable[ChannelRow], unknown: Iterable[bytes] = ()) -> None:
        """Channels as they stand now; those that are unknown to the chain are dropped."""
        for row in rows:
            window = row.window.to_bytes(8, "big")
            values = (row.id, str(row.balance), row.floor, window, row.closes_at, str(row.promised))
            self._db.execute(
                "INSERT OR REPLACE INTO channels VALUES (?,?,?,?,?,?,?,?,?)",
                (*values, row.covered, row.due_at, row.block),
            )
        for channel in unknown:
            self._db.execute("DELETE FROM channels WHERE id=?", (channel,))

    def channels_since(self, block: int) -> list[bytes]:
        """Channels that were read at this block or later."""
        rows = self._db.execute("SELECT id FROM channels WHERE block>=?", (block,)).fetchall()
        return [bytes(channel) for (channel,) in rows]

    def ending_channels(self) -> list[ChannelRow]:
        """Channels that are being closed, or of which a voucher takes something soon."""
        rows = self._db.execute("SELECT * FROM channels WHERE closes_at!=0 OR due_at!=0").fetchall()
        return [_channel(row) for row in rows]

    def put_seed(self, epoch: int, seed: bytes, block: int) -> None:
        self._db.execute("INSERT OR REPLACE INTO seeds VALUES (?,?,?)", (epoch, seed, block))

    def put_weight(self, model_id: bytes, account: int, epoch: int, weight: int, block: int) -> None:
        self._db.execute(
            "INSERT INTO weights (model, account, epoch, weight, block) VALUES (?,?,?,?,?)",
            (model_id, account, epoch, weight, block),
        )

    def put_price(self, model_id: bytes, epoch: int, provider: str, price: int | None, block: int) -> None:
        self._db.execute(
            "INSERT INTO prices (model, epoch, price, provider, block) VALUES (?,?,?,?,?)",
            (model_id, epoch, None if price is None else str(price), provider, block),
        )

    def put_node(self, node: str, operator: int) -> None:
        """A node key's operator: a binding is for ever, so no reorganisation has to take it back."""
        self._db.execute("INSERT OR REPLACE INTO nodes VALUES (?,?)", (node, operator))

    def put_batch(self, batch: bytes, block: int) -> None:
        """A batch was posted in this block."""
        self._db.execute("INSERT OR IGNORE INTO batches VALUES (?,?,NULL)", (batch, block))

    def open_batches(self) -> list[tuple[bytes, int]]:
        """(id, block) of batches that may still pay us, oldest first."""
        return self._db.execute(
            "SELECT id, block FROM batches WHERE ending IS NULL ORDER BY block"
        ).fetchall()

    def end_batch(self, batch: bytes, ending: str) -> None:
        self._db.execute("UPDATE batches SET ending=? WHERE id=?", (ending, batch))

    def forget_batches(self, depth: int = _DEEP) -> int:
        """Drop batches that ended and lie `depth` blocks below the head, where no reorganisation has them
        read again; how many.
        """
        told = self.fact(_HEAD)
        if told is None:
            return 0
        below = _Head(**json.loads(told)).number - depth
        return self._db.execute("DELETE FROM batches WHERE ending IS NOT NULL AND block<?", (below,)).rowcount

    def last_weight(self, model_id: bytes, account: int) -> int | None:
        """The newest recorded weight; None if it never was."""
        query = "SELECT weight FROM weights WHERE model=? AND account=? ORDER BY place DESC LIMIT 1"
        row = self._db.execute(query, (model_id, account)).fetchone()
        return None if row is None else int(row[0])

    def last_price(self, model_id: bytes) -> tuple[bool, int | None]:
        """(whether it was ever recorded, the newest price in wei; None: not active)."""
        query = "SELECT price FROM prices WHERE model=? ORDER BY place DESC LIMIT 1"
        row = self._db.execute(query, (model_id,)).fetchone()
        return (False, None) if row is None else (True, None if row[0] is None else int(row[0]))

    def void_from(self, block: int) -> None:
        """Blocks from `block` on left the chain: what they recorded is void, and readers begin anew."""
        for table in ("seeds", "weights", "prices", "batches"):
            self._db.execute(f"DELETE FROM {table} WHERE block>=?", (block,))  # noqa: S608 - constants
        self._put(_ROLLED_BACK, str(int(self.fact(_ROLLED_BACK) or 0) + 1))

    def _put(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?,?)", (name, value))


def _channel(row: tuple[Any, ...]) -> ChannelRow:
    channel, balance, floor, window, closes_at, promised, covered, due_at, block = row
    seen = int.from_bytes(window, "big")
    return ChannelRow(channel, int(balance), floor, seen, closes_at, int(promised), covered, due_at, block)


def _stale(reason: str) -> MLBridgeError:
    return MLBridgeError(
        "lane.stale",
        f"This member does not know how the chain stands: {reason}.",
        hint="Try again in a while.",
        retry_after=5,
    )
