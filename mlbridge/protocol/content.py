"""Tagged bytes that carry an input or a result on chain (docs/design/direct-lane.md, "Content on chain").

`0x00 || payload`, or `0x01 || keccak256(payload) || binary CID` for what is too big to carry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.cid import CID_BYTES, cid_from_bytes, cid_to_bytes
from mlbridge.protocol.hashing import payload_root

MAX_CONTENT_BYTES: Final = 4096
MAX_INLINE_PAYLOAD: Final = MAX_CONTENT_BYTES - 1

_INLINE: Final = 0
_REFERENCE: Final = 1
_REFERENCE_BYTES: Final = 1 + 32 + CID_BYTES


@dataclass(frozen=True, slots=True)
class Inline:
    """The payload itself."""

    payload: bytes

    @property
    def root(self) -> bytes:
        """keccak256 of the payload."""
        return payload_root(self.payload)


@dataclass(frozen=True, slots=True)
class Reference:
    """Where the payload is: its keccak256 (32 bytes) and its CID."""

    root: bytes
    cid: str


def inline(payload: bytes) -> bytes:
    """Tagged bytes carrying the payload. Raises MLBridgeError `content.too_large` above 4,095 bytes."""
    if len(payload) > MAX_INLINE_PAYLOAD:
        raise MLBridgeError(
            "content.too_large",
            f"A payload of {len(payload)} bytes does not fit on chain (at most {MAX_INLINE_PAYLOAD}).",
            hint="Put it into storage and submit a reference to it.",
        )
    return bytes((_INLINE,)) + payload


def reference(payload: bytes, cid: str) -> bytes:
    """Tagged bytes pointing to the payload stored at cid. Raises MLBridgeError `content.bad_cid`."""
    return bytes((_REFERENCE,)) + payload_root(payload) + cid_to_bytes(cid)


def parse(data: bytes) -> Inline | Reference:
    """What tagged bytes say.

    Raises MLBridgeError `content.too_large`, `content.bad_tag`, `content.bad_reference` or `content.bad_cid`.
    """
    if len(data) > MAX_CONTENT_BYTES:
        raise MLBridgeError(
            "content.too_large", f"{len(data)} bytes of content, more than the chain's {MAX_CONTENT_BYTES}."
        )
    if data[:1] == bytes((_INLINE,)):
        return Inline(bytes(data[1:]))
    if data[:1] != bytes((_REFERENCE,)):
        raise MLBridgeError(
            "content.bad_tag", "The content starts with neither 0x00 (inline) nor 0x01 (reference)."
        )
    if len(data) != _REFERENCE_BYTES:
        raise MLBridgeError(
            "content.bad_reference",
            f"A reference has {_REFERENCE_BYTES} bytes (tag, hash, CID), not {len(data)}.",
        )
    return Reference(bytes(data[1:33]), cid_from_bytes(bytes(data[33:])))


def root_of(data: bytes) -> bytes:
    """keccak256 of the payload that tagged bytes carry or name, whatever they say about where it lies.

    Raises MLBridgeError `content.bad_tag` or `content.bad_reference`.
    """
    if data[:1] == bytes((_REFERENCE,)) and len(data) > 33:
        return bytes(data[1:33])
    return parse(data).root
