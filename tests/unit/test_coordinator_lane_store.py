"""The lane's store: writes that share transactions, sequences and money promised once, orders taken over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from coordinator import database
from coordinator.lane.group import GroupWriter
from coordinator.lane.rows import BatchStage, NewOrder, Status
from coordinator.lane.store import LaneStore
from mlbridge.errors import MLBridgeError
from tests.support import postgres

KINDS = ["sqlite", *(["postgresql"] if postgres.installed() else [])]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture(params=KINDS)
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/c.db"
    else:
        url = await postgres.fresh(request.getfixturevalue("server"))
    opened = database.open_engine(database.database_url(url))
    await database.migrate(opened)
    yield opened
    await opened.dispose()


@pytest.fixture
async def store(engine: AsyncEngine) -> AsyncIterator[LaneStore]:
    opened = LaneStore(engine, "first")
    yield opened
    await opened.release()


def order(sequence: int = 0, **changes: object) -> NewOrder:
    made = NewOrder(
        digest=bytes([sequence]) * 32,
        channel=b"\x01" * 32,
        sequence=sequence,
        requester="0x" + "11" * 20,
        model_id=bytes(32),
        max_fee=10,
        deadline=1_000,
        offer=b"offer",
        accepted_at=float(sequence),
        available=100,
        floor=0,
        window=0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


async def decide(store: LaneStore, one: NewOrder) -> None:
    await store.close(one.digest, b"closed")
    await store.decide(
        one.digest,
        attested=[b"a", b"b"],
        result=b"\x05" * 32,
        confidence=9_000,
        at=1.5,
        output=b"out",
        output_cid=None,
    )


async def test_an_order_is_kept_once_and_a_sequence_serves_one(store: LaneStore) -> None:
    assert await store.add(order(1))
    assert not await store.add(order(1))
    with pytest.raises(MLBridgeError) as taken:
        await store.add(order(1, digest=b"\x99" * 32))
    assert taken.value.code == "lane.sequence_taken"
    row = await store.order(order(1).digest)
    assert row is not None
    assert (row.status, row.offer, row.max_fee, row.ripe) == (Status.OPEN, b"offer", 10, False)


async def test_at_once_the_same_sequence_is_taken_by_one_alone(store: LaneStore) -> None:
    wanted = [order(1, digest=bytes([n]) * 32) for n in range(20, 30)]
    got = await asyncio.gather(*(store.add(one) for one in wanted), return_exceptions=True)
    assert [item for item in got if item is True] == [True]
    assert sum(isinstance(item, MLBridgeError) for item in got) == 9


async def test_what_a_channel_holds_is_promised_once(store: LaneStore) -> None:
    for sequence in range(10):
        assert await store.add(order(sequence))
    with pytest.raises(MLBridgeError) as funds:
        await store.add(order(10))
    assert funds.value.code == "lane.funds"
    # What failed is free again; so is what the chain has settled, which its balance no longer holds.
    await store.fail(order(0).digest, "no verdict")
    assert await store.add(order(10))
    assert await store.add(order(11, window=0b10))
    assert await store.add(order(12, floor=9))


async def test_the_first_closed_set_and_the_first_verdict_stand(store: LaneStore) -> None:
    one = order(1)
    await store.add(one)
    await decide(store, one)
    assert await store.close(one.digest, b"closed")
    assert not await store.close(one.digest, b"another")
    await store.fail(one.digest, "too late")
    row = await store.order(one.digest)
    assert row is not None
    assert (row.closed, row.status, row.result, row.output) == (
        b"closed",
        Status.DECIDED,
        b"\x05" * 32,
        b"out",
    )
    assert row.attested == (b"a", b"b")


async def test_only_the_orders_of_the_dead_are_taken_over(engine: AsyncEngine, store: LaneStore) -> None:
    await store.beat(100.0)
    decided, ripe, failed = order(2), order(3), order(4)
    for one in (order(1), decided, ripe, failed):
        await store.add(one)
    await decide(store, decided)
    await decide(store, ripe)
    await store.ripen(ripe.digest)
    await store.fail(failed.digest, "no verdict")
    other, third = LaneStore(engine, "second"), LaneStore(engine, "third")
    assert await other.take_over(99.0) == []
    assert {row.sequence for row in await other.take_over(101.0)} == {1, 2}
    assert await other.take_over(102.0) == []
    assert {row.sequence for row in await third.take_over(103.0)} == {1, 2}
    await other.release()
    await third.release()


async def test_writes_of_one_transaction_change_their_own_orders_alone(store: LaneStore) -> None:
    made = [order(sequence) for sequence in range(8)]
    for one in made:
        await store.add(one)
    await asyncio.gather(
        *(store.close(one.digest, b"set of %d" % one.sequence) for one in made[:4]),
        *(store.fail(one.digest, f"reason {one.sequence}") for one in made[4:]),
        store.beat(5.0),
    )
    rows = [await store.order(one.digest) for one in made]
    assert [row.closed for row in rows if row is not None] == [b"set of %d" % n for n in range(4)] + [
        None
    ] * 4
    assert [row.reason for row in rows if row is not None] == [None] * 4 + [
        f"reason {n}" for n in range(4, 8)
    ]


async def test_an_order_is_in_one_batch(store: LaneStore) -> None:
    ready = [order(1), order(2)]
    for one in ready:
        await store.add(one)
        await decide(store, one)
    assert await store.batchable(limit=9) == []
    assert await store.first_undecided() == {b"\x01" * 32: 1}
    for one in ready:
        await store.ripen(one.digest)
    assert [row.sequence for row in await store.batchable(limit=9)] == [1, 2]
    digests = [one.digest for one in ready]
    await store.make_batch("0xaa", digests, cid="c", debits=b"d", at=1.0, block=5)
    assert await store.batchable(limit=9) == []
    with pytest.raises(RuntimeError, match="in another one"):
        await store.make_batch("0xbb", digests, cid="c", debits=b"d", at=1.0, block=5)
    assert await store.batch("0xbb") is None
    await store.dissolve("0xaa", "the chain moved on")
    assert len(await store.batchable(limit=9)) == 2
    found = await store.batch("0xaa")
    assert found is not None
    assert (found.status, found.block) == (BatchStage.VOID, 5)


@pytest.mark.parametrize("ended", [False, True])
async def test_no_batch_passes_an_order_that_was_decided_while_it_was_made(
    store: LaneStore, ended: bool
) -> None:
    for sequence in (1, 2):
        await store.add(order(sequence))
    await decide(store, order(2))
    await store.ripen(order(2).digest)
    (candidate,) = await store.batchable(limit=9)
    # Meanwhile, in a gateway's process: no candidate, and no order that is under way any more.
    await decide(store, order(1))
    await store.ripen(order(1).digest)
    if ended:
        await store.finish([order(1).digest], "settled by itself")
    assert await store.first_undecided() == {}
    make = store.make_batch("0xaa", [candidate.digest], cid="c", debits=b"d", at=1.0, block=5)
    if ended:
        await make
        return
    with pytest.raises(MLBridgeError) as caught:
        await make
    assert caught.value.code == "lane.batch_passes"
    assert await store.batch("0xaa") is None
    digests = [row.digest for row in await store.batchable(limit=9)]
    assert len(digests) == 2
    await store.make_batch("0xbb", digests, cid="c", debits=b"d", at=1.0, block=5)


async def test_an_order_that_a_made_batch_passes_is_not_taken(store: LaneStore) -> None:
    await store.add(order(2))
    await decide(store, order(2))
    await store.ripen(order(2).digest)
    await store.make_batch("0xaa", [order(2).digest], cid="c", debits=b"d", at=1.0, block=5)
    with pytest.raises(MLBridgeError) as passed:
        await store.add(order(1))
    assert passed.value.code == "lane.sequence_taken"
    assert await store.add(order(3))
    await store.dissolve("0xaa", "void")
    assert await store.add(order(1)), "its orders are free again"


async def test_a_limit_leaves_out_no_order_that_a_batch_of_the_rest_would_pass(store: LaneStore) -> None:
    late, early = order(1, accepted_at=9.0), order(2, accepted_at=1.0)
    other = order(3, channel=b"\x02" * 32, accepted_at=2.0)
    for one in (late, early, other):
        await store.add(one)
        await decide(store, one)
        await store.ripen(one.digest)
    assert [row.sequence for row in await store.batchable(limit=1)] == [1]
    assert [row.sequence for row in await store.batchable(limit=9)] == [1, 2, 3]


async def test_evidence_is_reported_once_and_the_first_stands(store: LaneStore) -> None:
    for second in (b"2", b"3"):
        await store.keep_evidence(b"\x01" * 32, 7, "dissent", b"1", second)
    assert await store.unreported("dissent") == [(b"\x01" * 32, 7, b"1", b"2")]
    await store.reported(b"\x01" * 32, 7, "dissent")
    assert await store.unreported("dissent") == []


async def prune(store: LaneStore, before: float, *, limit: int = 100) -> int:
    return await store.prune(before, made_before=before, limit=limit)


async def test_old_orders_that_ended_are_dropped(store: LaneStore) -> None:
    for sequence in range(5):
        await store.add(order(sequence))
    await store.fail(order(0).digest, "no verdict")
    await store.finish([order(1).digest, order(2).digest], "settled by itself")
    await decide(store, order(3))
    assert await prune(store, 1_000) == 0
    assert await prune(store, 1_001, limit=2) == 2
    assert await prune(store, 1_001, limit=2) == 1
    # Neither one under way nor one whose money is still to be moved, however old.
    assert await store.counts() == {"open": 1, "decided": 1}


async def test_an_order_stays_while_its_batch_can_be_challenged(store: LaneStore) -> None:
    for sequence in range(2):
        await store.add(order(sequence))
        await decide(store, order(sequence))
        await store.ripen(order(sequence).digest)
    await store.make_batch("0xa", [order(0).digest], cid="c", debits=b"", at=1.0, block=1)
    await store.make_batch("0xb", [order(1).digest], cid="c", debits=b"", at=2.0, block=1)
    for root in ("0xa", "0xb"):
        await store.mark_batch(root, status=BatchStage.POSTED.value)
    await store.finish([order(0).digest, order(1).digest], "final in a batch")
    assert await prune(store, 5_000) == 0
    await store.mark_batch("0xa", status=BatchStage.FINAL.value)
    assert await prune(store, 5_000) == 1
    assert [row.root for row in await store.batches(*BatchStage)] == ["0xb"]
    # A batch of which orders are left stays as long as they do.
    await store.mark_batch("0xb", status=BatchStage.FINAL.value)
    assert await prune(store, 900) == 0
    assert await store.batch("0xb") is not None


async def test_evidence_that_waits_to_be_reported_keeps_its_order(store: LaneStore) -> None:
    for sequence in range(2):
        await store.add(order(sequence))
        await store.fail(order(sequence).digest, "no verdict")
        await store.keep_evidence(order(sequence).digest, 7, "dissent", b"1", b"2")
    await store.reported(order(0).digest, 7, "dissent")
    assert await prune(store, 5_000) == 1
    assert await store.unreported("dissent") == [(order(1).digest, 7, b"1", b"2")]
    assert await store.order(order(1).digest) is not None
    await store.reported(order(1).digest, 7, "dissent")
    assert await prune(store, 5_000) == 1


async def test_a_process_that_lives_is_never_forgotten(engine: AsyncEngine, store: LaneStore) -> None:
    other = LaneStore(engine, "second")
    await other.beat(2_000.0)
    await store.add(order(0))
    await store.beat(100.0)
    await other.prune(9_000, made_before=1_000, limit=10)
    # The first is dead, and stays so: its order goes to whoever lives.
    assert [row.digest for row in await other.take_over(1_000)] == [order(0).digest]
    assert await store.take_over(1_000) == []


async def test_rows_and_disk_are_flat_however_many_orders_end(tmp_path: Path) -> None:
    opened = database.open_engine(database.database_url(f"sqlite:///{tmp_path}/c.db"))
    await database.migrate(opened)
    store, pages = LaneStore(opened, "first"), []
    for turn in range(4):
        root, orders = f"0x{turn}", [numbered(turn * 100 + n) for n in range(100)]
        await asyncio.gather(*(store.add(one) for one in orders))
        await asyncio.gather(*(decide(store, one) for one in orders))
        await asyncio.gather(*(store.ripen(one.digest) for one in orders))
        digests = [one.digest for one in orders]
        await store.make_batch(root, digests, cid="c", debits=b"d", at=float(turn), block=1)
        await store.finish(digests, "final in a batch")
        await store.mark_batch(root, status=BatchStage.FINAL.value)
        while await prune(store, 5_000, limit=64):
            assert len(await store.orders_of(root)) < 100
        assert (await store.counts(), await store.batches(*BatchStage)) == ({}, [])
        async with opened.connect() as connection:
            pages.append(int(await connection.scalar(text("PRAGMA page_count")) or 0))
    await opened.dispose()
    assert pages[-1] <= pages[1]


def numbered(number: int) -> NewOrder:
    digest = number.to_bytes(32, "big")
    return replace(order(), digest=digest, sequence=number, available=10**9, offer=bytes(2_000))


async def test_one_bad_write_spoils_none_of_its_neighbours(engine: AsyncEngine) -> None:
    writer = GroupWriter(engine, asyncio.Lock())
    seen: list[int] = []

    def good(_: Connection, number: int) -> int:
        seen.append(number)
        return number

    def bad(_: Connection) -> int:
        raise MLBridgeError("a.refusal", "No.")

    works = [writer.run(lambda c, n=n: bad(c) if n == 3 else good(c, n)) for n in range(6)]  # type: ignore[misc]
    got = await asyncio.gather(*works, return_exceptions=True)
    assert [item for item in got if isinstance(item, int)] == [0, 1, 2, 4, 5]
    assert isinstance(got[3], MLBridgeError)
    assert sorted(seen) == [0, 1, 2, 4, 5]
    await writer.close()


async def test_a_broken_transaction_fails_all_who_were_in_it_and_none_after(engine: AsyncEngine) -> None:
    writer = GroupWriter(engine, asyncio.Lock())

    def broken(_: Connection) -> None:
        raise ValueError("disk")

    def fine(_: Connection) -> str:
        return "fine"

    got = await asyncio.gather(writer.run(broken), writer.run(fine), return_exceptions=True)
    assert all(isinstance(item, ValueError) for item in got)
    assert await writer.run(fine) == "fine"
    await writer.close()
