"""When an order stops waiting for a seat: by a clock that the test moves."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

from coordinator.lane.patience import AGAIN_S, AWAY_S, Patience, Presence
from coordinator.lane.settings import LaneConfig

CONFIG = LaneConfig(unreachable_s=5, hedge=4, hedge_s=5)
SEATS = (2, 4, 6)
MANY = range(2, 22, 2)


@dataclass
class Table:
    """One coordinator, its clock, and what its members' orders take as a rule."""

    now: float = 1_000.0
    usual: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.presence = Presence(lambda: self.now)
        self.order()

    def order(self) -> None:
        """A new one, from now on."""
        self.patience = Patience(self.presence, CONFIG, SEATS, lambda account: self.usual.get(account, 0.0))

    def given_up(self, *missing: int, everybody: Collection[int] = MANY) -> set[int]:
        """Of three seats, all of which a verdict needs."""
        return self.patience.given_up(missing, lambda late: not late, lambda: everybody)


def test_nobody_is_given_up_while_nothing_speaks_against_it() -> None:
    table = Table()
    table.patience.committed(2)
    table.now += 3_600
    assert table.given_up(4, 6) == set()
    assert table.patience.next_look == math.inf


def test_a_seat_that_stays_unreachable_is_given_up() -> None:
    table = Table()
    table.patience.lost(4)
    assert table.given_up(2, 4, 6) == set()
    assert table.patience.next_look == CONFIG.unreachable_s
    table.now += CONFIG.unreachable_s
    table.patience.lost(4)
    assert table.given_up(2, 4, 6) == {4}


def test_who_was_reached_in_between_is_waited_for_again() -> None:
    table = Table()
    table.patience.lost(4)
    table.now += 4
    table.patience.heard(4)
    table.presence.heard(4)
    table.now += 4
    table.patience.lost(4)
    assert table.given_up(2, 4, 6) == set()


def test_who_was_away_before_the_order_began_is_given_up_soon() -> None:
    table = Table()
    table.patience.lost(4)
    table.now += CONFIG.unreachable_s
    table.order()
    table.patience.lost(4)
    assert table.given_up(2, 4, 6) == set()
    assert table.patience.next_look == AGAIN_S
    table.now += AGAIN_S
    assert table.given_up(2, 4, 6) == {4}
    # After a while nobody knows any more.
    table.now += AWAY_S
    assert table.presence.away() == set()


def test_a_silent_seat_has_several_times_what_the_others_took() -> None:
    table = Table()
    table.now += 3
    table.patience.committed(2)
    table.now += 1
    table.patience.committed(6)
    assert table.given_up(4) == set()
    assert table.patience.next_look == CONFIG.hedge * 4 - 4
    table.now += CONFIG.hedge * 4 - 4
    assert table.given_up(4) == {4}


def test_a_quick_model_gives_a_silent_seat_some_seconds() -> None:
    table = Table()
    for account in (2, 6):
        table.patience.committed(account)
    assert table.given_up(4) == set()
    assert table.patience.next_look == CONFIG.hedge_s


def test_a_member_that_always_takes_long_is_not_hurt() -> None:
    table = Table(usual={4: 60.0})
    for account in (2, 6):
        table.patience.committed(account)
    table.now += 100
    assert table.given_up(4) == set()
    assert table.patience.next_look == CONFIG.hedge * 60.0 - 100


def test_nobody_is_given_up_whom_the_next_committee_would_need_too() -> None:
    """Of four accounts three are drawn: the one that is started again is worth waiting for."""
    table = Table()
    table.patience.lost(4)
    table.now += 3_600
    assert table.given_up(2, 4, 6, everybody=(2, 4, 6, 8)) == set()
    assert table.given_up(2, 4, 6, everybody=(2, 4, 6, 8, 10)) == {4}


def test_where_nobody_answers_it_is_not_the_seats_that_are_gone() -> None:
    table = Table()
    for account in MANY:
        table.patience.lost(account)
    table.now += 30
    for account in MANY:
        table.presence.missed(account)
    assert table.given_up(*SEATS) == set()


def test_a_seat_that_a_verdict_can_do_without_is_nobodys_trouble() -> None:
    table = Table()
    table.patience.lost(4)
    table.now += 3_600
    assert table.patience.given_up((4,), lambda late: True, lambda: MANY) == set()
