"""Unmodified clients of OpenAI's API - openai for Python, LiteLLM, openai for Node - against the gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionChunk
from pydantic import BaseModel

from mlbridge.protocol.json_schema import schema_text
from mlbridge.protocol.payload import EmbeddingOutput, decode_output, encode_input
from tests.support.gateways import Running, answer
from tests.support.openai_clients import HELLO, ask_by_node

pytestmark = pytest.mark.integration

SAID = "You said: hello. That is all."


@pytest.fixture(scope="module")
def client(running: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=running.base_url, api_key=running.secret, max_retries=0) as found:
        yield found


def vector_of(text: str) -> list[float]:
    output = decode_output("embedding", answer(encode_input("embedding", {"text": text})))
    assert isinstance(output, EmbeddingOutput)
    return list(output.vector)


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_openai_chats_and_the_answer_carries_its_proof(client: OpenAI, running: Running) -> None:
    raw = client.chat.completions.with_raw_response.create(model=running.model("chat"), messages=HELLO)
    found = raw.parse()
    assert found.choices[0].message.content == SAID
    assert found.choices[0].finish_reason == "stop"
    assert found.usage is not None
    assert found.usage.completion_tokens == 6
    proof: Any = found.usage.model_extra["mlbridge"]  # type: ignore[index]
    assert proof["confidence"] == 1.0
    assert raw.headers["x-mlbridge-task-id"] == proof["task_ids"][0]
    assert raw.headers["x-mlbridge-receipt"] == proof["receipts"][0]
    assert raw.headers["x-mlbridge-cost"] == proof["cost_wei"]
    assert found._request_id == raw.headers["x-request-id"]


def test_openai_streams_with_usage_only_where_asked(client: OpenAI, running: Running) -> None:
    ask: dict[str, Any] = {"model": running.model("chat"), "messages": HELLO, "stream": True}
    plain = list(client.chat.completions.create(**ask))
    assert text_of(plain) == SAID
    assert all(chunk.choices and chunk.usage is None for chunk in plain)
    told = list(client.chat.completions.create(**ask, stream_options={"include_usage": True}))
    assert text_of(told) == SAID
    assert [bool(chunk.choices) for chunk in told] == [True] * (len(told) - 1) + [False]
    assert told[-1].usage is not None
    assert told[-1].usage.total_tokens >= 6
    assert len({chunk.id for chunk in told}) == 1


def test_openai_stops_where_it_was_told(client: OpenAI, running: Running) -> None:
    found = client.chat.completions.create(
        model=running.model("chat"), messages=HELLO, stop=[" That"], temperature=0.7, max_tokens=40
    )
    assert found.choices[0].message.content == "You said: hello."


def test_openai_completes_prompts(client: OpenAI, running: Running) -> None:
    found = client.completions.create(model=running.model("chat"), prompt=["hello", "you"])
    assert [choice.text for choice in found.choices] == [SAID, SAID.replace("hello", "you")]
    pieces = client.completions.create(model=running.model("chat"), prompt="hello", stream=True)
    assert "".join(piece.choices[0].text for piece in pieces) == SAID


def test_openai_embeds_one_or_several_texts(client: OpenAI, running: Running) -> None:
    model = running.model("embedding")
    both = client.embeddings.create(model=model, input=["a", "b"])  # asks for base64 by itself
    assert [item.embedding for item in both.data] == [vector_of("a"), vector_of("b")]
    one = client.embeddings.create(model=model, input="a", encoding_format="float", dimensions=2)
    cut = vector_of("a")[:2]
    length = sum(value * value for value in cut) ** 0.5
    assert one.data[0].embedding == pytest.approx([value / length for value in cut], rel=1e-6)
    with pytest.raises(openai.BadRequestError, match="token ids"):
        client.embeddings.create(model=model, input=[[1, 2, 3]])


def test_openai_lists_models(client: OpenAI, running: Running) -> None:
    listed = {model.id for model in client.models.list()}
    assert set(running.market.models) <= listed
    assert client.models.retrieve(running.model("chat")).id == running.model("chat")


def test_openai_meets_errors_that_it_knows(client: OpenAI, running: Running) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="no-such-model", messages=HELLO)
    assert missing.value.code == "model_not_found"
    tool: Any = {"type": "function", "function": {"name": "f", "parameters": {}}}
    with pytest.raises(openai.BadRequestError) as tools:
        client.chat.completions.create(model=running.model("chat"), messages=HELLO, tools=[tool])
    assert tools.value.param == "tools"
    stranger = OpenAI(base_url=running.base_url, api_key="mlb_sk_nobody_0", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        stranger.models.list()
    with pytest.raises(openai.BadRequestError, match="does chat"):
        client.embeddings.create(model=running.model("chat"), input="a")


class Held(BaseModel):
    """What scripted members answer where a schema holds them."""

    held_to: str


HELD = schema_text(Held.model_json_schema() | {"additionalProperties": False})


def test_openai_parses_what_a_schema_held_to(client: OpenAI, running: Running) -> None:
    model = running.model("vllm-chat")
    found = client.chat.completions.parse(model=model, messages=HELLO, response_format=Held)
    assert found.choices[0].message.parsed == Held(held_to=HELD)
    told = client.chat.completions.create(
        model=model, messages=HELLO, response_format={"type": "json_object"}
    )
    assert json.loads(told.choices[0].message.content or "") == {"held_to": '{"type":"object"}'}
    with client.chat.completions.stream(model=model, messages=HELLO, response_format=Held) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == Held(held_to=HELD)


def test_a_schema_is_refused_before_anything_is_paid(client: OpenAI, running: Running) -> None:
    headers = {"Authorization": f"Bearer {running.secret}"}
    with httpx2.Client(base_url=running.base_url, headers=headers) as http:

        def newest() -> object:
            return http.get("tasks", params={"limit": 1}).json()["data"]

        before = newest()
        held, torch = running.model("vllm-chat"), running.model("chat")
        schema: Any = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"enum": ["a"]}}}
        dangerous: Any = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"pattern": "(a*)*"}}}
        for model, response_format, param in (
            (torch, {"type": "json_object"}, "response_format"),
            (torch, schema, "response_format"),
            (held, dangerous, "response_format"),
            (
                held,
                {"type": "json_schema", "json_schema": {"name": "n"}},
                "response_format.json_schema.schema",
            ),
        ):
            with pytest.raises(openai.BadRequestError) as caught:
                client.chat.completions.create(model=model, messages=HELLO, response_format=response_format)
            assert caught.value.param == param
        with pytest.raises(openai.BadRequestError, match=f"{torch} cannot hold") as mode:
            client.chat.completions.create(model=torch, messages=HELLO, response_format=schema)
        assert mode.value.code == "openai.unsupported"
        task = {"messages": HELLO, "max_tokens": 40, "json_schema": {"enum": ["a"]}}
        refused = http.post("tasks", json={"model": torch, "input": task})
        assert (refused.status_code, refused.json()["code"]) == (422, "input.json_schema")
        assert newest() == before
        done = http.post("tasks", json={"model": held, "input": task}, params={"wait": 60}).json()
        assert json.loads(done["result"]["text"]) == {"held_to": '{"enum":["a"]}'}
        cards = {name: http.get(f"models/{name}").json()["mlbridge"]["json_schema"] for name in (held, torch)}
        assert cards == {held: True, torch: False}


def test_openai_chooses_by_extra_body_and_headers(client: OpenAI, running: Running) -> None:
    ask: dict[str, Any] = {"model": running.model("chat"), "messages": HELLO}
    with pytest.raises(openai.APIStatusError, match="more than your limit of 1") as dear:
        client.chat.completions.create(**ask, extra_body={"mlbridge": {"max_price_wei": 1}})
    assert dear.value.status_code == 402
    with pytest.raises(openai.APIStatusError, match="more than your limit of 2"):
        client.chat.completions.create(**ask, extra_headers={"x-mlbridge-max-price-wei": "2"})
    with pytest.raises(openai.BadRequestError, match="has the policy exact"):
        client.chat.completions.create(**ask, extra_body={"mlbridge": {"policy": "numeric"}})


def test_litellm_chats_streams_and_embeds(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # it would ask a server for prices
    import litellm

    known: dict[str, Any] = {"api_base": running.base_url, "api_key": running.secret, "max_retries": 0}
    chat = f"openai/{running.model('chat')}"
    whole: Any = litellm.completion(model=chat, messages=HELLO, **known)
    assert whole.choices[0].message.content == SAID
    pieces: Any = litellm.completion(
        model=chat, messages=HELLO, stream=True, stream_options={"include_usage": True}, **known
    )
    found = list(pieces)
    assert "".join(piece.choices[0].delta.content or "" for piece in found if piece.choices) == SAID
    assert found[-1].usage.completion_tokens == 6
    vectors: Any = litellm.embedding(
        model=f"openai/{running.model('embedding')}", input=["a"], encoding_format="float", **known
    )
    assert vectors.data[0]["embedding"] == vector_of("a")
    with pytest.raises(litellm.NotFoundError):
        litellm.completion(model="openai/no-such-model", messages=HELLO, **known)


def test_openai_for_node_does_the_same(running: Running) -> None:
    found = ask_by_node(running.base_url, running.secret, running.model("chat"), running.model("embedding"))
    assert found["text"] == found["streamed"] == SAID
    assert found["finish"] == ["stop"]
    assert found["usage"]["mlbridge"]["task_ids"] == [found["task"]]
    assert found["streamUsage"]["completion_tokens"] == 6
    assert found["lengths"] == [8, 8]
    assert set(running.market.models) <= set(found["models"])
    assert found["retrieved"] == running.model("chat")
    assert found["requestId"].startswith("req_")
    assert found["refused"] == {"kind": "NotFoundError", "status": 404, "code": "model_not_found"}
