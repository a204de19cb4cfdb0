"""Tasks as rows: accepted with their price reserved, changed by their carrier, settled once.

A price is reserved in the transaction that writes the task, under a lock on the key's row, so that a budget
is never overspent however many requests and replicas there are; the transaction that ends the task gives
back what it did not cost.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway import tables
from gateway.lanes import Offer
from gateway.store import Store, hold_key
from mlbridge.errors import MLBridgeError

REQUEST_KEPT_S = 86_400.0
OPEN = ("queued", "running")
_ID = re.compile(r"0x[0-9a-f]{1,78}")


@dataclass(frozen=True, slots=True)
class Mark:
    """What makes a request repeatable: one idempotency key of one principal on one route.

    fingerprint: SHA-256 of the request, so that the key cannot be used for another one.
    """

    id: str
    fingerprint: str

    @classmethod
    def of(cls, principal: str, route: str, key: str, body: object) -> Mark:
        """body: JSON-ready, everything that was asked for."""
        name = json.dumps([principal, route, key]).encode()
        asked = json.dumps(body, sort_keys=True).encode()
        return cls(hashlib.sha256(name).hexdigest(), hashlib.sha256(asked).hexdigest())


@dataclass(frozen=True, slots=True)
class Placed:
    """A task that somebody wants: its offer and what it is called in lists. model: as the requester wrote."""

    offer: Offer
    lane: str
    model: str
    model_id: str
    kind: str


@dataclass(frozen=True, slots=True)
class Task:
    """One task. Amounts in wei, times in unix seconds; cost None: not settled; payload: its output.

    status: queued, running, finalized, refunded, cancelled, failed; ended: nothing more will change.
    """

    number: int
    id: str
    key_id: str
    lane: str
    model: str
    model_id: str
    kind: str
    terms: dict[str, Any]
    price: int
    cost: int | None
    status: str
    ended: bool
    payload: bytes | None
    confidence: float | None
    committee: list[int] | None
    receipt: str | None
    error_code: str | None
    error: str | None
    created_at: float
    finished_at: float | None

    @property
    def offer(self) -> Offer:
        """What its lane carries."""
        return Offer(self.id, self.price, self.terms)

    @property
    def decided(self) -> bool:
        """Whether its answer, or that there will be none, is known."""
        return self.status not in OPEN


class Book:
    """The tasks of one store. carrier: who writes here; lease_s: how long it has a task to itself."""

    def __init__(self, store: Store, *, carrier: str, lease_s: float) -> None:
        self._store, self._carrier, self._lease_s = store, carrier, lease_s

    # ---- accepting ----

    async def marked(self, mark: Mark) -> list[Task] | None:
        """The tasks that a mark stands for, None for a new one. Raises `idempotency.mismatch`."""
        table = tables.requests
        async with self._store.reading() as connection:
            row = (await connection.execute(select(table).where(table.c.id == mark.id))).first()
            if row is None or row.made_at < time.time() - REQUEST_KEPT_S:
                return None
            if row.fingerprint != mark.fingerprint:
                raise MLBridgeError(
                    "idempotency.mismatch",
                    "This idempotency key was used for another request.",
                    hint="Use a new key for a new request; repeat a key only with the same request.",
                    exit_code=2,
                )
            return await _by_ids(connection, json.loads(row.task_ids))

    async def accept(
        self, key_id: str, placed: Sequence[Placed], *, mark: Mark | None, open_limit: int
    ) -> tuple[list[Task], bool]:
        """Keep tasks and reserve their prices; of a known mark its tasks, and False.

        Raises MLBridgeError `budget.exceeded`, `gateway.full`, `key.revoked`, `idempotency.mismatch`.
        """
        try:
            async with self._store.writing() as connection:
                await _reserve(connection, key_id, sum(item.offer.price_wei for item in placed))
                await _room(connection, len(placed), open_limit)
                if mark is not None:
                    await _write_mark(connection, mark, [item.offer.id for item in placed])
                rows = [self._row(key_id, item) for item in placed]
                await connection.execute(insert(tables.tasks), rows)
                return await _by_ids(connection, [item.offer.id for item in placed]), True
        except IntegrityError:
            # Somebody with the same mark was faster.
            known = None if mark is None else await self.marked(mark)
            if known is None:
                raise
            return known, False

    def _row(self, key_id: str, placed: Placed) -> dict[str, Any]:
        now = time.time()
        return {
            "id": placed.offer.id,
            "key_id": key_id,
            "lane": placed.lane,
            "model": placed.model,
            "model_id": placed.model_id,
            "kind": placed.kind,
            "terms": json.dumps(placed.offer.terms),
            "price_wei": str(placed.offer.price_wei),
            "status": "queued",
            "ended": False,
            "created_at": now,
            "carrier": self._carrier,
            "lease_until": now + self._lease_s,
        }

    # ---- reading ----

    async def get(self, task_id: str, *, key_id: str) -> Task:
        """A task of a key. Raises MLBridgeError `task.unknown`, also for tasks of others."""
        # PostgreSQL cannot even look for some texts.
        found = await self.many([task_id]) if _ID.fullmatch(task_id) else []
        if not found or found[0].key_id != key_id:
            raise MLBridgeError(
                "task.unknown",
                f"This API key has no task {task_id[:80]!r}.",
                hint="GET /v1/tasks lists its tasks.",
                exit_code=5,
            )
        return found[0]

    async def many(self, task_ids: Sequence[str]) -> list[Task]:
        """Tasks by their ids, in that order; unknown ones are left out."""
        async with self._store.reading() as connection:
            return await _by_ids(connection, task_ids)

    async def page(self, key_id: str, *, limit: int, before: int | None, status: str | None) -> list[Task]:
        """Tasks of a key, newest first. before: only those with a smaller number."""
        table = tables.tasks
        query = select(table).where(table.c.key_id == key_id)
        if before is not None:
            query = query.where(table.c.number < before)
        if status is not None:
            query = query.where(table.c.status == status)
        async with self._store.reading() as connection:
            rows = await connection.execute(query.order_by(table.c.number.desc()).limit(limit))
            return [_task(row) for row in rows]

    async def count_open(self) -> int:
        """Tasks that have not ended."""
        async with self._store.reading() as connection:
            return await _count_open(connection)

    # ---- changing ----

    async def change(self, task_id: str, **values: Any) -> None:
        """Change columns of a task that has not ended."""
        table = tables.tasks
        async with self._store.writing() as connection:
            await connection.execute(
                update(table).where(table.c.id == task_id, table.c.ended.is_(False)).values(**values)
            )

    async def keep_receipt(self, task_id: str, receipt: str) -> None:
        """Put a receipt that proves more in the place of an ended task's."""
        table = tables.tasks
        async with self._store.writing() as connection:
            await connection.execute(update(table).where(table.c.id == task_id).values(receipt=receipt))

    async def started(self, task_id: str) -> None:
        """The network has the task; one that is decided already stays so."""
        table = tables.tasks
        async with self._store.writing() as connection:
            await connection.execute(
                update(table)
                .where(table.c.id == task_id, table.c.status == "queued")
                .values(status="running")
            )

    async def decide(self, task_id: str, *, status: str, cost: int, **values: Any) -> bool:
        """Give a task its outcome and settle its price with its key; False if that was done before."""
        table = tables.tasks
        async with self._store.writing() as connection:
            done = await connection.execute(
                update(table)
                .where(table.c.id == task_id, table.c.cost_wei.is_(None))
                .values(status=status, cost_wei=str(cost), finished_at=time.time(), **values)
            )
            if done.rowcount:
                row = (await connection.execute(select(table).where(table.c.id == task_id))).one()
                await _settle(connection, row.key_id, price=int(row.price_wei), cost=cost)
            return bool(done.rowcount)

    # ---- leases ----

    async def renew(self, task_ids: Sequence[str]) -> None:
        """Keep tasks to ourselves for another while."""
        await self._lease(task_ids, time.time() + self._lease_s)

    async def release(self, task_ids: Sequence[str]) -> None:
        """Leave tasks to whoever comes first."""
        await self._lease(task_ids, 0.0)

    async def _lease(self, task_ids: Sequence[str], until: float) -> None:
        if not task_ids:
            return
        table = tables.tasks
        mine = (table.c.id.in_(task_ids), table.c.carrier == self._carrier)
        async with self._store.writing() as connection:
            await connection.execute(update(table).where(*mine).values(lease_until=until))

    async def take_over(self, *, limit: int) -> list[Task]:
        """Tasks that nobody carries any more, ours from now on."""
        table, now = tables.tasks, time.time()
        stale = (table.c.ended.is_(False), table.c.lease_until < now)
        async with self._store.reading() as connection:
            ids = [row.id for row in await connection.execute(select(table.c.id).where(*stale).limit(limit))]
        taken = []
        for task_id in ids:
            async with self._store.writing() as connection:
                done = await connection.execute(
                    update(table)
                    .where(table.c.id == task_id, *stale)
                    .values(carrier=self._carrier, lease_until=now + self._lease_s)
                )
            if done.rowcount:
                taken.append(task_id)
        return await self.many(taken)

    async def forget_marks(self) -> None:
        """Delete the marks of requests that are a day old."""
        table = tables.requests
        async with self._store.writing() as connection:
            await connection.execute(delete(table).where(table.c.made_at < time.time() - REQUEST_KEPT_S))


