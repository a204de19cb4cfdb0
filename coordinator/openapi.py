"""What coordinator and gateway say of themselves in /openapi.json, where both say the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from coordinator.problems import PROBLEM
from mlbridge.protocol.streams import FRAMES

CBOR: Final = "application/cbor"
METRICS: Final = ("text/plain", "application/openmetrics-text")
# Statuses on which a Retry-After says when to come back.
LATER: Final = (409, 429, 503)
NO_KEY: Final[dict[str, Any]] = {"security": []}
"""Of a route that is open to all."""

Answers = dict[int | str, dict[str, Any]]


class Problem(BaseModel):
    """RFC 9457. code: stable name; hint: what to do next."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str


class Health(BaseModel):
    """Whether it lives, or whether it can serve. reason: what keeps it from that."""

    model_config = ConfigDict(extra="allow")

    status: str
    reason: str | None = None


def refusals(
    said: Mapping[int, str],
    statuses: Iterable[int],
    model: type[BaseModel] = Problem,
    media: str = PROBLEM,
) -> Answers:
    """The `responses` of a route that refuses with these statuses. said: what each of them means."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {
        status: {
            "description": said[status],
            "content": {media: {"schema": schema}},
            **({"headers": _RETRY} if status in LATER else {}),
        }
        for status in statuses
    }


_RETRY: Final = {"Retry-After": {"description": "Seconds.", "schema": {"type": "string"}}}
_BYTES: Final = {"schema": {"type": "string", "format": "binary"}}
_HEALTH: Final = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Health"}}}}

HEALTH_ANSWERS: Final[Answers] = {
    200: {"description": "Yes.", **_HEALTH},
    503: {"description": "No.", "headers": _RETRY, **_HEALTH},
}
METRICS_ANSWERS: Final[Answers] = {
    200: {
        "description": "As Prometheus wants it.",
        "content": {media: {"schema": {"type": "string"}} for media in METRICS},
    }
}
OFFER_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "A signed order with its channel's terms and its input, as mlbridge.protocol.exchange"
        " writes an offer.",
        "content": {CBOR: _BYTES},
    }
}
TOLD_ANSWER: Final[Answers] = {
    200: {"description": "As mlbridge.protocol.answers.Told reads it.", "content": {CBOR: _BYTES}}
}
FRAMES_ANSWER: Final[Answers] = {
    200: {"description": "Frames, as mlbridge.protocol.streams reads them.", "content": {FRAMES: _BYTES}}
}
PROOF_ANSWER: Final[Answers] = {
    200: {"description": "As mlbridge.protocol.answers.Settlement reads it.", "content": {CBOR: _BYTES}}
}


def complete(document: dict[str, Any], *models: type[BaseModel]) -> dict[str, Any]:
    """The document with the schemas that answers refer to, and the one way to authenticate."""
    parts = document.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    for model in models:
        schemas[model.__name__] = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas[model.__name__].pop("$defs", None)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"key": []}]
    return document
