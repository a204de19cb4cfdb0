"""Signed messages of the channel lane as bytes: canonical CBOR, one spelling for each.

A map of the struct's name under "type", its members by their Solidity names, and "signature". A bytes32 is 32
bytes, an integer of up to 64 bits an integer, a wider one (uint96) its big-endian bytes in full width. Only
keys sign here: nobody can check a contract account's word without the chain, and batches do not count it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, Generic, TypeVar

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.encoding import decode, encode
from mlbridge.protocol.orders712 import Domain, Message, members
from mlbridge.protocol.signatures import recover, sign_digest, well_formed
from mlbridge.protocol.types import Policy

MAX_BYTES: Final = 1024
_INT_BITS: Final = 64
_POLICIES: Final[dict[object, Policy]] = {int(policy): policy for policy in Policy}

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Signed(Generic[M]):
    """A message and the signature that travels with it: not checked against anybody yet.

    65 bytes of a key, or 128 of an attester's BLS key under a batch's statement.
    """

    message: M
    signature: bytes

    def signer(self, domain: Domain) -> str:
        """Checksummed address of the key that signed. Raises MLBridgeError `signature.invalid`."""
        return recover(self.message.digest(domain), self.signature)

    def to_bytes(self) -> bytes:
        """The wire form. Raises MLBridgeError `message.malformed` if a member has the wrong size."""
        message, plan = self.message, _plan(members(type(self.message)))
        fields: dict[str, object] = dict.fromkeys(plan.order)
        fields["type"], fields["signature"] = type(message).__name__, self.signature
        for field, name, bits in plan.members:
            fields[name] = _write(bits, name, getattr(message, field))
        return encode(fields)


def sign(message: M, domain: Domain, key: bytes) -> Signed[M]:
    """The message signed by a 32-byte key."""
    return Signed(message, sign_digest(message.digest(domain), key))


def parse(data: bytes, kind: type[M]) -> Signed[M]:
    """The signed message of this kind in its wire form.

    Raises MLBridgeError `message.malformed` for anything but that one spelling: other fields, sizes or
    encodings, another type, a signature of the wrong size, half or v.
    """
    if len(data) > MAX_BYTES:
        raise _malformed(kind, f"it has more than {MAX_BYTES} bytes")
    try:
        fields = decode(data)
    except MLBridgeError as error:
        raise _malformed(kind, "it is not canonical CBOR") from error
    plan = _plan(members(kind))
    if not isinstance(fields, dict) or fields.keys() != plan.names:
        raise _malformed(kind, f"it must hold exactly {', '.join(sorted(plan.names))}")
    if fields["type"] != kind.__name__:
        raise _malformed(kind, "it is of another type")
    if not well_formed(fields["signature"]):
        raise _malformed(kind, "its signature is not 65 bytes with s in the lower half and v 27 or 28")
    values = [_read(kind, bits, name, fields[name]) for _, name, bits in plan.members]
    return Signed(kind(*values), fields["signature"])


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a kind of message travels. members: (field, Solidity name, bits of the integer; 0: bytes32);
    order: of the keys in canonical CBOR.
    """

    members: tuple[tuple[str, str, int], ...]
    names: frozenset[str]
    order: tuple[str, ...]


@cache
def _plan(listed: tuple[tuple[str, str, str], ...]) -> _Plan:
    """listed: as `members` has them."""
    found = tuple(
        (field, name, 0 if solidity == "bytes32" else int(solidity.removeprefix("uint")))
        for field, name, solidity in listed
    )
    names = frozenset({"type", "signature", *(name for _, name, _ in found)})
    return _Plan(found, names, tuple(sorted(names, key=lambda name: (len(name), name))))


def _write(bits: int, name: str, value: object) -> object:
    if not bits and isinstance(value, bytes) and len(value) == 32:
        return value
    if bits and isinstance(value, int) and _fits(bits, value):
        return value.to_bytes(bits // 8, "big") if bits > _INT_BITS else int(value)
    kind = f"uint{bits}" if bits else "bytes32"
    raise MLBridgeError("message.malformed", f"The member {name} is no {kind}.", exit_code=2)


def _read(kind: type[Message], bits: int, name: str, value: object) -> object:
    if not bits:
        if not (isinstance(value, bytes) and len(value) == 32):
            raise _malformed(kind, f"{name} must be 32 bytes")
        return value
    if bits > _INT_BITS:
        if not (isinstance(value, bytes) and len(value) == bits // 8):
            raise _malformed(kind, f"{name} must be {bits // 8} bytes")
        return int.from_bytes(value, "big")
    if not _fits(bits, value):
        raise _malformed(kind, f"{name} must be an unsigned integer of {bits} bits")
    if name == "policy":
        if value not in _POLICIES:
            raise _malformed(kind, "there is no such policy")
        return _POLICIES[value]
    return value


def _fits(bits: int, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << bits


def _malformed(kind: type[Message], reason: str) -> MLBridgeError:
    return MLBridgeError(
        "message.malformed",
        f"The {kind.__name__} cannot be read: {reason}.",
        hint="Build it with mlbridge.protocol.wire.",
        exit_code=2,
    )
