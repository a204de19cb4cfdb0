"""Both halves of the channel lane together: a coordinator, a member of real replicas, five scripted ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from eth_account import Account

from contracts.laneview import LaneView
from coordinator import database
from coordinator.lane.room import LaneRoom
from coordinator.lane.settings import LaneConfig
from coordinator.lane.store import BatchStage
from mlbridge.storage import LocalStore
from tests.support.lane_rooms import QUICK
from tests.support.lane_scene import lane_scene
from tests.support.lane_serve import OUTPUT, Provider, followed
from tests.support.lane_servers import Ways, seat_server
from tests.support.ray_local import LocalServe, local_serve

pytestmark = [
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.timeout(400),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest.fixture(scope="module")
def ray_here() -> Iterator[LocalServe]:
    with local_serve() as local:
        yield local


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider(ray_here: LocalServe, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Provider]:
    home: Path = tmp_path_factory.mktemp("provider")
    async with lane_scene() as scene, followed(scene, home) as made:
        await made.renew()
        from ray import serve

        from tests.support.serve_apps import build

        application = build({"model": made.application(replicas=1)})
        await asyncio.to_thread(serve.run, application, name="parrot", route_prefix="/m/parrot")
        made.url = f"{ray_here.url}/m/parrot"
        yield made


def parrot(payload: bytes) -> bytes:
    """What the replicas' model says."""
    return b"read " + payload


async def test_orders_run_through_real_replicas_into_a_batch(provider: Provider, tmp_path: Path) -> None:
    scene = provider.scene
    rig = scene.rig
    view = await LaneView.open(rig.lane)
    content = LocalStore(tmp_path / "content")
    engine = database.open_engine(database.database_url(f"sqlite:///{tmp_path}/c.db"))
    await database.migrate(engine)
    async with seat_server(rig, view, content) as server:
        for seat in server.seats.values():
            seat.ways = Ways(result=parrot)
        others = [node for node in server.nodes if not node.endswith(f"/{provider.account}")]
        # Scripted members take no time at all; the set waits for the real one.
        parts = {"members": others, "attesters": server.verifiers, "linger_s": 20}
        room = await LaneRoom.open(
            rig.chain,
            rig.lane.addresses,
            Account.from_key(scene.coordinator_key),
            engine,
            LaneConfig(**(QUICK | parts)),
            content=content,
            sender=scene.coordinator,
        )
        # Its node's page is the agent's, which does not run here.
        key = (provider.account, rig.model)
        room.runner._members.directory._claims["page"] = {key: provider.url}
        try:
            offers = [provider.offer(sequence) for sequence in range(8)]
            told = await asyncio.gather(*(room.order(offer, 60.0) for offer in offers))
            for answer in told:
                assert answer.state == "decided", answer.reason
                assert answer.output == OUTPUT
                signed = {seat.account for seat in answer.seats if seat.signature}
                assert provider.account in signed
            steps = {name: step for name, step, _ in room.steps}
            for _ in range(200):
                await steps["lane-batch"]()
                if await room.runner.store.batches(BatchStage.POSTED):
                    break
                await asyncio.sleep(0.05)
            floors = await scene.floors()
            assert floors[scene.world.terms(0).channel()] == 8
        finally:
            await room.stop()
            await engine.dispose()
