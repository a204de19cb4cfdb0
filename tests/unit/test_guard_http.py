"""The HTTP face over a fake engine: what comes in, what goes out, who is let in."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import httpx2
import pytest
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import payload
from mlbridge.protocol.json_schema import ANY_OBJECT
from serve.engines.base import EngineInfo, Hear
from serve.gate import Checkup, Gate, SingleFlight
from serve.guard import Guard, GuardRules
from serve.http import HttpFace
from serve.orders import HEADER, make_order, sign_order
from serve.service import ModelService
from serve.worker import ThreadRunner
from tests.support.fake_serve import FakeEngine, FakeRecorder

KEY, MODEL, CHAIN = b"\x11" * 32, b"\x07" * 32, 31337
NODE = make_order(task_id=MODEL, round=0, account=0, model_id=MODEL, payload=b"", expires_at=0, key=KEY).node


@dataclass
class Replica:
    client: httpx2.AsyncClient
    engine: FakeEngine
    recorder: FakeRecorder
    runner: ThreadRunner

    async def execute(self, text: str, task: int = 1) -> httpx2.Response:
        body = payload.encode_input("embedding", {"text": text})
        order = make_order(
            task_id=bytes([task]) * 32,
            round=0,
            account=2,
            model_id=MODEL,
            payload=body,
            expires_at=int(time.time()) + 60,
            key=KEY,
        )
        header = sign_order(order, chain_id=CHAIN, key=KEY).header()
        return await self.client.post("/m/fake/v1/execute", content=body, headers={HEADER: header})


async def make_replica(token: str | None, *, queue: int = 1, engine: FakeEngine | None = None) -> Replica:
    engine, recorder = engine or FakeEngine(), FakeRecorder()
    runner = ThreadRunner(engine)
    await runner.start()
    rules = GuardRules(chain_id=CHAIN, model_id=MODEL, node_keys=frozenset({NODE}))
    service = ModelService(
        runner,
        Guard(rules),
        Gate(1, queue, changed=recorder.in_flight),
        SingleFlight(1 << 20),
        recorder,
        description={"name": "fake"},
    )
    face = HttpFace(service, operator_token=token)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # As Serve does it: the path holds the route prefix, and so does root_path.
        response = await face(Request({**scope, "root_path": "/m/fake"}, receive))
        await response(scope, receive, send)

    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://replica")
    return Replica(client, engine, recorder, runner)


@pytest.fixture
async def replica() -> AsyncIterator[Replica]:
    made = await make_replica("secret")
    yield made
    await made.client.aclose()


async def test_an_order_is_run_once(replica: Replica) -> None:
    first, again = await replica.execute("four"), await replica.execute("four")
    assert first.status_code == 200
    assert first.headers["content-type"] == "application/cbor"
    output = payload.decode_output("embedding", first.content)
    assert isinstance(output, payload.EmbeddingOutput)
    assert output.vector == (4.0,)
    assert again.content == first.content
    assert replica.engine.seen.count("four") == 1
    assert replica.recorder.outcomes == ["ok", "ok"]
    await replica.execute("four", task=2)
    assert replica.engine.seen.count("four") == 2


async def test_without_an_order_nothing_runs(replica: Replica) -> None:
    before = list(replica.engine.seen)
    body = payload.encode_input("embedding", {"text": "free lunch"})
    answer = await replica.client.post("/m/fake/v1/execute", content=body)
    assert answer.status_code == 401
    assert answer.json()["code"] == "order.missing"
    assert answer.json()["hint"]
    assert replica.engine.seen == before
    assert replica.recorder.outcomes == ["order.missing"]


async def test_a_full_replica_says_when_to_come_back(replica: Replica) -> None:
    waiting = [asyncio.create_task(replica.execute("hold", task=task)) for task in (1, 2)]
    await replica.recorder.reaches(2)
    refused = await replica.execute("hold", task=3)
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["code"] == "serve.busy"
    info = (await replica.client.get("/m/fake/v1/info")).json()
    assert (info["capacity"], info["in_flight"]) == (2, 2)
    assert (await replica.client.get("/m/fake/healthz")).text == "ok"
    replica.engine.hold.set()
    assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200, 200]
    assert replica.recorder.count == 0


async def test_large_bodies_are_refused_unread(replica: Replica) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 65536

    for content in (b"x" * (payload.MAX_INPUT_BYTES + 1), pieces()):
        answer = await replica.client.post("/m/fake/v1/execute", content=content)
        assert answer.status_code == 413
        assert answer.json()["code"] == "request.too_large"


async def test_an_engine_that_breaks_is_an_error_in_words(replica: Replica) -> None:
    answer = await replica.execute("break")
    assert answer.status_code == 500
    assert answer.json()["code"] == "engine.failed"
    assert "no memory" in answer.json()["message"]


async def test_health_fails_when_the_engine_answers_differently(replica: Replica) -> None:
    replica.engine.answer = lambda text: -1.0
    assert (await replica.client.get("/m/fake/healthz")).status_code == 500
    with pytest.raises(MLBridgeError, match="another answer"):
        await replica.runner.check()


async def test_asking_for_health_often_runs_the_model_once(replica: Replica) -> None:
    before = len(replica.engine.seen)
    answers = await asyncio.gather(*(replica.client.get("/m/fake/healthz") for _ in range(20)))
    answers.append(await replica.client.get("/m/fake/healthz"))
    assert {answer.status_code for answer in answers} == {200}
    assert len(replica.engine.seen) == before + 1


async def test_a_check_counts_for_as_long_as_the_caller_accepts_and_failures_are_kept_too() -> None:
    now, runs = [100.0], []

    async def work() -> None:
        runs.append(now[0])
        if len(runs) > 1:
            raise MLBridgeError("engine.unhealthy", "Broken.")

    checkup = Checkup(work, clock=lambda: now[0])
    await checkup.run(max_age_s=5)
    now[0] = 104.0
    await checkup.run(max_age_s=5)
    now[0] = 105.0
    for _ in range(2):
        with pytest.raises(MLBridgeError, match="Broken"):
            await checkup.run(max_age_s=5)
    assert runs == [100.0, 105.0]
    with pytest.raises(MLBridgeError, match="Broken"):
        await checkup.run()
    assert len(runs) == 3


async def test_health_fails_when_a_run_never_ends() -> None:
    now = [0.0]
    engine = FakeEngine()
    runner = ThreadRunner(engine, stuck_after_s=10, clock=lambda: now[0])
    await runner.start()
    run = asyncio.create_task(runner.run(payload.encode_input("embedding", {"text": "hold"})))
    assert await asyncio.to_thread(engine.held.wait, 10)
    await runner.check()
    now[0] = 11.0
    with pytest.raises(MLBridgeError, match="more than 10 s"):
        await runner.check()
    engine.hold.set()
    await run
    await runner.check()


async def test_unknown_routes(replica: Replica) -> None:
    for method, path in (("GET", "/m/fake/"), ("GET", "/m/fake/v1/execute"), ("POST", "/m/fake/v2")):
        assert (await replica.client.request(method, path)).status_code == 404


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer sécret"}]
)
async def test_the_operator_needs_the_token(replica: Replica, headers: dict[str, str]) -> None:
    sent = {name: value.encode() for name, value in headers.items()}
    answer = await replica.client.post("/m/fake/v1/embeddings", json={"input": "a"}, headers=sent)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "operator.token"


async def test_without_a_configured_token_nobody_gets_in() -> None:
    replica = await make_replica(None)
    for header in ("", "Bearer ", "Bearer None"):
        answer = await replica.client.get("/m/fake/v1/models", headers={"Authorization": header})
        assert answer.status_code == 401


async def test_openai_embeddings(replica: Replica) -> None:
    async def post(body: object) -> httpx2.Response:
        headers = {"Authorization": "Bearer secret"}
        return await replica.client.post("/m/fake/v1/embeddings", content=json.dumps(body), headers=headers)

    one = (await post({"input": "abc"})).json()
    assert one["data"] == [{"object": "embedding", "index": 0, "embedding": [3.0]}]
    two = (await post({"input": ["a", "ab"], "encoding_format": "base64"})).json()
    assert two["data"][1]["embedding"] == "AAAAQA=="
    assert struct.pack("<f", 2.0) == bytes.fromhex("00000040")
    for body in ({"input": []}, {"input": "a", "encoding_format": "hex"}, {}, [1]):
        assert (await post(body)).status_code == 400
    assert (await post({"input": ""})).status_code == 422
    models = await replica.client.get("/m/fake/v1/models", headers={"Authorization": "Bearer secret"})
    assert models.json()["data"][0]["id"] == "fake"


class FakeChat(FakeEngine):
    """Answers with the schema that it is given, else with the last message."""

    def run(self, data: bytes, hear: Hear | None = None) -> bytes:
        task = payload.decode_input(data)
        assert isinstance(task, payload.ChatInput)
        text = task.json_schema or task.messages[-1].content
        fields = {"token_ids": [7], "text": text, "finish_reason": "stop"}
        return payload.encode_output("chat", fields)

    def info(self) -> EngineInfo:
        return replace(super().info(), kind="chat")


async def test_openai_chat() -> None:
    replica = await make_replica("secret", engine=FakeChat())
    headers = {"Authorization": "Bearer secret"}
    body = {"model": "fake", "messages": [{"role": "user", "content": "Paris"}], "max_tokens": 16}

    async def post(**changes: object) -> httpx2.Response:
        sent = {**body, "temperature": 0, **changes}
        return await replica.client.post("/m/fake/v1/chat/completions", json=sent, headers=headers)

    answer = (await post()).json()
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "Paris"}
    streamed = await post(stream=True)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert "Paris" in streamed.text
    assert streamed.text.endswith("data: [DONE]\n\n")
    assert (await post(temperature=0.7)).json()["error"]["code"] == "openai.unsupported"
    assert (await replica.client.post("/m/fake/v1/chat/completions", json=body)).status_code == 401


async def test_openais_response_format_reaches_the_engine() -> None:
    replica = await make_replica("secret", engine=FakeChat())

    async def post(response_format: object) -> httpx2.Response:
        sent = {"messages": [{"role": "user", "content": "Paris"}], "response_format": response_format}
        headers = {"Authorization": "Bearer secret"}
        return await replica.client.post("/m/fake/v1/chat/completions", json=sent, headers=headers)

    async def text(response_format: object) -> object:
        return (await post(response_format)).json()["choices"][0]["message"]["content"]

    assert await text(None) == await text({"type": "text"}) == "Paris"
    assert await text({"type": "json_object"}) == ANY_OBJECT
    schema = {"title": "A", "enum": ["a"]}
    assert await text({"type": "json_schema", "json_schema": {"schema": schema}}) == '{"enum":["a"]}'
    for wrong in (
        "json",
        {},
        {"type": "json_schema"},
        {"type": "json_schema", "json_schema": {"schema": []}},
    ):
        answer = await post(wrong)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "openai.unsupported")
    refused = await post({"type": "json_schema", "json_schema": {"schema": {"pattern": "a"}}})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "input.json_schema")
