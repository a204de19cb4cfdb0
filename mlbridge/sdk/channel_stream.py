"""The requester's ear: a stream that is believed as far as its streamer sealed it, and no further.

What is heard is the beginning of an answer that nobody has agreed to yet. The verdict's answer is held
against it: one that does not begin with what was told is `channel.stream_mismatch`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

import structlog

from contracts.laneview import LaneView
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import wire
from mlbridge.protocol.answers import Told
from mlbridge.protocol.committee import streamer
from mlbridge.protocol.exchange import Offer
from mlbridge.protocol.payload import MAX_OUTPUT_BYTES
from mlbridge.protocol.streams import Kind, Opener, StreamOpening

if TYPE_CHECKING:
    from mlbridge.sdk.channel import ChannelResult

log = structlog.get_logger(__name__)

MISMATCH: Final = "channel.stream_mismatch"

Hear = Callable[[str], None]
"""Told the answer's text so far, longer at each call."""


class StreamMismatchError(MLBridgeError):
    """What was streamed is not how the verdict's answer begins: code `channel.stream_mismatch`.

    result: the verdict's answer, which is proved; streamed: what was told and has to be taken back.
    """

    def __init__(self, result: ChannelResult, streamed: str) -> None:
        super().__init__(
            MISMATCH,
            "What was streamed is not the answer that the committee agreed on.",
            hint="Discard what was streamed; the verdict's answer has its receipt.",
            exit_code=1,
        )
        self.result, self.streamed = result, streamed


class Latest:
    """The newest text for whoever reads at a pace of its own: what it missed is in what came after."""

    def __init__(self) -> None:
        self._text: str | None = None
        self._over = False
        self._news = asyncio.Event()

    def hear(self, text: str) -> None:
        """As Hear."""
        self._text = text
        self._news.set()

    def end(self) -> None:
        """Nothing comes any more."""
        self._over = True
        self._news.set()

    async def texts(self) -> AsyncGenerator[str, None]:
        """Each time the newest one, to the end. For one reader."""
        while not self._over or self._text is not None:
            await self._news.wait()
            self._news.clear()
            text, self._text = self._text, None
            if text is not None:
                yield text
            if self._over:
                self._news.set()


class Ear:
    """What one caller was told, over all orders that were signed for one task."""

    def __init__(self, hear: Hear) -> None:
        self._hear = hear
        self.told = ""
        self._text, self._bytes = "", 0

    def begin(self) -> None:
        """Another order, whose answer is streamed from its beginning."""
        self._text, self._bytes = "", 0

    def piece(self, text: str) -> None:
        """More of a stream. What contradicts what was told is kept back: the verdict shows who was right."""
        self._text += text
        self._bytes += len(text.encode())
        if self._bytes > MAX_OUTPUT_BYTES:
            raise MLBridgeError("stream.broken", "The stream is longer than any answer.")
        if len(self._text) > len(self.told) and self._text.startswith(self.told):
            self.told = self._text
            self._hear(self.told)

    def check(self, result: ChannelResult) -> None:
        """Hold the verdict's answer against what was told, and tell the rest. Raises StreamMismatchError."""
        text = getattr(result.output, "text", None)
        if text is None or not text.startswith(self.told):
            if self.told:
                raise StreamMismatchError(result, self.told)
            return
        if len(text) > len(self.told):
            self.told = text
            self._hear(text)


async def listen(
    frames: AsyncIterator[tuple[Kind, bytes]], offer: Offer, secret: bytes, view: LaneView, ear: Ear
) -> Told | None:
    """Hear a stream to its end; what the coordinator tells there, None if it breaks off before.

    A frame that its streamer did not seal ends the listening, not the order. Raises MLBridgeError what
    `frames` raises, `message.malformed`.
    """
    opener: Opener | None = None
    deaf = False
    ear.begin()
    async for kind, payload in frames:
        if kind is Kind.TOLD:
            return Told.from_bytes(payload)
        if deaf:
            continue
        try:
            if opener is None:
                opener = await _opener(payload, offer, secret, view)
            else:
                ear.piece(opener.open(payload))
        except MLBridgeError as error:
            log.warning("channel_stream_broken", sequence=offer.order.message.sequence, reason=error.message)
            deaf = True
    return None


async def as_pieces(
    order: Callable[[Hear], Coroutine[Any, Any, ChannelResult]],
) -> AsyncGenerator[str | ChannelResult, None]:
    """What an order tells, piece by piece, then its result or what it raises; closed early, it is left."""
    latest = Latest()
    work = asyncio.create_task(order(latest.hear), name="channel-stream")
    work.add_done_callback(lambda _: latest.end())
    shown = 0
    try:
        async with aclosing(latest.texts()) as texts:
            async for text in texts:
                yield text[shown:]
                shown = len(text)
        yield await work
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def _opener(payload: bytes, offer: Offer, secret: bytes, view: LaneView) -> Opener:
    """For a stream whose opening the drawn streamer signed for this order. Raises MLBridgeError."""
    signed = wire.parse(payload, StreamOpening)
    order, domain, facts = offer.order.message, view.lane.domain, view.facts
    seed = await view.seed(order.epoch)
    expected = None if seed is None else streamer(order, seed, facts.snapshots)
    opening = signed.message
    if (opening.order, opening.account) != (order.digest(domain), expected):
        raise MLBridgeError("stream.broken", "It is not opened by the streamer of this order.")
    if facts.operators.get(signed.signer(domain), 0) != opening.account // 2:
        raise MLBridgeError("stream.broken", "No key of its streamer signed its opening.")
    return Opener(secret, opening)
