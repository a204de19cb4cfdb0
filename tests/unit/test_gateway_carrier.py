"""Tasks are carried to their end whatever happens to their lane, their carrier or whoever waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway import carrier as module
from gateway.keys import Keys
from gateway.lanes import Accepted, Refunded, Refused, Seated, Verdict
from gateway.store import Store
from mlbridge.errors import MLBridgeError
from tests.support.lanes import PRICE, ScriptedLane, accepted, carrying, said, store_in


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with store_in(tmp_path) as opened:
        yield opened


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_RETRY_S", 0.01)
    monkeypatch.setattr(module, "RENEW_S", 0.02)


async def test_a_task_goes_from_accepted_to_its_receipt(store: Store) -> None:
    lane = ScriptedLane([Accepted(), Seated((4, 8, 6)), *said("yes")])
    async with carrying(store, lane) as (book, carrier):
        task = await accepted(book, Keys(store))
        carrier.carry(task)
        (done,) = await carrier.decided([task.id], 5, ended=True)
    assert (done.status, done.ended, done.committee) == ("finalized", True, [4, 8, 6])
    assert (done.confidence, done.cost, done.receipt) == (1.0, PRICE - 10, '{"proof":1}')
    key = await Keys(store).get(task.key_id)
    assert (key.spent, key.reserved) == (PRICE - 10, 0)


async def test_a_lane_in_trouble_is_tried_again_and_told_that_it_is(store: Store) -> None:
    trouble = MLBridgeError("chain.unreachable", "No answer.")
    lane = ScriptedLane([Accepted(), trouble], [RuntimeError("a bug")], [Accepted()], [*said("yes")])
    async with carrying(store, lane) as (book, carrier):
        task = await accepted(book, Keys(store))
        carrier.carry(task)
        (done,) = await carrier.decided([task.id], 5, ended=True)
    assert done.status == "finalized"
    assert lane.resumed == [False, True, True, True]


@pytest.mark.parametrize(
    ("ending", "status", "cost"),
    [
        (Refunded(3, "no verdict"), "refunded", 3),
        (Refunded(0, "cancelled", "cancelled"), "cancelled", 0),
        (Refused("contract.TooFewProviders", "Too few."), "failed", 0),
    ],
)
async def test_a_task_without_an_answer_costs_what_was_spent_on_it(
    store: Store, ending: Refunded | Refused, status: str, cost: int
) -> None:
    async with carrying(store, ScriptedLane([Accepted(), ending])) as (book, carrier):
        task = await accepted(book, Keys(store))
        carrier.carry(task)
        (done,) = await carrier.decided([task.id], 5, ended=True)
    assert (done.status, done.ended, done.cost, done.payload) == (status, True, cost, None)
    key = await Keys(store).get(task.key_id)
    assert (key.spent, key.reserved) == (cost, 0)


async def test_what_a_dead_carrier_left_is_taken_over_and_not_before(store: Store) -> None:
    keys = Keys(store)
    dead, living = ScriptedLane([Accepted()]), ScriptedLane(said("yes"))
    dead.gate.clear()
    async with (
        carrying(store, dead, lease_s=0.3) as (book, first),
        carrying(store, living, name="two", lease_s=5) as (_, second),
    ):
        task = await accepted(book, keys)
        first.carry(task)  # its background, which would renew the lease, does not run: as if it were dead
        second.start()
        assert (await second.decided([task.id], 0.1))[0].status == "queued"
        (done,) = await second.decided([task.id], 5, ended=True)
    assert done.status == "finalized"
    assert living.resumed == [True]


async def test_a_living_carrier_keeps_its_tasks(store: Store) -> None:
    slow, other = ScriptedLane(said("yes")), ScriptedLane(said("no"))
    slow.gate.clear()
    async with (
        carrying(store, slow, lease_s=0.2) as (book, first),
        carrying(store, other, name="two") as (_, second),
    ):
        task = await accepted(book, Keys(store))
        first.start()
        first.carry(task)
        second.start()
        await asyncio.sleep(0.5)  # longer than a lease
        assert other.resumed == []
        slow.gate.set()
        assert (await first.decided([task.id], 5))[0].status == "finalized"
    assert slow.resumed == [False]


async def test_a_carrier_that_stops_leaves_its_tasks_at_once(store: Store) -> None:
    slow = ScriptedLane([Accepted()])
    slow.gate.clear()
    async with carrying(store, slow, lease_s=3600) as (book, first):
        task = await accepted(book, Keys(store))
        first.carry(task)
    async with carrying(store, ScriptedLane(said("yes")), name="two") as (_, second):
        second.start()
        assert (await second.decided([task.id], 5))[0].status == "finalized"


async def test_a_crash_between_verdict_and_receipt_changes_no_outcome(store: Store) -> None:
    verdict, _ = said("yes")
    lane = ScriptedLane([Accepted(), verdict, RuntimeError("killed")], [Accepted(), *said("no", cost=1)])
    async with carrying(store, lane) as (book, carrier):
        task = await accepted(book, Keys(store))
        carrier.carry(task)
        (done,) = await carrier.decided([task.id], 5, ended=True)
    assert (done.status, done.cost, done.receipt) == ("finalized", PRICE - 10, '{"proof":1}')
    assert isinstance(verdict, Verdict)
    assert done.payload == verdict.payload


async def test_two_carriers_of_one_task_settle_it_once(store: Store) -> None:
    keys = Keys(store)
    async with (
        carrying(store, ScriptedLane(said("yes"))) as (book, first),
        carrying(store, ScriptedLane(said("yes")), name="two") as (_, second),
    ):
        task = await accepted(book, keys)
        first.carry(task)
        second.carry(task, resumed=True)
        await first.decided([task.id], 5, ended=True)
        (done,) = await second.decided([task.id], 5, ended=True)
    assert (done.status, done.ended) == ("finalized", True)
    key = await keys.get(task.key_id)
    assert (key.spent, key.reserved) == (PRICE - 10, 0)
