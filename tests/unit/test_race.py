"""The channel lane's draw, held to Solidity by shared vectors and to the weights by counting."""

from __future__ import annotations

import functools
import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbridge.protocol import race
from mlbridge.protocol.hashing import hash_words, keccak

VECTORS = json.loads(
    (Path(__file__).parents[2] / "contracts/test/vectors/race.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("case", VECTORS["cases"])
def test_vectors(case: dict[str, Any]) -> None:
    draw = bytes.fromhex(case["draw"][2:])
    assert [race.distance(draw, account) for account in case["accounts"]] == case["distances"]
    weights = dict(zip(case["accounts"], case["weights"], strict=True))
    assert race.committee(draw, weights, case["seats"]) == case["committee"]


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**32 - 1))
def test_distance_is_the_logarithm(draw: bytes, account: int) -> None:
    u = int.from_bytes(hash_words(["bytes32", "uint32"], [draw, account]), "big")
    assert race.distance(draw, account) / 2**race.FRACTION == pytest.approx(256 - math.log2(u), abs=1e-9)


@settings(deadline=None)
@given(
    st.binary(min_size=32, max_size=32),
    st.dictionaries(st.integers(0, 2**32 - 1), st.integers(0, 2**48), min_size=1, max_size=8),
    st.integers(1, 8),
)
def test_nobody_outside_arrives_before_anybody_inside(
    draw: bytes, weights: dict[int, int], seats: int
) -> None:
    seated = race.committee(draw, weights, seats)
    assert len(seated) == min(seats, sum(weight > 0 for weight in weights.values()))
    for inside in seated:
        for outside in weights.keys() - set(seated):
            assert race.before(draw, inside, weights[inside], outside, weights[outside])
            assert not race.before(draw, outside, weights[outside], inside, weights[inside])


@settings(deadline=None)
@given(
    st.binary(min_size=32, max_size=32),
    st.lists(st.sampled_from([0, 1, 2, 3, 10**9, 10**9 + 1, 2**48, 2**64 - 1]), min_size=1, max_size=60),
    st.integers(0, 12),
)
def test_arrivals_are_those_of_the_exact_race(draw: bytes, drawn: list[int], count: int) -> None:
    """The floating-point look ahead never leaves anybody out, however far apart the weights are."""
    weights = {2 * i: weight for i, weight in enumerate(drawn)}
    slow = sorted(
        (account for account, weight in weights.items() if weight),
        key=functools.cmp_to_key(lambda a, b: -1 if race.before(draw, a, weights[a], b, weights[b]) else 1),
    )
    field = race.Field(weights)
    assert len(field) == len(slow)
    assert field.arrivals(draw, count) == slow[:count]


def test_ten_thousand_providers() -> None:
    """A fast look and the exact race seat the same five of 10,000."""
    weights = {2 * i: 10**8 + i * 7_919 for i in range(1, 10_001)}
    draw = keccak(b"many")
    times = {account: race.distance(draw, account) for account in weights}
    exact = sorted(weights, key=lambda account: Fraction(times[account], weights[account]))
    assert race.Field(weights).arrivals(draw, 5) == exact[:5]
    assert race.committee(draw, weights, 5) == sorted(exact[:5])


def test_a_field_knows_its_weights() -> None:
    field = race.Field({4: 3, 2: 0})
    assert (len(field), field.weight(4), field.weight(2), field.weight(6)) == (1, 3, 0, 0)


def test_chances_follow_the_weights() -> None:
    """First in proportion to the weight; 4,000 draws of one seat from weights 1, 2 and 5."""
    weights, rounds = {2: 1, 4: 2, 6: 5}, 4_000
    counts = dict.fromkeys(weights, 0)
    for i in range(rounds):
        counts[race.committee(keccak(b"%d" % i), weights, 1)[0]] += 1
    for account, weight in weights.items():
        assert counts[account] / rounds == pytest.approx(weight / 8, abs=0.025)
