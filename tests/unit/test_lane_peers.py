"""Peers that lie, stall, lead elsewhere or send bombs hold up nobody and are never followed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from cluster.lane.peers import Peers
from contracts.anvil import free_port
from mlbridge.protocol import exchange
from mlbridge.protocol.exchange import Revealed, write_answer
from mlbridge.protocol.orders712 import Attestation, Domain
from mlbridge.protocol.wire import Signed, sign
from tests.support.lane_servers import serving

MODEL = bytes(31) + b"\x07"
ID = "0x" + MODEL.hex()
ORDER = b"\x05" * 32
SIGNED = sign(Attestation(ORDER, 2, *[bytes(32)] * 3), Domain(1, "0x" + "00" * 20), b"\x01" * 32)


class Village:
    """Nodes under one port. pages: what each says; asked: paths that were asked for attestations."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.pages: dict[str, Any] = {}
        self.asked: list[str] = []

    async def node(self, request: Request) -> Response:
        found = self.pages[request.path_params["name"]]
        return found if isinstance(found, Response) else JSONResponse(found)

    async def attestations(self, request: Request) -> Response:
        self.asked.append(request.path_params["name"])
        return Response(exchange.join([write_answer(Revealed(SIGNED))]))

    def page(self, endpoint: str) -> dict[str, Any]:
        return {"models": [{"id": ID, "endpoint": endpoint}]}

    async def heard(self, *names: str) -> list[Signed[Attestation]]:
        peers = Peers([f"{self.base}/{name}/node" for name in names])
        try:
            return await peers.attestations(MODEL, ORDER)
        finally:
            await peers.close()


@pytest.fixture
async def village() -> AsyncIterator[Village]:
    port = free_port()
    made = Village(f"http://127.0.0.1:{port}")
    routes = [
        Route("/{name}/node", made.node),
        Route("/{name}/v1/lane/attestations", made.attestations, methods=["POST"]),
    ]
    async with serving(Starlette(routes=routes), port):
        made.pages["honest"] = made.page(f"{made.base}/honest/")
        yield made


async def drops() -> AsyncIterator[bytes]:
    for _ in range(200):
        yield b" "
        await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    "page",
    [
        {"models": [{"id": ID, "endpoint": "http://[::1"}]},
        {"models": [{"id": ID, "endpoint": 7}]},
        {"models": [{"id": 7}]},
        {"models": {"id": ID}},
        {"models": 7},
        [],
        Response(b"[" * 60_000),
        Response(b"x" * (2 << 20)),
        Response(status_code=500),
    ],
)
async def test_a_page_that_is_none_holds_up_nobody(village: Village, page: Any) -> None:
    village.pages["bad"] = page
    assert await village.heard("bad", "honest") == [SIGNED]


async def test_a_peer_that_stalls_holds_up_nobody(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.lane.peers._TIMEOUT_S", 0.5)
    village.pages["slow"] = StreamingResponse(drops())
    assert await village.heard("slow", "honest") == [SIGNED]


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:{other}/x", "{base}/elsewhere?x=", "{base}/elsewhere#x"]
)
async def test_a_peer_leads_nowhere_but_to_itself(village: Village, endpoint: str) -> None:
    strange = Village("")
    port = free_port()
    route = Route("/{name}/v1/lane/attestations", strange.attestations, methods=["POST"])
    async with serving(Starlette(routes=[route]), port):
        village.pages["bad"] = village.page(endpoint.format(other=port, base=village.base))
        assert await village.heard("bad", "honest") == [SIGNED]
    assert strange.asked == []
    assert village.asked == ["honest"]


async def test_a_peer_that_moved_is_found_again(village: Village) -> None:
    peers = Peers([f"{village.base}/honest/node"])
    await peers.attestations(MODEL, ORDER)
    village.pages["honest"] = village.page(f"{village.base}/moved")
    assert await peers.attestations(MODEL, ORDER) == [SIGNED]
    await peers.close()
    assert village.asked == ["honest", "moved"]
