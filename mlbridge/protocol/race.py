"""A weighted draw without replacement that anybody can check seat by seat.

Every account runs a race: its time is -log2(u) / weight, u uniform in (0, 1) and its own for each draw; the
first to arrive are seated. Bit for bit what contracts/src/libraries/Race.sol computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cmp_to_key
from typing import Final

from mlbridge.protocol.hashing import hash_words

FRACTION: Final = 48


def distance(draw: bytes, account: int) -> int:
    """-log2(u) with 48 fractional bits, rounded up to the next of them; at most 256 * 2^48."""
    u = int.from_bytes(hash_words(["bytes32", "uint32"], [draw, account]), "big") or 1
    whole = u.bit_length() - 1
    mantissa = (u << (255 - whole)) >> 128
    log = whole
    for _ in range(FRACTION):
        mantissa = mantissa * mantissa >> 127
        bit = mantissa >> 128
        mantissa >>= bit
        log = log << 1 | bit
    return (256 << FRACTION) - log


def before(draw: bytes, a: int, weight_a: int, b: int, weight_b: int) -> bool:
    """Whether a arrives before b. Without weight nobody arrives; of equals the lower account is first."""
    if weight_a == 0 or weight_b == 0:
        return weight_a != 0
    left, right = distance(draw, a) * weight_b, distance(draw, b) * weight_a
    return a < b if left == right else left < right


def committee(draw: bytes, weights: Mapping[int, int], seats: int) -> list[int]:
    """The accounts that are seated, in ascending order; fewer than `seats` if fewer have weight."""
    distances = {account: distance(draw, account) for account, weight in weights.items() if weight}

    def compare(a: int, b: int) -> int:
        left, right = distances[a] * weights[b], distances[b] * weights[a]
        return left - right or a - b

    return sorted(sorted(distances, key=cmp_to_key(compare))[:seats])
