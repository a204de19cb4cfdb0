"""The agent on a real chain with a scripted model: work, crashes, lies, votes, pokes, reorganisations."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from cluster.agent import Agent
from cluster.content import INVALID_INPUT
from cluster.journal import Journal, SeatRow
from contracts import reads
from contracts.chain import Chain
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import payload as schemas
from mlbridge.protocol import votes
from mlbridge.protocol.payload import encode_output, pack_vector
from mlbridge.protocol.types import Policy, Role, RoundKind, TaskStatus, Vote
from tests.support.providers import ScriptedDoor, ended, make_node, outcome_is
from tests.support.seats import (
    MLB,
    Script,
    acting,
    make_members,
    next_epoch,
    register_model,
    scripts,
    until,
)
from tests.support.tasks import IMAGE, client_for

pytestmark = pytest.mark.integration

BANDS = {"incorrect": (1_000, 5_000), "unopened": (1_000, 5_000), "absent": (500, 500)}  # the paper's, in bps


async def committed(chain: Chain, task: bytes, account: int) -> bytes | None:
    """Our commitment on chain."""
    info = await reads.get_task(chain, task)
    seats = await reads.get_seats(chain, task, info.round)
    return next((seat.value for seat in seats if seat.account == account and seat.committed), None)


async def test_an_honest_agent_earns_its_seat(chain: Chain, treasury: Sender, tmp_path: Path) -> None:
    model = await register_model(chain, treasury)
    node = await make_node(chain, treasury, tmp_path / "alpha", [model])
    members = await make_members(chain, treasury, model, scripts(honest=2))
    async with client_for(chain) as client, node.running() as agent, acting(members):
        handle = await client.submit(model, IMAGE)
        result = await handle.wait(60)
        await until(outcome_is(node, won=1))
        await until(lambda: _idle(agent))
        status = agent.status()
    assert result.confidence == 1
    assert node.door.calls == [handle.id]
    assert int(status["income"]["seat"]) > 0
    assert status["open_tasks"] == {}
    assert status["accounts"] == {str(node.member.account): "compute"}


async def test_an_agent_drops_tasks_older_than_the_unbonding_delay_from_its_journal(
    chain: Chain, treasury: Sender, tmp_path: Path
) -> None:
    model = await register_model(chain, treasury)
    node = await make_node(chain, treasury, tmp_path / "alpha", [model])
    with contextlib.closing(Journal(node.config.journal_path)) as journal:
        for number, outcome in ((1, "won"), (2, None)):
            task = bytes([number]) * 32
            journal.seat(SeatRow(task, 0, node.member.account, RoundKind.RESULT, 1, "0x", 0.0))
            if outcome:
                journal.close_seat(task, node.member.account, outcome, 1)
    with sqlite3.connect(node.config.journal_path) as db:
        db.execute("UPDATE seats SET seen=0")
    async with node.running() as agent:
        kept = agent.context.journal

        async def pruned() -> bool:
            return not kept.seats(b"\x01" * 32)

        await until(pruned)
        assert kept.seats(b"\x02" * 32)
        assert kept.outcomes() == {"won": 1, "open": 1}


async def _idle(agent: Agent) -> bool:
    return not agent.status()["open_tasks"]


async def test_agents_move_a_task_on_without_coordinator_or_client(
    chain: Chain, treasury: Sender, tmp_path: Path
) -> None:
    model = await register_model(chain, treasury)
    limits = {"poke": "all", "poke_after_s": 0.2, "claim_every_s": 1}
    node = await make_node(chain, treasury, tmp_path / "alpha", [model], limits=limits)
    members = await make_members(chain, treasury, model, scripts(honest=2))
    async with client_for(chain) as client, node.running(), acting(members):
        handle = await client.submit(model, IMAGE)
        assert await ended(chain, handle.id) is TaskStatus.FINALIZED
        await until(outcome_is(node, won=1))


async def test_a_crash_after_the_execution_does_not_run_the_model_again(
    chain: Chain, treasury: Sender, tmp_path: Path
) -> None:
    model = await register_model(chain, treasury)
    node = await make_node(chain, treasury, tmp_path / "alpha", [model])
    members = await make_members(chain, treasury, model, scripts(honest=2))
    async with client_for(chain) as client, acting(members):
        handle = await client.submit(model, IMAGE)
        waiting = asyncio.create_task(handle.wait(60))

        async with node.running() as agent:
            agent.context.sender = cast(Sender, UnreachableChain(agent.context.sender.address))
            await until(lambda: _bound(agent.context.journal, handle.id, node.member.account))
            bond = agent.context.journal.bond(handle.id, 0, node.member.account)
        assert bond is not None
        assert await committed(chain, handle.id, node.member.account) is None

        node.door.result = lambda _: b"another result than before"
        async with node.running() as agent:
            result = await waiting
            await until(outcome_is(node, won=1))
            kept = agent.context.journal.bond(handle.id, 0, node.member.account)
    assert node.door.calls == [handle.id]
    assert kept is not None
    assert (kept.commitment, kept.salt, kept.content) == (bond.commitment, bond.salt, bond.content)
    assert result.confidence == 1


class UnreachableChain:
    """A Sender whose node is down."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def send(self, *_: object, **__: object) -> None:
        raise MLBridgeError("chain.unreachable", "The chain node does not answer.")


