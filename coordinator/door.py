"""Before the HTTP application: who may come in, and with how much."""

from __future__ import annotations

import asyncio
import hmac

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coordinator.problems import problem

# Requests are texts, short lists of messages and small pictures, as JSON.
MAX_BODY_BYTES = 512 * 1024
BODY_S = 30.0
OPEN = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json"})
# Channel orders bear their requester's signature, so they need no token.
SIGNED = "/v1/lane"


class Door:
    """ASGI middleware: checks the bearer token, then the size, before a body is read into memory.

    token: what `Authorization: Bearer` must carry on every path but those that are open to all, and those
    whose requests are signed.
    """

    def __init__(self, app: ASGIApp, *, token: str, max_bytes: int = MAX_BODY_BYTES) -> None:
        self._app, self._token, self._max_bytes = app, token.encode(), max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        signed = scope["path"] == SIGNED or scope["path"].startswith(SIGNED + "/")
        if not signed and not self._known(headers.get(b"authorization", b"")):
            await _unauthorised(scope, receive, send)
            return
        try:
            async with asyncio.timeout(BODY_S):
                body = await self._body(headers.get(b"content-length", b"0"), receive)
        except TimeoutError:
            # Drop by drop it would hold memory and a connection for as long as its sender likes.
            await _too_slow(scope, receive, send)
            return
        if body is None:
            await self._too_large(scope, receive, send)
            return
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)

    def _known(self, authorization: bytes) -> bool:
        scheme, _, given = authorization.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), self._token)

    async def _body(self, announced: bytes, receive: Receive) -> bytes | None:
        """The whole body; None as soon as it proves too large."""
        if announced.isdigit() and int(announced) > self._max_bytes:
            return None
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self._max_bytes:
                return None
            more = message["type"] == "http.request" and message.get("more_body", False)
        return body

    async def _too_large(self, scope: Scope, receive: Receive, send: Send) -> None:
        facts = {
            "code": "http.too_large",
            "detail": f"A request has at most {self._max_bytes} bytes.",
            "hint": "Send a smaller input, or split it over several tasks.",
        }
        await problem(413, "http.too_large", facts, {"Connection": "close"})(scope, receive, send)


async def _too_slow(scope: Scope, receive: Receive, send: Send) -> None:
    facts = {
        "code": "http.too_slow",
        "detail": f"The body did not come within {BODY_S:g} s.",
        "hint": "Send it again over a faster connection.",
    }
    await problem(408, "http.too_slow", facts, {"Connection": "close"})(scope, receive, send)


async def _unauthorised(scope: Scope, receive: Receive, send: Send) -> None:
    facts = {
        "code": "http.unauthorized",
        "detail": "This route needs the coordinator's bearer token.",
        "hint": "Send `Authorization: Bearer <token>`; the token is in the file http.token of its home.",
    }
    headers = {"WWW-Authenticate": "Bearer", "Connection": "close"}
    await problem(401, "http.unauthorized", facts, headers)(scope, receive, send)
