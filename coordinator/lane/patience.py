"""How long an order waits for seats that are dead or silent, where another committee could do without them.

A committee is drawn whole and no seat is replaced, so one that never commits spoils an order of three seats.
It costs nobody anything but time: the requester signs the next sequence, which draws another committee.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from coordinator.lane.settings import LaneConfig

AGAIN_S: Final = 1.0
"""For a seat that was away before this order began."""
AWAY_S: Final = 60.0
"""For so long an account counts as away after it last missed something."""
LEAST_CHANCE: Final = 1 / 3
"""That the next committee holds nobody who is away: below it, waiting is the better hope."""


@dataclass
class Presence:
    """Which accounts lately said nothing when they were asked: of one process, over all its orders."""

    clock: Callable[[], float] = time.monotonic
    _missed: dict[int, tuple[float, float]] = field(default_factory=dict)

    def heard(self, account: int) -> None:
        """It answered something."""
        self._missed.pop(account, None)

    def missed(self, account: int) -> None:
        """It did not answer."""
        now = self.clock()
        self._missed[account] = self.since(account, now), now

    def since(self, account: int, otherwise: float) -> float:
        """When it first missed what it has been missing since."""
        first, last = self._missed.get(account, (otherwise, -math.inf))
        return first if self.clock() - last < AWAY_S else otherwise

    def away(self) -> set[int]:
        """All of them."""
        now = self.clock()
        return {account for account, (_, last) in self._missed.items() if now - last < AWAY_S}


class Patience:
    """Of one order, from now on. seats: of its committee; usual: seconds that an account's orders take as a
    rule, 0 where that is not known; next_look: seconds until `given_up` may say something else.
    """

    def __init__(
        self,
        presence: Presence,
        config: LaneConfig,
        seats: Collection[int],
        usual: Callable[[int], float],
    ) -> None:
        self._presence, self._config, self._seats, self._usual = presence, config, seats, usual
        self._began = presence.clock()
        self._lost: dict[int, float] = {}
        self._committed: dict[int, float] = {}
        self.next_look = math.inf

    def lost(self, account: int) -> None:
        """A seat could not be reached anywhere."""
        self._presence.missed(account)
        self._lost.setdefault(account, self._presence.clock())

    def heard(self, account: int) -> None:
        """A seat said something."""
        self._lost.pop(account, None)

    def committed(self, account: int) -> None:
        """A seat bound itself."""
        self._committed.setdefault(account, self._presence.clock())

    def given_up(
        self,
        missing: Collection[int],
        suffices: Callable[[set[int]], bool],
        everybody: Callable[[], Collection[int]],
    ) -> set[int]:
        """Seats for which it is not worth to wait any longer; empty while it may be.

        missing: seats that may still commit; suffices: whether there is a verdict without these; everybody:
        accounts that committees are drawn from.
        """
        now = self._presence.clock()
        moments = {account: self._until(account) for account in missing}
        self.next_look = min((moment - now for moment in moments.values() if moment > now), default=math.inf)
        late = {account for account, moment in moments.items() if moment <= now}
        if not late or suffices(late) or not self._spare(late, everybody()):
            return set()
        for account in late:
            self._presence.missed(account)
        return late

    def _until(self, account: int) -> float:
        """The clock's time until which a seat is waited for; infinite while nothing speaks against it.

        Who cannot be reached has `unreachable_s`. Who is only slow has several times what it takes as a rule,
        and what the slowest seat that committed took, once those are the greater part of the committee.
        """
        lost = self._lost.get(account)
        if lost is not None:
            since = self._presence.since(account, lost)
            return max(since + self._config.unreachable_s, lost + AGAIN_S)
        if 2 * len(self._committed) <= len(self._seats):
            return math.inf
        slowest = max(self._usual(account), max(self._committed.values()) - self._began)
        known = account in self._presence.away()
        return self._began + max(AGAIN_S if known else self._config.hedge_s, self._config.hedge * slowest)

    def _spare(self, late: set[int], everybody: Collection[int]) -> bool:
        """Whether the next committee may well do without those who are late or away."""
        seats, there = len(self._seats), set(everybody) - self._presence.away() - late
        return math.comb(len(there), seats) >= LEAST_CHANCE * math.comb(len(everybody), seats)
