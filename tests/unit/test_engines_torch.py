"""The torch engines on the packs: right answers, and the same bytes every time and everywhere in a class."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import payload
from mlbridge.protocol.json_schema import ANY_OBJECT
from serve.engines import Engine, probe, torch_engine
from serve.engines.chat_format import ChatFormat
from tests.support.packs import built

INPUTS: Mapping[str, list[Mapping[str, object]]] = {
    "digits": [{"image": [(7 * i + k) % 17 for i in range(64)]} for k in range(3)],
    "minilm": [{"text": "A bridge."}, {"text": "Un pont, 橋, мост."}, {"text": "long " * 400}],
    "smollm2": [
        {"messages": [{"role": "user", "content": "What is the capital of France?"}], "max_tokens": 12},
        {"messages": [{"role": "user", "content": "Name a colour."}], "max_tokens": 6, "seed": 7},
    ],
}
KINDS: Mapping[str, payload.Kind] = {"digits": "classification", "minilm": "embedding", "smollm2": "chat"}

SCRIPT = """
import json, sys
from pathlib import Path
from serve.engines import torch_engine
engine = torch_engine(sys.argv[1], Path(sys.argv[2]))
engine.load()
print(json.dumps([engine.run(bytes.fromhex(data)).hex() for data in json.loads(sys.argv[3])]))
"""


def loaded(name: str) -> Engine:
    engine = torch_engine(KINDS[name], built(name).directory)
    engine.load()
    return engine


def payloads(name: str) -> list[bytes]:
    return [payload.encode_input(KINDS[name], value) for value in INPUTS[name]]


def in_another_process(name: str, inputs: list[bytes], **environment: str) -> list[bytes]:
    arguments = [KINDS[name], str(built(name).directory), json.dumps([data.hex() for data in inputs])]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        check=True,
        text=True,
    )
    return [bytes.fromhex(line) for line in json.loads(done.stdout)]


def vector(output: bytes) -> tuple[float, ...]:
    decoded = payload.decode_output("embedding", output)
    assert isinstance(decoded, payload.EmbeddingOutput)
    return decoded.vector


def cosine(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_equal_inputs_give_equal_bytes(name: str) -> None:
    engine, inputs = loaded(name), payloads(name)
    alone = [engine.run(data) for data in inputs]
    assert [engine.run(data) for data in reversed(inputs)] == alone[::-1]  # whatever ran before
    assert in_another_process(name, inputs, OMP_NUM_THREADS="2") == alone  # threads are the engine's to set
    assert probe(engine) == probe(engine)


def test_similar_texts_are_near_and_vectors_have_unit_length() -> None:
    engine = loaded("minilm")
    texts = ("A man is eating food.", "A man is eating a meal.", "The stock market fell.")
    food, meal, market = (
        vector(engine.run(payload.encode_input("embedding", {"text": text}))) for text in texts
    )
    assert len(food) == 384
    assert math.hypot(*food) == pytest.approx(1, abs=1e-6)
    assert cosine(food, meal) > 0.8 > 0.3 > cosine(food, market)


def test_other_hardware_is_another_class_but_within_the_tolerance() -> None:
    inputs = payloads("minilm")
    here = [loaded("minilm").run(data) for data in inputs]
    there = in_another_process("minilm", inputs, ATEN_CPU_CAPABILITY="default", MKL_CBWR="COMPATIBLE")
    tolerance = built("minilm").spec.tolerance
    assert tolerance is not None
    assert here != there
    assert all(
        1 - cosine(vector(a), vector(b)) < float(tolerance["accept"])
        for a, b in zip(here, there, strict=True)
    )


def test_paris() -> None:
    output = payload.decode_output("chat", loaded("smollm2").run(payloads("smollm2")[0]))
    assert isinstance(output, payload.ChatOutput)
    assert output.text == "The capital of France is Paris."
    assert output.finish_reason == "stop"
    assert 2 not in output.token_ids  # the stop token


def test_the_pieces_of_an_answer_make_its_text_and_change_nothing() -> None:
    engine, heard = loaded("smollm2"), list[str]()
    told = engine.run(payloads("smollm2")[0], heard.append)
    assert told == engine.run(payloads("smollm2")[0])
    assert len(heard) > 1
    assert "".join(heard) == payload.decode_output("chat", told).text


@pytest.mark.parametrize(
    "text", ["A bridge.", "Un pont, 橋, мост.", "👩‍👩‍👧‍👦🏳️‍🌈 and 𝄞", " \n\n  x\t", "é" * 50, "\u200f\ufffd!"]
)
def test_text_is_told_token_by_token_without_a_torn_character(text: str) -> None:
    form = ChatFormat(built("smollm2").directory, max_prompt_tokens=512)
    ids = form._tokenizer.encode(text, add_special_tokens=False).ids
    heard: list[str] = []
    take = form.spoken(heard.append)
    for end, token in enumerate([*ids, 0], start=1):  # 0 is a control token, which has no text
        take(token)
        assert form.text([*ids, 0][:end]).startswith("".join(heard))
    assert "".join(heard) == form.text(ids) == text
    assert all("\N{REPLACEMENT CHARACTER}" not in piece for piece in heard) or "\ufffd" in text


def test_the_seed_decides_what_is_drawn_and_limits_hold() -> None:
    engine = loaded("smollm2")
    question = {"messages": [{"role": "user", "content": "Tell me a story."}], "max_tokens": 8}
    outputs = {
        engine.run(payload.encode_input("chat", {**question, "seed": seed})) for seed in (None, 1, 2, 1)
    }
    assert len(outputs) == 3
    for output in outputs:
        decoded = payload.decode_output("chat", output)
        assert isinstance(decoded, payload.ChatOutput)
        assert (len(decoded.token_ids), decoded.finish_reason) == (8, "length")


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_inputs_of_another_kind_are_refused(name: str) -> None:
    other = payloads("digits" if name == "minilm" else "minilm")[0]
    with pytest.raises(MLBridgeError) as caught:
        loaded(name).run(other)
    assert caught.value.code == "input.kind"


def test_a_schema_is_refused_where_nothing_could_hold_the_answer_to_it() -> None:
    asked = {**INPUTS["smollm2"][0], "json_schema": ANY_OBJECT}
    with pytest.raises(MLBridgeError, match="manifest says engine vllm") as caught:
        loaded("smollm2").run(payload.encode_input("chat", asked))
    assert (caught.value.code, caught.value.exit_code) == ("input.json_schema", 2)


def test_broken_folders_and_missing_gpus_are_named(tmp_path: Path) -> None:
    import torch

    with pytest.raises(MLBridgeError) as caught:
        torch_engine("embedding", tmp_path)
    assert caught.value.code == "engine.folder"
    (tmp_path / "engine.json").write_text('{"dtype": "bfloat16", "layers": [64, 10]}')
    with pytest.raises(MLBridgeError) as caught:
        torch_engine("classification", tmp_path).load()
    assert caught.value.code == "engine.weights"
    (tmp_path / "model.safetensors").symlink_to(built("digits").directory / "model.safetensors")
    with pytest.raises(MLBridgeError, match="declares bfloat16"):
        torch_engine("classification", tmp_path).load()
    if not torch.cuda.is_available():
        with pytest.raises(MLBridgeError) as caught:
            torch_engine("embedding", built("minilm").directory, device="cuda").load()
        assert caught.value.code == "engine.device"
