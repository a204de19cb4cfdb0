"""Summonses of a seat whose provider's agent runs: real chain, real agent; the model is a function."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cluster.content import INVALID_INPUT
from contracts import artifacts, summons
from contracts.events import as_int
from contracts.reads import claimable
from contracts.summons import SummonsStatus
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import orders712
from serve.lane.store import LaneStore
from tests.support.lane import LANE
from tests.support.lane_answerer import OUTPUT, Summoner, provider_of
from tests.support.lane_scene import Scene, lane_scene
from tests.support.providers import ScriptedDoor
from tests.support.seats import until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(400),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town() -> AsyncIterator[Scene]:
    async with lane_scene() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def scene(town: Scene) -> Scene:
    """In an epoch of its own: what one test does with time is no other's concern."""
    await town.rig.record()
    await town.rig.advance()
    await town.refresh()
    return town


async def balance(scene: Scene, address: str) -> int:
    return as_int(await scene.rig.chain.provider.request("eth_getBalance", [address, "latest"]))


async def result_of(who: Summoner, digest: bytes) -> bytes:
    """What the agent's seat opened, once."""
    told = await who.scene.rig.lane.events(artifacts.SUMMONS, "SeatAnswered", "0x" + digest.hex())
    (ours,) = [event for event in told if event.args["account"] == who.account]
    return bytes(ours.args["result"])


async def test_a_summoned_seat_answers_is_paid_and_keeps_its_stake(scene: Scene, tmp_path: Path) -> None:
    who = Summoner(scene, provider_of(scene, tmp_path / "home"))
    operator = scene.rig.members[0].operator.address
    order = who.order(6)
    seats = scene.world.committee(order.message)
    stake, paid = await who.bonded(), await balance(scene, operator)
    credit, _ = await claimable(scene.rig.chain, operator)
    async with who.node.running():
        # A fee at a base fee that falls from now on is worth the gas of closing.
        await scene.rig.chain.provider.request("anvil_setNextBlockBaseFeePerGas", [hex(50 * 10**9)])
        await scene.rig.chain.provider.request("evm_mine", [])
        digest = await who.summon(order, seats)
        await who.answer_all(order.message, seats)
        state = await who.until_state(digest, lambda now: now.status is SummonsStatus.ENDED)
        assert (state.committed, state.opened) == (63, 63)

        async def all_paid() -> bool:
            settled = (await claimable(scene.rig.chain, operator))[0] > credit
            return settled and await balance(scene, operator) == paid + state.fee

        await until(all_paid, timeout_s=60)
        assert who.step(digest) == "settled"
    assert await who.bonded() == stake
    assert who.node.door.calls == [digest]
    assert await result_of(who, digest) == who.result(digest)


async def test_what_was_attested_off_chain_is_answered_again_and_the_model_is_not_asked(
    scene: Scene, tmp_path: Path
) -> None:
    """Another result for the same order would cost the whole stake, whatever the model says today."""
    door = ScriptedDoor(lambda _: b"another answer")
    who = Summoner(scene, provider_of(scene, tmp_path / "home", door=door))
    order = who.order(6)
    seats = scene.world.committee(order.message)
    await who.attested(order, seats, others=False)
    async with who.node.running():
        digest = await who.summon(order, seats)
        await who.until_ours(digest, "committed")
        await who.finish(order.message, seats)
    words = await summons.commitments(scene.rig.lane, digest)
    assert words[seats.index(who.account)] == who.word(order.message, who.account)
    assert await result_of(who, digest) == who.result(digest)
    assert door.calls == []


async def test_a_verdict_that_is_at_hand_is_shown_and_nobody_else_has_to_answer(
    scene: Scene, tmp_path: Path
) -> None:
    who = Summoner(scene, provider_of(scene, tmp_path / "home"))
    order = who.order(6)
    seats = scene.world.committee(order.message)
    await who.attested(order, seats, others=True)
    stakes = [await who.bonded(account) for account in seats]
    async with who.node.running():
        digest = await who.summon(order, seats)
        state = await who.until_state(digest, lambda now: now.status is SummonsStatus.ENDED)
    (told,) = await scene.rig.lane.events(artifacts.SUMMONS, "AnswerShown", "0x" + digest.hex())
    assert bytes(told.args["output"]) == b"\0" + OUTPUT
    assert state.opened == 0
    assert [await who.bonded(account) for account in seats] == stakes
    assert who.node.door.calls == []


async def test_an_agent_killed_between_commit_and_open_opens_what_it_committed(
    scene: Scene, tmp_path: Path
) -> None:
    answers = iter([OUTPUT, b"another answer"])
    who = Summoner(scene, provider_of(scene, tmp_path / "home", door=ScriptedDoor(lambda _: next(answers))))
    order = who.order(6)
    seats = scene.world.committee(order.message)
    async with who.node.running():
        digest = await who.summon(order, seats)
        await who.until_ours(digest, "committed")
    await who.commit(order.message, seats)
    async with who.node.running():
        await who.finish(order.message, seats)
    assert who.node.door.calls == [digest]
    assert await result_of(who, digest) == who.result(digest)


