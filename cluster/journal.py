"""What a provider must never forget: results, salts, commitments, votes, transactions, income.

What is sent anywhere is on disk before (SQLite, WAL, synchronous=FULL), and the first word stands: writing a
row that exists returns the row, so that after a crash at any point the same bytes are used again. What the
chain can tell again (seats, outcomes, income, the follower's place) is written without waiting for the disk;
a power cut may take the latest of it, in order, and the follower then reads it once more. Totals are kept up
with every change; `prune` drops tasks of long ago and keeps what they add to the totals.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import RoundKind

_PRUNED = "pruned"
_SCHEMA_VERSION = 2
_SCHEMA = """
CREATE TABLE results (
    task BLOB NOT NULL, input_hash BLOB NOT NULL, content BLOB NOT NULL, payload BLOB NOT NULL,
    seconds REAL NOT NULL, created REAL NOT NULL, PRIMARY KEY (task, input_hash)
) WITHOUT ROWID;
CREATE TABLE votes (
    task BLOB NOT NULL, round INTEGER NOT NULL, account INTEGER NOT NULL, payload BLOB NOT NULL,
    PRIMARY KEY (task, round, account)
) WITHOUT ROWID;
CREATE TABLE bonds (
    task BLOB NOT NULL, round INTEGER NOT NULL, account INTEGER NOT NULL,
    content BLOB NOT NULL, digest BLOB NOT NULL, salt BLOB NOT NULL, commitment BLOB NOT NULL,
    commit_tx TEXT, reveal_tx TEXT, created REAL NOT NULL, PRIMARY KEY (task, round, account)
) WITHOUT ROWID;
CREATE TABLE seats (
    task BLOB NOT NULL, round INTEGER NOT NULL, account INTEGER NOT NULL, kind INTEGER NOT NULL,
    block INTEGER NOT NULL, block_hash TEXT NOT NULL, deadline REAL NOT NULL,
    void INTEGER NOT NULL DEFAULT 0, outcome TEXT, closed INTEGER, seen REAL NOT NULL,
    PRIMARY KEY (task, round, account)
) WITHOUT ROWID;
CREATE INDEX open_seats ON seats (outcome) WHERE outcome IS NULL;
CREATE TABLE income (
    tx TEXT NOT NULL, log_index INTEGER NOT NULL, block INTEGER NOT NULL, kind TEXT NOT NULL,
    account INTEGER NOT NULL, task BLOB NOT NULL, amount TEXT NOT NULL,
    PRIMARY KEY (tx, log_index, account)
) WITHOUT ROWID;
CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""
_OUTCOMES = "SELECT COALESCE(outcome, 'open'), COUNT(*) FROM seats WHERE void=0"
_FROM_1 = "ALTER TABLE seats DROP COLUMN model;"


@dataclass(frozen=True, slots=True)
class Result:
    """Our own result of a task. content: tagged bytes for the chain; payload: what they stand for."""

    content: bytes
    payload: bytes
    seconds: float


@dataclass(frozen=True, slots=True)
class Bond:
    """What one account bound itself to in one round; `content` and `salt` open `commitment`."""

    task: bytes
    round: int
    account: int
    content: bytes
    digest: bytes
    salt: bytes
    commitment: bytes
    commit_tx: str | None = None
    reveal_tx: str | None = None


@dataclass(frozen=True, slots=True)
class SeatRow:
    """A seat of ours, as drawn. deadline: end of its commit window (unix s); outcome: None while open."""

    task: bytes
    round: int
    account: int
    kind: RoundKind
    block: int
    block_hash: str
    deadline: float
    void: bool = False
    outcome: str | None = None


