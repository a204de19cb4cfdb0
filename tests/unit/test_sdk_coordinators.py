"""A coordinator's answers over HTTP: whatever it sends, its client survives and forgets no order."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import web3
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from contracts.anvil import free_port
from mlbridge import outside
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.answers import Told
from mlbridge.protocol.encoding import encode
from mlbridge.sdk.coordinators import CoordinatorDoor, refuses, retry_after
from tests.support.lane_servers import serving

Answers = Callable[[Request], Awaitable[Response]]


@asynccontextmanager
async def door(answer: Answers) -> AsyncIterator[CoordinatorDoor]:
    port = free_port()
    routes = [Route("/{path:path}", answer, methods=["GET", "POST"])]
    async with serving(Starlette(routes=routes), port):
        opened = CoordinatorDoor(f"http://127.0.0.1:{port}")
        yield opened
        await opened.close()


def always(response: Response) -> Answers:
    async def answer(_: Request) -> Response:
        return response

    return answer


async def failing(opened: CoordinatorDoor) -> MLBridgeError:
    with pytest.raises(MLBridgeError) as caught:
        await opened.order(b"offer", 1.0)
    return caught.value


def _problem(status: int, **facts: object) -> Response:
    return JSONResponse({"code": "order.price", "detail": "no", **facts}, status_code=status)


async def test_an_endless_answer_is_cut_off() -> None:
    cut_off = asyncio.Event()

    async def answer(request: Request) -> Response:
        async def endless() -> AsyncIterator[bytes]:
            while not await request.is_disconnected():
                yield bytes(1 << 20)
            cut_off.set()

        return StreamingResponse(endless())

    async with door(answer) as opened:
        assert (await failing(opened)).code == "coordinator.lie"
        await asyncio.wait_for(cut_off.wait(), 30)


async def test_a_packed_answer_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(64 << 20))
    async with door(always(Response(bomb, headers={"Content-Encoding": "gzip"}))) as opened:
        assert (await failing(opened)).code == "coordinator.lie"


async def test_deep_json_is_refused_and_not_followed() -> None:
    assert web3 is not None  # one of its dependencies raises the limit of recursion
    deep = Response(b"[" * 60_000, status_code=400, media_type="application/json")
    async with door(always(deep)) as opened:
        assert (await failing(opened)).code == "coordinator.http"
        with pytest.raises(MLBridgeError) as caught:
            await opened.terms()
        assert caught.value.code == "coordinator.http"


async def test_drop_by_drop_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlbridge.sdk.coordinators.PATIENCE_S", 0.5)

    async def answer(request: Request) -> Response:
        async def drops() -> AsyncIterator[bytes]:
            while not await request.is_disconnected():
                yield b" "
                await asyncio.sleep(0.05)

        return StreamingResponse(drops())

    async with door(answer) as opened:
        with pytest.raises(MLBridgeError) as caught:
            await opened.terms()
    assert caught.value.code == "coordinator.unreachable"


@pytest.mark.parametrize(
    ("answer", "refused", "again"),
    [
        (_problem(402), True, False),
        (_problem(422), True, False),
        (_problem(503), False, True),
        # A coordinator that breaks, or a proxy before it, has said nothing about the order.
        (_problem(500), False, True),
        (PlainTextResponse("Internal Server Error", status_code=500), False, True),
        (PlainTextResponse("<html>", status_code=404), False, False),
        (_problem(402, code="no code"), False, False),
        # An earlier try may have been taken whose answer was lost.
        (_problem(408, code="http.too_slow"), False, False),
        (PlainTextResponse("<html>"), False, False),
    ],
)
async def test_only_a_refusal_that_can_be_read_is_one(answer: Response, refused: bool, again: bool) -> None:
    async with door(always(answer)) as opened:
        error = await failing(opened)
    assert refuses(error) is refused
    assert (retry_after(error) is not None) is again


async def test_what_it_tells_people_is_one_printable_line() -> None:
    told = "\x1b[2Jgone\x00\n" + "x" * 1_000
    async with door(always(_problem(402, detail=told, hint=told))) as opened:
        error = await failing(opened)
    failed = Told.from_bytes(encode({"state": "failed", "reason": told}))
    for said in (error.message, error.hint, failed.reason):
        assert said.isprintable()
        assert len(said) <= 500


async def test_a_url_that_is_none_is_an_error_like_others() -> None:
    opened = CoordinatorDoor("http://[::1")
    assert (await failing(opened)).code == "coordinator.lie"
    await opened.close()


async def test_no_answer_is_redirected() -> None:
    elsewhere = Response(status_code=307, headers={"Location": "http://127.0.0.1:1/"})
    async with door(always(elsewhere)) as opened:
        answer = await outside.ask(opened._http, "GET", opened.url, max_bytes=10, patience_s=5)
    assert answer.status == 307


@pytest.mark.parametrize(
    ("named", "believed"),
    [
        (["http://a/m", "https://b"], ("http://a/m", "https://b")),
        (["file:///etc/passwd", 7, "http://" + "x" * 200], ()),
        ([f"http://{number}" for number in range(300)], tuple(f"http://{number}" for number in range(256))),
        (None, ()),
    ],
    ids=["some", "no URLs", "too many", "an older one"],
)
async def test_a_coordinator_names_nodes_and_no_more_of_them_than_anybody_asks(
    named: object, believed: tuple[str, ...]
) -> None:
    facts: dict[str, object] = {"coordinator": "0x", "share": 3, "chain_id": 1, "channels": "0x"}
    if named is not None:
        facts["members"] = named
    async with door(always(JSONResponse(facts))) as opened:
        assert (await opened.terms()).nodes == believed


@pytest.mark.parametrize("said", [{"members": 7}, ["members"], 7])
async def test_terms_that_cannot_be_read_are_nonsense(said: object) -> None:
    facts: object = said
    if isinstance(said, dict):
        facts = {"coordinator": "0x", "share": 3, "chain_id": 1, "channels": "0x"} | said
    async with door(always(JSONResponse(facts))) as opened:
        with pytest.raises(MLBridgeError) as caught:
            await opened.terms()
    assert caught.value.code == "coordinator.lie"
