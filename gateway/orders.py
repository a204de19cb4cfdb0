"""Orders that requesters sign themselves and pay from channels of their own with the gateway's coordinator.

The gateway hands them on as they came. It pays nothing, charges no API key and keeps nothing: the coordinator
has every order on disk before anybody hears of it, and the same bytes again bring the same answer. What is
checked here is what a stranger could waste: whose channel it is, who signed, whether the input is there, and
how often. A batch shows everybody an order and its signature; only who has its input counts as its requester.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, Final

import structlog

from contracts.laneview import LaneView
from gateway.limiter import Limiter, Room
from gateway.order_documents import AttestedView, OrderView
from gateway.outputs import plain_output
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.admission import require_form, require_input, require_signature
from mlbridge.protocol.answers import Settlement, Told
from mlbridge.protocol.batch import WINDOW
from mlbridge.protocol.evidence import BASIS
from mlbridge.protocol.exchange import Offer
from mlbridge.protocol.payload import MAX_OUTPUT_BYTES, decode_input
from mlbridge.protocol.streams import Kind
from mlbridge.sdk import AsyncClient, LaneReceipt
from mlbridge.sdk.coordinators import Coordinator, CoordinatorTerms
from mlbridge.sdk.lane_accept import accept_answer
from mlbridge.sdk.lane_split import held

log = structlog.get_logger(__name__)

MOST_WAITING: Final = WINDOW
"""Requests of one requester that may wait for a verdict at once: as many as a channel has open orders."""


class SignedOrders:
    """client: for the chain's view of the lane; door: of the gateway's coordinator, closed with this."""

    def __init__(self, client: AsyncClient, door: Coordinator, limiter: Limiter) -> None:
        self._client, self._door, self._limiter = client, door, limiter
        self._address: str | None = None
        self._waiting: Counter[str] = Counter()

    async def terms(self) -> CoordinatorTerms:
        """Whom a channel must name to be paid from here. Raises MLBridgeError `coordinator.*`."""
        return await self._door.terms()

    async def count(self, offer: Offer) -> Room:
        """What is left of its requester's rate, once this order is shown to be his.

        Raises MLBridgeError `order.channel` and others of an order's form, `lane.coordinator`,
        `order.signature`, `order.input`, `coordinator.*`.
        """
        require_form(offer.order.message, offer.terms, offer.stream)
        if self._address is None:
            self._address = (await self.terms()).coordinator
        if offer.terms.coordinator != self._address:
            raise MLBridgeError(
                "lane.coordinator",
                f"The order is not taken: its channel is one of {offer.terms.coordinator}, and this gateway"
                f" works with {self._address}.",
                hint="Send it to that coordinator, or open a channel with this one: GET /v1/lane.",
                exit_code=2,
                coordinator=self._address,
            )
        require_signature(offer.order, offer.terms, (await self._view()).lane.domain)
        requester = offer.terms.requester
        if isinstance(offer.content, str):
            # Whether it is the input is known once it was fetched: such orders use up no other's rate.
            return await self._limiter.take(f"{requester} by CID", None)
        require_input(offer.order.message, offer.content)
        return await self._limiter.take(requester, None)

    async def told(self, offer: Offer, wait_s: float) -> Told:
        """What became of an order within so many seconds; the same order again changes nothing.

        Raises MLBridgeError `order.*`, `lane.*`, `coordinator.*`, `rate.exceeded`.
        """
        with self._place(offer.terms.requester):
            try:
                return await self._door.order(offer.to_bytes(), wait_s)
            except MLBridgeError as error:
                raise _theirs(error) from error

    async def stream(self, offer: Offer) -> AsyncGenerator[tuple[Kind, bytes], None]:
        """The frames of an order's answer while it is made. Raises as `told`, before the first frame."""
        frames = self._frames(offer)
        return _from(await anext(frames, None), frames)

    async def _frames(self, offer: Offer) -> AsyncGenerator[tuple[Kind, bytes], None]:
        with self._place(offer.terms.requester):
            async with aclosing(self._door.stream(offer.to_bytes())) as frames:
                async for found in frames:
                    yield found

    @contextmanager
    def _place(self, requester: str) -> Iterator[None]:
        """A connection to the coordinator is held meanwhile, and one requester must not hold them all."""
        if self._waiting[requester] >= MOST_WAITING:
            raise MLBridgeError(
                "rate.exceeded",
                f"{MOST_WAITING} requests of this requester wait for their verdicts already.",
                hint="Ask once for each order, and again when it was answered.",
                retry_after_s=1,
            )
        self._waiting[requester] += 1
        try:
            yield
        finally:
            self._waiting[requester] -= 1
            self._waiting += Counter()  # drops those at zero

    async def settlement(self, digest: bytes) -> Settlement:
        """Where an order stands in a batch. Raises MLBridgeError `lane.not_settled`, `lane.unknown_order`."""
        try:
            return await self._door.settlement(digest)
        except MLBridgeError as error:
            raise _theirs(error) from error

    async def view(self, offer: Offer, told: Told) -> OrderView:
        """An order as JSON has it, its answer checked as the SDK does. Raises MLBridgeError `channel.lie`."""
        order, view = offer.order.message, await self._view()
        facts: dict[str, Any] = {
            "id": "0x" + order.digest(view.lane.domain).hex(),
            "state": told.state,
            "requester": offer.terms.requester,
            "sequence": order.sequence,
            "price_wei": str(order.max_fee),
        }
        if told.state == "failed":
            facts |= {"reason": told.reason, "cost_wei": "0"}
            if attested := await held(offer, view, told.attested):
                facts["attested"] = [AttestedView.of(signed) for signed in attested]
        if told.state == "decided":
            receipt, payload = await self._accepted(offer, told, view)
            facts |= {
                "cost_wei": str(receipt.cost.debit),
                "confidence": receipt.confidence / BASIS,
                "committee": [seat.account for seat in receipt.seats],
                "result": _result(offer, payload),
                "receipt": receipt.model_dump(mode="json"),
            }
        return OrderView.model_validate(facts)

    async def _accepted(self, offer: Offer, told: Told, view: LaneView) -> tuple[LaneReceipt, bytes]:
        try:
            return await accept_answer(offer, told, view, self._fetch)
        except MLBridgeError as error:
            if error.code != "channel.lie":
                raise
        # The coordinator's view of the chain may be the newer one.
        await view.refresh()
        return await accept_answer(offer, told, view, self._fetch)

    async def _view(self) -> LaneView:
        return await self._client.lane_view()

    async def _fetch(self, cid: str) -> bytes:
        store = self._client.store
        if store is None:
            raise MLBridgeError("storage.none", f"The answer lies at {cid}, and there is no content store.")
        return await store.get(cid, max_bytes=MAX_OUTPUT_BYTES)

    async def close(self) -> None:
        """Let go of the coordinator; orders under way are its own."""
        await self._door.close()


def _result(offer: Offer, payload: bytes) -> dict[str, Any] | None:
    """The answer, decoded; None where what the committee agreed on is no output of the input's kind."""
    if isinstance(offer.content, str):
        return None
    try:
        return plain_output(decode_input(offer.content).kind, payload)
    except MLBridgeError as error:
        log.info("order_result_undecoded", requester=offer.terms.requester, reason=error.message)
        return None


def _theirs(error: MLBridgeError) -> MLBridgeError:
    """What cannot be read came from the coordinator, not from the requester."""
    if error.code != "message.malformed":
        return error
    return MLBridgeError(
        "coordinator.lie", "The coordinator's answer cannot be read.", hint="Ask again, or another gateway."
    )


async def _from(
    first: tuple[Kind, bytes] | None, rest: AsyncGenerator[tuple[Kind, bytes], None]
) -> AsyncGenerator[tuple[Kind, bytes], None]:
    async with aclosing(rest):
        if first is not None:
            yield first
        async for item in rest:
            yield item
