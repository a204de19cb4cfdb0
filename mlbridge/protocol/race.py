"""A weighted draw without replacement that anybody can check seat by seat.

Every account runs a race: its time is -log2(u) / weight, u uniform in (0, 1) and its own for each draw; the
first to arrive are seated. Bit for bit what contracts/src/libraries/Race.sol computes. Nobody can be left out
of the race, so a draw costs one hash an account; only those who arrive about when the last seat does are
compared exactly.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from functools import cmp_to_key
from math import log2
from typing import Final

from sha3 import keccak_256

from mlbridge.protocol.hashing import hash_words, word

FRACTION: Final = 48

_BITS: Final = 256
# The floating-point logarithm is within 2^-43 of the true one, Race.sol's within 2^-46.
_ERROR: Final = 2.0**-40


class Field:
    """Who runs: accounts with weight, made ready once for many draws."""

    def __init__(self, weights: Mapping[int, int]) -> None:
        self._weights = {account: weight for account, weight in sorted(weights.items()) if weight}
        self._accounts = list(self._weights)
        self._words = [word("uint32", account) for account in self._accounts]
        self._paces = [1.0 / weight for weight in self._weights.values()]

    def __len__(self) -> int:
        return len(self._accounts)

    @property
    def weights(self) -> Mapping[int, int]:
        """Of all who run, by account."""
        return self._weights

    def weight(self, account: int) -> int:
        """An account's weight; 0 for those who do not run."""
        return self._weights.get(account, 0)

    def arrivals(self, draw: bytes, count: int) -> list[int]:
        """The first `count` accounts in the order in which they arrive; all, if fewer run."""
        if count <= 0:
            return []
        near = self._near(draw, count)
        distances = {account: distance(draw, account) for account in near}

        def compare(a: int, b: int) -> int:
            return distances[a] * self._weights[b] - distances[b] * self._weights[a] or a - b

        return sorted(near, key=cmp_to_key(compare))[:count]

    def _near(self, draw: bytes, count: int) -> list[int]:
        """At least all accounts that may be among the first `count`."""
        if count >= len(self._accounts):
            return self._accounts
        head, number = draw, int.from_bytes
        times = [
            (_BITS - log2(number(keccak_256(head + tail).digest(), "big") or 1)) * pace
            for tail, pace in zip(self._words, self._paces, strict=True)
        ]
        first = heapq.nsmallest(count, zip(times, self._paces, strict=True))
        limit = max(time + _ERROR * pace for time, pace in first)
        return [
            account
            for account, time, pace in zip(self._accounts, times, self._paces, strict=True)
            if time - _ERROR * pace <= limit
        ]


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
    return (_BITS << FRACTION) - log


def before(draw: bytes, a: int, weight_a: int, b: int, weight_b: int) -> bool:
    """Whether a arrives before b. Without weight nobody arrives; of equals the lower account is first."""
    if weight_a == 0 or weight_b == 0:
        return weight_a != 0
    left, right = distance(draw, a) * weight_b, distance(draw, b) * weight_a
    return a < b if left == right else left < right


def committee(draw: bytes, weights: Mapping[int, int], seats: int) -> list[int]:
    """The accounts that are seated, in ascending order; fewer than `seats` if fewer have weight."""
    return sorted(Field(weights).arrivals(draw, seats))
