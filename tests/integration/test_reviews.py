"""Panels of appeals and decoys as provider nodes and a coordinator that follows everything meet them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from contracts import reads
from contracts.anvil import dev_account
from contracts.appeals import AppealInfo, Appeals, Outcome
from contracts.chain import Chain
from contracts.deploy import MLB
from contracts.sender import Sender
from contracts.slashes import Slashes
from coordinator.engine import Engine
from coordinator.shelf import Shelf
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import votes
from mlbridge.protocol.types import Policy, Role, Vote
from tests.support.coordinators import make_config, running
from tests.support.decoys import DecoyBench
from tests.support.providers import Node, ScriptedDoor, ended, make_node, outcome_is
from tests.support.reviewed import Condemned, condemned, panel_for, reviewed_chain
from tests.support.seats import FAST, Script, acting, fund, next_epoch, register_model, until
from tests.support.tasks import FAR, HONEST, LIAR, NEAR, TEXT, client_for, vector

pytestmark = pytest.mark.integration
LAZY = Script(vote=lambda _own, _candidate: Vote.ACCEPT)
POKING = {"poke": "all", "poke_after_s": 0.2, "claim_every_s": 3600}


@pytest.fixture
async def court(tmp_path: Path) -> AsyncIterator[Chain]:
    async with reviewed_chain(storage=tmp_path / "store", calm=True) as chain:
        yield chain


@pytest.fixture
def bank(court: Chain) -> Sender:
    return Sender(court, dev_account(0), FAST)


@pytest.fixture
async def engine(court: Chain, bank: Sender, tmp_path: Path) -> AsyncIterator[Engine]:
    """It pokes whatever can be poked, at any price."""
    config = await make_config(tmp_path / "coordinator", court, bank)
    async with running(config) as started:
        yield started


async def verifier(court: Chain, bank: Sender, home: Path, model: bytes, **changes: Any) -> Node:
    return await make_node(court, bank, home, [model], role=Role.VERIFIER, mlb=25_000, **changes)


async def appealed(court: Chain, bank: Sender, loser: Condemned) -> AppealInfo:
    operator = Sender(court, loser.member.operator, FAST)
    await fund(bank, court, operator.address, coins=0, mlb=1_000 * MLB)
    (slash,) = await Slashes(court).of_operator(operator.address)
    return await Appeals(court).open(operator, slash, most=1_000 * MLB)


async def stays_calm(engine: Engine) -> None:
    """Having seen all up to now, no loop failed, no event was refused, and in the end no receipt is owed."""
    block = (await engine.chain.head()).number

    async def seen() -> bool:
        return engine.follow.applied_block >= block and await Shelf(engine.store).count_owed() == 0

    await until(seen)
    registry = engine.metrics.registry
    failed = [
        sample
        for family in registry.collect()
        if family.name == "mlbridge_loop_failures"
        for sample in family.samples
        if sample.name.endswith("_total") and sample.value
    ]
    assert failed == []
    assert registry.get_sample_value("mlbridge_anomalies_total") == 0


async def followed(engine: Engine, task: bytes) -> dict[str, Any]:
    """What the coordinator shows of a task at its end, once it has seen it."""
    name = "0x" + task.hex()

    async def known() -> bool:
        return await engine.store.task(name) is not None

    await until(known)
    return await engine.task(name, wait_s=60)


async def test_a_node_judges_an_appeal_and_a_coordinator_shows_what_it_is(
    court: Chain, bank: Sender, engine: Engine, tmp_path: Path
) -> None:
    loser = await condemned(court, bank, [HONEST, LIAR, LIAR], [LIAR] * 3)
    node = await verifier(court, bank, tmp_path / "alpha", loser.model)
    others = await panel_for(court, bank, loser.model, [HONEST] * 4)
    appeal = await appealed(court, bank, loser)
    async with node.running(), acting(others):
        # Nobody but the coordinator has it drawn.
        view = await followed(engine, appeal.review_id)
        await until(outcome_is(node, judged=1))
    assert (view["status"], view["review"], view["result"], view["receipt"]) == (
        "finalized",
        True,
        None,
        None,
    )
    assert [item["judges"] for item in view["rounds"]] == [True]
    found = await Appeals(court).get(appeal.review_id)
    assert found.outcome is Outcome.WON
    assert node.door.calls == [appeal.review_id]

    (slash,) = await Slashes(court).of_operator(str(loser.member.operator.address))
    await Appeals(court).conclude(bank, found, slash)

    async def given_back() -> bool:
        task = await engine.task(loser.receipt.task.id)
        return [item["restored"] for item in task["slashes"]] == [True] and task["receipt"] is not None

    await until(given_back)
    await stays_calm(engine)


async def test_a_node_votes_on_the_candidates_of_a_numeric_appeal(
    court: Chain, bank: Sender, engine: Engine, tmp_path: Path
) -> None:
    scripts_of_case = [NEAR[0], FAR, FAR]
    loser = await condemned(court, bank, scripts_of_case, [FAR] * 3, policy=Policy.NUMERIC, value=TEXT)
    door = ScriptedDoor(vector(1.0, 2.0))
    node = await verifier(court, bank, tmp_path / "alpha", loser.model, policy=Policy.NUMERIC, door=door)
    others = await panel_for(court, bank, loser.model, [*NEAR, NEAR[0]])
    appeal = await appealed(court, bank, loser)
    async with node.running() as agent, acting(others):
        view = await followed(engine, appeal.review_id)
        await until(outcome_is(node, judged=1))
        given = agent.context.journal.votes(appeal.review_id, 1, node.member.account)
    assert given == votes.pack({0: Vote.ACCEPT, 1: Vote.REJECT})
    assert (view["status"], view["review"], view["result"]) == ("finalized", True, None)
    assert [(item["kind"], item["judges"]) for item in view["rounds"]] == [("vote", True)]
    assert (await Appeals(court).get(appeal.review_id)).outcome is Outcome.WON
    await stays_calm(engine)


async def test_nodes_tell_decoys_from_honest_results_and_only_who_did_not_look_is_fined(
    court: Chain, bank: Sender, engine: Engine, tmp_path: Path
) -> None:
    model = await register_model(court, bank)
    bench = DecoyBench(court, bank, model)
    await bench.enlist()
    nodes = [await verifier(court, bank, tmp_path / name, model, limits=POKING) for name in ("alpha", "beta")]
    others = await panel_for(court, bank, model, [HONEST, HONEST, LAZY])
    case = await bench.call_panel()
    alpha, beta = nodes
    async with alpha.running() as one, beta.running() as two, acting(others):
        view = await followed(engine, case.review)
        for node in nodes:
            await until(outcome_is(node, judged=1))
        journals = [(agent.context.journal, node) for agent, node in ((one, alpha), (two, beta))]
        given = [journal.votes(case.review, 1, node.member.account) for journal, node in journals]
    assert given == [case.diligent] * 2
    assert (view["status"], view["review"], view["result"]) == ("finalized", True, None)
    assert await bench.settle(case) == sum(case.decoys)
    await stays_calm(engine)


async def test_nodes_alone_draw_and_judge_a_review_that_pays_no_tip(
    court: Chain, bank: Sender, tmp_path: Path
) -> None:
    loser = await condemned(court, bank, [LIAR, HONEST, HONEST], [HONEST] * 3)
    node = await verifier(court, bank, tmp_path / "alpha", loser.model, limits=POKING)
    others = await panel_for(court, bank, loser.model, [HONEST] * 4)
    appeal = await appealed(court, bank, loser)
    async with node.running(), acting(others):
        await ended(court, appeal.review_id)
        await until(outcome_is(node, judged=1))
    assert (await Appeals(court).get(appeal.review_id)).outcome is Outcome.LOST


async def test_a_coordinator_that_wants_a_profit_leaves_reviews_to_others_and_one_without_judges_ends(
    court: Chain, bank: Sender, tmp_path: Path
) -> None:
    loser = await condemned(court, bank, [LIAR, HONEST, HONEST], [HONEST] * 3)
    await next_epoch(court)
    appeal = await appealed(court, bank, loser)
    pokes = {"require_profit": True, "jitter_s": 0.1, "retry_s": 0.5}
    config = await make_config(tmp_path / "coordinator", court, bank, pokes=pokes)
    async with running(config) as engine:

        async def declined() -> bool:
            sample = engine.metrics.registry.get_sample_value(
                "mlbridge_pokes_total", {"outcome": "unprofitable"}
            )
            return bool(sample)

        await until(declined)
        await bank.send(court.tasks.functions.assign(appeal.review_id))
        view = await followed(engine, appeal.review_id)
        assert (view["status"], view["reason"]) == ("refunded", "too few operators")
        await stays_calm(engine)
    assert (await Appeals(court).get(appeal.review_id)).outcome is Outcome.UNDECIDED
    async with client_for(court) as client:
        handle = await client.task(appeal.review_id)
        with pytest.raises(MLBridgeError, match="is a review") as refused:
            await handle.wait(10)
    assert refused.value.code == "task.review"
    assert (await reads.get_task(court, appeal.review_id)).status.terminal
