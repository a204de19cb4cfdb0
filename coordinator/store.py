"""The durable store: every task's events and state, the cursor and the outboxes.

A batch of events, the states that follow from it, the pokes they call for and the cursor are written in one
transaction, so that after any crash the next start continues exactly behind what was kept. No call over the
network happens inside a transaction.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Executable, Row, Table, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from coordinator import database, tables
from coordinator.events import TaskEvent, dump_args
from coordinator.state import PUNISHMENTS, Effect, TransitionError, advance, due_poke, effects
from coordinator.task import TaskState
from mlbridge.errors import MLBridgeError

CHUNK = 500


@dataclass(frozen=True, slots=True)
class Change:
    """One event's change of one task; before is None for its first event."""

    before: TaskState | None
    after: TaskState
    event: TaskEvent


@dataclass(frozen=True, slots=True)
class Applied:
    """What a batch did. undone: tasks that a reorganisation took events from; anomalies: events refused."""

    changes: list[Change] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    undone: frozenset[str] = frozenset()
    anomalies: list[TransitionError] = field(default_factory=list)


def upserting(dialect: str, table: Table, values: dict[str, Any]) -> Executable:
    """Inserts a row, or replaces the other columns of the row with the same primary key."""
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    keys = [column.name for column in table.primary_key]
    others = {name: value for name, value in values.items() if name not in keys}
    return insert(table).values(values).on_conflict_do_update(index_elements=keys, set_=others)


async def upsert(connection: AsyncConnection, table: Table, values: dict[str, Any]) -> None:
    """See `upserting`."""
    await connection.execute(upserting(connection.dialect.name, table, values))


