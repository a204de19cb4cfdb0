"""A requester's payment channel: sign orders, get verified answers, no transaction in between.

    channel = await client.open_channel("http://coordinator:8546", deposit=10**17)
    answer = await channel.order("minilm", "hello")

An answer is accepted only after this machine has checked committee, signatures, verdict and price itself.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import structlog

from contracts import channels, summons
from contracts.channels import ChannelState
from contracts.laneview import LaneView
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from mlbridge.models import Manifest
from mlbridge.protocol.agreed import new_key
from mlbridge.protocol.batch import WINDOW
from mlbridge.protocol.disagreement import Attested
from mlbridge.protocol.evidence import BASIS
from mlbridge.protocol.exchange import MAX_INLINE_BYTES, Offer, parameters_digest, parse_offer
from mlbridge.protocol.hashing import payload_root
from mlbridge.protocol.orders712 import ChannelTerms, Close, TaskOrder
from mlbridge.protocol.payload import MAX_OUTPUT_BYTES, TaskOutput
from mlbridge.protocol.types import Policy
from mlbridge.protocol.wire import Signed, sign
from mlbridge.sdk.channel_book import DONE, ChannelBook, Kept
from mlbridge.sdk.channel_stream import Ear, Hear, StreamMismatchError, as_pieces
from mlbridge.sdk.coordinators import Coordinator
from mlbridge.sdk.inputs import Input, payload_for, to_output
from mlbridge.sdk.lane_fetch import SeatDoors
from mlbridge.sdk.lane_proof import prove_settlement
from mlbridge.sdk.lane_receipt import LaneReceipt, text
from mlbridge.sdk.lane_split import find_split
from mlbridge.sdk.lane_summons import SummonedOrder, find_order, summon_once, told_by_summons
from mlbridge.sdk.order_course import Answered, OrderCourse, OrderFailedError
from mlbridge.storage import ContentStore

log = structlog.get_logger(__name__)

DEFAULT_SEATS: Final = 3
DEFAULT_S: Final = 60.0
TRIES: Final = 6
NODES_S: Final = 3.0
"""How long a coordinator is asked for its members' nodes, when its seats are looked for."""
FULL_PAUSE_S: Final = 1.0
FRESH_S: Final = 2.0
"""How old the view of the chain may be when an order is signed: whoever signs many refreshes it meanwhile."""
# The sequence is of no use any more, or belongs to an order that another copy of the book signed.
_NEXT: Final = frozenset({"order.sequence", "lane.sequence_taken"})


# Given a model's name or id: its id, and its manifest if that can be had.
FindModel = Callable[[str | bytes], Awaitable[tuple[bytes, Manifest | None]]]


@dataclass(frozen=True)
class ChannelResult:
    """A verified answer. output: decoded; payload: its bytes; confidence: share of the weight, 0 to 1;
    cost_wei: by the attestations so far, price_wei: the most that it can become.
    """

    order: str
    sequence: int
    output: TaskOutput
    payload: bytes
    confidence: float
    committee: tuple[int, ...]
    cost_wei: int
    price_wei: int
    receipt: LaneReceipt
    idempotency_key: str


