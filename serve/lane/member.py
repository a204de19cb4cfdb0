"""The seat itself: offers become commitments, closed sets become attestations.

Whatever is asked twice is answered with the same bytes, whatever else happened in between (serve.lane.store).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import exchange, fetching, orders712, wire
from mlbridge.protocol.admission import require_input
from mlbridge.protocol.evidence import SeatProof, passes
from mlbridge.protocol.exchange import ClosedSet, Offer, Pledge, Refusal
from mlbridge.protocol.hashing import payload_root
from mlbridge.protocol.orders712 import Attestation, Commitment
from mlbridge.protocol.payload import MAX_INPUT_BYTES
from mlbridge.storage import ContentStore
from serve.engines.base import Hear
from serve.lane.admission import Admission
from serve.lane.answers import Answers
from serve.lane.faults import Conduct
from serve.lane.signer import Signer
from serve.lane.speech import Speech, Speeches
from serve.lane.store import Claim, Held, LaneStore
from serve.lane.view import View
from serve.service import Recorder

log = structlog.get_logger()

_LOOK_EVERY_S: Final = 1.0
_ENOUGH: Final = 64
_KEPT_COORDINATORS: Final = 1_024
_TO_BEGIN_S: Final = 0.5


@dataclass(frozen=True)
class Model:
    """What a member runs. run: output payload of an input payload, told piece by piece to whoever is named
    beside it; full: whether it has no room now.
    """

    kind: str
    run: Callable[[bytes, Hear | None], Awaitable[bytes]]
    full: Callable[[], bool]


class LaneMember:
    """One replica's part in the seat of its provider."""

    def __init__(
        self,
        model: Model,
        admission: Admission,
        view: View,
        store: LaneStore,
        signer: Signer,
        content: ContentStore | None,
        recorder: Recorder,
        conduct: Conduct,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._model = model
        self._admission = admission
        self._view = view
        self._store = store
        self._signer = signer
        self._content = content
        self._recorder = recorder
        self._conduct = conduct
        self._speeches = Speeches(signer.key, signer.domain, conduct)
        self._answers = Answers(store, view, signer.domain, admission.wallets)
        self._running: dict[bytes, asyncio.Task[Held]] = {}
        self._idle: dict[str, tuple[float, bool]] = {}

    async def orders(self, header: str | None, body: bytes) -> bytes:
        """Commitments to offers, one by one. Raises MLBridgeError `request.*` or `lane.stale`."""
        coordinator = self._sender(header, body)
        return await self._each(body, lambda item: self._commit(item, coordinator))

    async def reveals(self, header: str | None, body: bytes) -> bytes:
        """Attestations over closed sets, one by one. Raises MLBridgeError `request.*` or `lane.stale`."""
        coordinator = self._sender(header, body)
        return await self._each(body, lambda item: self._reveal(item, coordinator))

    async def attestations(self, body: bytes) -> bytes:
        """Attestations that were given, by order digest; for anybody. Raises MLBridgeError `request.*`."""
        return await self._each(body, self._given)

    async def answers(self, body: bytes) -> bytes:
        """What was attested to one order, with its output, for its requester alone. body: with one item.

        Raises MLBridgeError `request.malformed`, `lane.stale` while the agent has written nothing.
        """
        fetching.require_one(body)
        return await self._each(body, self._answers.give)

    def _sender(self, header: str | None, body: bytes) -> str:
        account = self._view.rules().account
        # What was committed to is told and revealed although the chain node is away.
        return exchange.read_request(header, body, account, self._view.reckoned(), self._signer.domain)

    async def _each(self, body: bytes, work: Callable[[bytes], Awaitable[bytes]]) -> bytes:
        answers = await asyncio.gather(*(self._answer(item, work) for item in exchange.split(body)))
        return exchange.join(answers)

    async def _answer(self, item: bytes, work: Callable[[bytes], Awaitable[bytes]]) -> bytes:
        started = self._clock()
        try:
            answer, outcome = await work(item), "ok"
        except MLBridgeError as error:
            answer, outcome = exchange.write_answer(Refusal.of(error)), error.code
        except Exception:
            log.exception("lane_item_failed")
            refusal = Refusal("internal", "This member failed.", 5)
            answer, outcome = exchange.write_answer(refusal), "internal"
        self._recorder.finished(outcome, self._clock() - started)
        return answer

    # ---- commit ----
    async def _commit(self, item: bytes, coordinator: str) -> bytes:
        offer = exchange.parse_offer(item)
        self._admission.check_party(offer, coordinator)
        digest = offer.order.message.digest(self._signer.domain)
        held = self._store.held(digest)
        if held is None:
            self._require_closing(coordinator)
            await self._conduct.begin(offer.order.message, self._view.now)
            # Before it may join a computation: another signature under the same order is another offer.
            claim = await self._admission.admit(offer, digest, self._view.now())
            held = await self._once(digest, offer, claim)
        return exchange.write_commitment(held.commitment)

    def _require_closing(self, coordinator: str) -> None:
        """Refuse who lately let most of our work lie: he need not pay for what he never closes."""
        looked, idle = self._idle.get(coordinator, (-_LOOK_EVERY_S, False))
        if self._clock() - looked >= _LOOK_EVERY_S:
            unclosed, total = self._store.unclosed(coordinator)
            idle = total >= _ENOUGH and 2 * unclosed > total
            self._idle[coordinator] = self._clock(), idle
            if len(self._idle) > _KEPT_COORDINATORS:
                # Anybody is one who has a key.
                del self._idle[next(iter(self._idle))]
        if idle:
            raise MLBridgeError(
                "lane.unclosed",
                "This coordinator did not close most of what this member lately committed to for it.",
                retry_after=60,
            )

    async def _once(self, digest: bytes, offer: Offer, claim: Claim) -> Held:
        """One computation an order; it goes on when whoever asked goes away, and a retry finds it done."""
        task = self._running.get(digest)
        if task is None:
            speech = self._speech(digest, offer, claim.account)
            task = asyncio.create_task(self._compute(digest, offer, claim, speech))
            self._running[digest] = task
            task.add_done_callback(lambda done: self._ended(digest, done, speech))
        return await asyncio.shield(task)

    def _speech(self, digest: bytes, offer: Offer, account: int) -> Speech | None:
        """What is streamed of an order's answer; None: that is not wanted, or another seat's part."""
        if offer.stream is None or self._admission.streamer(offer.order.message) != account:
            return None
        return self._speeches.begin(digest, offer.terms.coordinator, account, offer.stream)

    def _ended(self, digest: bytes, done: asyncio.Task[Held], speech: Speech | None) -> None:
        del self._running[digest]
        if speech is not None:
            speech.end(None)  # which changes nothing if there was an output
            self._speeches.ended()
        if not done.cancelled():
            done.exception()  # nobody may be left to retrieve it

    async def _compute(self, digest: bytes, offer: Offer, claim: Claim, speech: Speech | None) -> Held:
        if self._model.full():
            raise MLBridgeError("serve.busy", "All places of this replica are taken.", retry_after=1)
        held = await self._store.accept(claim)
        if held is not None:
            return held
        known = self._store.answered(digest)
        try:
            # A word that was given on chain stands here too.
            output = await self._output(offer, speech) if known is None else known.output
        except BaseException:
            await self._store.release(digest)
            raise
        account = claim.account
        result = exchange.result_of(self._signer.domain, digest, output)
        salt = self._signer.salt(digest, account)
        word = orders712.commitment(digest, account, result, salt)
        signed = wire.sign(Commitment(digest, account, word), self._signer.domain, self._signer.key)
        return await self._store.bind(
            digest, result=result, salt=salt, commitment=signed.to_bytes(), output=output
        )

    async def _output(self, offer: Offer, speech: Speech | None) -> bytes:
        data = offer.content if isinstance(offer.content, bytes) else await self._fetch(offer.content)
        require_input(offer.order.message, data)
        if not self._conduct.computes:
            return payload_root(data)
        if speech is None:
            return self._conduct.output(self._model.kind, await self._model.run(data, None))
        honest = await self._model.run(data, speech.hear)
        speech.end(honest)
        return self._conduct.output(self._model.kind, honest)

    async def _fetch(self, cid: str) -> bytes:
        if self._content is None:
            raise MLBridgeError("lane.storage", "This member reaches no storage: send the input itself.")
        return await self._content.get(cid, max_bytes=MAX_INPUT_BYTES)

    # ---- reveal ----
    async def _reveal(self, item: bytes, coordinator: str) -> bytes:
        closed = exchange.parse_closed_set(item)
        held = self._store.held(closed.order)
        if held is None or held.coordinator != coordinator:
            raise MLBridgeError("lane.unknown_order", "This member made no commitment to that order for you.")
        attestation = held.attestation
        if attestation is None:
            attestation = await self._attest(closed, held)
        else:
            attestation = self._repeated(attestation, closed)
        output = await self._deliver(held.output) if closed.output else None
        return exchange.write_revealed(attestation, output)

    async def _attest(self, closed: ClosedSet, held: Held) -> bytes:
        """The attestation that stands once this one was offered to the store, if it is of this set."""
        self._check_set(closed, held)
        honest = Attestation(closed.order, held.account, held.result, held.salt, closed.root)
        told = self._conduct.attest(honest, closed, again=False)
        made = wire.sign(told, self._signer.domain, self._signer.key).to_bytes()
        stands = await self._store.attest(closed.order, closed=closed.to_bytes(), attestation=made)
        if stands.attestation == made:
            return made
        return self._repeated(stands.attestation or b"", closed)

    def _repeated(self, attestation: bytes, closed: ClosedSet) -> bytes:
        """What was attested before, to whoever asks about the same set."""
        message = wire.parse(attestation, Attestation).message
        if message.commitments != closed.root:
            raise MLBridgeError(
                "lane.other_set",
                "This member attested another closed set of that order, and signs no second one.",
            )
        told = self._conduct.attest(message, closed, again=True)
        if told == message:
            return attestation
        return wire.sign(told, self._signer.domain, self._signer.key).to_bytes()

    def _check_set(self, closed: ClosedSet, held: Held) -> None:
        """Raises MLBridgeError `lane.set` unless the set holds our word and leaves a verdict possible."""
        order = exchange.parse_offer(held.offer).order.message
        committee = self._admission.committee(order)
        if [seat.account for seat in closed.seats] != committee or held.account not in committee:
            raise _bad_set("it does not list the order's committee")
        ours = orders712.commitment(closed.order, held.account, held.result, held.salt)
        if not any(seat.account == held.account and seat.word == ours for seat in closed.seats):
            raise _bad_set("it does not hold this member's commitment")
        for seat in closed.seats:
            if seat.account != held.account and not seat.silent and not self._bound(closed.order, seat):
                raise _bad_set(f"no key of seat {seat.account} signed its commitment")
        weights = [self._view.snapshots().weight(order.model_id, order.epoch, one) for one in committee]
        if not passes([SeatProof(seat.account, seat.word, seat.signature) for seat in closed.seats], weights):
            raise _bad_set("too few seats committed for a verdict")
        if self._view.reckoned() > order.deadline + self._view.rules().settle_window:
            raise MLBridgeError("lane.expired", "The order cannot settle any more.")

    def _bound(self, order: bytes, seat: Pledge) -> bool:
        """Whether a node key of the seat's operator signed its commitment."""
        message = Commitment(order, seat.account, seat.word)
        try:
            node = wire.Signed(message, seat.signature).signer(self._signer.domain)
        except MLBridgeError:
            return False  # not a signature at all
        return self._view.operator(node) == seat.account // 2

    async def _deliver(self, output: bytes) -> bytes | str | None:
        """The output as it travels; None where it is too large and there is no storage to put it into."""
        if len(output) <= exchange.MAX_INLINE_BYTES:
            return output
        return await self._content.put(output) if self._content is not None else None

    # ---- stream ----
    async def stream(self, header: str | None, body: bytes) -> AsyncIterator[bytes]:
        """The answer to one order while it is made, on the wire of mlbridge.protocol.streams. It starts no
        work: an order that was not offered here is waited for a moment.

        body: with the order's digest as its one item. Raises MLBridgeError `request.*`, `lane.unknown_order`,
        `lane.no_stream` or `stream.key`.
        """
        coordinator = self._sender(header, body)
        order, *others = exchange.split(body)
        if others:
            raise MLBridgeError("request.malformed", "A stream is of one order.", exit_code=2)
        held = self._store.held(order)
        frames = await self._speeches.frames(order, coordinator, _TO_BEGIN_S if held is None else 0)
        return frames or self._said(held or self._store.held(order), coordinator)

    def _said(self, held: Held | None, coordinator: str) -> AsyncIterator[bytes]:
        """The stream of an answer that another replica made, or this one before it was started again."""
        if held is None or held.coordinator != coordinator:
            raise MLBridgeError(
                "lane.unknown_order", "This member works on no such order for you.", retry_after=1
            )
        offer = exchange.parse_offer(held.offer)
        if offer.stream is None or self._admission.streamer(offer.order.message) != held.account:
            raise MLBridgeError("lane.no_stream", "This member does not stream the answer to that order.")
        return self._speeches.said(held.digest, held.account, offer.stream, held.output)

    # ---- for anybody ----
    async def _given(self, item: bytes) -> bytes:
        held = self._store.held(item)
        if held is None or held.attestation is None:
            raise MLBridgeError("lane.unknown_order", "This member attested no such order.")
        return exchange.write_revealed(held.attestation, None)


def _bad_set(why: str) -> MLBridgeError:
    return MLBridgeError("lane.set", f"This member does not reveal to that set: {why}.", exit_code=2)
