"""What a GPU does to answers: does vLLM's depend on what runs beside it, and how fast is it?

Every arm is a process of its own, from the repository's root, and writes one JSON file:

    python -m benchmarks.gpu_vllm engine MODEL OUT [--plain] [--eager] [--slots 64] [--quick] [--share]
    python -m benchmarks.gpu_vllm wide MODEL FOLDER
    python -m benchmarks.gpu_vllm torch PACKS OUT
    python -m benchmarks.gpu_vllm serve MODEL OUT
    python -m benchmarks.gpu_vllm compare OUT OUT...

engine: vLLM with the arguments and the environment that serve/vllm_replica.py gives it; --plain leaves
VLLM_BATCH_INVARIANT out, --quick most of the comparisons, --share leaves room for other arms on the GPU.
wide: makes a model folder with the width of a 1B Llama and random weights, for engine. torch: the torch
engines on GPU and CPU. serve: the whole Serve application. compare: whether engine arms gave the answers of
the first.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import statistics
import struct
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mlbridge.protocol import payload
from serve import execclass
from serve.engines.base import read_settings
from serve.engines.chat_format import ChatFormat
from serve.engines.vllm import engine_arguments, environment

NEW_TOKENS = 64
LIBRARIES = ("vllm", "torch", "triton", "ray", "transformers", "flashinfer-python", "nvidia-cublas")
ORDERS = ("Explain", "Write a short poem about", "List five facts about", "Tell a child about")
TOPICS = (
    "bridges",
    "the number seven",
    "how a bank decides whether to give a loan",
    "rivers in winter",
    "proof by induction",
    "why the sky is blue",
    "a cat that learns to swim",
    "trains between Vienna and Venice",
)
QUESTIONS = [f"{order} {topic}." for topic, order in itertools.product(TOPICS, ORDERS)]

Answer = dict[str, Any]
"""ids: token ids; logprobs: the bits of each token's logprob as a float32, in hex."""


def question(text: str, max_tokens: int = NEW_TOKENS, seed: int | None = None) -> bytes:
    """The chat payload of a question."""
    fields = {"messages": [{"role": "user", "content": text}], "max_tokens": max_tokens, "seed": seed}
    return payload.encode_input("chat", fields)


def decode(kind: payload.Kind, data: bytes) -> Any:
    """The output payload of a kind."""
    return payload.decode_output(kind, data)


def about() -> dict[str, str]:
    """GPU, driver and libraries."""
    import torch

    found = {"gpu": torch.cuda.get_device_name(), "cuda": str(torch.version.cuda)}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def write(report: dict[str, Any], path: Path) -> None:
    """The report as JSON, in about.json where the path is a folder."""
    path = path / "about.json" if path.is_dir() else path
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def value(bits: str) -> float:
    """The float32 with these bits."""
    return float(struct.unpack(">f", bytes.fromhex(bits))[0])


def differences(first: Sequence[Answer], second: Sequence[Answer]) -> dict[str, Any]:
    """How many answers agree in tokens and in bits, where the others part, how far logprobs lie apart."""
    forks, bits, apart = [], 0, 0.0
    for one, other in zip(first, second, strict=True):
        pairs = list(zip(one["ids"], other["ids"], strict=False))
        fork = next((place for place, (a, b) in enumerate(pairs) if a != b), None)
        if one["ids"] != other["ids"]:
            forks.append(len(pairs) if fork is None else fork)
        bits += one == other
        shared = slice(0, fork)
        for a, b in zip(one["logprobs"][shared], other["logprobs"][shared], strict=False):
            apart = max(apart, abs(value(a) - value(b)))
    return {
        "answers": len(first),
        "tokens_equal": len(first) - len(forks),
        "bits_equal": bits,
        "forks_at": sorted(forks),
        "max_logprob_difference": apart,
    }


