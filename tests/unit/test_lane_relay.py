"""A relay hands on what the streamer sealed, from whichever endpoint is its own, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from contracts.anvil import free_port
from coordinator.lane import relay as module
from coordinator.lane.directory import Directory
from coordinator.lane.members import Members
from coordinator.lane.relay import Relay
from mlbridge.protocol import agreed, exchange, signatures, wire
from mlbridge.protocol.committee import streamer
from mlbridge.protocol.exchange import Offer
from mlbridge.protocol.snapshots import Snapshots
from mlbridge.protocol.streams import Kind, Sealer, frame
from tests.support import lane_members as made
from tests.support.lane_servers import serving

SECRET = bytes(range(32))
Answer = Callable[[Request], Awaitable[Response]]


def offer_with_stream() -> Offer:
    key = agreed.public_of(SECRET)
    order = made.order_of(params_digest=exchange.parameters_digest(key))
    return made.offer_of(order, stream=key)


@dataclass
class Wire:
    """A streamer's endpoints and the relay before them. asked: which were asked, in order."""

    relay: Relay
    offer: Offer
    account: int
    answers: dict[str, Answer]
    asked: list[str]

    def opening(self, key: bytes | None = None) -> bytes:
        """Signed by the streamer, or by another key."""
        sealer = Sealer(made.digest_of(self.offer.order.message), self.account, agreed.public_of(SECRET))
        return wire.sign(sealer.opening, made.DOMAIN, key or made.node_key(self.account)).to_bytes()

    async def heard(self, over: Callable[[], bool] = lambda: False) -> list[bytes]:
        return [sealed async for sealed in self.relay.listen(self.offer, over)]


