"""The gate's bounds, and one run per piece of work."""

from __future__ import annotations

import asyncio

import pytest

from mlbridge.errors import MLBridgeError
from serve.gate import Gate, SingleFlight


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_one_runs_one_waits_the_third_is_refused() -> None:
    gate, leave, order = Gate(1, 1), asyncio.Event(), []

    async def visit(name: str) -> None:
        async with gate.enter():
            order.append(name)
            await leave.wait()

    first, second = asyncio.create_task(visit("first")), asyncio.create_task(visit("second"))
    await asyncio.sleep(0)
    assert (gate.in_flight, gate.capacity, order) == (2, 2, ["first"])
    with pytest.raises(MLBridgeError) as caught:
        await visit("third")
    assert caught.value.code == "serve.busy"
    assert caught.value.context == {"retry_after": 1}
    leave.set()
    await asyncio.gather(first, second)
    assert (gate.in_flight, order) == (0, ["first", "second"])


async def test_retry_after_grows_with_what_a_run_takes() -> None:
    clock = Clock()
    gate = Gate(1, 0, clock=clock)
    async with gate.enter():
        clock.now += 7.2
    async with gate.enter():
        with pytest.raises(MLBridgeError) as caught:
            async with gate.enter():
                pass
    assert caught.value.context == {"retry_after": 8}


async def test_a_failed_or_cancelled_run_frees_its_place() -> None:
    gate = Gate(1, 1)

    async def fail() -> None:
        async with gate.enter():
            raise ValueError

    async def wait_inside() -> None:
        async with gate.enter():
            await asyncio.sleep(60)

    with pytest.raises(ValueError):  # noqa: PT011
        await fail()
    inside, waiting = asyncio.create_task(wait_inside()), asyncio.create_task(wait_inside())
    await asyncio.sleep(0)
    for task in (waiting, inside):
        task.cancel()
    await asyncio.gather(inside, waiting, return_exceptions=True)
    assert gate.in_flight == 0


async def test_equal_work_runs_once_together_and_later() -> None:
    flight, runs = SingleFlight(100), []

    async def work() -> bytes:
        runs.append(1)
        await asyncio.sleep(0)
        return b"result"

    together = await asyncio.gather(*(flight.run("key", work) for _ in range(5)))
    assert [*together, await flight.run("key", work)] == [b"result"] * 6
    assert len(runs) == 1


async def test_failures_are_not_remembered() -> None:
    flight, runs = SingleFlight(100), []

    async def work() -> bytes:
        runs.append(1)
        if len(runs) == 1:
            raise MLBridgeError("engine.failed", "No.")
        return b"yes"

    with pytest.raises(MLBridgeError):
        await flight.run("key", work)
    assert await flight.run("key", work) == b"yes"


async def test_work_outlives_a_caller_that_gives_up() -> None:
    flight, finish, runs = SingleFlight(100), asyncio.Event(), []

    async def work() -> bytes:
        runs.append(1)
        await finish.wait()
        return b"late"

    caller = asyncio.create_task(flight.run("key", work))
    await asyncio.sleep(0)
    caller.cancel()
    finish.set()
    await asyncio.gather(caller, return_exceptions=True)
    assert await flight.run("key", work) == b"late"
    assert len(runs) == 1


async def test_the_memory_is_bounded_by_bytes_and_drops_the_longest_unused() -> None:
    flight, runs = SingleFlight(10), []

    async def run(key: str, size: int) -> None:
        async def work() -> bytes:
            runs.append(key)
            return b"x" * size

        await flight.run(key, work)

    for key, size in (("a", 4), ("b", 4), ("a", 4), ("c", 4), ("a", 4), ("b", 4), ("big", 11), ("big", 11)):
        await run(key, size)
    assert runs == ["a", "b", "c", "b", "big", "big"]
