"""Which outcomes are answers, and how the others are told."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.book import Task
from gateway.carrier import OVERRULED, TAKEN_BACK
from mlbridge.errors import MLBridgeError


def require(tasks: Sequence[Task], waited_s: float) -> None:
    """Raises MLBridgeError `task.timeout`, `answer.overruled` or `answer.none` unless every task has its
    answer.
    """
    for task in tasks:
        if not task.decided:
            raise MLBridgeError(
                "task.timeout",
                f"The task {task.id} has no verdict after {waited_s:.0f} s; it goes on.",
                hint=f"GET /v1/tasks/{task.id} brings it, and so does the same request with its "
                "Idempotency-Key; a new request pays again.",
                exit_code=6,
                task_id=task.id,
            )
    for task in tasks:
        if task.error_code == OVERRULED:
            raise MLBridgeError(
                OVERRULED,
                TAKEN_BACK,
                hint="Discard it; you were not charged for it. Ask again, or with verified: wait.",
                task_id=task.id,
            )
        if task.status != "finalized":
            why = f": {task.error}" if task.error else ""
            raise MLBridgeError(
                "answer.none",
                f"The network gave no answer, and task {task.id} was {task.status}{why}",
                hint=f"It cost {task.cost or 0} wei. Asking again draws another committee.",
                task_id=task.id,
                task_code=task.error_code,
            )


def running(tasks: Sequence[Task]) -> MLBridgeError:
    """The first request with this idempotency key is not answered yet."""
    waiting = next(task.id for task in tasks if not task.decided)
    return MLBridgeError(
        "idempotency.running",
        f"The first request with this idempotency key is under way (task {waiting}).",
        hint="Repeat it after the seconds that Retry-After says.",
        retry_after_s=2,
        task_id=waiting,
    )