async def _bound(journal: Any, task: bytes, account: int) -> bool:
    return journal.bond(task, 0, account) is not None


async def test_a_crash_between_commit_and_reveal_opens_the_same_commitment(
    chain: Chain, treasury: Sender, tmp_path: Path
) -> None:
    model = await register_model(chain, treasury)
    node = await make_node(chain, treasury, tmp_path / "alpha", [model])
    members = await make_members(chain, treasury, model, [Script(commit=False), Script()])
    async with client_for(chain) as client, acting(members):
        handle = await client.submit(model, IMAGE)
        waiting = asyncio.create_task(handle.wait(60))

        async with node.running():
            await until(lambda: _on_chain(chain, handle.id, node.member.account))
        members[0].script = Script()
        async with node.running():
            result = await waiting
            await until(outcome_is(node, won=1))
    assert result.confidence == 1
    assert node.door.calls == [handle.id]


async def _on_chain(chain: Chain, task: bytes, account: int) -> bool:
    return await committed(chain, task, account) is not None


async def test_what_fails_for_a_while_is_tried_again(chain: Chain, treasury: Sender, tmp_path: Path) -> None:
    model = await register_model(chain, treasury)
    door = ScriptedDoor()
    door.failures = [
        MLBridgeError("execute.timeout", "Too slow."),
        RuntimeError("a defect"),
        MLBridgeError("a.b", "c"),
    ]
    node = await make_node(chain, treasury, tmp_path / "alpha", [model], door=door)
    members = await make_members(chain, treasury, model, scripts(honest=2))
    async with client_for(chain) as client, node.running(), acting(members):
        await (await client.submit(model, IMAGE)).wait(60)
        await until(outcome_is(node, won=1))
    assert len(door.calls) == 4


