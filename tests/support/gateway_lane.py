"""A gateway with a channel, before a real coordinator and chain; members that answer by script."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from contracts.keyfile import load_key
from contracts.laneview import LaneView
from coordinator.engine import Engine
from gateway.channel_lane import ChannelLane
from gateway.config import GatewayConfig
from gateway.service import Service
from mlbridge.errors import MLBridgeError
from mlbridge.sdk.channel_book import ChannelBook
from mlbridge.storage import LocalStore
from tests.support.gateways import make_config, make_key
from tests.support.lane_rooms import LaneStage
from tests.support.lane_servers import SeatServer, seat_server
from tests.support.lane_shop import running
from tests.support.seats import until

DEPOSIT = 10**15
INPUT: dict[str, Any] = {"kind": "classification", "image": [index % 17 for index in range(64)]}


@dataclass
class Counter:
    """Around a gateway with a channel. view: the members'; config: its file; secret: an API key."""

    stage: LaneStage
    view: LaneView
    server: SeatServer
    engine: Engine
    config: GatewayConfig
    secret: str

    @property
    def body(self) -> dict[str, Any]:
        return {"model": "0x" + self.stage.rig.model.hex(), "input": INPUT}

    @property
    def address(self) -> str:
        return str(load_key(self.config.key).address)

    async def sent(self) -> int:
        """Transactions of the gateway's key."""
        return int(await self.stage.rig.chain.w3.eth.get_transaction_count(self.address))

    def http(self) -> httpx2.AsyncClient:
        headers = {"Authorization": f"Bearer {self.secret}"}
        return httpx2.AsyncClient(base_url=self.config.local_url, headers=headers, timeout=60)

    def book(self) -> ChannelBook:
        return ChannelBook(self.config.home / "channels.db")


@contextlib.asynccontextmanager
async def lane_counter(stage: LaneStage, folder: Path) -> AsyncIterator[Counter]:
    """A counter on a stage, which stands afterwards as it stood before."""
    provider = stage.rig.chain.provider
    snapshot = await provider.request("evm_snapshot", [])
    view = await LaneView.open(stage.rig.lane)
    content = LocalStore(folder / "content")
    async with seat_server(stage.rig, view, content) as server, running(stage, server, folder) as engine:
        channel = {"coordinator": engine.config.local_url, "deposit_wei": DEPOSIT, "limit_wei": DEPOSIT}
        config = await make_config(folder / "gateway", engine.network, stage.rig.treasury, channel=channel)
        _, secret = await make_key(config)
        yield Counter(stage, view, server, engine, config, secret)
    await provider.request("evm_revert", [snapshot])


async def drawable(counter: Counter, service: Service) -> None:
    """Into the epoch from which on the gateway's channel can be drawn for."""
    await until(lambda: has_channel(service))
    await counter.stage.rig.advance()
    await counter.view.refresh()
    await until(lambda: has_channel(service, young=False))


async def has_channel(service: Service, *, young: bool = True) -> bool:
    """Whether the gateway's channel stands. young: even if none can be drawn for it yet."""
    try:
        await lane_of(service)._purse.ready(0)
    except MLBridgeError as error:
        return young and error.code == "channel.too_young"
    return True


def lane_of(service: Service) -> ChannelLane:
    lane = service._lanes["channel"]
    assert isinstance(lane, ChannelLane)
    return lane
