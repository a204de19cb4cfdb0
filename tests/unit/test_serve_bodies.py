"""JSON bodies of a replica's routes: whatever is sent, the replica and its model live on."""

from __future__ import annotations

import pytest
import web3
from starlette.requests import Request
from starlette.types import Message

from mlbridge.errors import MLBridgeError
from serve.bodies import read_json


def request(body: bytes) -> Request:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)


async def test_an_object_is_read() -> None:
    assert await read_json(request(b'{"a": [1]}')) == {"a": [1]}


@pytest.mark.parametrize("body", [b"[" * 60_000, b'{"a":' * 60_000, b"", b"[]", b"1", b"\xff", b"{"])
async def test_what_is_no_object_is_refused(body: bytes) -> None:
    assert web3 is not None  # one of its dependencies raises the limit of recursion
    with pytest.raises(MLBridgeError) as caught:
        await read_json(request(body))
    assert caught.value.code == "request.json"
