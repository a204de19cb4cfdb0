"""Decided tasks as OpenAI's answers."""

from __future__ import annotations

import base64
import struct

import pytest

from gateway.book import Task
from gateway.openai.answers import CHAT, COMPLETION, cut, embeddings, proof_headers, shorter
from gateway.openai.outcomes import require
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import encode_output, pack_vector


def task(number: int = 1, *, status: str = "finalized", payload: bytes | None = None, cost: int = 5) -> Task:
    return Task(
        number=number, id=f"0x{number:064x}", key_id="k", lane="direct", model="m", model_id="0x1",
        kind="chat", terms={}, price=10, cost=cost, status=status, ended=True, payload=payload,
        confidence=1.0 / number, committee=None, receipt="{}", error_code=None, error=None,
        created_at=1.5, finished_at=2.5,
    )  # fmt: skip


def chatted(text: str, number: int = 1) -> Task:
    output = {"token_ids": [1, 2], "text": text, "finish_reason": "length"}
    return task(number, payload=encode_output("chat", output))


def embedded(*values: float, number: int = 1) -> Task:
    return task(number, payload=encode_output("embedding", {"embedding": pack_vector(values)}))


def test_a_chat_answer_has_openais_shape_and_the_proof_in_its_usage() -> None:
    found = CHAT.answer([chatted("hello")], "m", [], 4)
    assert found["object"] == "chat.completion"
    assert (found["created"], found["model"]) == (1, "m")
    (choice,) = found["choices"]
    assert choice["message"] == {"role": "assistant", "content": "hello", "refusal": None}
    assert choice["finish_reason"] == "length"
    usage = found["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (4, 2, 6)
    assert usage["mlbridge"]["receipts"] == [f"/v1/receipts/{chatted('x').id}"]


def test_the_same_task_always_gives_the_same_answer() -> None:
    assert CHAT.answer([chatted("a")], "m", [], 0) == CHAT.answer([chatted("a")], "m", [], 0)


def test_several_prompts_give_several_choices_and_sums() -> None:
    found = COMPLETION.answer([chatted("a"), chatted("b", 2)], "m", [], 0)
    assert [(choice["index"], choice["text"]) for choice in found["choices"]] == [(0, "a"), (1, "b")]
    assert found["usage"]["completion_tokens"] == 4
    assert found["usage"]["mlbridge"]["cost_wei"] == "10"
    assert found["usage"]["mlbridge"]["confidence"] == 0.5


def test_a_stop_ends_the_answer_at_its_first_place() -> None:
    assert cut("a b c", ["c", "b"]) == ("a ", True)
    assert cut("a b c", ["x"]) == ("a b c", False)
    (choice,) = CHAT.answer([chatted("one two")], "m", [" two"], 0)["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("one", "stop")


def test_embeddings_are_float32_in_both_encodings() -> None:
    tasks = [embedded(0.1, -2.0), embedded(3.0, 4.0, number=2)]
    floats = embeddings(tasks, "m", as_base64=False, dimensions=None, prompt_tokens=3)
    packed = embeddings(tasks, "m", as_base64=True, dimensions=None, prompt_tokens=3)
    for item, other in zip(floats["data"], packed["data"], strict=True):
        raw = base64.b64decode(other["embedding"])
        assert list(struct.unpack(f"<{len(raw) // 4}f", raw)) == item["embedding"]
    assert [item["index"] for item in floats["data"]] == [0, 1]
    assert floats["usage"]["total_tokens"] == 3
    assert "completion_tokens" not in floats["usage"]


def test_fewer_dimensions_are_cut_and_scaled_to_length_one() -> None:
    assert shorter([3.0, 4.0, 100.0], 2) == [0.6, 0.8]
    assert shorter([0.0, 0.0, 1.0], 2) == [0.0, 0.0]
    with pytest.raises(MLBridgeError) as more:
        shorter([1.0], 2)
    assert more.value.context["param"] == "dimensions"


def test_headers_say_what_is_known() -> None:
    done, under_way = chatted("a"), task(2, status="running")
    assert proof_headers([done])["x-mlbridge-confidence"] == "1.0000"
    assert proof_headers([done])["x-mlbridge-cost"] == "5"
    assert "x-mlbridge-confidence" not in proof_headers([done, under_way])
    assert proof_headers([done, under_way])["x-mlbridge-task-id"] == f"{done.id},{under_way.id}"


@pytest.mark.parametrize(
    ("status", "code"), [("running", "task.timeout"), ("refunded", "answer.none"), ("failed", "answer.none")]
)
def test_only_finalized_tasks_are_answers(status: str, code: str) -> None:
    with pytest.raises(MLBridgeError) as none:
        require([chatted("a"), task(2, status=status)], 5)
    assert none.value.code == code
    assert none.value.context["task_id"] == task(2).id
