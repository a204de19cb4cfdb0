"""The vLLM engine's own rules, without vLLM."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable

import pytest

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import payload
from mlbridge.protocol.json_schema import ANY_OBJECT, schema_text
from serve.engines.vllm import (
    Generation,
    Sampling,
    VllmRunner,
    engine_arguments,
    environment,
    gather_stream,
)
from tests.support.packs import built

ASKED = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9000 // 2}


class FakeVllm:
    def __init__(self, *ids: int, reason: str = "stop") -> None:
        self.result = Generation(list(ids), reason)
        self.prompts: list[list[int]] = []
        self.sampling: list[Sampling] = []
        self.dead = False

    async def generate(
        self, prompt: list[int], sampling: Sampling, spoken: Callable[[int], None] | None
    ) -> Generation:
        self.prompts.append(prompt)
        self.sampling.append(sampling)
        for token in self.result.token_ids if spoken is not None else ():
            spoken(token)
        return self.result

    async def health(self) -> None:
        if self.dead:
            raise MLBridgeError("engine.unhealthy", "Dead.")


def runner(fake: FakeVllm) -> VllmRunner:
    return VllmRunner(built("smollm2").directory, fake.generate, fake.health, device="cpu")


async def test_the_task_becomes_a_prompt_and_the_stop_token_is_left_out() -> None:
    fake = FakeVllm(504, 3575, 2)
    await runner(fake).start()
    output = payload.decode_output("chat", await runner(fake).run(payload.encode_input("chat", ASKED)))
    assert output == payload.ChatOutput(token_ids=[504, 3575], text="The capital", finish_reason="stop")
    assert fake.prompts[-1][:2] == [1, 9690]
    assert fake.sampling[-1] == Sampling(512, 0.0, 1.0, None, (2,))


async def test_the_start_warms_up_what_a_schema_needs_too() -> None:
    fake = FakeVllm(504, reason="length")
    await runner(fake).start()
    assert [sampling.json_schema for sampling in fake.sampling] == [None, ANY_OBJECT]


async def test_a_seed_means_sampling_by_the_models_rule() -> None:
    fake = FakeVllm(504, reason="length")
    await runner(fake).run(payload.encode_input("chat", {**ASKED, "seed": 4}))
    assert fake.sampling == [Sampling(512, 0.8, 0.95, 4, (2,))]


async def test_a_schema_reaches_vllm_with_its_properties_in_the_answers_order() -> None:
    properties = {"why": {"type": "string"}, "answer": {"type": "boolean"}}
    text = schema_text({"type": "object", "properties": properties, "required": ["why", "answer"]})
    assert text.index('"answer"') < text.index('"why"')
    fake = FakeVllm(504, reason="length")
    await runner(fake).run(payload.encode_input("chat", {**ASKED, "json_schema": text}))
    asked = fake.sampling[0].json_schema
    assert asked is not None
    assert list(json.loads(asked)["properties"]) == ["why", "answer"]
    assert json.loads(asked) == json.loads(text)


async def test_the_text_is_told_as_it_grows_and_never_the_stop() -> None:
    fake, heard = FakeVllm(504, 3575, 2), list[str]()
    await runner(fake).run(payload.encode_input("chat", ASKED), heard.append)
    assert heard == ["The", " capital"]


async def events(*items: object) -> AsyncIterator[object]:
    for item in items:
        yield item


def chunk(ids: list[int], reason: str | None = None) -> str:
    return f"data: {json.dumps({'choices': [{'token_ids': ids, 'finish_reason': reason}]})}\n\n"


async def test_a_stream_of_vllm_is_gathered_token_by_token() -> None:
    told: list[int] = []
    lines = events([chunk([5, 6]), chunk([7])], chunk([2], "stop"), ["data: [DONE]\n\n"])
    assert await gather_stream(lines, told.append, RuntimeError) == Generation([5, 6, 7, 2], "stop")
    assert told == [5, 6, 7, 2]


@pytest.mark.parametrize(
    "lines", [[chunk([5])], [RuntimeError("no")], ['data: {"error": {"message": "no"}}\n\n'], []]
)
async def test_a_stream_of_vllm_that_breaks_off_is_no_answer(lines: list[object]) -> None:
    with pytest.raises(MLBridgeError) as caught:
        await gather_stream(events(*lines), lambda _: None, RuntimeError)
    assert caught.value.code == "engine.failed"


async def test_aborted_generations_and_other_kinds_are_errors() -> None:
    with pytest.raises(MLBridgeError, match="ended a generation with abort"):
        await runner(FakeVllm(reason="abort")).run(payload.encode_input("chat", ASKED))
    with pytest.raises(MLBridgeError) as caught:
        await runner(FakeVllm()).run(payload.encode_input("embedding", {"text": "x"}))
    assert caught.value.code == "input.kind"


async def test_health_is_that_of_vllm() -> None:
    fake = FakeVllm()
    await runner(fake).check()
    fake.dead = True
    with pytest.raises(MLBridgeError):
        await runner(fake).check()


def test_what_the_class_fixes_cannot_be_changed() -> None:
    directory = built("smollm2").directory
    on_cpu = engine_arguments(directory, "cpu", slots=64, extra={"max_model_len": 512})
    assert (on_cpu["max_num_seqs"], on_cpu["dtype"], on_cpu["max_model_len"]) == (1, "bfloat16", 512)
    assert on_cpu["kv_cache_memory_bytes"] == 2 * 30 * 3 * 64 * 2 * 2048
    on_gpu = engine_arguments(directory, "cuda", slots=64, extra={})
    assert "gpu_memory_utilization" not in on_gpu
    half = engine_arguments(directory, "cuda", slots=64, extra={}, gpus=0.5)
    assert half["gpu_memory_utilization"] == 0.45
    said = engine_arguments(directory, "cuda", slots=64, extra={"gpu_memory_utilization": 0.3}, gpus=0.5)
    assert said["gpu_memory_utilization"] == 0.3
    assert (on_gpu["max_num_seqs"], "kv_cache_memory_bytes" in on_gpu) == (64, False)
    for arguments in (on_cpu, on_gpu):
        assert arguments["structured_outputs_config"]["backend"] == "xgrammar"
    for name in (
        "enable_prefix_caching",
        "dtype",
        "trust_remote_code",
        "max_num_seqs",
        "structured_outputs_config",
        "reasoning_parser",
    ):
        with pytest.raises(MLBridgeError, match=name):
            engine_arguments(directory, "cpu", slots=1, extra={name: True})
    for name in ("enforce_eager", "compilation_config", "optimization_level"):
        with pytest.raises(MLBridgeError, match=name):
            engine_arguments(directory, "cuda", slots=1, extra={name: 0})


def test_batch_invariance_is_asked_for_only_where_it_exists() -> None:
    assert environment("cuda", threads=1)["VLLM_BATCH_INVARIANT"] == "1"
    assert "VLLM_BATCH_INVARIANT" not in environment("cpu", threads=1)
    assert environment("cpu", threads=2)["OMP_NUM_THREADS"] == "2"


def test_a_worker_asks_for_the_part_of_a_gpu_that_its_replica_reserves() -> None:
    assert environment("cuda", threads=1, gpus=0.33)["VLLM_RAY_PER_WORKER_GPUS"] == "0.33"
    assert "VLLM_RAY_PER_WORKER_GPUS" not in environment("cuda", threads=1, gpus=1)
    assert "VLLM_RAY_PER_WORKER_GPUS" not in environment("cpu", threads=1, gpus=0)