class Vllm:
    """vLLM in this process's charge, asked with token ids."""

    def __init__(self, directory: Path, *, slots: int, plain: bool, extra: dict[str, Any]) -> None:
        os.environ.update(environment("cuda", threads=1))
        if plain:
            os.environ.pop("VLLM_BATCH_INVARIANT")
        from vllm import LLM

        self.arguments = engine_arguments(directory, "cuda", slots=slots, extra=extra)
        started = time.perf_counter()
        self._llm = LLM(model=str(directory), **self.arguments)
        self.start_s = time.perf_counter() - started
        self._stop = list(read_settings(directory)["stop_token_ids"])

    def answers(self, prompts: Sequence[list[int]], options: Sequence[dict[str, Any]]) -> list[Answer]:
        """One answer per prompt, all of them asked at once."""
        made = []
        for result in self.raw(prompts, [{"logprobs": 0, **option} for option in options]):
            output = result.outputs[0]
            ids = list(output.token_ids)
            chances = [step[token].logprob for step, token in zip(output.logprobs, ids, strict=True)]
            made.append({"ids": ids, "logprobs": [struct.pack(">f", chance).hex() for chance in chances]})
        return made

    def raw(self, prompts: Sequence[list[int]], options: Sequence[dict[str, Any]]) -> list[Any]:
        """vLLM's own results."""
        from vllm import SamplingParams
        from vllm.inputs import TokensPrompt

        sampling = [
            SamplingParams(
                **{
                    "temperature": 0.0,
                    "max_tokens": NEW_TOKENS,
                    "stop_token_ids": self._stop,
                    "detokenize": False,
                    **option,
                }
            )
            for option in options
        ]
        asked = [TokensPrompt(prompt_token_ids=ids) for ids in prompts]
        return list(self._llm.generate(asked, sampling, use_tqdm=False))


def in_batches(
    engine: Vllm, prompts: Sequence[list[int]], options: Sequence[dict[str, Any]], size: int
) -> list[Answer]:
    """The answers to prompts asked `size` at a time."""
    made: list[Answer] = []
    for start in range(0, len(prompts), size):
        made += engine.answers(prompts[start : start + size], options[start : start + size])
    return made


def among_others(
    engine: Vllm, prompts: Sequence[list[int]], options: Sequence[dict[str, Any]]
) -> list[Answer]:
    """The same, all at once among as many others of 5 to 900 tokens that end at different times."""
    chance = random.Random(7)  # noqa: S311  # the same traffic every time
    crowd: list[tuple[int | None, list[int], dict[str, Any]]] = [
        (place, *pair) for place, pair in enumerate(zip(prompts, options, strict=True))
    ]
    for _ in prompts:
        ids = [chance.randrange(300, 40_000) for _ in range(chance.randrange(5, 900))]
        crowd.append((None, ids, {"max_tokens": chance.randrange(1, NEW_TOKENS), "ignore_eos": True}))
    chance.shuffle(crowd)
    made = engine.answers([ids for _, ids, _ in crowd], [option for _, _, option in crowd])
    own = {place: answer for (place, _, _), answer in zip(crowd, made, strict=True) if place is not None}
    return [own[place] for place in range(len(prompts))]


def replayed(engine: Vllm, prompts: Sequence[list[int]], answers: Sequence[Answer]) -> dict[str, Any]:
    """How a teacher-forced prefill of the answers compares with their generation, token by token."""
    tokens, equal, first, apart = 0, 0, 0, 0.0
    for prompt, answer in zip(prompts, answers, strict=True):
        asked = {"max_tokens": 1, "prompt_logprobs": 0}
        steps = engine.raw([prompt + answer["ids"]], [asked])[0].prompt_logprobs[len(prompt) :]
        for step, token, bits in zip(steps, answer["ids"], answer["logprobs"], strict=True):
            tokens += 1
            first += step[token].rank == 1
            equal += struct.pack(">f", step[token].logprob).hex() == bits
            apart = max(apart, abs(step[token].logprob - value(bits)))
    return {"tokens": tokens, "bits_equal": equal, "rank_1": first, "max_logprob_difference": apart}


