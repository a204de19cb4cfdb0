"""Carries accepted tasks to their end, also those that a killed replica left, and tells whoever waits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from coordinator.loops import Changes, every
from gateway.book import Book, Task
from gateway.lanes import (
    ENDINGS,
    Accepted,
    Lane,
    LaneEvent,
    Receipt,
    Refunded,
    Refused,
    Seated,
    Tokens,
    Verdict,
)
from gateway.metrics import Metrics
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import ChatOutput, decode_output

log = structlog.get_logger(__name__)

LEASE_S = 10.0
RENEW_S = 3.0
TAKE_OVER = 64
UPKEEP_S = 60.0
FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 30.0
OVERRULED = "answer.overruled"
TAKEN_BACK = "What was streamed is not the answer that the network agreed on."
LOOK_S = 1.0  # other replicas' tasks are looked at this often


class Carrier:
    """The background of one replica. `start` it, and `stop` it to leave its tasks to others."""

    def __init__(self, book: Book, lanes: Mapping[str, Lane], metrics: Metrics) -> None:
        self._book, self._lanes, self._metrics = book, lanes, metrics
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._told: dict[str, str] = {}
        self._changes = Changes()
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to take over what nobody carries."""
        for step, pause in ((self._keep, RENEW_S), (self._upkeep, UPKEEP_S)):
            self._loops.append(asyncio.create_task(every(step, pause)))

    async def stop(self) -> None:
        """Let go of every task; whoever starts next carries it on."""
        running = [*self._loops, *self._under_way.values()]
        left = list(self._under_way)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._book.release(left)

    @property
    def alive(self) -> bool:
        """Whether the background runs."""
        return bool(self._loops) and not any(loop.done() for loop in self._loops)

    def carry(self, task: Task, *, resumed: bool = False) -> None:
        """Carry a task from now on."""
        if task.id not in self._under_way:
            self._under_way[task.id] = asyncio.create_task(self._run(task, resumed))

    # ---- waiting ----

    async def decided(self, task_ids: Sequence[str], timeout_s: float, *, ended: bool = False) -> list[Task]:
        """Tasks once all of them are decided (or ended), or as they are after `timeout_s` seconds."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        while True:
            found = await self._book.many(task_ids)
            waiting = [task.id for task in found if not (task.ended if ended else task.decided)]
            left = until - loop.time()
            if not waiting or left <= 0:
                return found
            await self._changes.wait(waiting[0], min(left, LOOK_S))

    async def told(self, task_id: str, shown: int, timeout_s: float) -> str:
        """The answer's text as it was told before its verdict; waits for more than `shown` characters."""
        if len(self._told.get(task_id, "")) <= shown:
            await self._changes.wait(task_id, min(timeout_s, LOOK_S))
        return self._told.get(task_id, "")

    # ---- carrying ----

    async def _run(self, task: Task, resumed: bool) -> None:
        pause = FIRST_RETRY_S
        try:
            while not await self._try(task, resumed):
                resumed = True
                await asyncio.sleep(pause)
                pause = min(LONGEST_RETRY_S, 2 * pause)
        finally:
            self._under_way.pop(task.id, None)
            self._told.pop(task.id, None)

    async def _try(self, task: Task, resumed: bool) -> bool:
        """One try; whether the task has ended."""
        lane = self._lanes.get(task.lane)
        if lane is None:
            log.error("lane_missing", task=task.id, lane=task.lane)
            return False
        try:
            async for event in lane.carry(task.offer, resumed=resumed):
                await self._take(task, event)
                if isinstance(event, ENDINGS):
                    return True
            log.error("lane_left_open", task=task.id, lane=task.lane)
        except Exception as error:
            code = error.code if isinstance(error, MLBridgeError) else type(error).__name__
            unforeseen = not isinstance(error, MLBridgeError)
            log.warning("task_retry", task=task.id, code=code, reason=str(error), exc_info=unforeseen)
            self._metrics.retries.inc()
        return False

    async def _take(self, task: Task, event: LaneEvent) -> None:
        match event:
            case Accepted():
                await self._book.started(task.id)
            case Seated():
                await self._book.change(task.id, committee=json.dumps(event.committee))
            case Tokens():
                # Another try tells it again from the beginning; what contradicts what was shown is kept back.
                if event.text.startswith(self._told.get(task.id, "")):
                    self._told[task.id] = event.text
            case Verdict() if not begins(event.payload, task.kind, self._told.get(task.id, "")):
                log.error("answer_overruled", task=task.id)
                await self._decide(task, "failed", 0, error_code=OVERRULED, error=TAKEN_BACK)
            case Verdict():
                seated = {} if event.committee is None else {"committee": json.dumps(event.committee)}
                facts = {"payload": event.payload, "confidence": event.confidence, **seated}
                await self._decide(task, "finalized", event.cost_wei, **facts)
            case Receipt():
                await self._book.change(task.id, receipt=event.document, ended=True)
            case Refunded():
                await self._decide(
                    task,
                    event.status,
                    event.cost_wei,
                    error_code=f"task.{event.status}",
                    error=event.reason,
                    receipt=event.receipt,
                )
                await self._book.change(task.id, ended=True)
            case Refused():
                await self._decide(task, "failed", 0, error_code=event.code, error=event.message)
                await self._book.change(task.id, ended=True)
        self._changes.told([task.id])

    async def _decide(self, task: Task, status: str, cost: int, **values: Any) -> None:
        if await self._book.decide(task.id, status=status, cost=cost, **values):
            self._metrics.tasks.labels(status, task.lane).inc()
            self._metrics.cost.inc(cost)
            log.info("task_decided", task=task.id, status=status, cost_wei=cost)

    # ---- background ----

    async def _keep(self) -> None:
        await self._book.renew(list(self._under_way))
        for task in await self._book.take_over(limit=TAKE_OVER):
            log.info("task_taken_over", task=task.id)
            self.carry(task, resumed=True)
        self._metrics.open.set(await self._book.count_open())

    async def _upkeep(self) -> None:
        await self._book.forget_marks()
        for lane in self._lanes.values():
            await lane.upkeep()


def begins(payload: bytes, kind: str, told: str) -> bool:
    """Whether an answer begins with what was told of it."""
    if not told:
        return True
    output = decode_output(kind, payload)
    return isinstance(output, ChatOutput) and output.text.startswith(told)
