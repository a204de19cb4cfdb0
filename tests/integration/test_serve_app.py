"""Models on a real Ray: what a provider's agent and its operator get from a replica."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from mlbridge.protocol import payload
from tests.support.orders import CHAIN_ID, MODEL_ID, NODE, ordered
from tests.support.packs import built
from tests.support.ray_local import LocalServe, local_serve

pytestmark = [pytest.mark.integration, pytest.mark.ray]

KINDS = {"minilm": "embedding", "digits": "classification"}
BODY = {
    "minilm": payload.encode_input("embedding", {"text": "A bridge."}),
    "digits": payload.encode_input("classification", {"image": [0, 8, 16, 8] * 16}),
}


@pytest.fixture(scope="module")
def running() -> Iterator[LocalServe]:
    with local_serve() as local:
        from ray import serve

        from serve.app import build

        for name, kind in KINDS.items():
            args = {
                "name": name,
                "model_id": "0x" + MODEL_ID.hex(),
                "chain_id": CHAIN_ID,
                "directory": str(built(name).directory),
                "kind": kind,
                "node_keys": [NODE],
                "operator_token": "secret",
                "num_cpus": 0.1,
                "queue": 2,
                "health_check_period_s": 2,
            }
            serve.run(build(args), name=name, route_prefix=f"/m/{name}")
        yield local


@pytest.fixture
def client(running: LocalServe) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=running.url, timeout=240) as made:
        yield made


@pytest.mark.parametrize("name", sorted(KINDS))
def test_an_order_is_run_and_its_repetition_answered_alike(client: httpx2.Client, name: str) -> None:
    headers = ordered(BODY[name], 1)
    first, again = (
        client.post(f"/m/{name}/v1/execute", content=BODY[name], headers=headers) for _ in range(2)
    )
    assert first.status_code == 200
    payload.decode_output(KINDS[name], first.content)
    assert again.content == first.content


def test_without_an_order_of_this_node_nothing_runs(client: httpx2.Client) -> None:
    for headers, status, code in (
        ({}, 401, "order.missing"),
        (ordered(BODY["digits"], 1, key=b"\x12" * 32), 403, "order.node"),
        (ordered(BODY["minilm"], 1), 400, "order.input"),
    ):
        answer = client.post("/m/digits/v1/execute", content=BODY["digits"], headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_full_replica_refuses_and_still_tells_how_it_is(running: LocalServe) -> None:
    def send(task: int) -> httpx2.Response:
        body = payload.encode_input("embedding", {"text": f"{task} long words " * 200})
        with httpx2.Client(base_url=running.url, timeout=240) as client:
            return client.post("/m/minilm/v1/execute", content=body, headers=ordered(body, task))

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(send, range(100, 148)))
    refused = [answer for answer in answers if answer.status_code == 503]
    assert {answer.status_code for answer in answers} == {200, 503}
    assert {answer.json()["code"] for answer in refused} == {"serve.busy"}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    with httpx2.Client(base_url=running.url) as client:
        info = client.get("/m/minilm/v1/info").json()
        assert (info["capacity"], info["in_flight"]) == (3, 0)
        assert info["exec_class"]["engine"] == "torch"
        assert client.get("/m/minilm/healthz").text == "ok"


def test_the_operator_uses_openai_routes_with_the_token(client: httpx2.Client) -> None:
    body = {"model": "minilm", "input": ["one", "two"]}
    assert client.post("/m/minilm/v1/embeddings", json=body).status_code == 401
    answer = client.post("/m/minilm/v1/embeddings", json=body, headers={"Authorization": "Bearer secret"})
    assert [len(item["embedding"]) for item in answer.json()["data"]] == [384, 384]


def test_a_killed_replica_comes_back_with_the_same_answers(
    running: LocalServe, client: httpx2.Client
) -> None:
    def execute(task: int) -> httpx2.Response:
        body = BODY["digits"]
        return client.post("/m/digits/v1/execute", content=body, headers=ordered(body, task))

    before = execute(200).content
    (replica,) = running.processes("ray::ServeReplica:digits")
    replica.kill()
    deadline = time.monotonic() + 240
    after = execute(201)
    while after.status_code != 200 and time.monotonic() < deadline:
        time.sleep(0.5)
        after = execute(201)
    assert after.content == before
    assert replica.pid not in [process.pid for process in running.processes("ray::ServeReplica:digits")]


def test_requests_are_counted_on_rays_metrics_port(running: LocalServe) -> None:
    wanted = (
        "mlbridge_serve_requests_total",
        "mlbridge_serve_latency_seconds_bucket",
        "mlbridge_serve_in_flight",
    )
    deadline = time.monotonic() + 120
    missing = list(wanted)
    while missing and time.monotonic() < deadline:
        text = httpx2.get(running.metrics_url, timeout=20).text
        missing = [name for name in wanted if f"ray_{name}" not in text]
        time.sleep(0.5)
    assert not missing
    assert 'outcome="serve.busy"' in text
