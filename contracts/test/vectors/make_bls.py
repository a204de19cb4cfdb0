"""Vectors for BLS12-381: RFC 9380, rounds of drand's quicknet, keys and an aggregate of our own.

Run by hand: `python contracts/test/vectors/make_bls.py`. The published values stand here as published and are
checked with py_ecc (a dependency of eth-account) before they are written; nothing is taken on trust.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from py_ecc.bls.hash_to_curve import hash_to_G1
from py_ecc.bls.point_compression import decompress_G1, decompress_G2, modular_squareroot_in_FQ2
from py_ecc.optimized_bls12_381 import (
    FQ2,
    G2,
    add,
    b2,
    curve_order,
    is_inf,
    is_on_curve,
    multiply,
    normalize,
    pairing,
)

HERE = Path(__file__).parent
DRAND_KEY = (
    "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451"
    "0d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
)
DRAND_TAG = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
DRAND_GENESIS, DRAND_PERIOD = 1_692_803_367, 3
# The first and third with the randomness that drand published; it is always SHA-256 of the signature.
DRAND_ROUNDS = {
    1_000: "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39",
    12_040_883: "929906c959032ab363c9f26570d215d66f5c06cb0c44fe50"
    "8c12bb5839f04ec895bb6868e5b9ff13ab289bdb5266b394",
    32_281_667: "b0f5ae301358ff87a9d3dd539ed4a07c0148b1ab4f7b61a8"
    "ca43c7e9ca7ca9553e4faae9188deb30b2cd1a7f447e3e5b",
    32_285_085: "81dbce51d584d90d618547f4b50391d53ace6f6b9aeb8fb6"
    "7e1879427af9d0310ac0ec6f519271d9a313ee84b378d416",
    32_285_086: "a64d99fd7fa3e48912be7209c7b69c72c88fc5224be25169"
    "49b6f29f3a4b7e3fa069dd58b2bbb4bf2c34ae61ef631a44",
}
PUBLISHED_RANDOMNESS = {
    1_000: "fe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd",
    32_281_667: "4fd2fc55983dbfa3f446d8a0bd56f16cc8c5e76afd1ec154b60d477cbabed13b",
}
RFC_TAG = b"QUUX-V01-CS02-with-BLS12381G1_XMD:SHA-256_SSWU_RO_"
# RFC 9380, J.9.1: message, x and y.
RFC_POINTS = {
    "": "052926add2207b76ca4fa57a8734416c8dc95e24501772c814278700eed6d1e4e8cf62d9c09db0fac349612b759e79a1"
    "08ba738453bfed09cb546dbb0783dbb3a5f1f566ed67bb6be0e8c67e2e81a4cc68ee29813bb7994998f3eae0c9c6a265",
    "abc": "03567bc5ef9c690c2ab2ecdf6a96ef1c139cc0b2f284dca0a9a7943388a49a3aee664ba5379a7655d3c68900be2f6903"
    "0b9c15f3fe6e5cf4211f346271d7b01c8f3b28be689c8429c85b67af215533311f0b8dfaaa154fa6b88176c229f2885d",
    "abcdef0123456789": "11e0b079dea29a68f0383ee94fed1b940995272407e3bb916bbf268c263ddd57"
    "a6a27200a784cbc248e84f357ce82d98"
    "03a87ae2caf14e8ee52e51fa2ed8eefe80f02457004ba4d486d6aa1f517c0889501dc7413753f9599b099ebcbbd2d709",
    "q128_" + "q" * 128: "15f68eaa693b95ccb85215dc65fa81038d69629f70aeee0d0f677cf22285e7bf"
    "58d7cb86eefe8f2e9bc3f8cb84fac488"
    "1807a1d50c29f430b8cafc4f8638dfeeadf51211e1602a5f184443076715f91bb90a48ba1e370edce6ae1062f5e6dd38",
    "a512_" + "a" * 512: "082aabae8b7dedb0e78aeb619ad3bfd9277a2f77ba7fad20ef6aabdc6c31d19b"
    "a5a6d12283553294c1825c4b3ca2dcfe"
    "05b84ae5a942248eea39e1d91030458c40153f3b654ab7872d779ad1e942856a20c438e8d99bc8abfbf74729ce1f7ac8",
}
TAG = b"ML-BRIDGE-V1-ATTESTATION-BLS12381G1_XMD:SHA-256_SSWU_RO_"
SIGNERS = 5


def field(value: int) -> bytes:
    """A coordinate as the precompiles of EIP-2537 read it."""
    return value.to_bytes(64, "big")


def g1(point: Any) -> bytes:
    return b"".join(field(int(c)) for c in normalize(point))


def g2(point: Any) -> bytes:
    return b"".join(field(int(part)) for c in normalize(point) for part in c.coeffs)


def shown(data: bytes) -> str:
    return f"0x{data.hex()}"


def decompressed_g2(data: bytes) -> Any:
    return decompress_G2((int.from_bytes(data[:48], "big"), int.from_bytes(data[48:], "big")))


def curve_points() -> list[dict[str, Any]]:
    found = []
    for message, expected in RFC_POINTS.items():
        point = g1(hash_to_G1(message.encode(), RFC_TAG, hashlib.sha256))
        if (point[16:64] + point[80:]).hex() != expected:
            raise SystemExit(f"RFC 9380, {message[:8]!r}: not the published point")
        found.append({"message": shown(message.encode()), "point": shown(point)})
    return found


def rounds() -> list[dict[str, Any]]:
    key = decompressed_g2(bytes.fromhex(DRAND_KEY))
    found = []
    for number, text in DRAND_ROUNDS.items():
        signature = bytes.fromhex(text)
        point = decompress_G1(int.from_bytes(signature, "big"))
        hashed = hash_to_G1(hashlib.sha256(number.to_bytes(8, "big")).digest(), DRAND_TAG, hashlib.sha256)
        if pairing(G2, point) != pairing(key, hashed):
            raise SystemExit(f"round {number}: the published signature does not verify")
        randomness = hashlib.sha256(signature).hexdigest()
        if PUBLISHED_RANDOMNESS.get(number, randomness) != randomness:
            raise SystemExit(f"round {number}: not the published randomness")
        found.append(
            {
                "round": number,
                "time": DRAND_GENESIS + (number - 1) * DRAND_PERIOD,
                "compressed": shown(signature),
                "signature": shown(g1(point)),
                "randomness": f"0x{randomness}",
            }
        )
    return found


def aggregate() -> dict[str, Any]:
    message = hashlib.sha256(b"ML Bridge").digest()
    hashed = hash_to_G1(message, TAG, hashlib.sha256)
    secrets = [
        int.from_bytes(hashlib.sha256(bytes([i])).digest(), "big") % curve_order for i in range(SIGNERS)
    ]
    keys, signatures = [multiply(G2, s) for s in secrets], [multiply(hashed, s) for s in secrets]
    key, signature = keys[0], signatures[0]
    for other_key, other in zip(keys[1:], signatures[1:], strict=True):
        key, signature = add(key, other_key), add(signature, other)
    return {
        "tag": shown(TAG),
        "message": shown(message),
        "keyCount": SIGNERS,
        "keys": [shown(g2(k)) for k in keys],
        "signatures": [shown(g1(s)) for s in signatures],
        "key": shown(g2(key)),
        "signature": shown(g1(signature)),
    }


def outside_g2() -> str:
    """A point of the curve y^2 = x^3 + 4(1 + i) that is not in the subgroup."""
    x = 0
    while True:
        x += 1
        y = modular_squareroot_in_FQ2(FQ2([x, 0]) ** 3 + b2)
        if y is None:
            continue
        point = (FQ2([x, 0]), y, FQ2([1, 0]))
        if is_on_curve(point, b2) and not is_inf(multiply(point, curve_order)):
            return shown(g2(point))


if __name__ == "__main__":
    points, drand = curve_points(), rounds()
    content = {
        "about": "Points as EIP-2537 writes them. Made and checked by make_bls.py.",
        "rfcTag": shown(RFC_TAG),
        "rfcCount": len(points),
        "rfc": points,
        "drandKey": shown(g2(decompressed_g2(bytes.fromhex(DRAND_KEY)))),
        "drandCount": len(drand),
        "drand": drand,
        "aggregate": aggregate(),
        "outsideG2": outside_g2(),
    }
    (HERE / "bls.json").write_text(json.dumps(content, indent=1) + "\n")
