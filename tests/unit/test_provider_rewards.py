"""When a node checks in with the reward pool."""

from __future__ import annotations

from cluster.rewards import check_in_due

HOUR = 3600.0


def test_it_checks_in_once_that_is_worth_several_times_its_gas() -> None:
    assert not check_in_due(2 * HOUR, value=499, gas=100)
    assert check_in_due(2 * HOUR, value=500, gas=100)


def test_it_does_not_check_in_all_the_time_however_cheap_gas_is() -> None:
    assert not check_in_due(0.9 * HOUR, value=10**18, gas=1)


def test_before_a_day_is_over_it_takes_what_at_least_pays_the_gas() -> None:
    assert not check_in_due(19 * HOUR, value=100, gas=100)
    assert check_in_due(20 * HOUR, value=100, gas=100)
    assert not check_in_due(30 * HOUR, value=99, gas=100)