async def _reserve(connection: AsyncConnection, key_id: str, price: int) -> None:
    key: Any = await hold_key(connection, key_id)
    if key.revoked_at is not None:
        raise MLBridgeError("key.revoked", "This API key was revoked.", exit_code=3)
    reserved = int(key.reserved_wei) + price
    if key.budget_wei is not None and int(key.spent_wei) + reserved > int(key.budget_wei):
        left = max(0, int(key.budget_wei) - int(key.spent_wei) - int(key.reserved_wei))
        raise MLBridgeError(
            "budget.exceeded",
            f"This would cost up to {price} wei; {left} of the key's {key.budget_wei} wei are left.",
            hint="Use another key, or have one made with a larger budget.",
            exit_code=4,
            price_wei=str(price),
            left_wei=str(left),
        )
    await _write_sums(connection, key_id, reserved=reserved, spent=int(key.spent_wei))


async def _settle(connection: AsyncConnection, key_id: str, *, price: int, cost: int) -> None:
    key: Any = await hold_key(connection, key_id)
    spent = int(key.spent_wei) + min(cost, price)
    await _write_sums(connection, key_id, reserved=int(key.reserved_wei) - price, spent=spent)


async def _write_sums(connection: AsyncConnection, key_id: str, *, reserved: int, spent: int) -> None:
    table = tables.keys
    await connection.execute(
        update(table).where(table.c.id == key_id).values(reserved_wei=str(reserved), spent_wei=str(spent))
    )


