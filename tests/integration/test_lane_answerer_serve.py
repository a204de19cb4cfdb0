"""A provider whose real Serve replica and agent are asked for the same orders, off chain and on chain."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest

from cluster.door import Door
from contracts import artifacts, summons
from mlbridge.protocol.exchange import Offer
from mlbridge.protocol.orders712 import Commitment, TaskOrder
from mlbridge.protocol.wire import Signed
from tests.support.lane_answerer import INPUT, OUTPUT, Summoner, provider_of
from tests.support.lane_scene import lane_scene
from tests.support.lane_serve import Provider
from tests.support.ray_local import LocalServe, local_serve

pytestmark = [pytest.mark.integration, pytest.mark.ray, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def ray_here() -> Iterator[LocalServe]:
    with local_serve() as local:
        yield local


async def word_of_replica(who: Summoner, provider: Provider, order: Signed[TaskOrder]) -> bytes:
    """What the replica commits to when the coordinator offers it the order."""
    async with httpx2.AsyncClient(timeout=60) as client:
        (answer,) = await provider.ask(client, "orders", Offer(order, who.scene.world.terms(0), INPUT))
    assert isinstance(answer, Signed), answer
    assert isinstance(answer.message, Commitment)
    return answer.message.word


async def test_replica_and_agent_have_one_word_for_an_order(ray_here: LocalServe, tmp_path: Path) -> None:
    from ray import serve

    from tests.support.serve_apps import build

    async with lane_scene() as scene:
        rig, node = scene.rig, scene.rig.members[0].node
        door = Door(ray_here.url, bytes(node.key), rig.chain.chain_id)
        who = Summoner(scene, provider_of(scene, tmp_path / "home", door=cast(Any, door)))
        async with who.node.running():
            idle = asyncio.create_task(asyncio.sleep(0))  # the agent itself follows the chain
            provider = Provider(scene, tmp_path / "home", idle, f"{ray_here.url}/m/scripted")
            application = build({"model": provider.application()})
            await asyncio.to_thread(serve.run, application, name="parrot", route_prefix="/m/scripted")
            await who.until_caught_up()
            await provider.renew()
            for first in ("replica", "agent"):
                order = who.order(6)
                seats = scene.world.committee(order.message)
                said = await word_of_replica(who, provider, order) if first == "replica" else None
                digest = await who.summon(order, seats)
                await who.until_ours(digest, "committed")
                word = (await summons.commitments(rig.lane, digest))[seats.index(who.account)]
                assert word == (said or await word_of_replica(who, provider, order))
                await who.finish(order.message, seats)
                told = await rig.lane.events(artifacts.SUMMONS, "SeatAnswered", "0x" + digest.hex())
                (ours,) = [event for event in told if event.args["account"] == who.account]
                assert bytes(ours.args["result"]) == who.result(digest, OUTPUT)
