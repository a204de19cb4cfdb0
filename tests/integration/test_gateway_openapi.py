"""Schemathesis against /openapi.json: no server error, no undocumented status, documented shapes."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy, booleans
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.coordinators import IMAGE
from tests.support.gateways import Running, make_key

pytestmark = pytest.mark.integration

CHECKS: Final[list[Any]] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES: Final = 15
KINDS: Final = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "chat",
    "/v1/embeddings": "embedding",
    "/v1/tasks": "classification",
}
PLAIN: Final = {"messages", "prompt", "input", "max_tokens", "stream", "mlbridge", "seats"}
TASK_WEI: Final = 36842105263158


@pytest.fixture(scope="module")
def poor(running: Running) -> str:
    """A key that pays for two tasks; what else would be taken is refused with 402."""
    made = make_key(running.config, budget=2 * TASK_WEI, rate="1000000/minute")
    return asyncio.run(made)[1]


@pytest.fixture(scope="module")
def api(running: Running) -> Any:
    return schemathesis.openapi.from_url(f"{running.config.local_url}/openapi.json")


@pytest.mark.parametrize("mode", GenerationMode)
def test_every_answer_is_documented(mode: GenerationMode, api: Any, running: Running, poor: str) -> None:
    base = running.config.local_url
    known = {"Authorization": f"Bearer {poor}", "Idempotency-Key": "first"}
    task = httpx2.post(
        f"{base}/v1/tasks",
        json={"model": running.model("classification"), "input": IMAGE},
        headers=known,
        params={"wait": 30},
        timeout=60,
    )
    task_id = task.json()["id"]
    for found in api.get_all_operations():
        operation = found.ok()
        statuses: set[int] = set()
        _ask(operation.as_strategy(generation_mode=mode), running, poor, task_id, statuses)
        assert statuses, operation.label


def _deepen(case: Any, running: Running, task_id: str) -> None:
    """Name a model or task that there is, and nothing optional that is refused: to get past those checks."""
    if isinstance(case.body, dict) and "model" in case.body:
        case.body = {name: value for name, value in case.body.items() if name in PLAIN}
        case.body["model"] = running.model(KINDS[case.operation.path])
    for name, value in (("task_id", task_id), ("model", running.model("chat"))):
        if name in (case.path_parameters or {}):
            case.path_parameters[name] = value


def _ask(cases: SearchStrategy[Any], running: Running, secret: str, task_id: str, statuses: set[int]) -> None:
    @given(case=cases, real=booleans())
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any, real: bool) -> None:
        if real:
            _deepen(case, running, task_id)
        response = case.call(headers={"Authorization": f"Bearer {secret}"}, timeout=60)
        case.validate_response(response, checks=CHECKS)
        assert response.headers["x-request-id"]
        statuses.add(response.status_code)

    ask()


def test_every_operation_has_a_name_and_wants_a_key(running: Running) -> None:
    document = httpx2.get(f"{running.config.local_url}/openapi.json").json()
    operations = [item for path in document["paths"].values() for item in path.values()]
    names = [item["operationId"] for item in operations]
    assert len(set(names)) == len(names) == 10
    assert "create_chat_completion" in names
    assert document["security"] == [{"key": []}]
    for path, methods in document["paths"].items():
        for method in methods:
            answer = httpx2.request(method, running.config.local_url + path.replace("{", "").replace("}", ""))
            assert answer.status_code == 401, (method, path)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
