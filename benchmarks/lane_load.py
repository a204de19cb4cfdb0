"""Load for the lane's benchmark: verified orders by the SDK, and the same members asked directly."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import aiohttp

from benchmarks.lane_bed import Bed, Tell
from benchmarks.lane_seat import SLEEPS_MS, sleeping_input
from benchmarks.timing import Timings, measure_for
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import encode_input

REQUESTERS: Final = (1, 4, 16, 64)
SEATS: Final = (3, 5, 7)
WIDE_SLEEPS_MS: Final = (0, 50)
WIDE_REQUESTERS: Final = (1, 16, 64)
LEAST_ROUNDS: Final = 6
CHAT_CALLS: Final = 6
CHAT_TOKENS: Final = 16


@dataclass(frozen=True)
class Cell:
    """One load, asked directly and verified. sleep_ms: -1: SmolLM2. Times in seconds, CPU in seconds a task.

    direct latency: of the slowest of as many members as the committee has seats, asked at once.
    """

    sleep_ms: int
    seats: int
    requesters: int
    direct_tasks: int
    direct_rate: float
    direct_p50: float
    direct_p99: float
    tasks: int
    rate: float
    p50: float
    p99: float
    failed: int
    cpu: dict[str, float]

    @property
    def row(self) -> dict[str, Any]:
        """JSON-ready, with the ratios."""
        return asdict(self) | {
            "latency_ratio_p50": self.p50 / self.direct_p50,
            "latency_ratio_p99": self.p99 / self.direct_p99,
            "added_p50": self.p50 - self.direct_p50,
            "throughput_ratio": self.rate / self.direct_rate,
        }


@dataclass
class Orders:
    """Verified tasks by the SDK: each call takes the next of the channels. failed: by error code."""

    bed: Bed
    model: bytes
    seats: int
    failed: Counter[str] = field(default_factory=Counter)
    done: int = 0

    def __post_init__(self) -> None:
        self._channels = itertools.cycle(self.bed.channels)

    async def call(self, payload: bytes, **options: Any) -> bool:
        """One order to its verified answer; False if it failed."""
        channel = next(self._channels)
        try:
            await channel.order(self.model, payload, seats=self.seats, **options)
        except MLBridgeError as error:
            self.failed[error.code] += 1
            return False
        self.done += 1
        return True


class Direct:
    """Members asked without an order: `seats` of them at once, as a committee is."""

    def __init__(self, urls: list[str], seats: int) -> None:
        self._urls, self._seats = urls, seats
        self._choose = random.Random(0)  # noqa: S311 - which members are asked is no secret
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def call(self, payload: bytes) -> None:
        """The slowest of their answers."""
        asked = self._choose.sample(self._urls, self._seats)
        answers = await asyncio.gather(*(self._ask(url, payload) for url in asked))
        if len(set(answers)) != 1:
            raise RuntimeError("members answer the same input in different ways")

    async def _ask(self, url: str, payload: bytes) -> bytes:
        async with self._session.post(f"{url}/raw", data=payload) as response:
            response.raise_for_status()
            return await response.read()

    async def close(self) -> None:
        await self._session.close()


class Inputs:
    """Inputs of which no two are the same in a bed."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def sleeping(self, sleep_ms: int) -> bytes:
        return sleeping_input(sleep_ms, next(self._numbers))

    def chat(self) -> bytes:
        text = f"Count on from {next(self._numbers)}."
        return encode_input(
            "chat", {"messages": [{"role": "user", "content": text}], "max_tokens": CHAT_TOKENS}
        )


def cells() -> list[tuple[int, int, int]]:
    """(sleep in ms, seats, requesters) of the default run."""
    narrow = [(sleep, SEATS[0], at_once) for sleep in SLEEPS_MS for at_once in REQUESTERS]
    wide = [(sleep, s, at_once) for s in SEATS[1:] for sleep in WIDE_SLEEPS_MS for at_once in WIDE_REQUESTERS]
    return narrow + wide


