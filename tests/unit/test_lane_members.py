"""What members answer to many items at once, and what is not read of what they send."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from contracts.anvil import free_port
from coordinator.lane.bodies import PLAIN
from coordinator.lane.directory import Directory
from coordinator.lane.members import Members
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import exchange
from mlbridge.protocol.exchange import (
    MAX_ANSWER_BYTES,
    MAX_BODY_BYTES,
    Answer,
    Refusal,
    Revealed,
    write_answer,
)
from mlbridge.protocol.orders712 import Attestation, Domain
from mlbridge.protocol.wire import sign
from tests.support.lane_servers import serving

DOMAIN = Domain(1, "0x" + "00" * 20)
KEY = b"\x01" * 32
SIGNED = sign(Attestation(bytes(32), 2, *[bytes(32)] * 3), DOMAIN, KEY)
ITEM = b"item"


@asynccontextmanager
async def asking(
    answer: Callable[[Request], Awaitable[Response]],
) -> AsyncIterator[Callable[[], Awaitable[Answer]]]:
    """Asks a member that answers like this for one item."""
    port = free_port()
    route = Route("/v1/lane/reveals", answer, methods=["POST"])
    async with (
        serving(Starlette(routes=[route]), port),
        aiohttp.ClientSession(headers=PLAIN, auto_decompress=False) as session,
    ):
        members = Members(Directory((), session), session, DOMAIN, KEY, lambda: 1_000.0)
        url = f"http://127.0.0.1:{port}"
        yield lambda: members.ask(url, 2, "reveals", ITEM, until=1_060.0)
        await members.close()


async def test_outputs_of_many_orders_come_in_one_answer() -> None:
    revealed = Revealed(SIGNED, bytes(exchange.MAX_INLINE_BYTES))

    async def answer(request: Request) -> Response:
        count = len(exchange.split(await request.body()))
        return Response(exchange.join([write_answer(revealed)] * count))

    async with asking(answer) as ask:
        found = await asyncio.gather(*(ask() for _ in range(200)))
    assert found == [revealed] * 200
    assert MAX_BODY_BYTES < 200 * exchange.MAX_INLINE_BYTES < MAX_ANSWER_BYTES


@pytest.mark.parametrize("packed", [False, True])
async def test_a_bomb_is_not_read_to_its_end(packed: bool) -> None:
    async def answer(_: Request) -> Response:
        body = bytes(MAX_ANSWER_BYTES + (8 << 20))
        if packed:
            return Response(gzip.compress(body), headers={"Content-Encoding": "gzip"})
        return Response(body)

    async with asking(answer) as ask:
        with pytest.raises(MLBridgeError) as caught:
            await ask()
    assert caught.value.code == "member.unreadable"


@pytest.mark.parametrize("status", [404, 502, 504])
async def test_a_door_with_nobody_behind_it_is_as_good_as_none(status: int) -> None:
    async def answer(_: Request) -> Response:
        return Response("no such path", status_code=status)

    async with asking(answer) as ask:
        with pytest.raises(MLBridgeError, match=rf"its door says {status}") as caught:
            await ask()
    assert caught.value.code == "member.unreachable"


async def test_a_full_door_says_when_to_come_again() -> None:
    async def answer(_: Request) -> Response:
        return Response("full", status_code=503, headers={"Retry-After": "7"})

    async with asking(answer) as ask:
        found = await ask()
    assert isinstance(found, Refusal)
    assert (found.code, found.retry_after) == ("http.503", 7)
