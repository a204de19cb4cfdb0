"""How often a key may ask, and the header fields that tell it (IETF draft-ietf-httpapi-ratelimit-headers)."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import limits
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from mlbridge.errors import MLBridgeError


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


def exceeded(room: Room, who: str) -> MLBridgeError:
    """What is said to whoever asks too often."""
    return MLBridgeError(
        "rate.exceeded",
        f"{who} may ask {room.limit} times in {room.window_s} s.",
        hint="Wait as long as Retry-After says.",
        retry_after_s=max(1, room.reset_s),
    )


class Limiter:
    """Counts in this replica's memory: with several replicas each allows the rate."""

    def __init__(self, default: str) -> None:
        self._default = default
        self._window = MovingWindowRateLimiter(MemoryStorage())

    async def take(self, who: str, rate: str | None) -> Room:
        """Count one request of a key or requester, unless its rate is used up. rate: None for the default."""
        item = limits.parse(rate or self._default)
        allowed = await self._window.hit(item, who)
        stats = await self._window.get_window_stats(item, who)
        reset = max(0, math.ceil(stats.reset_time - time.time()))
        return Room(allowed, item.amount, item.get_expiry(), max(0, stats.remaining), reset)
