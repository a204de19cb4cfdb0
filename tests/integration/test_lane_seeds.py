"""Who posts an epoch's seed: a coordinator from whose channels somebody could draw."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from contracts.drand import DrandRelays
from contracts.laneview import LaneView
from contracts.reads import call
from coordinator.lane.seeds import SeedPoster
from tests.support.lane import DELAY, EPOCH
from tests.support.lane_rooms import LaneStage, lane_stage
from tests.support.seats import make_member

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="module"),
]
NONE = DrandRelays(())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[LaneStage]:
    async with lane_stage(members=3) as made:
        yield made


async def into_the_next_epoch(stage: LaneStage) -> int:
    """To the moment from which on its seed can be proved; its number."""
    rig = stage.rig
    genesis = int(await call(rig.lane.beacon.functions.genesis()))
    await rig.warp(EPOCH - (await rig.now() - genesis) % EPOCH + DELAY)
    await rig.warp(1)
    return await rig.lane.current_epoch()


async def test_a_seed_is_posted_once_and_only_for_those_who_could_draw_from_it(stage: LaneStage) -> None:
    lane, view = stage.rig.lane, await LaneView.open(stage.rig.lane)
    _, stranger = await stage.rig.funded()
    epoch = await into_the_next_epoch(stage)
    await SeedPoster(view, stranger, NONE).step()
    assert await lane.seed(epoch) is None, "nobody has a channel with the stranger"
    poster = SeedPoster(view, stage.sender, NONE)
    await poster.step()
    assert await lane.seed(epoch) is not None
    count = stage.rig.chain.w3.eth.get_transaction_count
    sent = await count(stage.sender.address)
    await poster.step()
    assert await count(stage.sender.address) == sent


async def test_two_who_post_at_once_do_each_other_no_harm(stage: LaneStage) -> None:
    lane = stage.rig.lane
    views = [await LaneView.open(lane) for _ in range(2)]
    epoch = await into_the_next_epoch(stage)
    await SeedPoster(views[0], stage.sender, NONE).step()
    await SeedPoster(views[1], stage.sender, NONE).step()
    assert await lane.seed(epoch) is not None


async def test_who_knows_a_seed_knows_every_weight_that_counts_with_it(stage: LaneStage) -> None:
    rig = stage.rig
    view = await LaneView.open(rig.lane)
    # Recorded after the view was read, and before the seed.
    late = await make_member(rig.chain, rig.treasury, [rig.model])
    await rig.treasury.send(rig.lane.snapshots.functions.recordWeight(rig.model, late.account))
    epoch = await into_the_next_epoch(stage)
    await SeedPoster(await LaneView.open(rig.lane), stage.sender, NONE).step()
    assert await view.seed(epoch) is not None
    assert view.facts.snapshots.weight(rig.model, epoch, late.account) > 0
