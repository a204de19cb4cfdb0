"""Where members answer: read from the pages of the nodes that this coordinator was told of.

A node says which accounts are its own, and may lie. Where several claim one account, those whose signatures
were right come first; one that answers for somebody else is asked last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import aiohttp
import structlog
from pydantic_core import from_json

from coordinator.lane.bodies import read_body
from mlbridge.protocol.nodepage import MAX_PAGE, Key, claims

log = structlog.get_logger(__name__)

PATIENCE_S: Final = 5.0


class Directory:
    """Endpoints by (account, model id). nodes: base URLs, such as https://gpu.example/m."""

    def __init__(self, nodes: Sequence[str], session: aiohttp.ClientSession) -> None:
        self._nodes, self._session = tuple(nodes), session
        self._claims: dict[str, dict[Key, str]] = {}
        self._trust: dict[tuple[int, str], int] = {}

    async def refresh(self) -> None:
        """Read every node's page; a node that does not answer keeps what it said last."""
        await asyncio.gather(*(self._read(node) for node in self._nodes))

    def endpoints(self, account: int, model_id: bytes) -> list[str]:
        """Where an account's model may answer, the likeliest first."""
        found = {
            claims[account, model_id] for claims in self._claims.values() if (account, model_id) in claims
        }
        return sorted(found, key=lambda url: (-self._trust.get((account, url), 0), url))

    def in_turn(self, account: int, model_id: bytes) -> list[list[str]]:
        """The same: who has proved to be the account one after the other, then all others together."""
        found = self.endpoints(account, model_id)
        proved = [url for url in found if self._trust.get((account, url), 0) > 0]
        others = found[len(proved) :]
        return [*([url] for url in proved), *([others] if others else [])]

    def proved(self, account: int, url: str) -> None:
        """An answer from there bore the account's signature."""
        self._trust[account, url] = 1

    def disproved(self, account: int, url: str) -> None:
        """An answer from there bore another signature."""
        self._trust[account, url] = -1

    async def _read(self, node: str) -> None:
        url = node.rstrip("/") + "/node"
        try:
            async with self._session.get(
                url, timeout=aiohttp.ClientTimeout(total=PATIENCE_S), allow_redirects=False
            ) as response:
                body = await read_body(response, MAX_PAGE)
            if len(body) > MAX_PAGE:
                raise ValueError("the page is too long")
            self._claims[node] = dict(claims(from_json(body), node))
        except (aiohttp.ClientError, TimeoutError, OSError, KeyError, TypeError, ValueError) as error:
            log.info("node_page_unreadable", node=node, reason=str(error) or type(error).__name__)
