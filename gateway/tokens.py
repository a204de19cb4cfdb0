"""Counts the tokens of inputs with the model's own tokenizer, fetched by its manifest.

The few tokens that a chat template adds are not counted. A model whose tokenizer cannot be had counts 0.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import structlog

from gateway.catalogue import Catalogue, Model
from mlbridge.errors import MLBridgeError
from mlbridge.sdk import AsyncClient

log = structlog.get_logger(__name__)

TOKENIZER = "tokenizer.json"
MAX_BYTES = 32 * 2**20
AGAIN_S = 300.0
LONGEST_S = 2.0
FETCH_S = 10.0
THREADS = 4

T = TypeVar("T")


class TokenCounter:
    """One tokenizer a model, kept once it was had.

    They are strangers' files in threads of their own, one a model at a time: one that never comes to an end
    must leave the process the threads that everything else needs.
    """

    def __init__(self, client: AsyncClient, catalogue: Catalogue) -> None:
        self._client, self._catalogue = client, catalogue
        self._kept: dict[str, Any] = {}
        self._missed: dict[str, float] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="gateway-tokens")

    def close(self) -> None:
        """Let go of the threads; one that is stuck is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def count(self, model: str, texts: Sequence[str]) -> int:
        """Tokens of all texts together. Raises MLBridgeError `model.unknown`."""
        found = await self._catalogue.find(model)
        async with self._turns[found.id]:
            tokenizer = await self._tokenizer(found)
            if tokenizer is None:
                return 0
            encode = partial(tokenizer.encode_batch, list(texts), add_special_tokens=False)
            try:
                async with asyncio.timeout(LONGEST_S):
                    encoded = await self._apart(encode)
            except TimeoutError:
                # Whoever published the model wrote its tokenizer: one that stalls is never asked again.
                log.warning("tokenizer_slow", model=model)
                self._kept[found.id] = None
                return 0
        return sum(len(item.ids) for item in encoded)

    async def _apart(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _tokenizer(self, model: Model) -> Any:
        if model.id not in self._kept and time.monotonic() >= self._missed.get(model.id, 0.0):
            try:
                async with asyncio.timeout(FETCH_S):
                    manifest = await self._client.manifest(model.info)
                    file = next((item for item in manifest.files if item.path == TOKENIZER), None)
                    self._kept[model.id] = None if file is None else await self._fetch(file.cid)
            except (MLBridgeError, TimeoutError) as error:
                log.warning("tokenizer_missing", model=model.name, reason=str(error) or "it took too long")
                self._missed[model.id] = time.monotonic() + AGAIN_S
        return self._kept.get(model.id)

    async def _fetch(self, cid: str) -> Any:
        from tokenizers import Tokenizer

        store = self._client.store
        if store is None:
            raise MLBridgeError("storage.none", "There is no content store.")
        data = await store.get(cid, max_bytes=MAX_BYTES)
        try:
            tokenizer: Any = await self._apart(partial(Tokenizer.from_buffer, data))
        except Exception as error:  # the library raises bare Exception for a file that it cannot read
            raise MLBridgeError("tokenizer.unreadable", f"The tokenizer cannot be read: {error}.") from error
        # What is counted is the text, not what a batch is filled up or cut to.
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer
