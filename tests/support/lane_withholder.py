"""A coordinator that does everything with an order except bring its answer.

It stands before an honest one, which takes the commitments, closes sets, reveals, and settles; what it tells
the requester is its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Literal

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contracts.anvil import free_port
from mlbridge.protocol.answers import Told
from tests.support.lane_servers import serving

Manner = Literal["silent", "failed", "lies", "drops", "refuses", "honest"]
WAIT_S = 30.0


@dataclass
class Withholder:
    """manner: of its answers; names: whether it says who its members are; told: what the honest coordinator
    said to each order, once it said it.
    """

    url: str
    behind: str
    manner: Manner
    names: bool = True
    told: list[Told] = field(default_factory=list)
    _work: dict[bytes, asyncio.Task[Told]] = field(default_factory=dict)

    async def terms(self, _: Request) -> Response:
        async with httpx2.AsyncClient(timeout=WAIT_S) as http:
            said = (await http.get(self.behind + "/v1/lane")).json()
        return JSONResponse(said | ({} if self.names else {"members": []}))

    async def order(self, request: Request) -> Response:
        """It answers once it has the answer itself, except where it says nothing at all."""
        body = await request.body()
        work = self._work.get(body)
        if work is None:
            work = self._work[body] = asyncio.create_task(self._pass_on(body))
        if self.manner == "silent":
            await asyncio.sleep(float(request.query_params["wait"]))
            return _told(Told("open"))
        if self.manner == "drops":
            return Response(status_code=500)
        told = await asyncio.shield(work)
        if self.manner == "failed":
            return _told(Told("failed", reason="the seats disagree"))
        if self.manner == "refuses":
            return JSONResponse({"code": "order.price", "detail": "too cheap"}, status_code=400)
        return _told(replace(told, output=b"its own") if self.manner == "lies" else told)

    async def _pass_on(self, body: bytes) -> Told:
        headers = {"Content-Type": "application/cbor"}
        async with httpx2.AsyncClient(timeout=WAIT_S) as http:
            path = f"{self.behind}/v1/lane/orders?wait={WAIT_S:.0f}"
            told = Told.from_bytes((await http.post(path, content=body, headers=headers)).content)
        self.told.append(told)
        return told


@contextlib.asynccontextmanager
async def withholder(behind: str, manner: Manner, *, names: bool = True) -> AsyncIterator[Withholder]:
    """One before the coordinator at this URL."""
    port = free_port()
    made = Withholder(f"http://127.0.0.1:{port}", behind, manner, names)
    routes = [
        Route("/v1/lane", made.terms),
        Route("/v1/lane/orders", made.order, methods=["POST"]),
    ]
    async with serving(Starlette(routes=routes), port):
        yield made
    for task in made._work.values():
        task.cancel()
    await asyncio.gather(*made._work.values(), return_exceptions=True)


def _told(told: Told) -> Response:
    return Response(told.to_bytes(), media_type="application/cbor")
