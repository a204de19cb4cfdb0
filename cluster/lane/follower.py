"""Keeps the replicas' view of the channel lane as the chain has it (serve.lane.view)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import structlog

from contracts import artifacts
from contracts.cursor import Cursor, cursor_from_json, cursor_to_json
from contracts.events import Event, decode_all
from contracts.follower import ChainSource, Step, Walker
from contracts.lane import Lane
from contracts.reads import call
from mlbridge.errors import MLBridgeError
from serve.lane.view import ChannelRow, LaneRules, ViewWriter

log = structlog.get_logger()

_CURSOR: Final = "cursor"
_AT_ONCE: Final = 16


@dataclass
class _News:
    """What a stretch of the chain changes, read in full before anything is written."""

    channels: list[ChannelRow] = field(default_factory=list)
    unknown: list[bytes] = field(default_factory=list)
    nodes: dict[str, int] = field(default_factory=dict)
    providers: dict[bytes, str] = field(default_factory=dict)
    paused: bool | None = None


class LaneFollower:
    """Follows the lane's contracts. One a provider; it owns the view's file.

    account: the provider's Compute account. confirmations: blocks below the head that it leaves alone:
    whoever attests on a seed that a reorganisation takes back has a false seat, which costs stake.
    """

    def __init__(
        self, lane: Lane, writer: ViewWriter, account: int, *, confirmations: int, poll_s: float
    ) -> None:
        self._lane = lane
        self._writer = writer
        self._account = account
        self._poll_s = poll_s
        self._names = lane.names | {lane.chain.addresses.tasks.lower(): artifacts.TASKS}
        at = lane.addresses
        watched = [at.beacon, at.snapshots, at.channels, at.settlement, lane.chain.addresses.tasks]
        self._walker = Walker(
            ChainSource(lane.chain, watched),
            start=lane.chain.network.start_block,
            confirmations=confirmations,
        )
        self._providers: dict[bytes, str] = {}
        self._ruled = False
        self.caught_up = False
        self.problem: str | None = None

    async def run(self) -> None:
        """Until cancelled. A chain node that fails is asked again; meanwhile the view grows stale."""
        while True:
            try:
                moved = await self.step()
                self.problem = None
            except MLBridgeError as error:
                self.problem, moved = str(error), False
                log.warning("lane_follow_failed", code=error.code, problem=error.message)
            if not moved:
                await asyncio.sleep(self._poll_s)

    async def step(self) -> bool:
        """Read what is new; whether there was anything. Raises MLBridgeError."""
        if not self._ruled:
            self._writer.put_rules(await self._rules())
            self._writer.put_paused(await self._paused())
            self._ruled = True
        told = self._writer.fact(_CURSOR)
        step = await self._walker.step(None if told is None else cursor_from_json(told))
        if step is not None:
            await self._take(step)
            return True
        head = await self._lane.chain.head()
        if self.caught_up:
            self._writer.put_head(head.number, head.timestamp, time.time())
        return False

    async def _take(self, step: Step) -> None:
        """Apply one step whole, with the place where it ended: a crash repeats it or skips none of it."""
        # As deep as what is followed, so that a reorganisation above it changes nothing; not deeper while
        # catching up, because a node forgets old states.
        block = max(step.cursor.number, step.head.number - self._walker.confirmations, 0)
        if step.removed_from is not None:
            log.warning("lane_reorganised", from_block=step.removed_from)
            stale = self._writer.channels_since(step.removed_from)
            news = await self._read((), stale, block)
            news.paused = await self._paused(block)
            with self._writer:
                self._writer.void_from(step.removed_from)
                self._write(news, (), step.cursor)
            return
        events = decode_all(step.logs, self._names)
        touched = {bytes(event.args["channel"]) for event in events if "channel" in event.args}
        news = await self._read(events, touched, block)
        self.caught_up = step.cursor.number >= step.head.number - self._walker.confirmations
        with self._writer:
            self._write(news, events, step.cursor)
            if self.caught_up:
                self._writer.put_head(step.head.number, step.head.timestamp, time.time())

    def _write(self, news: _News, events: Iterable[Event], cursor: Cursor) -> None:
        writer = self._writer
        writer.put_channels(news.channels, news.unknown)
        for node, operator in news.nodes.items():
            writer.put_node(node, operator)
        if news.paused is not None:
            writer.put_paused(news.paused)
        for event in events:
            args, block = event.args, event.block_number
            if event.name == "SeedPosted":
                writer.put_seed(args["epoch"], bytes(args["seed"]), block)
            elif event.name == "WeightRecorded":
                writer.put_weight(
                    bytes(args["modelId"]), args["account"], args["epoch"], args["weight"], block
                )
            elif event.name == "ModelRecorded":
                model = bytes(args["modelId"])
                price = args["price"] if args["active"] else None
                writer.put_price(model, args["epoch"], news.providers[model], price, block)
            elif event.name == "BatchPosted":
                writer.put_batch(bytes(args["batch"]), block)
        writer.put_fact(_CURSOR, cursor_to_json(cursor))

    # ---- reading ----
    async def _rules(self) -> LaneRules:
        functions = self._lane.channels.functions
        names = functions.genesis, functions.epochSeconds, functions.settleWindow, functions.orderEpochs
        genesis, epoch_seconds, window, epochs = [int(await call(name())) for name in names]
        return LaneRules(genesis, epoch_seconds, window, epochs, self._account)

    async def _paused(self, block: int | None = None) -> bool:
        """As of a block; of the newest without one."""
        paused = self._lane.channels.functions.paused()
        return bool(await call(paused, "latest" if block is None else block))

    async def _read(self, events: Iterable[Event], channels: Iterable[bytes], block: int) -> _News:
        news = _News()
        gate = asyncio.Semaphore(_AT_ONCE)

        async def channel(channel_id: bytes) -> None:
            async with gate:
                row = await self._channel(channel_id, block)
            if row is None:
                news.unknown.append(channel_id)
            else:
                news.channels.append(row)

        await asyncio.gather(*(channel(one) for one in channels))
        for event in events:
            if event.name == "NodeKeySet":
                binding = self._lane.chain.tasks.functions.nodeBinding(event.args["node"])
                news.nodes[event.args["node"]] = int((await call(binding))[0])
            elif event.name == "ModelRecorded":
                model = bytes(event.args["modelId"])
                news.providers[model] = await self._provider(model)
            elif event.name in ("Paused", "Unpaused"):
                news.paused = event.name == "Paused"
        return news

    async def _channel(self, channel_id: bytes, block: int) -> ChannelRow | None:
        """As of a block, so that a reorganisation below it has it read again."""
        found = await call(self._lane.channels.functions.channels(channel_id), block)
        balance, _, floor, window, deposited, closes_at, promised, covered, due_at = found
        if deposited == 0:
            return None
        waiting = max(0, promised - (deposited - balance)) if due_at else 0
        passed = covered if due_at else 0
        return ChannelRow(channel_id, balance, floor, window, closes_at, waiting, passed, due_at, block)

    async def _provider(self, model: bytes) -> str:
        """Of a model; its id is made of that address, so it never changes."""
        if model not in self._providers:
            registry = self._lane.chain.registry.functions
            self._providers[model] = str((await call(registry.models(model)))[1])
        return self._providers[model]
