"""A running coordinator of the channel lane, its members, and a client with a channel."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts import keystore
from contracts.anvil import free_port
from contracts.laneview import LaneView
from contracts.network import save
from coordinator.config import parse_config
from coordinator.engine import Engine
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.orders712 import draw
from mlbridge.sdk import AsyncChannel, AsyncClient, LaneReceipt
from mlbridge.storage import LocalStore
from tests.support.lane_rooms import QUICK, LaneStage
from tests.support.lane_servers import SeatServer, seat_server
from tests.support.seats import FAST

IMAGE = {"kind": "classification", "image": [index % 17 for index in range(64)]}


@dataclass
class Shop:
    """A running coordinator, its members, and a client with a channel."""

    stage: LaneStage
    server: SeatServer
    engine: Engine
    client: AsyncClient
    channel: AsyncChannel
    view: LaneView
    book: Path
    content: LocalStore

    @property
    def url(self) -> str:
        return self.engine.config.local_url

    async def drawn(self, sequence: int) -> list[int]:
        """The three accounts that the channel's order of a sequence seats, were it signed now."""
        epoch = await self.view.drawing_epoch(self.channel.terms.opened_in)
        seed = await self.view.seed(epoch)
        assert seed is not None
        field = self.view.facts.snapshots.field(self.stage.rig.model, epoch)
        return field.arrivals(draw(seed, self.channel.id, sequence), 3)

    def again(self) -> AsyncClient:
        """Another process of the same user."""
        return AsyncClient(
            self.client.network, self.stage.requester, self.content, policy=FAST, channel_book=self.book
        )


@contextlib.asynccontextmanager
async def running(stage: LaneStage, server: SeatServer, folder: Path, **lane: Any) -> AsyncIterator[Engine]:
    """The stage's coordinator as `mlbridge coordinator` runs it, without Ray. lane: changes."""
    network = stage.rig.chain.network.model_copy(
        update={"lane": stage.rig.lane.addresses, "storage_url": f"file://{folder / 'content'}"}
    )
    save(network, folder / "network.json")
    (folder / "password").write_text("test\n")
    if not (folder / "key.json").exists():
        keystore.create(folder / "key.json", "test", stage.coordinator, rounds=2)
    config = parse_config(
        {
            "network": str(folder / "network.json"),
            "home": str(folder / "home"),
            "key": {"keystore": str(folder / "key.json"), "password_file": str(folder / "password")},
            "http": {"port": free_port()},
            "pokes": {"enabled": False},
            "receipts": False,
            "lane": QUICK | {"members": server.nodes, "attesters": server.verifiers} | lane,
        }
    )
    engine = await Engine.start(config)
    try:
        yield engine
    finally:
        await engine.stop()


@contextlib.asynccontextmanager
async def lane_shop(stage: LaneStage, folder: Path, **lane: Any) -> AsyncIterator[Shop]:
    """A shop on a stage, which stands afterwards as it stood before."""
    provider = stage.rig.chain.provider
    snapshot = await provider.request("evm_snapshot", [])
    view = await LaneView.open(stage.rig.lane)
    content = LocalStore(folder / "content")
    async with (
        seat_server(stage.rig, view, content) as server,
        running(stage, server, folder, **lane) as engine,
    ):
        book = folder / "book.db"
        client = AsyncClient(engine.network, stage.requester, content, policy=FAST, channel_book=book)
        async with client:
            channel = await client.channel(stage.terms.channel(), url=engine.config.local_url)
            yield Shop(stage, server, engine, client, channel, view, book, content)
            await channel.close_connection()
    await provider.request("evm_revert", [snapshot])


async def in_a_batch(shop: Shop, receipt: LaneReceipt) -> LaneReceipt:
    for _ in range(600):
        with contextlib.suppress(MLBridgeError):
            return await shop.channel.settled(receipt)
        await asyncio.sleep(0.05)
    raise AssertionError("no batch came")
