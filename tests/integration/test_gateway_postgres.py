"""The gateway's store on PostgreSQL: budgets, marks and leases hold between replicas as on SQLite."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from coordinator import tables as coordinator_tables
from coordinator.store import Store as CoordinatorStore
from gateway import tables
from gateway.book import Book, Mark
from gateway.keys import Keys
from gateway.store import Store
from mlbridge.errors import MLBridgeError
from tests.support import postgres
from tests.support.lanes import PRICE, config_in, placed

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not postgres.installed(), reason="no PostgreSQL server (initdb, pg_ctl) on PATH"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture
async def stores(server: str, tmp_path: Path) -> AsyncIterator[list[Store]]:
    """Two replicas' connections to one database, opened at once, and the coordinator's beside them."""
    config = config_in(tmp_path, store=server)
    async with contextlib.AsyncExitStack() as stack:
        opened = await asyncio.gather(*(Store.open(config) for _ in range(2)))
        for store in opened:
            stack.push_async_callback(store.close)
        yield list(opened)


def books(stores: list[Store], lease_s: float = 10) -> list[Book]:
    return [Book(store, carrier=str(at), lease_s=lease_s) for at, store in enumerate(stores)]


async def test_the_schema_is_the_declared_one_beside_the_coordinators(
    stores: list[Store], server: str
) -> None:
    beside = await CoordinatorStore.open(server, chain_id=1, task_manager="0x" + "11" * 20)
    await beside.close()

    async with stores[0].engine.connect() as connection:
        different = await connection.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(sync, opts={"include_object": _ours}), tables.metadata
            )
        )
    assert different == []


VERSIONS = ("alembic_version", "gateway_version")


def _ours(item: object, name: str | None, kind: str, reflected: bool, other: object) -> bool:
    return kind != "table" or name not in {*coordinator_tables.metadata.tables, *VERSIONS}


async def test_replicas_that_race_never_overspend_a_budget(stores: list[Store]) -> None:
    key, _ = await Keys(stores[0]).create("poor", budget=5 * PRICE)
    both = books(stores)
    work = [both[at % 2].accept(key.id, [placed()], mark=None, open_limit=999) for at in range(30)]
    found = await asyncio.gather(*work, return_exceptions=True)
    refused = [item for item in found if isinstance(item, MLBridgeError)]
    assert [error.code for error in refused] == ["budget.exceeded"] * 25
    tasks = await both[0].page(key.id, limit=99, before=None, status=None)
    assert len(tasks) == 5
    settling = [both[at % 2].decide(task.id, status="finalized", cost=1) for at in range(2) for task in tasks]
    assert (await asyncio.gather(*settling)).count(True) == 5
    after = await Keys(stores[1]).get(key.id)
    assert (after.spent, after.reserved) == (5, 0)


async def test_replicas_that_race_with_one_mark_make_one_task(stores: list[Store]) -> None:
    key, _ = await Keys(stores[0]).create("mine")
    mark, both = Mark.of(key.id, "/v1/tasks", "k", 1), books(stores)
    work = [both[at % 2].accept(key.id, [placed()], mark=mark, open_limit=999) for at in range(10)]
    found = await asyncio.gather(*work)
    assert len({tasks[0].id for tasks, _ in found}) == 1
    assert (await Keys(stores[0]).get(key.id)).reserved == PRICE


async def test_a_task_is_taken_over_by_one_replica(stores: list[Store]) -> None:
    key, _ = await Keys(stores[0]).create("mine")
    first, second = books(stores, lease_s=0)
    ((task,), _) = await first.accept(key.id, [placed()], mark=None, open_limit=999)
    longer = books(stores)
    found = await asyncio.gather(*(book.take_over(limit=99) for book in longer))
    assert [item.id for taken in found for item in taken] == [task.id]
    assert await second.count_open() >= 1


async def test_odd_ids_are_simply_unknown(stores: list[Store]) -> None:
    for odd in ("\x00", "0x\x00", "x" * 70, "0x", "'; --"):
        with pytest.raises(MLBridgeError) as unknown:
            await books(stores)[0].get(odd, key_id="mine")
        assert unknown.value.code == "task.unknown"
        with pytest.raises(MLBridgeError) as invalid:
            await Keys(stores[0]).open(f"mlb_sk_{odd}_x")
        assert invalid.value.code == "key.invalid"
