"""The coordinator on a real chain with scripted members: pokes, submissions, crashes, reorganisations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts import artifacts
from contracts.chain import Chain
from contracts.events import topic_of
from contracts.reads import find_events
from contracts.sender import Sender
from coordinator.config import CoordinatorConfig
from coordinator.engine import Engine
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import Role
from mlbridge.sdk.receipt import Receipt, verify
from tests.integration.conftest import DevChain, dev_chain
from tests.support.coordinators import (
    make_config,
    request,
    running,
    submit_from,
    submitted_by,
    until,
)
from tests.support.seats import (
    FAST,
    Script,
    acting,
    fresh_account,
    fund,
    make_members,
    register_model,
    scripts,
    wrong_label,
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def devchain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevChain]:
    """A chain of this file's own: it is taken back, and what is on it is counted."""
    with dev_chain(tmp_path_factory.mktemp("devchain")) as made:
        yield made


@pytest.fixture
async def config(tmp_path: Path, chain: Chain, treasury: Sender) -> CoordinatorConfig:
    return await make_config(tmp_path, chain, treasury)


@pytest.fixture
async def engine(config: CoordinatorConfig) -> AsyncIterator[Engine]:
    async with running(config) as started:
        yield started


@pytest.fixture
async def model(chain: Chain, treasury: Sender) -> bytes:
    return await register_model(chain, treasury)


@pytest.fixture
async def stranger(chain: Chain, treasury: Sender) -> Sender:
    """A requester that is not the coordinator."""
    account = fresh_account()
    await fund(treasury, chain, account.address)
    return Sender(chain, account, FAST)


def sample(engine: Engine, name: str, **labels: str) -> float:
    found = engine.metrics.registry.get_sample_value(name, labels)
    assert found is not None
    return found


async def test_a_submitted_task_is_driven_to_its_verified_result(
    engine: Engine, chain: Chain, treasury: Sender, model: bytes
) -> None:
    members = await make_members(chain, treasury, model, scripts(honest=3))
    async with acting(members):
        view = await engine.submit(request(model, key="one"))
        assert view["status"] == "queued"
        done = await engine.task(view["task_id"], wait_s=30)
    assert (done["status"], done["confidence"]) == ("finalized", 1.0)
    assert 0 <= done["result"]["output"]["label"] < 10
    assert int(done["cost_wei"]) <= int(done["payment_wei"])
    assert sorted(done["winners"]) == sorted(member.account for member in members)

    async def has_receipt() -> bool:
        return (await engine.task(view["task_id"]))["receipt"] is not None

    await until(has_receipt)
    row = await engine.store.task_row(view["task_id"])
    assert row is not None
    receipt = Receipt.from_bytes(row.receipt.encode())
    assert (await verify(receipt, chain)).ok
    ended = await find_events(chain, [topic_of(artifacts.TASKS, "TaskFinalized")])
    assert sample(engine, "mlbridge_tasks_total", outcome="finalized") == len(ended) > 0
    assert sample(engine, "mlbridge_gas_used_total", step="submit") > 0


async def test_anybody_s_task_is_moved_on_by_pokes_alone(
    engine: Engine, chain: Chain, treasury: Sender, model: bytes, stranger: Sender
) -> None:
    """The members only commit and reveal: whoever assigns is the coordinator, and gets the tip."""
    members = await make_members(chain, treasury, model, scripts(honest=3))
    async with acting(members):
        task_id = await submit_from(chain, stranger, model)
        await until(lambda: _known(engine, task_id))
        done = await engine.task(task_id, wait_s=30)
    assert done["status"] == "finalized"
    assert sample(engine, "mlbridge_pokes_total", outcome="sent") == 1
    tips = [event for event in await engine.store.events(task_id) if event.name == "TipPaid"]
    assert [event.args["to"] for event in tips] == [engine.address]


async def _known(engine: Engine, task_id: str) -> bool:
    return await engine.store.task(task_id) is not None


async def test_silence_is_poked_after_its_deadline_and_refunded(
    engine: Engine, chain: Chain, treasury: Sender, model: bytes
) -> None:
    members = await make_members(chain, treasury, model, scripts(Script(commit=False), honest=2))
    async with acting(members):
        view = await engine.submit(request(model, deadline_s=30))
        done = await engine.task(view["task_id"], wait_s=40)
    assert done["status"] == "refunded"
    assert [slash["fault"] for slash in done["slashes"]] == ["absent"]
    assert int(done["refunded_wei"]) > 0
    assert sample(engine, "mlbridge_slashes_total", fault="absent") == 1


