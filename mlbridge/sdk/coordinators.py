"""What a requester asks of a coordinator of the channel lane over HTTP, and believes in nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

import aiohttp
from pydantic_core import from_json

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.answers import MAX_TOLD, Settlement, Told

PATIENCE_S: Final = 15.0
WAIT_S: Final = 60.0
_RETRY: Final = "retry_after_s"
_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=PATIENCE_S, sock_read=WAIT_S + PATIENCE_S)


@dataclass(frozen=True, slots=True)
class CoordinatorTerms:
    """What a coordinator says of itself. share: basis points of each price."""

    coordinator: str
    share: int
    chain_id: int
    channels: str


class Coordinator(Protocol):
    """What a requester asks of one; each call raises as CoordinatorDoor does."""

    url: str

    async def terms(self) -> CoordinatorTerms:
        """Who it is."""
        ...

    async def order(self, offer: bytes, wait_s: float) -> Told:
        """Hand over an order, or ask again for the same one. offer: as it travels."""
        ...

    async def settlement(self, digest: bytes) -> Settlement:
        """Where an order stands in a batch. Raises `lane.not_settled` while none holds it."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class CoordinatorDoor:
    """One coordinator over HTTP. Raises MLBridgeError: `coordinator.unreachable` (may be tried again),
    `coordinator.lie` for what cannot be read, or the code of its problem document, with retry_after_s where
    it names one.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def terms(self) -> CoordinatorTerms:
        """Who it is."""
        answer = await self._ask("GET", "/v1/lane")
        try:
            told = from_json(answer)
            return CoordinatorTerms(
                str(told["coordinator"]), int(told["share"]), int(told["chain_id"]), str(told["channels"])
            )
        except (KeyError, TypeError, ValueError) as error:
            raise self._unreadable("what it says of itself") from error

    async def order(self, offer: bytes, wait_s: float) -> Told:
        """Hand over an order, or ask again for the same one. offer: as it travels."""
        wait = f"{min(wait_s, WAIT_S):.3f}"
        answer = await self._ask("POST", f"/v1/lane/orders?wait={wait}", content=offer)
        return Told.from_bytes(answer)

    async def settlement(self, digest: bytes) -> Settlement:
        """Where an order stands in a batch. Raises `lane.not_settled` while none holds it."""
        answer = await self._ask("GET", f"/v1/lane/orders/0x{digest.hex()}/proof")
        return Settlement.from_bytes(answer)

    async def _ask(self, method: str, path: str, *, content: bytes | None = None) -> bytes:
        if self._session is None:
            # Many orders may be under way, each for as long as its model takes.
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=_TIMEOUT)
        headers = {"Content-Type": "application/cbor"} if content is not None else {}
        try:
            async with self._session.request(
                method, self.url + path, data=content, headers=headers, allow_redirects=False
            ) as answer:
                body = await _body(answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise MLBridgeError(
                "coordinator.unreachable",
                f"The coordinator at {self.url} does not answer ({type(error).__name__}).",
                hint="Try again; an order that it has taken is found again by its bytes.",
            ) from error
        if answer.status >= 300:
            raise self._problem(answer.status, answer.headers.get("Retry-After", ""), body)
        return body

    def _problem(self, status: int, after: str, body: bytes) -> MLBridgeError:
        try:
            found: Any = from_json(body)
            code, detail, hint = str(found["code"]), str(found["detail"]), str(found.get("hint", ""))
        except (AttributeError, KeyError, TypeError, ValueError):
            code, detail, hint = "coordinator.http", f"It answered with status {status}.", ""
        context: dict[str, Any] = {}
        if status in (429, 502, 503, 504):
            context[_RETRY] = int(after) if after.isdecimal() and len(after) < 4 else 1
        return MLBridgeError(code, detail[:500], hint=hint[:500], exit_code=4, **context)

    def _unreadable(self, what: str) -> MLBridgeError:
        return MLBridgeError(
            "coordinator.lie",
            f"The coordinator at {self.url} answers nonsense: {what} cannot be read.",
            hint="Choose another coordinator.",
        )


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    """At most a piece more than an answer may have."""
    read = bytearray()
    while len(read) <= MAX_TOLD and (piece := await answer.content.readany()):
        read += piece
    return bytes(read)


def retry_after(error: MLBridgeError) -> float | None:
    """Seconds after which the same request may work; None: never."""
    if error.code == "coordinator.unreachable":
        return 0.5
    after = error.context.get(_RETRY)
    return float(after) if isinstance(after, int | float) else None
