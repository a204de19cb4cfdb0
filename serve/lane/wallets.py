"""Signatures of contract accounts (ERC-1271), asked of a chain node."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import httpx2

from mlbridge.errors import MLBridgeError

_MAGIC: Final = bytes.fromhex("1626ba7e")
_GAS: Final = 200_000  # what somebody else's code may cost our chain node
_KEPT: Final = 4_096
_TIMEOUT_S: Final = 3.0


class ChainWallets:
    """Asks `isValidSignature`; a yes is remembered for each wallet, digest and signature."""

    def __init__(self, rpc_url: str, *, client: httpx2.AsyncClient | None = None) -> None:
        self._url = rpc_url
        self._client = client or httpx2.AsyncClient(timeout=_TIMEOUT_S)
        self._taken: OrderedDict[tuple[str, bytes, bytes], None] = OrderedDict()

    async def signed(self, wallet: str, digest: bytes, signature: bytes) -> bool:
        """Whether a wallet (checksummed address) takes the signature of a 32-byte digest for its own.

        Raises MLBridgeError `lane.stale` where the chain node does not answer.
        """
        key = (wallet, digest, signature)
        if key not in self._taken:
            if not await self._ask(wallet, digest, signature):
                return False
            self._taken[key] = None
            if len(self._taken) > _KEPT:
                self._taken.popitem(last=False)
        return True

    async def _ask(self, wallet: str, digest: bytes, signature: bytes) -> bool:
        head = (64).to_bytes(32, "big") + len(signature).to_bytes(32, "big")
        data = _MAGIC + digest + head + signature + bytes(-len(signature) % 32)
        call = {"to": wallet, "data": "0x" + data.hex(), "gas": hex(_GAS)}
        body = {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [call, "latest"]}
        try:
            answer = (await self._client.post(self._url, json=body)).json()
        except (httpx2.HTTPError, ValueError) as error:
            raise MLBridgeError(
                "lane.stale", "The chain node that knows the requester does not answer.", retry_after=5
            ) from error
        # A revert is an error of the call: the wallet does not take it.
        return bool(answer.get("result") == "0x" + (_MAGIC + bytes(28)).hex())