class Journal:
    """One provider's journal. Safe to use from several threads; one process owns it at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create. Raises MLBridgeError `journal.version` or `journal.damaged`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._prepare(path)
            self._quick = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
            self._quick.execute("PRAGMA synchronous=NORMAL")
            self._add_up()
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise MLBridgeError(
                "journal.damaged",
                f"The journal {path} cannot be read: {error}.",
                hint="Restore it from a backup before serving: without its salts, open commitments are lost.",
            ) from error

    def _prepare(self, path: Path) -> None:
        with self._write() as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version in (0, 1):
                for statement in (_FROM_1 if version else _SCHEMA).split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version={_SCHEMA_VERSION}")
            elif version != _SCHEMA_VERSION:
                raise MLBridgeError(
                    "journal.version",
                    f"The journal {path} has format {version}; this program writes format {_SCHEMA_VERSION}.",
                    hint="Use the version of mlbridge that wrote it.",
                )

    def close(self) -> None:
        with self._lock:
            self._quick.close()
            self._db.close()

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on disk when the block ends."""
        with self._transaction(self._db) as db:
            yield db

    @contextmanager
    def _note_down(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on disk soon."""
        with self._transaction(self._quick) as db:
            yield db

    @contextmanager
    def _transaction(self, db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
        with self._lock:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def _row(self, query: str, *values: Any) -> tuple[Any, ...] | None:
        with self._lock:
            row: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
            return row

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    # ---- our own results ----
    def result(self, task: bytes, input_hash: bytes) -> Result | None:
        row = self._row(
            "SELECT content, payload, seconds FROM results WHERE task=? AND input_hash=?", task, input_hash
        )
        return Result(*row) if row else None

    def keep_result(self, task: bytes, input_hash: bytes, result: Result) -> Result:
        """Store our result unless there is one; returns the one that stands."""
        with self._write() as db:
            db.execute(
                "INSERT OR IGNORE INTO results VALUES (?,?,?,?,?,?)",
                (task, input_hash, result.content, result.payload, result.seconds, time.time()),
            )
            kept = self.result(task, input_hash)
        return kept or result

    def votes(self, task: bytes, round: int, account: int) -> bytes | None:
        row = self._row(
            "SELECT payload FROM votes WHERE task=? AND round=? AND account=?", task, round, account
        )
        return row[0] if row else None

    def keep_votes(self, task: bytes, round: int, account: int, payload: bytes) -> bytes:
        """Store our votes of a round unless there are some; returns those that stand."""
        with self._write() as db:
            db.execute("INSERT OR IGNORE INTO votes VALUES (?,?,?,?)", (task, round, account, payload))
            return self.votes(task, round, account) or payload

    # ---- commitments ----
    def bond(self, task: bytes, round: int, account: int) -> Bond | None:
        row = self._row(
            "SELECT task, round, account, content, digest, salt, commitment, commit_tx, reveal_tx FROM bonds "
            "WHERE task=? AND round=? AND account=?",
            task,
            round,
            account,
        )
        return Bond(*row) if row else None

    def bind(self, task: bytes, round: int, account: int, make: Callable[[], Bond]) -> Bond:
        """The commitment of this seat: the one on disk, or else what `make` gives, on disk when this returns.

        Nothing else creates salts, so a seat never has two.
        """
        with self._write() as db:
            kept = self.bond(task, round, account)
            if kept is not None:
                return kept
            made = make()
            if (made.task, made.round, made.account) != (task, round, account):
                raise MLBridgeError("journal.seat", "A commitment was made for another seat than asked for.")
            db.execute(
                "INSERT INTO bonds VALUES (?,?,?,?,?,?,?,NULL,NULL,?)",
                (task, round, account, made.content, made.digest, made.salt, made.commitment, time.time()),
            )
            return made

    def note_commit(self, bond: Bond, tx: str) -> None:
        self._note(bond, "commit_tx", tx)

    def note_reveal(self, bond: Bond, tx: str) -> None:
        self._note(bond, "reveal_tx", tx)

    def _note(self, bond: Bond, column: str, tx: str) -> None:
        with self._note_down() as db:
            db.execute(
                f"UPDATE bonds SET {column}=? WHERE task=? AND round=? AND account=?",  # noqa: S608 - a constant
                (tx, bond.task, bond.round, bond.account),
            )

    # ---- seats ----
    def seat(self, row: SeatRow) -> None:
        """A draw gave us a seat. A seat that a reorganisation had voided is ours again."""
        with self._counted(row.task) as db:
            db.execute(
                "INSERT INTO seats VALUES (?,?,?,?,?,?,?,0,NULL,NULL,?) ON CONFLICT DO UPDATE SET "
                "block=excluded.block, block_hash=excluded.block_hash, deadline=excluded.deadline, void=0",
                (
                    row.task,
                    row.round,
                    row.account,
                    int(row.kind),
                    row.block,
                    row.block_hash,
                    row.deadline,
                    time.time(),
                ),
            )

    def void_from(self, block: int) -> list[bytes]:
        """Blocks from `block` on left the chain: what was drawn or earned there is void.

        Returns the tasks whose seats are void until seen again. Results and commitments stay and are used
        then.
        """
        with self._note_down() as db:
            tasks = db.execute(
                "SELECT DISTINCT task FROM seats WHERE block>=? AND void=0", (block,)
            ).fetchall()
            db.execute("UPDATE seats SET void=1 WHERE block>=?", (block,))
            db.execute("UPDATE seats SET outcome=NULL, closed=NULL WHERE closed>=?", (block,))
            db.execute("DELETE FROM income WHERE block>=?", (block,))
        self._add_up()
        return [task for (task,) in tasks]

    def close_seat(self, task: bytes, account: int, outcome: str, block: int) -> int:
        """How our seats of a task ended, seen in `block`. The first outcome stands; returns how many got
        this.
        """
        with self._counted(task) as db:
            changed = db.execute(
                "UPDATE seats SET outcome=?, closed=? WHERE task=? AND account=? AND outcome IS NULL",
                (outcome, block, task, account),
            )
            return changed.rowcount

    def open_tasks(self) -> list[bytes]:
        """Tasks with a seat of ours that has not ended, oldest first."""
        rows = self._rows(
            "SELECT task FROM seats WHERE outcome IS NULL AND void=0 GROUP BY task ORDER BY MIN(seen)"
        )
        return [task for (task,) in rows]

    def seats(self, task: bytes) -> list[SeatRow]:
        rows = self._rows(
            "SELECT task, round, account, kind, block, block_hash, deadline, void, outcome FROM seats "
            "WHERE task=? ORDER BY round, account",
            task,
        )
        return [
            SeatRow(t, r, a, RoundKind(kind), block, block_hash, deadline, bool(void), outcome)
            for t, r, a, kind, block, block_hash, deadline, void, outcome in rows
        ]

    def outcomes(self) -> dict[str, int]:
        """How many seats ended how; `open` for those that have not."""
        with self._lock:
            return {outcome: count for outcome, count in self._outcomes.items() if count}

    @contextmanager
    def _counted(self, task: bytes) -> Iterator[sqlite3.Connection]:
        """A transaction on one task's seats that keeps the count of outcomes true."""
        query = f"{_OUTCOMES} AND task=? GROUP BY 1"
        with self._lock:
            with self._note_down() as db:
                before = db.execute(query, (task,)).fetchall()
                yield db
                after = db.execute(query, (task,)).fetchall()
            self._outcomes.subtract(dict(before))
            self._outcomes.update(dict(after))

    # ---- income ----
    def earn(
        self, tx: str, log_index: int, block: int, kind: str, account: int, task: bytes, amount: int
    ) -> bool:
        """A payment seen on chain, once. kind: `seat` (wei), `judge` (MLB) or `slash` (MLB lost)."""
        with self._lock:
            with self._note_down() as db:
                added = db.execute(
                    "INSERT OR IGNORE INTO income VALUES (?,?,?,?,?,?,?)",
                    (tx, log_index, block, kind, account, task, str(amount)),
                ).rowcount
            if added:
                self._income[kind] += amount
            return added > 0

    def income(self) -> dict[str, int]:
        """Totals by kind, in base units."""
        with self._lock:
            return dict(self._income)

    # ---- totals ----
    def _add_up(self) -> None:
        """The totals anew: what was pruned, and every row."""
        pruned = json.loads(self.fact(_PRUNED) or b'{"outcomes": {}, "income": {}}')
        with self._lock:
            self._outcomes = Counter(pruned["outcomes"])
            self._outcomes.update(dict(self._rows(f"{_OUTCOMES} GROUP BY 1")))
            self._income = Counter({kind: int(amount) for kind, amount in pruned["income"].items()})
            for kind, amount in self._rows("SELECT kind, amount FROM income"):
                self._income[kind] += int(amount)

    def prune(self, before: float) -> int:
        """Drop tasks none of whose seats is open or was drawn later than `before` (unix s); how many."""
        with self._lock:
            gone = self._rows(
                "SELECT task FROM seats GROUP BY task "
                "HAVING MAX(seen)<? AND SUM(outcome IS NULL AND void=0)=0",
                before,
            )
            outcomes, income = self._outcomes.copy(), self._income.copy()
            with self._note_down() as db:
                for table in ("seats", "income", "bonds", "votes", "results"):
                    db.executemany(f"DELETE FROM {table} WHERE task=?", gone)  # noqa: S608 - constants
                # What the rows that stay do not add up to is what was pruned, now and before.
                outcomes.subtract(dict(db.execute(f"{_OUTCOMES} GROUP BY 1").fetchall()))
                for kind, amount in db.execute("SELECT kind, amount FROM income"):
                    income[kind] -= int(amount)
                kept = {"outcomes": outcomes, "income": {kind: str(n) for kind, n in income.items()}}
                self._set_fact(db, _PRUNED, json.dumps(kept).encode())
        return len(gone)

    # ---- small facts ----
    def fact(self, name: str) -> bytes | None:
        row = self._row("SELECT value FROM facts WHERE name=?", name)
        return row[0] if row else None

    def set_fact(self, name: str, value: bytes) -> None:
        with self._note_down() as db:
            self._set_fact(db, name, value)

    @staticmethod
    def _set_fact(db: sqlite3.Connection, name: str, value: bytes) -> None:
        db.execute(
            "INSERT INTO facts VALUES (?,?) ON CONFLICT DO UPDATE SET value=excluded.value", (name, value)
        )
