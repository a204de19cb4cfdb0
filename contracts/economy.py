"""What a deployment's economy is set to: reward rates and how prices move."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Final

MLB: Final = 10**18


@dataclass(frozen=True)
class RewardRates:
    """RewardPool's governed rates; fields in the order of IRewardPool.Rates.

    Rates and rebate_fee: basis points; mlb_per_coin: MLB (18 decimals) that one whole native coin counts for;
    budgets: MLB (18 decimals), a day for rebates, seven days for votes.
    """

    staking_rate: int = 200
    uptime_rate: int = 300
    vote_rate: int = 100
    rebate_fee: int = 500
    mlb_per_coin: int = 1_000 * MLB
    rebate_budget: int = 20_000 * MLB
    vote_budget: int = 20_000 * MLB

    def as_tuple(self) -> tuple[int, ...]:
        """The argument of the constructor and of setRates."""
        return astuple(self)


@dataclass(frozen=True)
class Pricing:
    """How prices move; fields in the order of IModelRegistry.Pricing.

    seats_per_provider: seats an epoch that a provider is meant to fill; ceiling: highest multiple of the
    provider's own price, in millionths.
    """

    seats_per_provider: int = 100
    ceiling: int = 16_000_000

    def as_tuple(self) -> tuple[int, ...]:
        """The argument of the constructor and of setPricing."""
        return astuple(self)
