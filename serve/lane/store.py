"""What a member must never forget: which orders it took, what it committed to, what it attested, and what the
provider's agent answered on chain.

One SQLite file (WAL) for all replicas of a provider on a machine. The first word on an order stands: whoever
writes a second one gets the first back, so neither a crash nor two replicas at once make a member sign two
results or two closed sets. What leaves the machine is on disk before. Reservations are written without
waiting for the disk: a power cut may take those that led to nothing.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlbridge import procs
from mlbridge.errors import MLBridgeError
from serve.lane.group import GroupWriter, broken, connect

_SCHEMA_VERSION: Final = 2
_ANSWERS: Final = """
CREATE TABLE answers (
    digest BLOB PRIMARY KEY, result BLOB NOT NULL, salt BLOB NOT NULL, output BLOB NOT NULL,
    until INTEGER NOT NULL
);
"""
_SCHEMA: Final = f"""{_ANSWERS}
CREATE TABLE orders (
    digest BLOB PRIMARY KEY, account INTEGER NOT NULL, channel BLOB NOT NULL, sequence INTEGER NOT NULL,
    fee TEXT NOT NULL, deadline INTEGER NOT NULL, coordinator TEXT NOT NULL, offer BLOB NOT NULL,
    worker INTEGER NOT NULL, worker_started INTEGER NOT NULL,
    result BLOB, salt BLOB, commitment BLOB, output BLOB, bound_at REAL,
    closed BLOB, attestation BLOB, ending TEXT,
    UNIQUE (channel, sequence)
);
CREATE INDEX bound ON orders (coordinator, bound_at);
CREATE INDEX owed ON orders (deadline) WHERE attestation IS NOT NULL AND ending IS NULL;
CREATE TABLE others (
    digest BLOB NOT NULL, account INTEGER NOT NULL, attestation BLOB NOT NULL, PRIMARY KEY (digest, account)
) WITHOUT ROWID;
"""
_REMEMBERED_S: Final = 600.0
_REMEMBERED: Final = 256
_TO_CLOSE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Claim:
    """An order that is about to be computed.

    fee: wei; deadline: unix seconds; coordinator: checksummed address; offer: as it travels, without its
    input, for a settlement without the coordinator.
    spendable: wei of its channel; floor, window: its sequences, as the chain has them (bit i of the window:
    floor + i is settled).
    """

    digest: bytes
    account: int
    channel: bytes
    sequence: int
    fee: int
    deadline: int
    coordinator: str
    offer: bytes
    spendable: int
    floor: int
    window: int


@dataclass(frozen=True, slots=True)
class Held:
    """An order that the member bound itself to. commitment, closed, attestation: as they travel.

    closed and attestation: None until it revealed.
    """

    digest: bytes
    account: int
    channel: bytes
    sequence: int
    deadline: int
    coordinator: str
    offer: bytes
    result: bytes
    salt: bytes
    commitment: bytes
    output: bytes
    closed: bytes | None
    attestation: bytes | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider says to an order, off chain or on chain. output: the payload behind the result."""

    result: bytes
    salt: bytes
    output: bytes


_HELD: Final = ", ".join(Held.__match_args__)


