"""The store: one transaction a batch, reorganisations undone, the same on every database; the outboxes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from coordinator import database, migrations, tables
from coordinator.events import TaskEvent
from coordinator.lane import tables as lane_tables  # completes the metadata
from coordinator.outbox import Outbox, Submission
from coordinator.shelf import Shelf
from coordinator.state import due_poke
from coordinator.store import Store
from coordinator.task import TaskState
from mlbridge.errors import MLBridgeError
from tests.support.coordinator_walks import ADDRESS, Scribe, chains, digest, fold_all

MANAGER = "0x" + "11" * 20


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{tmp_path}/c.db", chain_id=31337, task_manager=MANAGER)
    yield opened
    await opened.close()


def submitted(task: int = 1, *, block: int = 10) -> Scribe:
    scribe = Scribe(block=block)
    scribe.log(
        digest(task),
        "TaskSubmitted",
        requester=ADDRESS,
        modelId=digest(7),
        inputData="0x0001",
        reward=10**30,
        deadline=2_000_000,
        seats=3,
        randomnessBlock=block + 2,
    )
    return scribe


async def everything(store: Store) -> dict[str, TaskState]:
    return {state.task_id: state for state in await store.tasks(limit=1000)}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=chains(steps=25), second=chains(steps=25, branch=1), data=st.data())
def test_batches_crashes_and_reorganisations_end_in_the_canonical_state(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[TaskEvent],
    second: list[TaskEvent],
    data: st.DataObject,
) -> None:
    """A chain delivered in pieces, some twice, then replaced by another from a random block on."""
    cut = data.draw(st.integers(10, first[-1].block + 1))
    common = [event for event in first if event.block < cut]
    known = fold_all(common)
    branch = [
        replace(event, block=event.block + cut)
        for event in second
        if event.task_id not in known  # tasks of the common part would not continue this way
    ]
    path = tmp_path_factory.mktemp("store")

    async def run() -> None:
        url = f"sqlite:///{path}/c.db"
        store = await Store.open(url, chain_id=1, task_manager=MANAGER)
        at = 0
        while at < len(first):
            end = data.draw(st.integers(at + 1, len(first)))
            again = data.draw(st.integers(0, at))
            await store.apply(first[again:end], position=str(end))
            at = end
            if data.draw(st.booleans()):
                await store.close()
                store = await Store.open(url, chain_id=1, task_manager=MANAGER)
                assert await store.position() == str(at)
        assert await everything(store) == fold_all(first)
        applied = await store.apply(branch, position="b", removed_from=cut)
        assert applied.undone == {event.task_id for event in first if event.block >= cut}
        assert await everything(store) == fold_all(common + branch)
        async with store.engine.connect() as connection:
            keys = {
                row.task_id: row.key
                for row in await connection.execute(select(tables.pokes.c.task_id, tables.pokes.c.key))
            }
        expected = {
            task_id: due.key
            for task_id, state in fold_all(common + branch).items()
            if (due := due_poke(state)) is not None
        }
        assert keys == expected
        await store.close()

    asyncio.run(run())


async def test_a_batch_that_fails_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr(store, "_write_task", broken)
    with pytest.raises(RuntimeError):
        await store.apply(submitted().written, position="11")
    assert await store.position() == ""
    assert await store.events(digest(1)) == []


async def test_punishments_for_orders_and_cases_are_of_no_task(store: Store) -> None:
    scribe = submitted()
    scribe.log(digest(2), "Slashed", account=2, fault=3, amount=7, basisPoints=10_000)
    scribe.log(digest(2), "SlashSplit", toReserve=3, toReporter=1, burned=3)
    scribe.log(digest(1), "Slashed", account=4, fault=0, amount=8, basisPoints=500)
    applied = await store.apply(scribe.written, position="12")
    assert applied.anomalies == []
    assert await store.task(digest(2)) is None
    state = await store.task(digest(1))
    assert state is not None
    assert [slash.account for slash in state.slashes] == [4]


async def test_a_forbidden_event_is_noted_and_left_out(store: Store) -> None:
    scribe = submitted()
    scribe.next_block()
    scribe.log(digest(1), "ResultCommitted", account=2, round=0, commitment=digest(3))
    scribe.log(digest(2), "RevealOpened", round=0, revealDeadline=1)
    applied = await store.apply(scribe.written, position="12")
    assert [error.context["task"] for error in applied.anomalies] == [digest(1), digest(2)]
    row = await store.task_row(digest(1))
    assert row is not None
    assert "ResultCommitted cannot follow" in row.anomaly
    assert await store.position() == "12"


async def test_a_receipt_is_kept_only_for_the_state_it_proves(store: Store) -> None:
    scribe = submitted()
    scribe.next_block()
    scribe.log(digest(1), "TaskCancelled", amount=5)
    await store.apply(scribe.written, position="x")
    state = await store.task(digest(1))
    assert state is not None
    assert not await Shelf(store).keep(digest(1), "{}", position=(0, 0))
    assert await Shelf(store).keep(digest(1), "{}", position=state.position)
    await store.apply([], position="y", removed_from=11)
    row = await store.task_row(digest(1))
    assert row is not None
    assert row.receipt is None


async def test_a_second_coordinator_is_kept_out(tmp_path: Path, store: Store) -> None:
    url = f"sqlite:///{tmp_path}/c.db"
    with pytest.raises(MLBridgeError) as caught:
        await Store.open(url, chain_id=31337, task_manager=MANAGER, wait_s=0.2)
    assert caught.value.code == "store.locked"


async def test_another_deployment_is_refused(tmp_path: Path, store: Store) -> None:
    await store.close()
    url = f"sqlite:///{tmp_path}/c.db"
    for chain_id, manager in ((1, MANAGER), (31337, "0x" + "22" * 20)):
        with pytest.raises(MLBridgeError) as caught:
            await Store.open(url, chain_id=chain_id, task_manager=manager)
        assert caught.value.code == "store.other_network"
    again = await Store.open(url, chain_id=31337, task_manager=MANAGER)
    await again.close()


async def test_sqlite_runs_in_wal_with_normal_sync(tmp_path: Path, store: Store) -> None:
    async with store.engine.connect() as connection:
        for pragma, expected in (("journal_mode", "wal"), ("synchronous", 1), ("foreign_keys", 1)):
            assert (await connection.exec_driver_sql(f"PRAGMA {pragma}")).scalar() == expected


async def test_migrations_give_the_declared_schema(tmp_path: Path, store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    async with store.engine.connect() as connection:
        different = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), lane_tables.metadata)
        )
    assert different == []
    newest = max(path.name for path in Path(migrations.__file__).parent.glob("versions/0*.py"))[:4]
    with sqlite3.connect(tmp_path / "c.db") as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [(newest,)]


@pytest.mark.parametrize(
    ("given_url", "driver"),
    [
        ("sqlite:///x/c.db", "sqlite+aiosqlite"),
        ("postgresql://u:p@h/db", "postgresql+psycopg"),
        ("postgres://u:p@h/db", "postgresql+psycopg"),
        ("postgresql+psycopg://u@h:5433/db", "postgresql+psycopg"),
    ],
)
def test_urls_get_their_driver(given_url: str, driver: str) -> None:
    assert database.database_url(given_url).drivername == driver


@pytest.mark.parametrize("bad", ["mysql://u@h/db", "sqlite://", "sqlite:///:memory:", "not a url"])
def test_other_urls_are_refused_in_words(bad: str) -> None:
    with pytest.raises(MLBridgeError) as caught:
        database.database_url(bad)
    assert caught.value.code == "store.url"
    assert "postgresql://" in caught.value.hint


def a_submission(key: str, *, now: float = 1000.0, payment: int = 10**20) -> Submission:
    return Submission(
        key=key,
        fingerprint="f" * 64,
        task_id=digest(int.from_bytes(key.encode(), "big")),
        model_id=digest(7),
        kind="embedding",
        input_data="0x00",
        deadline=9,
        seats=3,
        salt=digest(1),
        payment=payment,
        status="queued",
        attempts=0,
        not_before=0.0,
        tx_hash=None,
        error_code=None,
        error=None,
        created_at=now,
        updated_at=now,
    )


async def test_a_key_gives_one_submission(store: Store) -> None:
    outbox = Outbox(store)
    first = a_submission("a")
    assert await outbox.add(first, queue_limit=5, daily_wei=None) == (first, True)
    again = replace(first, task_id=digest(99))
    assert await outbox.add(again, queue_limit=5, daily_wei=None) == (first, False)
    with pytest.raises(MLBridgeError) as caught:
        await outbox.add(replace(again, fingerprint="0" * 64), queue_limit=5, daily_wei=None)
    assert caught.value.code == "submission.key_reused"
    assert await outbox.submission(task_id=first.task_id) == first


async def test_a_full_queue_and_a_spent_budget_refuse(store: Store) -> None:
    outbox = Outbox(store)
    await outbox.add(a_submission("a"), queue_limit=1, daily_wei=None)
    with pytest.raises(MLBridgeError) as caught:
        await outbox.add(a_submission("b"), queue_limit=1, daily_wei=None)
    assert caught.value.code == "coordinator.full"
    assert caught.value.context["retry_after_s"] == 5
    await outbox.mark("a", status="done")
    with pytest.raises(MLBridgeError) as caught:
        await outbox.add(a_submission("b"), queue_limit=1, daily_wei=15 * 10**19)
    assert (caught.value.code, caught.value.exit_code) == ("coordinator.budget", 4)
    # a day later the first payment no longer counts, and a failed one never does
    later = a_submission("b", now=1000.0 + 86_401)
    await outbox.add(later, queue_limit=1, daily_wei=15 * 10**19)
    await outbox.mark("b", status="failed")
    await outbox.add(a_submission("c", now=1000.0 + 86_402), queue_limit=1, daily_wei=15 * 10**19)


async def test_a_submission_whose_task_was_taken_back_is_found(store: Store) -> None:
    outbox = Outbox(store)
    key = "\x01"
    await outbox.add(a_submission(key), queue_limit=5, daily_wei=None)
    assert [item.key for item in await outbox.submissions_due(2000.0, limit=9)] == [key]
    await outbox.mark(key, status="done", updated_at=1500.0)
    await store.apply(submitted().written, position="x")
    assert await outbox.submissions_lost(older_than=2000.0, limit=9) == []
    await store.apply([], position="y", removed_from=10)
    assert [item.key for item in await outbox.submissions_lost(older_than=2000.0, limit=9)] == [key]
    assert await outbox.submissions_lost(older_than=1400.0, limit=9) == []


async def test_a_poke_is_due_after_its_block_and_time(store: Store) -> None:
    outbox = Outbox(store)
    await store.apply(submitted().written, position="x")
    assert await outbox.pokes_due(block=12, timestamp=1, now=1.0, limit=9) == []
    (due,) = await outbox.pokes_due(block=13, timestamp=1, now=1.0, limit=9)
    await outbox.poked(due, not_before=60.0, attempts=1, outcome="sent")
    assert await outbox.pokes_due(block=13, timestamp=1, now=59.0, limit=9) == []
    assert await outbox.count_pokes(block=13, timestamp=1) == 1
    stale = replace(due, key="another step")
    await outbox.poked(stale, outcome="lost")
    (again,) = await outbox.pokes_due(block=13, timestamp=1, now=61.0, limit=9)
    assert (again.outcome, again.attempts) == ("sent", 1)
