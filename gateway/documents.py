"""What /openapi.json says about answers: bodies, statuses and header fields of both dialects."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from coordinator.openapi import refusals
from gateway.asking import HEADERS, MAX_KEY, VERIFIED
from gateway.refusals import SAID


class OpenAIErrorBody(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIError(BaseModel):
    """OpenAI's error document."""

    error: OpenAIErrorBody


class ModelCard(BaseModel):
    """One model. mlbridge: id on chain, kind, policy, provider, fee a task in wei; json_schema: whether a
    response_format of JSON is held to; null where that is not known.
    """

    model_config = ConfigDict(extra="allow")

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "mlbridge"
    mlbridge: dict[str, Any] = Field(default_factory=dict)


class ModelList(BaseModel):
    """Every model that can be asked."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


class TaskError(BaseModel):
    """Why a task has no answer."""

    code: str
    message: str


class TaskView(BaseModel):
    """A task. Amounts in wei as decimal strings, times in unix seconds, confidence from 0 to 1.

    status: queued, running, finalized, refunded, cancelled, failed; ended: nothing will change any more;
    result: the decoded output; committee: account ids in draw order.
    """

    id: str
    object: Literal["task"] = "task"
    status: Literal["queued", "running", "finalized", "refunded", "cancelled", "failed"]
    ended: bool
    lane: str
    model: str
    model_id: str
    kind: str
    price_wei: str
    cost_wei: str | None
    confidence: float | None
    committee: list[int] | None
    result: dict[str, Any] | None
    error: TaskError | None
    receipt: str | None
    created_at: float
    finished_at: float | None


class TaskPage(BaseModel):
    """Tasks, newest first; next_cursor goes into `after` for the next page."""

    data: list[TaskView]
    has_more: bool
    next_cursor: str | None


_ALL = (401, 402, 403, 404, 405, 408, 409, 413, 422, 429, 500, 502, 503, 504)
OPENAI_ANSWERS: Final = refusals(SAID, (400, *_ALL), OpenAIError, "application/json")
NATIVE_ANSWERS: Final = refusals(SAID, (400, *_ALL))
STREAMED_ANSWERS: Final = OPENAI_ANSWERS | {
    200: {
        "description": "The answer; with `stream` as server-sent events.",
        "content": {"application/json": {"schema": {}}, "text/event-stream": {"schema": {"type": "string"}}},
    }
}


def _field(name: str, schema: dict[str, Any], about: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": about}


_WORDS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "lane": ({"type": "string", "enum": ["direct", "channel"]}, "How the task reaches the network."),
    "seats": ({"type": "integer", "minimum": 3, "maximum": 15}, "Committee size."),
    "policy": ({"type": "string", "enum": ["exact", "numeric"]}, "Refuse models of the other policy."),
    "max_price_wei": ({"type": "integer", "minimum": 0}, "Most wei to pay for a task."),
}
ASK_HEADERS: Final[dict[str, Any]] = {
    "parameters": [
        _field(
            "Idempotency-Key",
            {"type": "string", "minLength": 1, "maxLength": MAX_KEY},
            "The same key with the same request never pays twice.",
        ),
        *(_field(HEADERS[name], schema, about) for name, (schema, about) in _WORDS.items()),
    ]
}
STREAM_HEADERS: Final[dict[str, Any]] = {
    "parameters": [
        *ASK_HEADERS["parameters"],
        _field(VERIFIED, {"type": "string", "enum": ["wait"]}, "Begin a stream with the verdict."),
    ]
}
