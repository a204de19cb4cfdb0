"""MLB's inflation: the vectors it shares with Solidity, and its properties over exact fractions."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from contracts import artifacts
from mlbridge.protocol.inflation import EPOCH, EPOCHS_A_YEAR, GENESIS_SUPPLY, issuable

VECTORS = artifacts.ABI_DIR.parent / "test" / "vectors" / "inflation.json"
YEAR = EPOCH * EPOCHS_A_YEAR


def test_the_shared_vectors() -> None:
    vectors = json.loads(Path(VECTORS).read_text())
    assert len(vectors["elapsed"]) == len(vectors["issuable"]) > 50
    for elapsed, wanted in zip(vectors["elapsed"], vectors["issuable"], strict=True):
        assert issuable(elapsed) == int(wanted)


def test_ten_years_are_exact() -> None:
    assert Fraction(GENESIS_SUPPLY + issuable(10 * YEAR), GENESIS_SUPPLY) == Fraction(103, 100) ** 10
    assert YEAR == 365 * 86_400


@given(st.integers(0, 60 * YEAR))
def test_it_is_the_formula_rounded_down_by_less_than_a_unit_a_year(elapsed: int) -> None:
    year, into = divmod(elapsed // EPOCH, EPOCHS_A_YEAR)
    rates = [Fraction(3, 100) if n < 10 else Fraction(1, 200) for n in range(year + 1)]
    nominal = Fraction(GENESIS_SUPPLY)
    for rate in rates[:year]:
        nominal *= 1 + rate
    exact = nominal - GENESIS_SUPPLY + nominal * rates[year] * into / EPOCHS_A_YEAR
    assert 0 <= exact - issuable(elapsed) < 1.3 * (year + 2)


@given(st.integers(0, 60 * YEAR), st.integers(0, YEAR))
def test_it_never_falls(elapsed: int, more: int) -> None:
    assert issuable(elapsed) <= issuable(elapsed + more)
