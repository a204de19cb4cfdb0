"""How often a key may ask, and the header fields that tell it (IETF draft-ietf-httpapi-ratelimit-headers)."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import limits
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter


@dataclass(frozen=True, slots=True)
class Room:
    """What is left of a rate. limit: requests in window_s seconds; reset_s: until more are allowed."""

    allowed: bool
    limit: int
    window_s: int
    remaining: int
    reset_s: int

    def headers(self, *, openai: bool) -> dict[str, str]:
        """RateLimit fields, and on OpenAI's routes the ones its clients read."""
        told = {
            "RateLimit-Policy": f'"default";q={self.limit};w={self.window_s}',
            "RateLimit": f'"default";r={self.remaining};t={self.reset_s}',
        }
        if openai:
            told |= {
                "x-ratelimit-limit-requests": str(self.limit),
                "x-ratelimit-remaining-requests": str(self.remaining),
                "x-ratelimit-reset-requests": f"{self.reset_s}s",
            }
        return told


class Limiter:
    """Counts in this replica's memory: with several replicas each allows the rate."""

    def __init__(self, default: str) -> None:
        self._default = default
        self._window = MovingWindowRateLimiter(MemoryStorage())

    async def take(self, key_id: str, rate: str | None) -> Room:
        """Count one request of a key, unless its rate is used up. rate: None for the default."""
        item = limits.parse(rate or self._default)
        allowed = await self._window.hit(item, key_id)
        stats = await self._window.get_window_stats(item, key_id)
        reset = max(0, math.ceil(stats.reset_time - time.time()))
        return Room(allowed, item.amount, item.get_expiry(), max(0, stats.remaining), reset)
