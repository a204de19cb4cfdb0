"""Schemathesis against an /openapi.json: no server error, no undocumented status, documented shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import booleans
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS: Final[list[Any]] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

schemathesis.serializer.alias("application/cbor", "application/octet-stream")


def ask_everything(
    url: str,
    secret: str,
    deepen: Callable[[Any], None],
    *,
    mode: GenerationMode,
    examples: int,
) -> dict[str, set[int]]:
    """The statuses that each operation of the document below `url` answered with, each answer checked.

    deepen: changes half of the cases so that they get past the first checks; examples: of each operation.
    """
    found: dict[str, set[int]] = {}
    for result in schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations():
        operation = result.ok()
        try:
            found[operation.label] = _ask(operation, secret, deepen, mode, examples)
        except Unsatisfiable:
            # It takes nothing that could be wrong.
            found[operation.label] = _ask(operation, secret, deepen, GenerationMode.POSITIVE, examples)
    return found


def _ask(
    operation: Any, secret: str, deepen: Callable[[Any], None], mode: GenerationMode, examples: int
) -> set[int]:
    statuses: set[int] = set()

    @given(case=operation.as_strategy(generation_mode=mode), real=booleans())
    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any, real: bool) -> None:
        if real:
            deepen(case)
        response = case.call(headers={"Authorization": f"Bearer {secret}"}, timeout=60)
        case.validate_response(response, checks=CHECKS)
        statuses.add(response.status_code)

    ask()
    return statuses
