"""Batches of the channel lane in storage, found by what their headers say."""

from __future__ import annotations

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import batch_data
from mlbridge.protocol.batch import Batch
from mlbridge.storage.base import ContentStore


async def fetch_batch(content: ContentStore, data: bytes) -> Batch:
    """The batch whose stored bytes have this digest. data: as the header has it, 32 bytes.

    Raises `content.*` or `batch.unreadable`.
    """
    problem: MLBridgeError | None = None
    for cid in batch_data.cids(data):
        try:
            stored = await content.get(cid, max_bytes=batch_data.MAX_BYTES)
        except MLBridgeError as error:
            problem = problem or error
            continue
        return batch_data.from_bytes(stored)
    raise problem or MLBridgeError("content.missing", "The batch's bytes cannot be had.", exit_code=5)