@pytest.fixture
async def wired(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Wire]:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)
    port, answers, asked = free_port(), dict[str, Answer](), list[str]()

    async def answered(request: Request) -> Response:
        name = request.path_params["name"]
        asked.append(name)
        order = made.digest_of(offer.order.message)
        assert exchange.split(await request.body()) == [order]
        header, body = request.headers[exchange.HEADER], await request.body()
        assert exchange.read_request(header, body, account, made.NOW, made.DOMAIN) == signatures.address_of(
            made.COORDINATOR
        )
        return await answers[name](request)

    snapshots, offer = Snapshots(), offer_with_stream()
    for one in made.ACCOUNTS:
        snapshots.record_weight(made.MODEL, one, 3, 10_000)
    account = streamer(offer.order.message, made.SEED, snapshots)

    async def seed(_: int) -> bytes:
        return made.SEED

    operators = {signatures.address_of(made.node_key(one)): one // 2 for one in made.ACCOUNTS}
    view: Any = SimpleNamespace(
        seed=seed,
        lane=SimpleNamespace(domain=made.DOMAIN),
        facts=SimpleNamespace(snapshots=snapshots, operators=operators),
    )
    app = Starlette(routes=[Route("/{name}/v1/lane/streams", answered, methods=["POST"])])
    async with aiohttp.ClientSession() as session, serving(app, port):
        directory = Directory((), session)
        urls = [f"http://127.0.0.1:{port}/{name}" for name in ("a", "b")]
        directory._claims = {url: {(account, made.MODEL): url} for url in urls}
        members = Members(directory, session, made.DOMAIN, made.COORDINATOR, lambda: made.NOW)
        yield Wire(Relay(members, view), offer, account, answers, asked)
        assert not members._tasks


def says(*frames: bytes, then: BaseException | None = None) -> Answer:
    async def answer(_: Request) -> Response:
        async def told() -> AsyncIterator[bytes]:
            for item in frames:
                yield item
            if then is not None:
                raise then

        return StreamingResponse(told())

    return answer


def refuses(status: int) -> Answer:
    async def answer(_: Request) -> Response:
        return Response(status_code=status)

    return answer


def sealed(*payloads: bytes) -> list[bytes]:
    return [frame(Kind.SEALED, payload) for payload in payloads]


async def test_what_is_sealed_is_handed_on_as_it_is(wired: Wire) -> None:
    opening = wired.opening()
    wired.answers["a"] = says(*sealed(opening, b"whatever", b"it is"))
    assert await wired.heard() == [opening, b"whatever", b"it is"]
    assert wired.asked == ["a"]


async def test_an_endpoint_that_is_not_the_streamers_is_passed_over_from_then_on(wired: Wire) -> None:
    opening = wired.opening()
    wired.answers["a"] = says(*sealed(wired.opening(made.COORDINATOR), b"false"))
    wired.answers["b"] = says(*sealed(opening, b"true"))
    assert await wired.heard() == [opening, b"true"]
    assert await wired.heard() == [opening, b"true"]
    assert wired.asked == ["a", "b", "b"]


async def test_a_member_cannot_speak_as_the_coordinator(wired: Wire) -> None:
    opening = wired.opening()
    wired.answers["a"] = says(*sealed(opening), frame(Kind.TOLD, b"decided"), *sealed(b"more"))
    assert await wired.heard() == [opening]


async def test_a_stream_that_breaks_off_is_not_begun_again(wired: Wire) -> None:
    opening = wired.opening()
    wired.answers["a"] = says(*sealed(opening, b"one"), then=ConnectionResetError())
    wired.answers["b"] = says(*sealed(opening, b"one", b"two"))
    assert await wired.heard() == [opening, b"one"]
    assert wired.asked == ["a"]


async def test_whoever_is_not_ready_is_asked_again_and_who_never_will_be_is_not(wired: Wire) -> None:
    opening, tries = wired.opening(), []

    async def later(request: Request) -> Response:
        tries.append(1)
        return await (refuses(503) if len(tries) < 3 else says(*sealed(opening)))(request)

    wired.answers |= {"a": later, "b": refuses(503)}
    assert await wired.heard() == [opening]
    assert wired.asked == ["a", "b"] * 2 + ["a"]
    wired.asked.clear()
    wired.answers |= {"a": refuses(404), "b": refuses(404)}
    assert await wired.heard() == []
    assert wired.asked == ["a", "b"]
    # One that says so in the streamer's name says it for itself.
    wired.answers["b"] = says(*sealed(opening))
    assert await wired.heard() == [opening]


async def test_who_claims_the_account_and_says_nothing_holds_nobody_up(
    wired: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OPENING_S", 0.05)

    async def mute(_: Request) -> Response:
        await asyncio.sleep(3600)
        return Response()

    opening = wired.opening()
    wired.answers |= {"a": mute, "b": says(*sealed(opening, b"true"))}
    assert await wired.heard() == [opening, b"true"]
    assert wired.asked == ["a", "b"]


async def test_it_ends_when_the_order_does(wired: Wire) -> None:
    wired.answers |= {"a": refuses(503), "b": refuses(503)}
    assert await wired.heard(lambda: len(wired.asked) >= 4) == []


async def test_whoever_hangs_up_leaves_the_streamer(wired: Wire) -> None:
    opening, left = wired.opening(), asyncio.Event()

    async def endless(_: Request) -> Response:
        async def told() -> AsyncIterator[bytes]:
            try:
                yield frame(Kind.SEALED, opening)
                await asyncio.sleep(3600)
            finally:
                left.set()

        return StreamingResponse(told())

    wired.answers["a"] = endless
    async with contextlib.aclosing(wired.relay.listen(wired.offer, lambda: False)) as frames:
        assert await anext(frames) == opening
    async with asyncio.timeout(10):
        await left.wait()
    assert not wired.relay._listeners


async def test_a_stream_without_end_is_cut(wired: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coordinator.lane.members.MAX_STREAM_BYTES", 4096)
    opening = wired.opening()
    wired.answers["a"] = says(*sealed(opening), *sealed(*[bytes(1024)] * 64))
    assert len(await wired.heard()) < 10


async def test_an_order_without_a_key_has_no_stream(wired: Wire) -> None:
    wired.offer = made.offer_of(made.order_of())
    assert await wired.heard() == []
    assert wired.asked == []
