"""The CIDs ML Bridge uses: version 1, raw or dag-pb, sha2-256; base32 text, 36 bytes in binary.

One spelling for each content, so that a CID can be compared and hashed as it stands.
"""

from __future__ import annotations

import hashlib
from typing import Final

from multiformats import CID, multicodec

from mlbridge.errors import MLBridgeError

RAW: Final = 0x55
DAG_PB: Final = 0x70
CID_BYTES: Final = 36

_SHA2_256: Final = b"\x12\x20"
_TEXT_LENGTH: Final = 59


def block_cid(codec: int, block: bytes) -> bytes:
    """Binary CID of one block; codec RAW or DAG_PB."""
    return bytes((1, codec)) + _SHA2_256 + hashlib.sha256(block).digest()


def cid_from_bytes(data: bytes) -> str:
    """Text form of a binary CID. Raises MLBridgeError `content.bad_cid`."""
    if len(data) != CID_BYTES or data[0] != 1 or data[1] not in (RAW, DAG_PB) or data[2:4] != _SHA2_256:
        raise MLBridgeError(
            "content.bad_cid",
            "The bytes are not a CID of version 1 with codec raw or dag-pb and a sha2-256 hash.",
            hint="Add the content with `ipfs add --cid-version=1`.",
        )
    return str(CID("base32", 1, multicodec.get(code=data[1]), data[2:]))


def cid_to_bytes(cid: str) -> bytes:
    """Binary form (36 bytes) of a CID in base32. Raises MLBridgeError `content.bad_cid`."""
    try:
        if len(cid) == _TEXT_LENGTH:
            data = bytes(CID.decode(cid))
            if cid_from_bytes(data) == cid:
                return data
    except (ValueError, KeyError, IndexError, MLBridgeError):
        pass
    raise MLBridgeError(
        "content.bad_cid",
        f"{cid[:80]!r} is not a CID of version 1 in base32 with codec raw or dag-pb and a sha2-256 hash.",
        hint="Convert it with `ipfs cid base32`, or add the content with `ipfs add --cid-version=1`.",
    )
