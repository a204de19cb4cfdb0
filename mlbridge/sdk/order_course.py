"""An order that is written down, to its end: its coordinator is asked, and its seats where that is no use.

A coordinator may be silent, refuse, tell that an order failed, or tell lies, and have it settled all the
same. So nothing that it says ends an order before the seats were asked for the answer.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Final

import structlog

from contracts.laneview import LaneView
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import disagreement
from mlbridge.protocol.agreed import public_of
from mlbridge.protocol.answers import Told
from mlbridge.protocol.exchange import Offer, parse_offer
from mlbridge.sdk.channel_book import ChannelBook, Kept
from mlbridge.sdk.channel_stream import Ear, listen
from mlbridge.sdk.coordinators import Coordinator, refuses, retry_after
from mlbridge.sdk.lane_accept import accept_answer
from mlbridge.sdk.lane_fetch import Look, SeatDoors
from mlbridge.sdk.lane_receipt import LaneReceipt, text
from mlbridge.sdk.lane_split import held
from mlbridge.sdk.lane_summons import Fetch

log = structlog.get_logger(__name__)

GRACE_S: Final = 5.0
LEAST_PAUSE_S: Final = 0.1
QUIET_SHARE: Final = 0.5
"""Part of an order's time in which a coordinator that only says nothing is left alone."""
TROUBLE_S: Final = 3.0
"""Seconds for one that does not answer at all, before the seats are asked."""
LONGEST_LOOK_S: Final = 8.0
"""Longest pause between two looks at the seats; the first is a second."""

Answered = tuple[LaneReceipt, bytes | None]
"""A receipt, and the payload if it is at hand."""


class OrderFailedError(MLBridgeError):
    """No committee of several came to a verdict: code `channel.no_verdict`. Nothing was paid."""


class _Looks:
    """When the seats of an order are asked. now, deadline: unix seconds of the chain."""

    def __init__(self, now: float, deadline: float) -> None:
        self._at = now + max(0.0, QUIET_SHARE * (deadline - now))
        self._pause, self._troubled = 1.0, False

    def left(self, now: float) -> float:
        """Seconds until the next."""
        return self._at - now

    def trouble(self, now: float) -> None:
        """The coordinator could not be asked."""
        if not self._troubled:
            self._troubled, self._at = True, min(self._at, now + TROUBLE_S)

    def looked(self, now: float) -> None:
        """They had nothing; each time more is left to them."""
        self._at = now + self._pause
        self._pause = min(LONGEST_LOOK_S, 2 * self._pause)


