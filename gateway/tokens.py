"""Counts the tokens of inputs with the model's own tokenizer, fetched by its manifest.

The few tokens that a chat template adds are not counted. A model whose tokenizer cannot be had counts 0.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import structlog

from gateway.catalogue import Catalogue
from mlbridge.errors import MLBridgeError
from mlbridge.sdk import AsyncClient

log = structlog.get_logger(__name__)

TOKENIZER = "tokenizer.json"
MAX_BYTES = 32 * 2**20
AGAIN_S = 300.0
LONGEST_S = 2.0


class TokenCounter:
    """One tokenizer a model, kept once it was had."""

    def __init__(self, client: AsyncClient, catalogue: Catalogue) -> None:
        self._client, self._catalogue = client, catalogue
        self._kept: dict[str, Any] = {}
        self._missed: dict[str, float] = {}

    async def count(self, model: str, texts: Sequence[str]) -> int:
        """Tokens of all texts together. Raises MLBridgeError `model.unknown`."""
        tokenizer = await self._tokenizer(model)
        if tokenizer is None:
            return 0
        try:
            async with asyncio.timeout(LONGEST_S):
                encode = partial(tokenizer.encode_batch, list(texts), add_special_tokens=False)
                encoded = await asyncio.to_thread(encode)
        except TimeoutError:
            # Whoever published the model wrote its tokenizer: one that stalls is never asked again.
            log.warning("tokenizer_slow", model=model)
            self._kept[(await self._catalogue.find(model)).id] = None
            return 0
        return sum(len(item.ids) for item in encoded)

    async def _tokenizer(self, name: str) -> Any:
        model = await self._catalogue.find(name)
        if model.id not in self._kept and time.monotonic() >= self._missed.get(model.id, 0.0):
            try:
                manifest = await self._client.manifest(model.info)
                file = next((item for item in manifest.files if item.path == TOKENIZER), None)
                self._kept[model.id] = None if file is None else await self._fetch(file.cid)
            except MLBridgeError as error:
                log.warning("tokenizer_missing", model=name, code=error.code, reason=error.message)
                self._missed[model.id] = time.monotonic() + AGAIN_S
        return self._kept.get(model.id)

    async def _fetch(self, cid: str) -> Any:
        from tokenizers import Tokenizer

        store = self._client.store
        if store is None:
            raise MLBridgeError("storage.none", "There is no content store.")
        data = await store.get(cid, max_bytes=MAX_BYTES)
        try:
            tokenizer = await asyncio.to_thread(Tokenizer.from_buffer, data)
        except Exception as error:  # the library raises bare Exception for a file that it cannot read
            raise MLBridgeError("tokenizer.unreadable", f"The tokenizer cannot be read: {error}.") from error
        # What is counted is the text, not what a batch is filled up or cut to.
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer
