"""vLLM through ray.serve.llm: continuous batching, token ids in and out.

Prompts are rendered and tokenised by ChatFormat, not by vLLM, so that both engines of a model folder see the
same prompt. An output must not depend on what else is in the batch. On GPUs VLLM_BATCH_INVARIANT=1 sees to
that. CPUs have no such mode: with AVX-512 bfloat16 3 of 8 greedy answers kept their tokens in a batch of 8,
and in float32 none kept its logits, so there a batch holds one sequence.

An answer that is to fit a JSON schema is picked among the tokens that xgrammar lets through. vLLM pins its
version, so the execution class names it with vLLM's.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import payload
from mlbridge.protocol.json_schema import ANY_OBJECT, ordered
from serve.engines.base import PROBES, Device, EngineInfo, Hear, read_settings, wrong_kind
from serve.engines.chat_format import ChatFormat

_OF_A_SHARE: Final = 0.9  # of a whole GPU it is vLLM's own default
# Other names under which a GPU's kernels come out eager or compiled in another way.
_COMPILING: Final = frozenset({"compilation_config", "optimization_level"})
# Another grammar engine lets other tokens through; vLLM's default changes it from request to request. White
# space is what a small model loses itself in.
_GRAMMAR: Final[Mapping[str, Any]] = {"backend": "xgrammar", "disable_any_whitespace": True}
# A parser of reasoning lifts the grammar for as long as it sees reasoning.
_REASONING: Final = frozenset({"reasoning_parser", "reasoning_parser_plugin"})
CPU_ENVIRONMENT: Final[Mapping[str, str]] = {"VLLM_CPU_OMP_THREADS_BIND": "nobind"}
GPU_ENVIRONMENT: Final[Mapping[str, str]] = {
    "VLLM_BATCH_INVARIANT": "1",  # crashes the CPU engine
    # vLLM switches these graphs on by itself; with them a wide model's answers depend on the batch.
    "VLLM_USE_BREAKABLE_CUDAGRAPH": "0",
    # Compiling that sampler costs minutes at the first start and changes no bit.
    "VLLM_USE_FLASHINFER_SAMPLER": "0",
}
ENVIRONMENT: Final[Mapping[str, str]] = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
}


@dataclass(frozen=True, slots=True)
class Generation:
    """What vLLM produced. finish_reason: stop or length."""

    token_ids: list[int]
    finish_reason: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to continue a prompt; temperature 0 is greedy.

    json_schema: what the text is to fit, its properties in the order that the text has them in; JSON.
    """

    max_tokens: int
    temperature: float
    top_p: float
    seed: int | None
    stop_token_ids: tuple[int, ...]
    json_schema: str | None = None


class Generate(Protocol):
    """Continues prompt token ids."""

    async def __call__(
        self, prompt: list[int], sampling: Sampling, spoken: Callable[[int], None] | None
    ) -> Generation:
        """What vLLM made of a prompt. spoken: told each token id as it is made.

        Raises MLBridgeError engine.failed, input.json_schema.
        """
        ...


async def gather_stream(
    chunks: AsyncIterable[object], spoken: Callable[[int], None], failed: type
) -> Generation:
    """The generation of a stream of vLLM's completion events, several in a list or one by one.

    spoken: told each token id; failed: the class of its error answers. Raises MLBridgeError engine.failed.
    """
    ids: list[int] = []
    reason = ""
    async for chunk in chunks:
        for event in chunk if isinstance(chunk, list) else [chunk]:
            if isinstance(event, failed):
                raise MLBridgeError("engine.failed", f"vLLM refused: {event}.")
            for line in str(event).splitlines():
                data = line.removeprefix("data: ")
                if data == line or data == "[DONE]":
                    continue
                told = json.loads(data)
                if "error" in told:
                    raise MLBridgeError("engine.failed", f"vLLM refused: {told['error'].get('message')}")
                for choice in told["choices"]:
                    for token in choice.get("token_ids") or ():
                        ids.append(int(token))
                        spoken(int(token))
                    reason = choice.get("finish_reason") or reason
    if not reason:
        raise MLBridgeError("engine.failed", "vLLM gave no answer.")
    return Generation(ids, reason)


