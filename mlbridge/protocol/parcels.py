"""What travels between machines beside single signed messages (wire.py): terms, closed sets, evidence.

Canonical CBOR maps with a "type"; anything but the one spelling of some parcel raises MLBridgeError
`message.malformed`. Whether what was read is true is for its reader to check.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.encoding import decode, encode
from mlbridge.protocol.evidence import MAX_SEATS, Evidence
from mlbridge.protocol.member_side import SetClosed
from mlbridge.protocol.orders712 import ChannelTerms, ClosedSet
from mlbridge.protocol.spelling import (
    parse_evidence,
    parse_one,
    parse_terms,
    spell_evidence,
    spell_terms,
)
from mlbridge.protocol.wire import parse as parse_message

MAX_BYTES: Final = 32 << 10

P = TypeVar("P")


def terms_to_bytes(terms: ChannelTerms) -> bytes:
    """A channel's terms."""
    return encode({"type": "ChannelTerms", "terms": spell_terms(terms)})


def terms_from_bytes(data: bytes) -> ChannelTerms:
    """A channel's terms."""
    return _read(data, "ChannelTerms", ("terms",), lambda f: parse_terms(f["terms"]), terms_to_bytes)


def set_to_bytes(closed: SetClosed) -> bytes:
    """A closed set with its commitments."""
    return encode({"type": "SetClosed", "closed": closed.signed.to_bytes(), "words": list(closed.words)})


def set_from_bytes(data: bytes) -> SetClosed:
    """A closed set with its commitments: at most 15 of 32 bytes."""
    return _read(data, "SetClosed", ("closed", "words"), _set, set_to_bytes)


def evidence_to_bytes(evidence: Evidence) -> bytes:
    """What settles one order."""
    fields = {"terms": spell_terms(evidence.terms), "evidence": spell_evidence(evidence)}
    return encode({"type": "Evidence", **fields})


def evidence_from_bytes(data: bytes) -> Evidence:
    """What settles one order."""
    return _read(
        data,
        "Evidence",
        ("terms", "evidence"),
        lambda f: parse_evidence(parse_terms(f["terms"]), f["evidence"]),
        evidence_to_bytes,
    )


def _set(fields: dict[str, Any]) -> SetClosed:
    if not isinstance(fields["closed"], bytes) or not isinstance(fields["words"], list):
        raise ValueError("its members are not bytes and a list")
    if len(fields["words"]) > MAX_SEATS:
        raise ValueError("a committee has at most 15 seats")
    words = tuple(parse_one("word", word) for word in fields["words"])
    return SetClosed(parse_message(fields["closed"], ClosedSet), words)


def _read(
    data: bytes,
    name: str,
    members: tuple[str, ...],
    read: Callable[[dict[str, Any]], P],
    write: Callable[[P], bytes],
) -> P:
    try:
        fields = decode(data, max_bytes=MAX_BYTES)
        if not isinstance(fields, dict) or fields.keys() != {"type", *members} or fields["type"] != name:
            raise ValueError("it holds something else")
        parcel = read(fields)
    except (MLBridgeError, TypeError, ValueError) as error:
        raise _malformed(name, str(error)) from error
    if write(parcel) != data:
        raise _malformed(name, "it is not spelt as it must be")
    return parcel


def _malformed(name: str, reason: str) -> MLBridgeError:
    return MLBridgeError(
        "message.malformed",
        f"The {name} cannot be read: {reason}.",
        hint="Build it with mlbridge.protocol.parcels.",
        exit_code=2,
    )