async def _room(connection: AsyncConnection, wanted: int, limit: int) -> None:
    under_way = await _count_open(connection)
    if under_way + wanted > limit:
        raise MLBridgeError(
            "gateway.full",
            f"{under_way} tasks are under way already; this gateway takes {limit}.",
            hint="Try again in a few seconds with the same idempotency key.",
            retry_after_s=5,
        )


async def _count_open(connection: AsyncConnection) -> int:
    table = tables.tasks
    query = select(func.count()).select_from(table).where(table.c.ended.is_(False))
    return int(await connection.scalar(query) or 0)


async def _write_mark(connection: AsyncConnection, mark: Mark, task_ids: Sequence[str]) -> None:
    table, now = tables.requests, time.time()
    await connection.execute(
        delete(table).where(table.c.id == mark.id, table.c.made_at < now - REQUEST_KEPT_S)
    )
    values = {
        "id": mark.id,
        "fingerprint": mark.fingerprint,
        "task_ids": json.dumps(list(task_ids)),
        "made_at": now,
    }
    await connection.execute(insert(table).values(values))


async def _by_ids(connection: AsyncConnection, task_ids: Sequence[str]) -> list[Task]:
    table = tables.tasks
    rows = await connection.execute(select(table).where(table.c.id.in_(task_ids)))
    found = {row.id: _task(row) for row in rows}
    return [found[task_id] for task_id in task_ids if task_id in found]


def _task(row: Row[Any]) -> Task:
    return Task(
        number=row.number,
        id=row.id,
        key_id=row.key_id,
        lane=row.lane,
        model=row.model,
        model_id=row.model_id,
        kind=row.kind,
        terms=json.loads(row.terms),
        price=int(row.price_wei),
        cost=None if row.cost_wei is None else int(row.cost_wei),
        status=row.status,
        ended=bool(row.ended),
        payload=None if row.payload is None else bytes(row.payload),
        confidence=row.confidence,
        committee=None if row.committee is None else json.loads(row.committee),
        receipt=row.receipt,
        error_code=row.error_code,
        error=row.error,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )
