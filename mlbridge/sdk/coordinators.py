"""What a requester asks of a coordinator of the channel lane over HTTP, and believes in nothing."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Final, Protocol

import httpx2
import structlog

from mlbridge.errors import MLBridgeError
from mlbridge.outside import Answer, ask
from mlbridge.protocol.answers import (
    MAX_NODE_URL,
    MAX_NODES,
    MAX_SETTLEMENT,
    MAX_TOLD,
    Settlement,
    Told,
    one_line,
)
from mlbridge.protocol.streams import MAX_STREAM_BYTES, FrameReader, Kind

PATIENCE_S: Final = 15.0
WAIT_S: Final = 60.0
MAX_PAGE: Final = 64 << 10
CONNECTIONS: Final = 100
KEPT_CONNECTIONS: Final = 20
_RETRY: Final = "retry_after_s"
_CBOR: Final = {"Content-Type": "application/cbor"}
_CODE: Final = re.compile(r"[a-z_]{1,24}\.[A-Za-z_]{1,48}", re.ASCII)
# What keeps an order's fate open: nothing that can be read was said about the order itself.
_UNTOLD: Final = frozenset({"coordinator", "http", "message"})

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CoordinatorTerms:
    """What a coordinator says of itself. share: basis points of each price; nodes: base URLs of the provider
    nodes that it asks, as far as it names them.
    """

    coordinator: str
    share: int
    chain_id: int
    channels: str
    nodes: tuple[str, ...] = ()


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
    """One coordinator over HTTP. connections: most at once, None: no limit.

    Raises MLBridgeError: `coordinator.unreachable` (may be tried again), `coordinator.lie` for what cannot be
    read, or the code of its problem document, with retry_after_s where it names one.
    """

    def __init__(self, url: str, *, connections: int | None = CONNECTIONS) -> None:
        self.url = url.rstrip("/")
        self._http = httpx2.AsyncClient(
            timeout=httpx2.Timeout(PATIENCE_S, read=WAIT_S + PATIENCE_S),
            limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=KEPT_CONNECTIONS),
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def terms(self) -> CoordinatorTerms:
        """Who it is."""
        answer = await self._ask("GET", "/v1/lane")
        try:
            told = answer.json()
            return CoordinatorTerms(
                str(told["coordinator"]),
                int(told["share"]),
                int(told["chain_id"]),
                str(told["channels"]),
                _nodes(told.get("members", [])),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._unreadable("what it says of itself cannot be read.") from error

    async def order(self, offer: bytes, wait_s: float) -> Told:
        """Hand over an order, or ask again for the same one. offer: as it travels."""
        wait_s = min(wait_s, WAIT_S)
        path = f"/v1/lane/orders?wait={wait_s:.3f}"
        answer = await self._ask("POST", path, content=offer, max_bytes=MAX_TOLD, wait_s=wait_s)
        return Told.from_bytes(answer.body)

    async def stream(self, offer: bytes) -> AsyncGenerator[tuple[Kind, bytes], None]:
        """Hand over an order as `order` does, and listen; ends after a TOLD frame, or breaks off."""
        reader, left = FrameReader(), MAX_STREAM_BYTES + MAX_TOLD
        url, headers = self.url + "/v1/lane/streams", {"Accept-Encoding": "identity", **_CBOR}
        try:
            async with self._http.stream(
                "POST", url, content=offer, headers=headers, follow_redirects=False
            ) as answer:
                refused = b""
                async for piece in answer.aiter_raw():
                    left -= len(piece)
                    if left < 0:
                        raise self._unreadable("its stream is longer than any answer.")
                    if answer.status_code == 200:
                        for found in reader.feed(piece):
                            yield found
                    elif len(refused) <= MAX_PAGE:
                        refused += piece
                if answer.status_code != 200:
                    raise self._problem(Answer(answer.status_code, {**answer.headers}, refused))
        except httpx2.HTTPError as error:
            raise self._unreachable(type(error).__name__) from error

    async def settlement(self, digest: bytes) -> Settlement:
        """Where an order stands in a batch. Raises `lane.not_settled` while none holds it."""
        answer = await self._ask(
            "GET", f"/v1/lane/orders/0x{digest.hex()}/proof", max_bytes=MAX_SETTLEMENT, wait_s=WAIT_S
        )
        return Settlement.from_bytes(answer.body)

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        max_bytes: int = MAX_PAGE,
        wait_s: float = 0.0,
    ) -> Answer:
        headers = _CBOR if content is not None else {}
        try:
            answer = await ask(
                self._http,
                method,
                self.url + path,
                content=content,
                headers=headers,
                max_bytes=max_bytes,
                patience_s=wait_s + PATIENCE_S,
            )
        except MLBridgeError as error:
            if error.code != "outside.silent":
                raise self._unreadable(error.message) from error
            raise self._unreachable(error.message) from error
        if answer.status >= 400:
            raise self._problem(answer)
        return answer

    def _unreachable(self, why: str) -> MLBridgeError:
        return MLBridgeError(
            "coordinator.unreachable",
            f"The coordinator at {self.url} does not answer: {why}",
            hint="Try again; an order that it has taken is found again by its bytes.",
        )

    def _problem(self, answer: Answer) -> MLBridgeError:
        code, detail, hint = "coordinator.http", f"It answered with status {answer.status}.", ""
        try:
            found: Any = answer.json()
            if _CODE.fullmatch(told := str(found["code"])):
                detail, hint = one_line(str(found["detail"])), one_line(str(found.get("hint", "")))
                code = told
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            log.info("coordinator_problem_unreadable", url=self.url, reason=type(error).__name__)
        after = answer.headers.get("retry-after", "")
        context: dict[str, Any] = {}
        if answer.status >= 500 or answer.status == 429:
            # It broke, or something on the way did: whether it took the order nobody knows.
            context[_RETRY] = int(after) if after.isdecimal() and len(after) < 4 else 1
        return MLBridgeError(code, detail, hint=hint, exit_code=4, **context)

    def _unreadable(self, what: str) -> MLBridgeError:
        return MLBridgeError(
            "coordinator.lie",
            f"The coordinator at {self.url} answers nonsense: {what}",
            hint="Choose another coordinator.",
        )


def _nodes(told: Any) -> tuple[str, ...]:
    """URLs among what a coordinator names; it names whom it likes."""
    if not isinstance(told, list):
        raise ValueError("it lists no members")
    fit = (one for one in told if isinstance(one, str) and len(one) <= MAX_NODE_URL)
    return tuple(one for one in fit if one.startswith(("http://", "https://")))[:MAX_NODES]


def retry_after(error: MLBridgeError) -> float | None:
    """Seconds after which the same request may work; None: never."""
    if error.code == "coordinator.unreachable":
        return 0.5
    after = error.context.get(_RETRY)
    return float(after) if isinstance(after, int | float) else None


def refuses(error: MLBridgeError) -> bool:
    """Whether a coordinator said that it does not take an order; if not, it may have taken it."""
    return retry_after(error) is None and error.code.split(".")[0] not in _UNTOLD
