"""vLLM on a provider's own cluster: the node's endpoint answers a signed order with SmolLM2."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest

from cluster.context import load_key
from contracts.chain import Chain
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import payload
from mlbridge.protocol.encoding import encode
from mlbridge.protocol.json_schema import schema_text
from tests.support.orders import ordered
from tests.support.packs import built
from tests.support.rigs import Rig, make_rig, publish_pack

pytest.importorskip("vllm")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.vllm,
    pytest.mark.timeout(1200),
]

BASE_PORT = 29000
NAME = "smollm2"
MOOD: dict[str, object] = {"messages": [{"role": "user", "content": "How do you feel?"}], "max_tokens": 60}
FRANCE = [{"role": "user", "content": "What is the capital of France?"}]

Execute = Callable[[int, dict[str, object]], bytes]


@pytest.fixture
async def rig(calm: Chain, bank: Sender, tmp_path: Path) -> AsyncIterator[Rig]:
    """A provider that `mlbridge provider up` started, serving a model published for vLLM on this machine."""
    pack = await asyncio.to_thread(built, NAME)
    await publish_pack(calm, bank, pack, name=NAME, engine="vllm")
    models = [{"model": NAME, "num_cpus": 1}]
    made = await make_rig(calm, bank, tmp_path, "alpha", {"base_port": BASE_PORT}, models=models)
    try:
        await made.up()
        yield made
    finally:
        await asyncio.to_thread(made.kill)


@pytest.mark.parametrize("gpus", [0.33, 1.0])
def test_vllms_worker_fits_where_ray_puts_its_replica(gpus: float, monkeypatch: pytest.MonkeyPatch) -> None:
    from serve.config import ModelAppConfig
    from serve.vllm_replica import build_vllm

    arguments = {
        "name": NAME,
        "model_id": f"0x{7:064x}",
        "chain_id": 31337,
        "directory": str(built(NAME).directory),
        "kind": "chat",
        "engine": "vllm",
        "device": "cuda",
        "num_gpus": gpus,
        "node_keys": [f"0x{1:040x}"],
    }
    application = build_vllm(ModelAppConfig.model_validate(arguments), arguments)
    deployment = application._bound_deployment
    for name, text in deployment.ray_actor_options["runtime_env"]["env_vars"].items():
        monkeypatch.setenv(name, text)
    asked = importlib.import_module("vllm.envs").VLLM_RAY_PER_WORKER_GPUS
    assert deployment._replica_config.placement_group_bundles[0]["GPU"] == asked == gpus


async def test_a_providers_endpoint_answers_orders_by_vllm(rig: Rig) -> None:
    async with httpx2.AsyncClient() as http:
        node = (await http.get(f"{rig.config.endpoint}/node")).json()
    (model,) = node["models"]
    assert (model["name"], model["kind"]) == (NAME, "chat")
    await asyncio.to_thread(check, rig, model["endpoint"], bytes.fromhex(model["id"][2:]))


def check(rig: Rig, url: str, model: bytes) -> None:
    """Everything on one engine: it takes a minute and 5 GB to start."""
    key = bytes(load_key(rig.config.keys.node).key)
    with httpx2.Client(base_url=url, timeout=120) as client:

        def execute(task: int, fields: dict[str, object]) -> bytes:
            body = payload.encode_input("chat", fields)
            headers = ordered(body, task, key=key, model=model, chain_id=rig.chain.chain_id)
            answer = client.post("/v1/execute", content=body, headers=headers)
            assert answer.status_code == 200, answer.text
            return answer.content

        info = client.get("/v1/info").json()
        assert (info["engine"]["engine"], info["slots"]) == ("vllm", 1)
        assert info["exec_class"]["kernel"].endswith("/unbatched")
        assert client.get("/healthz").text == "ok"
        assert client.post("/v1/execute", content=b"").status_code == 401
        check_an_answer(execute)
        check_that_company_changes_nothing(execute)
        check_that_answers_fit_their_schemas(execute)

        def refusal(schema: str) -> tuple[int, object]:
            body = encode({"kind": "chat", "seed": None, **MOOD, "json_schema": schema})
            headers = ordered(body, 30, key=key, model=model, chain_id=rig.chain.chain_id)
            answer = client.post("/v1/execute", content=body, headers=headers)
            return answer.status_code, answer.json()["code"]

        check_that_a_dangerous_schema_is_refused(refusal)
        check_an_answer(execute)


def check_an_answer(execute: Execute) -> None:
    output = payload.decode_output("chat", execute(1, {"messages": FRANCE, "max_tokens": 16}))
    assert isinstance(output, payload.ChatOutput)
    assert "Paris" in output.text
    assert output.finish_reason == "stop"
    assert output.token_ids


def check_that_answers_fit_their_schemas(execute: Execute) -> None:
    properties = {"why_not": {"type": "boolean"}, "mood": {"enum": ["good", "bad", "neither"]}}
    schemas: list[dict[str, Any]] = [
        {"type": "object", "properties": properties, "required": list(properties)},
        {
            "type": "array",
            "items": {"type": "integer", "minimum": 3, "maximum": 5},
            "minItems": 2,
            "maxItems": 2,
        },
        {"anyOf": [{"const": 'a "quoted" word'}, {"type": "null"}]},
    ]
    for number, (schema, seed) in enumerate((schema, seed) for schema in schemas for seed in (None, 7)):
        fields = {**MOOD, "seed": seed, "json_schema": schema_text(schema)}
        first, again = execute(20 + number, fields), execute(40 + number, fields)
        assert first == again
        output = payload.decode_output("chat", first)
        assert isinstance(output, payload.ChatOutput)
        assert output.finish_reason == "stop"
        value = json.loads(output.text)
        jsonschema.validate(value, schema)
        if isinstance(value, dict):
            assert list(value) == list(properties)
        assert " " not in output.text.replace('a "quoted" word', "").replace('a \\"quoted\\" word', "")


def check_that_a_dangerous_schema_is_refused(refusal: Callable[[str], tuple[int, object]]) -> None:
    for schema in (
        '{"pattern":"(a{999}){999}","type":"string"}',
        '{"maxLength":1000000000,"type":"string"}',
        '{"$ref":"http://127.0.0.1:1/schema.json"}',
        '{"items":' * 100 + "{}" + ',"type":"array"}' * 100,
        '{"type":"object"} ',
    ):
        assert refusal(schema) == (422, "input.json_schema")


def test_what_vllm_makes_no_grammar_of_is_an_input_that_nobody_can_run() -> None:
    from serve.vllm_replica import require_grammar

    require_grammar('{"type":"object"}')
    for schema in ('{"type":"integer","minimum":2,"maximum":1}', '{"multipleOf":3,"type":"integer"}', "{"):
        with pytest.raises(MLBridgeError) as caught:
            require_grammar(schema)
        assert (caught.value.code, caught.value.exit_code) == ("input.json_schema", 2)


def check_that_company_changes_nothing(execute: Execute) -> None:
    questions: list[dict[str, object]] = [
        {
            "messages": [{"role": "user", "content": f"Tell me about the number {n}."}],
            "max_tokens": 16,
            "seed": n if n % 2 else None,
        }
        for n in range(4)
    ]
    alone = [execute(10, question) for question in questions]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda question: execute(11, question), questions))
    assert together == alone