def rates(engine: Vllm, prompts: Sequence[list[int]], at_once: Sequence[int]) -> dict[str, Any]:
    """Generated tokens a second with so many requests at once, 128 tokens each: five runs after a warm-up."""
    found = {}
    for count in at_once:
        asked = [prompts[place % len(prompts)] for place in range(count)]
        seconds = []
        for _ in range(6):
            started = time.perf_counter()
            engine.raw(asked, [{"max_tokens": 128, "ignore_eos": True}] * count)
            seconds.append(time.perf_counter() - started)
        each = sorted(count * 128 / taken for taken in seconds[1:])
        found[str(count)] = {"median": statistics.median(each), "min": each[0], "max": each[-1]}
    return found


def engine_arm(arguments: argparse.Namespace) -> dict[str, Any]:
    """One vLLM engine: batches of several kinds against one at a time, replay, throughput."""
    directory: Path = arguments.model
    extra: dict[str, Any] = {"enforce_eager": True} if arguments.eager else {}
    if arguments.share:
        extra |= {"gpu_memory_utilization": 0.15, "kv_cache_memory_bytes": 8 << 30}
    engine = Vllm(directory, slots=arguments.slots, plain=arguments.plain, extra=extra)
    chat = ChatFormat(directory, max_prompt_tokens=1024)
    prompts = [chat.prompt_ids([payload.Message(role="user", content=text)]) for text in QUESTIONS]
    greedy: list[dict[str, Any]] = [{} for _ in prompts]
    seeded: list[dict[str, Any]] = [
        {"temperature": 0.8, "top_p": 0.95, "seed": place} for place in range(len(prompts))
    ]
    report: dict[str, Any] = {
        "arguments": engine.arguments,
        "batch_invariant": not arguments.plain,
        "start_s": engine.start_s,
        "answers": {},
        "against_alone": {},
    }
    for name, options in (("greedy", greedy), ("seeded", seeded)):
        alone = report["answers"][name] = in_batches(engine, prompts, options, 1)
        others: dict[str, Callable[[], list[Answer]]] = {
            "by 32": partial(in_batches, engine, prompts, options, 32),
            "by 8": partial(in_batches, engine, prompts, options, 8),
            "again": partial(in_batches, engine, prompts, options, 1),
            "among 32 others": partial(among_others, engine, prompts, options),
        }
        for kind, ask in itertools.islice(others.items(), 2 if arguments.quick else None):
            found = report["against_alone"][f"{name}, {kind}"] = differences(alone, ask())
            print(name, kind, found, flush=True)
            write(report, arguments.out)
    report["about"] = about()
    report["execution_class"] = execclass.detect(directory, "vllm", "cuda", threads=1).model_dump()
    if arguments.quick:
        return report
    report["replayed"] = replayed(engine, prompts, report["answers"]["greedy"])
    sizes = [count for count in (1, 8, 64) if count <= arguments.slots]
    report["tokens_a_second"] = rates(engine, prompts, sizes)
    return report


def wide_arm(arguments: argparse.Namespace) -> dict[str, Any]:
    """A folder like MODEL's with 8 layers of a 1B Llama's width and random weights."""
    import torch
    from safetensors.torch import save_file

    width, inner, layers, heads, kv_heads, head = 2048, 8192, 8, 32, 8, 64
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(arguments.model / name, arguments.out)
    config = json.loads((arguments.model / "config.json").read_text(encoding="utf-8"))
    config |= {"hidden_size": width, "intermediate_size": inner, "num_hidden_layers": layers}
    config |= {"num_attention_heads": heads, "num_key_value_heads": kv_heads, "head_dim": head}
    settings = read_settings(arguments.model)
    settings |= {"layers": layers, "heads": heads, "kv_heads": kv_heads, "head_dim": head}
    write(config, arguments.out / "config.json")
    write(settings, arguments.out / "engine.json")
    shapes = {
        "self_attn.q_proj": (heads * head, width),
        "self_attn.k_proj": (kv_heads * head, width),
        "self_attn.v_proj": (kv_heads * head, width),
        "self_attn.o_proj": (width, heads * head),
        "mlp.gate_proj": (inner, width),
        "mlp.up_proj": (inner, width),
        "mlp.down_proj": (width, inner),
    }
    chance = torch.Generator("cuda").manual_seed(1)

    def drawn(*shape: int) -> torch.Tensor:
        return (torch.randn(shape, generator=chance, device="cuda") * 0.02).to(torch.bfloat16)

    ones = torch.ones(width, dtype=torch.bfloat16)
    state = {"model.embed_tokens.weight": drawn(config["vocab_size"], width), "model.norm.weight": ones}
    for layer in range(layers):
        for name, shape in shapes.items():
            state[f"model.layers.{layer}.{name}.weight"] = drawn(*shape)
        for name in ("input_layernorm", "post_attention_layernorm"):
            state[f"model.layers.{layer}.{name}.weight"] = ones.clone()
    save_file(state, arguments.out / "model.safetensors", metadata={"format": "pt"})
    return {"parameters": sum(tensor.numel() for tensor in state.values())}


