"""The bytes of a batch that lie in storage, and back. Canonical CBOR, one spelling for each batch.

{"version", "terms": [...], "tasks": [...], "entries": [...]}; a task is [leaf, place of its terms, order, its
signature, result, seats, outcome]; structs are lists in Solidity's order, amounts
big-endian bytes in full width. Terms stand once, in the order of their first use.
"""

from __future__ import annotations

from typing import Any, Final

from eth_utils.address import to_checksum_address

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.batch import Batch, Item
from mlbridge.protocol.cid import DAG_PB, RAW, cid_from_bytes, cid_to_bytes
from mlbridge.protocol.encoding import decode, encode
from mlbridge.protocol.evidence import Evidence, Outcome, SeatProof
from mlbridge.protocol.leaves import LedgerLeaf, TaskLeaf
from mlbridge.protocol.orders712 import ChannelTerms, TaskOrder
from mlbridge.protocol.types import Policy
from mlbridge.protocol.unixfs import cid_of

MAX_BYTES: Final = 64 << 20
VERSION: Final = 1

# How a member is spelt: a number by its bits, anything else in so many bytes.
_BYTES: Final = {"debit": 11, "amount": 12, "address": 20, "word": 32, "party": 32}
_NUMBERS: Final = ("debit", "amount", "party")
_TERMS: Final = ("address", "address", 32, 16, 16, "word")
_ORDER: Final = ("word", 32, 32, "word", "word", "word", 8, 8, "amount", 40)
_POLICY_AT: Final = 7
_LEAF: Final = (32, "word", 32, 32, "debit", "debit", "flag", "word", "word")
_ENTRY: Final = (32, "party", 32, "amount", "amount", "flag")
_OUTCOME: Final = ("word", "address", *["amount"] * 5)
_LONGEST_SIGNATURE: Final = 1024
_CID_HEAD: Final = bytes((1, RAW)) + b"\x12\x20"


def to_bytes(batch: Batch) -> bytes:
    """What is stored."""
    places: dict[ChannelTerms, int] = {}
    tasks = []
    for item in batch.items:
        evidence = item.evidence
        place = places.setdefault(evidence.terms, len(places))
        seats = [[seat.account, seat.word, seat.signature] for seat in evidence.seats]
        *fees, winners = item.outcome.as_tuple()
        tasks.append(
            [
                _spell(_LEAF, item.leaf.as_tuple()),
                place,
                _spell(_ORDER, evidence.order.as_tuple()),
                evidence.order_signature,
                evidence.result,
                seats,
                [*_spell(_OUTCOME, tuple(fees)), winners],
            ]
        )
    fields = {
        "version": VERSION,
        "terms": [_spell(_TERMS, terms.as_tuple()) for terms in places],
        "tasks": tasks,
        "entries": [_spell(_ENTRY, entry.as_tuple()) for entry in batch.entries],
    }
    return encode(fields, max_bytes=MAX_BYTES)


def from_bytes(data: bytes) -> Batch:
    """The batch in stored bytes; whether it is right is another question.

    Raises MLBridgeError `batch.unreadable` for anything but the one spelling of some batch.
    """
    try:
        fields = decode(data, max_bytes=MAX_BYTES)
        batch = _read(fields)
    except (MLBridgeError, TypeError, ValueError, KeyError, IndexError) as error:
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
    terms = [ChannelTerms(*_parse(_TERMS, row)) for row in fields["terms"]]
    items = [_item(row, terms) for row in fields["tasks"]]
    entries = [LedgerLeaf(*_parse(_ENTRY, row)) for row in fields["entries"]]
    if not items or not entries:
        raise ValueError("it holds nothing")
    return Batch(tuple(items), tuple(entries))


def _item(row: Any, terms: list[ChannelTerms]) -> Item:
    leaf, place, order, order_signature, result, seats, outcome = row
    if place not in range(len(terms)):
        raise ValueError("it names terms that it does not hold")
    members = _parse(_ORDER, order)
    members[_POLICY_AT] = Policy(members[_POLICY_AT])
    evidence = Evidence(
        terms[place],
        TaskOrder(*members),
        _signature(order_signature),
        _value("word", result),
        tuple(SeatProof(_value(32, a), _value("word", w), _signature(s)) for a, w, s in seats),
    )
    *fees, winners = outcome
    paid = [*_parse(_OUTCOME, fees), tuple(_value(32, winner) for winner in winners)]
    return Item(TaskLeaf(*_parse(_LEAF, leaf)), evidence, Outcome(*paid))


def _spell(kinds: tuple[str | int, ...], values: tuple[Any, ...]) -> list[object]:
    spelt: list[object] = []
    for kind, value in zip(kinds, values, strict=True):
        if kind == "address":
            spelt.append(bytes.fromhex(value[2:]))
        elif kind in _NUMBERS:
            spelt.append(value.to_bytes(_BYTES[str(kind)], "big"))
        else:
            spelt.append(int(value) if isinstance(kind, int) else value)
    return spelt


def _parse(kinds: tuple[str | int, ...], row: list[object]) -> list[Any]:
    return [_value(kind, value) for kind, value in zip(kinds, row, strict=True)]


def _value(kind: str | int, value: Any) -> Any:
    if isinstance(kind, int):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << kind:
            raise ValueError(f"a number of {kind} bits is none")
        return value
    if kind == "flag":
        if not isinstance(value, bool):
            raise ValueError("a flag is none")
        return value
    if not isinstance(value, bytes) or len(value) != _BYTES[kind]:
        raise ValueError(f"a member is not {_BYTES[kind]} bytes")
    if kind == "address":
        return str(to_checksum_address(value))
    return int.from_bytes(value, "big") if kind in _NUMBERS else value


def _signature(value: object) -> bytes:
    if not isinstance(value, bytes) or len(value) > _LONGEST_SIGNATURE:
        raise ValueError("a signature is none")
    return value


def _unreadable(reason: str) -> MLBridgeError:
    return MLBridgeError("batch.unreadable", f"The stored bytes are no batch: {reason}.")
