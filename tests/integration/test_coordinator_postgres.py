"""The store on PostgreSQL: the same batches, reorganisations, outboxes and locks as on SQLite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from contracts.chain import Chain
from contracts.sender import Sender
from coordinator import database, tables
from coordinator.events import TaskEvent
from coordinator.outbox import Outbox
from coordinator.store import Store
from mlbridge.errors import MLBridgeError
from tests.support import postgres
from tests.support.coordinator_walks import chains, digest, fold_all
from tests.support.coordinators import make_config, request, running
from tests.support.seats import acting, make_members, register_model, scripts
from tests.unit.test_coordinator_store import MANAGER, a_submission, submitted

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not postgres.installed(), reason="no PostgreSQL server (initdb, pg_ctl) on PATH"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture
async def store(server: str) -> AsyncIterator[Store]:
    opened = await Store.open(await postgres.fresh(server), chain_id=1, task_manager=MANAGER)
    yield opened
    await opened.close()


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=chains(steps=20), second=chains(steps=20, branch=1), data=st.data())
def test_batches_and_reorganisations_end_in_the_canonical_state(
    server: str, first: list[TaskEvent], second: list[TaskEvent], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(10, first[-1].block + 1))
    common = [event for event in first if event.block < cut]
    known = {event.task_id for event in common}
    branch = [replace(event, block=event.block + cut) for event in second if event.task_id not in known]

    async def run() -> None:
        store = await Store.open(await postgres.fresh(server), chain_id=1, task_manager=MANAGER)
        await store.apply(first, position="a")
        await store.apply(first, position="a")
        assert {s.task_id: s for s in await store.tasks(limit=99)} == fold_all(first)
        await store.apply(branch, position="b", removed_from=cut)
        assert {s.task_id: s for s in await store.tasks(limit=99)} == fold_all(common + branch)
        assert await store.position() == "b"
        await store.close()

    asyncio.run(run())


async def test_migrations_give_the_declared_schema(store: Store) -> None:
    async with store.engine.connect() as connection:
        different = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), tables.metadata)
        )
    assert different == []


async def test_outboxes_keep_wide_amounts_and_refuse_reused_keys(store: Store) -> None:
    outbox = Outbox(store)
    first = a_submission("a", payment=2**255)
    await outbox.add(first, queue_limit=5, daily_wei=2**256)
    assert await outbox.submission(key="a") == first
    with pytest.raises(MLBridgeError) as caught:
        await outbox.add(replace(first, fingerprint="0" * 64), queue_limit=5, daily_wei=None)
    assert caught.value.code == "submission.key_reused"
    await store.apply(submitted().written, position="x")
    (due,) = await outbox.pokes_due(block=13, timestamp=1, now=1.0, limit=9)
    assert due.task_id == digest(1)


async def test_a_second_coordinator_is_kept_out_until_the_first_ends(server: str) -> None:
    url = await postgres.fresh(server)
    first = await Store.open(url, chain_id=1, task_manager=MANAGER)
    with pytest.raises(MLBridgeError) as caught:
        await Store.open(url, chain_id=1, task_manager=MANAGER, wait_s=0.3)
    assert caught.value.code == "store.locked"
    assert await first.holds_lock()
    await first.close()
    second = await Store.open(url, chain_id=1, task_manager=MANAGER, wait_s=5)
    await second.close()


async def test_a_lost_connection_loses_the_lock_and_ends_the_engine(
    server: str, tmp_path: Path, chain: Chain, treasury: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordinator.engine.GAUGES_S", 0.1)
    url = await postgres.fresh(server)
    config = await make_config(tmp_path, chain, treasury, store=url)
    async with running(config) as engine:
        assert engine.alive
        admin = database.open_engine(database.database_url(server))
        async with admin.begin() as connection:
            query = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            await connection.execute(text(query))
        await admin.dispose()
        async with asyncio.timeout(20):
            await engine.lost.wait()
        assert not engine.alive
        # whoever comes next may have the store
        second = await Store.open(url, chain_id=chain.chain_id, task_manager=chain.addresses.tasks, wait_s=5)
        await second.close()


async def test_a_task_is_driven_to_its_end_on_postgresql(
    server: str, tmp_path: Path, chain: Chain, treasury: Sender
) -> None:
    model = await register_model(chain, treasury)
    members = await make_members(chain, treasury, model, scripts(honest=3))
    config = await make_config(tmp_path, chain, treasury, store=await postgres.fresh(server))
    async with running(config) as engine, acting(members):
        view = await engine.submit(request(model, key="pg"))
        assert (await engine.task(view["task_id"], wait_s=60))["status"] == "finalized"
    async with running(config) as again:
        assert (await again.task(view["task_id"]))["status"] == "finalized"
        assert (await again.submit(request(model, key="pg")))["task_id"] == view["task_id"]
