"""The verdict rule, with the integers of contracts/src/libraries/Tally.sol.

Every comparison is by cross-multiplication; only the confidence is divided.
tests/integration/test_solidity_agrees.py runs both on the same inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mlbridge.protocol.types import Seat, Verdict, Vote

MIN_SEATS: Final = 3
THRESHOLD_PERCENT: Final = 70

# A seat's largest share of the clipped total is 3 in 10, which needs at least four seats.
_CLIP: Final = 3
_CLIP_BASE: Final = 10
_CLIP_FROM: Final = 4
_BASIS: Final = 10_000
_NOTHING: Final = bytes(32)


@dataclass(slots=True)
class _Count:
    weight: int = 0
    seats: int = 0

    def add(self, weight: int) -> None:
        self.weight += weight
        self.seats += 1


def clip(weights: Sequence[int]) -> list[int]:
    """Weights such that no seat of four or more has above 30 % of their sum, scaled by a common factor.

    The heaviest k seats are cut to c = 3/10 (k c + rest), that is c = 3 rest / (10 - 3 k), with the least k
    for which no uncut seat exceeds c. Multiplied by (10 - 3 k) all are whole numbers.
    """
    rest = sum(weights)
    cut: set[int] = set()
    factor = _CLIP_BASE
    while len(weights) >= _CLIP_FROM and factor > _CLIP:
        seat = max((i for i in range(len(weights)) if i not in cut), key=lambda i: weights[i])
        if weights[seat] * factor <= _CLIP * rest:
            break
        cut.add(seat)
        rest -= weights[seat]
        factor -= _CLIP
    if not cut:
        return list(weights)
    return [_CLIP * rest if i in cut else weight * factor for i, weight in enumerate(weights)]


def tally_results(seats: Sequence[Seat]) -> Verdict:
    """Verdict of a Result round over all its seats in drawing order, silent ones included.

    The leader is the revealed digest with most weight; of equals the one whose seat was drawn first.
    """
    weights = clip([seat.weight for seat in seats])
    counts: dict[bytes, _Count] = {}
    for seat, weight in zip(seats, weights, strict=True):
        if seat.revealed:
            counts.setdefault(seat.value, _Count()).add(weight)
    leader = max(counts, key=lambda value: counts[value].weight, default=_NOTHING)
    best = counts.get(leader, _Count())
    passed = _passes(best, sum(weights), len(seats))
    return Verdict(
        passed=passed,
        dissent=len(counts) > 1,
        winner=leader if passed else _NOTHING,
        confidence=_share(best.weight, sum(weights)),
        accepted=0,
        rejected=0,
    )


def tally_votes(seats: Sequence[Seat], candidates: Mapping[int, bytes], judges: bool) -> Verdict:
    """Verdict of a Vote round over all its seats in drawing order, silent ones included.

    candidates: digest (32 bytes) of each result revealed in round 0, by seat index. Unless judges vote, the
    author of a candidate counts as accepting it. A seat's value holds its votes (protocol/votes.py) in the
    low 32 bits.
    """
    weights = clip([seat.weight for seat in seats])
    total = sum(weights)
    accepted = rejected = highest = 0
    least = total
    delivered: tuple[bytes, int] | None = None
    for candidate in sorted(candidates):
        yes, no = _count_votes(seats, weights, candidate, judges)
        highest = max(highest, yes.weight)
        if _passes(yes, total, len(seats)):
            accepted |= 1 << candidate
            delivered = delivered or (candidates[candidate], yes.weight)
        elif judges and _passes(no, total, len(seats)):
            rejected |= 1 << candidate
            least = min(least, no.weight)
    winner, weight = delivered or (_NOTHING, least if rejected else highest)
    return Verdict(
        passed=delivered is not None,
        dissent=accepted != sum(1 << candidate for candidate in candidates),
        winner=winner,
        confidence=_share(weight, total),
        accepted=accepted,
        rejected=rejected,
    )


def _count_votes(
    seats: Sequence[Seat], weights: Sequence[int], candidate: int, judges: bool
) -> tuple[_Count, _Count]:
    yes, no = _Count(), _Count()
    for index, (seat, weight) in enumerate(zip(seats, weights, strict=True)):
        if not judges and index == candidate:
            yes.add(weight)
        elif seat.revealed:
            pair = int.from_bytes(seat.value, "big") >> (2 * candidate) & 3
            if pair == Vote.ACCEPT:
                yes.add(weight)
            elif pair == Vote.REJECT:
                no.add(weight)
    return yes, no


def _passes(count: _Count, total: int, seats: int) -> bool:
    return (
        count.weight * 100 >= total * THRESHOLD_PERCENT
        and count.seats * 3 >= seats * 2
        and count.seats >= MIN_SEATS
    )


def _share(weight: int, total: int) -> int:
    return weight * _BASIS // total if total else 0
