"""Answers of members, nodes and attesters: read whole, and no further than they may be long."""

from __future__ import annotations

from typing import Final

import aiohttp

PLAIN: Final = {"Accept-Encoding": "identity"}
"""Header fields of a session that does not unpack: a small answer must not become a large one."""


async def read_body(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The body, or the first `most` bytes and at least one more of a longer one.

    StreamReader.read(n) would give whatever came in the first packet.
    """
    read = bytearray()
    while len(read) <= most and (piece := await response.content.readany()):
        read += piece
    return bytes(read)
