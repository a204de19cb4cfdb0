"""What the channel lane's contracts say, followed as the chain grows: weights, keys, seeds, channels.

One view serves a whole process: a coordinator, a watcher or an SDK client. Nothing in it is believed longer
than the block that said it stays on the chain.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from contracts import artifacts
from contracts.channels import ChannelState, channel_state, find_terms
from contracts.events import BlockRef, Event, topic_of
from contracts.lane import Lane
from contracts.reads import Parameters, call, find_events, get_parameters
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.evidence import Facts
from mlbridge.protocol.orders712 import ChannelTerms
from mlbridge.protocol.snapshots import Snapshots

log = structlog.get_logger(__name__)

SPREAD_S: Final = 3.0
"""Until members have read a block that is deep enough: they look every two seconds at least."""
_KEPT = 4_096
_AT_ONCE = 64

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LaneTimes:
    """What the contracts never change. genesis: unix seconds of epoch 0; windows in seconds."""

    genesis: int
    epoch_seconds: int
    settle_window: int
    order_epochs: int

    def epoch_at(self, moment: float) -> int:
        """The beacon's epoch at a time of the chain (unix seconds)."""
        return (int(moment) - self.genesis) // self.epoch_seconds


@dataclass(frozen=True, slots=True)
class _Seed:
    """An epoch's seed, and the block that it was posted in. since: monotonic time at which it was read."""

    seed: bytes
    block: int
    since: float


