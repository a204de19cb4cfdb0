"""What a town's channel paid for, as its book, the chain and the batches on it say."""

from __future__ import annotations

from collections.abc import Collection

from contracts import artifacts, batches, channels
from contracts.batches import Posted
from mlbridge.sdk.channel_book import DONE, ChannelBook, Kept
from mlbridge.storage.batches import fetch_batch
from tests.support.lane_town import Town
from tests.support.seats import until

_QUERY = "SELECT * FROM orders WHERE channel=?"


async def nothing_is_paid_twice(town: Town, tasks: Collection[str], *, timeout_s: float) -> None:
    """Each of these tasks has one order that is paid, in a batch or alone, and the channel paid nothing else.

    Waits until the last of them is settled.
    """
    done = done_orders(town)
    assert sorted(one.key for one in done) == sorted(tasks)
    lane, channel = town.rig.lane, town.terms.channel()
    wanted = {one.sequence for one in done}

    async def all_settled() -> bool:
        return wanted <= {sequence for sequence, _ in await settled(town)}

    await until(all_settled, timeout_s=timeout_s, every_s=1.0)
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


def done_orders(town: Town) -> list[Kept]:
    """The channel's orders that have a receipt."""
    book = ChannelBook(town.gateway.home / "channels.db")
    try:
        kept = [Kept(*row) for row in book._read(_QUERY, town.terms.channel())]
    finally:
        book.close()
    return [one for one in kept if one.state == DONE]


async def settled(town: Town) -> list[tuple[int, int]]:
    """(sequence, wei) of every order that the chain took money for, once for each time it did."""
    lane, found = town.rig.lane, []
    for one in await batches.posted(lane):
        found += await held(town, one)
    alone = await lane.events(artifacts.CHANNELS, "OrderSettled", "0x" + town.terms.channel().hex())
    return found + [(event.args["sequence"], event.args["debit"]) for event in alone]


async def held(town: Town, one: Posted) -> list[tuple[int, int]]:
    """Every order of a batch."""
    batch = await fetch_batch(town.content, one.header.data)
    return [(item.leaf.sequence, item.leaf.debit) for item in batch.items]
