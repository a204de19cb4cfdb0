"""Stand-ins on the seams of serve: an engine without a model, a recorder that keeps what it is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from mlbridge.protocol import payload
from serve.engines.base import EngineInfo, Hear


class FakeEngine:
    """Returns a one-dimensional embedding that counts the text's letters; blocks on the text "hold"."""

    def __init__(self) -> None:
        self.loaded = False
        self.seen: list[str] = []
        self.hold, self.held = threading.Event(), threading.Event()
        self.answer: Callable[[str], float] = len

    def load(self) -> None:
        self.loaded = True

    def run(self, data: bytes, hear: Hear | None = None) -> bytes:
        task = payload.decode_input(data)
        assert isinstance(task, payload.EmbeddingInput)
        self.seen.append(task.text)
        if task.text == "hold":
            self.held.set()
            assert self.hold.wait(10)
        if task.text == "break":
            raise RuntimeError("no memory")
        return payload.encode_output("embedding", payload.EmbeddingOutput.of([self.answer(task.text)]))

    def info(self) -> EngineInfo:
        return EngineInfo("torch", "embedding", "fake", "float32", "cpu", 1)


class FakeRecorder:
    """Keeps outcomes and the last count."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.count = 0
        self._changed = asyncio.Event()

    def in_flight(self, count: int) -> None:
        self.count = count
        self._changed.set()

    async def reaches(self, count: int) -> None:
        """Waits until so many runs are in flight."""
        while self.count != count:
            self._changed.clear()
            async with asyncio.timeout(10):
                await self._changed.wait()

    def finished(self, outcome: str, seconds: float) -> None:
        assert seconds >= 0
        self.outcomes.append(outcome)
