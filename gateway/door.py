"""Before the HTTP application: who asks, how often, with how much. Every answer gets its request id."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from typing import Any

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.keys import ApiKey, Keys
from gateway.limiter import Limiter, exceeded
from gateway.metrics import Metrics
from gateway.refusals import is_openai, refusal
from mlbridge.errors import MLBridgeError

log = structlog.get_logger(__name__)

OPEN = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json"})
SIGNED = "/v1/lane"
"""Orders below it bear their requester's signature, so they need no key."""
SIGNED_BODY = 256 << 10
BODY_S = 30.0
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_ROUTES = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/models",
    "/v1/tasks",
    "/v1/receipts",
    SIGNED,
)


class Door:
    """ASGI middleware. Sets `request.state.key` on every path but those that are open to all or signed, and
    `request.state.headers`, which every answer gets.

    names_requests: whether answers get their request id here; Ray Serve gives it to them by itself.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        keys: Keys,
        limiter: Limiter,
        metrics: Metrics,
        max_body: int,
        names_requests: bool,
    ) -> None:
        self._app, self._keys, self._limiter = app, keys, limiter
        self._metrics, self._max_body, self._names = metrics, max_body, names_requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send, self._names)
        try:
            if scope["path"] not in OPEN:
                receive = await self._admit(scope, receive, answer)
            await self._app(scope, receive, answer.send)
        except MLBridgeError as error:
            await refusal(scope["path"], error)(scope, receive, answer.send)
        except Exception:
            log.exception("request_failed", path=scope["path"], request_id=answer.request_id)
            if answer.begun:
                raise  # cuts the connection, so that nobody takes half an answer for a whole one
            await refusal(scope["path"], _broken(answer.request_id))(scope, receive, answer.send)
        finally:
            route = next((name for name in _ROUTES if scope["path"].startswith(name)), "other")
            self._metrics.requests.labels(route, str(answer.status)).inc()
            self._metrics.seconds.labels(route).observe(time.monotonic() - answer.began)

    async def _admit(self, scope: Scope, receive: Receive, answer: _Answer) -> Receive:
        """Sets the key; the body, read. Raises MLBridgeError `key.*`, `rate.exceeded`, `http.too_large`,
        `http.too_slow`.
        """
        headers: dict[bytes, bytes] = dict(scope["headers"])
        signed = scope["path"] == SIGNED or scope["path"].startswith(SIGNED + "/")
        if not signed:
            key = await self._key(headers.get(b"authorization", b""))
            room = await self._limiter.take(key.id, key.rate)
            answer.headers.update(room.headers(openai=is_openai(scope["path"])))
            if not room.allowed:
                raise exceeded(room, "This key")
            scope["state"]["key"] = key
        most = min(SIGNED_BODY, self._max_body) if signed else self._max_body
        try:
            async with asyncio.timeout(BODY_S):
                body = await _body(headers.get(b"content-length", b"0"), receive, most)
        except TimeoutError as error:
            # Drop by drop it would hold memory and a connection for as long as its sender likes.
            raise MLBridgeError(
                "http.too_slow",
                f"The body did not come within {BODY_S:g} s.",
                hint="Send it again over a faster connection.",
            ) from error
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        return again

    async def _key(self, authorization: bytes) -> ApiKey:
        scheme, _, text = authorization.decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not text.strip():
            raise MLBridgeError(
                "key.missing",
                "This route needs an API key.",
                hint="Send `Authorization: Bearer mlb_sk_...`; `mlbridge gateway key create` makes a key.",
                exit_code=3,
            )
        return await self._keys.open(text.strip())


async def _body(announced: bytes, receive: Receive, most: int) -> bytes:
    """The whole body, unless it proves larger than `most` bytes."""
    pieces: list[bytes] = []
    size = int(announced) if announced.isdigit() else 0
    more = size <= most
    size = 0 if more else size
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        more = message["type"] == "http.request" and message.get("more_body", False)
        more = more and size <= most
    if size > most:
        raise MLBridgeError(
            "http.too_large",
            f"A request has at most {most} bytes.",
            hint="Send a smaller input, or split it over several requests.",
            exit_code=2,
        )
    return b"".join(pieces)


class _Answer:
    """What goes out: its status, and the headers that every answer gets."""

    def __init__(self, scope: Scope, send: Send, names_requests: bool) -> None:
        asked = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        self.request_id = asked if _REQUEST_ID.fullmatch(asked) else f"req_{uuid.uuid4().hex}"
        self.headers: dict[str, str] = {"x-request-id": self.request_id} if names_requests else {}
        scope.setdefault("state", {}).update(request_id=self.request_id, headers=self.headers)
        self.began, self.begun, self.status = time.monotonic(), False, 0
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun, self.status = True, message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in self.headers.items():
                headers[name] = value
        await self._send(message)


def _broken(request_id: str) -> MLBridgeError:
    context: dict[str, Any] = {"request_id": request_id}
    return MLBridgeError(
        "gateway.failed",
        f"Something in the gateway broke; its log knows request {request_id}.",
        hint="Try again; if it stays, tell the operator.",
        **context,
    )