class LaneStore:
    """Open in each process that needs it. Reads block for microseconds, writes are awaited."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        """Open or create. Raises MLBridgeError `lane.store`."""
        self._clock = clock
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._path = path
        self._me = procs.Process(os.getpid(), procs.start_time(os.getpid()))
        try:
            self._reader = connect(path, "NORMAL")
            self._prepare()
            self._writer = GroupWriter(path)
        except sqlite3.Error as error:
            raise broken(path, error) from error

    def _prepare(self) -> None:
        db = self._reader
        db.execute("BEGIN IMMEDIATE")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version in (0, 1):
            for statement in (_ANSWERS if version else _SCHEMA).split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version={_SCHEMA_VERSION}")
        db.execute("COMMIT")
        if version not in (0, 1, _SCHEMA_VERSION):
            raise MLBridgeError(
                "lane.store",
                f"{self._path} has format {version}; this program writes format {_SCHEMA_VERSION}.",
                hint="Use the version of mlbridge that wrote it.",
            )

    def close(self) -> None:
        """After what was asked for is written."""
        self._writer.close()
        self._reader.close()

    # ---- reading ----
    def held(self, digest: bytes) -> Held | None:
        """The order, if a commitment to it stands."""
        return _held(self._reader, digest)

    def answered(self, digest: bytes) -> Answer | None:
        """What this provider bound itself to, to a coordinator or on chain; None: to nothing yet."""
        return _answered(self._reader, digest)

    def owed(self, before: float, *, most: int = 100) -> list[Held]:
        """Attested orders of unknown ending whose deadline passed before `before` (unix seconds)."""
        rows = self._reader.execute(
            f"SELECT {_HELD} FROM orders WHERE attestation IS NOT NULL AND ending IS NULL AND deadline<? "  # noqa: S608
            "ORDER BY deadline LIMIT ?",
            (int(before), most),
        )
        return [Held(*row) for row in rows.fetchall()]

    def attested(self, channel: bytes, start: int, end: int) -> list[Held]:
        """Attested orders of a channel with sequences from `start` on and below `end`, ended or not."""
        rows = self._reader.execute(
            f"SELECT {_HELD} FROM orders WHERE attestation IS NOT NULL AND channel=? "  # noqa: S608 - constants
            "AND sequence>=? AND sequence<? ORDER BY sequence",
            (channel, start, end),
        )
        return [Held(*row) for row in rows.fetchall()]

    def unsettled(self, channel: bytes, end: int) -> list[Held]:
        """Attested orders of a channel with sequences below `end` whose ending is not known."""
        rows = self._reader.execute(
            f"SELECT {_HELD} FROM orders WHERE attestation IS NOT NULL AND ending IS NULL "  # noqa: S608
            "AND channel=? AND sequence<? ORDER BY sequence",
            (channel, end),
        )
        return [Held(*row) for row in rows.fetchall()]

    def unclosed(self, coordinator: str) -> tuple[int, int]:
        """Of the orders of the last minutes that this member committed to for a coordinator (checksummed
        address): (how many it did not close, how many there are). The newest do not count yet.
        """
        now = self._clock()
        row = self._reader.execute(
            "SELECT COALESCE(SUM(attestation IS NULL), 0), COUNT(*) FROM "
            "(SELECT attestation FROM orders WHERE coordinator=? AND bound_at BETWEEN ? AND ? "
            "ORDER BY bound_at DESC LIMIT ?)",
            (coordinator, now - _REMEMBERED_S, now - _TO_CLOSE_S, _REMEMBERED),
        ).fetchone()
        return int(row[0]), int(row[1])

    def others(self, digest: bytes) -> dict[int, bytes]:
        """Attestations of other seats, as they travel, by account."""
        rows = self._reader.execute("SELECT account, attestation FROM others WHERE digest=?", (digest,))
        return dict(rows.fetchall())

    def endings(self) -> dict[str, int]:
        """How many orders ended how; `open` for those of which nothing is known."""
        rows = self._reader.execute("SELECT COALESCE(ending, 'open'), COUNT(*) FROM orders GROUP BY 1")
        return dict(rows.fetchall())

    # ---- writing ----
    async def accept(self, claim: Claim) -> Held | None:
        """Reserve an order's fee and sequence before it is computed; what is held if it was committed to.

        Raises MLBridgeError `lane.in_work` while another process computes it, `lane.sequence_taken` if its
        sequence belongs to another order, `lane.funds` if the channel does not cover it any more.
        """
        return await self._writer.write(lambda db: self._accept(db, claim), durable=False)

    async def release(self, digest: bytes) -> None:
        """Give up a reservation that led to no commitment."""
        await self._writer.write(
            lambda db: db.execute("DELETE FROM orders WHERE digest=? AND commitment IS NULL", (digest,)),
            durable=False,
        )

    async def bind(
        self, digest: bytes, *, result: bytes, salt: bytes, commitment: bytes, output: bytes
    ) -> Held:
        """The member's commitment to an order: the one that stands, or else this one. On disk.

        Raises MLBridgeError `lane.answered` if another result was given on chain meanwhile.
        """

        def work(db: sqlite3.Connection) -> Held:
            said = db.execute("SELECT result FROM answers WHERE digest=?", (digest,)).fetchone()
            if said is not None and said[0] != result:
                raise MLBridgeError(
                    "lane.answered", "The order was answered on chain meanwhile.", retry_after=1
                )
            db.execute(
                "UPDATE orders SET result=?, salt=?, commitment=?, output=?, bound_at=? "
                "WHERE digest=? AND commitment IS NULL",
                (result, salt, commitment, output, self._clock(), digest),
            )
            return _known(db, digest)

        return await self._writer.write(work, durable=True)

    async def answer(self, digest: bytes, answer: Answer, *, until: int) -> Answer:
        """What is said on chain to an order: what the provider bound itself to, or else this. On disk.

        until: unix seconds after which nobody can ask for the order any more.
        """

        def work(db: sqlite3.Connection) -> Answer:
            stands = _answered(db, digest)
            if stands is None:
                row = digest, answer.result, answer.salt, answer.output, until
                db.execute("INSERT INTO answers VALUES (?,?,?,?,?)", row)
            return stands or answer

        return await self._writer.write(work, durable=True)

    async def attest(self, digest: bytes, *, closed: bytes, attestation: bytes) -> Held:
        """The member's attestation of an order: the one that stands, or else this one. On disk."""

        def work(db: sqlite3.Connection) -> Held:
            db.execute(
                "UPDATE orders SET closed=?, attestation=? WHERE digest=? AND attestation IS NULL",
                (closed, attestation, digest),
            )
            return _known(db, digest)

        return await self._writer.write(work, durable=True)

    async def keep_others(self, digest: bytes, attestations: Sequence[tuple[int, bytes]]) -> None:
        """Attestations of other seats that were found to be right."""
        rows = [(digest, account, attestation) for account, attestation in attestations]
        await self._writer.write(
            lambda db: db.executemany("INSERT OR IGNORE INTO others VALUES (?,?,?)", rows), durable=False
        )

    async def end(self, digest: bytes, ending: str | None) -> None:
        """How an order ended on chain; None: that was taken back."""
        await self._writer.write(
            lambda db: db.execute("UPDATE orders SET ending=? WHERE digest=?", (ending, digest)),
            durable=False,
        )

    async def prune(self, before: float) -> int:
        """Drop orders whose deadline passed before `before` (unix seconds), when none can settle; how many.

        They are refused by their deadline from then on, so nothing is signed twice.
        """

        def work(db: sqlite3.Connection) -> int:
            db.execute(
                "DELETE FROM others WHERE digest IN (SELECT digest FROM orders WHERE deadline<?)",
                (int(before),),
            )
            db.execute("DELETE FROM answers WHERE until<?", (int(before),))
            return db.execute("DELETE FROM orders WHERE deadline<?", (int(before),)).rowcount

        return await self._writer.write(work, durable=False)

    def _accept(self, db: sqlite3.Connection, claim: Claim) -> Held | None:
        query = "SELECT commitment IS NOT NULL, worker, worker_started FROM orders WHERE digest=?"
        row = db.execute(query, (claim.digest,)).fetchone()
        if row is not None:
            done, *worker = row
            if done:
                return _known(db, claim.digest)
            self._take_over(db, claim.digest, procs.Process(*worker))
            return None
        query = "SELECT 1 FROM orders WHERE channel=? AND sequence=?"
        if db.execute(query, (claim.channel, claim.sequence)).fetchone() is not None:
            raise MLBridgeError(
                "lane.sequence_taken",
                f"Sequence {claim.sequence} of this channel belongs to another order here.",
                hint="Each sequence settles once: sign the next one.",
                exit_code=4,
            )
        rows = db.execute(
            "SELECT sequence, fee FROM orders WHERE channel=? AND sequence>=?", (claim.channel, claim.floor)
        )
        waiting = sum(int(fee) for number, fee in rows if not claim.window >> number - claim.floor & 1)
        if waiting + claim.fee > claim.spendable:
            raise MLBridgeError(
                "lane.funds",
                f"The channel has {claim.spendable} wei to spend, of which {waiting} are spoken for here, "
                f"and the order costs {claim.fee}.",
                hint="Top it up.",
                exit_code=4,
            )
        db.execute(
            "INSERT INTO orders (digest, account, channel, sequence, fee, deadline, coordinator, offer, "
            "worker, worker_started) VALUES (?,?,?,?,?,?,?,?,?,?)",
            (
                claim.digest,
                claim.account,
                claim.channel,
                claim.sequence,
                str(claim.fee),
                claim.deadline,
                claim.coordinator,
                claim.offer,
                *self._me,
            ),
        )
        return None

    def _take_over(self, db: sqlite3.Connection, digest: bytes, worker: procs.Process) -> None:
        if worker != self._me and procs.alive(worker):
            raise MLBridgeError(
                "lane.in_work", "Another replica of this model computes the order.", retry_after=1
            )
        db.execute("UPDATE orders SET worker=?, worker_started=? WHERE digest=?", (*self._me, digest))


def _held(db: sqlite3.Connection, digest: bytes) -> Held | None:
    query = f"SELECT {_HELD} FROM orders WHERE digest=? AND commitment IS NOT NULL"  # noqa: S608 - constants
    row = db.execute(query, (digest,)).fetchone()
    return Held(*row) if row else None


def _answered(db: sqlite3.Connection, digest: bytes) -> Answer | None:
    row = db.execute(
        "SELECT result, salt, output FROM orders WHERE digest=:digest AND commitment IS NOT NULL "
        "UNION ALL SELECT result, salt, output FROM answers WHERE digest=:digest",
        {"digest": digest},
    ).fetchone()
    return Answer(*row) if row else None


def _known(db: sqlite3.Connection, digest: bytes) -> Held:
    held = _held(db, digest)
    if held is None:
        raise MLBridgeError("lane.unknown_order", "No commitment of this member to that order is known.")
    return held