async def test_dissent_is_taken_to_judges_and_settled(
    engine: Engine, chain: Chain, treasury: Sender, model: bytes
) -> None:
    members = await make_members(chain, treasury, model, scripts(Script(result=wrong_label), honest=2))
    judges = await make_members(chain, treasury, model, scripts(honest=3), role=Role.VERIFIER)
    async with acting([*members, *judges]):
        view = await engine.submit(request(model, deadline_s=60))
        done = await engine.task(view["task_id"], wait_s=60)
    assert done["status"] == "finalized"
    assert [item["judges"] for item in done["rounds"]] == [False, True]
    assert [(slash["account"], slash["fault"]) for slash in done["slashes"]] == [
        (members[0].account, "incorrect")
    ]
    assert sample(engine, "mlbridge_task_phase_seconds_count", phase="judges") == 1
    assert sample(engine, "mlbridge_escalations_total") == 1


async def test_an_opening_that_never_comes_is_closed_by_a_poke(
    engine: Engine, chain: Chain, treasury: Sender, model: bytes
) -> None:
    members = await make_members(chain, treasury, model, scripts(Script(reveal="no"), honest=2))
    judges = await make_members(chain, treasury, model, scripts(honest=3), role=Role.VERIFIER)
    async with acting([*members, *judges]):
        view = await engine.submit(request(model, deadline_s=60))
        done = await engine.task(view["task_id"], wait_s=60)
    assert done["status"] == "finalized"
    assert ("unopened", members[0].account) in [(s["fault"], s["account"]) for s in done["slashes"]]


async def test_two_coordinators_share_the_pokes_without_racing(
    tmp_path: Path, chain: Chain, treasury: Sender, model: bytes, stranger: Sender
) -> None:
    pokes = {"require_profit": False, "jitter_s": 3.0}
    files = [
        await make_config(tmp_path / name, chain, treasury, pokes=pokes, receipts=False) for name in "ab"
    ]
    members = await make_members(chain, treasury, model, scripts(honest=3))
    async with running(files[0]) as one, running(files[1]) as two, acting(members):
        task_ids = [await submit_from(chain, stranger, model) for _ in range(3)]
        for task_id in task_ids:
            await until(lambda task_id=task_id: _known(one, task_id))  # type: ignore[misc]
            assert (await one.task(task_id, wait_s=40))["status"] == "finalized"
        sent = [sample(engine, "mlbridge_pokes_total", outcome="sent") for engine in (one, two)]
    assert sum(sent) == len(task_ids)


async def test_a_poke_that_costs_more_than_its_tip_is_left_to_others(
    tmp_path: Path, chain: Chain, treasury: Sender, model: bytes, stranger: Sender
) -> None:
    pokes = {"require_profit": True, "jitter_s": 0.0, "retry_s": 1.0}
    config = await make_config(tmp_path, chain, treasury, pokes=pokes)
    await make_members(chain, treasury, model, scripts(honest=3))
    async with running(config) as engine:
        task_id = await submit_from(chain, stranger, model)

        async def considered() -> bool:
            return sample(engine, "mlbridge_pokes_total", outcome="unprofitable") > 0

        await until(considered)
        assert (await engine.task(task_id))["status"] == "submitted"
        assert sample(engine, "mlbridge_pokes_total", outcome="sent") == 0
        # the same step of a task that it paid for itself is worth it
        own = await engine.submit(request(model))

        async def drawn() -> bool:
            return bool((await engine.task(own["task_id"])).get("rounds"))

        await until(drawn)


# ---- crashes ----


async def test_killed_between_row_and_sending_one_task_results(
    config: CoordinatorConfig, chain: Chain, treasury: Sender, model: bytes
) -> None:
    await make_members(chain, treasury, model, scripts(honest=3))
    async with running(config) as first:
        for loop in first._loops:  # as a kill would: nothing is sent any more
            loop.cancel()
        await asyncio.gather(*first._loops, return_exceptions=True)
        view = await first.submit(request(model, key="k"))
        address = first.address or ""
        assert await submitted_by(chain, address) == []
    async with running(config) as second:
        again = await second.submit(request(model, key="k"))
        assert again["task_id"] == view["task_id"]
        await until(lambda: _known(second, view["task_id"]))
    assert len(await submitted_by(chain, address)) == 1