async def latencies(
    bed: Bed, tell: Tell, seconds: float, chosen: Sequence[tuple[int, int, int]]
) -> list[dict[str, Any]]:
    """Cells, each half asked for `seconds` or some rounds of the model, whichever is longer.

    chosen: as `cells` has them; those with more seats than the bed has members are left out.
    """
    inputs = Inputs()
    await _warm(bed, inputs)
    rows = []
    for sleep_ms, seats, requesters in chosen:
        if seats > len(bed.urls):
            continue
        lasting = max(seconds, LEAST_ROUNDS * sleep_ms / 1000)
        rows.append(await _sleeping_cell(bed, inputs, sleep_ms, seats, requesters, lasting))
        tell(_line(rows[-1]))
    if bed.chat_urls:
        rows.append(await _chat_cell(bed, inputs))
        tell(_line(rows[-1]))
    return rows


async def _warm(bed: Bed, inputs: Inputs) -> None:
    """Connections and caches."""
    orders = Orders(bed, bed.model, min(SEATS[-1], len(bed.urls)))
    await measure_for(lambda _: orders.call(inputs.sleeping(0)), 1.0, 16)


async def _sleeping_cell(
    bed: Bed, inputs: Inputs, sleep_ms: int, seats: int, requesters: int, seconds: float
) -> dict[str, Any]:
    direct, orders = Direct(bed.urls, seats), Orders(bed, bed.model, seats)
    try:
        raw = await measure_for(lambda _: direct.call(inputs.sleeping(sleep_ms)), seconds, requesters)
    finally:
        await direct.close()
    before = bed.cpu()
    told = await measure_for(lambda _: orders.call(inputs.sleeping(sleep_ms)), seconds, requesters)
    return _cell(bed, before, sleep_ms, seats, requesters, raw, told, orders)


async def _chat_cell(bed: Bed, inputs: Inputs) -> dict[str, Any]:
    """SmolLM2 with three seats, one requester: more would only queue on the few cores."""
    direct, orders = Direct(bed.chat_urls, SEATS[0]), Orders(bed, bed.chat, SEATS[0])
    try:
        await direct.call(inputs.chat())
        raw = await measure_for(lambda _: direct.call(inputs.chat()), 0, 1, least=CHAT_CALLS)
    finally:
        await direct.close()
    before = bed.cpu()
    told = await measure_for(lambda _: orders.call(inputs.chat()), 0, 1, least=CHAT_CALLS)
    return _cell(bed, before, -1, SEATS[0], 1, raw, told, orders)


def _cell(
    bed: Bed,
    before: dict[str, float],
    sleep_ms: int,
    seats: int,
    requesters: int,
    raw: Timings,
    told: Timings,
    orders: Orders,
) -> dict[str, Any]:
    if not told.each:
        raise RuntimeError(f"no order was answered: {dict(orders.failed)}")
    cpu = {name: (spent - before[name]) / len(told.each) for name, spent in bed.cpu().items()}
    return Cell(
        sleep_ms,
        seats,
        requesters,
        len(raw.each),
        raw.rate,
        raw.p50,
        raw.p99,
        len(told.each),
        told.rate,
        told.p50,
        told.p99,
        orders.failed.total(),
        cpu,
    ).row


def _line(row: dict[str, Any]) -> str:
    name = "SmolLM2" if row["sleep_ms"] < 0 else f"{row['sleep_ms']} ms"
    return (
        f"{name:>8}, {row['seats']} seats, {row['requesters']:>2} requesters: "
        f"direct {1000 * row['direct_p50']:.1f} ms, verified {1000 * row['p50']:.1f} ms "
        f"(x {row['latency_ratio_p50']:.2f}), {row['rate']:.1f} tasks/s (x {row['throughput_ratio']:.2f}), "
        f"coordinator {1000 * row['cpu']['coordinator']:.1f} ms CPU, load {os.getloadavg()[0]:.1f}"
    )
