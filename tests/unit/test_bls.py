"""BLS12-381 in Python: the points that RFC 9380, drand and the contracts' vectors write."""

from __future__ import annotations

import pytest

from contracts import bls
from tests.support.drand import rounds, vectors

TAG = b"ML-BRIDGE-V1-ATTESTATION-BLS12381G1_XMD:SHA-256_SSWU_RO_"


def raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def test_keys_and_signatures_add_up_to_the_contracts_aggregate() -> None:
    """The vectors were made by another library, py_ecc."""
    told = vectors()["aggregate"]
    message, tag = raw(told["message"]), raw(told["tag"])
    signatures = [raw(one) for one in told["signatures"]]
    for key, signature in zip(told["keys"], signatures, strict=True):
        assert bls.is_signed(signature, raw(key), message, tag)
    total = bls.sum_signatures(signatures)
    assert total == raw(told["signature"])
    assert bls.is_signed(total, raw(told["key"]), message, tag)
    assert not bls.is_signed(bls.sum_signatures(signatures[1:]), raw(told["key"]), message, tag)


def test_a_signature_is_for_one_key_message_and_tag() -> None:
    secret, other = bls.new_secret(), bls.new_secret()
    key = bls.public_key(secret)
    signature = bls.sign(secret, b"message", TAG)
    assert bls.is_signed(signature, key, b"message", TAG)
    assert not bls.is_signed(signature, bls.public_key(other), b"message", TAG)
    assert not bls.is_signed(signature, key, b"massage", TAG)
    assert not bls.is_signed(signature, key, b"message", TAG + b"2")


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        bytes(128),
        b"\xff" * 128,
        bytes(127) + b"\x02",  # on the curve, outside the subgroup
        b"\x01" + bytes(127),
        bytes(256),
    ],
)
def test_what_is_no_point_signs_nothing(signature: bytes) -> None:
    assert not bls.is_signed(signature, bls.public_key(bls.new_secret()), b"message", TAG)


@pytest.mark.parametrize("key", [b"", bytes(256), b"\xff" * 256, raw(vectors()["outsideG2"])])
def test_what_is_no_key_has_signed_nothing(key: bytes) -> None:
    signature = bls.sign(bls.new_secret(), b"message", TAG)
    assert not bls.is_signed(signature, key, b"message", TAG)
    # A key at infinity would take the signature at infinity for anything.
    assert not bls.is_signed(bytes(128), key, b"message", TAG)


@pytest.mark.parametrize(
    "secret", [b"", bytes(32), bls.ORDER.to_bytes(32, "big"), b"\xff" * 32, b"\x01" * 31]
)
def test_what_is_no_secret_is_refused(secret: bytes) -> None:
    with pytest.raises(ValueError, match="secret"):
        bls.public_key(secret)


def test_points_travel_compressed_and_as_words() -> None:
    for entry in rounds().values():
        assert bls.decompress(raw(entry["compressed"])) == raw(entry["signature"])
    key = bls.public_key(bls.new_secret())
    assert bls.decompress_key(bls.compress_key(key)) == key
    assert bls.from_words(bls.words(key)) == key
    assert len(bls.words(key)) == 8
    with pytest.raises(ValueError, match="another way"):
        bls.decompress(b"\xc0" + bytes(46) + b"\x01")
    with pytest.raises(ValueError, match="no sum"):
        bls.sum_signatures([])
