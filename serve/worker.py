"""An engine on a thread of its own, so that the event loop keeps answering."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from mlbridge.errors import MLBridgeError
from serve.engines.base import Engine, EngineInfo, Hear, probe

T = TypeVar("T")


class Runner(Protocol):
    """What the service needs of a model, wherever it runs."""

    async def start(self) -> None:
        """Makes the model ready. Raises MLBridgeError engine.*."""

    async def run(self, data: bytes, hear: Hear | None = None) -> bytes:
        """Output payload of an input payload. Raises MLBridgeError payload.*, input.* or engine.*.

        hear: called in the event loop, by engines whose answers grow.
        """

    async def check(self) -> None:
        """Raises MLBridgeError engine.unhealthy when the model no longer answers as it did at the start."""

    def info(self) -> EngineInfo:
        """What runs."""


class ThreadRunner:
    """Runs a blocking engine on one thread; loads it there too, because thread settings are per thread.

    stuck_after_s: a single run that lasts longer counts as dead.
    """

    def __init__(
        self, engine: Engine, *, stuck_after_s: float = 600.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._stuck_after_s = stuck_after_s
        self._clock = clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")
        self._expected = b""
        self._running: list[float] = []  # when each run was handed to the thread

    async def start(self) -> None:
        """See Runner."""
        await self._call(self._engine.load)
        self._expected = await self._call(lambda: probe(self._engine))

    async def run(self, data: bytes, hear: Hear | None = None) -> bytes:
        """See Runner."""
        aloud = None if hear is None else _from_thread(hear)
        started = self._clock()
        self._running.append(started)
        try:
            return await self._call(lambda: self._engine.run(data, aloud))
        except MLBridgeError:
            raise
        except Exception as error:
            raise MLBridgeError(
                "engine.failed", f"The engine failed: {type(error).__name__}: {error}."
            ) from error
        finally:
            self._running.remove(started)

    async def check(self) -> None:
        """See Runner. A run under way is evidence of life; otherwise the probe is run again."""
        if self._running:
            if self._clock() - min(self._running) > self._stuck_after_s:
                raise _unhealthy(f"one run has lasted more than {self._stuck_after_s:.0f} s")
            return
        if await self._call(lambda: probe(self._engine)) != self._expected:
            raise _unhealthy("the same input gave another answer than at the start")

    def info(self) -> EngineInfo:
        """See Runner."""
        return self._engine.info()

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _from_thread(hear: Hear) -> Hear:
    """The same, for another thread than that of the event loop."""
    loop = asyncio.get_running_loop()

    def aloud(piece: str) -> None:
        loop.call_soon_threadsafe(hear, piece)

    return aloud


def _unhealthy(reason: str) -> MLBridgeError:
    return MLBridgeError("engine.unhealthy", f"The engine is not healthy: {reason}.")
