"""Latencies and rates of calls that are made so many at a time."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Timings:
    """Seconds a call, and calls a second over the whole run."""

    each: list[float]
    rate: float

    @property
    def p50(self) -> float:
        return statistics.median(self.each)

    @property
    def p95(self) -> float:
        return self.quantile(0.95)

    @property
    def p99(self) -> float:
        return self.quantile(0.99)

    def quantile(self, share: float) -> float:
        """The latency that this share of the calls stayed within."""
        return sorted(self.each)[max(0, round(share * len(self.each)) - 1)]


async def measure(call: Callable[[int], Awaitable[Any]], count: int, at_once: int) -> Timings:
    """Make `count` calls, `at_once` under way at a time. One that returns False failed and does not count."""
    return await _work(call, iter(range(count)), at_once)


async def measure_for(
    call: Callable[[int], Awaitable[Any]], seconds: float, at_once: int, *, least: int = 0
) -> Timings:
    """As `measure`, for so long and `least` calls at least."""
    until = time.perf_counter() + seconds
    lasting = itertools.takewhile(
        lambda number: number < least or time.perf_counter() < until, itertools.count()
    )
    return await _work(call, lasting, at_once)


async def _work(call: Callable[[int], Awaitable[Any]], numbers: Iterator[int], at_once: int) -> Timings:
    each: list[float] = []

    async def worker() -> None:
        for number in numbers:
            began = time.perf_counter()
            if await call(number) is not False:
                each.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return Timings(each, len(each) / (time.perf_counter() - began))
