"""The native routes: tasks and receipts. Errors as problem+json."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field

from coordinator.jsonbody import BoundedRoute
from gateway.asking import choices_of, key_of, mark_of, service_of
from gateway.book import Task
from gateway.documents import ASK_HEADERS, NATIVE_ANSWERS, TaskError, TaskPage, TaskView
from gateway.keys import Choices
from gateway.openai.answers import receipt_path
from gateway.outputs import plain_output
from gateway.service import Wish
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import KINDS

router = APIRouter(prefix="/v1", tags=["Tasks"], route_class=BoundedRoute)

Wait = Annotated[float, Query(ge=0, le=300, description="Seconds to wait for the verdict.")]
TaskId = Annotated[str, Path(max_length=80)]
RECEIPT_S = 10.0  # a receipt follows its verdict within moments
_CURSOR = re.compile(r"[0-9]{1,18}")


class TaskBody(Choices):
    """A task. input: fields of the model's kind; deadline_s: seconds from now."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(min_length=1, max_length=200, description="name or id")
    input: dict[str, Any] = Field(description="fields of the model's kind; `kind` may be left out")
    deadline_s: int | None = Field(default=None, ge=1, le=86_400, description="seconds from now")


@router.post(
    "/tasks", status_code=202, response_model=TaskView, responses=NATIVE_ANSWERS, openapi_extra=ASK_HEADERS
)
async def create_task(request: Request, body: TaskBody, wait: Wait = 0.0) -> Response:
    """Have a task done. 202 as soon as it is kept and its price reserved."""
    service, key = service_of(request), key_of(request)
    key.allow("inference")
    fields = dict(body.input)
    kind = fields.pop("kind", None)
    if kind not in (None, *KINDS):
        raise MLBridgeError(
            "payload.kind",
            "There is no such kind of task.",
            hint=f"Known: {', '.join(KINDS)}.",
            exit_code=2,
        )
    wish = Wish(body.model, kind, [fields], choices_of(request, body), body.deadline_s)
    placement = await service.place(key, wish, mark_of(request, body.model_dump(mode="json")))
    task = (await service.carrier.decided(placement.ids, wait))[0]
    headers = {"Location": f"/v1/tasks/{task.id}"}
    if placement.replayed:
        headers["Idempotent-Replayed"] = "true"
    return JSONResponse(view(task).model_dump(mode="json"), status_code=202, headers=headers)


@router.get("/tasks", responses=NATIVE_ANSWERS)
async def list_tasks(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    after: Annotated[str | None, Query(max_length=40, description="next_cursor of the page before")] = None,
    status: Literal["queued", "running", "finalized", "refunded", "cancelled", "failed"] | None = None,
) -> TaskPage:
    """The key's tasks, newest first."""
    key_of(request).allow("read")
    if after is not None and not _CURSOR.fullmatch(after):
        raise MLBridgeError(
            "task.bad_cursor", "This is no cursor.", hint="Use next_cursor of the page before.", exit_code=2
        )
    found = await service_of(request).book.page(
        key_of(request).id, limit=limit + 1, before=None if after is None else int(after), status=status
    )
    more = len(found) > limit
    page = found[:limit]
    return TaskPage(
        data=[view(task) for task in page],
        has_more=more,
        next_cursor=str(page[-1].number) if more else None,
    )


@router.get("/tasks/{task_id}", responses=NATIVE_ANSWERS)
async def retrieve_task(request: Request, task_id: TaskId, wait: Wait = 0.0) -> TaskView:
    """A task; with `wait`, once it is decided or that many seconds have passed."""
    service, key = service_of(request), key_of(request)
    key.allow("read")
    await service.book.get(task_id, key_id=key.id)
    return view((await service.carrier.decided([task_id], wait))[0])


@router.post("/tasks/{task_id}/cancel", responses=NATIVE_ANSWERS)
async def cancel_task(request: Request, task_id: TaskId) -> TaskView:
    """Take a task back, as long as its committee cannot be known."""
    key = key_of(request)
    key.allow("inference")
    return view(await service_of(request).cancel(key, task_id))


@router.get("/receipts/{task_id}", responses=NATIVE_ANSWERS, response_model=dict[str, Any])
async def retrieve_receipt(request: Request, task_id: TaskId) -> Response:
    """A task's receipt, as `mlbridge verify` takes it.

    Of a channel task it names its batch, path and root from the moment that one is on the chain.
    """
    key = key_of(request)
    key.allow("read")
    service = service_of(request)
    task = await service.book.get(task_id, key_id=key.id)
    if task.status == "finalized" and task.receipt is None:
        task = (await service.carrier.decided([task.id], RECEIPT_S, ended=True))[0]
    receipt = await service.receipt(task)
    if receipt is None:
        raise MLBridgeError(
            "receipt.none",
            f"The task {task.id} has no receipt: it is {task.status}.",
            hint="A receipt comes with the end of a task that the network took.",
            exit_code=5,
        )
    return Response(receipt, media_type="application/json")


def view(task: Task) -> TaskView:
    """A task as clients see it."""
    failed = task.error_code is not None
    return TaskView.model_validate(
        {
            "id": task.id,
            "status": task.status,
            "ended": task.ended,
            "lane": task.lane,
            "model": task.model,
            "model_id": task.model_id,
            "kind": task.kind,
            "price_wei": str(task.price),
            "cost_wei": None if task.cost is None else str(task.cost),
            "confidence": task.confidence,
            "committee": task.committee,
            "result": None if task.payload is None else plain_output(task.kind, task.payload),
            "error": TaskError(code=str(task.error_code), message=task.error or "") if failed else None,
            "receipt": receipt_path(task) if task.receipt or task.status == "finalized" else None,
            "created_at": task.created_at,
            "finished_at": task.finished_at,
        }
    )