class LaneView:
    """Made by `open`; `refresh` reads what is new. facts.operators and facts.snapshots grow in place."""

    def __init__(self, lane: Lane, times: LaneTimes) -> None:
        self.lane, self.times = lane, times
        self._head: BlockRef | None = None
        self._told_at = 0.0
        self._refreshed_at = -math.inf
        self._reading = asyncio.Lock()
        self._forget()

    def _forget(self) -> None:
        self._snapshots = Snapshots()
        self._operators: dict[str, int] = {}
        self._providers: dict[bytes, str] = {}
        self._seeds: dict[int, _Seed] = {}
        self._channels: dict[bytes, ChannelState] = {}
        self._terms: dict[bytes, ChannelTerms] = {}
        self._alone: set[bytes] = set()
        self._paused = False
        self._read_to: BlockRef | None = None
        self._parameters: Parameters | None = None

    @classmethod
    async def open(cls, lane: Lane) -> LaneView:
        """Read everything up to now. Raises what a read of the chain raises."""
        functions = lane.channels.functions
        genesis, seconds, window, epochs = await asyncio.gather(
            call(functions.genesis()),
            call(functions.epochSeconds()),
            call(functions.settleWindow()),
            call(functions.orderEpochs()),
        )
        view = cls(lane, LaneTimes(int(genesis), int(seconds), int(window), int(epochs)))
        await view.refresh()
        return view

    # ---- following ----

    async def refresh(self, within_s: float = 0.0) -> None:
        """Read the blocks that are new; everything again if blocks that were read left the chain.

        within_s: do nothing if that was done so many seconds ago or less.
        """
        async with self._reading:
            if time.monotonic() - self._refreshed_at <= within_s:
                return
            began = time.monotonic()
            head = await self.lane.chain.head()
            read = self._read_to
            if read is not None and not (read.hash in (head.hash, head.parent) or await self._is_there(read)):
                log.info("lane_view_rolled_back", block=read.number)
                self._forget()
            first = self.lane.chain.network.start_block
            if self._read_to is not None:
                first = self._read_to.number + 1
            if head.number >= first:
                events = await self._events(first, head.number)
                await self._look_up(events)
                for event in events:
                    self._take(event)
                self._read_to = head
            if self._head is None or head.hash != self._head.hash:
                self._told_at, self._parameters = time.monotonic(), None
            self._head, self._refreshed_at = head, began

    async def _is_there(self, block: BlockRef) -> bool:
        found = await self.lane.chain.header(block.number)
        return found is not None and found.hash == block.hash

    async def _events(self, first: int, last: int) -> list[Event]:
        chain, at = self.lane.chain, self.lane.addresses
        ours, keys = await asyncio.gather(
            find_events(
                chain,
                [],
                [at.beacon, at.snapshots, at.channels],
                first=first,
                last=last,
                names=self.lane.names,
            ),
            find_events(
                chain,
                [topic_of(artifacts.TASKS, "NodeKeySet")],
                [chain.addresses.tasks],
                first=first,
                last=last,
            ),
        )
        return sorted([*ours, *keys], key=lambda event: event.order)

    async def _look_up(self, events: Sequence[Event]) -> None:
        """What events leave out. All of it before any event counts, so that a failure leaves no half."""
        models = {e.args["modelId"] for e in events if e.name == "ModelRecorded"} - self._providers.keys()
        nodes = {e.args["node"] for e in events if e.name == "NodeKeySet"}
        functions = self.lane.chain.registry.functions, self.lane.chain.tasks.functions
        for some in _chunks(sorted(models)):
            found = await asyncio.gather(*(call(functions[0].models(model)) for model in some))
            self._providers |= {model: str(told[1]) for model, told in zip(some, found, strict=True)}
        for some in _chunks(sorted(nodes)):
            found = await asyncio.gather(*(call(functions[1].nodeBinding(node)) for node in some))
            # A node key stays its first operator's for ever.
            self._operators |= {node: int(told[0]) for node, told in zip(some, found, strict=True)}

    def _take(self, event: Event) -> None:
        args = event.args
        if event.name == "SeedPosted":
            self._seeds[args["epoch"]] = _Seed(bytes(args["seed"]), event.block_number, time.monotonic())
        elif event.name == "WeightRecorded":
            self._snapshots.record_weight(args["modelId"], args["account"], args["epoch"], args["weight"])
        elif event.name == "ModelRecorded":
            model, price = args["modelId"], args["price"] if args["active"] else None
            self._snapshots.record_model(model, args["epoch"], self._providers[model], price)
        elif event.name in ("Paused", "Unpaused"):
            self._paused = event.name == "Paused"
        elif "channel" in args:
            channel = bytes(args["channel"])
            self._channels.pop(channel, None)
            if event.name == "OrderSettled":
                self._alone.add(channel)

    # ---- asking ----

    @property
    def facts(self) -> Facts:
        """What evidence is held to."""
        return Facts(self.lane.domain, self._snapshots, self._operators)

    @property
    def alone(self) -> Collection[bytes]:
        """Channels of which an order was ever settled by itself, not in a batch."""
        return self._alone

    @property
    def paused(self) -> bool:
        """Whether governance lets nothing new begin in the lane."""
        return self._paused

    @property
    def head(self) -> BlockRef:
        """The newest block that was read. Raises MLBridgeError `lane.unread` before the first."""
        if self._head is None:
            raise MLBridgeError("lane.unread", "The channel lane was not read yet.", retry_after=1)
        return self._head

    def now(self) -> float:
        """The chain's time, unix seconds; it goes on between blocks."""
        return self.head.timestamp + (time.monotonic() - self._told_at)

    def epoch(self) -> int:
        """The epoch of the chain's time."""
        return self.times.epoch_at(self.now())

    async def seed(self, epoch: int) -> bytes | None:
        """An epoch's seed, 32 bytes; None while nobody has posted it."""
        known = self._seeds.get(epoch)
        if known is not None:
            return known.seed
        seed = await self.lane.seed(epoch)
        if seed is not None:
            # Nothing is recorded for an epoch whose seed is known: what is read from now on is all there is.
            await self.refresh()
        return seed

    async def drawing_epoch(self, after: int = 0) -> int:
        """The epoch that an order signed now had best name: the newest of which orders can still settle and
        whose seed members have read too; where none is, the newest whose seed is known.

        after: the epoch in which the order's channel was opened, which draws none of its committees. Raises
        MLBridgeError `lane.no_seed`.
        """
        newest = self.epoch()
        fit = range(newest, max(0, newest - self.times.order_epochs), -1)
        if not any(epoch in self._seeds for epoch in fit):
            await self.seed(newest)
        known = [epoch for epoch in fit if epoch in self._seeds]
        if not known:
            raise MLBridgeError(
                "lane.no_seed",
                "No epoch that orders could name has a seed yet.",
                hint="Anyone can post it; providers and coordinators do. Try again in a moment.",
                retry_after=5,
            )
        return next((epoch for epoch in known if epoch > after and self._spread(epoch)), known[0])

    def _spread(self, epoch: int) -> bool:
        """Whether every member that follows the chain has the epoch's seed. They leave the blocks alone that
        a reorganisation may take back, and look no more often than they must.
        """
        known, network = self._seeds[epoch], self.lane.chain.network
        deep = self.head.number - known.block - network.confirmations
        blocks = math.ceil(SPREAD_S / network.block_time)
        return deep >= blocks or (deep >= 0 and time.monotonic() - known.since >= SPREAD_S)

    async def parameters(self) -> Parameters:
        """The direct lane's parameters, of the head that was read last or younger."""
        found = self._parameters
        if found is None:
            found = self._parameters = await get_parameters(self.lane.chain)
        return found

    async def channel(self, channel: bytes) -> ChannelState:
        """Where a channel stands; all zero for an unknown one."""
        found = self._channels.get(channel)
        if found is None:
            found = await channel_state(self.lane, channel)
            if len(self._channels) >= _KEPT:
                self._channels.clear()
            self._channels[channel] = found
        return found

    async def terms(self, channel: bytes) -> ChannelTerms:
        """The terms of a channel. Raises MLBridgeError `channel.unknown`."""
        if channel not in self._terms:
            if len(self._terms) >= _KEPT:
                self._terms.clear()
            self._terms[channel] = await find_terms(self.lane, channel)
        return self._terms[channel]


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]
