"""Schemathesis against /openapi.json of a gateway without a channel; test_gateway_signed asks one with it."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import httpx2
import pytest
from schemathesis.generation import GenerationMode

from tests.support.coordinators import IMAGE
from tests.support.gateways import Running, make_key
from tests.support.openapi import ask_everything

pytestmark = pytest.mark.integration

EXAMPLES: Final = 15
KINDS: Final = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "chat",
    "/v1/embeddings": "embedding",
    "/v1/tasks": "classification",
}
PLAIN: Final = {"messages", "prompt", "input", "max_tokens", "stream", "mlbridge", "seats"}
OPEN: Final = ("/healthz", "/readyz", "/metrics", "/v1/lane")
TASK_WEI: Final = 36842105263158


@pytest.fixture(scope="module")
def poor(running: Running) -> str:
    """A key that pays for two tasks; what else would be taken is refused with 402."""
    made = make_key(running.config, budget=2 * TASK_WEI, rate="1000000/minute")
    return asyncio.run(made)[1]


@pytest.mark.parametrize("mode", GenerationMode)
def test_every_answer_is_documented(mode: GenerationMode, running: Running, poor: str) -> None:
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

    def deepen(case: Any) -> None:
        """Name a model or task that there is, and nothing optional that is refused."""
        if isinstance(case.body, dict) and "model" in case.body:
            case.body = {name: value for name, value in case.body.items() if name in PLAIN}
            case.body["model"] = running.model(KINDS[case.operation.path])
        for name, value in (("task_id", task_id), ("model", running.model("chat"))):
            if name in (case.path_parameters or {}):
                case.path_parameters[name] = value

    told = ask_everything(base, poor, deepen, mode=mode, examples=EXAMPLES)
    assert all(told.values()), told
    # It has no channel, and says so.
    assert told["GET /v1/lane"] == {422}
    assert told["GET /healthz"] == told["GET /metrics"] == {200}
    assert 200 in told["GET /readyz"]


def test_every_operation_has_a_name_and_wants_a_key_or_a_signature(running: Running) -> None:
    document = httpx2.get(f"{running.config.local_url}/openapi.json").json()
    operations = [item for path in document["paths"].values() for item in path.values()]
    names = [item["operationId"] for item in operations]
    assert len(set(names)) == len(names) == 17
    assert {"create_chat_completion", "create_order", "healthz", "metrics"} <= set(names)
    assert document["security"] == [{"key": []}]
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            url = running.config.local_url + path.replace("{", "").replace("}", "")
            answer = httpx2.request(method, url)
            assert answer.headers["x-request-id"]
            if path.startswith(OPEN):
                assert told["security"] == []
                assert answer.status_code != 401, path
                continue
            assert answer.status_code == 401, (method, path)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
