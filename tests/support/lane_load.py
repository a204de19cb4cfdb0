"""Tasks at a rate, sent to a town's gateway by clients that come back until they have their answer."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from mlbridge.protocol.payload import ClassificationOutput, decode_output, encode_input
from tests.support.lane_town import Town
from tests.support.seats import until

AGAIN_S: Final = 0.3
LATER_S: Final = 1.0
"""Between the tries of a client that was refused: at first, and at most."""


@dataclass
class Load:
    """Tasks at a rate, each sent under one idempotency key until the gateway takes it.

    at_once: clients that wait at most, and while they do nobody else comes; tasks: by number, as they ended.
    """

    town: Town
    every_s: float
    at_once: int = 1_000
    tasks: dict[int, dict[str, Any]] = field(default_factory=dict)
    refused: int = 0
    begun: int = 0
    _work: set[asyncio.Task[None]] = field(default_factory=set)

    @contextlib.asynccontextmanager
    async def under_way(self, *, timeout_s: float) -> AsyncIterator[None]:
        """New tasks begin meanwhile, and all that was begun has ended afterwards. Raises TimeoutError."""
        running = asyncio.create_task(self._run())
        try:
            yield
            running.cancel()
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*self._work)
        finally:
            running.cancel()
            for task in self._work:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    async def _run(self) -> None:
        """Begin new tasks until cancelled."""
        room = asyncio.Semaphore(self.at_once)
        for number in itertools.count():
            await room.acquire()
            self.begun = number + 1
            task = asyncio.create_task(self._one(number))
            task.add_done_callback(lambda _: room.release())
            self._work.add(task)
            await asyncio.sleep(self.every_s)

    async def _one(self, number: int) -> None:
        body = {"model": "0x" + self.town.rig.model.hex(), "input": image(number)}
        headers = {"Idempotency-Key": f"task-{number}"}
        made = await self._until(
            lambda http: http.post("/v1/tasks", json=body, headers=headers),
            lambda answer: answer.status_code == 202,
        )
        path, params = f"/v1/tasks/{made['id']}", {"wait": "20"}
        self.tasks[number] = await self._until(
            lambda http: http.get(path, params=params),
            lambda answer: answer.status_code == 200 and bool(answer.json()["ended"]),
        )

    async def _until(
        self, ask: Callable[[httpx2.AsyncClient], Any], done: Callable[[httpx2.Response], bool]
    ) -> dict[str, Any]:
        pause = AGAIN_S
        async with self.http() as http:
            while True:
                try:
                    answer = await ask(http)
                except httpx2.HTTPError:
                    self.refused += 1
                else:
                    assert answer.status_code < 400 or is_away(answer), answer.text
                    if done(answer):
                        found: dict[str, Any] = answer.json()
                        return found
                    self.refused += answer.status_code >= 400
                await asyncio.sleep(pause)
                pause = min(LATER_S, 1.5 * pause)

    def http(self) -> httpx2.AsyncClient:
        headers = {"Authorization": f"Bearer {self.town.secret}"}
        return httpx2.AsyncClient(base_url=self.town.gateway.local_url, headers=headers, timeout=30)

    async def more(self, count: int, *, timeout_s: float) -> None:
        """Until so many tasks that are begun from now on have ended. Raises TimeoutError."""
        first = self.begun

        async def enough() -> bool:
            return sum(number >= first for number in self.tasks) >= count

        await until(enough, timeout_s=timeout_s, every_s=0.2)


def is_away(answer: httpx2.Response) -> bool:
    """Whether the gateway asks to come again, or Ray Serve's ingress does not know it yet."""
    if answer.status_code == 404:
        return not answer.headers.get("content-type", "").startswith("application/")
    return answer.status_code == 503


def image(number: int) -> dict[str, Any]:
    """Another picture for each number."""
    return {"kind": "classification", "image": [(number >> place) % 17 for place in range(64)]}


def right_label(town: Town, number: int) -> int:
    """What the model says to that picture."""
    fields = {name: value for name, value in image(number).items() if name != "kind"}
    honest = decode_output("classification", town.answer(encode_input("classification", fields)))
    assert isinstance(honest, ClassificationOutput)
    return honest.label
