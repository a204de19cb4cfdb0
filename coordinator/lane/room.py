"""The channel lane of one process: everything wired, and the loops that it wants."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Protocol

import aiohttp
import structlog
from eth_account.signers.local import LocalAccount
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.chain import Chain
from contracts.drand import DrandRelays, no_relays
from contracts.lane import Lane
from contracts.laneview import LaneView
from contracts.network import LaneAddresses
from contracts.sender import Sender
from coordinator.lane.attest import Attesters
from coordinator.lane.batching import Batcher
from coordinator.lane.bodies import PLAIN
from coordinator.lane.directory import Directory
from coordinator.lane.members import Members
from coordinator.lane.metrics import LaneMetrics
from coordinator.lane.outcome import Outcome
from coordinator.lane.reports import Reporter
from coordinator.lane.retention import EVERY_S, Keeper
from coordinator.lane.rows import BatchStage
from coordinator.lane.runner import Runner
from coordinator.lane.seeds import SeedPoster
from coordinator.lane.settings import LaneConfig
from coordinator.lane.store import LaneStore
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import batch_data
from mlbridge.protocol.answers import MAX_NODE_URL, MAX_NODES, Settlement, Told
from mlbridge.protocol.batch import Batch
from mlbridge.protocol.batch_wire import read_header
from mlbridge.protocol.exchange import Offer
from mlbridge.protocol.streams import Kind
from mlbridge.storage import ContentStore

log = structlog.get_logger(__name__)

LOOP_S = 1.0
GAUGES_S = 5.0
BATCHES_READ = 8
"""Batches that are kept decoded."""


class ShardLostError(MLBridgeError):
    """The process that carries a requester's orders is gone for now: code `lane.shard_lost`."""


class Shards(Protocol):
    """Other processes on the same store that carry orders for this room."""

    async def order(self, requester: str, offer: bytes, wait_s: float) -> bytes:
        """What became of an order, as it travels. Raises ShardLostError, and as LaneRoom.order."""
        ...

    async def look(self) -> list[dict[str, Any] | None]:
        """Of each its process id ("pid") and its OpenMetrics text ("metrics"); None: it does not answer."""
        ...


