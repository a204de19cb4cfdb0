"""Other providers' nodes, asked for what they attested: so the seats of a withheld order find each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import httpx2
import structlog

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import exchange
from mlbridge.protocol.exchange import Revealed
from mlbridge.protocol.orders712 import Attestation
from mlbridge.protocol.wire import Signed

log = structlog.get_logger()

_TIMEOUT_S: Final = 5.0
_LARGEST: Final = 1 << 20


class Peers:
    """urls: of providers' /node, as their provider files advertise them."""

    def __init__(self, urls: Sequence[str], *, client: httpx2.AsyncClient | None = None) -> None:
        self._urls = list(urls)
        self._client = client or httpx2.AsyncClient(timeout=_TIMEOUT_S)
        self._endpoints: dict[tuple[str, bytes], str] = {}

    async def attestations(self, model_id: bytes, order: bytes) -> list[Signed[Attestation]]:
        """What peers say that they attested of an order; whether it is true is for the caller to check."""
        found = []
        for url in self._urls:
            try:
                found += await self._ask(url, model_id, order)
            except (httpx2.HTTPError, MLBridgeError, ValueError, KeyError, TypeError) as error:
                log.info("lane_peer_failed", peer=url, problem=f"{type(error).__name__} {error}".strip())
        return found

    async def _ask(self, url: str, model_id: bytes, order: bytes) -> list[Signed[Attestation]]:
        endpoint = await self._endpoint(url, model_id)
        if endpoint is None:
            return []
        answer = await self._client.post(
            f"{endpoint}/v1/lane/attestations", content=exchange.join([order]), timeout=_TIMEOUT_S
        )
        if answer.status_code != httpx2.codes.OK or len(answer.content) > _LARGEST:
            return []
        told = [exchange.read_answer(item) for item in exchange.split(answer.content)]
        return [item.attestation for item in told if isinstance(item, Revealed)]

    async def _endpoint(self, url: str, model_id: bytes) -> str | None:
        """Where a peer serves a model; None if it does not."""
        key = (url, model_id)
        if key not in self._endpoints:
            models = (await self._client.get(url, timeout=_TIMEOUT_S)).json()["models"]
            for model in models:
                self._endpoints[(url, bytes.fromhex(model["id"][2:]))] = str(model["endpoint"])
        return self._endpoints.get(key)

    async def close(self) -> None:
        await self._client.aclose()
