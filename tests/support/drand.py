"""drand relays on this machine: rounds of contracts/test/vectors/bls.json, and all kinds of lies."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from contracts.anvil import free_port
from contracts.drand import CHAIN_HASH
from tests.support.lane_servers import serving

VECTORS: Final = Path(__file__).parents[2] / "contracts" / "test" / "vectors" / "bls.json"
LIARS: Final = (
    "wrong",
    "other",
    "infinity",
    "garbage",
    "list",
    "short",
    "nothex",
    "silent",
    "huge",
    "packed",
    "error",
    "elsewhere",
    "hang",
)


@cache
def vectors() -> dict[str, Any]:
    """The published values, checked when they were written."""
    return dict(json.loads(VECTORS.read_text()))


@cache
def rounds() -> dict[int, dict[str, Any]]:
    """Published rounds by number: time (unix seconds), compressed, signature and randomness (0x hex)."""
    return {entry["round"]: entry for entry in vectors()["drand"]}


@dataclass
class RelayServer:
    """One web server; `/<way>/...` behaves in that way. asked: requests by way."""

    base: str
    asked: Counter[str] = field(default_factory=Counter)

    def urls(self, *ways: str) -> tuple[str, ...]:
        return tuple(f"{self.base}/{way}" for way in ways)

    async def answer(self, request: Request) -> Response:
        way, number = request.path_params["way"], request.path_params["number"]
        self.asked[way] += 1
        assert request.path_params["chain"] == CHAIN_HASH
        entry = rounds().get(number)
        if entry is None:
            return Response(status_code=404)
        told = {"round": number, "signature": entry["compressed"][2:], "randomness": entry["randomness"][2:]}
        if way == "honest":
            return JSONResponse(told)
        if way == "hang":
            await asyncio.sleep(3_600)
        if way == "huge":
            return StreamingResponse(_huge())
        another = next(one for one in rounds().values() if one["round"] != number)["compressed"][2:]
        mirrored = bytes([int(told["signature"][:2], 16) ^ 0x20]).hex() + told["signature"][2:]
        lies: dict[str, Response] = {
            "wrong": JSONResponse(told | {"signature": mirrored}),
            "other": JSONResponse(told | {"signature": another}),
            "infinity": JSONResponse(told | {"signature": "c0" + "00" * 47}),
            "garbage": Response(b"\x00 not json"),
            "list": JSONResponse([told]),
            "short": JSONResponse(told | {"signature": told["signature"][:-2]}),
            "nothex": JSONResponse(told | {"signature": "zz" * 48}),
            "silent": JSONResponse({"round": number}),
            "packed": Response(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}),
            "error": JSONResponse(told, status_code=500),
            "elsewhere": Response(status_code=307, headers={"Location": f"{self.base}/honest"}),
        }
        return lies[way]


async def _huge() -> AsyncIterator[bytes]:
    for _ in range(64):
        yield b"[" * 65_536


@contextlib.asynccontextmanager
async def relay_server() -> AsyncIterator[RelayServer]:
    """Relays of every way on a port of this machine."""
    port = free_port()
    server = RelayServer(f"http://127.0.0.1:{port}")
    route = Route("/{way}/{chain}/public/{number:int}", server.answer)
    async with serving(Starlette(routes=[route]), port):
        yield server
