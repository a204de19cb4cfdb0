"""Signed messages of the channel lane as bytes: canonical CBOR, one spelling for each.

A map of the struct's name under "type", its members by their Solidity names, and "signature". A bytes32 is 32
bytes, an integer of up to 64 bits an integer, a wider one (uint96) its big-endian bytes in full width. Only
keys sign here: nobody can check a contract account's word without the chain, and batches do not count it.
"""

from __future__ import annotations

from dataclasses import dataclass
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
        fields: dict[str, object] = {"type": type(self.message).__name__, "signature": self.signature}
        for field, name, kind in members(type(self.message)):
            fields[name] = _write(kind, name, getattr(self.message, field))
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
    expected = {"type", "signature", *(name for _, name, _ in members(kind))}
    if not isinstance(fields, dict) or fields.keys() != expected:
        raise _malformed(kind, f"it must hold exactly {', '.join(sorted(expected))}")
    if fields["type"] != kind.__name__:
        raise _malformed(kind, "it is of another type")
    if not well_formed(fields["signature"]):
        raise _malformed(kind, "its signature is not 65 bytes with s in the lower half and v 27 or 28")
    values = [_read(kind, solidity, name, fields[name]) for _, name, solidity in members(kind)]
    return Signed(kind(*values), fields["signature"])


def _write(solidity: str, name: str, value: object) -> object:
    if solidity == "bytes32" and isinstance(value, bytes) and len(value) == 32:
        return value
    if solidity != "bytes32" and isinstance(value, int) and _fits(solidity, value):
        bits = _bits(solidity)
        return value.to_bytes(bits // 8, "big") if bits > _INT_BITS else int(value)
    raise MLBridgeError("message.malformed", f"The member {name} is no {solidity}.", exit_code=2)


def _read(kind: type[Message], solidity: str, name: str, value: object) -> object:
    if solidity == "bytes32":
        if not (isinstance(value, bytes) and len(value) == 32):
            raise _malformed(kind, f"{name} must be 32 bytes")
        return value
    bits = _bits(solidity)
    if bits > _INT_BITS:
        if not (isinstance(value, bytes) and len(value) == bits // 8):
            raise _malformed(kind, f"{name} must be {bits // 8} bytes")
        return int.from_bytes(value, "big")
    if not _fits(solidity, value):
        raise _malformed(kind, f"{name} must be an unsigned integer of {bits} bits")
    if name == "policy":
        if value not in _POLICIES:
            raise _malformed(kind, "there is no such policy")
        return _POLICIES[value]
    return value


def _bits(solidity: str) -> int:
    return int(solidity.removeprefix("uint"))


def _fits(solidity: str, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << _bits(solidity)


def _malformed(kind: type[Message], reason: str) -> MLBridgeError:
    return MLBridgeError(
        "message.malformed",
        f"The {kind.__name__} cannot be read: {reason}.",
        hint="Build it with mlbridge.protocol.wire.",
        exit_code=2,
    )