async def test_an_agent_killed_before_its_commitment_was_mined_commits_to_the_same(
    scene: Scene, tmp_path: Path
) -> None:
    """And so does one whose commitment a reorganisation takes out of the chain."""
    answers = iter([OUTPUT, b"another answer", b"a third"])
    who = Summoner(scene, provider_of(scene, tmp_path / "home", door=ScriptedDoor(lambda _: next(answers))))
    rpc = scene.rig.chain.provider
    order = who.order(6)
    seats = scene.world.committee(order.message)
    digest = await who.summon(order, seats)
    snapshot = await rpc.request("evm_snapshot", [])
    async with who.node.running():
        await who.until_ours(digest, "committed")
        before = await summons.commitments(scene.rig.lane, digest)
        await rpc.request("evm_revert", [snapshot])
        await rpc.request("evm_mine", [])
        await who.until_ours(digest, "committed")
        assert await summons.commitments(scene.rig.lane, digest) == before
        await who.finish(order.message, seats)
    store = LaneStore(who.store)
    said = store.answered(digest)
    store.close()
    assert said is not None
    word = orders712.commitment(digest, who.account, said.result, said.salt)
    assert word == before[seats.index(who.account)]
    assert who.node.door.calls == [digest]


async def test_a_seat_commits_at_once_and_opens_when_the_set_lies_deep(scene: Scene, tmp_path: Path) -> None:
    depth = 8
    who = Summoner(scene, provider_of(scene, tmp_path / "home", confirmations=depth))
    order = who.order(6)
    seats = scene.world.committee(order.message)
    async with who.node.running():
        digest = await who.summon(order, seats)
        await who.until_ours(digest, "committed")
        await who.commit(order.message, seats)

        async def said() -> bool:
            return who.step(digest) == "waiting for the commitments to lie deep enough"

        await until(said, timeout_s=60)
        assert (await who.state(digest)).opened == 0
        for _ in range(depth):
            await scene.rig.chain.provider.request("evm_mine", [])
        await who.finish(order.message, seats)
    assert await result_of(who, digest) == who.result(digest)


@pytest.mark.parametrize("ours", [False, True])
async def test_a_summons_of_a_seat_that_was_not_drawn_is_taken_back_at_no_loss(
    scene: Scene, tmp_path: Path, ours: bool
) -> None:
    """Whether the false seat is the provider's own or another's."""
    who = Summoner(scene, provider_of(scene, tmp_path / "home"))
    order = who.drawn(ours=ours)
    drawn = scene.world.committee(order.message)
    outsiders = [account for account in scene.world.keys if account not in drawn]
    false = outsiders[0] if ours else who.account
    kept = [one for one in drawn if one != who.account][:1] + ([who.account] if ours else [drawn[-1]])
    stake, node = await who.bonded(), scene.rig.members[0].node.address
    async with who.node.running():
        await who.until_caught_up()
        coins = await balance(scene, node)
        digest = await who.summon(order, sorted({*kept, false}))
        await who.until_state(digest, lambda now: now.status is SummonsStatus.NONE)

        async def rewarded() -> bool:
            return await balance(scene, node) > coins + LANE.summons_deposit // 2

        await until(rewarded, timeout_s=60)
    (refuted,) = await scene.rig.lane.events(artifacts.SUMMONS, "SummonsRefuted", "0x" + digest.hex())
    assert refuted.args["account"] == false
    assert refuted.args["reporter"] == node
    assert await who.bonded() == stake
    assert ours or who.node.door.calls == []


async def test_an_input_that_nobody_can_run_has_an_answer_too(scene: Scene, tmp_path: Path) -> None:
    door = ScriptedDoor()
    door.failures.append(MLBridgeError("payload.malformed", "It is no payload."))
    who = Summoner(scene, provider_of(scene, tmp_path / "home", door=door), INVALID_INPUT)
    order = who.order(6)
    seats = scene.world.committee(order.message)
    async with who.node.running():
        digest = await who.summon(order, seats)
        state = await who.finish(order.message, seats)
    assert state.opened == 63
    assert door.calls == [digest]


async def test_a_model_that_fails_is_asked_again_while_there_is_time(scene: Scene, tmp_path: Path) -> None:
    """Also by a provider that takes no orders: whoever has weight is summoned."""
    door = ScriptedDoor(lambda _: OUTPUT)
    door.failures += [MLBridgeError("execute.timeout", "No room."), RuntimeError("broken")]
    who = Summoner(scene, provider_of(scene, tmp_path / "home", door=door, lane={"join": False}))
    order = who.order(6)
    seats = scene.world.committee(order.message)
    async with who.node.running():
        digest = await who.summon(order, seats)
        await who.finish(order.message, seats)
    assert door.calls == [digest] * 3


async def test_a_model_that_is_not_served_any_more_is_said_plainly_and_nothing_is_committed(
    scene: Scene, tmp_path: Path
) -> None:
    who = Summoner(scene, provider_of(scene, tmp_path / "home", serves=False, lane={"join": False}))
    order = who.order(6)
    seats = scene.world.committee(order.message)
    async with who.node.running():
        digest = await who.summon(order, seats)

        async def said() -> bool:
            return "does not run" in who.step(digest)

        await until(said, timeout_s=60)
    state = await who.state(digest)
    assert state.committed == 0
    assert who.node.door.calls == []
