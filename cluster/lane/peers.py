"""Other providers' nodes, asked for what they attested: so the seats of a withheld order find each other.

A peer may be hostile: it is bounded in size, time and depth, and leads nowhere but to its own origin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import httpx2
import structlog

from mlbridge import outside
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import exchange
from mlbridge.protocol.exchange import Revealed
from mlbridge.protocol.orders712 import Attestation
from mlbridge.protocol.wire import Signed

log = structlog.get_logger()

_TIMEOUT_S: Final = 5.0
_LARGEST: Final = 1 << 20
_MAX_MODELS: Final = 1_024


class Peers:
    """urls: of providers' /node, as their provider files advertise them."""

    def __init__(self, urls: Sequence[str], *, client: httpx2.AsyncClient | None = None) -> None:
        self._urls = list(urls)
        self._client = client or httpx2.AsyncClient(timeout=_TIMEOUT_S)

    async def attestations(self, model_id: bytes, order: bytes) -> list[Signed[Attestation]]:
        """What peers say that they attested of an order; whether it is true is for the caller to check."""
        told = await asyncio.gather(*(self._told(url, model_id, order) for url in self._urls))
        return [signed for some in told for signed in some]

    async def _told(self, url: str, model_id: bytes, order: bytes) -> list[Signed[Attestation]]:
        try:
            return await self._ask(url, model_id, order)
        except (MLBridgeError, ValueError, KeyError, TypeError) as error:
            log.info("lane_peer_failed", peer=url, problem=f"{type(error).__name__} {error}".strip())
            return []

    async def _ask(self, url: str, model_id: bytes, order: bytes) -> list[Signed[Attestation]]:
        endpoint = await self._endpoint(url, model_id)
        if endpoint is None:
            return []
        answer = await outside.ask(
            self._client,
            "POST",
            f"{endpoint}/v1/lane/attestations",
            content=exchange.join([order]),
            max_bytes=_LARGEST,
            patience_s=_TIMEOUT_S,
        )
        if answer.status != httpx2.codes.OK:
            return []
        told = [exchange.read_answer(item) for item in exchange.split(answer.body)]
        return [item.attestation for item in told if isinstance(item, Revealed)]

    async def _endpoint(self, url: str, model_id: bytes) -> str | None:
        """Where a peer serves a model now; None if it does not."""
        page = await outside.ask(self._client, "GET", url, max_bytes=_LARGEST, patience_s=_TIMEOUT_S)
        wanted = "0x" + model_id.hex()
        models = page.json()["models"]
        if not isinstance(models, list) or len(models) > _MAX_MODELS:
            raise ValueError("the page lists no models, or too many")
        for model in models:
            if model["id"] == wanted:
                endpoint = str(model["endpoint"])
                # It could otherwise send us anywhere, also to machines that only we can reach.
                if _origin(endpoint) != _origin(url):
                    raise ValueError("a model answers at another origin than its node")
                return endpoint.rstrip("/")
        return None

    async def close(self) -> None:
        await self._client.aclose()


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        raise ValueError("a model's endpoint is no plain URL")
    return parts.scheme, parts.netloc
