"""The coordinator's door: nobody without the token has a body read, and nobody a large one."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from coordinator import door as door_module
from coordinator.door import MAX_BODY_BYTES, Door

TOKEN = "the-token"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with how many bytes it was given."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


class Caller:
    """One request in pieces of 64 KiB; counts how many were asked for."""

    def __init__(self, size: int) -> None:
        self.left, self.asked = size, 0
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        self.asked += 1
        piece = min(self.left, 65_536)
        self.left -= piece
        return {"type": "http.request", "body": b"x" * piece, "more_body": self.left > 0}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def call(self, path: str = "/v1/tasks", **headers: str) -> tuple[int, str]:
        named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope: dict[str, Any] = {"type": "http", "path": path, "method": "POST", "headers": named}
        await Door(echo, token=TOKEN)(scope, self.receive, self.send)
        return self.sent[0]["status"], self.sent[1]["body"].decode()


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer \xff"])
async def test_without_the_token_nothing_is_read(given: str) -> None:
    caller = Caller(10**9)
    status, body = await caller.call(authorization=given)
    assert (status, json.loads(body)["code"]) == (401, "http.unauthorized")
    assert caller.asked == 0
    assert (b"www-authenticate", b"Bearer") in caller.sent[0]["headers"]


@pytest.mark.parametrize("announced", [{}, {"content_length": str(10**9)}, {"content_length": "7"}])
async def test_a_large_body_is_refused_as_soon_as_it_shows(announced: dict[str, str]) -> None:
    caller = Caller(10**9)
    status, body = await caller.call(authorization=f"Bearer {TOKEN}", **announced)
    assert (status, json.loads(body)["code"]) == (413, "http.too_large")
    assert caller.asked == (0 if announced.get("content_length") == str(10**9) else 9)


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/lane/orders"])
async def test_a_body_that_comes_drop_by_drop_is_not_waited_for(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "BODY_S", 0.2)
    caller = Caller(10)

    async def drops() -> Message:
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b"x", "more_body": True}

    monkeypatch.setattr(caller, "receive", drops)
    status, body = await caller.call(path, authorization=f"Bearer {TOKEN}")
    assert (status, json.loads(body)["code"]) == (408, "http.too_slow")


@pytest.mark.parametrize("size", [0, 1, 100_000, MAX_BODY_BYTES])
async def test_the_application_gets_the_whole_body(size: int) -> None:
    assert await Caller(size).call(authorization=f"bearer {TOKEN}") == (200, str(size))


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json"])
async def test_health_needs_no_token(path: str) -> None:
    assert await Caller(0).call(path) == (200, "0")