class SlowDoor(ScriptedDoor):
    """Answers the first task only when told to; keeps the seconds that each execution was given."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.given: list[float] = []

    async def execute(self, route: str, *, task: bytes, payload: bytes, **rest: object) -> bytes:
        self.given.append(cast(float, rest["timeout"]))
        self.calls.append(task)
        await self.open.wait()
        return self.result(payload)


async def test_a_task_that_waited_past_its_deadline_is_not_run(
    chain: Chain, treasury: Sender, tmp_path: Path
) -> None:
    model = await register_model(chain, treasury)
    door = SlowDoor()
    limits = {"concurrent_tasks": 1, "poke": "all", "poke_after_s": 0.1}
    node = await make_node(chain, treasury, tmp_path / "alpha", [model], door=door, limits=limits)
    members = await make_members(chain, treasury, model, scripts(honest=2))
    async with client_for(chain) as client, node.running() as agent, acting(members):
        handles = [await client.submit(model, IMAGE) for _ in range(2)]

        async def both_late() -> bool:
            tasks = [await reads.get_task(chain, handle.id) for handle in handles]
            now = agent.context.clock.now()
            return all(t.status is not TaskStatus.SUBMITTED and t.phase_deadline < now for t in tasks)

        await until(both_late)
        assert len(door.calls) == 1
        door.open.set()
        await until(outcome_is(node, absent=2), timeout_s=60)
    assert len(door.calls) == 1
    assert door.given[0] <= 8  # the commit window of these tests


async def test_an_input_nobody_can_run_is_answered_in_agreement(
    chain: Chain, treasury: Sender, tmp_path: Path
) -> None:
    model = await register_model(chain, treasury)
    door = ScriptedDoor()
    door.failures = [MLBridgeError("input.size", "The image has the wrong size.")]
    limits = {"poke": "all", "poke_after_s": 0.2}
    node = await make_node(chain, treasury, tmp_path / "alpha", [model], door=door, limits=limits)
    members = await make_members(chain, treasury, model, [Script(result=lambda _: INVALID_INPUT)] * 2)
    async with client_for(chain) as client, node.running(), acting(members):
        handle = await client.submit(model, IMAGE)
        assert await ended(chain, handle.id) is TaskStatus.FINALIZED
        await until(outcome_is(node, won=1))


@pytest.mark.parametrize(
    ("fault", "outcome", "status"),
    [
        ("wrong-result", "incorrect", TaskStatus.FINALIZED),
        ("unbond", "incorrect", TaskStatus.FINALIZED),
        ("copy-commitment", "unopened", TaskStatus.FINALIZED),
        ("no-reveal", "unopened", TaskStatus.FINALIZED),
        ("wrong-reveal", "unopened", TaskStatus.FINALIZED),
        ("silent", "absent", TaskStatus.REFUNDED),
    ],
)
async def test_every_lie_costs_stake_within_the_band_and_the_honest_are_paid(
    chain: Chain, treasury: Sender, tmp_path: Path, fault: str, outcome: str, status: TaskStatus
) -> None:
    model = await register_model(chain, treasury)
    node = await make_node(chain, treasury, tmp_path / "alpha", [model], fault=fault)
    judges = await make_members(chain, treasury, model, scripts(honest=3), role=Role.VERIFIER, mlb=25_000)
    members = await make_members(chain, treasury, model, scripts(honest=2))
    async with client_for(chain) as client, node.running(), acting([*members, *judges]):
        handle = await client.submit(model, IMAGE)
        waiting = asyncio.create_task(handle.wait(90))
        ending = await ended(chain, handle.id, timeout_s=90)
        await until(outcome_is(node, **{outcome: 1}))
        waiting.cancel()
    assert ending is status
    events = await reads.task_events(chain, handle.id)
    (slash,) = [event.args for event in events if event.name == "Slashed"]
    account = await reads.get_account(chain, node.member.account)
    lost = 50_000 * MLB - account.bonded - account.unbonding
    assert (slash["account"], slash["amount"]) == (node.member.account, lost)
    least, most = BANDS[outcome]
    assert least <= lost * 10_000 // (50_000 * MLB) <= most
    assert not any(await reads.claimable(chain, node.member.operator.address))
    # Nobody else lost anything, and whoever did its part has its pay waiting.
    for member, stake in [(member, 50_000) for member in members] + [(judge, 25_000) for judge in judges]:
        other = await reads.get_account(chain, member.account)
        assert other.bonded + other.unbonding == stake * MLB
    fees = [event.args["seatFee"] for event in events if event.name == "TaskSettled"]
    assert len(fees) == (status is TaskStatus.FINALIZED)
    for member in members:
        coins, _ = await reads.claimable(chain, member.operator.address)
        assert coins == sum(fees)
    for judge in judges:
        _, tokens = await reads.claimable(chain, judge.operator.address)
        assert (tokens > 0) == (status is TaskStatus.FINALIZED)


async def test_close_vectors_are_accepted_by_vote(chain: Chain, treasury: Sender, tmp_path: Path) -> None:
    def vector(offset: float) -> Callable[[bytes], bytes]:
        return lambda _: encode_output("embedding", {"embedding": pack_vector([0.1 + offset, 0.2, 0.3])})

    model = await register_model(chain, treasury, policy=Policy.NUMERIC)
    door = ScriptedDoor(vector(0.0))
    node = await make_node(chain, treasury, tmp_path / "alpha", [model], policy=Policy.NUMERIC, door=door)
    accepting = [Script(result=vector(d), vote=lambda _own, _other: Vote.ACCEPT) for d in (0.001, -0.001)]
    members = await make_members(chain, treasury, model, accepting)
    async with client_for(chain) as client, node.running() as agent, acting(members):
        handle = await client.submit(model, {"kind": "embedding", "text": "near enough"})
        result = await handle.wait(60)
        await until(outcome_is(node, won=2))
        ballot = agent.context.journal.votes(handle.id, 1, node.member.account)
    assert ballot is not None
    assert votes.unpack(ballot)[:4] == [Vote.ACCEPT, Vote.ACCEPT, Vote.ACCEPT, Vote.GREY]
    assert result.confidence == 1
    assert door.calls == [handle.id]


async def test_a_far_vector_is_rejected_by_vote_and_by_the_judges(
    chain: Chain, treasury: Sender, tmp_path: Path
) -> None:
    def vector(x: float) -> Callable[[bytes], bytes]:
        return lambda _: encode_output("embedding", {"embedding": pack_vector([x, 0.2, 0.3])})

    def near(own: bytes, other: bytes) -> Vote:
        return Vote.ACCEPT if own == other else Vote.REJECT

    model = await register_model(chain, treasury, policy=Policy.NUMERIC)
    nodes = [
        await make_node(
            chain, treasury, tmp_path / name, [model], policy=Policy.NUMERIC, door=ScriptedDoor(vector(0.1))
        )
        for name in ("alpha", "beta")
    ]
    liar = await make_members(chain, treasury, model, [Script(result=vector(5.0), vote=near)])
    honest = [Script(result=vector(0.1), vote=near)] * 2
    judges = await make_members(chain, treasury, model, honest, role=Role.VERIFIER, mlb=25_000)
    judge = await make_node(
        chain, treasury, tmp_path / "gamma", [model], policy=Policy.NUMERIC, door=ScriptedDoor(vector(0.1)),
        role=Role.VERIFIER, mlb=25_000,
    )  # fmt: skip
    await next_epoch(chain)
    async with (
        client_for(chain) as client,
        nodes[0].running(),
        nodes[1].running(),
        judge.running() as agent,
        acting([*liar, *judges]),
    ):
        handle = await client.submit(model, {"kind": "embedding", "text": "far off"})
        result = await handle.wait(90)
        for node in nodes:
            await until(outcome_is(node, won=2))
        await until(outcome_is(judge, judged=1))
        ballot = agent.context.journal.votes(handle.id, 2, judge.member.account)
    assert ballot is not None
    assert sorted(votes.unpack(ballot)[:3]) == [Vote.ACCEPT, Vote.ACCEPT, Vote.REJECT]
    assert result.payload == vector(0.1)(b"")
    assert (await reads.get_account(chain, liar[0].account)).bonded < 50_000 * MLB


async def test_a_judge_from_the_pool_executes_and_is_paid(
    chain: Chain, treasury: Sender, tmp_path: Path
) -> None:
    model = await register_model(chain, treasury)
    lie = Script(result=lambda payload: encode_output("classification", {"label": 3}))
    members = await make_members(chain, treasury, model, [lie, *scripts(honest=2)])
    others = await make_members(chain, treasury, model, scripts(honest=2), role=Role.VERIFIER, mlb=25_000)
    async with client_for(chain) as client:
        node = await make_node(chain, treasury, tmp_path / "alpha", [model], role=Role.VERIFIER, mlb=25_000)
        await next_epoch(chain)
        async with node.running() as agent, acting([*members, *others]):
            handle = await client.submit(model, IMAGE)
            result = await handle.wait(90)
            await until(outcome_is(node, judged=1))
            status = agent.status()
    assert result.output != schemas.decode_output("classification", lie.result(b""))
    assert int(status["income"]["judge"]) > 0
    assert status["accounts"] == {str(node.member.account): "verifier"}
