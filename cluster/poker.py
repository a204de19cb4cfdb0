"""Tasks that wait for anybody to move them on: which, and since when. Fed by events, free of I/O."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from contracts.events import Event

_OVER = ("TaskFinalized", "TaskRefunded", "TaskCancelled")


@dataclass
class Waiting:
    """block: a draw is possible above it; time: a phase is over after it (unix seconds); seen: block of the
    event; ready: chain time at which we first saw it due.
    """

    seen: int
    block: int | None = None
    time: float | None = None
    ready: float | None = None


class Poker:
    """Watches the tasks of the models served."""

    def __init__(self, *, patience: Callable[[bytes], float], remembered: int = 10_000) -> None:
        """patience: seconds that others get to move a task on, by task id."""
        self._patience = patience
        self._remembered = remembered
        self._tasks: dict[bytes, Waiting] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def note(self, event: Event, models: Collection[bytes]) -> None:
        """Learn from one event; tasks of other models are not watched."""
        task = event.task_id
        if task is None:
            return
        args, known = event.args, task in self._tasks
        if event.name == "TaskSubmitted":
            if args["modelId"] in models and len(self._tasks) < self._remembered:
                self._tasks[task] = Waiting(event.block_number, block=args["randomnessBlock"])
        elif event.name in _OVER:
            self._tasks.pop(task, None)
        elif known and event.name in ("RandomnessArmed", "TaskEscalated"):
            self._tasks[task] = Waiting(event.block_number, block=args["randomnessBlock"])
        elif known and event.name == "CommitteeDrawn":
            self._tasks[task] = Waiting(event.block_number, time=args["commitDeadline"])
        elif known and event.name == "RevealOpened":
            self._tasks[task] = Waiting(event.block_number, time=args["revealDeadline"])

    def void_from(self, block: int) -> None:
        """What blocks from here on said is void: look at those tasks again, whatever they wait for."""
        for task in [task for task, waiting in self._tasks.items() if waiting.seen >= block]:
            self._tasks[task] = Waiting(block, block=-1)

    def due(self, head: int, now: float) -> list[bytes]:
        """Tasks whose time has come and that others did not move on."""
        found = []
        for task, waiting in self._tasks.items():
            ready = head > waiting.block if waiting.block is not None else now > (waiting.time or 0)
            if not ready:
                continue
            if waiting.ready is None:
                waiting.ready = now
            if now - waiting.ready >= self._patience(task):
                found.append(task)
        return found

    def tried(self, task: bytes, now: float) -> None:
        """We did something about it: give the chain time to say so."""
        if task in self._tasks:
            self._tasks[task].ready = now

    def forget(self, task: bytes) -> None:
        self._tasks.pop(task, None)
