"""From decided orders to money on chain: batches made, attested, posted, kept through their window, claimed.

One batch is on its way to the chain at a time, and the chain takes a batch only from where the last one
ended, so no two ever cover one range, whoever dies when.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from contracts import artifacts, batches, channels
from contracts.batches import BatchStatus
from contracts.channels import ChannelState
from contracts.errors import ContractError
from contracts.laneview import LaneView
from contracts.sender import Sender
from coordinator.lane.attest import Attesters
from coordinator.lane.metrics import LaneMetrics
from coordinator.lane.rows import BatchRow, BatchStage, OrderRow, Status
from coordinator.lane.runner import Runner
from coordinator.lane.settings import LaneConfig
from coordinator.lane.store import LaneStore
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import batch_data
from mlbridge.protocol.batch import MAX_DEBITS, MAX_STRIDE, WINDOW, Batch, Header, build
from mlbridge.protocol.batch_wire import read_debits, read_header, write_debits, write_header
from mlbridge.protocol.evidence import Evidence, Outcome, is_fit, prove
from mlbridge.protocol.leaves import party_of
from mlbridge.storage import ContentStore

log = structlog.get_logger(__name__)

LONGEST_PAUSE_S: Final = 60.0
ALONE: Final = 8
MOST_TRIES: Final = 6
TOOK: Final = 4
"""Orders are looked through for this many batches at once: some may have to wait for others."""


@dataclass(frozen=True, slots=True)
class _Settled:
    row: OrderRow
    evidence: Evidence
    outcome: Outcome


class Batcher:
    """The coordinator's batches. One process at a time: whoever holds the store's lock."""

    def __init__(
        self,
        runner: Runner,
        store: LaneStore,
        sender: Sender,
        content: ContentStore,
        attesters: Attesters,
        config: LaneConfig,
        metrics: LaneMetrics,
    ) -> None:
        self._runner, self._store, self._sender = runner, store, sender
        self._content, self._attesters, self._config = content, attesters, config
        self._metrics = metrics
        self._view: LaneView = runner.view
        self._lane = runner.view.lane

    async def step(self) -> bool:
        """Look after what is on chain, post what is made, make what is due. Whether there is more at once."""
        await self._view.refresh()
        for row in await self._store.batches(BatchStage.POSTED):
            await self._apart(self._look_after(row), row.root)
        await self._apart(self._settle_alone(), None)
        made = await self._store.batches(BatchStage.MADE)
        if made:
            if await self._store.batches(BatchStage.MADE, due=time.time()):
                await self._post(made[0])
            return False
        return await self._make()

    async def _apart(self, work: Awaitable[None], root: str | None) -> None:
        """What goes wrong with one batch, such as that its bytes are lost, holds up none of the others."""
        try:
            await work
        except Exception as error:
            unforeseen = not isinstance(error, MLBridgeError)
            log.warning("lane_batch_failed", root=root, reason=str(error), exc_info=unforeseen)

    # ---- making ----

    async def _make(self) -> bool:
        candidates = await self._store.batchable(limit=TOOK * self._config.batch_orders)
        if not candidates:
            return False
        oldest = min(row.accepted_at for row in candidates)
        old_enough = time.time() - oldest >= self._config.batch_age_s
        if not old_enough and len(candidates) < self._config.batch_orders:
            return False
        chosen, floors = await self._choose(candidates)
        if not chosen:
            return False
        settled = [(item.evidence, item.outcome) for item in chosen]
        batch, debits = await asyncio.to_thread(build, self._runner.address, settled, floors)
        cid = await self._content.put(await asyncio.to_thread(batch_data.to_bytes, batch))
        digests = [item.row.digest for item in chosen]
        root = _hex(batch.tasks.root)
        block, wire = self._view.head.number, write_debits(debits)
        try:
            await self._store.make_batch(root, digests, cid=cid, debits=wire, at=time.time(), block=block)
        except MLBridgeError as error:
            if error.code != "lane.batch_passes":
                raise
            log.info("lane_batch_not_made", root=root, reason=error.message)
            return False
        self._metrics.batch_orders.observe(len(chosen))
        oldest = min(item.row.accepted_at for item in chosen)
        self._metrics.batch_age.observe(max(0.0, time.time() - oldest))
        log.info("lane_batch_made", root=root, orders=len(chosen), channels=len(debits))
        return True

    async def _choose(self, candidates: Sequence[OrderRow]) -> tuple[list[_Settled], dict[bytes, int]]:
        """Those that the chain would take now, and the floors of their channels."""
        barriers = await self._store.first_undecided()
        by_channel: dict[bytes, list[OrderRow]] = {}
        for row in sorted(candidates, key=lambda row: (row.channel, row.sequence)):
            by_channel.setdefault(row.channel, []).append(row)
        chosen: list[_Settled] = []
        floors: dict[bytes, int] = {}
        for channel, rows in by_channel.items():
            if len(floors) == MAX_DEBITS or len(chosen) >= self._config.batch_orders:
                break
            state = await self._view.channel(channel)
            took = await self._choose_of(state, rows, barriers.get(channel))
            took = took[: self._config.batch_orders - len(chosen)]
            if took:
                floors[channel] = state.floor
                chosen += took
        return chosen, floors

    async def _choose_of(
        self, state: ChannelState, rows: Sequence[OrderRow], barrier: int | None
    ) -> list[_Settled]:
        took: list[_Settled] = []
        spent, times = 0, self._view.times
        for row in rows:
            if state.settled(row.sequence):
                await self._settled_elsewhere(row)
                continue
            if barrier is not None and row.sequence >= barrier:
                break
            if row.sequence >= min(state.floor + len(took) + WINDOW, state.floor + MAX_STRIDE):
                break
            item = await self._prove(row)
            if item is None:
                continue
            now, epoch = int(self._view.now()), self._view.epoch()
            if not is_fit(item.evidence.order, now, epoch, times.settle_window, times.order_epochs):
                await self._finish([row.digest], "its time to settle passed", "unpaid")
                continue
            if spent + item.outcome.debit > state.balance:
                break
            spent += item.outcome.debit
            took.append(item)
        return took

    async def _prove(self, row: OrderRow) -> _Settled | None:
        # Orders under way go first: a batch holds hundreds, and takes as long as many of them.
        await asyncio.sleep(0)
        found = await self._runner.outcome_of(row)
        if found.evidence is None:
            await self._finish([row.digest], found.reason or "no verdict", "unpaid")
            return None
        try:
            return _Settled(row, found.evidence, prove(found.evidence, self._view.facts))
        except MLBridgeError as error:
            log.error("lane_order_unprovable", order=_hex(row.digest), reason=error.message)
            await self._finish([row.digest], error.message, "unpaid")
            return None

    async def _settle_alone(self) -> None:
        """Orders that no batch took in half their time settle one by one, at the coordinator's cost."""
        before = self._view.now() - self._view.times.settle_window / 2
        for row in await self._store.decided_before(before, limit=ALONE):
            state = await self._view.channel(row.channel)
            if state.settled(row.sequence):
                await self._settled_elsewhere(row)
                continue
            item = await self._prove(row)
            if item is None:
                continue
            try:
                await channels.settle(self._lane, self._sender, item.evidence)
            except ContractError as error:
                log.warning("lane_order_unsettled", order=_hex(row.digest), reason=error.message)
                await self._finish([row.digest], error.message, "unpaid")
                continue
            await self._finish([row.digest], "settled by itself", "alone")

    async def _settled_elsewhere(self, row: OrderRow) -> None:
        """Below its channel's floor or settled by itself: a seat or the requester may have seen to it."""
        end = await self._reopened(row)
        found = await self._runner.outcome_of(row)
        if end is not None and found.evidence is not None:
            try:
                await channels.settle_reopened(self._lane, self._sender, found.evidence, end)
            except ContractError as error:
                log.warning("lane_order_unsettled", order=_hex(row.digest), reason=error.message)
                await self._finish([row.digest], error.message, "unpaid")
                return
        await self._finish([row.digest], "settled by itself", "elsewhere")

    async def _reopened(self, row: OrderRow) -> int | None:
        """End of the range in which its sequence was opened again."""
        events = await self._lane.events(artifacts.CHANNELS, "Reopened", _hex(row.channel))
        ends = [e.args["to"] for e in events if e.args["from"] <= row.sequence < e.args["to"]]
        return ends[-1] if ends else None

    # ---- posting ----

    async def _post(self, row: BatchRow) -> None:
        header = await self._find(row)
        if header is None:
            try:
                header = await self._send(row)
            except ContractError as error:
                # The chain moved on, so this batch can never be posted; its orders go into another.
                await self._refused(row, error)
                return
            except MLBridgeError as error:
                # A transaction that is out may still bring it on chain, where it wants to be looked after.
                if row.tries >= MOST_TRIES and error.code != "tx.timeout":
                    await self._refused(row, error)
                    return
                pause = min(LONGEST_PAUSE_S, 2.0 ** min(row.tries, 8))
                log.warning("lane_batch_waits", root=row.root, reason=error.message, retry_s=pause)
                await self._store.mark_batch(
                    row.root, tries=row.tries + 1, not_before=time.time() + pause, note=error.message
                )
                return
        await self._store.mark_batch(
            row.root, status=BatchStage.POSTED.value, header=write_header(header), note=None
        )
        now = time.time()
        self._metrics.posted(now - at for at in await self._store.accepted_at(row.root))
        log.info("lane_batch_posted", root=row.root, batch=_hex(header.batch_id()), pot=header.pot)

    async def _refused(self, row: BatchRow, error: MLBridgeError) -> None:
        log.warning("lane_batch_refused", root=row.root, reason=error.message)
        await self._store.dissolve(row.root, error.message)
        self._metrics.batches.labels("refused").inc()

    async def _find(self, row: BatchRow) -> Header | None:
        """The header under which an earlier try was posted after all."""
        ours = "0x" + self._runner.address[2:].lower().rjust(64, "0")
        events = await self._lane.events(
            artifacts.SETTLEMENT, "BatchPosted", None, ours, first=max(0, row.block - 64)
        )
        for event in events:
            header = batches.header_of(event)
            if _hex(header.task_root) == row.root:
                return header
        return None

    async def _send(self, row: BatchRow) -> Header:
        stored = await self._content.get(row.cid, max_bytes=batch_data.MAX_BYTES)
        batch = await asyncio.to_thread(batch_data.from_bytes, stored)
        debits = read_debits(row.debits)
        await self._keep_bond()
        data = batch_data.digest(stored)
        statement = batch.statement(self._runner.address, data, debits)
        signed = await self._attesters.sign(statement, debits)
        least = (await batches.limits(self._lane)).min_signers
        if len(signed) < least:
            raise MLBridgeError(
                "lane.too_few_attesters",
                f"{len(signed)} of {least} attesters that the chain asks for signed the batch.",
                hint="Name more of them under lane.attesters.",
            )
        evidence = await self._attesters.evidence(signed)
        return await batches.post(self._lane, self._sender, statement, debits, evidence)

    async def _keep_bond(self) -> None:
        least = (await batches.limits(self._lane)).bond
        held, _ = await batches.bond_of(self._lane, self._runner.address)
        missing = max(least, self._config.bond_wei) - held
        if missing > 0:
            await batches.deposit_bond(self._lane, self._sender, missing)
            log.info("lane_bond_deposited", wei=missing)

    # ---- on chain ----

    async def _look_after(self, row: BatchRow) -> None:
        header = read_header(row.header or b"")
        state = await batches.batch_state(self._lane, header.batch_id())
        if state.status is BatchStatus.NONE:
            log.warning("lane_batch_taken_back", root=row.root)
            self._metrics.batches.labels("taken_back").inc()
            await self._store.mark_batch(row.root, status=BatchStage.MADE.value, header=None)
        elif state.status is BatchStatus.VOID:
            await self._restore(row, header)
        elif state.demands:
            await self._answer(row, header)
        elif self._view.now() >= state.final_at:
            await self._claim(row, header)

    async def _restore(self, row: BatchRow, header: Header) -> None:
        """Give every channel its debit back; what was done is settled order by order."""
        debits = read_debits(row.debits)
        for position in range(len(debits)):
            try:
                await batches.restore(self._lane, self._sender, header, debits, position)
            except ContractError as error:
                if error.name != "AlreadyRestored":
                    raise
        await self._store.dissolve(row.root, "void")
        self._metrics.batches.labels("void").inc()
        self._metrics.challenges.labels("void").inc()

    async def _answer(self, row: BatchRow, header: Header) -> None:
        batch = await self._stored(row)
        topic = _hex(header.batch_id())
        asked = await self._lane.events(artifacts.SETTLEMENT, "DataDemanded", topic, first=row.block)
        answered = await self._lane.events(artifacts.SETTLEMENT, "DataAnswered", topic, first=row.block)
        done = {(event.args["ledger"], event.args["index"]) for event in answered}
        for ledger, index in {(e.args["ledger"], e.args["index"]) for e in asked} - done:
            try:
                await batches.answer(self._lane, self._sender, header, batch, ledger=ledger, place=int(index))
            except ContractError as error:
                if error.name != "NoDemand":
                    raise
                continue
            self._metrics.challenges.labels("demand").inc()

    async def _claim(self, row: BatchRow, header: Header) -> None:
        batch = await self._stored(row)
        mine = party_of(self._runner.address)
        if mine in batch.claims():
            try:
                await batches.claim(self._lane, self._sender, header, batch, mine)
            except ContractError as error:
                if error.name != "AlreadyClaimed":
                    raise
        orders = await self._store.orders_of(row.root)
        done = [order.digest for order in orders if order.status is Status.DECIDED]
        # The batch last: whoever is killed in between finds it here again.
        await self._finish(done, "final in a batch", "batch")
        await self._store.mark_batch(row.root, status=BatchStage.FINAL.value)
        struck = await batches.struck_in(self._lane, header.batch_id())
        self._metrics.challenges.labels("strike").inc(len(struck))
        self._metrics.batches.labels("final").inc()
        self._metrics.took("payout", self._view.now() - header.posted_at)
        log.info("lane_batch_final", root=row.root, orders=len(orders))

    async def _finish(self, digests: Sequence[bytes], reason: str, how: str) -> None:
        """how: one of metrics.HOWS."""
        await self._store.finish(digests, reason)
        self._metrics.settled.labels(how).inc(len(digests))

    async def _stored(self, row: BatchRow) -> Batch:
        stored = await self._content.get(row.cid, max_bytes=batch_data.MAX_BYTES)
        return await asyncio.to_thread(batch_data.from_bytes, stored)


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
