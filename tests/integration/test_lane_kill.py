"""kill -9 under load: every room of the channel lane and the chain, one after the other.

No accepted task is lost, none is paid twice, and service is back without a hand: each process is only started
again, as a supervisor does.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from contracts import artifacts, batches, channels
from contracts.batches import Posted
from mlbridge.protocol.payload import ClassificationOutput, decode_output, encode_input
from mlbridge.sdk.channel_book import DONE, ChannelBook, Kept
from mlbridge.storage.batches import fetch_batch
from tests.support.lane_town import Load, Town, image, lane_town
from tests.support.seats import honest_label, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

EVERY_S = 0.1
ENOUGH = 20
"""Tasks begun after a kill that must end well before the next one."""
PATIENCE_S = 90.0


@pytest.mark.parametrize("own_coordinator", [False, True], ids=["one hop more", "gateway carries orders"])
async def test_no_task_is_lost_or_paid_twice_whoever_is_killed(tmp_path: Path, own_coordinator: bool) -> None:
    async with lane_town(tmp_path, own_coordinator=own_coordinator) as town:
        load = Load(town, EVERY_S)
        running = asyncio.create_task(load.run())
        try:
            await load.more(ENOUGH, timeout_s=PATIENCE_S)
            for victim in ("member", "coordinator", "gateway", "chain"):
                town.kill(victim)
                await load.more(ENOUGH, timeout_s=PATIENCE_S)
            running.cancel()
            async with asyncio.timeout(PATIENCE_S):
                await load.end()
        finally:
            running.cancel()
            load.stop()
            with contextlib.suppress(asyncio.CancelledError):
                await running
        nothing_is_lost(load)
        await nothing_is_paid_twice(town, load)


def nothing_is_lost(load: Load) -> None:
    assert load.refused > 0, "nobody noticed that anything was killed"
    for number, task in load.tasks.items():
        assert task["status"] == "finalized", task
        assert task["confidence"] == 1.0
        fields = {name: value for name, value in image(number).items() if name != "kind"}
        honest = decode_output("classification", honest_label(encode_input("classification", fields)))
        assert isinstance(honest, ClassificationOutput)
        assert task["result"]["label"] == honest.label
    assert len({task["id"] for task in load.tasks.values()}) == len(load.tasks)


async def nothing_is_paid_twice(town: Town, load: Load) -> None:
    """Each task has one order that is paid, in a batch or alone, and the channel paid for nothing else."""
    book = ChannelBook(town.gateway.home / "channels.db")
    done = [one for one in orders(book, town) if one.state == DONE]
    book.close()
    assert sorted(one.key for one in done) == sorted(task["id"] for task in load.tasks.values())
    lane, channel = town.rig.lane, town.terms.channel()
    wanted = {one.sequence for one in done}

    async def all_settled() -> bool:
        return wanted <= {sequence for sequence, _ in await settled(town)}

    await until(all_settled, timeout_s=PATIENCE_S, every_s=1.0)
    paid = await settled(town)
    assert sorted(sequence for sequence, _ in paid) == sorted(wanted)
    state = await channels.channel_state(lane, channel)
    assert state.deposited - state.balance == sum(debit for _, debit in paid)
    for contract, name in (
        (artifacts.CHANNELS, "ContradictionProven"),
        (artifacts.CHANNELS, "FalseSeatProven"),
        (artifacts.SETTLEMENT, "LeafStruck"),
        (artifacts.SETTLEMENT, "BatchVoided"),
    ):
        assert await lane.events(contract, name) == [], name


async def settled(town: Town) -> list[tuple[int, int]]:
    """(sequence, wei) of every order that the chain took money for, once for each time it did."""
    lane, found = town.rig.lane, []
    for one in await batches.posted(lane):
        found += await held(town, one)
    alone = await lane.events(artifacts.CHANNELS, "OrderSettled", "0x" + town.terms.channel().hex())
    return found + [(event.args["sequence"], event.args["debit"]) for event in alone]


async def held(town: Town, one: Posted) -> list[tuple[int, int]]:
    batch = await fetch_batch(town.content, one.header.data)
    return [(item.leaf.sequence, item.leaf.debit) for item in batch.items]


def orders(book: ChannelBook, town: Town) -> list[Kept]:
    query = "SELECT channel, sequence, key, offer, kind, state, receipt, reason FROM orders WHERE channel=?"
    return [Kept(*row) for row in book._read(query, town.terms.channel())]
