"""Signatures by node keys and wallets: 65 bytes, r || s || v with v 27 or 28 and s in the lower half.

One spelling for each, as OpenZeppelin's ECDSA wants it on chain: the mirrored s of the upper half is refused.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from coincurve import PrivateKey, PublicKey
from eth_utils.address import to_checksum_address

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.hashing import keccak

SIZE: Final = 65

_HALF_ORDER: Final = (0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0).to_bytes(32, "big")
_FIRST_V: Final = 27


def sign_digest(digest: bytes, key: bytes) -> bytes:
    """Signature of a 32-byte digest by a 32-byte key; the same every time (RFC 6979)."""
    raw = _private(key).sign_recoverable(digest, hasher=None)
    return bytes(raw[:64]) + bytes((raw[64] + _FIRST_V,))


def recover(digest: bytes, signature: bytes) -> str:
    """Checksummed address of the key that signed a 32-byte digest.

    Raises MLBridgeError `signature.invalid` for a wrong size, v or half, or where no key fits.
    """
    if not well_formed(signature):
        raise _invalid("it is not 65 bytes with s in the lower half and v 27 or 28")
    return _recover(digest, signature)


@lru_cache(maxsize=16_384)
def _recover(digest: bytes, signature: bytes) -> str:
    # One signature is looked at on arrival, with the verdict, in the receipt and in its batch.
    raw = signature[:64] + bytes((signature[64] - _FIRST_V,))
    try:
        public = PublicKey.from_signature_and_message(raw, digest, hasher=None)
    except ValueError as error:
        raise _invalid("no key can have made it") from error
    return _address(public.format(compressed=False))


def address_of(key: bytes) -> str:
    """Checksummed address of a 32-byte key."""
    return _address(PrivateKey(key).public_key.format(compressed=False))


def well_formed(signature: object) -> bool:
    """Whether size, half and v are right; who signed is another question."""
    return (
        isinstance(signature, bytes)
        and len(signature) == SIZE
        and signature[64] in (27, 28)
        and signature[32:64] <= _HALF_ORDER
    )


@lru_cache(maxsize=16)
def _private(key: bytes) -> PrivateKey:
    # Making one computes its public key too, which takes twice as long as a signature.
    return PrivateKey(key)


@lru_cache(maxsize=65_536)
def _address(point: bytes) -> str:
    return str(to_checksum_address(keccak(point[1:])[12:]))


def _invalid(reason: str) -> MLBridgeError:
    return MLBridgeError(
        "signature.invalid",
        f"The signature cannot be used: {reason}.",
        hint="Sign the digest with a secp256k1 key.",
        exit_code=3,
    )
