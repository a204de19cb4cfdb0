"""What the coordinator still has to send, as rows that survive it: paid submissions and pokes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import Row, func, select, update

from coordinator import tables
from coordinator.store import Store
from mlbridge.errors import MLBridgeError

# queued: nothing sent yet; sending: a transaction may be out; done, failed: no more to send.
WAITING = ("queued", "sending")
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Submission:
    """One paid task that a client asked for.

    key: the client's idempotency key; fingerprint: of the request, to refuse the key for another one;
    input_data: tagged bytes, 0x hex; deadline: unix seconds; payment: wei; not_before: unix seconds.
    """

    key: str
    fingerprint: str
    task_id: str
    model_id: str
    kind: str
    input_data: str
    deadline: int
    seats: int
    salt: str
    payment: int
    status: str
    attempts: int
    not_before: float
    tx_hash: str | None
    error_code: str | None
    error: str | None
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class PokeRow:
    """The step that a task waits for. not_before: unix seconds of the next try; attempts: pokes sent."""

    task_id: str
    key: str
    after_block: int
    after_time: int
    not_before: float
    attempts: int
    outcome: str | None
    tx_hash: str | None


class Outbox:
    """The submissions and pokes of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # ---- submissions ----

    async def add(
        self, submission: Submission, *, queue_limit: int, daily_wei: int | None
    ) -> tuple[Submission, bool]:
        """Keep a new submission; with a known key, the one that is kept already, and False.

        queue_limit: most submissions that may wait; daily_wei: most wei to pay within 24 h, None: no limit.
        Raises MLBridgeError `submission.key_reused`, `coordinator.full` or `coordinator.budget`.
        """
        table = tables.submissions
        async with self._store.writing, self._store.engine.begin() as connection:
            row = (await connection.execute(select(table).where(table.c.key == submission.key))).first()
            if row is not None:
                return _same_request(_submission(row), submission.fingerprint), False
            waiting = await connection.scalar(
                select(func.count()).select_from(table).where(table.c.status.in_(WAITING))
            )
            if int(waiting or 0) >= queue_limit:
                raise MLBridgeError(
                    "coordinator.full",
                    f"{waiting} submissions wait already; this coordinator takes {queue_limit}.",
                    hint="Try again in a few seconds with the same idempotency key.",
                    retry_after_s=5,
                )
            if daily_wei is not None:
                since = submission.created_at - DAY_S
                rows = await connection.execute(
                    select(table.c.payment).where(table.c.created_at > since, table.c.status != "failed")
                )
                spent = sum(int(row.payment) for row in rows)
                if spent + submission.payment > daily_wei:
                    raise MLBridgeError(
                        "coordinator.budget",
                        f"This task would cost {submission.payment} wei; {max(daily_wei - spent, 0)} of "
                        f"{daily_wei} wei are left for 24 hours.",
                        hint="Raise submissions.daily_wei, or wait.",
                        exit_code=4,
                    )
            values = asdict(submission) | {"payment": str(submission.payment)}
            await connection.execute(table.insert().values(values))
        return submission, True

    async def submission(self, *, key: str | None = None, task_id: str | None = None) -> Submission | None:
        """A submission by its key or by its task."""
        table = tables.submissions
        wanted = table.c.key == key if key is not None else table.c.task_id == task_id
        async with self._store.engine.connect() as connection:
            row = (await connection.execute(select(table).where(wanted))).first()
        return None if row is None else _submission(row)

    async def submissions_due(self, now: float, *, limit: int) -> list[Submission]:
        """Submissions whose transaction is to be sent, or to be looked for, oldest first."""
        table = tables.submissions
        query = (
            select(table)
            .where(table.c.status.in_(WAITING), table.c.not_before <= now)
            .order_by(table.c.created_at)
            .limit(limit)
        )
        async with self._store.engine.connect() as connection:
            return [_submission(row) for row in await connection.execute(query)]

    async def submissions_lost(self, *, older_than: float, limit: int) -> list[Submission]:
        """Submissions counted as done whose task is unknown: taken back by a reorganisation.

        older_than: only those done before this time (unix seconds), so that the follower has seen them.
        """
        table = tables.submissions
        query = (
            select(table)
            .outerjoin(tables.tasks, tables.tasks.c.task_id == table.c.task_id)
            .where(
                table.c.status == "done",
                table.c.updated_at < older_than,
                tables.tasks.c.task_id.is_(None),
            )
            .order_by(table.c.created_at)
            .limit(limit)
        )
        async with self._store.engine.connect() as connection:
            return [_submission(row) for row in await connection.execute(query)]

    async def mark(self, key: str, **changes: Any) -> None:
        """Change columns of a submission."""
        table = tables.submissions
        async with self._store.writing, self._store.engine.begin() as connection:
            await connection.execute(update(table).where(table.c.key == key).values(**changes))

    async def count_waiting(self) -> int:
        """Submissions that are not on chain yet."""
        table = tables.submissions
        query = select(func.count()).select_from(table).where(table.c.status.in_(WAITING))
        async with self._store.engine.connect() as connection:
            return int(await connection.scalar(query) or 0)

    # ---- pokes ----

    async def pokes_due(self, *, block: int, timestamp: int, now: float, limit: int) -> list[PokeRow]:
        """Steps that are due at the head (block, timestamp) and not held back until later."""
        table = tables.pokes
        query = (
            select(table)
            .where(
                table.c.after_block < block,
                table.c.after_time < timestamp,
                table.c.not_before <= now,
            )
            .order_by(table.c.not_before)
            .limit(limit)
        )
        async with self._store.engine.connect() as connection:
            return [_poke(row) for row in await connection.execute(query)]

    async def count_pokes(self, *, block: int, timestamp: int) -> int:
        """Steps that are due at the head."""
        table = tables.pokes
        query = (
            select(func.count())
            .select_from(table)
            .where(table.c.after_block < block, table.c.after_time < timestamp)
        )
        async with self._store.engine.connect() as connection:
            return int(await connection.scalar(query) or 0)

    async def poked(self, poke: PokeRow, **changes: Any) -> None:
        """Change columns of a poke's row, unless the task has moved on to another step meanwhile."""
        table = tables.pokes
        async with self._store.writing, self._store.engine.begin() as connection:
            await connection.execute(
                update(table)
                .where(table.c.task_id == poke.task_id, table.c.key == poke.key)
                .values(**changes)
            )


def _same_request(known: Submission, fingerprint: str) -> Submission:
    if known.fingerprint != fingerprint:
        raise MLBridgeError(
            "submission.key_reused",
            "This idempotency key was used for another request.",
            hint="Use a new key for a new task; repeat a key only with the same request.",
            exit_code=2,
        )
    return known


def _submission(row: Row[Any]) -> Submission:
    values = {field.name: getattr(row, field.name) for field in fields(Submission)}
    return Submission(**values | {"payment": int(values["payment"])})


def _poke(row: Row[Any]) -> PokeRow:
    return PokeRow(**{field.name: getattr(row, field.name) for field in fields(PokeRow)})
