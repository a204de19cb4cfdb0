"""What the lane must never forget: every order from before it is offered, every batch, evidence."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Update, bindparam, exists, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from coordinator.lane.group import GroupWriter
from coordinator.lane.rows import (
    MAX_LIST,
    BatchRow,
    BatchStage,
    NewOrder,
    OrderRow,
    Status,
    batch_of,
    order_of,
    to_hex,
    to_raw,
)
from coordinator.lane.tables import lane_batches, lane_evidence, lane_orders, lane_runners
from coordinator.store import upserting
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.encoding import encode

# Built once: to put a statement together costs more than to execute it.
_ORDER = update(lane_orders).where(lane_orders.c.digest == bindparam("key"))
_UNCLOSED = _ORDER.where(lane_orders.c.closed.is_(None))
_CLOSED = select(lane_orders.c.closed).where(lane_orders.c.digest == bindparam("key"))
_OPEN = _ORDER.where(lane_orders.c.status == Status.OPEN.value)
_TAKEN = select(
    lane_orders.c.digest,
    lane_orders.c.sequence,
    lane_orders.c.max_fee,
    lane_orders.c.status,
    lane_orders.c.batch,
).where(lane_orders.c.channel == bindparam("channel"), lane_orders.c.sequence >= bindparam("floor"))
_ADD = {
    name: insert(lane_orders).on_conflict_do_nothing().returning(lane_orders.c.digest)
    for name, insert in (("postgresql", postgresql.insert), ("sqlite", sqlite.insert))
}


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
        for row in connection.execute(_TAKEN, {"channel": to_hex(order.channel), "floor": order.floor}):
            if row.digest == to_hex(order.digest):
                return False
            if row.sequence == order.sequence:
                raise MLBridgeError(
                    "lane.sequence_taken",
                    f"Sequence {order.sequence} of this channel belongs to another order.",
                    hint="Each sequence settles once: sign the next one.",
                    exit_code=4,
                )
            if row.sequence > order.sequence and row.batch is not None:
                raise MLBridgeError(
                    "lane.sequence_taken",
                    f"A batch that was made already passes sequence {order.sequence} of this channel.",
                    hint="Sign the next one.",
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
            "digest": to_hex(order.digest),
            "channel": to_hex(order.channel),
            "sequence": order.sequence,
            "requester": order.requester,
            "model_id": to_hex(order.model_id),
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
        found = await self._orders(select(lane_orders).where(lane_orders.c.digest == to_hex(digest)))
        return found[0] if found else None

    async def close(self, digest: bytes, closed: bytes) -> bool:
        """Keep the set that members are about to see; False if another one stands: the first does."""

        key = {"key": to_hex(digest)}

        def work(connection: Connection) -> bool:
            connection.execute(_UNCLOSED, {"closed": closed, **key})
            stands = connection.scalar(_CLOSED, key)
            return stands is not None and bytes(stands) == closed

        return await self._writer.run(work)

    async def attest(self, digest: bytes, attested: Sequence[bytes]) -> None:
        """Keep the attestations that count, all of them."""
        await self._change(_ORDER, digest, attested=encode(list(attested), max_bytes=MAX_LIST))

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
            attested=encode(list(attested), max_bytes=MAX_LIST),
            result=to_hex(result),
            confidence=confidence,
            decided_at=at,
            output=output,
            output_cid=output_cid,
        )

    async def ripen(self, digest: bytes) -> None:
        """No more attestations are waited for: a decided order may go into a batch."""
        await self._change(_ORDER, digest, ripe=True)

    async def fail(self, digest: bytes, reason: str, *, attested: Sequence[bytes] = ()) -> None:
        """No verdict came: nothing is charged, and nothing will be settled by this coordinator.

        attested: what seats attested all the same.
        """
        kept = encode(list(attested), max_bytes=MAX_LIST)
        await self._change(_OPEN, digest, status=Status.FAILED.value, ripe=True, reason=reason, attested=kept)

    async def _change(self, statement: Update, digest: bytes, **values: Any) -> None:
        await self._writer.execute(statement, {"key": to_hex(digest), **values})

    async def finish(self, digests: Sequence[bytes], reason: str) -> None:
        """Their money is where it belongs."""

        def work(connection: Connection) -> None:
            mine = lane_orders.c.digest.in_([to_hex(digest) for digest in digests])
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
            return [order_of(row) for row in rows]

        return await self._writer.run(work)

    # ---- batches ----

    async def batchable(self, *, limit: int) -> list[OrderRow]:
        """Ripe decided orders without a batch: the channel of the oldest first, each by rising sequence."""
        table = lane_orders
        ready = (table.c.status == Status.DECIDED.value) & table.c.ripe.is_(True) & table.c.batch.is_(None)
        oldest = func.min(table.c.accepted_at).over(partition_by=table.c.channel)
        # In another order the limit could leave out one that a batch of the rest would pass.
        order = oldest, table.c.channel, table.c.sequence
        return await self._orders(select(table).where(ready).order_by(*order).limit(limit))

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
            return {to_raw(row.channel): int(row.least) for row in await connection.execute(query)}

    async def make_batch(
        self, root: str, digests: Sequence[bytes], *, cid: str, debits: bytes, at: float, block: int
    ) -> None:
        """Keep a batch and bind its orders to it, in one transaction. block: it cannot be on chain before.

        Raises MLBridgeError `lane.batch_passes` when it would pass an order that it does not hold and that
        may still be paid: one that another process decided since the batch was put together.
        """

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
            mine = lane_orders.c.digest.in_([to_hex(digest) for digest in digests])
            _require_none_passed(connection, mine)
            connection.execute(upserting(connection.dialect.name, lane_batches, values))
            free = lane_orders.c.batch.is_(None)
            bound = connection.execute(update(lane_orders).where(mine, free).values(batch=root))
            if bound.rowcount != len(digests):
                raise RuntimeError("an order of this batch is in another one")

        await self._writer.run(work)

    async def batch(self, root: str) -> BatchRow | None:
        """A batch by the root of its task leaves."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(lane_batches).where(lane_batches.c.root == root))).first()
        return None if row is None else batch_of(row)

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
            return [batch_of(row) for row in await connection.execute(query)]

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
                "digest": to_hex(digest),
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
                (to_raw(row.digest), row.account, row.first, row.second)
                for row in await connection.execute(query)
            ]

    async def reported(self, digest: bytes, account: int, kind: str) -> None:
        """That evidence is on chain, or of no use there."""

        def work(connection: Connection) -> None:
            table = lane_evidence
            mine = (table.c.digest == to_hex(digest)) & (table.c.account == account) & (table.c.kind == kind)
            connection.execute(update(table).where(mine).values(reported=True))

        await self._writer.run(work)

    # ---- counting ----

    async def depths(self) -> dict[str, int]:
        """How many orders wait for a batch, batches for their end, and pieces of evidence to be reported."""
        table = lane_orders
        ready = (table.c.status == Status.DECIDED.value) & table.c.ripe.is_(True) & table.c.batch.is_(None)
        under_way = lane_batches.c.status.in_((BatchStage.MADE.value, BatchStage.POSTED.value))
        queries = {
            "batchable": select(func.count()).select_from(table).where(ready),
            "batches": select(func.count()).select_from(lane_batches).where(under_way),
            "evidence": select(func.count())
            .select_from(lane_evidence)
            .where(lane_evidence.c.reported.is_(False)),
        }
        async with self._engine.connect() as connection:
            return {name: int(await connection.scalar(query) or 0) for name, query in queries.items()}

    async def accepted_at(self, root: str) -> list[float]:
        """When each order of a batch was accepted, unix seconds of this machine."""
        query = select(lane_orders.c.accepted_at).where(lane_orders.c.batch == root)
        async with self._engine.connect() as connection:
            return [float(at) for at in (await connection.execute(query)).scalars()]

    async def counts(self) -> dict[str, int]:
        """How many orders stand where."""
        query = select(lane_orders.c.status, func.count()).group_by(lane_orders.c.status)
        async with self._engine.connect() as connection:
            return {str(status): int(count) for status, count in await connection.execute(query)}

    async def prune(self, before: float, *, made_before: float, limit: int) -> int:
        """Drop orders that ended and whose deadline passed before `before` (unix seconds); how many.

        made_before: of what goes with them, by this machine's clock; limit: most orders. Kept are those in a
        batch that can be challenged and those with evidence that is not reported. With the last of its orders
        goes a batch, with an order its evidence.
        """

        def work(connection: Connection) -> int:
            orders, batches, evidence = lane_orders, lane_batches, lane_evidence
            ended = orders.c.status.in_((Status.DONE.value, Status.FAILED.value))
            over = batches.c.status.in_((BatchStage.FINAL.value, BatchStage.VOID.value))
            waiting = select(evidence.c.digest).where(evidence.c.reported.is_(False))
            free = or_(orders.c.batch.is_(None), orders.c.batch.in_(select(batches.c.root).where(over)))
            query = select(orders.c.digest).where(
                ended, free, orders.c.deadline < int(before), orders.c.digest.not_in(waiting)
            )
            digests = [row.digest for row in connection.execute(query.limit(limit))]
            for some in _chunks(digests):
                connection.execute(evidence.delete().where(evidence.c.digest.in_(some)))
                connection.execute(orders.delete().where(orders.c.digest.in_(some)))
            held = exists().where(orders.c.batch == batches.c.root)
            connection.execute(batches.delete().where(over, batches.c.made_at < made_before, ~held))
            dead = lane_runners.c.alive_until < made_before
            connection.execute(lane_runners.delete().where(dead))
            return len(digests)

        return await self._writer.run(work)

    async def _orders(self, query: Select[Any]) -> list[OrderRow]:
        async with self._engine.connect() as connection:
            return [order_of(row) for row in await connection.execute(query)]


def _require_none_passed(connection: Connection, mine: ColumnElement[bool]) -> None:
    table = lane_orders
    last = (
        select(table.c.channel, func.max(table.c.sequence).label("last"))
        .where(mine)
        .group_by(table.c.channel)
        .subquery()
    )
    waiting = table.c.status.in_((Status.OPEN.value, Status.DECIDED.value)) & table.c.batch.is_(None)
    passed = (
        select(table.c.sequence)
        .join(last, table.c.channel == last.c.channel)
        .where(waiting, ~mine, table.c.sequence < last.c.last)
    )
    found = connection.execute(passed.limit(1)).first()
    if found is not None:
        raise MLBridgeError(
            "lane.batch_passes",
            f"The batch would pass the order of sequence {found.sequence}, which may still be paid.",
            hint="Put the batch together again.",
        )


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    """So few that every database takes them as parameters of one statement."""
    for start in range(0, len(items), 500):
        yield items[start : start + 500]
