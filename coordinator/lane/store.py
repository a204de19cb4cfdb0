"""What the lane must never forget: every order from before it is offered, every batch, evidence."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, Update, bindparam, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from coordinator.lane.group import GroupWriter
from coordinator.lane.tables import lane_batches, lane_evidence, lane_orders, lane_runners
from coordinator.store import upserting
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.encoding import decode, encode

_MAX_LIST = 64 << 10


class Status(StrEnum):
    """Where an order stands. DONE: its money is where it belongs for good."""

    OPEN = "open"
    DECIDED = "decided"
    FAILED = "failed"
    DONE = "done"


class BatchStage(StrEnum):
    """Where a batch stands. MADE: its leaves are stored, nothing is on chain yet."""

    MADE = "made"
    POSTED = "posted"
    FINAL = "final"
    VOID = "void"


# Built once: to put a statement together costs more than to execute it.
_ORDER = update(lane_orders).where(lane_orders.c.digest == bindparam("key"))
_UNCLOSED = _ORDER.where(lane_orders.c.closed.is_(None))
_OPEN = _ORDER.where(lane_orders.c.status == Status.OPEN.value)
_TAKEN = select(
    lane_orders.c.digest, lane_orders.c.sequence, lane_orders.c.max_fee, lane_orders.c.status
).where(lane_orders.c.channel == bindparam("channel"), lane_orders.c.sequence >= bindparam("floor"))
_ADD = {
    name: insert(lane_orders).on_conflict_do_nothing().returning(lane_orders.c.digest)
    for name, insert in (("postgresql", postgresql.insert), ("sqlite", sqlite.insert))
}


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order. digest, channel, result: bytes; offer, closed: as they travel; attested: each as it travels.

    output: payload, None where it lies under output_cid; batch: root of its batch's task leaves, 0x hex.
    """

    digest: bytes
    channel: bytes
    sequence: int
    max_fee: int
    deadline: int
    offer: bytes
    status: Status
    ripe: bool
    accepted_at: float
    closed: bytes | None
    attested: tuple[bytes, ...]
    result: bytes | None
    confidence: int | None
    decided_at: float | None
    output: bytes | None
    output_cid: str | None
    reason: str | None
    batch: str | None


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One batch. debits, header: as mlbridge/protocol/batch_wire.py writes them; header: None before it is on
    chain; block: none of its events lies below.
    """

    root: str
    status: BatchStage
    cid: str
    debits: bytes
    header: bytes | None
    block: int
    made_at: float
    tries: int
    note: str | None


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order that was checked. available: wei of its channel; floor, window: as the chain has them."""

    digest: bytes
    channel: bytes
    sequence: int
    requester: str
    model_id: bytes
    max_fee: int
    deadline: int
    offer: bytes
    accepted_at: float
    available: int
    floor: int
    window: int


