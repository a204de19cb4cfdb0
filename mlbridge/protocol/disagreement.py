"""Seats of one order that attested different results: what a case about them is opened with.

Whoever tells of it is not believed: every attestation is held to the order, its committee and the keys of
the chain. See docs/design/channel-lane.md, "Dissent cases".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import wire
from mlbridge.protocol.encoding import decode, encode
from mlbridge.protocol.orders712 import Attestation, Domain
from mlbridge.protocol.wire import Signed

Attested = tuple[Signed[Attestation], ...]

MAX_SEATS: Final = 16
MAX_BYTES: Final = MAX_SEATS * (wire.MAX_BYTES + 8)


def disagreement(
    order: bytes,
    committee: Collection[int],
    attested: Iterable[Signed[Attestation]],
    operators: Mapping[str, int],
    domain: Domain,
) -> Attested:
    """The attestations that hold, each seat once by ascending account; none if they do not differ.

    Of a seat that says two things the one that differs from the others counts, if one does. order: digest;
    operators: node key -> operator id.
    """
    found: dict[int, list[Signed[Attestation]]] = {}
    for signed in attested:
        said = signed.message
        if said.order == order and said.account in committee and _signed(signed, operators, domain):
            found.setdefault(said.account, []).append(signed)
    firsts = {account: several[0] for account, several in found.items()}
    if not differing(firsts.values()):
        for account, several in found.items():
            others = [one for one in several if one.message.result != several[0].message.result]
            if others:
                firsts[account] = others[0]
                break
    return differing(firsts[account] for account in sorted(firsts))


def differing(attested: Iterable[Signed[Attestation]]) -> Attested:
    """All of them, or none if they have one result. Nothing else is looked at."""
    listed = tuple(attested)
    return listed if len({signed.message.result for signed in listed}) > 1 else ()


def write_attested(attested: Attested) -> list[bytes]:
    """As they travel and are kept: a list that canonical CBOR takes."""
    return [signed.to_bytes() for signed in attested]


def read_attested(items: Any) -> Attested:
    """What `write_attested` wrote. Raises MLBridgeError `message.malformed`, ValueError, TypeError."""
    if len(items) > MAX_SEATS:
        raise ValueError(f"there are more than {MAX_SEATS} attestations")
    return tuple(wire.parse(item, Attestation) for item in items)


def to_bytes(attested: Attested) -> bytes:
    """One file's or database field's worth."""
    return encode(write_attested(attested), max_bytes=MAX_BYTES)


def from_bytes(data: bytes) -> Attested:
    """What `to_bytes` made. Raises MLBridgeError `message.malformed`."""
    return read_attested(decode(data, max_bytes=MAX_BYTES, max_items=MAX_SEATS))


def _signed(signed: Signed[Attestation], operators: Mapping[str, int], domain: Domain) -> bool:
    try:
        node = signed.signer(domain)
    except MLBridgeError:
        return False  # not a signature at all
    return operators.get(node, 0) == signed.message.account // 2 and not signed.message.account & 1