class LaneRoom:
    """Made by `open`. A gateway's replica opens one without a sender: it runs orders, and batches nothing."""

    def __init__(
        self,
        address: str,
        config: LaneConfig,
        runner: Runner,
        session: aiohttp.ClientSession,
        directory: Directory,
        content: ContentStore | None,
        sender: Sender | None,
        metrics: LaneMetrics,
        relays: DrandRelays | None,
    ) -> None:
        self.address, self.config, self.runner = address, config, runner
        self._session, self._directory, self._content = session, directory, content
        self._relay, self._relays = runner.relay(), relays
        self.shards: Shards | None = None
        self._batches_read: dict[str, Batch] = {}
        self.metrics, self._batches = metrics, sender is not None and content is not None
        self._steps: list[tuple[str, Callable[[], Awaitable[bool]], float]] = [
            ("lane", runner.step, LOOP_S),
            ("lane-members", self._read_members, config.refresh_s),
            ("lane-gauges", self._gauges, GAUGES_S),
        ]
        if sender is not None and content is not None:
            attesters = Attesters(config.attesters, session, runner.view.lane)
            batcher = Batcher(runner, runner.store, sender, content, attesters, config, metrics)
            reporter = Reporter(runner, runner.store, sender, metrics)
            self._steps += [("lane-batch", batcher.step, LOOP_S), ("lane-report", reporter.step, LOOP_S)]
            self._steps.append(("lane-retention", Keeper(runner.view, runner.store, config).step, EVERY_S))
        if sender is not None and relays is not None:
            self._steps.append(("lane-seed", SeedPoster(runner.view, sender, relays).step, LOOP_S))

    @classmethod
    async def open(
        cls,
        chain: Chain,
        addresses: LaneAddresses,
        account: LocalAccount,
        engine: AsyncEngine,
        config: LaneConfig,
        *,
        content: ContentStore | None,
        sender: Sender | None,
        lock: asyncio.Lock | None = None,
        metrics: LaneMetrics | None = None,
    ) -> LaneRoom:
        """Read the chain and the members' pages. account: the coordinator's; engine: its store's, migrated.

        sender: of the same account; None: no batches are made here; metrics: of this process. Raises what a
        read of the chain raises, and MLBridgeError `drand.no_relays`.
        """
        urls = config.drand_relays or chain.network.drand_relays
        posts = sender is not None and config.post_seeds
        if posts and addresses.drand_source is not None and not urls:
            raise no_relays()
        view = await LaneView.open(Lane(chain, addresses))
        connector = aiohttp.TCPConnector(limit=0)
        session = aiohttp.ClientSession(connector=connector, headers=PLAIN, auto_decompress=False)
        directory = Directory(config.members, session)
        try:
            await directory.refresh()
        except BaseException:
            await session.close()
            raise
        members = Members(directory, session, view.lane.domain, bytes(account.key), view.now)
        store = LaneStore(engine, uuid.uuid4().hex, lock)
        address = str(account.address)
        metrics = metrics or LaneMetrics(CollectorRegistry())
        runner = Runner(address, view, store, members, config, content, metrics)
        relays = DrandRelays(urls) if posts else None
        return cls(address, config, runner, session, directory, content, sender, metrics, relays)

    @property
    def steps(self) -> list[tuple[str, Callable[[], Awaitable[bool]], float]]:
        """(name, step, seconds between) of the loops to run, as coordinator.loops.forever takes them."""
        return list(self._steps)

    async def _gauges(self) -> bool:
        queue = self.metrics.queue
        queue.labels("undecided").set(self.runner.in_flight)
        queue.labels("late").set(self.runner.late)
        if self._batches:
            for name, depth in (await self.runner.store.depths()).items():
                queue.labels(name).set(depth)
        return False

    async def _read_members(self) -> bool:
        await self._directory.refresh()
        return False

    async def stop(self) -> None:
        """Let go; orders under way are taken up by the next process."""
        await self.runner.stop()
        await self._session.close()
        if self._relays is not None:
            await self._relays.close()

    # ---- what requesters ask ----

    def terms(self) -> dict[str, object]:
        """What a requester must know before it opens a channel. JSON-ready."""
        lane = self.runner.view.lane
        return {
            "coordinator": self.address,
            "share": self.config.share,
            "chain_id": lane.chain.chain_id,
            "channels": lane.addresses.channels,
            "max_seconds": self.config.max_seconds,
            "members": [url for url in self.config.members if len(url) <= MAX_NODE_URL][:MAX_NODES],
        }

    async def order(self, offer: Offer, wait_s: float) -> Told:
        """Take an order, or find it, and wait for its end. Raises as Runner.accept."""
        if self.shards is not None:
            try:
                told = await self.shards.order(offer.terms.requester, offer.to_bytes(), wait_s)
            except ShardLostError as error:
                # What it had taken is in the store, and this process takes it up.
                log.warning("lane_shard_lost", reason=error.message)
            else:
                return Told.from_bytes(told)
        digest = await self.runner.accept(offer)
        return _told(await self.runner.wait(digest, wait_s))

    async def stream(self, offer: Offer) -> AsyncGenerator[tuple[Kind, bytes], None]:
        """Take an order, or find it; what its streamer seals while it is made, at last what `order` tells.

        Raises as Runner.accept, and `lane.listeners`; both before the first frame.
        """
        digest = await self.runner.accept(offer)
        frames = self._frames(offer, digest)
        first = await anext(frames)
        return _after(first, frames)

    async def _frames(self, offer: Offer, digest: bytes) -> AsyncGenerator[tuple[Kind, bytes], None]:
        order = offer.order.message
        left = order.deadline + self.config.late_s - self.runner.view.now()
        verdict = asyncio.create_task(self.runner.wait(digest, max(0.0, left)), name="lane-verdict")
        try:
            async with aclosing(self._relay.listen(offer, verdict.done)) as sealed:
                async for piece in _until(verdict, sealed):
                    yield Kind.SEALED, piece
            yield Kind.TOLD, _told(await verdict).to_bytes()
        finally:
            verdict.cancel()
            await asyncio.gather(verdict, return_exceptions=True)

    async def settlement(self, digest: bytes) -> Settlement:
        """Where an order stands in the batch that holds it.

        Raises MLBridgeError `lane.not_settled` while none does, `lane.unknown_order`, `content.*`.
        """
        store = self.runner.store
        row = await store.order(digest)
        if row is None:
            raise MLBridgeError("lane.unknown_order", "This coordinator knows no such order.", exit_code=5)
        batch = None if row.batch is None else await store.batch(row.batch)
        on_chain = batch is not None and batch.status in (BatchStage.POSTED, BatchStage.FINAL)
        if batch is None or not on_chain or batch.header is None or self._content is None:
            raise MLBridgeError(
                "lane.not_settled",
                "No batch on chain holds this order yet.",
                hint="Ask again in some seconds.",
                exit_code=5,
                retry_after_s=2,
            )
        key = row.channel, row.sequence
        found = Settlement.of(read_header(batch.header), await self._batch(self._content, batch.cid), key)
        if found is None:
            raise RuntimeError(f"batch {batch.root} does not hold an order that is bound to it")
        return found

    async def _batch(self, content: ContentStore, cid: str) -> Batch:
        """A batch's leaves. Anybody may ask, so one is not read and decoded for every order that it holds."""
        known = self._batches_read.get(cid)
        if known is None:
            known = batch_data.from_bytes(await content.get(cid, max_bytes=batch_data.MAX_BYTES))
            self._batches_read[cid] = known
            while len(self._batches_read) > BATCHES_READ:
                del self._batches_read[next(iter(self._batches_read))]
        return known


def _told(found: Outcome | None) -> Told:
    if found is None:
        return Told("open")
    if found.evidence is None:
        return Told("failed", reason=found.reason or "", attested=found.attested)
    evidence = found.evidence
    return Told("decided", evidence.result, found.confidence, evidence.seats, found.output or b"")


async def _until(
    end: asyncio.Task[Outcome | None], pieces: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    """The pieces that come before `end` is done; what it ends with is for its caller."""
    while True:
        following = asyncio.ensure_future(anext(pieces, None))
        try:
            await asyncio.wait({following, end}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not following.done():
                following.cancel()
                await asyncio.wait({following})
        piece = None if following.cancelled() else following.result()
        if piece is None:
            return
        yield piece


async def _after(
    first: tuple[Kind, bytes], rest: AsyncGenerator[tuple[Kind, bytes], None]
) -> AsyncGenerator[tuple[Kind, bytes], None]:
    async with aclosing(rest):
        yield first
        async for item in rest:
            yield item
