"""The coordinator's HTTP face over a real chain: tasks, problems, back-pressure, health and metrics."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from contracts.chain import Chain
from contracts.sender import Sender
from coordinator.config import CoordinatorConfig
from coordinator.engine import Engine
from tests.support.coordinators import IMAGE, make_config, running, until
from tests.support.seats import acting, make_members, register_model, scripts

pytestmark = pytest.mark.integration


@pytest.fixture
async def config(tmp_path: Path, chain: Chain, treasury: Sender) -> CoordinatorConfig:
    return await make_config(tmp_path, chain, treasury)


@pytest.fixture
async def engine(config: CoordinatorConfig) -> AsyncIterator[Engine]:
    async with running(config) as started:
        yield started


@pytest.fixture
async def model(chain: Chain, treasury: Sender) -> bytes:
    return await register_model(chain, treasury)


@contextlib.asynccontextmanager
async def client_of(config: CoordinatorConfig, *, token: str | None = None) -> AsyncIterator[Any]:
    given = config.http_token_file.read_text().strip() if token is None else token
    headers = {"Authorization": f"Bearer {given}"}
    async with httpx2.AsyncClient(base_url=config.local_url, headers=headers, timeout=40) as client:
        yield client


async def test_tasks_travel_over_http(
    engine: Engine, config: CoordinatorConfig, chain: Chain, treasury: Sender, model: bytes
) -> None:
    members = await make_members(chain, treasury, model, scripts(honest=3))
    assert config.http_token_file.stat().st_mode & 0o777 == 0o600
    body = {"model": "0x" + model.hex(), "input": IMAGE}
    async with acting(members), client_of(config) as client:
        first = await client.post("/v1/tasks", json=body, headers={"Idempotency-Key": "a"})
        assert first.status_code == 202
        task_id = first.json()["task_id"]
        assert first.headers["Location"] == f"/v1/tasks/{task_id}"
        again = await client.post("/v1/tasks", json=body, headers={"Idempotency-Key": "a"})
        assert again.json()["task_id"] == task_id
        other = await client.post("/v1/tasks", json=body | {"seats": 4}, headers={"Idempotency-Key": "a"})
        assert (other.status_code, other.json()["code"]) == (422, "submission.key_reused")
        done = (await client.get(f"/v1/tasks/{task_id}", params={"wait": 30})).json()
        assert done["status"] == "finalized"
        listed = (await client.get("/v1/tasks", params={"ended": "true"})).json()["data"]
        assert task_id in [item["task_id"] for item in listed]
        assert (await client.get("/v1/status")).json()["ready"]


async def test_problems_are_documents_with_a_code_and_a_hint(
    engine: Engine, config: CoordinatorConfig, model: bytes
) -> None:
    await until(lambda: _ready(engine))
    body = {"model": "0x" + model.hex(), "input": IMAGE}
    async with client_of(config, token="wrong") as client:
        refused = await client.post("/v1/tasks", json=body)
        assert (refused.status_code, refused.json()["code"]) == (401, "http.unauthorized")
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/readyz")).status_code == 200
        scraped = await client.get("/metrics")
        assert "mlbridge_chain_head_block" in scraped.text
    async with client_of(config) as client:
        for method, path, sent, status, code in [
            ("GET", "/v1/tasks/0x" + "00" * 32, None, 404, "task.unknown"),
            ("GET", "/nothing", None, 404, "http.not_found"),
            ("POST", "/v1/tasks", {"model": "x"}, 422, "http.invalid"),
            ("POST", "/v1/tasks", body | {"extra": 1}, 422, "http.invalid"),
            ("POST", "/v1/tasks", body | {"input": {"kind": "nonsense"}}, 422, "payload.kind"),
            ("POST", "/v1/tasks", {"model": "no-such", "input": IMAGE}, 404, "model.unknown"),
            ("POST", "/v1/tasks", body | {"max_price_wei": 1}, 402, "task.too_expensive"),
        ]:
            answer = await client.request(method, path, json=sent)
            found = answer.json()
            assert answer.headers["Content-Type"] == "application/problem+json", path
            assert (answer.status_code, found["status"], found["code"]) == (status, status, code)
            assert found["hint"]
            assert found["detail"]


async def test_a_body_of_endless_brackets_is_refused_and_harms_nobody(
    engine: Engine, config: CoordinatorConfig
) -> None:
    async with client_of(config) as client:
        for body in (b"[" * 100_000, b'{"input":' * 40_000):
            answer = await client.post(
                "/v1/tasks", content=body, headers={"Content-Type": "application/json"}
            )
            assert answer.status_code == 400
        assert (await client.get("/healthz")).status_code == 200


async def _ready(engine: Engine) -> bool:
    return engine.ready


async def test_a_full_queue_answers_503_with_retry_after(
    tmp_path: Path, chain: Chain, treasury: Sender, model: bytes
) -> None:
    limited = await make_config(tmp_path, chain, treasury, coins=10**9, submissions={"queue_limit": 1})
    async with running(limited), client_of(limited) as client:  # its key is too poor to send anything
        body = {"model": "0x" + model.hex(), "input": IMAGE}
        first = await client.post("/v1/tasks", json=body)
        assert first.status_code == 202
        full = await client.post("/v1/tasks", json=body)
        assert (full.status_code, full.json()["code"]) == (503, "coordinator.full")
        assert int(full.headers["Retry-After"]) > 0
