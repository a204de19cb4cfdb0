"""The gateway's own coordinator of the channel lane, as a library in this replica: orders take one hop less.

It works on the coordinator's durable store beside the coordinator itself, which posts the batches: whichever
of the two is killed, the other takes up its orders. For operators who run both, because it signs with the
coordinator's key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.chain import Chain
from contracts.keyfile import load_key
from coordinator import database
from coordinator.config import CoordinatorConfig
from coordinator.http import STATUS_BY_CODE
from coordinator.lane.metrics import LaneMetrics
from coordinator.lane.room import LaneRoom
from gateway.carrier import forever
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.answers import Settlement, Told
from mlbridge.protocol.exchange import parse_offer
from mlbridge.protocol.streams import Kind
from mlbridge.sdk.coordinators import CoordinatorTerms
from mlbridge.storage import open_store

log = structlog.get_logger(__name__)


class OwnCoordinator:
    """Opened at its first use. config: the coordinator's file; it must have a key and a lane."""

    def __init__(self, config: CoordinatorConfig, metrics: LaneMetrics) -> None:
        self._config, self._metrics = config, metrics
        self._opening = asyncio.Lock()
        self._room: LaneRoom | None = None
        self._chain: Chain | None = None
        self._engine: AsyncEngine | None = None
        self._loops: list[asyncio.Task[None]] = []

    def door(self, url: str) -> OwnDoor:
        """What the SDK asks instead of HTTP. url: where others reach the same coordinator."""
        return OwnDoor(self, url)

    async def room(self) -> LaneRoom:
        """The open room. Raises MLBridgeError `lane.not_possible`, `keystore.*`, `chain.*`, `store.*`."""
        async with self._opening:
            if self._room is None:
                await self._open()
        assert self._room is not None  # noqa: S101 - opened a line above
        return self._room

    async def _open(self) -> None:
        config, network = self._config, self._config.load_network()
        if config.lane is None or config.key is None or network.lane is None:
            raise MLBridgeError(
                "lane.not_possible",
                "The coordinator of channel.coordinator_file takes no channel orders.",
                hint="It needs a key, the section lane, and a network with the channel lane.",
                exit_code=2,
            )
        if self._chain is None:
            self._chain = await Chain.connect(network)
        if self._engine is None:
            self._engine = database.open_engine(database.database_url(config.store_url))
            await database.migrate(self._engine)
        self._room = await LaneRoom.open(
            self._chain,
            network.lane,
            load_key(config.key),
            self._engine,
            config.lane,
            content=open_store(network.storage_url) if network.storage_url else None,
            sender=None,
            metrics=self._metrics,
        )
        for name, step, pause in self._room.steps:
            self._loops.append(asyncio.create_task(forever(step, pause), name=f"gateway-{name}"))
        log.info("own_coordinator_opened", coordinator=self._room.address)

    async def close(self) -> None:
        """Let go: orders under way are the coordinator's to carry on."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        if self._room is not None:
            await self._room.stop()
        if self._engine is not None:
            await self._engine.dispose()
        if self._chain is not None:
            await self._chain.close()


class OwnDoor:
    """As mlbridge.sdk.coordinators.Coordinator has it."""

    def __init__(self, own: OwnCoordinator, url: str) -> None:
        self.url, self._own = url, own

    async def terms(self) -> CoordinatorTerms:
        """Who it is."""
        room = await self._own.room()
        domain = room.runner.view.lane.domain
        return CoordinatorTerms(
            room.address, room.config.share, domain.chain_id, domain.contract, room.config.members
        )

    async def order(self, offer: bytes, wait_s: float) -> Told:
        """Hand over an order, or ask again for the same one."""
        room = await self._own.room()
        try:
            return await room.order(parse_offer(offer), wait_s)
        except MLBridgeError as error:
            raise _as_over_http(error) from error

    async def stream(self, offer: bytes) -> AsyncGenerator[tuple[Kind, bytes], None]:
        """Hand over an order as `order` does, and listen."""
        room = await self._own.room()
        try:
            async with aclosing(await room.stream(parse_offer(offer))) as frames:
                async for found in frames:
                    yield found
        except MLBridgeError as error:
            raise _as_over_http(error) from error

    async def settlement(self, digest: bytes) -> Settlement:
        """Where an order stands in a batch."""
        return await (await self._own.room()).settlement(digest)

    async def close(self) -> None:
        """Nothing: the room outlives every channel."""


def _as_over_http(error: MLBridgeError) -> MLBridgeError:
    """With the seconds after which to try again, where HTTP would say 503."""
    if STATUS_BY_CODE.get(error.code) == 503:
        error.context.setdefault("retry_after_s", error.context.get("retry_after", 1))
    return error
