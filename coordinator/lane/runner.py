"""Carries channel orders from the requester's signature to a verdict, with the drawn members' help.

A library: a gateway's replica or the coordinator's actor runs one on the same store. What an order needs next
follows from pure functions (mlbridge/protocol/coordinator_side.py); this only writes down, sends and listens.
A row stands before anybody hears of an order, so whoever is killed is followed by another that finds it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Final

import structlog

from contracts.laneview import LaneView
from coordinator.lane.course import Course
from coordinator.lane.members import Members
from coordinator.lane.metrics import LaneMetrics
from coordinator.lane.outcome import Outcome
from coordinator.lane.relay import Relay
from coordinator.lane.rows import NewOrder, OrderRow, Status
from coordinator.lane.settings import LaneConfig
from coordinator.lane.store import LaneStore
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.admission import ChannelFacts, LaneFacts, admit, require_input
from mlbridge.protocol.batch import WINDOW
from mlbridge.protocol.committee import seated
from mlbridge.protocol.course import Commission
from mlbridge.protocol.exchange import Offer, parse_offer
from mlbridge.protocol.payload import MAX_INPUT_BYTES
from mlbridge.storage import ContentStore

log = structlog.get_logger(__name__)

LEASE_S: Final = 15.0
RETRY_S: Final = 2.0
POLL_S: Final = 0.25
FRESH_S: Final = 0.2
FETCHES: Final = 64
FETCHES_OF_CHANNEL: Final = 4
LEAST_S: Final = 2.0
"""Seconds that must be left until the deadline of an order that is taken."""


class Runner:
    """One process's part in the lane, made by the coordinator's engine or a gateway's replica.

    address: the coordinator's; orders of other coordinators' channels are refused. content: for inputs and
    outputs that do not travel inline; None: those are refused.
    """

    def __init__(
        self,
        address: str,
        view: LaneView,
        store: LaneStore,
        members: Members,
        config: LaneConfig,
        content: ContentStore | None,
        metrics: LaneMetrics,
    ) -> None:
        self.address, self.view, self.store = address, view, store
        self._members, self._config, self._content = members, config, content
        self._metrics = metrics
        self._courses: dict[bytes, Course] = {}
        self._under_way: dict[bytes, bytes] = {}
        self._undecided: set[bytes] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._fetching: Counter[bytes] = Counter()
        self._stopping = False

    @property
    def in_flight(self) -> int:
        """Orders without a verdict; those that only wait for slow seats to be paid do not count."""
        return len(self._undecided)

    def relay(self) -> Relay:
        """For streams of this process's orders."""
        return Relay(self._members, self.view)

    @property
    def late(self) -> int:
        """Orders with a verdict that wait for slow seats."""
        return len(self._under_way) - len(self._under_way.keys() & self._undecided)

    # ---- taking orders ----

    async def accept(self, offer: Offer) -> bytes:
        """Take an order and begin; its digest. Repeating it changes nothing.

        Raises MLBridgeError: `lane.full` (retry_after), `lane.coordinator`, `lane.input`, `lane.validity`,
        `lane.sequence_taken`, `lane.other_offer`, `lane.funds`, `order.*`, `committee.too_few`, `content.*`.
        """
        digest = offer.order.message.digest(self.view.lane.domain)
        known = self._under_way.get(digest)
        if known is None:
            try:
                known = await self._begin_new(offer, digest)
            except MLBridgeError as error:
                # What was taken once is answered, however things stand by now.
                row = await self.store.order(digest)
                if row is None:
                    self._metrics.refuse(error.code)
                    raise
                known = row.offer
        if known != offer.to_bytes():
            # A batch shows everybody the order and its signature: the answer is for who has the input.
            raise MLBridgeError(
                "lane.other_offer",
                "This order was offered with other bytes, and only those are answered.",
                hint="Send what was sent first, with its signature and input.",
                exit_code=2,
            )
        return digest

    async def _begin_new(self, offer: Offer, digest: bytes) -> bytes:
        """The offer of the order that stands afterwards."""
        if self._stopping or self.in_flight >= self._config.max_in_flight:
            raise MLBridgeError(
                "lane.full",
                f"{self.in_flight} orders are under way, and this coordinator takes no more now.",
                hint="Send it again in a second.",
                retry_after_s=1,
            )
        if isinstance(offer.content, bytes):
            # An input that has to be found first takes nobody's place meanwhile.
            self._undecided.add(digest)
        try:
            return await self._take(offer, digest)
        finally:
            if digest not in self._under_way:
                self._undecided.discard(digest)

    async def _take(self, offer: Offer, digest: bytes) -> bytes:
        order = offer.order.message
        commission = await self._admit(offer)
        await self._check_input(offer)
        channel = await self.view.channel(order.channel)
        new = NewOrder(
            digest=digest,
            channel=order.channel,
            sequence=order.sequence,
            requester=offer.terms.requester,
            model_id=order.model_id,
            max_fee=order.max_fee,
            deadline=order.deadline,
            offer=offer.to_bytes(),
            accepted_at=time.time(),
            available=max(0, channel.balance - channel.promised),
            floor=channel.floor,
            window=channel.window,
        )
        if await self.store.add(new):
            self._metrics.accepted.inc()
            self._begin(digest, offer, self._course(commission, offer, None))
            return new.offer
        row = await self.store.order(digest)
        if row is None:
            raise MLBridgeError(
                "lane.sequence_taken",
                f"Sequence {order.sequence} of this channel belongs to another order.",
                hint="Each sequence settles once: sign the next one.",
                exit_code=4,
            )
        return row.offer

    async def _admit(self, offer: Offer) -> Commission:
        order, view = offer.order.message, self.view
        if offer.terms.coordinator != self.address:
            raise _refused("coordinator", f"its channel is not one of {self.address}")
        if order.deadline > view.now() + self._config.max_seconds:
            raise _refused("validity", f"its deadline is more than {self._config.max_seconds} s ahead")
        channel = await view.channel(order.channel)
        if channel.deposited == 0 or order.sequence >= channel.floor + WINDOW:
            # It may have been opened, or its floor moved by a batch, a moment ago; anybody can ask for it.
            await view.refresh(FRESH_S)
            channel = await view.channel(order.channel)
        facts = ChannelFacts(
            offer.terms, channel.balance, channel.floor, channel.window, closing=channel.closes_at != 0
        )
        lane = await self._lane_facts(order.epoch)
        return admit(offer.order, facts, lane, seconds=LEAST_S, stream=offer.stream)

    async def _lane_facts(self, epoch: int) -> LaneFacts:
        view, facts = self.view, self.view.facts
        seed = await view.seed(epoch)
        return LaneFacts(
            domain=facts.domain,
            snapshots=facts.snapshots,
            seeds={} if seed is None else {epoch: seed},
            operators=facts.operators,
            epoch=view.epoch(),
            now=view.now(),
            settle_window=view.times.settle_window,
            order_epochs=view.times.order_epochs,
            paused=view.paused,
        )

    async def _check_input(self, offer: Offer) -> None:
        content = offer.content
        if isinstance(content, str):
            if self._content is None:
                raise _refused("input", "its input lies under a CID, and this coordinator has no store")
            content = await self._fetch(content, offer.terms.channel())
        require_input(offer.order.message, content)

    async def _fetch(self, cid: str, channel: bytes) -> bytes:
        """An input by CID. Nobody is charged for one that is not there, so only a few are looked for."""
        assert self._content is not None  # noqa: S101 - asked for by the only caller
        if self._fetching[channel] >= FETCHES_OF_CHANNEL or self._fetching.total() >= FETCHES:
            raise MLBridgeError(
                "lane.full",
                "Too many inputs are being looked for already.",
                hint="Send it again in a second, or the input itself.",
                retry_after_s=1,
            )
        self._fetching[channel] += 1
        try:
            return await self._content.get(cid, max_bytes=MAX_INPUT_BYTES)
        finally:
            self._fetching[channel] -= 1
            self._fetching += Counter()  # drops those at zero

    # ---- under way ----

    def _begin(self, digest: bytes, offer: Offer, course: Course | None) -> None:
        """course: of a new order; None: go on from what an earlier process wrote down."""
        self._under_way[digest] = offer.to_bytes()
        if course is not None:
            self._courses[digest] = course
        task = asyncio.create_task(self._carry(digest, offer, course), name="lane-order")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _course(self, commission: Commission, offer: Offer, row: OrderRow | None) -> Course:
        tools = self._members, self.store, self.view, self._config, self._content, self._metrics
        course = Course(commission, offer, row, *tools)
        self._undecided.add(course.digest)
        course.when_told(lambda: self._undecided.discard(course.digest))
        return course

    async def _carry(self, digest: bytes, offer: Offer, course: Course | None) -> None:
        """Run an order to its end; after an error go on from what is written down."""
        try:
            while True:
                try:
                    if course is None:
                        row = await self.store.order(digest)
                        course = self._course(await self._commission(offer), offer, row)
                        self._courses[digest] = course
                    await course.run()
                    return
                except Exception as error:
                    unforeseen = not isinstance(error, MLBridgeError)
                    log.warning(
                        "lane_order_broke", order="0x" + digest.hex(), reason=str(error), exc_info=unforeseen
                    )
                course = None
                await asyncio.sleep(RETRY_S)
        finally:
            self._under_way.pop(digest, None)
            self._courses.pop(digest, None)

    async def wait(self, digest: bytes, timeout_s: float) -> Outcome | None:
        """The verdict or the failure of an order; None while there is neither.

        Raises MLBridgeError `lane.unknown_order`.
        """
        until = time.monotonic() + timeout_s
        while True:
            row = await self._settled(digest)
            if isinstance(row, Outcome):
                return row
            left = until - time.monotonic()
            if left <= 0:
                return None
            course = self._courses.get(digest)
            try:
                async with asyncio.timeout(left if course is not None else min(left, POLL_S)):
                    if course is not None:
                        return await course.decided()
                    # Another process carries it.
                    await asyncio.sleep(left)
            except TimeoutError:
                continue

    async def _settled(self, digest: bytes) -> Outcome | None:
        course = self._courses.get(digest)
        if course is not None:
            return course.outcome
        row = await self.store.order(digest)
        if row is None:
            raise MLBridgeError(
                "lane.unknown_order",
                f"This coordinator knows no order 0x{digest.hex()}.",
                hint="Send the order itself.",
                exit_code=5,
            )
        return None if row.status is Status.OPEN else await self.outcome_of(row)

    async def outcome_of(self, row: OrderRow) -> Outcome:
        """What became of an order that is not open."""
        return Outcome.of(row, await self._commission(parse_offer(row.offer)))

    async def _commission(self, offer: Offer) -> Commission:
        """An order that was taken once, with its committee; nothing about it is checked again."""
        order, facts = offer.order.message, await self._lane_facts(offer.order.message.epoch)
        seed = facts.seeds.get(order.epoch)
        if seed is None:
            raise MLBridgeError("lane.seed", f"The seed of epoch {order.epoch} is not known.", retry_after=2)
        accounts = tuple(seated(order, seed, facts.snapshots))
        weights = tuple(facts.snapshots.weight(order.model_id, order.epoch, account) for account in accounts)
        settle_by = order.deadline + facts.settle_window
        return Commission(
            facts.domain,
            offer.terms,
            order,
            offer.order.signature,
            accounts,
            weights,
            facts.operators,
            settle_by,
        )

    # ---- upkeep ----

    async def step(self) -> bool:
        """Say that this process lives, and take up what others left. Called every few seconds."""
        await self.view.refresh()
        now = time.time()
        await self.store.beat(now + LEASE_S)
        for row in await self.store.take_over(now):
            if row.digest not in self._under_way:
                self._begin(row.digest, parse_offer(row.offer), None)
                log.info("lane_order_resumed", order="0x" + row.digest.hex(), status=row.status)
        return False

    async def stop(self) -> None:
        """Take no more, and let go: what is under way belongs to whoever starts next."""
        self._stopping = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._members.close()
        await self.store.beat(0.0)
        await self.store.release()


def _refused(what: str, why: str) -> MLBridgeError:
    return MLBridgeError(f"lane.{what}", f"The order is not taken: {why}.", exit_code=4)
