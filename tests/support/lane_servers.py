"""Members of the channel lane without engines: real keys and HTTP, scripted results and faults.

One web server holds them all: `/m/<account>` is a member's node, `/v/<account>` a verifier that attests.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from contracts.anvil import free_port
from contracts.laneview import LaneView
from coordinator.lane.attest import Attester, attester_app
from mlbridge.protocol import exchange, orders712
from mlbridge.protocol.exchange import ClosedSet, Offer, Refusal, Revealed
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.orders712 import Attestation, Commitment, Domain
from mlbridge.protocol.payload import encode_output
from mlbridge.protocol.wire import Signed, sign
from mlbridge.storage import ContentStore
from tests.support.lane import LaneRig
from tests.support.seats import honest_label, wrong_label

MODEL_PATH = "model"


@dataclass
class Ways:
    """How a member behaves. delay_s: that an order takes; busy, behind: refusals before it takes one, for
    want of a place, or of a seed that it has yet to read; store: its outputs go there; contradict: it attests
    two results; wrong_first: its first result is its own; copies: whose commitment and answer it repeats.
    """

    result: Callable[[bytes], bytes] = honest_label
    delay_s: float = 0.0
    silent: bool = False
    refuses: bool = False
    busy: int = 0
    behind: int = 0
    reveals: bool = True
    hands_over: bool = True
    contradict: bool = False
    wrong_first: bool = False
    copies: ScriptedSeat | None = None
    store: ContentStore | None = None


@dataclass
class _Held:
    offer: Offer
    output: bytes
    result: bytes
    salt: bytes


@dataclass
class ScriptedSeat:
    """One member. seen: requests by route; attested: what it signed, by order."""

    account: int
    key: bytes
    domain: Domain
    now: Callable[[], float]
    ways: Ways = field(default_factory=Ways)
    seen: Counter[str] = field(default_factory=Counter)
    sizes: list[int] = field(default_factory=list)
    attested: dict[bytes, list[Signed[Attestation]]] = field(default_factory=dict)
    closed: dict[bytes, set[bytes]] = field(default_factory=dict)
    _held: dict[bytes, _Held] = field(default_factory=dict)

    def app(self, model_id: bytes, base: str) -> Starlette:
        """Its node's page and the routes of its model."""

        async def page(_: Request) -> Response:
            endpoint = f"{base}/m/{self.account}/{MODEL_PATH}"
            models = [{"id": "0x" + model_id.hex(), "endpoint": endpoint}]
            return JSONResponse({"accounts": {str(self.account): {}}, "models": models})

        return Starlette(
            routes=[
                Route("/node", page),
                Route(f"/{MODEL_PATH}/v1/lane/orders", self._route("orders", self._order), methods=["POST"]),
                Route(
                    f"/{MODEL_PATH}/v1/lane/reveals", self._route("reveals", self._reveal), methods=["POST"]
                ),
            ]
        )

    def _route(self, name: str, work: Callable[[bytes, str], Any]) -> Callable[[Request], Any]:
        async def answered(request: Request) -> Response:
            body = await request.body()
            header = request.headers.get(exchange.HEADER)
            coordinator = exchange.read_request(header, body, self.account, self.now(), self.domain)
            items = exchange.split(body)
            self.seen[name] += 1
            self.sizes.append(len(items))
            if self.ways.silent:
                await asyncio.sleep(3600)
            answers = await asyncio.gather(*(work(item, coordinator) for item in items))
            return Response(exchange.join([exchange.write_answer(answer) for answer in answers]))

        return answered

    async def _order(self, item: bytes, coordinator: str) -> exchange.Answer:
        offer = exchange.parse_offer(item)
        digest = offer.order.message.digest(self.domain)
        if self.ways.refuses:
            return Refusal("lane.price", "too cheap")
        if self.ways.busy > 0:
            self.ways.busy -= 1
            return Refusal("lane.full", "busy", 1)
        if self.ways.behind > 0:
            self.ways.behind -= 1
            return Refusal("order.seed", "the seed of its epoch is not known", 3_600)
        if coordinator != offer.terms.coordinator:
            return Refusal("lane.coordinator", "another coordinator")
        if self.ways.copies is not None:
            self._held[digest] = await self.ways.copies.held(digest)
        if digest not in self._held:
            await asyncio.sleep(self.ways.delay_s)
            content = offer.content
            if isinstance(content, str):
                assert self.ways.store is not None
                content = await self.ways.store.get(content)
            first = self.ways.wrong_first and not self._held
            own = encode_output("classification", {"label": 1_000 + self.account})
            output = own if first else self.ways.result(content)
            result = exchange.result_of(self.domain, digest, output)
            salt = keccak(self.key + digest)
            self._held.setdefault(digest, _Held(offer, output, result, salt))
        return self._commitment(digest)

    async def held(self, digest: bytes) -> _Held:
        """Its own answer, once it has one: what nobody but it should know."""
        while digest not in self._held:  # noqa: ASYNC110 - another request brings it
            await asyncio.sleep(0.001)
        return self._held[digest]

    def word(self, digest: bytes) -> bytes:
        """What it committed to."""
        return self._commitment(digest).message.word

    def _commitment(self, digest: bytes) -> Signed[Commitment]:
        held = self._held[digest]
        author = (self.ways.copies or self).account
        word = orders712.commitment(digest, author, held.result, held.salt)
        return sign(Commitment(digest, self.account, word), self.domain, self.key)

    async def _reveal(self, item: bytes, _: str) -> exchange.Answer:
        closed = exchange.parse_closed_set(item)
        held = self._held.get(closed.order)
        if held is None or not self.ways.reveals:
            return Refusal("lane.unknown", "nothing to reveal")
        mine = next(seat for seat in closed.seats if seat.account == self.account)
        assert mine.word == self._commitment(closed.order).message.word
        self.closed.setdefault(closed.order, set()).add(closed.root)
        attestation = self._attest(closed, held)
        if not self.ways.hands_over:
            return Revealed(attestation, None)
        if self.ways.store is not None:
            return Revealed(attestation, await self.ways.store.put(held.output))
        return Revealed(attestation, held.output)

    def _attest(self, closed: ClosedSet, held: _Held) -> Signed[Attestation]:
        result = held.result
        signed = self.attested.setdefault(closed.order, [])
        if self.ways.contradict and not signed:
            output = wrong_label(b"another result")
            result = exchange.result_of(self.domain, closed.order, output)
        message = Attestation(closed.order, self.account, result, held.salt, closed.root)
        attestation = sign(message, self.domain, self.key)
        if attestation not in signed:
            signed.append(attestation)
        return attestation