class Store:
    """One coordinator's memory. Writes are serialised here; one process at a time holds the store's lock."""

    def __init__(self, engine: AsyncEngine, lock: database.StoreLock) -> None:
        self.engine = engine
        self.writing = asyncio.Lock()
        self._lock = lock

    @classmethod
    async def open(cls, url: str, *, chain_id: int, task_manager: str, wait_s: float = 30.0) -> Store:
        """Open, lock and migrate. Raises MLBridgeError `store.url`, `store.locked` or `store.other_network`.

        wait_s: seconds to wait for another holder of the lock to end.
        """
        engine = database.open_engine(database.database_url(url))
        lock: database.StoreLock | None = None
        try:
            lock = await database.take_lock(engine, wait_s=wait_s)
            await database.migrate(engine)
            store = cls(engine, lock)
            await store._bind(chain_id, task_manager)
        except BaseException:
            if lock is not None:
                await lock.release()
            await engine.dispose()
            raise
        return store

    async def close(self) -> None:
        """Release the lock and the connections."""
        await self._lock.release()
        await self.engine.dispose()

    async def holds_lock(self) -> bool:
        """Whether no other coordinator can have taken this store; False after a lost database connection."""
        return await self._lock.held()

    async def _bind(self, chain_id: int, task_manager: str) -> None:
        async with self.writing, self.engine.begin() as connection:
            row = (await connection.execute(select(tables.cursor))).first()
            if row is None:
                await connection.execute(
                    tables.cursor.insert().values(
                        id=1, chain_id=chain_id, task_manager=task_manager, position=""
                    )
                )
            elif (row.chain_id, row.task_manager.lower()) != (chain_id, task_manager.lower()):
                raise MLBridgeError(
                    "store.other_network",
                    f"This store follows task manager {row.task_manager} on chain {row.chain_id}, "
                    f"not {task_manager} on chain {chain_id}.",
                    hint="Give each network a store of its own; a new deployment needs a new one.",
                )

    # ---- the chain ----

    async def position(self) -> str:
        """The follower's cursor as it was last saved; empty at the first start."""
        async with self.engine.connect() as connection:
            return str(await connection.scalar(select(tables.cursor.c.position)))

    async def apply(
        self, events: Sequence[TaskEvent], *, position: str, removed_from: int | None = None
    ) -> Applied:
        """Take back every event from block `removed_from` on, add `events`, move the cursor: all or nothing.

        Events that are stored already change nothing. An event that the transition table forbids is kept,
        noted on its task and left out of its state.
        """
        async with self.writing, self.engine.begin() as connection:
            undone = frozenset[str]()
            if removed_from is not None:
                undone = await self._take_back(connection, removed_from)
            fresh = await self._add_events(connection, events)
            states = await self._states(connection, {event.task_id for event in fresh})
            changes, found, anomalies = self._advance(fresh, states)
            for task_id in sorted({change.after.task_id for change in changes}):
                await self._write_task(connection, states[task_id])
            for anomaly in anomalies:
                await connection.execute(
                    update(tables.tasks)
                    .where(tables.tasks.c.task_id == anomaly.context["task"])
                    .values(anomaly=anomaly.message)
                )
            await connection.execute(update(tables.cursor).values(position=position))
        return Applied(changes, found, undone, anomalies)

    @staticmethod
    def _advance(
        events: Iterable[TaskEvent], states: dict[str, TaskState]
    ) -> tuple[list[Change], list[Effect], list[TransitionError]]:
        changes: list[Change] = []
        found: list[Effect] = []
        anomalies: list[TransitionError] = []
        for event in events:
            before = states.get(event.task_id)
            if before is None and event.name in PUNISHMENTS:
                continue  # of no task
            try:
                after = advance(before, event)
            except TransitionError as error:
                anomalies.append(error)
                continue
            states[event.task_id] = after
            changes.append(Change(before, after, event))
            found.extend(effects(before, after))
        return changes, found, anomalies

    async def _take_back(self, connection: AsyncConnection, block: int) -> frozenset[str]:
        lost = tables.events.c.block >= block
        rows = await connection.execute(select(tables.events.c.task_id).where(lost).distinct())
        undone = frozenset(row.task_id for row in rows)
        await connection.execute(delete(tables.events).where(lost))
        for task_id in sorted(undone):
            state: TaskState | None = None
            for event in await self._events_of(connection, task_id):
                try:
                    state = advance(state, event)
                except TransitionError:
                    continue  # noted on the task when it was first applied
            await connection.execute(delete(tables.pokes).where(tables.pokes.c.task_id == task_id))
            if state is None:
                await connection.execute(delete(tables.tasks).where(tables.tasks.c.task_id == task_id))
            else:
                await self._write_task(connection, state)
        return undone

    async def _add_events(self, connection: AsyncConnection, events: Sequence[TaskEvent]) -> list[TaskEvent]:
        if not events:
            return []
        ordered = sorted(events, key=lambda event: event.position)
        first, last = ordered[0].block, ordered[-1].block
        rows = await connection.execute(
            select(tables.events.c.block, tables.events.c.log_index).where(
                tables.events.c.block.between(first, last)
            )
        )
        known = {(row.block, row.log_index) for row in rows}
        fresh = [event for event in ordered if event.position not in known]
        for start in range(0, len(fresh), CHUNK):
            await connection.execute(
                tables.events.insert(), [_event_row(event) for event in fresh[start : start + CHUNK]]
            )
        return fresh

    async def _states(self, connection: AsyncConnection, task_ids: set[str]) -> dict[str, TaskState]:
        wanted, found = sorted(task_ids), dict[str, TaskState]()
        for start in range(0, len(wanted), CHUNK):
            chunk = wanted[start : start + CHUNK]
            rows = await connection.execute(
                select(tables.tasks.c.state).where(tables.tasks.c.task_id.in_(chunk))
            )
            for row in rows:
                state = TaskState.from_json(json.loads(row.state))
                found[state.task_id] = state
        return found

    async def _write_task(self, connection: AsyncConnection, state: TaskState) -> None:
        await upsert(
            connection,
            tables.tasks,
            {
                "task_id": state.task_id,
                "status": int(state.status),
                "ended": state.status.terminal,
                "requester": state.requester,
                "model_id": state.model_id,
                "reward": str(state.reward),
                "submitted_at": state.submitted_at,
                "finished_at": state.finished_at,
                "block": state.position[0],
                "state": json.dumps(state.to_json(), separators=(",", ":")),
                "review": state.review,
                "receipt": None,
                "receipt_tries": 0,
                "receipt_after": 0.0,
            },
        )
        for table in (tables.seats, tables.rounds):
            await connection.execute(delete(table).where(table.c.task_id == state.task_id))
        if state.rounds:
            await connection.execute(tables.rounds.insert(), _round_rows(state))
            await connection.execute(tables.seats.insert(), _seat_rows(state))
        await self._write_poke(connection, state)

    async def _write_poke(self, connection: AsyncConnection, state: TaskState) -> None:
        due = due_poke(state)
        mine = tables.pokes.c.task_id == state.task_id
        if due is None:
            await connection.execute(delete(tables.pokes).where(mine))
            return
        if await connection.scalar(select(tables.pokes.c.key).where(mine)) == due.key:
            return
        await upsert(
            connection,
            tables.pokes,
            {
                "task_id": due.task_id,
                "key": due.key,
                "after_block": due.after_block,
                "after_time": due.after_time,
                "not_before": 0.0,
                "attempts": 0,
                "outcome": None,
                "tx_hash": None,
            },
        )

    # ---- reading ----

    async def task(self, task_id: str) -> TaskState | None:
        """The state of a task, None when no event named it yet."""
        async with self.engine.connect() as connection:
            return (await self._states(connection, {task_id})).get(task_id)

    async def task_row(self, task_id: str) -> Row[Any] | None:
        """The whole row of a task: state, anomaly and receipt as text."""
        async with self.engine.connect() as connection:
            return (
                await connection.execute(select(tables.tasks).where(tables.tasks.c.task_id == task_id))
            ).first()

    @staticmethod
    def state_of(row: Row[Any]) -> TaskState:
        """The state in a row of `task_row`."""
        return TaskState.from_json(json.loads(row.state))

    async def tasks(
        self, *, limit: int = 50, ended: bool | None = None, before: int | None = None
    ) -> list[TaskState]:
        """Tasks, newest first. before: only those submitted earlier (unix seconds)."""
        query = select(tables.tasks.c.state).order_by(
            tables.tasks.c.submitted_at.desc(), tables.tasks.c.task_id
        )
        if ended is not None:
            query = query.where(tables.tasks.c.ended == ended)
        if before is not None:
            query = query.where(tables.tasks.c.submitted_at < before)
        async with self.engine.connect() as connection:
            rows = await connection.execute(query.limit(limit))
            return [TaskState.from_json(json.loads(row.state)) for row in rows]

    async def events(self, task_id: str) -> list[TaskEvent]:
        """Every kept event of a task, in chain order."""
        async with self.engine.connect() as connection:
            return await self._events_of(connection, task_id)

    async def _events_of(self, connection: AsyncConnection, task_id: str) -> list[TaskEvent]:
        rows = await connection.execute(
            select(tables.events)
            .where(tables.events.c.task_id == task_id)
            .order_by(tables.events.c.block, tables.events.c.log_index)
        )
        return [_event(row) for row in rows]

    async def count_open(self) -> int:
        """Tasks that have not ended."""
        query = select(func.count()).select_from(tables.tasks).where(tables.tasks.c.ended.is_(False))
        async with self.engine.connect() as connection:
            return int(await connection.scalar(query) or 0)