def torch_arm(arguments: argparse.Namespace) -> dict[str, Any]:
    """The torch engines: the same bytes on the GPU twice, and how far from the CPU's."""
    import numpy as np

    from serve.engines import torch_engine
    from serve.packs.calibration import texts

    inputs = {
        "smollm2": [question(text) for text in QUESTIONS[::4]],
        "minilm": [payload.encode_input("embedding", {"text": text}) for text in texts()],
        "digits": [
            payload.encode_input("classification", {"image": row})
            for row in np.random.default_rng(5).integers(0, 17, (500, 64)).tolist()
        ],
    }
    report: dict[str, Any] = {"about": about()}
    for name, tasks in inputs.items():
        kind = payload.decode_input(tasks[0]).kind
        seconds, outputs = {}, {}
        for device in ("cuda", "cpu"):
            engine = torch_engine(kind, arguments.model / name, device=device)
            engine.load()
            engine.run(tasks[0])
            for turn in ("first", "again") if device == "cuda" else ("first",):
                started = time.perf_counter()
                outputs[device, turn] = [engine.run(task) for task in tasks]
                seconds[device] = time.perf_counter() - started
        found: dict[str, Any] = {
            "inputs": len(tasks),
            "gpu_twice_equal": sum(map(bytes.__eq__, outputs["cuda", "first"], outputs["cuda", "again"])),
            "gpu_cpu_equal": sum(map(bytes.__eq__, outputs["cuda", "first"], outputs["cpu", "first"])),
            "seconds": seconds,
            "execution_class": execclass.detect(
                arguments.model / name, "torch", "cuda", threads=1
            ).model_dump(),
        }
        gpu, cpu = ([decode(kind, data) for data in outputs[device, "first"]] for device in ("cuda", "cpu"))
        if kind == "embedding":
            ours, theirs = (
                np.array([output.vector for output in side], dtype=np.float64) for side in (gpu, cpu)
            )
            lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
            found["max_cosine_distance"] = float((1 - (ours * theirs).sum(axis=1) / lengths).max())
        if kind == "chat":
            found["ids"] = [output.token_ids for output in gpu]
            found["cpu_ids"] = [output.token_ids for output in cpu]
            found["tokens"] = sum(map(len, found["ids"]))
        report[name] = found
        print(name, {key: item for key, item in found.items() if "ids" not in key}, flush=True)
    return report


