"""How structs of the channel lane stand in canonical CBOR: lists in Solidity's order, one spelling each.

Numbers of up to 64 bits are integers, wider ones big-endian bytes in full width, addresses 20 bytes. What
cannot be read raises ValueError or TypeError; the callers say what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from eth_utils.address import to_checksum_address

from mlbridge.protocol.evidence import Evidence, SeatProof
from mlbridge.protocol.orders712 import ChannelTerms, TaskOrder
from mlbridge.protocol.types import Policy

Kind = str | int

_BYTES: Final = {"debit": 11, "amount": 12, "address": 20, "word": 32, "party": 32}
_NUMBERS: Final = ("debit", "amount", "party")
_TERMS: Final = ("address", "address", 32, 16, 16, "word")
_ORDER: Final = ("word", 32, 32, "word", "word", "word", 8, 8, "amount", 40)
_POLICY_AT: Final = 7
_LONGEST_SIGNATURE: Final = 1024


def spell(kinds: Sequence[Kind], values: Sequence[Any]) -> list[object]:
    """Members as CBOR holds them. kinds: a number's bits, or "flag", "word", "address", "debit" (uint88),
    "amount" (uint96), "party" (uint256).
    """
    spelt: list[object] = []
    for kind, value in zip(kinds, values, strict=True):
        if kind == "address":
            spelt.append(bytes.fromhex(value[2:]))
        elif kind in _NUMBERS:
            spelt.append(value.to_bytes(_BYTES[str(kind)], "big"))
        else:
            spelt.append(int(value) if isinstance(kind, int) else value)
    return spelt


def parse(kinds: Sequence[Kind], row: Any) -> list[Any]:
    """Members of one struct."""
    return [parse_one(kind, value) for kind, value in zip(kinds, row, strict=True)]


def parse_one(kind: Kind, value: Any) -> Any:
    """One member."""
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


def spell_terms(terms: ChannelTerms) -> list[object]:
    """A channel's terms."""
    return spell(_TERMS, terms.as_tuple())


def parse_terms(row: Any) -> ChannelTerms:
    """A channel's terms."""
    return ChannelTerms(*parse(_TERMS, row))


def spell_evidence(evidence: Evidence) -> list[object]:
    """[order, its signature, result, seats]: evidence without its terms."""
    seats = [[seat.account, seat.word, seat.signature] for seat in evidence.seats]
    return [spell(_ORDER, evidence.order.as_tuple()), evidence.order_signature, evidence.result, seats]


def parse_evidence(terms: ChannelTerms, row: Any) -> Evidence:
    """Evidence under these terms."""
    order, order_signature, result, seats = row
    members = parse(_ORDER, order)
    members[_POLICY_AT] = Policy(members[_POLICY_AT])
    return Evidence(
        terms,
        TaskOrder(*members),
        _signature(order_signature),
        parse_one("word", result),
        tuple(
            SeatProof(parse_one(32, account), parse_one("word", word), _signature(signature))
            for account, word, signature in seats
        ),
    )


def _signature(value: object) -> bytes:
    if not isinstance(value, bytes) or len(value) > _LONGEST_SIGNATURE:
        raise ValueError("a signature is none")
    return value
