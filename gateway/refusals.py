"""How the gateway says no: OpenAI's error body on OpenAI's routes, problem+json (RFC 9457) on the others."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Response
from fastapi.responses import JSONResponse

from coordinator.problems import problem
from mlbridge.errors import MLBridgeError

OPENAI_ROUTES: Final = ("/v1/chat/", "/v1/completions", "/v1/embeddings", "/v1/models")
RETRY_AFTER_S: Final = 5
SEE: Final = "Compare the request with /openapi.json."
SAID: Final = {
    400: "The request is wrong, or asks for what no engine here does.",
    401: "No API key, or one that does not open anything.",
    402: "The key's budget, the highest price, a signed order's price or its channel is too low.",
    403: "The key lacks a scope; a signed order was signed by somebody else.",
    404: "There is no such model, task, order or receipt.",
    405: "The route has no such method.",
    408: "The body took too long.",
    409: "It is under way, or too late; Retry-After says when to look again.",
    413: "The request is too large.",
    422: "The request is wrong, or its idempotency key was used for another one.",
    429: "Too many requests; Retry-After says how long to wait.",
    500: "The gateway broke.",
    502: "The network gave no verified answer.",
    503: "The gateway or the network is full or out of reach; Retry-After says how long to wait.",
    504: "No verdict in time; the task goes on.",
}

_STATUS: Final = {
    "budget.exceeded": 402,
    "channel.lie": 502,
    "committee.too_few": 404,
    "coordinator.lie": 502,
    "gateway.full": 503,
    "http.method": 405,
    "http.not_found": 404,
    "http.refused": 400,
    "http.too_large": 413,
    "http.too_slow": 408,
    "idempotency.mismatch": 422,
    "idempotency.running": 409,
    "key.expired": 401,
    "key.invalid": 401,
    "key.missing": 401,
    "key.revoked": 401,
    "key.scope": 403,
    "lane.coordinator": 422,
    "lane.funds": 402,
    "lane.input": 422,
    "lane.none": 422,
    "lane.not_settled": 404,
    "lane.other_offer": 422,
    "lane.policy": 422,
    "lane.sequence_taken": 422,
    "lane.unknown_order": 404,
    "lane.validity": 422,
    "order.funds": 402,
    "order.model": 404,
    "order.paused": 503,
    "order.price": 402,
    "order.seed": 503,
    "order.sequence_ahead": 503,
    "order.signature": 403,
    "price.too_high": 402,
    "rate.exceeded": 429,
    "task.ended": 409,
    "task.signed": 409,
    "task.timeout": 504,
    "task.unsent": 409,
    "answer.none": 502,
    "answer.overruled": 502,
    "contract.TooLateToCancel": 409,
    "contract.TooFewProviders": 503,
    "contract.TooBusy": 503,
}
_STATUS_BY_ROOM: Final = {
    "chain": 503,
    "channel": 503,
    "coordinator": 503,
    "lane": 503,
    "openai": 400,
    "order": 422,
    "storage": 503,
    "tx": 503,
    "wallet": 503,
}
_STATUS_BY_EXIT: Final = {2: 422, 3: 403, 4: 402, 5: 404, 6: 504}
# Answers after which the same request, sent again, would be paid again.
_PAID: Final = frozenset({402, 502, 504})
_OPENAI_TYPE: Final = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    429: "rate_limit_error",
}
_OPENAI_CODE: Final = {
    "key.invalid": "invalid_api_key",
    "key.missing": "invalid_api_key",
    "budget.exceeded": "insufficient_quota",
    "input.json_schema": "openai.unsupported",
    "model.unknown": "model_not_found",
    "rate.exceeded": "rate_limit_exceeded",
}
# Inputs do not call their fields as OpenAI does.
_OPENAI_PARAM: Final = {"input.json_schema": "response_format"}


def is_openai(path: str) -> bool:
    """Whether a path speaks OpenAI's dialect."""
    return path.startswith(OPENAI_ROUTES)


def status_of(error: MLBridgeError, *, openai: bool) -> int:
    """The HTTP status of an error."""
    status = (
        _STATUS.get(error.code)
        or _STATUS_BY_ROOM.get(error.code.split(".")[0])
        or _STATUS_BY_EXIT.get(error.exit_code, 500)
    )
    # OpenAI's clients know 400 for a request that is wrong; 422 is for a key used twice.
    return 400 if openai and status == 422 and error.code != "idempotency.mismatch" else status


def refusal(path: str, error: MLBridgeError) -> Response:
    """The whole answer to a request that cannot be served. Has Retry-After whenever a retry may help."""
    openai = is_openai(path)
    status = status_of(error, openai=openai)
    headers: dict[str, str] = {}
    if status in (409, 429, 503):
        headers["Retry-After"] = str(error.context.get("retry_after_s", RETRY_AFTER_S))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if openai:
        if status in _PAID:
            headers["x-should-retry"] = "false"  # OpenAI's clients would retry what may be paid twice
        return JSONResponse(openai_error(error), status_code=status, headers=headers)
    facts = {"code": error.code, "detail": error.message, "hint": error.hint or SEE, **plain(error.context)}
    return problem(status, error.code, facts, headers)


def openai_error(error: MLBridgeError) -> dict[str, Any]:
    """OpenAI's error body."""
    status = status_of(error, openai=True)
    kind = _OPENAI_TYPE.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {
        "error": {
            "message": str(error),
            "type": kind,
            "param": _OPENAI_PARAM.get(error.code, error.context.get("param")),
            "code": _OPENAI_CODE.get(error.code, error.code),
        }
    }


def plain(context: dict[str, object]) -> dict[str, object]:
    """Those facts of an error that JSON can carry."""
    simple = (str, int, float, bool, type(None), list)
    return {name: value for name, value in context.items() if isinstance(value, simple)}
