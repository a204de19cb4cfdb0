"""How a member judges another's result by its own: one rule for each policy a model may have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal, Protocol

from mlbridge.errors import MLBridgeError
from mlbridge.models.manifest import Manifest, Tolerance
from mlbridge.protocol.payload import decode_output
from mlbridge.protocol.types import Vote

Metric = Literal["cosine", "max_abs"]


class PolicyRule(Protocol):
    """The predicate of a policy over result payloads."""

    def judge(self, own: bytes, candidate: bytes) -> Vote:
        """The vote on candidate by somebody whose own result is `own`."""
        ...


class _Exact:
    def judge(self, own: bytes, candidate: bytes) -> Vote:
        return Vote.ACCEPT if own == candidate else Vote.REJECT


class _Numeric:
    def __init__(self, tolerance: Tolerance) -> None:
        self._metric: Metric = tolerance.metric
        self._accept = float(tolerance.accept)
        self._reject = float(tolerance.reject)

    def judge(self, own: bytes, candidate: bytes) -> Vote:
        try:
            mine = _vector(own)
        except MLBridgeError as error:
            raise MLBridgeError(
                "policy.own_result", f"The own result is no vector: {error.message}"
            ) from error
        try:
            theirs = _vector(candidate)
        except MLBridgeError:
            return Vote.REJECT
        if len(mine) != len(theirs):
            return Vote.REJECT
        apart = distance(self._metric, mine, theirs)
        if apart <= self._accept:
            return Vote.ACCEPT
        return Vote.REJECT if apart > self._reject else Vote.GREY


EXACT: Final[PolicyRule] = _Exact()


def numeric(tolerance: Tolerance) -> PolicyRule:
    """The rule for embedding outputs: by distance; what is no vector of the own length is rejected.

    `judge` raises MLBridgeError `policy.own_result` if the own result is not a valid embedding.
    """
    return _Numeric(tolerance)


def rule_of(manifest: Manifest) -> PolicyRule:
    """The rule that a manifest's policy and tolerance name."""
    return EXACT if manifest.tolerance is None else numeric(manifest.tolerance)


def distance(metric: Metric, a: Sequence[float], b: Sequence[float]) -> float:
    """Distance of two float32 vectors of equal length; the same on every machine (correctly rounded sums).

    max_abs: the largest |a_i - b_i|. cosine: |a - b|^2 / (2 |a| |b|), which is 1 - cos(a, b) for vectors of
    equal norm and grows with the ratio of the norms otherwise, so that nobody passes with a scaled copy. A
    zero vector is at distance 0 from itself and infinitely far from all others.
    """
    if metric == "max_abs":
        return max((abs(x - y) for x, y in zip(a, b, strict=True)), default=0.0)
    apart = math.fsum((x - y) ** 2 for x, y in zip(a, b, strict=True))
    if apart == 0:
        return 0.0
    norms = math.sqrt(math.fsum(x * x for x in a)) * math.sqrt(math.fsum(y * y for y in b))
    return apart / (2 * norms) if norms else math.inf


def _vector(payload: bytes) -> tuple[float, ...]:
    return decode_output("embedding", payload).vector