@dataclass
class SeatServer:
    """A running web server with members and attesters."""

    base: str
    seats: dict[int, ScriptedSeat]
    attesters: list[int]

    @property
    def nodes(self) -> tuple[str, ...]:
        """Base URLs of the members' nodes."""
        return tuple(f"{self.base}/m/{account}" for account in self.seats)

    @property
    def verifiers(self) -> tuple[str, ...]:
        """URLs of the attesters."""
        return tuple(f"{self.base}/v/{account}" for account in self.attesters)


@contextlib.asynccontextmanager
async def seat_server(rig: LaneRig, view: LaneView, content: ContentStore) -> AsyncIterator[SeatServer]:
    """Every member and verifier of a rig behind HTTP."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    seats = {
        member.account: ScriptedSeat(member.account, bytes(member.node.key), rig.lane.domain, view.now)
        for member in rig.members
    }
    attesters = [
        Attester(view, content, member.account, rig.attesting_key(member)) for member in rig.verifiers
    ]
    routes = [
        *(Mount(f"/m/{account}", seat.app(rig.model, base)) for account, seat in seats.items()),
        *(Mount(f"/v/{attester.account}", attester_app(attester)) for attester in attesters),
    ]
    async with serving(Starlette(routes=routes), port):
        yield SeatServer(base, seats, [attester.account for attester in attesters])


@contextlib.asynccontextmanager
async def serving(app: Any, port: int) -> AsyncIterator[None]:
    """An ASGI application on a port of this machine, in this event loop."""
    config = uvicorn.Config(app, port=port, log_level="critical", lifespan="off", timeout_graceful_shutdown=0)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110 - uvicorn tells in no other way
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        server.force_exit = True
        await task
