"""What a seat in the channel lane earns: being drawn, paid by batches, and settling what was withheld."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from cluster.lane.evidence import Collector
from cluster.metrics import Meter
from cluster.upkeep import worth_refreshing
from contracts import batches, channels
from contracts.batches import BatchStatus, Posted
from contracts.errors import ContractError
from contracts.events import as_int
from contracts.lane import Lane
from contracts.reads import call
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.evidence import Evidence, split
from mlbridge.protocol.types import Policy
from mlbridge.protocol.watch import omitted
from mlbridge.storage import ContentStore
from mlbridge.storage.batches import fetch_batch
from serve.lane.store import Held, LaneStore
from serve.lane.view import View, ViewWriter

log = structlog.get_logger()

_EVERY: Final = 1 << 32
_GWEI: Final = 10**9
_SETTLE_GAS: Final = 220_000
_CLAIM_GAS: Final = 150_000
_PRUNE_EVERY_S: Final = 3600.0
_FIRST_PAUSE_S: Final = 5.0
_LONGEST_PAUSE_S: Final = 120.0
# The chain says that the order is done with, whoever did it.
_DONE: Final = frozenset({"AlreadySettled", "OrderExpired", "OrderTooOld"})


@dataclass(frozen=True)
class Seat:
    """For whom this is done. margin_s: how long after its deadline an order may stay unsettled."""

    account: int
    margin_s: float


class Pauses:
    """When to try again what failed: later each time."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next: dict[bytes, tuple[float, float]] = {}

    def over(self, what: bytes) -> bool:
        """Whether its pause is over, or there is none."""
        return self._clock() >= self._next.get(what, (0.0, 0.0))[0]

    def lengthen(self, what: bytes) -> None:
        """It failed again."""
        pause = self._next.get(what, (0.0, _FIRST_PAUSE_S))[1]
        self._next[what] = self._clock() + pause, min(_LONGEST_PAUSE_S, 2 * pause)

    def forget(self, what: bytes) -> None:
        """It is done."""
        self._next.pop(what, None)