def serve_arm(arguments: argparse.Namespace) -> dict[str, Any]:
    """The Serve application on one GPU: signed orders one at a time and 32 at once."""
    import httpx2
    import ray
    from eth_keys.datatypes import PrivateKey
    from ray import serve

    from serve.app import build
    from serve.orders import HEADER, make_order, sign_order

    key, model_id, chain_id = b"\x11" * 32, b"\x07" * 32, 31337
    ray.init(num_cpus=8, num_gpus=1, include_dashboard=False, log_to_driver=True)
    serve.start(http_options={"host": "127.0.0.1", "port": 18000})
    started = time.perf_counter()
    application = build(
        {
            "name": "smollm2",
            "model_id": "0x" + model_id.hex(),
            "chain_id": chain_id,
            "directory": str(arguments.model.resolve()),
            "kind": "chat",
            "engine": "vllm",
            "device": "cuda",
            "num_gpus": 1,
            "slots": arguments.slots,
            "queue": 64,
            "node_keys": [PrivateKey(key).public_key.to_checksum_address()],
        }
    )
    serve.run(application, name="smollm2", route_prefix="/")
    report: dict[str, Any] = {"start_s": time.perf_counter() - started}
    print("running after", report["start_s"], flush=True)

    def send(task: int, body: bytes) -> tuple[int, bytes]:
        order = make_order(
            task_id=task.to_bytes(32, "big"),
            round=0,
            account=2,
            model_id=model_id,
            payload=body,
            expires_at=int(time.time()) + 600,
            key=key,
        )
        headers = {HEADER: sign_order(order, chain_id=chain_id, key=key).header()}
        with httpx2.Client(base_url="http://127.0.0.1:18000", timeout=120) as client:
            answer = client.post("/v1/execute", content=body, headers=headers)
        return answer.status_code, answer.content

    with httpx2.Client(base_url="http://127.0.0.1:18000", timeout=120) as client:
        report["info"] = client.get("/v1/info").json()
        refused = client.post("/v1/execute", content=question(QUESTIONS[0]))
        report["without_an_order"] = [refused.status_code, refused.json()["code"]]
    bodies = [question(text) for text in QUESTIONS]
    seconds = []
    alone = []
    for place, body in enumerate(bodies):
        started = time.perf_counter()
        alone.append(send(place, body))
        seconds.append(time.perf_counter() - started)
    with ThreadPoolExecutor(len(bodies)) as pool:
        started = time.perf_counter()
        together = list(pool.map(send, range(1000, 1000 + len(bodies)), bodies))
        report["together_s"] = time.perf_counter() - started
    report |= {
        "statuses": sorted({status for status, _ in alone + together}),
        "requests": len(bodies),
        "equal_bytes": sum(a == b for a, b in zip(alone, together, strict=True)),
        "p50_alone_s": statistics.median(seconds),
    }
    if report["statuses"] == [200]:
        outputs = [payload.decode_output("chat", data) for _, data in alone]
        report["ids"] = [output.token_ids for output in outputs]
        report["tokens"] = sum(map(len, report["ids"]))
        report["example"] = outputs[0].text
    else:
        report["errors"] = [data.decode(errors="replace") for status, data in together if status != 200][:2]
    print({name: item for name, item in report.items() if name != "ids"}, flush=True)
    serve.shutdown()
    ray.shutdown()
    return report


def compare(paths: Sequence[Path]) -> None:
    """Prints how each engine arm's answers, one prompt at a time, differ from the first arm's."""
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    for path, report in zip(paths[1:], reports[1:], strict=True):
        for name in reports[0]["answers"].keys() & report["answers"].keys():
            answers = reports[0]["answers"][name]
            print(paths[0].stem, path.stem, name, differences(answers, report["answers"][name]))


def main() -> None:
    """Runs one arm."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arms = parser.add_subparsers(dest="arm", required=True)
    for name in ("engine", "wide", "torch", "serve"):
        arm = arms.add_parser(name)
        arm.add_argument("model", type=Path)
        arm.add_argument("out", type=Path)
        arm.add_argument("--slots", type=int, default=64)
        for flag in ("--plain", "--eager", "--quick", "--share"):
            arm.add_argument(flag, action="store_true")
    arms.add_parser("compare").add_argument("out", type=Path, nargs="+")
    arguments = parser.parse_args()
    if arguments.arm == "compare":
        compare(arguments.out)
        return
    run = {"engine": engine_arm, "wide": wide_arm, "torch": torch_arm, "serve": serve_arm}[arguments.arm]
    started = time.perf_counter()
    report = run(arguments)
    report["wall_s"] = time.perf_counter() - started
    report["command"] = sys.argv[1:]
    write(report, arguments.out)


if __name__ == "__main__":
    main()
