"""What the coordinator's loops share: passes that survive failures, and waiters that are woken.

Waits use `asyncio.timeout`, because `asyncio.wait_for` of Python 3.11 may swallow a cancellation.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Iterable

import structlog

from coordinator.metrics import Metrics
from mlbridge.errors import MLBridgeError

log = structlog.get_logger(__name__)

LONGEST_PAUSE_S = 10.0


async def drain(tasks: Collection[asyncio.Task[None]], timeout_s: float) -> None:
    """Wait for tasks to end, at most `timeout_s` seconds, then cancel the rest."""
    for task in (await asyncio.wait(tasks, timeout=timeout_s))[1] if tasks else ():
        task.cancel()


class Bell:
    """Wakes a sleeping loop before its pause is over."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, timeout_s: float) -> None:
        """Until rung, or `timeout_s` seconds."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._rung.wait()
        except TimeoutError:
            return
        finally:
            self._rung.clear()


class Changes:
    """Waiters for changes of tasks; `told` wakes all who wait for one of them."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def told(self, task_ids: Iterable[str]) -> None:
        for task_id in task_ids:
            for waiter in self._waiting.get(task_id, ()):
                waiter.set()

    async def wait(self, task_id: str, timeout_s: float) -> None:
        """Until the task changes, or `timeout_s` seconds."""
        waiter = asyncio.Event()
        self._waiting.setdefault(task_id, set()).add(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                await waiter.wait()
        except TimeoutError:
            return
        finally:
            left = self._waiting[task_id]
            left.discard(waiter)
            if not left:
                del self._waiting[task_id]


async def forever(
    name: str, step: Callable[[], Awaitable[bool]], bell: Bell, *, pause_s: float, metrics: Metrics
) -> None:
    """Run `step` again and again: at once while it returns True, else when `bell` rings or after `pause_s`.

    A failed pass is logged, counted and tried again, more slowly each time, at least every 10 s.
    """
    failures = 0
    while True:
        try:
            busy = await step()
            failures = 0
        except asyncio.CancelledError:
            raise
        except Exception as error:
            failures += 1
            metrics.failures.labels(name).inc()
            pause = min(LONGEST_PAUSE_S, pause_s * 2.0 ** min(failures, 8))
            unforeseen = not isinstance(error, MLBridgeError)
            log.warning(
                "loop_failed", loop=name, reason=str(error), retry_s=round(pause, 1), exc_info=unforeseen
            )
            await asyncio.sleep(pause * random.uniform(0.7, 1.0))  # noqa: S311 - spreads retries, hides nothing
            continue
        if not busy:
            await bell.wait(pause_s)


async def every(step: Callable[[], Awaitable[object]], pause_s: float) -> None:
    """Run `step` every `pause_s` seconds; a failed pass is logged and the next one tries again."""
    while True:
        try:
            await step()
        except Exception as error:
            unforeseen = not isinstance(error, MLBridgeError)
            log.warning(
                "loop_failed", step=getattr(step, "__name__", ""), reason=str(error), exc_info=unforeseen
            )
        await asyncio.sleep(pause_s)
