"""`mlbridge watch`: recompute every batch from its stored bytes, and challenge on chain whatever is wrong.

Nothing is kept: which batches are open, what was demanded and what was struck is on the chain, so whoever is
killed goes on where the chain stands, and several watchers do each other no harm.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any, Final

import structlog

from contracts import artifacts, batches
from contracts.batches import BatchState, BatchStatus, Posted
from contracts.errors import ContractError
from contracts.events import Event
from contracts.laneview import LaneView
from contracts.reads import call
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.batch import Header
from mlbridge.protocol.watch import Challenge, Fault, examine
from mlbridge.storage import ContentStore
from mlbridge.storage.batches import fetch_batch

log = structlog.get_logger(__name__)

DEMANDS: Final = 4
_HIDDEN: Final = frozenset({"batch.hidden", "batch.unreadable"})
# Somebody else was faster, or the window has just closed: nothing is left to do.
_OVER: Final = frozenset(
    {"AlreadyStruck", "BatchVoid", "BatchFinal", "UnknownBatch", "AlreadyRestored", "DemandOpen", "NoDemand"}
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen or done about a batch. batch: 0x hex; what: ok, wait, hidden, demanded, voided, restored,
    returned (bonds of demands), failed (it could not be looked at, and will be again) or the name of a
    challenge; detail: for people.
    """

    batch: str
    coordinator: str
    what: str
    detail: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


