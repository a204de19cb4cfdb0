"""The channel lane: orders that the gateway's own key signs and pays from a channel, without a transaction.

A task's id is random; it is the idempotency key under which the book of channels keeps the task's orders, so
that no order is signed while an earlier one of the task may still be answered and paid.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import structlog

from gateway.config import ChannelConfig
from gateway.lanes import Accepted, LaneEvent, Offer, Order, Receipt, Refunded, Refused, Tokens, Verdict
from gateway.purse import Purse
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import decode_input
from mlbridge.sdk import AsyncChannel, ChannelResult, LaneReceipt, OrderFailedError, StreamMismatchError
from mlbridge.sdk.channel import DEFAULT_SEATS
from mlbridge.sdk.channel_stream import Latest
from mlbridge.sdk.coordinators import retry_after

log = structlog.get_logger(__name__)

KEEP_S: Final = 1.0
LONGEST_PAUSE_S: Final = 15.0
LEAST_S: Final = 3.0
"""Seconds that must be left for another committee."""
COMMITTEES: Final = 6
# What passes while the channel is topped up, grows older, or its batch is posted.
_FUNDS: Final = frozenset({"lane.funds", "order.funds"})
_PASSES: Final = _FUNDS | {"channel.too_young", "lane.no_seed", "order.seed"}
_PASSING_ROOMS: Final = frozenset({"chain", "storage", "tx"})


@dataclass(frozen=True)
class _Terms:
    """channel, model, payload: 0x hex; price: wei; expires: unix seconds on the chain's clock; stream: as in
    Order.
    """

    channel: str
    model: str
    payload: str
    seats: int
    price: int
    expires: int
    stream: bool = False

    @classmethod
    def of(cls, offer: Offer) -> Self:
        return cls(**offer.terms)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


class ChannelLane:
    """Made by `start`, once in each replica."""

    def __init__(self, purse: Purse, config: ChannelConfig) -> None:
        self._purse, self._config = purse, config
        self._prices: dict[tuple[bytes, bytes, int], tuple[int, int]] = {}
        self._keeping: asyncio.Task[None] | None = None

    @classmethod
    def start(cls, purse: Purse, config: ChannelConfig) -> Self:
        """Begin to see to the channel; a chain or coordinator that does not answer is asked again."""
        lane = cls(purse, config)
        lane._keeping = asyncio.create_task(lane._keep(), name="gateway-channel")
        return lane

    async def _keep(self) -> None:
        pause = KEEP_S
        while True:
            try:
                await self._purse.keep()
                pause = KEEP_S
            except Exception as error:
                unforeseen = not isinstance(error, MLBridgeError)
                log.warning("channel_not_kept", reason=str(error), retry_s=pause, exc_info=unforeseen)
                pause = min(LONGEST_PAUSE_S, 2 * pause)
            await asyncio.sleep(pause)

    # ---- as Lane has it ----

    async def offer(self, order: Order) -> Offer:
        """See Lane.offer."""
        seats, model = order.seats or DEFAULT_SEATS, order.model.info.id
        channel = await self._purse.ready(0)
        price = await self._price(channel, model, seats)
        if price > order.max_price_wei:
            raise MLBridgeError(
                "price.too_high",
                f"The task costs {price} wei now, more than the highest price of {order.max_price_wei}.",
                hint="Raise the highest price, take a smaller committee or another model.",
                exit_code=4,
                price_wei=price,
            )
        await self._purse.ready(price)
        now = (await self._purse.view()).now()
        terms = _Terms(
            channel="0x" + channel.id.hex(),
            model="0x" + model.hex(),
            payload="0x" + order.payload.hex(),
            seats=seats,
            price=price,
            expires=int(now) + order.deadline_s,
            stream=order.stream,
        )
        return Offer("0x" + secrets.token_hex(32), price, terms.to_dict())

    async def _price(self, channel: AsyncChannel, model: bytes, seats: int) -> int:
        """A price holds for an epoch: what it is made of is recorded for epochs."""
        epoch = await (await self._purse.view()).drawing_epoch(channel.terms.opened_in)
        key = channel.id, model, seats
        known = self._prices.get(key)
        if known is None or known[0] != epoch:
            known = self._prices[key] = epoch, await channel.quote(model, seats)
        return known[1]

    async def carry(self, offer: Offer, *, resumed: bool) -> AsyncIterator[LaneEvent]:
        """See Lane.carry."""
        terms = _Terms.of(offer)
        latest = Latest()
        work = self._ordered(offer.id, terms, latest.hear if terms.stream else None)
        working = asyncio.create_task(work)
        working.add_done_callback(lambda _: latest.end())
        try:
            yield Accepted()
            async with aclosing(latest.texts()) as texts:
                async for text in texts:
                    yield Tokens(text)
            result = await working
        finally:
            working.cancel()
        if not isinstance(result, ChannelResult):
            yield result
            return
        yield Verdict(result.payload, result.confidence, _cost(result), result.committee)
        yield Receipt(result.receipt.to_bytes().decode())

    async def _ordered(
        self, task: str, terms: _Terms, hear: Callable[[str], None] | None
    ) -> ChannelResult | Refunded | Refused:
        """The task's answer or how it ended without one. hear: as AsyncChannel.order has it.

        Raises what another try may mend.
        """
        channel = await self._purse.channel(bytes.fromhex(terms.channel[2:]))
        view = await self._purse.view()
        failed: OrderFailedError | None = None
        for _ in range(COMMITTEES):
            await view.refresh(KEEP_S)
            open_until = await channel.open_until(task)
            left = terms.expires - view.now()
            if open_until is None and left < LEAST_S:
                break
            try:
                return await channel.order(
                    bytes.fromhex(terms.model[2:]),
                    decode_input(bytes.fromhex(terms.payload[2:])),
                    seats=terms.seats,
                    price_wei=terms.price,
                    deadline_s=min(float(self._config.order_s), max(LEAST_S, left)),
                    idempotency_key=task,
                    tries=1,
                    hear=hear,
                )
            except StreamMismatchError as error:
                # Whoever showed the stream compares it with this answer (gateway.carrier).
                return error.result
            except OrderFailedError as error:
                failed = error
            except MLBridgeError as error:
                if error.code in _FUNDS:
                    # Orders under way have spoken for what is left; the coordinator did not take this one.
                    error = await self._purse.spent(channel) or error
                if error.code == "channel.limit" or not _passes(error):
                    log.info("order_refused", task=task, code=error.code, reason=error.message)
                    return Refused(error.code, error.message, error.hint)
                over = open_until is not None and view.now() > open_until + view.times.settle_window
                if over:
                    # Whatever became of the order, nobody can settle it any more.
                    return Refunded(0, error.message)
                raise
        return Refunded(0, "its time is over" if failed is None else failed.message)

    async def proof(self, receipt: str) -> str:
        """See Lane.proof: with its place in a batch, once one holds the order."""
        known = LaneReceipt.from_bytes(receipt.encode())
        try:
            channel = await self._purse.channel(known.task_order().channel)
            return (await channel.settled(known)).to_bytes().decode()
        except MLBridgeError as error:
            if error.code != "lane.not_settled":
                log.warning("receipt_not_proved", order="0x" + known.digest.hex(), reason=error.message)
            return receipt

    async def cancel(self, offer: Offer) -> None:
        """See Lane.cancel: whoever holds a signed order can have it done."""
        raise MLBridgeError(
            "task.signed",
            "A task of the channel lane cannot be taken back: its order was signed at once, and whoever holds"
            " it can have it answered and paid.",
            hint="Nothing is charged unless a committee answers, and none is asked after the deadline: GET"
            " the task for its outcome.",
            deadline=_Terms.of(offer).expires,
        )

    async def upkeep(self) -> None:
        """See Lane.upkeep."""
        await self._purse.collect()

    async def close(self) -> None:
        """See Lane.close."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        await self._purse.close()


def _passes(error: MLBridgeError) -> bool:
    room = error.code.split(".")[0]
    return retry_after(error) is not None or error.code in _PASSES or room in _PASSING_ROOMS


def _cost(result: ChannelResult) -> int:
    """A seat that has not attested yet may still do so, and is paid then."""
    all_of_them = len(result.receipt.cost.winners) == result.receipt.order.seats
    return result.cost_wei if all_of_them else result.price_wei
