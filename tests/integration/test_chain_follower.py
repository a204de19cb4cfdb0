"""The follower on a real chain that is reorganised, rolled back and restarted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.anvil import Anvil, dev_account, free_port
from contracts.chain import Chain
from contracts.cursor import MemoryCursorStore, SqliteCursorStore
from contracts.deploy import deploy
from contracts.events import Event
from contracts.follower import Batch, LogFollower
from contracts.reads import find_events
from contracts.sender import Sender
from tests.integration.conftest import PARAMS
from tests.support.seats import FAST

pytestmark = pytest.mark.integration


@pytest.fixture
def own_anvil(tmp_path: Path) -> Iterator[Anvil]:
    """A chain of the test's own that it may reorganise; mines a block a transaction."""
    with Anvil(free_port(), block_time=None) as anvil:
        yield anvil


@pytest.fixture
async def own_chain(own_anvil: Anvil) -> AsyncIterator[Chain]:
    network = await deploy(own_anvil.rpc_url, dev_account(0), PARAMS, block_time=0.1, policy=FAST)
    async with await Chain.connect(network) as chain:
        yield chain


class Ledger:
    """What a consumer of batches believes: events by block."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.removals: list[int] = []

    def take(self, batch: Batch) -> None:
        if batch.removed_from is not None:
            self.removals.append(batch.removed_from)
            self.events = [event for event in self.events if event.block_number < batch.removed_from]
        keys = {(event.block_hash, event.log_index) for event in self.events}
        assert not any((event.block_hash, event.log_index) in keys for event in batch.events)
        self.events += batch.events


async def drain(follower: LogFollower, ledger: Ledger) -> None:
    while (batch := await follower.poll()) is not None:
        ledger.take(batch)
        await follower.handled(batch)


async def rpc(chain: Chain, method: str, *params: object) -> Any:
    return await chain.provider.request(method, list(params))


async def everything(chain: Chain) -> list[Event]:
    return await find_events(chain, [])


async def approve(sender: Sender, chain: Chain, amount: int) -> None:
    await sender.send(chain.token.functions.approve(chain.addresses.distributor, amount))


async def test_reorganisations_of_depth_three(own_chain: Chain) -> None:
    sender = Sender(own_chain, dev_account(0), FAST)
    follower, ledger = LogFollower(own_chain, MemoryCursorStore(), start_block=0), Ledger()
    for round_number in range(4):
        for amount in range(4):
            await approve(sender, own_chain, 100 * round_number + amount)
        await drain(follower, ledger)
        before = list(ledger.events)
        assert before == await everything(own_chain)
        head = await own_chain.head()
        await rpc(own_chain, "anvil_reorg", 3, [])
        await rpc(own_chain, "evm_mine")
        await drain(follower, ledger)
        assert ledger.removals[-1] == head.number - 2
        assert ledger.events == await everything(own_chain)
        assert ledger.events != before


async def test_a_rollback_shortens_what_was_said(own_chain: Chain) -> None:
    sender = Sender(own_chain, dev_account(0), FAST)
    follower, ledger = LogFollower(own_chain, MemoryCursorStore()), Ledger()
    for amount in range(5):
        await approve(sender, own_chain, amount)
    await drain(follower, ledger)
    await rpc(own_chain, "anvil_rollback", 3)
    await drain(follower, ledger)
    assert ledger.events == await everything(own_chain)
    await approve(sender, own_chain, 77)
    await drain(follower, ledger)
    assert ledger.events == await everything(own_chain)
    assert ledger.events[-1].args["value"] == 77


async def test_confirmations_hold_the_newest_blocks_back(own_chain: Chain) -> None:
    sender = Sender(own_chain, dev_account(0), FAST)
    follower, ledger = LogFollower(own_chain, MemoryCursorStore(), confirmations=2), Ledger()
    for amount in range(3):
        await approve(sender, own_chain, amount)
        await drain(follower, ledger)
        head = await own_chain.head()
        settled = [event for event in await everything(own_chain) if event.block_number <= head.number - 2]
        assert ledger.events == settled
    # a reorganisation above what was handed out goes unnoticed, as it should
    await rpc(own_chain, "anvil_reorg", 2, [])
    await drain(follower, ledger)
    assert ledger.removals == []


async def test_a_long_absence_is_caught_up_in_ranges(own_chain: Chain, tmp_path: Path) -> None:
    sender = Sender(own_chain, dev_account(0), FAST)
    store = SqliteCursorStore(tmp_path / "c.sqlite")
    follower, ledger = LogFollower(own_chain, store), Ledger()
    await drain(follower, ledger)
    for amount in range(3):
        await approve(sender, own_chain, amount)
        await rpc(own_chain, "anvil_mine", 200)
    again = LogFollower(own_chain, store, chunk=64)
    steps = 0
    while (batch := await again.poll()) is not None:
        steps += 1
        assert len(batch.cursor.recent) <= 256
        ledger.take(batch)
        await again.handled(batch)
    assert 10 <= steps < 20
    assert ledger.events == await everything(own_chain)
    store.close()


async def test_iteration_saves_after_each_batch_was_handled(own_chain: Chain) -> None:
    store, ledger = MemoryCursorStore(), Ledger()
    follower = LogFollower(own_chain, store, poll_s=0.02)
    sender = Sender(own_chain, dev_account(0), FAST)

    async def write() -> None:
        for amount in range(5):
            await approve(sender, own_chain, amount)
            await asyncio.sleep(0.05)

    writing = asyncio.create_task(write())
    async for batch in follower:
        assert store.cursor is None or store.cursor.number < batch.cursor.number
        ledger.take(batch)
        if sum(event.name == "Approval" for event in ledger.events) == 6:  # one is of the deployment
            break
    await writing
    assert ledger.events == await everything(own_chain)


async def test_only_the_contracts_asked_for(own_chain: Chain) -> None:
    follower, ledger = LogFollower(own_chain, MemoryCursorStore(), [own_chain.addresses.tasks]), Ledger()
    await drain(follower, ledger)
    assert {event.contract for event in ledger.events} == {"TaskManager"}


async def test_a_chain_that_was_reset_voids_everything(own_chain: Chain, own_anvil: Anvil) -> None:
    store, ledger = MemoryCursorStore(), Ledger()
    await rpc(own_chain, "anvil_mine", 30)
    await drain(LogFollower(own_chain, store), ledger)
    own_anvil.stop()
    own_anvil.start()
    await own_chain.head()  # finds the old connection broken and opens another
    await rpc(own_chain, "anvil_mine", 3)
    await drain(LogFollower(own_chain, store), ledger)
    assert ledger.events == []
    assert ledger.removals