class LaneStore:
    """The lane's part of a coordinator's database, for one event loop of one process.

    runner: names this process in rows that it works on. lock: that of the coordinator's other writers.
    """

    def __init__(self, engine: AsyncEngine, runner: str, lock: asyncio.Lock | None = None) -> None:
        self.runner = runner
        self._engine = engine
        self._writer = GroupWriter(engine, lock or asyncio.Lock())

    async def release(self) -> None:
        """Once every write that was asked for is committed, let go of the database."""
        await self._writer.close()

    # ---- orders ----

    async def add(self, order: NewOrder) -> bool:
        """Keep a new order; False if it is kept already.

        Raises MLBridgeError `lane.sequence_taken` or `lane.funds`.
        """
        return await self._writer.run(lambda connection: self._add(connection, order))

    def _add(self, connection: Connection, order: NewOrder) -> bool:
        waiting = 0
        for row in connection.execute(_TAKEN, {"channel": _hex(order.channel), "floor": order.floor}):
            if row.digest == _hex(order.digest):
                return False
            if row.sequence == order.sequence:
                raise MLBridgeError(
                    "lane.sequence_taken",
                    f"Sequence {order.sequence} of this channel belongs to another order.",
                    hint="Each sequence settles once: sign the next one.",
                    exit_code=4,
                )
            settled = order.window >> (row.sequence - order.floor) & 1
            if row.status in (Status.OPEN.value, Status.DECIDED.value) and not settled:
                waiting += int(row.max_fee)
        if waiting + order.max_fee > order.available:
            raise MLBridgeError(
                "lane.funds",
                f"The channel has {order.available} wei to spend, of which {waiting} are spoken for, and the "
                f"order costs up to {order.max_fee}.",
                hint="Top the channel up.",
                exit_code=4,
            )
        values = {
            "digest": _hex(order.digest),
            "channel": _hex(order.channel),
            "sequence": order.sequence,
            "requester": order.requester,
            "model_id": _hex(order.model_id),
            "max_fee": str(order.max_fee),
            "deadline": order.deadline,
            "offer": order.offer,
            "status": Status.OPEN.value,
            "ripe": False,
            "runner": self.runner,
            "accepted_at": order.accepted_at,
        }
        return connection.execute(_ADD[connection.dialect.name], values).first() is not None

    async def order(self, digest: bytes) -> OrderRow | None:
        """An order by its digest."""
        found = await self._orders(select(lane_orders).where(lane_orders.c.digest == _hex(digest)))
        return found[0] if found else None

    async def close(self, digest: bytes, closed: bytes) -> None:
        """Keep the set that members are about to see; the first one stands."""
        await self._change(_UNCLOSED, digest, closed=closed)

    async def attest(self, digest: bytes, attested: Sequence[bytes]) -> None:
        """Keep the attestations that count, all of them."""
        await self._change(_ORDER, digest, attested=encode(list(attested), max_bytes=_MAX_LIST))

    async def decide(
        self,
        digest: bytes,
        *,
        attested: Sequence[bytes],
        result: bytes,
        confidence: int,
        at: float,
        output: bytes | None,
        output_cid: str | None,
        ripe: bool = False,
    ) -> None:
        """Keep a verdict and what led to it, before anybody is told. ripe: as `ripen` would make it."""
        await self._change(
            _OPEN,
            digest,
            status=Status.DECIDED.value,
            ripe=ripe,
            attested=encode(list(attested), max_bytes=_MAX_LIST),
            result=_hex(result),
            confidence=confidence,
            decided_at=at,
            output=output,
            output_cid=output_cid,
        )

    async def ripen(self, digest: bytes) -> None:
        """No more attestations are waited for: a decided order may go into a batch."""
        await self._change(_ORDER, digest, ripe=True)

    async def fail(self, digest: bytes, reason: str) -> None:
        """No verdict came: nothing is charged, and nothing will be settled by this coordinator."""
        await self._change(_OPEN, digest, status=Status.FAILED.value, ripe=True, reason=reason)

    async def _change(self, statement: Update, digest: bytes, **values: Any) -> None:
        await self._writer.execute(statement, {"key": _hex(digest), **values})

    async def finish(self, digests: Sequence[bytes], reason: str) -> None:
        """Their money is where it belongs."""

        def work(connection: Connection) -> None:
            mine = lane_orders.c.digest.in_([_hex(digest) for digest in digests])
            values = {"status": Status.DONE.value, "reason": reason}
            connection.execute(update(lane_orders).where(mine).values(**values))

        await self._writer.run(work)

    # ---- who works on what ----

    async def beat(self, until: float) -> None:
        """This process is alive until then (unix seconds of this machine)."""

        def work(connection: Connection) -> None:
            values = {"runner": self.runner, "alive_until": until}
            connection.execute(upserting(connection.dialect.name, lane_runners, values))

        await self._writer.run(work)

    async def take_over(self, now: float, *, limit: int = 1_000) -> list[OrderRow]:
        """Open orders, and decided ones that still collect attestations, of processes that are not alive."""

        def work(connection: Connection) -> list[OrderRow]:
            alive = select(lane_runners.c.runner).where(lane_runners.c.alive_until >= now)
            unfinished = or_(
                lane_orders.c.status == Status.OPEN.value,
                (lane_orders.c.status == Status.DECIDED.value) & lane_orders.c.ripe.is_(False),
            )
            orphans = unfinished & lane_orders.c.runner.not_in(alive) & (lane_orders.c.runner != self.runner)
            rows = connection.execute(select(lane_orders).where(orphans).limit(limit)).all()
            mine = lane_orders.c.digest.in_([row.digest for row in rows])
            connection.execute(update(lane_orders).where(mine).values(runner=self.runner))
            return [_order(row) for row in rows]

        return await self._writer.run(work)

    # ---- batches ----

    async def batchable(self, *, limit: int) -> list[OrderRow]:
        """Ripe decided orders without a batch, oldest first."""
        table = lane_orders
        ready = (table.c.status == Status.DECIDED.value) & table.c.ripe.is_(True) & table.c.batch.is_(None)
        return await self._orders(select(table).where(ready).order_by(table.c.accepted_at).limit(limit))

    async def first_undecided(self) -> dict[bytes, int]:
        """The lowest sequence of each channel that no batch may pass yet: undecided, or not ripe."""
        table = lane_orders
        unripe = table.c.status.in_((Status.OPEN.value, Status.DECIDED.value)) & table.c.ripe.is_(False)
        query = (
            select(table.c.channel, func.min(table.c.sequence).label("least"))
            .where(unripe)
            .group_by(table.c.channel)
        )
        async with self._engine.connect() as connection:
            return {_raw(row.channel): int(row.least) for row in await connection.execute(query)}

    async def make_batch(
        self, root: str, digests: Sequence[bytes], *, cid: str, debits: bytes, at: float, block: int
    ) -> None:
        """Keep a batch and bind its orders to it, in one transaction. block: it cannot be on chain before."""

        def work(connection: Connection) -> None:
            values = {
                "root": root,
                "status": BatchStage.MADE.value,
                "cid": cid,
                "debits": debits,
                "header": None,
                "block": block,
                "made_at": at,
                "tries": 0,
                "not_before": 0.0,
                "note": None,
            }
            connection.execute(upserting(connection.dialect.name, lane_batches, values))
            mine = lane_orders.c.digest.in_([_hex(digest) for digest in digests])
            free = lane_orders.c.batch.is_(None)
            bound = connection.execute(update(lane_orders).where(mine, free).values(batch=root))
            if bound.rowcount != len(digests):
                raise RuntimeError("an order of this batch is in another one")

        await self._writer.run(work)

    async def batch(self, root: str) -> BatchRow | None:
        """A batch by the root of its task leaves."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(lane_batches).where(lane_batches.c.root == root))).first()
        return None if row is None else _batch(row)

    async def batches(self, *stages: BatchStage, due: float | None = None) -> list[BatchRow]:
        """Batches of some stages, oldest first. due: only those that may be tried at this time."""
        query = (
            select(lane_batches)
            .where(lane_batches.c.status.in_([stage.value for stage in stages]))
            .order_by(lane_batches.c.made_at)
        )
        if due is not None:
            query = query.where(lane_batches.c.not_before <= due)
        async with self._engine.connect() as connection:
            return [_batch(row) for row in await connection.execute(query)]

    async def mark_batch(self, root: str, **values: Any) -> None:
        """Change columns of a batch."""

        def work(connection: Connection) -> None:
            connection.execute(update(lane_batches).where(lane_batches.c.root == root).values(**values))

        await self._writer.run(work)

    async def dissolve(self, root: str, note: str) -> None:
        """A batch that will never be on chain, or is void there: its orders are free again."""

        def work(connection: Connection) -> None:
            connection.execute(
                update(lane_batches)
                .where(lane_batches.c.root == root)
                .values(status=BatchStage.VOID.value, note=note)
            )
            mine = (lane_orders.c.batch == root) & (lane_orders.c.status == Status.DECIDED.value)
            connection.execute(update(lane_orders).where(mine).values(batch=None))

        await self._writer.run(work)

    async def orders_of(self, root: str) -> list[OrderRow]:
        """The orders bound to a batch."""
        return await self._orders(select(lane_orders).where(lane_orders.c.batch == root))

    async def decided_before(self, deadline: float, *, limit: int) -> list[OrderRow]:
        """Ripe decided orders without a batch whose deadline passed before this (unix seconds)."""
        table = lane_orders
        ready = (table.c.status == Status.DECIDED.value) & table.c.ripe.is_(True) & table.c.batch.is_(None)
        query = select(table).where(ready, table.c.deadline < int(deadline)).limit(limit)
        return await self._orders(query)

    # ---- evidence ----

    async def keep_evidence(
        self, digest: bytes, account: int, kind: str, first: bytes, second: bytes
    ) -> None:
        """Keep two messages that say more together than apart; the first pair of its kind stands."""

        def work(connection: Connection) -> None:
            values = {
                "digest": _hex(digest),
                "account": account,
                "kind": kind,
                "first": first,
                "second": second,
                "reported": False,
            }
            insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            connection.execute(insert(lane_evidence).values(values).on_conflict_do_nothing())

        await self._writer.run(work)

    async def unreported(self, kind: str) -> list[tuple[bytes, int, bytes, bytes]]:
        """(digest, account, first, second) of evidence that is not on chain yet."""
        table = lane_evidence
        query = select(table).where(table.c.kind == kind, table.c.reported.is_(False)).limit(100)
        async with self._engine.connect() as connection:
            return [
                (_raw(row.digest), row.account, row.first, row.second)
                for row in await connection.execute(query)
            ]

    async def reported(self, digest: bytes, account: int, kind: str) -> None:
        """That evidence is on chain, or of no use there."""

        def work(connection: Connection) -> None:
            table = lane_evidence
            mine = (table.c.digest == _hex(digest)) & (table.c.account == account) & (table.c.kind == kind)
            connection.execute(update(table).where(mine).values(reported=True))

        await self._writer.run(work)

    # ---- counting ----

    async def counts(self) -> dict[str, int]:
        """How many orders stand where."""
        query = select(lane_orders.c.status, func.count()).group_by(lane_orders.c.status)
        async with self._engine.connect() as connection:
            return {str(status): int(count) for status, count in await connection.execute(query)}

    async def prune(self, before: float) -> int:
        """Drop orders that ended and whose deadline passed before `before`; how many."""

        def work(connection: Connection) -> int:
            ended = lane_orders.c.status.in_((Status.DONE.value, Status.FAILED.value))
            gone = lane_orders.delete().where(ended, lane_orders.c.deadline < int(before))
            return int(connection.execute(gone).rowcount)

        return await self._writer.run(work)

    async def _orders(self, query: Select[Any]) -> list[OrderRow]:
        async with self._engine.connect() as connection:
            return [_order(row) for row in await connection.execute(query)]


def _order(row: Row[Any]) -> OrderRow:
    attested: Any = [] if row.attested is None else decode(row.attested, max_bytes=_MAX_LIST)
    return OrderRow(
        digest=_raw(row.digest),
        channel=_raw(row.channel),
        sequence=row.sequence,
        max_fee=int(row.max_fee),
        deadline=row.deadline,
        offer=row.offer,
        status=Status(row.status),
        ripe=bool(row.ripe),
        accepted_at=row.accepted_at,
        closed=row.closed,
        attested=tuple(attested),
        result=None if row.result is None else _raw(row.result),
        confidence=row.confidence,
        decided_at=row.decided_at,
        output=row.output,
        output_cid=row.output_cid,
        reason=row.reason,
        batch=row.batch,
    )


def _batch(row: Row[Any]) -> BatchRow:
    return BatchRow(
        row.root,
        BatchStage(row.status),
        row.cid,
        row.debits,
        row.header,
        row.block,
        row.made_at,
        row.tries,
        row.note,
    )


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _raw(value: str) -> bytes:
    return bytes.fromhex(value[2:])
