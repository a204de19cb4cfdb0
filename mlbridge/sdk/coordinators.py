"""What a requester asks of a coordinator of the channel lane over HTTP, and believes in nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Final, Protocol

import httpx2

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.answers import MAX_TOLD, Settlement, Told
from mlbridge.protocol.streams import FrameReader, Kind

PATIENCE_S: Final = 15.0
WAIT_S: Final = 60.0
_RETRY: Final = "retry_after_s"
_CBOR: Final = {"Content-Type": "application/cbor"}


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

    def stream(self, offer: bytes) -> AsyncGenerator[tuple[Kind, bytes], None]:
        """Hand over an order as `order` does, and listen; ends after a TOLD frame, or breaks off."""
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
        self._http = httpx2.AsyncClient(timeout=httpx2.Timeout(PATIENCE_S, read=WAIT_S + PATIENCE_S))

    async def close(self) -> None:
        await self._http.aclose()

    async def terms(self) -> CoordinatorTerms:
        """Who it is."""
        answer = await self._ask("GET", "/v1/lane")
        try:
            told = answer.json()
            return CoordinatorTerms(
                str(told["coordinator"]), int(told["share"]), int(told["chain_id"]), str(told["channels"])
            )
        except (KeyError, TypeError, ValueError) as error:
            raise self._unreadable("what it says of itself") from error

    async def order(self, offer: bytes, wait_s: float) -> Told:
        """Hand over an order, or ask again for the same one. offer: as it travels."""
        wait = f"{min(wait_s, WAIT_S):.3f}"
        answer = await self._ask("POST", f"/v1/lane/orders?wait={wait}", content=offer)
        return Told.from_bytes(answer.content[: MAX_TOLD + 1])

    async def stream(self, offer: bytes) -> AsyncGenerator[tuple[Kind, bytes], None]:
        """Hand over an order as `order` does, and listen; ends after a TOLD frame, or breaks off."""
        reader = FrameReader()
        try:
            async with self._http.stream(
                "POST", self.url + "/v1/lane/streams", content=offer, headers=_CBOR
            ) as answer:
                if answer.status_code >= 400:
                    await answer.aread()
                    raise self._problem(answer)
                async for piece in answer.aiter_raw():
                    for found in reader.feed(piece):
                        yield found
        except httpx2.HTTPError as error:
            raise self._unreachable(error) from error

    async def settlement(self, digest: bytes) -> Settlement:
        """Where an order stands in a batch. Raises `lane.not_settled` while none holds it."""
        answer = await self._ask("GET", f"/v1/lane/orders/0x{digest.hex()}/proof")
        return Settlement.from_bytes(answer.content)

    async def _ask(self, method: str, path: str, *, content: bytes | None = None) -> httpx2.Response:
        headers = _CBOR if content is not None else {}
        try:
            answer = await self._http.request(method, self.url + path, content=content, headers=headers)
        except httpx2.HTTPError as error:
            raise self._unreachable(error) from error
        if answer.status_code >= 400:
            raise self._problem(answer)
        return answer

    def _unreachable(self, error: Exception) -> MLBridgeError:
        return MLBridgeError(
            "coordinator.unreachable",
            f"The coordinator at {self.url} does not answer ({type(error).__name__}).",
            hint="Try again; an order that it has taken is found again by its bytes.",
        )

    def _problem(self, answer: httpx2.Response) -> MLBridgeError:
        try:
            found: Any = answer.json()
            code, detail, hint = str(found["code"]), str(found["detail"]), str(found.get("hint", ""))
        except (AttributeError, KeyError, TypeError, ValueError):
            code, detail, hint = "coordinator.http", f"It answered with status {answer.status_code}.", ""
        after = answer.headers.get("retry-after", "")
        context: dict[str, Any] = {}
        if answer.status_code in (429, 502, 503, 504):
            context[_RETRY] = int(after) if after.isdecimal() and len(after) < 4 else 1
        return MLBridgeError(code, detail[:500], hint=hint[:500], exit_code=4, **context)

    def _unreadable(self, what: str) -> MLBridgeError:
        return MLBridgeError(
            "coordinator.lie",
            f"The coordinator at {self.url} answers nonsense: {what} cannot be read.",
            hint="Choose another coordinator.",
        )


def retry_after(error: MLBridgeError) -> float | None:
    """Seconds after which the same request may work; None: never."""
    if error.code == "coordinator.unreachable":
        return 0.5
    after = error.context.get(_RETRY)
    return float(after) if isinstance(after, int | float) else None
