"""The gateway's door for requests without a key: which paths it opens, and how much it reads there."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from gateway import door as door_module
from gateway.door import SIGNED_BODY, Door
from gateway.metrics import Metrics

MAX_BODY = 2**20


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with how many bytes it was given."""
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(len(message["body"])).encode()})


async def call(path: str, body: bytes, *, drips: bool = False) -> tuple[int, Any]:
    """Status and document of one request without a key. drips: its body never ends."""
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.sleep(0.01 if drips else 0)
        return {"type": "http.request", "body": body, "more_body": drips}

    async def send(message: Message) -> None:
        sent.append(message)

    nobody: Any = None
    door = Door(echo, keys=nobody, limiter=nobody, metrics=Metrics(), max_body=MAX_BODY, names_requests=True)
    await door({"type": "http", "path": path, "method": "POST", "headers": []}, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


@pytest.mark.parametrize("path", ["/v1/lane", "/v1/lane/orders", "/v1/lane/streams"])
async def test_signed_orders_need_no_key(path: str) -> None:
    assert await call(path, b"x" * SIGNED_BODY) == (200, SIGNED_BODY)


@pytest.mark.parametrize("path", ["/v1/lanes", "/v1/tasks", "/v1", "/v1/lane-orders", "//v1/lane/orders"])
async def test_nothing_else_is_open(path: str) -> None:
    status, problem = await call(path, b"")
    assert (status, problem["code"]) == (401, "key.missing")


async def test_who_needs_no_key_sends_less() -> None:
    assert SIGNED_BODY < MAX_BODY
    status, problem = await call("/v1/lane/orders", b"x" * (SIGNED_BODY + 1))
    assert (status, problem["code"]) == (413, "http.too_large")
    assert str(SIGNED_BODY) in problem["detail"]


async def test_a_body_that_never_ends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_module, "BODY_S", 0.1)
    status, problem = await call("/v1/lane/orders", b"", drips=True)
    assert (status, problem["code"]) == (408, "http.too_slow")
