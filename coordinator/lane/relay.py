"""Hands a streamer's frames on as they come: opaque, never kept, and beside everything that decides an order.

Whoever listens opens a connection to the streamer of his own, which ends with his. Nothing is read ahead of
him, so a slow reader slows nobody but himself.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

import structlog

from contracts.laneview import LaneView
from coordinator.lane.course import FIRST_PAUSE_S, LONGEST_PAUSE_S
from coordinator.lane.members import Members
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import wire
from mlbridge.protocol.committee import streamer
from mlbridge.protocol.exchange import Offer
from mlbridge.protocol.streams import StreamOpening

log = structlog.get_logger(__name__)

OPENING_S: Final = 5.0
"""A member opens a stream when the work is taken, not when it ends; who claims its account may never."""
MOST_LISTENERS: Final = 4
"""Of one order at a time: everybody who saw it may ask, and each costs a connection to its streamer."""


class Relay:
    """One process's streams."""

    def __init__(self, members: Members, view: LaneView) -> None:
        self._members, self._view = members, view
        self._listeners: Counter[bytes] = Counter()

    async def listen(self, offer: Offer, over: Callable[[], bool]) -> AsyncGenerator[bytes, None]:
        """What the order's streamer seals, from its opening on; nothing if it cannot be had.

        over: whether it is of no use any more. Raises MLBridgeError `lane.listeners`.
        """
        order = offer.order.message
        digest = order.digest(self._view.lane.domain)
        if self._listeners[digest] >= MOST_LISTENERS:
            raise MLBridgeError(
                "lane.listeners",
                f"{MOST_LISTENERS} listen to this order's stream already.",
                hint="The verdict brings the whole answer.",
                retry_after_s=1,
            )
        self._listeners[digest] += 1
        try:
            account = await self._streamer(offer)
            if account is not None:
                async with aclosing(self._heard(offer, digest, account, over)) as frames:
                    async for sealed in frames:
                        yield sealed
        finally:
            self._listeners[digest] -= 1
            if not self._listeners[digest]:
                del self._listeners[digest]

    async def _streamer(self, offer: Offer) -> int | None:
        order = offer.order.message
        seed = await self._view.seed(order.epoch)
        if offer.stream is None or seed is None:
            return None
        return streamer(order, seed, self._view.facts.snapshots)

    async def _heard(
        self, offer: Offer, digest: bytes, account: int, over: Callable[[], bool]
    ) -> AsyncGenerator[bytes, None]:
        """From the first endpoint whose opening the streamer signed; once begun it is not begun again."""
        order = offer.order.message
        pause, never = FIRST_PAUSE_S, set[str]()
        while not over():
            claimed = self._members.directory.endpoints(account, order.model_id)
            if never and never.issuperset(claimed):
                return
            for url in [url for url in claimed if url not in never]:
                stream = self._members.stream(url, account, digest, until=float(order.deadline))
                begun = False
                try:
                    async with aclosing(stream) as frames:
                        opening = await self._opening(frames, account, url)
                        if opening is None:
                            continue
                        begun = True
                        yield opening
                        async for sealed in frames:
                            yield sealed
                except (MLBridgeError, TimeoutError) as error:
                    log.info("lane_stream_failed", account=account, begun=begun, reason=str(error))
                    if isinstance(error, MLBridgeError) and error.code == "member.no_stream":
                        never.add(url)
                if begun:
                    return
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE_S, 2 * pause)

    async def _opening(self, frames: AsyncGenerator[bytes, None], account: int, url: str) -> bytes | None:
        """The first frame, if the streamer signed it. Raises TimeoutError for who keeps us waiting."""
        async with asyncio.timeout(OPENING_S):
            opening = await anext(frames, None)
        if opening is None or self._signed(opening, account):
            return opening
        self._members.directory.disproved(account, url)
        return None

    def _signed(self, opening: bytes, account: int) -> bool:
        """The requester checks it again; here it tells which of several endpoints is the account's."""
        try:
            node = wire.parse(opening, StreamOpening).signer(self._view.lane.domain)
        except MLBridgeError:
            return False
        return self._view.facts.operators.get(node, 0) == account // 2
