"""vLLM on a real Ray of two CPUs: the same door as every other model."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from mlbridge.protocol import payload
from tests.support.orders import CHAIN_ID, MODEL_ID, NODE, ordered
from tests.support.packs import built
from tests.support.ray_local import LocalServe, local_serve

pytest.importorskip("vllm")
pytestmark = [pytest.mark.integration, pytest.mark.vllm]

FRANCE = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def running() -> Iterator[LocalServe]:
    with local_serve() as local:
        from ray import serve

        from serve.app import build

        args = {
            "name": "smollm2",
            "model_id": "0x" + MODEL_ID.hex(),
            "chain_id": CHAIN_ID,
            "directory": str(built("smollm2").directory),
            "kind": "chat",
            "engine": "vllm",
            "node_keys": [NODE],
            "operator_token": "secret",
            "num_cpus": 1,
        }
        serve.run(build(args), name="smollm2", route_prefix="/m/smollm2")
        yield local


@pytest.fixture
def client(running: LocalServe) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=f"{running.url}/m/smollm2", timeout=120) as made:
        yield made


def execute(client: httpx2.Client, task: int, fields: dict[str, object]) -> bytes:
    body = payload.encode_input("chat", fields)
    answer = client.post("/v1/execute", content=body, headers=ordered(body, task))
    assert answer.status_code == 200, answer.text
    return answer.content


def test_an_order_is_answered_with_token_ids(client: httpx2.Client) -> None:
    output = payload.decode_output("chat", execute(client, 1, {"messages": FRANCE, "max_tokens": 16}))
    assert isinstance(output, payload.ChatOutput)
    assert "Paris" in output.text
    assert output.finish_reason == "stop"
    assert output.token_ids
    assert client.post("/v1/execute", content=b"").status_code == 401


def test_answers_do_not_depend_on_company(client: httpx2.Client) -> None:
    questions: list[dict[str, object]] = [
        {
            "messages": [{"role": "user", "content": f"Tell me about the number {n}."}],
            "max_tokens": 16,
            "seed": n if n % 2 else None,
        }
        for n in range(4)
    ]
    alone = [execute(client, 10, question) for question in questions]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda question: execute(client, 11, question), questions))
    assert together == alone


def test_the_operator_chats_in_openai_shape(client: httpx2.Client) -> None:
    body = {"model": "smollm2", "messages": FRANCE, "max_tokens": 16, "temperature": 0}
    assert client.post("/v1/chat/completions", json=body).status_code == 401
    headers = {"Authorization": "Bearer secret"}
    answer = client.post("/v1/chat/completions", json=body, headers=headers).json()
    assert "Paris" in answer["choices"][0]["message"]["content"]
    streamed = client.post("/v1/chat/completions", json={**body, "stream": True}, headers=headers)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert "Paris" in streamed.text
    assert streamed.text.endswith("data: [DONE]\n\n")
    refused = client.post("/v1/chat/completions", json={**body, "temperature": 0.7}, headers=headers)
    assert refused.json()["error"]["code"] == "openai.unsupported"


def test_info_names_the_class(client: httpx2.Client) -> None:
    info = client.get("/v1/info").json()
    assert (info["engine"]["engine"], info["slots"]) == ("vllm", 1)
    assert info["exec_class"]["kernel"].endswith("/unbatched")
    assert client.get("/healthz").text == "ok"