async def test_killed_between_sending_and_seeing_one_task_results(
    config: CoordinatorConfig, chain: Chain, treasury: Sender, model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_members(chain, treasury, model, scripts(honest=3))
    async with running(config) as first:
        assert first.sender is not None
        real, sent = first.sender.send, asyncio.Event()

        async def send_and_die(*arguments: Any, **options: Any) -> Any:
            await real(*arguments, **options)
            sent.set()
            await asyncio.Event().wait()  # the answer is never used

        monkeypatch.setattr(first.sender, "send", send_and_die)
        monkeypatch.setattr("coordinator.engine.DRAIN_S", 0.0)
        view = await first.submit(request(model, key="k"))
        await asyncio.wait_for(sent.wait(), 20)
        row = await first.outbox.submission(key="k")
        assert row is not None
        assert row.status == "sending"
    async with running(config) as second:

        async def done() -> bool:
            found = await second.outbox.submission(key="k")
            return found is not None and found.status == "done"

        await until(done)
        assert sample(second, "mlbridge_gas_used_total", step="submit") == 0
        await until(lambda: _known(second, view["task_id"]))
    assert len(await submitted_by(chain, second.address or "")) == 1


async def test_a_reorganisation_around_the_assignment_loses_and_doubles_nothing(
    engine: Engine, chain: Chain, treasury: Sender, model: bytes
) -> None:
    members = await make_members(chain, treasury, model, scripts(honest=3))
    view = await engine.submit(request(model, deadline_s=120))
    task_id = view["task_id"]

    async def drawn() -> bool:
        return bool((await engine.task(task_id)).get("rounds"))

    await until(drawn)
    seen = await engine.store.events(task_id)
    before = {event.block_hash for event in seen}
    drawn_in = max(event.block for event in seen)
    head = await chain.head()  # blocks may have come since
    await chain.provider.request("anvil_reorg", [max(3, head.number - drawn_in + 1), []])

    async def undone() -> bool:
        return sample(engine, "mlbridge_reorgs_total") > 0

    await until(undone)
    async with acting(members):
        await until(drawn)
        done = await engine.task(task_id, wait_s=60)
    assert done["status"] == "finalized"
    events = await engine.store.events(task_id)
    assert {event.block_hash for event in events} - before
    canonical = await submitted_by(chain, engine.address or "")
    assert ["0x" + bytes(event.args["taskId"]).hex() for event in canonical] == [task_id]
    assert [event.name for event in events].count("TaskSubmitted") == 1
    assert (await engine.store.task_row(task_id)).anomaly is None  # type: ignore[union-attr]


async def test_a_reorganisation_that_drops_the_submission_sends_it_again(
    engine: Engine, chain: Chain, treasury: Sender, model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_members(chain, treasury, model, scripts(honest=3))
    monkeypatch.setattr(engine.submissions, "_grace_s", 1.0)
    view = await engine.submit(request(model, key="k", deadline_s=120))
    await until(lambda: _known(engine, view["task_id"]))
    (first,) = await submitted_by(chain, engine.address or "")

    async def still_there() -> bool:
        found = await submitted_by(chain, engine.address or "")
        return bool(found) and found[0].block_hash == first.block_hash

    while await still_there():  # a block may come between the question and the reorganisation
        head = await chain.head()
        await chain.provider.request("anvil_reorg", [head.number - first.block_number + 1, []])

    async def replaced() -> bool:
        found = await submitted_by(chain, engine.address or "")
        events = await engine.store.events(view["task_id"])
        return bool(found and events) and found[0].block_hash == events[0].block_hash != first.block_hash

    await until(replaced)
    assert len(await submitted_by(chain, engine.address or "")) == 1


# ---- limits ----


async def test_what_the_contract_refuses_for_good_fails_with_its_reason(
    engine: Engine, chain: Chain, model: bytes
) -> None:
    view = await engine.submit(request(model))  # nobody serves this model

    async def failed() -> bool:
        return (await engine.task(view["task_id"]))["status"] == "failed"

    await until(failed)
    found = await engine.task(view["task_id"], wait_s=5)
    assert found["submission"]["error"]["code"] == "contract.TooFewProviders"


async def test_limits_refuse_with_the_way_out(
    tmp_path: Path, chain: Chain, treasury: Sender, model: bytes
) -> None:
    config = await make_config(tmp_path, chain, treasury, submissions={"max_task_wei": 1})
    async with running(config) as engine:
        with pytest.raises(MLBridgeError) as caught:
            await engine.submit(request(model))
        assert (caught.value.code, caught.value.exit_code) == ("task.too_expensive", 4)
        with pytest.raises(MLBridgeError) as caught:
            await engine.submit(request(bytes(32)))
        assert caught.value.code == "model.unknown"
        assert sample(engine, "mlbridge_submissions_total", outcome="refused") == 2


async def test_without_a_key_it_only_follows(
    tmp_path: Path, chain: Chain, treasury: Sender, model: bytes, stranger: Sender
) -> None:
    config = await make_config(tmp_path, chain, treasury, key=None)
    await make_members(chain, treasury, model, scripts(honest=3))
    async with running(config) as engine:
        with pytest.raises(MLBridgeError) as caught:
            await engine.submit(request(model))
        assert caught.value.code == "coordinator.no_submissions"
        task_id = await submit_from(chain, stranger, model)
        await until(lambda: _known(engine, task_id))
        assert engine.poker is None
