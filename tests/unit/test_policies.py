"""How results are judged."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mlbridge.errors import MLBridgeError
from mlbridge.models.manifest import Tolerance
from mlbridge.models.policies import EXACT, Metric, distance, numeric
from mlbridge.protocol.encoding import encode
from mlbridge.protocol.payload import EmbeddingOutput, encode_output
from mlbridge.protocol.types import Vote

finite = st.floats(-1e6, 1e6, width=32)
vectors = st.lists(finite, min_size=1, max_size=20)
COSINE = numeric(Tolerance.of("cosine", 1e-4, 1e-3))
MAX_ABS = numeric(Tolerance.of("max_abs", 0.25, 0.5))


def result(*vector: float) -> bytes:
    return encode_output("embedding", EmbeddingOutput.of(vector))


def raw(data: bytes) -> bytes:
    return encode({"embedding": data})


def test_exact_is_equality() -> None:
    assert EXACT.judge(b"a", b"a") == Vote.ACCEPT
    assert EXACT.judge(b"a", b"b") == Vote.REJECT
    assert EXACT.judge(b"a", b"") == Vote.REJECT


@pytest.mark.parametrize(
    ("candidate", "vote"),
    [
        (1.0, Vote.ACCEPT),
        (1.25, Vote.ACCEPT),
        (0.75, Vote.ACCEPT),
        (1.2500001192092896, Vote.GREY),
        (1.5, Vote.GREY),
        (0.5, Vote.GREY),
        (1.5000001192092896, Vote.REJECT),
        (-1.0, Vote.REJECT),
    ],
)
def test_max_abs_thresholds_are_inclusive(candidate: float, vote: Vote) -> None:
    assert MAX_ABS.judge(result(7.0, 1.0), result(7.0, candidate)) == vote


@pytest.mark.parametrize(
    ("degrees", "vote"),
    [(0.0, Vote.ACCEPT), (0.8, Vote.ACCEPT), (0.82, Vote.GREY), (2.5, Vote.GREY), (2.6, Vote.REJECT)],
)
def test_cosine_thresholds(degrees: float, vote: Vote) -> None:
    angle = math.radians(
        degrees
    )  # 1 - cos: 0.8 deg 9.7e-5, 0.82 deg 1.02e-4, 2.5 deg 9.5e-4, 2.6 deg 1.03e-3
    assert COSINE.judge(result(1.0, 0.0), result(math.cos(angle), math.sin(angle))) == vote


@pytest.mark.parametrize(
    "candidate",
    [
        b"",
        b"\xff",
        encode({"label": 1}),
        encode({"embedding": [1.0, 0.0]}),
        raw(b""),
        raw(b"\x00" * 7),
        raw(struct.pack("<2f", math.nan, 0.0)),
        raw(struct.pack("<2f", math.inf, 0.0)),
        result(1.0),
        result(1.0, 0.0, 0.0),
        result(1.0, 0.0) + b"\x00",
    ],
)
def test_what_is_no_vector_of_the_right_length_is_rejected(candidate: bytes) -> None:
    assert COSINE.judge(result(1.0, 0.0), candidate) == Vote.REJECT
    assert MAX_ABS.judge(result(1.0, 0.0), candidate) == Vote.REJECT


def test_a_bad_own_result_is_an_error_and_no_vote() -> None:
    with pytest.raises(MLBridgeError) as caught:
        COSINE.judge(raw(struct.pack("<f", math.nan)), result(1.0))
    assert caught.value.code == "policy.own_result"


@pytest.mark.parametrize("factor", [0.0, 0.5, 0.9, 1.1, 2.0, 1e6, -1.0])
def test_a_scaled_copy_is_rejected(factor: float) -> None:
    assert COSINE.judge(result(0.6, 0.8), result(0.6 * factor, 0.8 * factor)) == Vote.REJECT


def test_zero_vectors() -> None:
    assert COSINE.judge(result(0.0, 0.0), result(0.0, -0.0)) == Vote.ACCEPT
    assert COSINE.judge(result(0.0, 0.0), result(1e-30, 0.0)) == Vote.REJECT
    assert COSINE.judge(result(1.0, 0.0), result(0.0, 0.0)) == Vote.REJECT


@given(st.sampled_from(["cosine", "max_abs"]), st.data())
def test_distance_is_symmetric_and_zero_only_for_equals(metric: Metric, data: st.DataObject) -> None:
    a = data.draw(vectors)
    b = data.draw(st.lists(finite, min_size=len(a), max_size=len(a)))
    assert distance(metric, a, b) == distance(metric, b, a) >= 0
    assert distance(metric, a, a) == 0
    assert (distance(metric, a, b) == 0) == (a == b)


@given(vectors, st.randoms())
def test_cosine_does_not_depend_on_the_order_of_summation(a: list[float], random: object) -> None:
    b = [x + 1 for x in a]
    order = sorted(range(len(a)), key=lambda _: random.random())  # type: ignore[attr-defined]
    assert distance("cosine", a, b) == distance("cosine", [a[i] for i in order], [b[i] for i in order])


@given(vectors, vectors)
def test_cosine_is_one_minus_cos_for_equal_norms(a: list[float], b: list[float]) -> None:
    length = min(len(a), len(b))
    a, b = a[:length], b[:length]
    assume(math.hypot(*a) > 1e-3)
    assume(math.hypot(*b) > 1e-3)
    a = [x / math.hypot(*a) for x in a]
    b = [x / math.hypot(*b) for x in b]
    cosine = math.fsum(x * y for x, y in zip(a, b, strict=True))
    assert distance("cosine", a, b) == pytest.approx(1 - cosine, abs=1e-12)


@given(vectors)
def test_extreme_values_do_not_overflow(a: list[float]) -> None:
    big = [3.4028234663852886e38] * len(a)
    assert math.isfinite(distance("cosine", big, [-x for x in big]))
    assert math.isfinite(distance("max_abs", big, [-x for x in big]))