class Watcher:
    """Watches every coordinator's batches.

    sender: pays for challenges; None: only looks. demands: how many leaves of a hidden batch to ask for, each
    with a bond that is lost when it is answered. content: where batches are stored.
    """

    def __init__(
        self,
        view: LaneView,
        content: ContentStore,
        sender: Sender | None,
        *,
        demands: int = DEMANDS,
        coordinators: Collection[str] | None = None,
    ) -> None:
        self._view, self._content, self._sender = view, content, sender
        self._lane = view.lane
        self._demands, self._coordinators = demands, coordinators
        # When the window of each closes, as far as that was known when it was looked at; 0 for void ones.
        self._sound: dict[bytes, int] = {}
        self._first: int | None = None

    async def step(self) -> list[Finding]:
        """Look at every batch whose window is open and that was not found sound before.

        Raises what a read of the chain raises; the next step looks again.
        """
        await self._view.refresh()
        found: list[Finding] = []
        oldest: int | None = None
        listed = await self._posted()
        known = {batches.header_of(event).batch_id() for event in listed}
        self._sound = {batch: until for batch, until in self._sound.items() if batch in known}
        for event in listed:
            header, block = batches.header_of(event), event.block_number
            batch_id = header.batch_id()
            if batch_id in self._sound:
                if oldest is None and self._view.now() < self._sound[batch_id]:
                    oldest = block
                continue
            state = await batches.batch_state(self._lane, batch_id)
            over = state.status is BatchStatus.NONE or (
                state.status is BatchStatus.POSTED
                and self._view.now() >= state.final_at
                and state.demands == 0
            )
            if over:
                continue
            oldest = block if oldest is None else oldest
            for what, detail in await self._looked(event, state):
                told = Finding("0x" + batch_id.hex(), header.coordinator, what, detail)
                log.info("batch_watched", **told.to_dict())
                found.append(told)
        # Batches before the oldest open one need not be listed again.
        self._first = oldest if oldest is not None else self._view.head.number + 1
        return found

    async def _posted(self) -> list[Event]:
        head = self._view.head.number
        # A reorganisation may bring a batch to a lower block than it had.
        first = None if self._first is None else max(0, min(self._first, head) - 64)
        found = await batches.postings(self._lane, first=first, last=head)
        if self._coordinators is None:
            return found
        return [event for event in found if batches.header_of(event).coordinator in self._coordinators]

    async def _looked(self, event: Event, state: BatchState) -> list[tuple[str, str]]:
        try:
            posted = await batches.read_posting(self._lane, event, self._view.terms)
            return await self._look(posted, state, event.block_number)
        except Exception as error:
            # A batch may be made so that reading it fails: nobody must be blind for the others by it.
            log.exception("batch_not_watched", batch="0x" + event.args["batch"].hex())
            return [("failed", str(error) or type(error).__name__)]

    async def _look(self, posted: Posted, state: BatchState, block: int) -> list[tuple[str, str]]:
        if state.status is BatchStatus.VOID:
            return await self._restore(posted, block)
        overdue = await self._void_overdue(posted, state, block)
        if overdue:
            return overdue
        try:
            batch = await fetch_batch(self._content, posted.header.data)
            view = self._view
            rules = await batches.rules_of(self._lane, posted, batch, view.facts, alone=view.alone)
            report = examine(posted.header, posted.debits, batch, rules)
        except MLBridgeError as error:
            if error.code not in _HIDDEN and not error.code.startswith("content."):
                raise
            return await self._demand_some(posted, state, block, error.message)
        if report.faults:
            return await self._challenge(posted, report.faults, block)
        if report.unchecked:
            return [("wait", f"the seeds of {len(report.unchecked)} orders are not posted yet")]
        self._sound[posted.header.batch_id()] = state.final_at
        return [("ok", f"{posted.header.tasks} orders, {posted.header.pot} wei")]

    async def _challenge(
        self, posted: Posted, faults: tuple[Fault, ...], block: int
    ) -> list[tuple[str, str]]:
        done: list[tuple[str, str]] = []
        for fault in faults:
            if not await self._send_challenge(posted.header, fault):
                continue
            done.append((fault.challenge.value, f"at place {fault.place}"))
            if fault.challenge.voids:
                return [*done, *await self._restore(posted, block)]
        return done

    async def _send_challenge(self, header: Header, fault: Fault) -> bool:
        if self._sender is None:
            return True
        try:
            await batches.challenge(self._lane, self._sender, header, fault)
        except ContractError as error:
            if error.name not in _OVER:
                log.error("batch_challenge_refused", challenge=fault.challenge.value, reason=error.message)
            return False
        return True

    # ---- batches that do not show themselves ----

    async def _demand_some(
        self, posted: Posted, state: BatchState, block: int, reason: str
    ) -> list[tuple[str, str]]:
        header = posted.header
        found = [("hidden", reason)]
        window = (await batches.limits_of(self._lane, header.batch_id())).challenge_window
        if state.demands or self._view.now() >= header.posted_at + window:
            return found
        asked = {(e.args["ledger"], e.args["index"]) for e in await self._demanded(header, block)}
        if len(asked) < min(self._demands, header.tasks + header.entries):
            leaf = _any_leaf(header, asked)
            if await self._send_challenge(header, Fault(Challenge.DEMAND, leaf[1], leaf)):
                found.append(("demanded", f"{'ledger' if leaf[0] else 'task'} leaf {leaf[1]}"))
        return found

    async def _demanded(self, header: Header, block: int) -> list[Any]:
        topic = "0x" + header.batch_id().hex()
        return await self._lane.events(artifacts.SETTLEMENT, "DataDemanded", topic, first=block)

    async def _void_overdue(self, posted: Posted, state: BatchState, block: int) -> list[tuple[str, str]]:
        if not state.demands or self._sender is None:
            return []
        header = posted.header
        for event in await self._demanded(header, block):
            args = event.args
            if self._view.now() <= args["dueAt"]:
                continue
            try:
                await batches.void_unanswered(
                    self._lane, self._sender, header, ledger=args["ledger"], index=args["index"]
                )
            except ContractError as error:
                if error.name in _OVER:
                    continue
                raise
            leaf = f"{'ledger' if args['ledger'] else 'task'} leaf {args['index']} was not shown in time"
            return [("voided", leaf), *await self._restore(posted, block)]
        return []

    # ---- after ----

    async def _restore(self, posted: Posted, block: int) -> list[tuple[str, str]]:
        """Every channel gets its debit of a void batch back: victims come first."""
        self._sound[posted.header.batch_id()] = 0
        if self._sender is None:
            return []
        back = 0
        for position, debit in enumerate(posted.debits):
            try:
                await batches.restore(self._lane, self._sender, posted.header, posted.debits, position)
            except ContractError as error:
                if error.name not in _OVER:
                    raise
                continue
            back += debit.debit
        done = [("restored", f"{back} wei to {len(posted.debits)} channels")] if back else []
        return done + await self._fetch_bonds(posted.header, block)

    async def _fetch_bonds(self, header: Header, block: int) -> list[tuple[str, str]]:
        """The bonds of our own demands that a void batch has no answer to any more: `collect` brings them."""
        if self._sender is None:
            return []
        returned = 0
        for event in await self._demanded(header, block):
            args = event.args
            if args["by"] != self._sender.address:
                continue
            try:
                await batches.return_demand(
                    self._lane, self._sender, header, ledger=args["ledger"], index=args["index"]
                )
            except ContractError as error:
                if error.name not in _OVER:
                    raise
                continue
            returned += 1
        return [("returned", f"the bonds of {returned} demands")] if returned else []

    async def collect(self) -> int:
        """Fetch rewards and returned bonds; wei."""
        if self._sender is None:
            return 0
        owed = int(await call(self._lane.settlement.functions.withdrawable(self._sender.address)))
        if owed:
            await batches.withdraw(self._lane, self._sender)
        return owed


def _any_leaf(header: Header, asked: Collection[tuple[bool, int]]) -> tuple[bool, int]:
    """(whether it is of the ledger, index) of a leaf that was not asked for; some must be left.

    Nobody must be able to know which leaf will have to be shown, and a header may name thousands of millions.
    """
    chance = random.SystemRandom()
    while True:
        place = chance.randrange(header.tasks + header.entries)
        leaf = (False, place) if place < header.tasks else (True, place - header.tasks)
        if leaf not in asked:
            return leaf
