"""Receipts of ended tasks: which are kept, which are owed, and when an owed one is tried again."""

from __future__ import annotations

from sqlalchemy import and_, func, select, update

from coordinator import tables
from coordinator.store import Store

_TASKS = tables.tasks
_OWED = and_(_TASKS.c.ended, _TASKS.c.receipt.is_(None), _TASKS.c.review.is_(False))


class Shelf:
    """The receipts of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def owed(self, *, now: float, limit: int) -> list[tuple[str, int]]:
        """(task, tries so far) of receipts that may be built now (unix seconds), oldest task first.

        What failed waits for its turn outside of this list, so that it never holds up the rest.
        """
        query = (
            select(_TASKS.c.task_id, _TASKS.c.receipt_tries)
            .where(_OWED, _TASKS.c.receipt_after <= now)
            .order_by(_TASKS.c.finished_at)
            .limit(limit)
        )
        async with self._store.engine.connect() as connection:
            return [(row.task_id, row.receipt_tries) for row in await connection.execute(query)]

    async def count_owed(self) -> int:
        """Ended tasks whose receipt is still to be built."""
        query = select(func.count()).select_from(_TASKS).where(_OWED)
        async with self._store.engine.connect() as connection:
            return int(await connection.scalar(query) or 0)

    async def keep(self, task_id: str, receipt: str, *, position: tuple[int, int]) -> bool:
        """Keep a receipt unless the task changed since `position`; whether it was kept."""
        mine = _TASKS.c.task_id == task_id
        async with self._store.writing, self._store.engine.begin() as connection:
            row = (await connection.execute(select(_TASKS.c.state).where(mine))).first()
            if row is None or self._store.state_of(row).position != position:
                return False
            await connection.execute(update(_TASKS).where(mine).values(receipt=receipt))
            return True

    async def none(self, task_id: str) -> None:
        """Note that a task is a review and has no receipt."""
        async with self._store.writing, self._store.engine.begin() as connection:
            await connection.execute(update(_TASKS).where(_TASKS.c.task_id == task_id).values(review=True))

    async def failed(self, task_id: str, *, tries: int, after: float) -> None:
        """Note that a receipt could not be built. after: unix seconds of the next try."""
        async with self._store.writing, self._store.engine.begin() as connection:
            await connection.execute(
                update(_TASKS)
                .where(_TASKS.c.task_id == task_id)
                .values(receipt_tries=tries, receipt_after=after)
            )
