"""Answers summonses: whoever stays silent on chain loses stake, so a node that runs never does.

Nothing is remembered here but what saves questions: every look starts from the summons as it stands on chain
and from the member's store, where an answer is on disk before its commitment is sent. So a restart, a message
that was sent already or a reorganised chain all lead to the same next step.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog

from cluster.content import content_for
from cluster.context import ChainClock
from cluster.lane.closing import OVER, Closing, Turns
from cluster.lane.evidence import Collector
from cluster.metrics import Meter
from contracts import summons
from contracts.errors import ContractError
from contracts.events import BlockRef
from contracts.lane import Lane
from contracts.sender import Sender
from contracts.summons import Shown, Summoned, SummonsStatus
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import exchange, orders712, wire
from mlbridge.protocol.committee import outrunners, seated
from mlbridge.protocol.content import MAX_INLINE_PAYLOAD
from mlbridge.protocol.orders712 import Attestation
from mlbridge.protocol.tally import MIN_SEATS
from mlbridge.storage import ContentStore
from serve.lane.signer import Signer
from serve.lane.store import Answer, LaneStore

log = structlog.get_logger()

_LOOK_BACK_S: Final = 60.0
_AGAIN_S: Final = 15.0
_FAILED_S: Final = 3.0
_SLACK_BLOCKS: Final = 16
_LIVES: Final = 3  # of a summons, until nothing about it can matter any more
# The chain moved on between our look and our transaction: looking again tells what to do.
_OVERTAKEN: Final = frozenset(
    {
        "AlreadyAnswered",
        "AlreadySettled",
        "ContentMismatch",
        "NotSummoned",
        "NothingToOpen",
        "NoVerdict",
        "TooEarly",
        "TooLate",
    }
)

Run = Callable[[Shown, Callable[[], float]], Awaitable[bytes | None]]


@dataclass(frozen=True)
class Pace:
    """How the answerer keeps time, in seconds.

    margin_s: an answer is not begun later than this before the seats must have committed; turn_s: how long
    each seat waits for the one before it with what one of them has to do; poll_s: between looks.
    """

    margin_s: float
    turn_s: float
    poll_s: float


class Answerer:
    """Answers for one Compute account. run: output payload of a summoned order within the seconds that the
    second argument tells, None when none are left.
    """

    def __init__(
        self,
        lane: Lane,
        sender: Sender,
        account: int,
        *,
        run: Run,
        store: LaneStore,
        signer: Signer,
        collector: Collector,
        content: ContentStore,
        meter: Meter,
        pace: Pace,
    ) -> None:
        self._lane = lane
        self._sender = sender
        self._account = account
        self._run = run
        self._store = store
        self._signer = signer
        self._collector = collector
        self._content = content
        self._meter = meter
        self._pace = pace
        self._clock = ChainClock()
        self._windows: tuple[int, int] | None = None
        self._looked_back = float("-inf")
        self._shown: dict[bytes, Shown] = {}
        self._due: dict[bytes, float] = {}
        self._asked: dict[bytes, float] = {}
        self._turns = Turns(account, pace.turn_s)
        self._closing = Closing(lane, sender, account, collector, meter, self._turns)
        self._upheld: set[tuple[bytes, int]] = set()
        self._steps: dict[bytes, str] = {}
        self._busy: dict[bytes, asyncio.Task[None]] = {}
        self.problem: str | None = None

    async def run(self) -> None:
        """Until cancelled. What fails is told and tried again."""
        try:
            while True:
                try:
                    await self.round()
                    self.problem = None
                except MLBridgeError as error:
                    self.problem = str(error)
                    log.warning("summonses_failed", code=error.code, problem=error.message)
                await asyncio.sleep(self._pace.poll_s)
        finally:
            for running in self._busy.values():
                running.cancel()

    async def round(self) -> None:
        """Find what is new, and have every summons looked at that is due. Raises MLBridgeError."""
        head = await self._lane.chain.head()
        self._clock.see(head)
        await self._find(head)
        for digest, shown in self._shown.items():
            if digest not in self._busy and time.monotonic() >= self._due.get(digest, 0):
                running = asyncio.create_task(self._advance(shown, head))
                self._busy[digest] = running
                running.add_done_callback(partial(self._ended, digest))

    def _ended(self, digest: bytes, _done: asyncio.Task[None]) -> None:
        self._busy.pop(digest, None)

    def status(self) -> dict[str, Any]:
        """JSON-ready: the last step of each summons of late, by order."""
        return {"0x" + digest.hex(): step for digest, step in self._steps.items()}

    async def _find(self, head: BlockRef) -> None:
        """Summonses of our seat, from the newest block on: the time to commit can be shorter than the time
        until a block is as deep as the network asks.
        """
        network = self._lane.chain.network
        if self._windows is None:
            self._windows = await summons.windows(self._lane)
        commit_s, reveal_s = self._windows
        reach = int(_LIVES * (2 * commit_s + reveal_s) / network.block_time) + _SLACK_BLOCKS
        oldest = max(network.start_block, head.number - reach)
        first = oldest
        if whole := time.monotonic() - self._looked_back >= _LOOK_BACK_S:
            self._looked_back = time.monotonic()
        else:
            first = max(oldest, head.number - network.confirmations - _SLACK_BLOCKS)
        found = {
            shown.digest: shown
            for shown in await summons.shown(self._lane, self._account, first=first, last=head.number)
        }
        for digest, shown in found.items():
            if self._shown.get(digest) != shown:
                log.warning("summoned", order=_name(digest), account=self._account)
                self._due.pop(digest, None)
        self._shown |= found
        for digest in [one for one, shown in self._shown.items() if whole and shown.block < oldest]:
            self._forget(digest)

    def _forget(self, digest: bytes) -> None:
        for kept in (self._shown, self._due, self._asked, self._steps):
            kept.pop(digest, None)
        self._turns.forget(digest)
        self._upheld = {seat for seat in self._upheld if seat[0] != digest}

    async def _advance(self, shown: Shown, head: BlockRef) -> None:
        """One look, and what it asks for. An error is told and the next look tries again."""
        digest, pause = shown.digest, 0.0
        try:
            step = await self._look(shown, head)
            if step in OVER:
                pause = _AGAIN_S
        except ContractError as error:
            overtaken = error.name in _OVERTAKEN
            step, pause = f"overtaken: {error.name}" if overtaken else str(error), _FAILED_S
        except MLBridgeError as error:
            step, pause = str(error), _FAILED_S
            self._meter.failure(error.code)
        except Exception as error:
            log.exception("summons_step_failed")
            step, pause = f"{type(error).__name__}: {error}", _FAILED_S
        self._due[digest] = time.monotonic() + pause
        if self._steps.get(digest) != step:
            self._steps[digest] = step
            log.info("summons_step", order=_name(digest), step=step)

    # ---- look ----
    async def _look(self, shown: Shown, head: BlockRef) -> str:
        """Do what the summons asks of our seat now; in a word what that was."""
        state = await summons.summoned(self._lane, shown.digest)
        if self._account not in state.seats:
            return "gone"
        if state.status is SummonsStatus.ENDED:
            return await self._closing.settle(shown, state)
        seat, now = state.seats.index(self._account), self._clock.now()
        drawn = self._committee(shown)
        false = self._false(shown, state, drawn)
        # Who was drawn commits meanwhile: whoever refutes it in the end, that is paid.
        if false is not None and (false == self._account or self._turns.up(shown, "refute", state)):
            return await self._refute(shown, false)
        if now <= state.reveal_until and await self._show(shown, state):
            return "shown"
        everybody = (1 << len(state.seats)) - 1
        if not state.committed >> seat & 1:
            if now <= state.commit_until:
                return await self._commit(shown, state)
        elif not state.opened >> seat & 1 and self._may_open(state, now):
            return await self._open(shown, state, seat, head, drawn)
        answered, until = (
            (state.opened, state.reveal_until) if _possible(state) else (state.committed, state.commit_until)
        )
        if answered == everybody or now > until:
            return await self._closing.close(shown, state, answered)
        return "waiting"

    def _may_open(self, state: Summoned, now: float) -> bool:
        """Whether the set is closed and can lead to a verdict, and there is time."""
        closed = state.committed == (1 << len(state.seats)) - 1 or now > state.commit_until
        return closed and _possible(state) and now <= state.reveal_until

    def _committee(self, shown: Shown) -> list[int] | None:
        """Who was drawn, by a seed that lies as deep as the network asks; None: not known yet."""
        order = shown.order.message
        view = self._collector.view_of(order.model_id)
        seed = view.seed(order.epoch)
        if seed is None:
            return None
        try:
            return seated(order, seed, view.snapshots())
        except MLBridgeError as error:
            if error.code != "committee.too_few":
                raise
            return None

    def _false(self, shown: Shown, state: Summoned, drawn: list[int] | None) -> int | None:
        """A seat of the summons that was not drawn, ours before others."""
        if drawn is None:
            return None
        false = [one for one in state.seats if one not in drawn and (shown.digest, one) not in self._upheld]
        return self._account if self._account in false else next(iter(false), None)

    # ---- do ----
    async def _refute(self, shown: Shown, account: int) -> str:
        """Take back a summons of somebody who was not drawn, us or another: no seat of it owes anything."""
        order = shown.order.message
        view = self._collector.view_of(order.model_id)
        seed = view.seed(order.epoch)
        better = None if seed is None else outrunners(order, seed, view.snapshots(), account)
        if better is None:
            return "waiting for the committee to be known"
        try:
            await summons.refute(self._lane, self._sender, order, account, better)
        except ContractError as error:
            if error.name == "SeatNotFalse":
                self._upheld.add((shown.digest, account))
            raise
        log.info("summons_refuted", order=_name(shown.digest), account=account)
        return "refuted"

    async def _show(self, shown: Shown, state: Summoned) -> bool:
        """End the summons by the verdict that there was off chain, if we can prove it."""
        held = self._store.held(shown.digest)
        if held is None or held.attestation is None or len(held.output) > MAX_INLINE_PAYLOAD:
            return False
        if time.monotonic() < self._asked.get(shown.digest, 0):
            return False
        self._asked[shown.digest] = time.monotonic() + _AGAIN_S
        evidence = await self._collector.of(held)
        if evidence is None or tuple(seat.account for seat in evidence.seats) != state.seats:
            return False
        await summons.show(self._lane, self._sender, evidence, held.output)
        return True

    async def _commit(self, shown: Shown, state: Summoned) -> str:
        answer = await self._answer(shown, state.commit_until)
        if answer is None:
            return "too late to commit"
        word = self._word(shown, answer)
        await summons.commit(self._lane, self._sender, shown.digest, self._account, word)
        return "committed"

    async def _answer(self, shown: Shown, until: float) -> Answer | None:
        """What the provider says to the order, on disk: as it did before, or what its model gives now."""
        known = self._store.answered(shown.digest)
        if known is not None:
            return known
        order = shown.order.message
        rules = self._collector.view_of(order.model_id).rules()
        output = await self._run(shown, lambda: until - self._pace.margin_s - self._clock.now())
        if output is None:
            return None
        made = Answer(
            exchange.result_of(self._signer.domain, shown.digest, output),
            self._signer.salt(shown.digest, self._account),
            output,
        )
        # Beyond its epochs an order is neither summoned nor settled, whatever its deadline says.
        ends = rules.genesis + (order.epoch + rules.order_epochs) * rules.epoch_seconds
        return await self._store.answer(shown.digest, made, until=min(order.deadline, ends))

    def _word(self, shown: Shown, answer: Answer) -> bytes:
        return orders712.commitment(shown.digest, self._account, answer.result, answer.salt)

    async def _open(
        self, shown: Shown, state: Summoned, seat: int, head: BlockRef, drawn: list[int] | None
    ) -> str:
        if drawn is None or self._account not in drawn:
            # An attestation on a seed that a reorganisation takes back is a false seat.
            return "waiting for a deep seed that draws this seat"
        words = await summons.commitments(self._lane, shown.digest)
        if not await self._deep(shown, state, words, head):
            return "waiting for the commitments to lie deep enough"
        answer = await self._answer(shown, state.reveal_until)
        if answer is None:
            return "too late to open"
        if words[seat] != self._word(shown, answer):
            raise MLBridgeError(
                "lane.other_commitment",
                f"The chain holds a commitment to {_name(shown.digest)} that this provider's store does not.",
                hint="Was the store lost, or does another machine use the node key?",
            )
        root = orders712.commitments_root(words)
        attestation = Attestation(shown.digest, self._account, answer.result, answer.salt, root)
        signed = wire.sign(attestation, self._signer.domain, self._signer.key)
        output = await content_for(answer.output, self._content)
        await summons.open_seat(self._lane, self._sender, signed, output)
        return "opened"

    async def _deep(self, shown: Shown, state: Summoned, words: list[bytes], head: BlockRef) -> bool:
        """Whether the closed set lies as deep as the network asks; whoever opens before shows copiers."""
        depth = self._lane.chain.network.confirmations
        if depth == 0:
            return True
        block = await self._lane.chain.header(max(0, head.number - depth))
        if block is None:
            return False
        closed = all(any(word) for word in words) or block.timestamp > state.commit_until
        then = await summons.commitments(self._lane, shown.digest, block.number)
        return closed and then == words


def _possible(state: Summoned) -> bool:
    """Whether those that committed are enough for a verdict, by seats."""
    heads = state.committed.bit_count()
    return heads >= MIN_SEATS and 3 * heads >= 2 * len(state.seats)


def _name(digest: bytes) -> str:
    return "0x" + digest.hex()[:16]
