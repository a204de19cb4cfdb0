"""API keys: what opens them, what they may do, and a budget that nothing overspends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from gateway import tables
from gateway.book import Book, Mark
from gateway.keys import Choices, Keys
from gateway.store import Store
from mlbridge.errors import MLBridgeError
from tests.support.lanes import PRICE, offered, placed, store_in


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with store_in(tmp_path) as opened:
        yield opened


@pytest.fixture
def keys(store: Store) -> Keys:
    return Keys(store)


@pytest.fixture
def book(store: Store) -> Book:
    return Book(store, carrier="one", lease_s=10)


async def code_of(work: object) -> str:
    with pytest.raises(MLBridgeError) as refused:
        await work  # type: ignore[misc]
    return refused.value.code


async def test_a_key_opens_with_its_text_alone(keys: Keys) -> None:
    key, secret = await keys.create("mine")
    assert secret.startswith(f"mlb_sk_{key.id}_")
    assert (await keys.open(secret)).id == key.id
    other, other_secret = await keys.create("other")
    swapped = f"mlb_sk_{key.id}_{other_secret.rpartition('_')[2]}"
    for wrong in (
        "", "mlb_sk_", secret[:-1], secret + "0", secret.upper(), swapped,
        secret.removeprefix("mlb_sk_"), f"mlb_sk_{'0' * 12}_{'0' * 64}",
    ):  # fmt: skip
        assert await code_of(keys.open(wrong)) == "key.invalid", wrong
    assert other.id != key.id


async def test_the_store_holds_no_secret(keys: Keys, store: Store) -> None:
    _, secret = await keys.create("mine")
    async with store.engine.connect() as connection:
        rows = (await connection.execute(text("SELECT * FROM gateway_keys"))).all()
    assert secret.rpartition("_")[2] not in str(rows)


async def test_revoked_and_expired_keys_open_nothing(keys: Keys) -> None:
    revoked, secret = await keys.create("revoked")
    await keys.revoke(revoked.id)
    assert await code_of(keys.open(secret)) == "key.revoked"
    _, old = await keys.create("old", expires_at=time.time() - 1)
    assert await code_of(keys.open(old)) == "key.expired"
    assert await code_of(keys.revoke("nobody")) == "key.unknown"


async def test_a_key_has_the_scopes_it_was_given(keys: Keys) -> None:
    key, _ = await keys.create("reader", scopes=frozenset({"read"}))
    key.allow("read")
    with pytest.raises(MLBridgeError, match="lacks the scope inference"):
        key.allow("inference")
    assert await code_of(keys.create("x", scopes=frozenset({"admin"}))) == "key.bad_scope"
    assert await code_of(keys.create("x", rate="often")) == "key.bad_rate"


def test_a_request_chooses_over_its_key_but_never_a_higher_price() -> None:
    key = Choices(seats=3, max_price_wei=10)
    assert Choices(seats=5, max_price_wei=99).over(key) == Choices(seats=5, max_price_wei=10)
    assert Choices(max_price_wei=5).over(key) == Choices(seats=3, max_price_wei=5)


async def test_a_budget_is_never_overspent_however_many_ask_at_once(tmp_path: Path, keys: Keys) -> None:
    key, _ = await keys.create("poor", budget=5 * PRICE + 1)
    # each of these has connections of its own, as replicas do
    async with store_in(tmp_path) as first, store_in(tmp_path) as second:
        books = [Book(store, carrier=str(at), lease_s=10) for at, store in enumerate((first, second))]
        work = [books[at % 2].accept(key.id, [placed()], mark=None, open_limit=1000) for at in range(40)]
        found = await asyncio.gather(*work, return_exceptions=True)
    taken = [item for item in found if not isinstance(item, BaseException)]
    refused = [item for item in found if isinstance(item, MLBridgeError)]
    assert len(taken) == 5
    assert [error.code for error in refused] == ["budget.exceeded"] * 35
    after = await keys.get(key.id)
    assert (after.reserved, after.spent) == (5 * PRICE, 0)


async def test_several_tasks_are_reserved_together_or_not_at_all(keys: Keys, book: Book) -> None:
    key, _ = await keys.create("poor", budget=2 * PRICE)
    three = [placed() for _ in range(3)]
    assert await code_of(book.accept(key.id, three, mark=None, open_limit=99)) == "budget.exceeded"
    assert (await keys.get(key.id)).reserved == 0
    assert await book.count_open() == 0


async def test_a_task_is_settled_once_and_the_rest_goes_back(keys: Keys, book: Book) -> None:
    key, _ = await keys.create("mine", budget=PRICE)
    ((task,), _) = await book.accept(key.id, [placed()], mark=None, open_limit=99)
    assert await book.decide(task.id, status="finalized", cost=30)
    assert not await book.decide(task.id, status="refunded", cost=0)
    after = await keys.get(key.id)
    assert (after.reserved, after.spent) == (0, 30)
    assert (await book.many([task.id]))[0].status == "finalized"
    assert await code_of(book.accept(key.id, [placed(offered(71))], mark=None, open_limit=99)) == (
        "budget.exceeded"
    )
    await book.accept(key.id, [placed(offered(70))], mark=None, open_limit=99)


async def test_a_lane_that_claims_more_than_the_price_gets_the_price(keys: Keys, book: Book) -> None:
    key, _ = await keys.create("mine")
    ((task,), _) = await book.accept(key.id, [placed()], mark=None, open_limit=99)
    await book.decide(task.id, status="finalized", cost=10 * PRICE)
    assert (await keys.get(key.id)).spent == PRICE


async def test_more_tasks_than_there_is_room_for_are_told_to_come_again(keys: Keys, book: Book) -> None:
    key, _ = await keys.create("mine")
    await book.accept(key.id, [placed()], mark=None, open_limit=1)
    with pytest.raises(MLBridgeError) as full:
        await book.accept(key.id, [placed()], mark=None, open_limit=1)
    assert full.value.code == "gateway.full"
    assert full.value.context["retry_after_s"]
    assert (await keys.get(key.id)).reserved == PRICE


async def test_a_revoked_key_reserves_nothing(keys: Keys, book: Book) -> None:
    key, _ = await keys.create("mine")
    await keys.revoke(key.id)
    assert await code_of(book.accept(key.id, [placed()], mark=None, open_limit=9)) == "key.revoked"


async def test_requests_that_race_with_one_mark_make_one_task(keys: Keys, book: Book) -> None:
    key, _ = await keys.create("mine")
    mark = Mark.of(key.id, "/v1/tasks", "k", {"input": 1})
    work = [book.accept(key.id, [placed()], mark=mark, open_limit=99) for _ in range(10)]
    found = await asyncio.gather(*work)
    assert len({tasks[0].id for tasks, _ in found}) == 1
    assert [new for _, new in found].count(True) == 1
    assert (await keys.get(key.id)).reserved == PRICE


async def test_a_mark_stands_for_one_request_of_one_principal_on_one_route(keys: Keys, book: Book) -> None:
    key, _ = await keys.create("mine")
    mark = Mark.of(key.id, "/v1/tasks", "k", {"input": 1})
    await book.accept(key.id, [placed()], mark=mark, open_limit=99)
    assert await code_of(book.marked(Mark.of(key.id, "/v1/tasks", "k", {"input": 2}))) == (
        "idempotency.mismatch"
    )
    assert await book.marked(Mark.of("other", "/v1/tasks", "k", {"input": 1})) is None
    assert await book.marked(Mark.of(key.id, "/v1/embeddings", "k", {"input": 1})) is None


async def test_tasks_belong_to_their_key_and_come_in_pages(keys: Keys, book: Book) -> None:
    mine, _ = await keys.create("mine")
    other, _ = await keys.create("other")
    for key in (mine, other, mine, mine):
        await book.accept(key.id, [placed()], mark=None, open_limit=99)
    first = await book.page(mine.id, limit=2, before=None, status=None)
    rest = await book.page(mine.id, limit=2, before=first[-1].number, status=None)
    assert [len(first), len(rest)] == [2, 1]
    assert {task.key_id for task in first + rest} == {mine.id}
    assert [task.number for task in first + rest] == sorted(
        (task.number for task in first + rest), reverse=True
    )
    assert await code_of(book.get(first[0].id, key_id=other.id)) == "task.unknown"


async def test_migrations_give_the_declared_schema(store: Store) -> None:
    async with store.engine.connect() as connection:
        different = await connection.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(sync, opts={"version_table": "gateway_version"}), tables.metadata
            )
        )
    assert different == []
