"""What governance is made with, and two sets of it: a devnet's and a public chain's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from contracts.deploy_params import COIN, DAY
from contracts.economy import MLB
from contracts.proposals import Category, Terms


@dataclass(frozen=True)
class GovernanceParams:
    """What governance is made with.

    least_delay: the timelock's own; maturity, guardian_term, vote_extension, least_voting_period: seconds;
    roll_minimum, token_grant_limit: MLB with 18 decimals; coin_grant_limit: wei; guardian: empty for none.
    """

    terms: Mapping[Category, Terms]
    least_delay: int = 2 * DAY
    roll_minimum: int = 10_000 * MLB
    maturity: int = 14 * DAY
    guardian: str = ""
    guardian_term: int = 180 * DAY
    vote_extension: int = 1 * DAY
    least_voting_period: int = 1 * DAY
    token_grant_limit: int = 250_000 * MLB
    coin_grant_limit: int = 10 * COIN


# docs/design/governance.md says why.
PUBLIC_TERMS: Final[Mapping[Category, Terms]] = {
    Category.TECHNICAL: Terms(DAY, 5 * DAY, 3 * DAY, 300, 5_000, False, 1_000_000 * MLB, 0),
    Category.ECONOMIC: Terms(2 * DAY, 7 * DAY, 7 * DAY, 400, 5_000, False, 2_000_000 * MLB, 0),
    Category.GOVERNANCE: Terms(2 * DAY, 7 * DAY, 15 * DAY, 600, 6_666, False, 5_000_000 * MLB, 0),
    # the floor is the weight of 100 accounts at the roll's minimum, the root of 1e22 each
    Category.ECOSYSTEM: Terms(DAY, 5 * DAY, 2 * DAY, 1_000, 5_000, True, 100_000 * MLB, 100 * 10**11),
}
PUBLIC_GOVERNANCE: Final = GovernanceParams(PUBLIC_TERMS)
# Votes in minutes. A change of power waits for the unbonding delay even here: the contract insists.
DEVNET_GOVERNANCE: Final = GovernanceParams(
    {
        category: replace(
            terms,
            voting_delay=10,
            voting_period=300,
            timelock_delay=terms.timelock_delay if category is Category.GOVERNANCE else 60,
        )
        for category, terms in PUBLIC_TERMS.items()
    },
    least_delay=60,
    maturity=60,
    vote_extension=60,
    least_voting_period=60,
)
