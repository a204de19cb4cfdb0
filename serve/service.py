"""One model behind its guard: what a replica does, without Ray and without HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from mlbridge.errors import MLBridgeError
from serve.engines.base import Hear
from serve.gate import Checkup, Gate, SingleFlight
from serve.guard import Guard, order_key
from serve.worker import Runner


class Recorder(Protocol):
    """Where measurements go."""

    def in_flight(self, count: int) -> None:
        """Runs under way and waiting, whenever it changes."""

    def finished(self, outcome: str, seconds: float) -> None:
        """One request is over; outcome: ok, or an error's code."""


class ModelService:
    """Runs orders of the provider's node, and the operator's own requests, within the replica's room."""

    def __init__(
        self,
        runner: Runner,
        guard: Guard,
        gate: Gate,
        results: SingleFlight,
        recorder: Recorder,
        *,
        description: dict[str, Any],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runner = runner
        self._guard = guard
        self._gate = gate
        self._results = results
        self._recorder = recorder
        self._description = description
        self._clock = clock
        self._checkup = Checkup(runner.check, clock=clock)

    async def execute(self, header: str | None, body: bytes) -> bytes:
        """The output payload for an ordered input; a repeated order returns the first run's bytes.

        Raises MLBridgeError order.* (see Guard.admit), serve.busy, payload.*, input.* or engine.*.
        """
        started = self._clock()
        try:
            order = self._guard.admit(header, body)
            result = await self._results.run(order_key(order), lambda: self._run(body))
        except MLBridgeError as error:
            self._recorder.finished(error.code, self._clock() - started)
            raise
        self._recorder.finished("ok", self._clock() - started)
        return result

    async def run(self, data: bytes, hear: Hear | None = None) -> bytes:
        """The output payload for an input of the operator, without an order. hear: see Runner.run.

        Raises MLBridgeError serve.busy, payload.*, input.* or engine.*.
        """
        started = self._clock()
        try:
            result = await self._run(data, hear)
        except MLBridgeError as error:
            self._recorder.finished(error.code, self._clock() - started)
            raise
        self._recorder.finished("ok", self._clock() - started)
        return result

    async def check(self, *, max_age_s: float = 0.0) -> None:
        """Raises MLBridgeError engine.unhealthy when the model does not answer as it should.

        max_age_s: the outcome of a check that ended so lately will do.
        """
        await self._checkup.run(max_age_s=max_age_s)

    def info(self) -> dict[str, Any]:
        """What this replica serves and how full it is. JSON-ready."""
        return {**self._description, "capacity": self._gate.capacity, "in_flight": self._gate.in_flight}

    async def _run(self, data: bytes, hear: Hear | None = None) -> bytes:
        async with self._gate.enter():
            return await self._runner.run(data, hear)