def _event_row(event: TaskEvent) -> dict[str, Any]:
    return {
        "block": event.block,
        "log_index": event.log_index,
        "task_id": event.task_id,
        "name": event.name,
        "args": dump_args(event.args),
        "block_hash": event.block_hash,
        "timestamp": event.timestamp,
        "tx_hash": event.tx_hash,
    }


def _event(row: Row[Any]) -> TaskEvent:
    return TaskEvent(
        name=row.name,
        task_id=row.task_id,
        args=json.loads(row.args),
        block=row.block,
        block_hash=row.block_hash,
        timestamp=row.timestamp,
        tx_hash=row.tx_hash,
        log_index=row.log_index,
    )


def _round_rows(state: TaskState) -> list[dict[str, Any]]:
    names = ("number", "kind", "judges", "draws", "passed", "dissent", "confidence")
    return [
        {"task_id": state.task_id, **{name: getattr(item, name) for name in names}} for item in state.rounds
    ]


def _seat_rows(state: TaskState) -> list[dict[str, Any]]:
    names = ("account", "weight", "commitment", "value", "faulty")
    return [
        {
            "task_id": state.task_id,
            "round": item.number,
            "seat": index,
            **{name: getattr(seat, name) for name in names},
        }
        for item in state.rounds
        for index, seat in enumerate(item.seats)
    ]
