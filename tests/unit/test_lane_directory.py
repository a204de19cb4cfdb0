"""Where members answer: what their pages say, and what is not believed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from contracts.anvil import free_port
from coordinator.lane.directory import Directory
from mlbridge.protocol.nodepage import MAX_ACCOUNTS, MAX_PAGE
from tests.support.lane_servers import serving

MODEL = bytes(31) + b"\x07"
ID = "0x" + MODEL.hex()


@pytest.fixture
async def pages() -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Base URL, and what each node's page says."""
    said: dict[str, Any] = {}

    async def page(request: Request) -> Response:
        found = said[request.path_params["name"]]
        return found if isinstance(found, Response) else JSONResponse(found)

    port = free_port()
    async with serving(Starlette(routes=[Route("/{name}/node", page)]), port):
        yield f"http://127.0.0.1:{port}", said


async def read(base: str, *names: str) -> Directory:
    async with aiohttp.ClientSession() as session:
        directory = Directory([f"{base}/{name}" for name in names], session)
        await directory.refresh()
    return directory


def page(base: str, *accounts: int, path: str = "m") -> dict[str, Any]:
    models = [{"id": ID, "endpoint": f"{base}/{path}/"}]
    return {"accounts": {str(account): {} for account in accounts}, "models": models}


async def test_a_page_says_where_its_accounts_answer(pages: tuple[str, dict[str, Any]]) -> None:
    base, said = pages
    said["a"] = page(base, 4, 6)
    directory = await read(base, "a")
    assert directory.endpoints(4, MODEL) == [f"{base}/m"]
    assert directory.endpoints(6, MODEL) == [f"{base}/m"]
    assert directory.endpoints(8, MODEL) == []
    assert directory.endpoints(4, bytes(32)) == []


async def test_of_several_who_claim_an_account_the_one_that_signs_is_asked_first(
    pages: tuple[str, dict[str, Any]],
) -> None:
    base, said = pages
    said["thief"], said["owner"] = page(base, 4, path="a"), page(base, 4, path="z")
    directory = await read(base, "thief", "owner")
    assert directory.endpoints(4, MODEL) == [f"{base}/a", f"{base}/z"]
    assert directory.in_turn(4, MODEL) == [[f"{base}/a", f"{base}/z"]]
    directory.disproved(4, f"{base}/a")
    assert directory.endpoints(4, MODEL) == [f"{base}/z", f"{base}/a"]
    directory.proved(4, f"{base}/z")
    assert directory.endpoints(4, MODEL) == [f"{base}/z", f"{base}/a"]
    assert directory.in_turn(4, MODEL) == [[f"{base}/z"], [f"{base}/a"]]
    assert directory.in_turn(6, MODEL) == []


@pytest.mark.parametrize(
    "bad",
    [
        {"accounts": {"4": {}}, "models": [{"id": ID, "endpoint": "http://169.254.169.254/m"}]},
        {"accounts": {"4": {}}, "models": [{"id": ID, "endpoint": "file:///etc/passwd"}]},
        {"accounts": {"4": {}}, "models": [{"id": "0xzz", "endpoint": "http://x"}]},
        {"accounts": [4], "models": []},
        {"models": []},
        [],
        RedirectResponse("http://127.0.0.1:1/node"),
        Response(b"{" * MAX_PAGE + b"x"),
        Response(b"[" * 100_000),
    ],
)
async def test_a_page_that_is_none_says_nothing(pages: tuple[str, dict[str, Any]], bad: Any) -> None:
    base, said = pages
    said["bad"], said["good"] = bad, page(base, 6)
    directory = await read(base, "bad", "good")
    assert directory.endpoints(4, MODEL) == []
    assert directory.endpoints(6, MODEL) == [f"{base}/m"]


async def test_a_page_claims_no_more_than_a_node_can_have(pages: tuple[str, dict[str, Any]]) -> None:
    base, said = pages
    said["a"] = page(base, *range(4, 4 + MAX_ACCOUNTS))
    said["bomb"] = page(base, *range(1_000, 1_001 + MAX_ACCOUNTS))
    directory = await read(base, "a", "bomb")
    assert directory.endpoints(4, MODEL) == [f"{base}/m"]
    assert directory.endpoints(1_000, MODEL) == []


async def test_a_page_may_come_in_several_pieces(pages: tuple[str, dict[str, Any]]) -> None:
    base, said = pages
    whole = JSONResponse(page(base, 4)).body

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(whole), 16):
            yield bytes(whole[at : at + 16])
            await asyncio.sleep(0.01)

    said["a"] = StreamingResponse(pieces())
    assert (await read(base, "a")).endpoints(4, MODEL) == [f"{base}/m"]


async def test_a_node_that_is_away_keeps_what_it_said(pages: tuple[str, dict[str, Any]]) -> None:
    base, said = pages
    said["a"] = page(base, 4)
    async with aiohttp.ClientSession() as session:
        directory = Directory([f"{base}/a"], session)
        await directory.refresh()
        said["a"] = Response(status_code=500)
        await directory.refresh()
    assert directory.endpoints(4, MODEL) == [f"{base}/m"]