class AsyncChannel:
    """One channel of one requester; made by AsyncClient.open_channel and AsyncClient.channel."""

    def __init__(
        self,
        terms: ChannelTerms,
        view: LaneView,
        book: ChannelBook,
        door: Coordinator,
        sender: Sender,
        key: bytes,
        store: ContentStore | None,
        find: FindModel,
        nodes: Collection[str] = (),
    ) -> None:
        self.terms, self.id = terms, terms.channel()
        self._view, self._lane, self._book, self._door = view, view.lane, book, door
        self._sender, self._key, self._store = sender, key, store
        self._find, self._known = find, nodes
        self._seats = SeatDoors(view, key, self._nodes, self._told_nodes)
        self._course = OrderCourse(view, book, door, self._seats, self._fetch)

    @property
    def url(self) -> str:
        """Of its coordinator."""
        return self._door.url

    async def close_connection(self) -> None:
        """Let go of coordinator and seats; the channel itself stays open."""
        await self._door.close()
        await self._seats.close()

    # ---- money ----

    async def state(self) -> ChannelState:
        """Where it stands on the chain. Amounts in wei."""
        return await channels.channel_state(self._lane, self.id)

    async def top_up(self, amount: int) -> None:
        """Add to its deposit. amount: wei. Raises ContractError."""
        await channels.top_up(self._lane, self._sender, self.terms, amount)

    async def close(self, consent: Signed[Close] | None = None) -> int:
        """Begin to close it, or end that once it is due. When it is due (unix seconds), 0 once it is closed.

        consent: the coordinator's signature shortens the wait. Raises ContractError.
        """
        state = await self.state()
        if state.closes_at == 0 and consent is not None:
            return await channels.close_together(self._lane, self._sender, self.terms, consent)
        if state.closes_at == 0:
            return await channels.start_close(self._lane, self._sender, self.terms)
        await self._view.refresh()
        if self._view.now() < state.closes_at:
            return state.closes_at
        await channels.finish_close(self._lane, self._sender, self.terms)
        return 0

    async def quote(self, model: str | bytes, seats: int = DEFAULT_SEATS) -> int:
        """Price in wei of an order now: the model's fee, a seat fee as on the direct lane, and the shares.

        Raises MLBridgeError `model.unknown` while the lane has no price for the model.
        """
        model_id, _ = await self._find(model)
        await self._view.refresh(FRESH_S)
        parameters = await self._view.parameters()
        epoch = await self._view.drawing_epoch(self.terms.opened_in)
        terms = self._view.facts.snapshots.terms(model_id, epoch)
        if terms is None:
            raise MLBridgeError(
                "model.unknown",
                f"The channel lane has no price for model 0x{model_id.hex()} in epoch {epoch}.",
                hint="Providers record models from one epoch to the next; or use the direct lane.",
                exit_code=5,
            )
        net = terms.price + seats * parameters.seat_fee
        left = BASIS - self.terms.coordinator_share - self.terms.protocol_share
        return -(-net * BASIS // left)

    # ---- orders ----

    async def drawable(self) -> bool:
        """Whether a committee can be drawn for its orders: it must be older than the newest seed."""
        await self._view.refresh(FRESH_S)
        try:
            return await self._view.drawing_epoch(self.terms.opened_in) > self.terms.opened_in
        except MLBridgeError as error:
            if error.code != "lane.no_seed":
                raise
            return False

    async def until_drawable(self, timeout_s: float | None = None) -> None:
        """Wait for that. timeout_s: default two epochs. Raises MLBridgeError `channel.too_young`."""
        until = asyncio.get_running_loop().time() + (timeout_s or 2 * self._view.times.epoch_seconds)
        while not await self.drawable():
            if asyncio.get_running_loop().time() >= until:
                raise self.too_young()
            await asyncio.sleep(1)

    def too_young(self) -> MLBridgeError:
        """What is said until then."""
        return MLBridgeError(
            "channel.too_young",
            "The channel is younger than the newest seed, so no committee can be drawn for it yet.",
            hint=f"Wait until epoch {self.terms.opened_in + 1} has its seed: at most "
            f"{self._view.times.epoch_seconds} s.",
            retry_after_s=self._view.times.epoch_seconds,
        )

    async def open_until(self, key: str) -> int | None:
        """Deadline (unix seconds) of the order of an idempotency key that is not known to have failed; None:
        no order of it can be answered any more. 0: it was answered.
        """
        kept = await asyncio.to_thread(self._book.current, self.id, key)
        if kept is None or kept.state == DONE:
            return None if kept is None else 0
        return parse_offer(kept.offer).order.message.deadline

    async def room(self) -> int:
        """How many sequences are free before a batch must settle some: the chain takes none further ahead."""
        floor = (await self._view.channel(self.id)).floor
        known = await asyncio.to_thread(self._book.get, self.id)
        following = floor if known is None else max(known.next, floor)
        return max(0, floor + WINDOW - following)

    async def order(
        self,
        model: str | bytes,
        input: Input,
        *,
        seats: int = DEFAULT_SEATS,
        price_wei: int | None = None,
        max_price_wei: int | None = None,
        deadline_s: float = DEFAULT_S,
        idempotency_key: str | None = None,
        tries: int = TRIES,
        announce: Callable[[int, str], None] | None = None,
        hear: Hear | None = None,
    ) -> ChannelResult:
        """Have a task done and check everything about its answer.

        model: name or id (32 bytes); input: see mlbridge.sdk.inputs; price_wei: default `quote`; deadline_s:
        for each try; idempotency_key: an order of the same key is never signed twice unless it failed; tries:
        committees to ask before giving up, each free unless it answers; announce: told sequence and
        idempotency key of each order before it leaves; hear: told a chat answer's text so far, before there
        is a verdict and at last with it. Raises OrderFailedError, StreamMismatchError, MLBridgeError
        `price.too_high`, `idempotency.mismatch`, `channel.full`, `channel.lie`, `coordinator.*`, `order.*`,
        `lane.*`.
        """
        model_id, manifest = await self._find(model)
        payload, kind = payload_for(input, manifest), None if manifest is None else manifest.kind
        key = idempotency_key or secrets.token_hex(8)
        await self._view.refresh(FRESH_S)
        price = await self.quote(model, seats) if price_wei is None else price_wei
        if max_price_wei is not None and price > max_price_wei:
            raise MLBridgeError(
                "price.too_high",
                f"The order costs {price} wei now, more than your limit of {max_price_wei}.",
                hint="Raise the limit, take a smaller committee or another model.",
                exit_code=4,
                price_wei=price,
            )
        content = await self._content(payload)
        ear = None if hear is None else Ear(hear)
        reason, gone = "", list[Kept]()
        for _ in range(tries):
            secret, stream = (None, None) if ear is None else new_key()
            kept = await self._sign(model_id, payload, content, kind, key, seats, price, deadline_s, stream)
            _require_same(kept, model_id, payload)
            if announce is not None:
                announce(kept.sequence, key)
            try:
                return await self._heard(kept, await self._course.carry(kept, ear, secret), ear)
            except OrderFailedError as error:
                reason = error.message
            except MLBridgeError as error:
                if error.code not in _NEXT:
                    raise
                reason = error.message
            gone.append(kept)
            await self._view.refresh()
        # A coordinator may have said that an order failed before its seats were through.
        for kept in gone[:-1]:
            found = await self._course.seek(kept)
            if found is not None:
                return await self._heard(kept, found, ear)
        raise OrderFailedError(
            "channel.no_verdict",
            f"{tries} orders came to no verdict; the last: {reason}",
            hint="Nothing was paid. Try again, take more seats, or use the direct lane.",
        )

    async def _heard(self, kept: Kept, answered: Answered, ear: Ear | None) -> ChannelResult:
        result = await self._result(kept, *answered)
        if ear is not None:
            ear.check(result)
        return result

    async def stream(
        self, model: str | bytes, input: Input, **choices: Any
    ) -> AsyncGenerator[str | ChannelResult, None]:
        """As `order`, whose choices it takes: the answer's text in pieces as they come, then the result.

        Together the pieces are the verdict's answer; where they are not, StreamMismatchError is raised
        instead of the result. Closing it early gives up the listening, not the order.
        """
        async with aclosing(as_pieces(lambda hear: self.order(model, input, hear=hear, **choices))) as found:
            async for item in found:
                yield item

    async def resume(self) -> list[ChannelResult]:
        """Bring to their end the orders that an earlier process left open. Those that fail are given up."""
        found = []
        for kept in self._book.open_orders(self.id):
            try:
                found.append(await self._result(kept, *await self._course.carry(kept)))
            except MLBridgeError as error:
                log.info("channel_order_given_up", sequence=kept.sequence, reason=error.message)
        return found

    async def settled(self, receipt: LaneReceipt) -> LaneReceipt:
        """The receipt with its order's place in the batch on the chain, in the book too.

        Raises as prove_settlement: `lane.not_settled` while no batch holds it, `channel.lie`.
        """
        proved = await prove_settlement(receipt, self._lane, self._store, self._door)
        self._book.done(self.id, receipt.order.sequence, proved.to_bytes())
        return proved

    # ---- orders that nobody answered ----

    async def fetch(self, order: str) -> ChannelResult:
        """The answer to a signed order from its seats themselves, whatever its coordinator says; it costs
        nothing, and is checked and kept as any answer.

        order: its idempotency key or its digest (0x hex). Raises MLBridgeError `channel.no_order`,
        `fetch.no_nodes`, `fetch.no_verdict`, `channel.lie`.
        """
        await self._view.refresh()
        kept = await self._kept(order)
        return await self._result(kept, *await self._course.fetch(kept))

    async def _nodes(self) -> Collection[str]:
        return [*self._known, *await asyncio.to_thread(self._book.nodes, self.id)]

    async def _told_nodes(self) -> Collection[str]:
        """What the coordinator names now; nothing if it does not say so at once."""
        try:
            async with asyncio.timeout(NODES_S):
                named = (await self._door.terms()).nodes
        except (MLBridgeError, TimeoutError) as error:
            log.info("channel_nodes_untold", channel=text(self.id), reason=str(error))
            return ()
        await asyncio.to_thread(self._book.put_nodes, self.id, named)
        return named

    async def orders(self) -> list[Kept]:
        """Every order that this machine signed for the channel, newest first."""
        return await asyncio.to_thread(self._book.orders, self.id)

    async def summon(self, order: str, *, max_bond_wei: int | None = None) -> SummonedOrder:
        """Ask the seats of a signed order again, on chain, where silence costs them; again changes nothing.

        order: its idempotency key or its digest (0x hex); max_bond_wei: most to send along, of which what is
        not spent can be claimed. Raises what `summon_once` raises, MLBridgeError `channel.no_order`.
        """
        await self._view.refresh()
        kept = await self._kept(order)
        await summon_once(kept, self._view, self._sender, self._fetch, max_bond_wei=max_bond_wei)
        return await self.summoned(order)

    async def summoned(self, order: str) -> SummonedOrder:
        """Where the summons of an order stands; a verdict in it is checked and kept as any answer."""
        await self._view.refresh()
        kept = await self._kept(order)
        offer, lane = parse_offer(kept.offer), self._lane
        digest = offer.order.message.digest(lane.domain)
        state, shown = await asyncio.gather(summons.summoned(lane, digest), summons.was_shown(lane, digest))
        told = await told_by_summons(offer, state, self._view, self._fetch)
        result = None
        if told is not None:
            result = await self._result(kept, *await self._course.keep(kept, told))
        return SummonedOrder(text(digest), kept.sequence, kept.key, state, shown, result)

    async def signed(self, order: str) -> TaskOrder:
        """A signed order, by its idempotency key or digest. Raises MLBridgeError `channel.no_order`."""
        return parse_offer((await self._kept(order)).offer).order.message

    async def split(self, order: str) -> Attested:
        """What the seats of an order attested that disagree: with it `contracts.dissents.open_split` has a
        panel find who lied.

        order: its idempotency key or its digest (0x hex). Raises MLBridgeError `channel.no_order`,
        `dissent.no_split`.
        """
        await self._view.refresh()
        return await find_split(await self._kept(order), self._view, self._door, self._seats)

    async def _kept(self, order: str) -> Kept:
        found = find_order(await self.orders(), order, self._lane.domain)
        if found is None:
            raise MLBridgeError(
                "channel.no_order",
                f"This machine signed no order {order[:80]!r} of channel {text(self.id)}.",
                hint=f"See them: mlbridge channel orders {text(self.id)}",
                exit_code=5,
            )
        return found

    async def _content(self, payload: bytes) -> bytes | str:
        if len(payload) <= MAX_INLINE_BYTES:
            return payload
        if self._store is None:
            raise MLBridgeError(
                "input.too_large",
                f"The input has {len(payload)} bytes; above {MAX_INLINE_BYTES} it needs a store.",
                hint="Configure storage_url in the network, or hand the client a store.",
                exit_code=2,
            )
        return await self._store.put(payload)

    async def _sign(
        self,
        model_id: bytes,
        payload: bytes,
        content: bytes | str,
        kind: str | None,
        key: str,
        seats: int,
        price: int,
        deadline_s: float,
        stream: bytes | None,
    ) -> Kept:
        epoch = await self._view.drawing_epoch(self.terms.opened_in)
        if epoch <= self.terms.opened_in:
            raise self.too_young()
        floor = (await self._view.channel(self.id)).floor

        def make(sequence: int) -> bytes:
            order = TaskOrder(
                channel=self.id,
                sequence=sequence,
                epoch=epoch,
                model_id=model_id,
                input_digest=payload_root(payload),
                params_digest=parameters_digest(stream),
                seats=seats,
                policy=Policy.EXACT,
                max_fee=price,
                deadline=int(self._view.now() + deadline_s),
            )
            signed = sign(order, self._lane.domain, self._key)
            return Offer(signed, self.terms, content, stream).to_bytes()

        until = asyncio.get_running_loop().time() + deadline_s
        while True:
            try:
                # One that is signed too far ahead may be passed by a batch before it can be taken.
                return await asyncio.to_thread(
                    self._book.take, self.id, key, least=floor, kind=kind, make=make
                )
            except MLBridgeError as error:
                if error.code != "channel.full" or asyncio.get_running_loop().time() >= until:
                    raise
            await asyncio.sleep(FULL_PAUSE_S)
            await self._view.refresh(FULL_PAUSE_S)
            epoch = await self._view.drawing_epoch(self.terms.opened_in)
            floor = (await self._view.channel(self.id)).floor

    async def _result(self, kept: Kept, receipt: LaneReceipt, payload: bytes | None) -> ChannelResult:
        if payload is None:
            answer = receipt.answer
            if answer.payload is not None:
                payload = bytes.fromhex(answer.payload[2:])
            else:
                payload = await self._fetch(str(answer.cid))
        return ChannelResult(
            order=text(receipt.digest),
            sequence=receipt.order.sequence,
            output=to_output(payload, kept.kind),
            payload=payload,
            confidence=receipt.confidence / BASIS,
            committee=tuple(seat.account for seat in receipt.seats),
            cost_wei=receipt.cost.debit,
            price_wei=receipt.order.max_fee,
            receipt=receipt,
            idempotency_key=kept.key,
        )

    async def _fetch(self, cid: str) -> bytes:
        if self._store is None:
            raise MLBridgeError(
                "result.no_store",
                f"The answer lies at {cid}, and no content store is configured.",
                hint="Configure storage_url in the network, or hand the client a store.",
            )
        return await self._store.get(cid, max_bytes=MAX_OUTPUT_BYTES)


def _require_same(kept: Kept, model_id: bytes, payload: bytes) -> None:
    """Whether an order of an idempotency key is for this model and input."""
    order = parse_offer(kept.offer).order.message
    if (order.model_id, order.input_digest) != (model_id, payload_root(payload)):
        raise MLBridgeError(
            "idempotency.mismatch",
            f"The idempotency key {kept.key[:80]!r} stands for an order with another model or input.",
            hint="Use a new key for a new request; repeat a key only with the same request.",
            exit_code=2,
        )


__all__ = ["AsyncChannel", "ChannelResult", "OrderFailedError", "StreamMismatchError"]
