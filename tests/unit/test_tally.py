"""The verdict rule: the vectors it shares with Solidity, and its properties over exact fractions."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlbridge.protocol.tally import clip, tally_results, tally_votes
from mlbridge.protocol.types import Seat, Verdict, Vote
from mlbridge.protocol.votes import pack

weights_of_a_round = st.lists(st.integers(1, 2**48 - 1), min_size=1, max_size=15)
A, B, C = (bytes([letter]) * 32 for letter in b"abc")


def seat(weight: int, value: bytes | None, *, faulty: bool = False) -> Seat:
    return Seat(2, weight, True, value is not None, faulty, value or bytes(32))


def results(*pairs: tuple[int, bytes | None]) -> Verdict:
    return tally_results([seat(weight, value) for weight, value in pairs])


def ballots(*pairs: tuple[int, dict[int, Vote] | None]) -> list[Seat]:
    return [seat(weight, None if votes is None else pack(votes)) for weight, votes in pairs]


def clip_by_fractions(weights: list[int]) -> list[Fraction]:
    """Raise the cap from the heaviest seats down until it is 30 % of what is left: the definition, slowly."""
    if len(weights) < 4:
        return [Fraction(weight) for weight in weights]
    for k in range(4):
        order = sorted(range(len(weights)), key=lambda i: -weights[i])
        rest = sum(weights[i] for i in order[k:])
        cap = Fraction(3 * rest, 10 - 3 * k)
        if all(weights[i] <= cap for i in order[k:]):
            return [min(Fraction(weight), cap) for weight in weights]
    raise AssertionError("with four seats or more, three cuts are enough")


@given(weights_of_a_round)
@example([1, 1, 1, 10**9])
@example([10**9, 10**9, 10**9, 1])
def test_clip_is_the_definition_times_a_common_factor(weights: list[int]) -> None:
    clipped, exact = clip(weights), clip_by_fractions(weights)
    factor = Fraction(clipped[0]) / exact[0]
    assert factor > 0
    assert [Fraction(weight) for weight in clipped] == [weight * factor for weight in exact]


@given(weights_of_a_round)
def test_no_seat_of_four_or_more_has_above_30_percent(weights: list[int]) -> None:
    clipped = clip(weights)
    assert len(clipped) == len(weights)
    if len(weights) >= 4:
        assert 10 * max(clipped) <= 3 * sum(clipped)
    else:
        assert clipped == weights
    order = sorted(range(len(weights)), key=lambda i: weights[i])
    assert all(clipped[a] <= clipped[b] for a, b in pairwise(order))


@given(weights_of_a_round, st.integers(2, 1000))
def test_clip_does_not_depend_on_the_unit(weights: list[int], factor: int) -> None:
    assert clip([weight * factor for weight in weights]) == [weight * factor for weight in clip(weights)]


def test_clip_examples() -> None:
    assert clip([]) == []
    assert clip([5, 1, 1]) == [5, 1, 1]
    assert clip([10, 10, 10, 10]) == [10, 10, 10, 10]
    assert clip([30, 30, 20, 20]) == [30, 30, 20, 20]
    assert clip([100, 1, 1, 1, 1]) == [12, 7, 7, 7, 7]
    assert clip([50, 50, 1, 1]) == [6, 6, 4, 4]
    assert clip([9, 9, 9, 1]) == [3, 3, 3, 1]


@pytest.mark.parametrize(
    ("pairs", "passed", "dissent", "confidence"),
    [
        ([(1, A), (1, A), (1, A)], True, False, 10_000),
        ([(1, A), (1, A)], False, False, 10_000),  # three seats
        ([(1, A), (1, A), (1, None)], False, False, 6_666),
        ([(98, A), (1, A), (1, A)], True, False, 10_000),  # three seats are not clipped
        ([(1, A), (1, A), (1, A), (1, B)], True, True, 7_500),
        ([(1, A), (1, A), (1, A), (1, None)], True, False, 7_500),
        ([(1, A), (1, A), (1, B), (1, B)], False, True, 5_000),
        ([(70, A), (15, B), (15, B)], False, True, 7_000),  # weight without seats
        ([(7, A), (7, A), (7, A), (9, B)], True, True, 7_000),  # exactly 70 %
        ([(7, A)] * 4 + [(7, B), (7, B)], False, True, 6_666),  # seats without weight
        ([(20, A)] * 4 + [(10, B), (10, B)], True, True, 8_000),  # exactly 2/3 of the seats
        ([(20, A)] * 4 + [(10, B)] * 3, False, True, 7_272),  # 4 of 7 seats
        ([(1, None)] * 3, False, False, 0),
        ([], False, False, 0),
    ],
)
def test_result_rounds(
    pairs: list[tuple[int, bytes | None]], passed: bool, dissent: bool, confidence: int
) -> None:
    winner = A if passed else bytes(32)
    assert results(*pairs) == Verdict(passed, dissent, winner, confidence, 0, 0)


def test_of_equal_results_the_seat_drawn_first_leads() -> None:
    seats = [(1, B), (1, A), (1, A), (1, B), (1, None)]
    assert results(*seats).confidence == 4_000
    three = [(1, A), (1, A), (1, A)]
    assert results(*three, (0, B)).winner == A


def test_a_faulty_or_unrevealed_value_counts_for_nobody() -> None:
    committed = Seat(2, 1, True, False, True, A)
    assert not tally_results([seat(1, A), seat(1, A), committed]).passed


@given(st.lists(st.tuples(st.integers(1, 2**48 - 1), st.sampled_from([A, B, C, None])), max_size=15))
def test_a_winner_has_70_percent_two_thirds_and_three_seats(
    pairs: list[tuple[int, bytes | None]],
) -> None:
    verdict = results(*pairs)
    exact = clip_by_fractions([weight for weight, _ in pairs])
    total = sum(exact)
    shares = {
        value: (
            sum(w for w, (_, v) in zip(exact, pairs, strict=True) if v == value) / total,
            sum(v == value for _, v in pairs),
        )
        for value in {v for _, v in pairs if v is not None}
    }
    passing = [
        value
        for value, (share, seats) in shares.items()
        if share >= Fraction(7, 10) and seats * 3 >= 2 * len(pairs) and seats >= 3
    ]
    assert verdict.passed == bool(passing)
    assert verdict.winner == (passing[0] if passing else bytes(32))
    assert verdict.dissent == (len(shares) > 1)
    assert verdict.confidence == int(
        max((share for share, _ in shares.values()), default=Fraction(0)) * 10_000
    )


ACCEPT, REJECT, GREY = Vote.ACCEPT, Vote.REJECT, Vote.GREY


def test_authors_accept_their_own_candidate_even_when_silent() -> None:
    seats = ballots((1, None), (1, {0: ACCEPT, 2: ACCEPT}), (1, {0: ACCEPT, 1: ACCEPT}))
    verdict = tally_votes(seats, {0: A, 1: B, 2: C}, judges=False)
    assert verdict == Verdict(True, True, A, 10_000, 0b001, 0)


def test_authors_cannot_reject_their_own_candidate() -> None:
    seats = ballots(*[(1, {0: REJECT, 1: ACCEPT, 2: ACCEPT})] * 3)
    verdict = tally_votes(seats, {0: A, 1: B, 2: C}, judges=False)
    assert (verdict.accepted, verdict.rejected, verdict.winner) == (0b110, 0, B)
    assert verdict.dissent


def test_all_accepted_is_no_dissent_and_the_lowest_seat_is_delivered() -> None:
    everybody = {0: ACCEPT, 1: ACCEPT, 2: ACCEPT}
    verdict = tally_votes(ballots(*[(1, everybody)] * 3), {2: C, 1: B}, judges=False)
    assert verdict == Verdict(True, False, B, 10_000, 0b110, 0)


def test_judges_have_no_candidates_and_may_reject() -> None:
    seats = ballots(*[(1, {0: REJECT, 1: ACCEPT})] * 4, (1, {0: GREY, 1: GREY}))
    verdict = tally_votes(seats, {0: A, 1: B, 2: C}, judges=True)
    assert verdict == Verdict(True, True, B, 8_000, 0b010, 0b001)


def test_a_first_committee_rejects_nothing() -> None:
    seats = ballots(*[(1, {4: REJECT})] * 4, (1, {}))
    assert tally_votes(seats, {4: A}, judges=False) == Verdict(False, True, bytes(32), 2_000, 0, 0)
    assert tally_votes(seats, {4: A}, judges=True).rejected == 1 << 4


def test_grey_and_silence_abstain() -> None:
    seats = ballots((1, {0: ACCEPT}), (1, {0: ACCEPT}), (1, {0: GREY}), (1, None))
    verdict = tally_votes(seats, {0: A}, judges=True)
    assert verdict == Verdict(False, True, bytes(32), 5_000, 0, 0)


def test_the_bit_pair_3_is_grey() -> None:
    seats = [seat(1, (3).to_bytes(32, "big"))] * 3
    assert tally_votes(seats, {0: A}, judges=True).confidence == 0


def test_votes_may_be_words_as_on_chain() -> None:
    words = [seat(1, pack({14: ACCEPT}).rjust(32, b"\0"))] * 3
    assert tally_votes(words, {14: A}, judges=True).accepted == 1 << 14


def test_votes_are_clipped_too() -> None:
    seats = ballots((100, {0: REJECT}), *[(1, {0: ACCEPT})] * 4)
    verdict = tally_votes(seats, {0: A}, judges=True)
    assert (verdict.passed, verdict.confidence) == (True, 7_000)


def test_without_candidates_nothing_passes() -> None:
    assert tally_votes(ballots(*[(1, {})] * 3), {}, judges=True) == Verdict(False, False, bytes(32), 0, 0, 0)


@given(
    st.lists(
        st.tuples(
            st.integers(1, 2**48 - 1),
            st.none() | st.dictionaries(st.integers(0, 4), st.sampled_from(Vote)),
        ),
        max_size=15,
    ),
    st.sets(st.integers(0, 4)),
    st.booleans(),
)
def test_votes_against_fractions(
    pairs: list[tuple[int, dict[int, Vote] | None]], candidates: set[int], judges: bool
) -> None:
    exact = clip_by_fractions([weight for weight, _ in pairs])

    def passes(candidate: int, wanted: Vote) -> bool:
        votes = [
            ACCEPT if i == candidate and not judges else (votes or {}).get(candidate, GREY)
            for i, (_, votes) in enumerate(pairs)
        ]
        mine = [weight for weight, vote in zip(exact, votes, strict=True) if vote == wanted]
        return sum(mine) * 10 >= 7 * sum(exact) and len(mine) * 3 >= 2 * len(pairs) and len(mine) >= 3

    verdict = tally_votes(ballots(*pairs), {i: bytes([i]) * 32 for i in candidates}, judges)
    accepted = {i for i in candidates if passes(i, ACCEPT)}
    rejected = {i for i in candidates if judges and passes(i, REJECT)}
    assert verdict.accepted == sum(1 << i for i in accepted)
    assert verdict.rejected == sum(1 << i for i in rejected)
    assert verdict.passed == bool(accepted)
    assert verdict.dissent == (accepted != candidates)
    assert verdict.winner == (bytes([min(accepted)]) * 32 if accepted else bytes(32))
