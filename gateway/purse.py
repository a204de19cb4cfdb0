"""The gateway's channel with its coordinator: found again or opened, topped up within a limit, replaced.

A channel is known by its salt, which follows from the gateway's name, so that a deposit is found again after
the file that remembered it is gone. Several replicas of one home share one channel and one book of sequences.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog

from contracts.channels import ChannelState
from contracts.laneview import LaneView
from gateway.config import ChannelConfig
from gateway.metrics import Metrics
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.hashing import keccak
from mlbridge.sdk import AsyncChannel, AsyncClient
from mlbridge.sdk.channel_book import full

log = structlog.get_logger(__name__)

STUCK_S: Final = 300.0
"""A channel whose sequences are used up so long has orders that nobody settles any more: it is replaced."""


class Purse:
    """Made for one client; `keep` is called every second or so. name: the gateway's; lock: a file's path."""

    def __init__(
        self, client: AsyncClient, config: ChannelConfig, metrics: Metrics, *, name: str, lock: Path
    ) -> None:
        self._client, self._config, self._metrics, self._lock = client, config, metrics, lock
        self._salt = keccak(f"mlbridge-gateway:{name}".encode())
        self._known: dict[bytes, AsyncChannel] = {}
        self._channel: AsyncChannel | None = None
        self._full_since: float | None = None
        self._problem: MLBridgeError | None = None

    async def view(self) -> LaneView:
        """The channel lane as the chain has it."""
        return await self._client.lane_view()

    # ---- asking ----

    async def ready(self, price: int) -> AsyncChannel:
        """The channel to pay an order of `price` wei from.

        Raises MLBridgeError `channel.none`, `channel.too_young`, `channel.full`, `channel.limit`,
        `channel.funds`, or what keeps the gateway from having a channel.
        """
        channel = self._channel
        if channel is None:
            raise self._problem or MLBridgeError(
                "channel.none",
                "The gateway's channel is not open yet.",
                hint="Try again in a few seconds.",
                retry_after_s=3,
            )
        if not await channel.drawable():
            raise channel.too_young()
        if await channel.room() == 0:
            raise full()
        state = await (await self.view()).channel(channel.id)
        if state.balance < price:
            raise self._too_little(state)
        return channel

    def _too_little(self, state: ChannelState) -> MLBridgeError:
        if state.deposited >= self._config.limit_wei:
            return self._at_its_limit(state)
        return MLBridgeError(
            "channel.funds",
            f"The gateway's channel holds only {state.balance} wei now.",
            hint="It is being topped up: try again in a few seconds.",
            retry_after_s=3,
        )

    def _at_its_limit(self, state: ChannelState) -> MLBridgeError:
        return MLBridgeError(
            "channel.limit",
            f"The gateway's channel holds {state.balance} wei, and all {self._config.limit_wei} wei that its"
            " operator allows were deposited.",
            hint="The operator may raise channel.limit_wei; or choose the direct lane.",
            retry_after_s=60,
        )

    async def spent(self, channel: AsyncChannel) -> MLBridgeError | None:
        """What is said of a channel that will get no more money; None: it will."""
        state = await (await self.view()).channel(channel.id)
        return self._at_its_limit(state) if state.deposited >= self._config.limit_wei else None

    async def channel(self, identity: bytes) -> AsyncChannel:
        """A channel of this gateway by its id, as long as it may still bring an answer."""
        if identity not in self._known:
            self._known[identity] = await self._client.channel(identity, url=self._config.coordinator)
        return self._known[identity]

    # ---- keeping ----

    async def keep(self) -> None:
        """See that there is a channel with money and free sequences. Raises what keeps it from that."""
        try:
            view = await self.view()
            await view.refresh()
            if self._channel is not None:
                state = await view.channel(self._channel.id)
                if state.closes_at or await self._is_stuck(self._channel):
                    self._channel = None
            with self._alone() as mine:
                if self._channel is None:
                    self._channel = await self._find()
                if self._channel is None and mine:
                    self._channel = await self._open()
                if self._channel is not None and mine:
                    await self._top_up(self._channel)
            await self._measure(view)
            self._problem = None
        except MLBridgeError as error:
            self._problem = error
            raise

    async def _measure(self, view: LaneView) -> None:
        channel = self._channel
        balance = 0 if channel is None else (await view.channel(channel.id)).balance
        self._metrics.channel_balance.set(balance)
        self._metrics.channel_sequences.set(0 if channel is None else await channel.room())

    async def collect(self) -> None:
        """Bring home what replaced channels still hold, once they are due."""
        for identity, state in await self._ours():
            if state.closes_at:
                channel = await self.channel(identity)
                if await channel.close() == 0:
                    log.info("channel_closed", channel="0x" + identity.hex())

    async def close(self) -> None:
        """Let go of connections; channels stay open."""
        for channel in self._known.values():
            await channel.close_connection()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether no other replica sees to the money meanwhile."""
        with self._lock.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    async def _ours(self) -> list[tuple[bytes, ChannelState]]:
        return [
            (terms.channel(), state)
            for terms, state, _ in await self._client.channels()
            if terms.salt == self._salt and state.deposited
        ]

    async def _find(self) -> AsyncChannel | None:
        """The newest open one."""
        for identity, state in reversed(await self._ours()):
            if not state.closes_at:
                return await self.channel(identity)
        return None

    async def _open(self) -> AsyncChannel:
        # An earlier process may have been killed while its opening was on its way.
        await self._client.settle()
        found = await self._find()
        if found is not None:
            return found
        amount = min(self._config.deposit_wei, self._config.limit_wei)
        channel = await self._client.open_channel(self._config.coordinator, amount, salt=self._salt)
        self._known[channel.id] = channel
        log.info("channel_opened", channel="0x" + channel.id.hex(), deposit_wei=amount)
        return channel

    async def _top_up(self, channel: AsyncChannel) -> None:
        state = await (await self.view()).channel(channel.id)
        if 2 * state.balance >= self._config.deposit_wei:
            return
        missing = self._config.deposit_wei - state.balance
        amount = min(missing, self._config.limit_wei - state.deposited)
        if amount > 0:
            await channel.top_up(amount)
            log.info("channel_topped_up", channel="0x" + channel.id.hex(), wei=amount)

    async def _is_stuck(self, channel: AsyncChannel) -> bool:
        """Begins to close a channel that has had no free sequence for long."""
        if await channel.room():
            self._full_since = None
            return False
        self._full_since = self._full_since or time.monotonic()
        if time.monotonic() - self._full_since < STUCK_S:
            return False
        log.warning("channel_stuck", channel="0x" + channel.id.hex())
        await channel.close()
        self._full_since = None
        return True
