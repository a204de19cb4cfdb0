"""The lane's view of the chain says what the contracts say, through failures and reorganisations."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.lane.follower import LaneFollower
from contracts import channels, laneview
from contracts.laneview import LaneView
from contracts.rpc import RpcUnreachableError
from serve.lane.view import View, ViewWriter
from tests.support.lane_rooms import DEPOSIT, LaneStage

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]


def weights(view: LaneView, stage: LaneStage, epoch: int) -> dict[int, int]:
    return view.facts.snapshots.weights(stage.rig.model, epoch)


async def test_a_failure_half_way_leaves_nothing_half(
    stage: LaneStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = await LaneView.open(stage.rig.lane)
    await stage.rig.record()
    await stage.rig.advance()
    await stage.rig.record()
    look_up = view._look_up

    async def broken(events: Any) -> None:
        raise RpcUnreachableError("http://node", "gone")

    monkeypatch.setattr(view, "_look_up", broken)
    for _ in range(2):
        with pytest.raises(RpcUnreachableError):
            await view.refresh()
    monkeypatch.setattr(view, "_look_up", look_up)
    await view.refresh()
    fresh = await LaneView.open(stage.rig.lane)
    epoch = await stage.rig.lane.current_epoch()
    assert weights(view, stage, epoch) == weights(fresh, stage, epoch) != {}
    assert view.facts.operators == fresh.facts.operators


async def test_what_left_the_chain_leaves_the_view(stage: LaneStage) -> None:
    provider = stage.rig.chain.provider
    view = await LaneView.open(stage.rig.lane)
    channel = stage.terms.channel()
    snapshot = await provider.request("evm_snapshot", [])
    assert (await view.channel(channel)).deposited == DEPOSIT
    await channels.top_up(stage.rig.lane, stage.client, stage.terms, 5)
    await view.refresh()
    assert (await view.channel(channel)).deposited == DEPOSIT + 5
    await provider.request("evm_revert", [snapshot])
    await stage.rig.warp(1)
    await stage.rig.warp(1)
    await view.refresh()
    assert (await view.channel(channel)).deposited == DEPOSIT


async def test_an_epoch_without_a_seed_leaves_the_last_one_to_draw(stage: LaneStage) -> None:
    view = await LaneView.open(stage.rig.lane)
    older = view.epoch() - 1
    drawn = await view.drawing_epoch(older)
    snapshot = await stage.rig.chain.provider.request("evm_snapshot", [])
    await stage.rig.warp(view.times.epoch_seconds)
    await view.refresh()
    assert view.epoch() == drawn + 1
    assert await view.drawing_epoch(older) == drawn
    await stage.rig.chain.provider.request("evm_revert", [snapshot])


async def test_coordinators_and_members_hear_of_a_pause_and_of_its_end(
    stage: LaneStage, tmp_path: Path
) -> None:
    rig, functions = stage.rig, stage.rig.lane.channels.functions
    view, writer = await LaneView.open(rig.lane), ViewWriter(tmp_path / "view.sqlite")
    follower = LaneFollower(rig.lane, writer, rig.members[0].account, confirmations=0, poll_s=0)
    told = View(tmp_path / "view.sqlite", rig.model, stale_s=60)

    async def paused() -> tuple[bool, bool, bool]:
        """In the coordinator's view, in one that begins now, and in the members' file."""
        await view.refresh()
        while await follower.step():
            pass
        return view.paused, (await LaneView.open(rig.lane)).paused, told.paused()

    assert await paused() == (False, False, False)
    snapshot = await rig.chain.provider.request("evm_snapshot", [])
    await rig.treasury.send(functions.pause())
    assert await paused() == (True, True, True)
    await rig.chain.provider.request("evm_revert", [snapshot])
    await rig.warp(1)
    await rig.warp(1)
    assert await paused() == (False, False, False), "the block of the pause left the chain"
    await rig.treasury.send(functions.pause())
    assert await paused() == (True, True, True)
    await rig.treasury.send(functions.unpause())
    assert await paused() == (False, False, False)
    writer.close()


async def test_a_seed_is_drawn_from_once_members_have_read_it_too(
    stage: LaneStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They leave some blocks alone, and look only now and then: until then the epoch before serves."""
    rig = stage.rig
    monkeypatch.setattr(laneview, "SPREAD_S", 3_600.0)
    slow = rig.chain.network.model_copy(update={"confirmations": 1, "block_time": 1_800.0})
    monkeypatch.setattr(rig.chain, "network", slow)
    snapshot = await rig.chain.provider.request("evm_snapshot", [])
    view = await LaneView.open(rig.lane)
    before = await view.drawing_epoch()
    newest = await rig.advance()
    for _ in range(3):
        await view.refresh()
        assert view.epoch() == newest
        assert await view.seed(newest) is not None
        assert await view.drawing_epoch() == before
        # A channel that is younger than the one before has no other.
        assert await view.drawing_epoch(before) == newest
        await rig.warp(1)
    await view.refresh()
    assert await view.drawing_epoch() == newest
    await rig.chain.provider.request("evm_revert", [snapshot])


async def test_where_blocks_are_rare_time_is_enough_for_a_seed(
    stage: LaneStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, clock = stage.rig, [time.monotonic()]
    rare = rig.chain.network.model_copy(update={"block_time": laneview.SPREAD_S / 2})
    monkeypatch.setattr(rig.chain, "network", rare)
    monkeypatch.setattr(laneview, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    snapshot = await rig.chain.provider.request("evm_snapshot", [])
    view = await LaneView.open(rig.lane)
    newest = await rig.advance()
    clock[0] += 1
    await view.refresh()
    assert await view.seed(newest) is not None
    assert await view.drawing_epoch() < newest
    clock[0] += laneview.SPREAD_S + 1
    assert await view.drawing_epoch() == newest
    await rig.chain.provider.request("evm_revert", [snapshot])