class VllmRunner:
    """A vLLM engine behind the Runner door. The engine itself is started by whoever gives `generate`."""

    def __init__(
        self, directory: Path, generate: Generate, health: Callable[[], Awaitable[None]], *, device: Device
    ) -> None:
        self._settings = read_settings(directory)
        self._format = ChatFormat(directory, max_prompt_tokens=int(self._settings["max_prompt_tokens"]))
        self._generate = generate
        self._health = health
        self._device: Device = device

    async def start(self) -> None:
        """See Runner. One token of each sort, so that the first task does not pay for the warm-up."""
        await self.run(payload.encode_input("chat", PROBES["chat"]))
        await self.run(payload.encode_input("chat", {**PROBES["chat"], "json_schema": ANY_OBJECT}))

    async def run(self, data: bytes, hear: Hear | None = None) -> bytes:
        """See Runner."""
        task = payload.decode_input(data)
        if not isinstance(task, payload.ChatInput):
            raise wrong_kind("chat", task.kind)
        settings = self._settings
        stop = tuple(settings["stop_token_ids"])
        greedy = task.seed is None
        sampling = Sampling(
            max_tokens=min(task.max_tokens, int(settings["max_new_tokens"])),
            temperature=0.0 if greedy else float(settings["temperature"]),
            top_p=1.0 if greedy else float(settings["top_p"]),
            seed=task.seed,
            stop_token_ids=stop,
            json_schema=None if task.json_schema is None else ordered(task.json_schema),
        )
        spoken = None if hear is None else self._spoken(hear, stop)
        made = await self._generate(self._format.prompt_ids(task.messages), sampling, spoken)
        if made.finish_reason not in ("stop", "length"):
            raise MLBridgeError("engine.failed", f"vLLM ended a generation with {made.finish_reason}.")
        ids = made.token_ids[:-1] if made.token_ids[-1:] and made.token_ids[-1] in stop else made.token_ids
        fields = {"token_ids": ids, "text": self._format.text(ids), "finish_reason": made.finish_reason}
        return payload.encode_output("chat", fields)

    def _spoken(self, hear: Hear, stop: tuple[int, ...]) -> Callable[[int], None]:
        take = self._format.spoken(hear)
        return lambda token: None if token in stop else take(token)

    async def check(self) -> None:
        """See Runner."""
        await self._health()

    def info(self) -> EngineInfo:
        """See Runner."""
        return EngineInfo(
            "vllm", "chat", self._settings["architecture"], self._settings["dtype"], self._device, 0
        )


def engine_arguments(
    directory: Path, device: Device, *, slots: int, extra: Mapping[str, Any], gpus: float = 1
) -> dict[str, Any]:
    """vLLM's engine arguments for a model folder; `extra` adds to them but cannot loosen the class.

    gpus: what a replica reserves; one that shares a GPU takes no more than its share of the memory.
    """
    settings = read_settings(directory)
    context = int(settings["max_prompt_tokens"]) + int(settings["max_new_tokens"])
    pinned: dict[str, Any] = {
        "dtype": settings["dtype"],
        "enable_prefix_caching": False,  # a warm and a cold cache may round differently
        "generation_config": "vllm",  # sampling comes from the task and engine.json alone
        "trust_remote_code": False,
        "structured_outputs_config": dict(_GRAMMAR),
        "max_num_seqs": slots if device == "cuda" else 1,
    }
    if device == "cuda":
        pinned["enforce_eager"] = False  # eager and compiled kernels give other bits under one class
    base: dict[str, Any] = {"max_model_len": context}
    if device == "cuda" and gpus < 1:
        base["gpu_memory_utilization"] = round(_OF_A_SHARE * gpus, 3)
    if device == "cpu":
        # Left alone vLLM takes its share of all memory, and the variable for it counts in whole GiB.
        base |= {"enforce_eager": True, "kv_cache_memory_bytes": _cache_bytes(settings, context)}
    forbidden = pinned.keys() | _REASONING | (_COMPILING if device == "cuda" else set())
    clash = sorted(forbidden & extra.keys())
    if clash:
        raise MLBridgeError(
            "engine.arguments",
            f"engine_args may not set {', '.join(clash)}: the execution class fixes it.",
            exit_code=2,
        )
    return {**base, **extra, **pinned}


def environment(device: Device, *, threads: int, gpus: float = 1) -> dict[str, str]:
    """Environment variables of the processes that vLLM runs in. gpus: what a replica reserves."""
    if device == "cpu":
        return {**ENVIRONMENT, **CPU_ENVIRONMENT, "OMP_NUM_THREADS": str(threads)}
    # vLLM's worker asks Ray for a whole GPU otherwise, which does not fit where only a part is reserved.
    share = {"VLLM_RAY_PER_WORKER_GPUS": str(gpus)} if gpus < 1 else {}
    return {**ENVIRONMENT, **GPU_ENVIRONMENT, **share}


def _cache_bytes(settings: Mapping[str, Any], context: int) -> int:
    # Keys and values of one sequence, with room for vLLM's blocks at its ends.
    item = 4 if settings["dtype"] == "float32" else 2
    return (
        2
        * int(settings["layers"])
        * int(settings["kv_heads"])
        * int(settings["head_dim"])
        * item
        * (context + 512)
    )
