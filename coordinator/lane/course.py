"""One order under way: does what the pure core (mlbridge/protocol/coordinator_side.py) asks for."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog

from contracts.laneview import LaneView
from coordinator.lane.members import Members
from coordinator.lane.metrics import LaneMetrics
from coordinator.lane.outcome import Outcome, state_of
from coordinator.lane.outputs import first_right
from coordinator.lane.patience import Patience
from coordinator.lane.rows import OrderRow
from coordinator.lane.settings import LaneConfig
from coordinator.lane.store import LaneStore
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import coordinator_side as core
from mlbridge.protocol import coordinator_steps as steps
from mlbridge.protocol.course import Accuse, Commission, End, Keep, Send, Settle
from mlbridge.protocol.exchange import (
    Answer,
    ClosedSet,
    Offer,
    Pledge,
    Refusal,
    Revealed,
    parse_closed_set,
    result_of,
)
from mlbridge.protocol.orders712 import Attestation, Commitment
from mlbridge.protocol.wire import Signed
from mlbridge.storage import ContentStore

log = structlog.get_logger(__name__)

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 2.0
_BEHIND: Final = frozenset(
    {"order.seed", "order.epoch_ahead", "order.sequence_ahead", "lane.channel_unknown"}
)
"""Refusals by a member that has read less of the chain than we have: it looks again sooner than it says."""
CONTRADICTION: Final = "contradiction"
DISSENT: Final = "dissent"


@dataclass(frozen=True, slots=True)
class _Gone:
    """A member will not commit, whatever we do."""

    account: int


@dataclass(frozen=True, slots=True)
class _Lost:
    """A member could not be reached."""

    account: int


class Course:
    """One order; `run` takes it to its end. row: what an earlier process left, None for a new order."""

    def __init__(
        self,
        commission: Commission,
        offer: Offer,
        row: OrderRow | None,
        members: Members,
        store: LaneStore,
        view: LaneView,
        config: LaneConfig,
        content: ContentStore | None,
        metrics: LaneMetrics,
    ) -> None:
        self.digest = commission.digest
        self._commission, self._offer, self._row = commission, offer, row
        self._members, self._store, self._view = members, store, view
        self._config, self._content, self._metrics = config, content, metrics
        self._since = self._accepted = time.monotonic()
        if row is not None:
            self._accepted -= max(0.0, time.time() - row.accepted_at)
        self._began = view.now()
        left = max(0.0, commission.order.deadline - self._began)
        self._desk = core.Desk(commission, self._began + left * config.collect_share, config.late_s)
        self._state = core.Order()
        self._events: asyncio.Queue[steps.Event | _Gone | _Lost] = asyncio.Queue()
        self._patience = Patience(
            members.presence,
            config,
            commission.accounts,
            lambda account: members.usual(account, commission.order.model_id),
        )
        self._gone: set[int] = set()
        self._heard: set[int] = set()
        self._bound: set[int] = set()
        self._pledges: tuple[Pledge, ...] = ()
        self._outputs: dict[int, bytes | str] = {}
        self._payload: tuple[bytes | None, str | None] = (None, None)
        self._ripe = False
        self._asking: set[asyncio.Task[None]] = set()
        self._told: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def when_told(self, call: Callable[[], None]) -> None:
        """Call it once there is a verdict or a failure, or this course is interrupted."""
        self._told.add_done_callback(lambda _: call())

    @property
    def outcome(self) -> Outcome | None:
        """The verdict or the failure; None while there is neither."""
        over = self._told.done() and self._told.exception() is None
        return self._told.result() if over else None

    async def decided(self) -> Outcome:
        """The verdict or the failure, once there is one."""
        return await asyncio.shield(self._told)

    # ---- the loop ----

    async def run(self) -> None:
        """Until nothing more will come of the order."""
        try:
            if self._row is None:
                self._state, effects = core.advance(self._desk, self._state, steps.Accepted(self._view.now()))
            else:
                effects = self._resume(self._row)
            await self._do(effects)
            while self._state.over is None:
                await self._turn()
        finally:
            for task in self._asking:
                task.cancel()
            if not self._told.done():
                self._told.set_exception(
                    MLBridgeError(
                        "lane.interrupted",
                        "The order is carried on by another process, or by this one in a moment.",
                        hint="Send the same order again.",
                        retry_after_s=1,
                    )
                )
                # Nobody may be waiting for it.
                self._told.exception()

    def _resume(self, row: OrderRow) -> list[steps.Effect]:
        state = state_of(row)
        if row.closed is not None:
            self._pledges = parse_closed_set(row.closed).seats
        records: list[steps.Record] = [steps.Begun()]
        records += [] if state.closed is None else [state.closed]
        records += [steps.Counted(signed) for signed in state.counted.values()]
        records += [] if state.decided is None else [state.decided]
        self._payload = row.output, row.output_cid
        self._state, effects = core.restore(self._desk, records)
        return effects

    async def _turn(self) -> None:
        event: steps.Event | _Gone | _Lost
        left = min(self._next_look() - self._view.now(), self._patience.next_look)
        try:
            async with asyncio.timeout(max(0.0, left)):
                event = await self._events.get()
        except TimeoutError:
            event = steps.Tick(self._view.now())
        if isinstance(event, _Gone):
            self._gone.add(event.account)
        elif isinstance(event, _Lost):
            self._patience.lost(event.account)
        else:
            self._state, effects = core.advance(self._desk, self._state, event)
            await self._do(effects)
        self._hasten()

    def _next_look(self) -> float:
        deadline = float(self._commission.order.deadline)
        if self._state.closed is None:
            return min(deadline, self._desk.close_at)
        if self._state.decided is None:
            return deadline
        return min(deadline, self._state.decided.at + self._desk.linger)

    def _hasten(self) -> None:
        """Close as soon as waiting longer gains nothing, or soon after a verdict is possible."""
        self._patience.next_look = math.inf
        if self._state.closed is not None or self._state.over is not None:
            return
        here = self._state.commitments.keys()
        accounts, now = self._commission.accounts, self._view.now()
        if self._could_pass(here):
            grace = max(self._config.linger_s, self._config.linger_share * (now - self._began))
            nobody_else = not set(accounts) - here - self._gone
            self._close_by(now if nobody_else else now + grace)
        elif not self._could_pass(set(accounts) - (self._gone - here)) or self._in_vain(set(here)):
            self._close_by(now)

    def _in_vain(self, here: set[int]) -> bool:
        """Whether seats without which there is no verdict were waited for long enough."""
        order, left = self._commission.order, set(self._commission.accounts) - self._gone
        late = self._patience.given_up(
            left - here,
            lambda late: self._could_pass(left - late),
            lambda: self._view.facts.snapshots.weights(order.model_id, order.epoch),
        )
        if late:
            log.info("lane_seats_given_up", order="0x" + self.digest.hex(), accounts=sorted(late))
        return bool(late)

    def _close_by(self, moment: float) -> None:
        self._desk = replace(self._desk, close_at=min(self._desk.close_at, moment))

    def _could_pass(self, accounts: Any) -> bool:
        return self._commission.verdict(dict.fromkeys(accounts, self.digest)).passed

    # ---- effects ----

    async def _do(self, effects: Sequence[steps.Effect]) -> None:
        for effect in effects:
            match effect:
                case steps.Ask(to=accounts):
                    for account in accounts:
                        self._spawn(self._ask(account))
                case Keep(record=record):
                    await self._keep(record)
                case Send(to=accounts):
                    for account in accounts:
                        self._spawn(self._reveal(account))
                case steps.Deliver():
                    self._deliver()
                case Settle():
                    if not self._ripe:
                        await self._store.ripen(self.digest)
                    self._measure("late")
                case steps.ReportDissent(attestation=signed):
                    first = next(
                        s for s in self._state.counted.values() if s.message.result != signed.message.result
                    )
                    await self._evidence(DISSENT, signed, first)
                case Accuse(first=first, second=second):
                    await self._evidence(CONTRADICTION, first, second)
                case steps.OpenCase() | End():
                    # The requester decides whether it takes its input to the direct lane, or to a panel.
                    self._tell(Outcome.failed(self.digest, effect.reason, self._state.counted.values()))

    async def _keep(self, record: object) -> None:
        match record:
            case steps.Closed():
                self._pledges = self._pledged(record)
                if not await self._store.close(self.digest, self._closed_set().to_bytes()):
                    # Whoever took this process for dead closed the set already: go on with that one.
                    raise MLBridgeError("lane.closed", "Another process closed the order's set.")
                self._measure("commit")
            case steps.Counted():
                if self._state.decided is not None and self._told.done():
                    await self._store.attest(self.digest, self._attested())
            case steps.Decided():
                await self._decide(record)
            case steps.Over(settled=False, reason=reason):
                await self._fail(reason)

    async def _fail(self, reason: str) -> None:
        await self._store.fail(self.digest, reason, attested=self._attested())
        self._metrics.orders.labels("failed").inc()

    def _measure(self, phase: str) -> None:
        """From the end of the phase before until now; what began in another process is not known."""
        now = time.monotonic()
        if self._row is None:
            self._metrics.took(phase, now - self._since)
        self._since = now

    async def _decide(self, verdict: steps.Decided) -> None:
        self._payload = await self._answer(verdict.result)
        if self._payload == (None, None):
            # The seats may settle it themselves; this coordinator pays nobody for an answer that nobody gave.
            reason = "no seat handed over the answer that it attested"
            self._state = replace(self._state, over=steps.Over(False, reason))
            await self._fail(reason)
            self._tell(Outcome.failed(self.digest, reason, self._state.counted.values()))
            return
        output, cid = self._payload
        counted = self._state.counted.values()
        # Everybody is there and agrees: nothing is left to be written down after the answer.
        whole = self._state.over is not None and all(
            signed.message.result == verdict.result for signed in counted
        )
        await self._store.decide(
            self.digest,
            attested=self._attested(),
            result=verdict.result,
            confidence=verdict.confidence,
            at=verdict.at,
            output=output,
            output_cid=cid,
            ripe=whole,
        )
        self._ripe = whole
        self._measure("reveal")
        self._metrics.orders.labels("decided").inc()
        self._metrics.verdict.observe(time.monotonic() - self._accepted)

    def _deliver(self) -> None:
        if self._state.decided is None or self._payload == (None, None):
            return
        evidence = core.evidence_of(self._desk, self._state)
        output, cid = self._payload
        answer = output if output is not None else cid
        self._tell(Outcome(self.digest, evidence, self._state.decided.confidence, answer, None))

    def _tell(self, outcome: Outcome) -> None:
        if not self._told.done():
            self._told.set_result(outcome)

    async def _evidence(self, kind: str, first: Signed[Any], second: Signed[Any]) -> None:
        if isinstance(first.message, Attestation) and isinstance(second.message, Attestation):
            log.warning(
                "lane_evidence", kind=kind, account=first.message.account, order="0x" + self.digest.hex()
            )
            await self._store.keep_evidence(
                self.digest, first.message.account, kind, first.to_bytes(), second.to_bytes()
            )

    def _attested(self) -> list[bytes]:
        return [signed.to_bytes() for signed in self._state.counted.values()]

    def _pledged(self, closed: steps.Closed) -> tuple[Pledge, ...]:
        held = self._state.commitments
        return tuple(
            Pledge.of(held[account]) if account in held else Pledge(account)
            for account in self._commission.accounts
        )

    def _closed_set(self) -> ClosedSet:
        # Every output is asked for: the first right one serves, and none of them is large.
        return ClosedSet(self.digest, self._pledges, output=True)

    # ---- members ----

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="lane-member")
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _ask(self, account: int) -> None:
        """Offer the order until the member binds itself, refuses for good, or the set is closed."""
        pause = FIRST_PAUSE_S
        while self._wants(account):
            self._heard.discard(account)
            if await self._each(account, self._offer_to):
                self._events.put_nowait(_Gone(account))
                return
            if self._wants(account) and account not in self._heard:
                self._events.put_nowait(_Lost(account))
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE_S, 2 * pause)

    async def _reveal(self, account: int) -> None:
        """Show the closed set until the member attests, refuses for good, or the order is over."""
        pause = FIRST_PAUSE_S
        while self._state.over is None and account not in self._state.counted:
            await self._each(account, self._show_to)
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE_S, 2 * pause)

    async def _each(self, account: int, speak: Callable[[str, int, bool], Awaitable[bool]]) -> bool:
        """Speak to whoever claims an account; whether all of them refuse for good.

        Until one of them has proved to be it they are asked side by side, each again and again: one that only
        stalls must not keep the others from being asked.
        """
        gone: list[bool] = []
        for urls in self._members.directory.in_turn(account, self._commission.order.model_id):
            once = len(urls) == 1
            gone += await asyncio.gather(*(speak(url, account, once) for url in urls))
        return bool(gone) and all(gone)

    def _wants(self, account: int) -> bool:
        """Whether a commitment is still waited for."""
        return self._state.closed is None and self._state.over is None and account not in self._bound

    async def _offer_to(self, url: str, account: int, once: bool) -> bool:
        """As long as there is an answer and no commitment; whether it refuses for good."""
        item, pause = self._offer.to_bytes(), FIRST_PAUSE_S
        while self._wants(account):
            answer, wait = await self._one(url, account, "orders", item), pause
            if answer is None:
                return False
            self._heard.add(account)
            self._patience.heard(account)
            if isinstance(answer, Signed) and self._binds(answer, account):
                self._members.directory.proved(account, url)
                self._bound.add(account)
                self._patience.committed(account)
                self._events.put_nowait(steps.Committed(answer))
                return False
            if isinstance(answer, Refusal):
                self._note(account, answer)
                if answer.retry_after is None:
                    return True
                if answer.code not in _BEHIND:
                    wait = min(max(wait, answer.retry_after), LONGEST_PAUSE_S)
            else:
                self._members.directory.disproved(account, url)
            await asyncio.sleep(wait)
            if once:
                return False
            pause = min(LONGEST_PAUSE_S, 2 * pause)
        return False

    async def _show_to(self, url: str, account: int, once: bool) -> bool:
        """As long as there is an answer and no attestation that counts; never for good."""
        item, pause = self._closed_set().to_bytes(), FIRST_PAUSE_S
        while self._state.over is None and account not in self._state.counted:
            answer, wait = await self._one(url, account, "reveals", item), pause
            if answer is None:
                return False
            if isinstance(answer, Revealed) and self._is_from(answer.attestation, account):
                self._members.directory.proved(account, url)
                if answer.output is not None:
                    self._outputs[account] = answer.output
                self._events.put_nowait(steps.Attested(answer.attestation, self._view.now()))
            if isinstance(answer, Refusal):
                self._note(account, answer)
                wait = min(max(wait, answer.retry_after or LONGEST_PAUSE_S), LONGEST_PAUSE_S)
            # What comes may not open its commitment: whoever says something else then contradicts itself.
            await asyncio.sleep(wait)
            if once:
                return False
            pause = min(LONGEST_PAUSE_S, 2 * pause)
        return False

    async def _one(self, url: str, account: int, route: str, item: bytes) -> Answer | None:
        try:
            return await self._members.ask(
                url, account, route, item, until=float(self._commission.order.deadline)
            )
        except MLBridgeError as error:
            log.info("lane_member_failed", account=account, route=route, reason=error.message)
            return None

    def _note(self, account: int, refusal: Refusal) -> None:
        log.info(
            "lane_member_refused",
            account=account,
            order="0x" + self.digest.hex(),
            code=refusal.code,
            reason=refusal.message,
            retry_after=refusal.retry_after,
        )

    def _binds(self, answer: Signed[Commitment], account: int) -> bool:
        return answer.message.account == account and self._commission.signed_by_seat(answer, account)

    def _is_from(self, signed: Signed[Attestation], account: int) -> bool:
        return signed.message.account == account and self._commission.signed_by_seat(signed, account)

    # ---- the answer itself ----

    async def _answer(self, result: bytes) -> tuple[bytes | None, str | None]:
        """The payload behind a result, or its CID, from whichever winner handed it over; else nothing."""
        winners = [
            account for account, signed in self._state.counted.items() if signed.message.result == result
        ]
        handed = [self._outputs[account] for account in winners if account in self._outputs]
        left = max(1.0, self._commission.order.deadline - self._view.now())
        domain = self._commission.domain
        return await first_right(
            handed,
            lambda payload: result_of(domain, self.digest, payload) == result,
            self._content,
            left,
        )
