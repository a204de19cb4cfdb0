"""The channel lane of a process beside the coordinator's own: it carries orders and posts no batches.

It works on the coordinator's durable store: whoever of those that share it is killed, another takes up its
orders. For operators' own processes alone, because it signs with the coordinator's key.
"""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.chain import Chain
from contracts.keyfile import load_key
from coordinator import database
from coordinator.config import CoordinatorConfig
from coordinator.lane.metrics import LaneMetrics
from coordinator.lane.room import LaneRoom
from coordinator.loops import every
from mlbridge.errors import MLBridgeError
from mlbridge.storage import open_store

log = structlog.get_logger(__name__)


class LaneBeside:
    """Opened at its first use. config: the coordinator's file; it must have a key and a lane."""

    def __init__(self, config: CoordinatorConfig, metrics: LaneMetrics) -> None:
        self._config, self._metrics = config, metrics
        self._opening = asyncio.Lock()
        self._room: LaneRoom | None = None
        self._chain: Chain | None = None
        self._engine: AsyncEngine | None = None
        self._loops: list[asyncio.Task[None]] = []

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
                f"The coordinator {config.name} takes no channel orders.",
                hint="Its file needs a key, the section lane, and a network with the channel lane.",
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
            self._loops.append(asyncio.create_task(every(step, pause), name=f"beside-{name}"))
        log.info("lane_opened_beside", coordinator=self._room.address)

    async def close(self) -> None:
        """Let go: orders under way are others' to carry on."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        if self._room is not None:
            await self._room.stop()
        if self._engine is not None:
            await self._engine.dispose()
        if self._chain is not None:
            await self._chain.close()
