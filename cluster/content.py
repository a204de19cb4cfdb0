"""Payloads between the chain, the content store and the journal; and the result that says "invalid input"."""

from __future__ import annotations

from typing import Final

from mlbridge.errors import MLBridgeError
from mlbridge.models import PolicyRule
from mlbridge.protocol import content as tagged
from mlbridge.protocol.cid import RAW, cid_to_bytes
from mlbridge.protocol.content import MAX_INLINE_PAYLOAD, Inline
from mlbridge.protocol.encoding import encode
from mlbridge.protocol.hashing import payload_root
from mlbridge.protocol.payload import MAX_INPUT_BYTES
from mlbridge.protocol.types import Vote
from mlbridge.protocol.unixfs import CHUNK_BYTES
from mlbridge.storage import ContentStore

INVALID_INPUT: Final = encode({"error": "input.invalid"})
"""The payload that members commit to when the input itself cannot be run.

Without it a requester could have every honest member of a committee punished as absent, by one malformed
input. It is the same for every member, so the committee agrees on it and is paid for having looked.
"""

# What makes an input unusable for everybody alike. Content that is merely not there is not among them: one
# member may reach what another does not. Nor is `content.corrupt`: that is a damaged disk here.
_INVALID_ROOMS: Final = ("payload.", "encoding.", "input.")
_INVALID_CONTENT: Final = frozenset(
    {
        "content.too_large",
        "content.bad_tag",
        "content.bad_reference",
        "content.bad_cid",
        "content.form",
        "content.root",
    }
)


def is_invalid_input(error: MLBridgeError) -> bool:
    """Whether this error means that no member can run the input."""
    return error.code.startswith(_INVALID_ROOMS) or error.code in _INVALID_CONTENT


async def payload_of(data: bytes, store: ContentStore, *, limit: int = MAX_INPUT_BYTES) -> bytes:
    """The payload that tagged bytes carry or point to, checked against its hash.

    Raises MLBridgeError `content.*` (`content.root`: the CID leads to another payload; `content.form`: to a
    directory, or to a file cut into blocks as no content of this size is) or `storage.*`.
    """
    said = tagged.parse(data)
    if isinstance(said, Inline):
        return said.payload
    if limit <= CHUNK_BYTES and cid_to_bytes(said.cid)[1] != RAW:
        # Known without fetching it, so that members who reach it and members who do not agree.
        raise MLBridgeError(
            "content.form",
            f"{said.cid} names a tree of blocks; content of at most {limit} bytes is a single block.",
            hint="Store the payload as `mlbridge` does: CID version 1, raw leaves, chunks of 256 KiB.",
        )
    payload = await store.get(said.cid, max_bytes=limit)
    if payload_root(payload) != said.root:
        raise MLBridgeError(
            "content.root", f"The content {said.cid} does not have the hash it was announced with."
        )
    return payload


async def content_for(payload: bytes, store: ContentStore) -> bytes:
    """Tagged bytes for a result: the payload where it fits on chain, else a reference to where it now is."""
    if len(payload) <= MAX_INLINE_PAYLOAD:
        return tagged.inline(payload)
    return tagged.reference(payload, await store.put(payload))


def judge(rule: PolicyRule, own: bytes, candidate: bytes | None) -> Vote:
    """The vote on a candidate by somebody whose own result is `own`; a candidate nobody can fetch is GREY."""
    if candidate is None:
        return Vote.GREY
    if INVALID_INPUT in (own, candidate):
        return Vote.ACCEPT if own == candidate else Vote.REJECT
    return rule.judge(own, candidate)
