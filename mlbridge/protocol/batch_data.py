"""The bytes of a batch that lie in storage, and back. Canonical CBOR, one spelling for each batch.

{"version", "terms": [...], "tasks": [...], "entries": [...]}; a task is [leaf, place of its terms, order, its
signature, result, seats, outcome], spelt as spelling.py says. Terms stand once, in the order of first use.
"""

from __future__ import annotations

from typing import Any, Final

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.batch import Batch, Item
from mlbridge.protocol.cid import DAG_PB, RAW, cid_from_bytes, cid_to_bytes
from mlbridge.protocol.encoding import decode, encode
from mlbridge.protocol.evidence import Outcome
from mlbridge.protocol.leaves import LedgerLeaf, TaskLeaf
from mlbridge.protocol.orders712 import ChannelTerms
from mlbridge.protocol.spelling import (
    parse,
    parse_evidence,
    parse_one,
    parse_terms,
    spell,
    spell_evidence,
    spell_terms,
)
from mlbridge.protocol.unixfs import cid_of

MAX_BYTES: Final = 64 << 20
VERSION: Final = 1

_LEAF: Final = (32, "word", 32, 32, "debit", "debit", "flag", "word", "word")
_ENTRY: Final = (32, "party", 32, "amount", "amount", "flag")
_OUTCOME: Final = ("word", "address", *["amount"] * 5)
_CID_HEAD: Final = bytes((1, RAW)) + b"\x12\x20"


def to_bytes(batch: Batch) -> bytes:
    """What is stored."""
    places: dict[ChannelTerms, int] = {}
    tasks = []
    for item in batch.items:
        place = places.setdefault(item.evidence.terms, len(places))
        *fees, winners = item.outcome.as_tuple()
        leaf, outcome = spell(_LEAF, item.leaf.as_tuple()), [*spell(_OUTCOME, fees), winners]
        tasks.append([leaf, place, *spell_evidence(item.evidence), outcome])
    fields = {
        "version": VERSION,
        "terms": [spell_terms(terms) for terms in places],
        "tasks": tasks,
        "entries": [spell(_ENTRY, entry.as_tuple()) for entry in batch.entries],
    }
    return encode(fields, max_bytes=MAX_BYTES)


def from_bytes(data: bytes) -> Batch:
    """The batch in stored bytes; whether it is right is another question.

    Raises MLBridgeError `batch.unreadable` for anything but the one spelling of some batch.
    """
    try:
        fields = decode(data, max_bytes=MAX_BYTES)
        batch = _read(fields)
    except (MLBridgeError, AttributeError, TypeError, ValueError) as error:
        raise _unreadable(str(error)) from error
    if to_bytes(batch) != data:
        raise _unreadable("it is not spelt as it must be")
    return batch


def digest(data: bytes) -> bytes:
    """What a header names as `data`: the sha2-256 digest in the CID of the stored bytes, 32 bytes."""
    return cid_to_bytes(cid_of(data))[len(_CID_HEAD) :]


def cids(digest: bytes) -> tuple[str, str]:
    """The CIDs that a header's `data` may stand for: of one block, and of several."""
    raw, several = (bytes((1, codec)) + _CID_HEAD[2:] + digest for codec in (RAW, DAG_PB))
    return cid_from_bytes(raw), cid_from_bytes(several)


def _read(fields: Any) -> Batch:
    if fields.keys() != {"version", "terms", "tasks", "entries"} or fields["version"] != VERSION:
        raise ValueError("it is of another version")
    terms = [parse_terms(row) for row in fields["terms"]]
    items = [_item(row, terms) for row in fields["tasks"]]
    entries = [LedgerLeaf(*parse(_ENTRY, row)) for row in fields["entries"]]
    if not items or not entries:
        raise ValueError("it holds nothing")
    return Batch(tuple(items), tuple(entries))


def _item(row: Any, terms: list[ChannelTerms]) -> Item:
    leaf, place, *evidence, outcome = row
    if place not in range(len(terms)):
        raise ValueError("it names terms that it does not hold")
    *fees, winners = outcome
    paid = [*parse(_OUTCOME, fees), tuple(parse_one(32, winner) for winner in winners)]
    return Item(TaskLeaf(*parse(_LEAF, leaf)), parse_evidence(terms[place], evidence), Outcome(*paid))


def _unreadable(reason: str) -> MLBridgeError:
    return MLBridgeError("batch.unreadable", f"The stored bytes are no batch: {reason}.")