class OrderCourse:
    """Of the orders of one channel."""

    def __init__(
        self, view: LaneView, book: ChannelBook, door: Coordinator, seats: SeatDoors, fetch: Fetch
    ) -> None:
        """fetch: content by CID."""
        self._view, self._book, self._door = view, book, door
        self._seats, self._fetch = seats, fetch

    async def carry(self, kept: Kept, ear: Ear | None = None, secret: bytes | None = None) -> Answered:
        """Its verified answer; the same bytes go to the coordinator as often as it takes.

        ear, secret: to listen to its stream, once, if it names this secret's key. A secret is in memory
        alone: whoever finds the order again later waits for the verdict. Raises OrderFailedError,
        MLBridgeError `channel.lie`, `coordinator.*`, `order.*`, `lane.*`.
        """
        if kept.receipt is not None:
            return LaneReceipt.from_bytes(kept.receipt), None
        offer = parse_offer(kept.offer)
        deadline, told = offer.order.message.deadline, None
        if ear is not None and secret is not None and offer.stream == public_of(secret):
            told = await self._listen(offer, kept, secret, ear)
        looks = _Looks(self._view.now(), deadline)
        while True:
            left = deadline + GRACE_S - self._view.now()
            trouble: MLBridgeError | None = None
            look: Look | None = None
            try:
                if told is None:
                    wait = min(left, looks.left(self._view.now()))
                    told = await self._door.order(kept.offer, max(1.0, wait))
            except MLBridgeError as error:
                trouble = error
                looks.trouble(self._view.now())
            if told is not None and told.state == "decided":
                return await self._decided(kept, told, left)
            pause = LEAST_PAUSE_S if trouble is None else retry_after(trouble)
            ends = pause is None or pause > left or left <= 0
            if ends or (told is not None and told.state == "failed") or looks.left(self._view.now()) <= 0:
                found, look = await self._look(kept, offer)
                if found is not None:
                    return found
                looks.looked(self._view.now())
            if trouble is not None:
                if refuses(trouble):
                    await self._failed(kept, trouble.message)
                if ends:
                    raise trouble
            elif told is not None and (told.state == "failed" or left <= 0):
                reason = told.reason or "no verdict by its deadline"
                await self._failed(kept, reason, await self._split(offer, told, look))
                raise OrderFailedError("channel.no_verdict", f"The order came to no verdict: {reason}.")
            told = None
            await asyncio.sleep(max(LEAST_PAUSE_S, pause or 0.0))

    async def seek(self, kept: Kept) -> Answered | None:
        """Its verified answer from its seats alone, if they have one now."""
        return (await self._look(kept, parse_offer(kept.offer)))[0]

    async def fetch(self, kept: Kept) -> Answered:
        """Its verified answer from its seats alone; one that is in the book needs nobody.

        Raises MLBridgeError as SeatDoors.fetch, `channel.lie`.
        """
        if kept.receipt is not None:
            return LaneReceipt.from_bytes(kept.receipt), None
        return await self.keep(kept, await self._seats.fetch(parse_offer(kept.offer)))

    async def keep(self, kept: Kept, told: Told) -> Answered:
        """A verdict that holds, written down; what does not is held once more to the chain of now before it
        is a lie. Raises MLBridgeError `channel.lie`, `content.*`.
        """
        offer = parse_offer(kept.offer)
        try:
            receipt, payload = await accept_answer(offer, told, self._view, self._fetch)
        except MLBridgeError as error:
            if error.code != "channel.lie":
                raise
            await self._view.refresh()
            receipt, payload = await accept_answer(offer, told, self._view, self._fetch)
        await asyncio.to_thread(self._book.done, kept.channel, kept.sequence, receipt.to_bytes())
        return receipt, payload

    async def _decided(self, kept: Kept, told: Told, left: float) -> Answered:
        """A verdict that the coordinator tells; if it does not hold, what the seats tell in the time left."""
        try:
            return await self.keep(kept, told)
        except MLBridgeError as error:
            log.warning("channel_answer_refused", sequence=kept.sequence, reason=error.message)
            offer, until = parse_offer(kept.offer), self._view.now() + left
            while True:
                found, look = await self._look(kept, offer)
                if found is not None:
                    return found
                if look is None or not look.waiting or self._view.now() >= until:
                    raise
                await asyncio.sleep(1.0)

    async def _look(self, kept: Kept, offer: Offer) -> tuple[Answered | None, Look | None]:
        """What the seats have for an order now; nothing if that cannot be found out."""
        try:
            look = await self._seats.look(offer)
            if look.told is None:
                return None, look
            found = await self.keep(kept, look.told)
        except MLBridgeError as error:
            log.info("channel_seats_not_asked", sequence=kept.sequence, reason=error.message)
            return None, None
        log.warning("channel_answer_fetched", sequence=kept.sequence, coordinator=self._door.url)
        return found, look

    async def _listen(self, offer: Offer, kept: Kept, secret: bytes, ear: Ear) -> Told | None:
        """What the coordinator tells at the end of an order's stream; None: it has to be asked."""
        left = offer.order.message.deadline + GRACE_S - self._view.now()
        try:
            async with asyncio.timeout(left), aclosing(self._door.stream(kept.offer)) as frames:
                return await listen(frames, offer, secret, self._view, ear)
        except (MLBridgeError, TimeoutError) as error:
            log.info("channel_stream_missed", sequence=kept.sequence, reason=str(error))
            return None

    async def _split(self, offer: Offer, told: Told, look: Look | None) -> bytes | None:
        """What seats attested that disagree, by coordinator and seats, as the book keeps it."""
        handed = [] if look is None else [one.attestation for one in look.handed.values()]
        said = disagreement.differing([*told.attested, *handed])
        try:
            attested = await held(offer, self._view, said) if said else ()
        except MLBridgeError as error:
            log.warning("channel_split_not_checked", reason=error.message)
            return None
        if not attested:
            return None
        log.warning(
            "channel_seats_disagreed",
            order=text(offer.order.message.digest(self._view.facts.domain)),
            accounts=[signed.message.account for signed in attested],
            hint="mlbridge dissent open ORDER has a panel find who lied.",
        )
        return disagreement.to_bytes(attested)

    async def _failed(self, kept: Kept, reason: str, attested: bytes | None = None) -> None:
        await asyncio.to_thread(self._book.failed, kept.channel, kept.sequence, reason, attested)
