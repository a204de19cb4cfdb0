"""Rounds of drand's quicknet from its relays: asked one after the other, believed in nothing.

A round has one valid signature under the network's key (docs/design/randomness.md). It is checked here, so
that a relay that lies costs no transaction; DrandSource checks it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import httpx2
import structlog

from contracts import bls
from mlbridge.errors import MLBridgeError
from mlbridge.outside import ask

log = structlog.get_logger(__name__)

CHAIN_HASH: Final = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
"""Names quicknet to relays. It and the key: docs.drand.love, "quicknet"."""
KEY: Final = bls.decompress_key(
    bytes.fromhex(
        "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451"
        "0d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
    )
)
TAG: Final = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
PERIOD: Final = 3
"""Seconds from one round to the next."""
PATIENCE_S: Final = 5.0
MAX_ANSWER: Final = 4_096
_COMPRESSED: Final = 48


class DrandRelays:
    """urls: of relays, without the chain's hash, the first to ask first; patience_s: with each of them."""

    def __init__(self, urls: Sequence[str], *, patience_s: float = PATIENCE_S) -> None:
        self.urls = tuple(urls)
        self._patience_s = patience_s
        self._client = httpx2.AsyncClient(timeout=patience_s)

    async def signature(self, number: int) -> bytes:
        """The signature of a round, 128 bytes, from the first relay whose answer proves itself.

        Raises MLBridgeError `drand.no_relays` or `drand.no_round`.
        """
        if not self.urls:
            raise no_relays()
        for url in self.urls:
            try:
                return await self._ask(url, number)
            except (MLBridgeError, ValueError) as error:
                log.warning("drand_relay_failed", url=url, round=number, reason=str(error))
        raise MLBridgeError(
            "drand.no_round",
            f"None of {len(self.urls)} drand relays gave round {number}.",
            hint="Ask again in some seconds, or name other relays: drand_relays in the network's file, or"
            " lane.drand_relays in the coordinator's.",
            retry_after=PERIOD,
        )

    async def _ask(self, url: str, number: int) -> bytes:
        answer = await ask(
            self._client,
            "GET",
            f"{url}/{CHAIN_HASH}/public/{number}",
            max_bytes=MAX_ANSWER,
            patience_s=self._patience_s,
        )
        if answer.status != httpx2.codes.OK:
            raise ValueError(f"HTTP status {answer.status}")
        fields = answer.json()
        if not isinstance(fields, dict) or not isinstance(fields.get("signature"), str):
            raise ValueError("the answer holds no signature")
        compressed = bytes.fromhex(fields["signature"])
        if len(compressed) != _COMPRESSED:
            raise ValueError("the signature is not of 48 bytes")
        signature = bls.decompress(compressed)
        if not bls.is_signed(signature, KEY, sha256(number.to_bytes(8, "big")).digest(), TAG):
            raise ValueError("the signature is not that of the round")
        return signature

    async def close(self) -> None:
        """Let go of its connections."""
        await self._client.aclose()


def no_relays() -> MLBridgeError:
    """The beacon's source is drand, and nobody can be asked for its rounds."""
    return MLBridgeError(
        "drand.no_relays",
        "Seeds of this network are rounds of drand, and no drand relay is named.",
        hint="Name some: drand_relays in the network's file, or lane.drand_relays in the coordinator's;"
        " or leave posting to others with lane.post_seeds: false. Public ones: https://api.drand.sh,"
        " https://drand.cloudflare.com.",
        exit_code=2,
    )
