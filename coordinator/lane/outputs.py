"""The answer itself: of what the winners handed over, the first that is what they attested."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import MAX_OUTPUT_BYTES
from mlbridge.storage import ContentStore

log = structlog.get_logger(__name__)


async def first_right(
    handed: Sequence[bytes | str],
    is_right: Callable[[bytes], bool],
    content: ContentStore | None,
    patience_s: float,
) -> tuple[bytes | None, str | None]:
    """A right payload, or the CID of one; else nothing.

    handed: payloads and CIDs. CIDs are looked for side by side, and only where no payload is right: a winner
    that points to nowhere holds up nobody.
    """
    for output in handed:
        if isinstance(output, bytes) and is_right(output):
            return output, None
    cids = list(dict.fromkeys(output for output in handed if isinstance(output, str)))
    if content is None or not cids:
        return None, None
    looking = [asyncio.create_task(_look(cid, is_right, content)) for cid in cids]
    try:
        async with asyncio.timeout(patience_s):
            for found in asyncio.as_completed(looking):
                if (cid := await found) is not None:
                    return None, cid
    except TimeoutError:
        log.info("lane_output_missing", cids=len(cids))
    finally:
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)
    return None, None


async def _look(cid: str, is_right: Callable[[bytes], bool], content: ContentStore) -> str | None:
    try:
        found = await content.get(cid, max_bytes=MAX_OUTPUT_BYTES)
    except MLBridgeError as error:
        log.info("lane_output_missing", reason=error.message)
        return None
    return cid if is_right(found) else None