class Earnings:
    """The agent's periodic work for the lane. What fails is told and tried again."""

    def __init__(
        self,
        lane: Lane,
        sender: Sender,
        seat: Seat,
        *,
        writer: ViewWriter,
        store: LaneStore,
        content: ContentStore,
        collector: Collector,
        meter: Meter,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lane = lane
        self._sender = sender
        self._seat = seat
        self._writer = writer
        self._store = store
        self._content = content
        self._collector = collector
        self._meter = meter
        self._recorded: dict[bytes, int] = {}
        self._pauses = Pauses(clock=clock)
        self._looked: set[bytes] = set()
        self._pruned_at: float | None = None

    async def round(self, models: Sequence[bytes]) -> None:
        """Everything that is due now. models: ids (32 bytes) that run here."""
        for model in models:
            await self._record(model)
        await self._batches()
        await self._owed()
        await self._prune()

    # ---- being drawn ----
    async def _record(self, model: bytes) -> None:
        """Have StakeSnapshots know our weight and the model's price; they count from the next epoch on.

        Only of exact models: replicas of others hold no seat, and a draw would name members that refuse.
        """
        epoch = await self._lane.current_epoch()
        if self._recorded.get(model) == epoch:
            return
        functions, chain = self._lane.snapshots.functions, self._lane.chain
        _, _, price, policy, active = await call(chain.registry.functions.terms(model))
        if policy != Policy.EXACT:
            return
        account = self._seat.account
        serving = await call(chain.tasks.functions.isServing(model, account))
        weight = int(await call(chain.distributor.functions.weightOf(account))) if serving else 0
        if worth_refreshing(int(await call(functions.weightAt(model, epoch + 1, account))), weight):
            await self._unless_late(channels.record_weight(self._lane, self._sender, model, account))
            self._recorded[model] = epoch
            log.info("lane_weight_recorded", model="0x" + model.hex()[:16], weight=weight)
        offered = price // _GWEI * _GWEI if active else None
        recorded, known = self._writer.last_price(model)
        moved = worth_refreshing(known, offered) if known and offered else known != offered
        if moved or not recorded:
            await self._unless_late(channels.record_model(self._lane, self._sender, model))
            self._recorded[model] = epoch

    async def _unless_late(self, recording: Any) -> None:
        try:
            await recording
        except ContractError as error:
            # The next epoch's seed is out already: the one after it will do.
            if error.name != "SeedKnown":
                raise

    # ---- being paid by batches ----
    async def _batches(self) -> None:
        for batch_id, block in self._writer.open_batches():
            if not self._pauses.over(batch_id):
                continue
            try:
                await self._batch(batch_id, block)
            except Exception as error:  # noqa: BLE001 - a batch may be made so that reading it fails
                self._pauses.lengthen(batch_id)
                name = "0x" + batch_id.hex()[:16]
                log.warning("lane_batch_failed", batch=name, problem=f"{type(error).__name__} {error}")

    async def _batch(self, batch_id: bytes, block: int) -> None:
        """Claim from a final batch; settle what it left out or what it took down with it."""
        state = await batches.batch_state(self._lane, batch_id)
        posted = await self._posted(batch_id, block)
        if state.status is BatchStatus.NONE or posted is None:
            self._end(batch_id, "unknown")
        elif state.status is BatchStatus.VOID:
            await self._after_void(posted)
            self._end(batch_id, "void")
        elif state.final_at <= await self._now() and state.demands == 0:
            if await self._claim(posted):
                self._end(batch_id, "claimed")
            else:
                self._pauses.lengthen(batch_id)
        elif batch_id not in self._looked:
            # As soon as it is there: its window to show an omission is short.
            await self._after_omission(posted)
            self._looked.add(batch_id)

    def _end(self, batch_id: bytes, ending: str) -> None:
        self._writer.end_batch(batch_id, ending)
        self._looked.discard(batch_id)
        self._pauses.forget(batch_id)

    async def _posted(self, batch_id: bytes, block: int) -> Posted | None:
        for posted in await batches.posted(self._lane, first=block, last=block):
            if posted.header.batch_id() == batch_id:
                return posted
        return None

    async def _claim(self, posted: Posted) -> bool:
        """Whether there is nothing more to get; gas may be cheaper later."""
        batch, party = await fetch_batch(self._content, posted.header.data), self._seat.account
        place = batch.claims().get(party)
        if place is None:
            return True
        amount = batch.entries[place].total
        if amount < _CLAIM_GAS * await self._gas_price():
            return False
        try:
            await batches.claim(self._lane, self._sender, posted.header, batch, party)
        except ContractError as error:
            if error.name != "AlreadyClaimed":
                raise
        self._meter.earned("lane", amount)
        log.info("lane_claimed", batch="0x" + posted.header.batch_id().hex()[:16], amount=amount)
        return True

    async def _after_omission(self, posted: Posted) -> None:
        """An order of ours that the batch passed and does not hold settles by itself."""
        held = await self._in_ranges(posted)
        if not held:
            return
        batch = await fetch_batch(self._content, posted.header.data)
        for evidence in held:
            for fault in omitted(posted.header, posted.debits, batch, [evidence]):
                await batches.challenge(self._lane, self._sender, posted.header, fault)
                # Its sequence alone is opened again.
                await self._settle_reopened(evidence, evidence.order.sequence + 1)

    async def _after_void(self, posted: Posted) -> None:
        """The void batch's sequences are opened again: ours settle by themselves."""
        for evidence in await self._in_ranges(posted):
            place = self._range(posted, evidence)
            try:
                await batches.restore(self._lane, self._sender, posted.header, posted.debits, place)
            except ContractError as error:
                if error.name != "AlreadyRestored":
                    raise
            await self._settle_reopened(evidence, posted.debits[place].end)

    async def _settle_reopened(self, evidence: Evidence, end: int) -> None:
        """end: of the range that was opened again."""
        digest = evidence.order.digest(self._lane.domain)
        try:
            await channels.settle_reopened(self._lane, self._sender, evidence, end)
        except ContractError as error:
            if error.name not in _DONE:
                raise
        await self._store.end(digest, "settled")
        self._meter.lane_order("settled")
        log.info("lane_settled_reopened", order="0x" + digest.hex()[:16])

    def _range(self, posted: Posted, evidence: Evidence) -> int:
        """Place of its channel among the batch's debits."""
        listed = [debit.channel(posted.header.coordinator) for debit in posted.debits]
        return listed.index(evidence.order.channel)

    async def _in_ranges(self, posted: Posted) -> list[Evidence]:
        """Evidence of our attested orders that the batch passed."""
        found = []
        for debit in posted.debits:
            channel = debit.channel(posted.header.coordinator)
            for held in self._store.attested(channel, debit.start, debit.end):
                evidence = await self._collector.of(held)
                if evidence is not None:
                    found.append(evidence)
        return found

    # ---- settling what was withheld ----
    async def _owed(self) -> None:
        now = await self._now()
        for held in [*self._store.owed(now - self._seat.margin_s), *await self._pressing(now)]:
            if not self._pauses.over(held.digest):
                continue
            try:
                ending = await self._settle(held, now)
            except MLBridgeError as error:
                ending = None
                log.warning("lane_settle_failed", order="0x" + held.digest.hex()[:16], problem=str(error))
            if ending is None:
                self._pauses.lengthen(held.digest)
            else:
                self._pauses.forget(held.digest)
                await self._store.end(held.digest, ending)
                self._meter.lane_order(ending)
                log.info("lane_order_ended", order="0x" + held.digest.hex()[:16], ending=ending)

    async def _pressing(self, now: float) -> list[Held]:
        """Orders whose channel closes, or is emptied by a voucher that covers them, before they are due."""
        ending = self._writer.ending_channels()
        if not ending:
            return []
        # The coordinator has the first half of the wait to settle them.
        rest = int(await call(self._lane.channels.functions.settleWindow())) / 2
        found: dict[bytes, Held] = {}
        for channel in ending:
            if channel.closes_at and now >= channel.closes_at - rest:
                found |= {one.digest: one for one in self._store.unsettled(channel.id, _EVERY)}
            elif channel.due_at and now >= channel.due_at - rest:
                found |= {one.digest: one for one in self._store.unsettled(channel.id, channel.covered)}
        return list(found.values())

    async def _settle(self, held: Held, now: float) -> str | None:
        """How an order ended; None: not yet."""
        state = await channels.channel_state(self._lane, held.channel)
        if state.settled(held.sequence):
            return "passed"
        view = self._collector.view(held)
        if now > held.deadline + view.rules().settle_window:
            return "expired"
        evidence = await self._collector.of(held)
        # Gas may be cheaper later, as long as there is time.
        if evidence is None or self._fee(evidence, view) < _SETTLE_GAS * await self._gas_price():
            return None
        try:
            await channels.settle(self._lane, self._sender, evidence)
        except ContractError as error:
            if error.name not in _DONE:
                raise
            return "passed" if error.name == "AlreadySettled" else "expired"
        return "settled"

    def _fee(self, evidence: Evidence, view: View) -> int:
        """What our seat gets of it, in wei."""
        order = evidence.order
        terms = view.snapshots().terms(order.model_id, order.epoch)
        if terms is None:
            return 0
        return split(order, evidence.terms, bytes(32), (), terms.price, terms.provider).seat_fee

    # ---- shared ----
    async def _now(self) -> float:
        return (await self._lane.chain.head()).timestamp

    async def _gas_price(self) -> int:
        return as_int(await self._lane.chain.provider.request("eth_gasPrice"))

    async def _prune(self) -> None:
        """Forget orders that cannot settle any more, whatever becomes of the batches that passed them."""
        if self._pruned_at is not None and time.monotonic() - self._pruned_at < _PRUNE_EVERY_S:
            return
        self._pruned_at = time.monotonic()
        gone = await self._store.prune(await self._now() - await batches.longest_course(self._lane))
        with self._writer:
            ended = self._writer.forget_batches()
        if gone or ended:
            log.info("lane_pruned", orders=gone, batches=ended)
