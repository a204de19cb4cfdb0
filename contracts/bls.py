"""BLS12-381 as the contracts know it: keys in G2 (256 bytes), signatures in G1 (128 bytes).

Points are written as the precompiles of EIP-2537 read them: each coordinate is 64 bytes, big-endian, of which
the first 16 are zero. A message is hashed to G1 by RFC 9380, suite BLS12381G1_XMD:SHA-256_SSWU_RO_.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final

from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

ORDER: Final = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
"""Of the subgroups: secrets are below it."""
SIGNATURE_SIZE: Final = 128
KEY_SIZE: Final = 256
_FIELD: Final = 48
_WIDE: Final = 64


def new_secret() -> bytes:
    """A secret, 32 bytes big-endian, from the system's randomness."""
    return (secrets.randbelow(ORDER - 1) + 1).to_bytes(32, "big")


def public_key(secret: bytes) -> bytes:
    """The key of a secret. Raises ValueError unless that is 32 bytes between 1 and ORDER - 1."""
    return _wide((G2Point() * _scalar(secret)).to_xy_bytes_be())


def sign(secret: bytes, message: bytes, tag: bytes) -> bytes:
    """The one signature of a message under a domain separation tag. Raises ValueError as `public_key`."""
    return _wide((G1Point.hash_to_curve(message, tag) * _scalar(secret)).to_xy_bytes_be())


def is_signed(signature: bytes, key: bytes, message: bytes, tag: bytes) -> bool:
    """Whether a key's secret signed; False also for bytes that are no points of the right groups."""
    try:
        point = G1Point.from_xy_bytes_be(_narrow(signature, SIGNATURE_SIZE))
        owner = G2Point.from_xy_bytes_be(_narrow(key, KEY_SIZE))
    except ValueError:
        return False
    if owner == G2Point.identity():
        return False
    return GT.pairing_check([point, -G1Point.hash_to_curve(message, tag)], [G2Point(), owner])


def sum_signatures(signatures: Sequence[bytes]) -> bytes:
    """The aggregate of signatures on one message. Raises ValueError for none, or what is no point of G1."""
    if not signatures:
        raise ValueError("there is no sum of no signatures")
    total = G1Point.identity()
    for signature in signatures:
        total += G1Point.from_xy_bytes_be(_narrow(signature, SIGNATURE_SIZE))
    return _wide(total.to_xy_bytes_be())


def decompress(data: bytes) -> bytes:
    """A signature of 48 bytes (the ZCash format) in full. Raises ValueError if it is no point of G1."""
    point = G1Point.from_compressed_bytes(data)
    if point.to_compressed_bytes() != data:
        raise ValueError("the point is spelt in another way than its own")
    return _wide(point.to_xy_bytes_be())


def decompress_key(data: bytes) -> bytes:
    """A key of 96 bytes in full. Raises ValueError if it is no point of G2."""
    return _wide(G2Point.from_compressed_bytes(data).to_xy_bytes_be())


def compress_key(key: bytes) -> bytes:
    """The 96 bytes by which keys of G2 travel. Raises ValueError if it is no point of G2."""
    return G2Point.from_xy_bytes_be(_narrow(key, KEY_SIZE)).to_compressed_bytes()


def words(point: bytes) -> tuple[int, ...]:
    """A point as the structs BLS.G1 and BLS.G2 hold it: words of 32 bytes."""
    return tuple(int.from_bytes(point[at : at + 32], "big") for at in range(0, len(point), 32))


def from_words(values: Sequence[int]) -> bytes:
    """The point of such a struct."""
    return b"".join(int(value).to_bytes(32, "big") for value in values)


def _scalar(secret: bytes) -> Scalar:
    number = int.from_bytes(secret, "big")
    if len(secret) != 32 or not 0 < number < ORDER:
        raise ValueError("a BLS secret is 32 bytes, above zero and below the order of the group")
    return Scalar(number)


def _wide(points: bytes) -> bytes:
    return b"".join(bytes(_WIDE - _FIELD) + points[at : at + _FIELD] for at in range(0, len(points), _FIELD))


def _narrow(points: bytes, size: int) -> bytes:
    if len(points) != size:
        raise ValueError(f"a point has {len(points)} bytes instead of {size}")
    coordinates = [points[at : at + _WIDE] for at in range(0, size, _WIDE)]
    if any(any(one[: _WIDE - _FIELD]) for one in coordinates):
        raise ValueError("a coordinate is no element of the field")
    return b"".join(one[_WIDE - _FIELD :] for one in coordinates)
