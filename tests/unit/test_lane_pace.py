"""How offers and closed sets travel to a member: alone while there is little to do, together under load."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from contracts.anvil import free_port
from coordinator.lane import members
from coordinator.lane.directory import Directory
from coordinator.lane.members import BRIEF_S, LONGEST_GAP_S, Members, _Pace
from mlbridge.protocol import exchange
from mlbridge.protocol.exchange import Refusal
from tests.support import lane_members as made
from tests.support.lane_servers import serving

FAR = made.NOW + 600.0


@dataclass
class Member:
    """Answers each item with a refusal that names it, once the gate is open. sizes: items of each request."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    sizes: list[int] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        items = exchange.split(await request.body())
        self.sizes.append(len(items))
        self.came.set()
        await self.gate.wait()
        return Response(exchange.join([exchange.write_answer(Refusal("no", item.hex())) for item in items]))


@contextlib.asynccontextmanager
async def talking(member: Member) -> AsyncIterator[tuple[Members, str]]:
    port = free_port()
    routes = [Route(f"/v1/lane/{name}", member.answer, methods=["POST"]) for name in ("orders", "reveals")]
    async with serving(Starlette(routes=routes), port), aiohttp.ClientSession() as session:
        key = made.COORDINATOR
        talk = Members(Directory([], session), session, made.DOMAIN, key, lambda: float(made.NOW))
        yield talk, f"http://127.0.0.1:{port}"
        await talk.close()


async def ask(talk: Members, url: str, route: str, item: bytes) -> str:
    """What came back for an item."""
    told = await talk.ask(url, 2, route, item, until=FAR)
    assert isinstance(told, Refusal)
    return told.message


async def test_what_comes_in_one_turn_travels_together_and_gets_its_own_answers() -> None:
    member = Member()
    member.gate.set()
    async with talking(member) as (talk, url):
        items = [bytes([number]) for number in range(9)]
        told = await asyncio.gather(*(ask(talk, url, "orders", item) for item in items))
    assert told == [item.hex() for item in items]
    assert member.sizes == [9]


async def test_what_comes_while_a_reveal_is_under_way_waits_for_the_next_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(members, "LONGEST_GAP_S", 3600.0)
    member = Member()
    member.gate.set()
    async with talking(member) as (talk, url):
        await ask(talk, url, "reveals", b"pace")
        talk._pipe(url, 2, "reveals").pace.took("reveals", 10_000.0)
        member.gate.clear()
        member.came.clear()
        first = asyncio.create_task(ask(talk, url, "reveals", b"first"))
        await member.came.wait()
        rest = []
        for number in range(5):
            rest.append(asyncio.create_task(ask(talk, url, "reveals", bytes([number]))))
            await asyncio.sleep(0)
        # The answer comes long before the gap is over: nothing waits longer than for it.
        member.gate.set()
        assert await first == b"first".hex()
        assert await asyncio.gather(*rest) == [bytes([number]).hex() for number in range(5)]
    assert member.sizes == [1, 1, 5]


async def test_orders_of_a_slow_model_do_not_wait_for_each_other() -> None:
    member = Member()
    async with talking(member) as (talk, url):
        pace = talk._pipe(url, 2, "orders").pace
        pace.took("reveals", 10.0)
        pace.took("orders", 10.0 + 2 * BRIEF_S)
        tasks = []
        for number in range(3):
            member.came.clear()
            tasks.append(asyncio.create_task(ask(talk, url, "orders", bytes([number]))))
            await member.came.wait()
        member.gate.set()
        await asyncio.gather(*tasks)
    assert member.sizes == [1, 1, 1]


def test_a_member_sets_the_pace_only_so_far() -> None:
    pace = _Pace()
    assert pace.gap("orders") == 0.0
    pace.took("reveals", 0.004)
    assert pace.gap("orders") == pace.gap("reveals") == 0.004
    for _ in range(100):
        pace.took("reveals", 60.0)
    assert pace.gap("orders") == pace.gap("reveals") == LONGEST_GAP_S
