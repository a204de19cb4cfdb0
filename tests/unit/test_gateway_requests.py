"""What OpenAI's parameters mean as task inputs, and which of them are refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.openai.requests import MAX_INPUTS, ChatBody, CompletionBody, EmbeddingBody
from gateway.refusals import openai_error, status_of
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import encode_input

USER = {"role": "user", "content": "hi"}
SCHEMA = {
    "title": "Mood",
    "type": "object",
    "properties": {"why": {"type": "string"}, "mood": {"enum": ["good", "bad"]}},
    "required": ["mood", "why"],
    "additionalProperties": False,
}
SPELT = (
    '{"additionalProperties":false,"properties":{"mood":{"enum":["good","bad"]},"why":{"type":"string"}},'
    '"required":["why","mood"],"type":"object"}'
)
MOOD: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {"name": "mood", "schema": SCHEMA, "strict": True},
}


def chat(**fields: Any) -> ChatBody:
    return ChatBody.model_validate({"model": "m", "messages": [USER]} | fields)


def refused(body: ChatBody | CompletionBody | EmbeddingBody) -> object:
    with pytest.raises(MLBridgeError) as error:
        body.inputs()
    assert error.value.code == "openai.unsupported"
    return error.value.context["param"]


def test_a_plain_chat_is_greedy_and_bounded() -> None:
    assert chat().inputs() == [{"messages": [USER], "max_tokens": 256, "seed": None}]
    assert chat(max_tokens=7).inputs()[0]["max_tokens"] == 7
    assert chat(max_tokens=7, max_completion_tokens=9).inputs()[0]["max_tokens"] == 9


def test_a_stream_is_read_along_unless_its_client_waits_for_the_verdict() -> None:
    assert chat(stream=True).reads_along
    assert not chat(stream=True, mlbridge={"verified": "wait"}).reads_along
    assert not chat().reads_along
    with pytest.raises(ValidationError):
        chat(stream=True, mlbridge={"verified": "never"})


def test_messages_become_the_roles_and_texts_that_engines_know() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    given_messages = [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": parts, "name": "ann"},
        {"role": "assistant", "content": "c", "refusal": None},
    ]
    assert chat(messages=given_messages).inputs()[0]["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "ab"},
        {"role": "assistant", "content": "c"},
    ]


@pytest.mark.parametrize(
    ("fields", "sampled"),
    [
        ({}, False),
        ({"temperature": 0}, False),
        ({"temperature": 0, "seed": 5}, False),
        ({"temperature": 0.7}, True),
        ({"temperature": 0.7, "seed": 5}, True),
        ({"seed": 5}, True),
        ({"seed": -1}, True),
        ({"top_p": 0.9}, False),
    ],
)
def test_temperature_and_seed_choose_between_greedy_and_sampled(
    fields: dict[str, Any], sampled: bool
) -> None:
    seed = chat(**fields).inputs()[0]["seed"]
    assert (seed is not None) is sampled
    if fields.get("seed", 0) == 5 and sampled:
        assert seed == 5


def test_sampling_without_a_seed_draws_a_new_one_each_time() -> None:
    assert len({chat(temperature=1).inputs()[0]["seed"] for _ in range(20)}) == 20


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"functions": [{}]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {**MOOD, "type": "text"}}, "response_format.json_schema"),
        ({"response_format": MOOD, "stop": "}"}, "stop"),
        ({"response_format": {"type": "json_object"}, "stop": ["}"]}, "stop"),
        ({"logprobs": True}, "logprobs"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"presence_penalty": 0.1}, "presence_penalty"),
        ({"frequency_penalty": 1}, "frequency_penalty"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "assistant", "content": None, "tool_calls": [{}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": None}]}, "messages"),
    ],
)
def test_what_no_engine_does_is_refused_by_its_name(fields: dict[str, Any], param: str) -> None:
    assert refused(chat(**fields)) == param


@pytest.mark.parametrize(
    ("response_format", "spelt"),
    [(None, None), ({"type": "text"}, None), ({"type": "json_object"}, '{"type":"object"}'), (MOOD, SPELT)],
)
def test_a_response_format_becomes_the_spelling_of_its_schema(
    response_format: dict[str, Any] | None, spelt: str | None
) -> None:
    (fields,) = chat(response_format=response_format).inputs()
    plain = chat().inputs()[0]
    assert fields == (plain if spelt is None else {**plain, "json_schema": spelt})
    encode_input("chat", fields)


@pytest.mark.parametrize(
    ("response_format", "place"),
    [
        ("json", []),
        ({}, ["type"]),
        ({"type": "yaml"}, ["type"]),
        ({"type": "json_schema", "json_schema": {"schema": {}}}, ["json_schema", "name"]),
        ({"type": "json_schema", "json_schema": {"name": "a b", "schema": {}}}, ["json_schema", "name"]),
        ({"type": "json_schema", "json_schema": {"name": "n"}}, ["json_schema", "schema"]),
        ({"type": "json_schema", "json_schema": {"name": "n", "schema": True}}, ["json_schema", "schema"]),
    ],
)
def test_a_malformed_response_format_is_refused_by_its_field(
    response_format: object, place: list[str]
) -> None:
    with pytest.raises(ValidationError) as caught:
        chat(response_format=response_format)
    assert [error["loc"] for error in caught.value.errors()] == [("response_format", *place)]


def test_a_schema_that_may_not_be_used_is_openais_error_about_the_response_format() -> None:
    dangerous = {"name": "n", "schema": {"type": "string", "pattern": "(a{999}){999}"}}
    with pytest.raises(MLBridgeError) as caught:
        chat(response_format={"type": "json_schema", "json_schema": dangerous}).inputs()
    told = openai_error(caught.value)["error"]
    assert status_of(caught.value, openai=True) == 400
    assert (told["type"], told["code"]) == ("invalid_request_error", "openai.unsupported")
    assert told["param"] == "response_format"
    assert "'pattern' is not a keyword" in told["message"]


def test_why_tools_are_refused_is_said_and_what_to_do_instead() -> None:
    for fields in (
        {"tools": [{}]},
        {"tool_choice": "required"},
        {"messages": [{"role": "tool", "content": "x"}]},
    ):
        with pytest.raises(MLBridgeError, match="no manifest says how its model calls tools") as caught:
            chat(**fields).inputs()
        assert "response_format" in caught.value.message


def test_what_changes_nothing_is_ignored() -> None:
    harmless = {
        "user": "ann", "metadata": {"a": "b"}, "store": False, "service_tier": "auto", "n": 1, "tools": [],
        "tool_choice": "auto", "response_format": {"type": "text"}, "logprobs": False, "logit_bias": {},
        "presence_penalty": 0, "parallel_tool_calls": True, "some_future_parameter": 1,
    }  # fmt: skip
    assert chat(**harmless).inputs() == chat().inputs()


def test_stops_are_up_to_four_texts() -> None:
    assert chat(stop="x").stops == ["x"]
    assert chat(stop=["a", "b"]).stops == ["a", "b"]
    assert chat().stops == []
    for wrong in ([""], ["a"] * 5, ""):
        with pytest.raises(MLBridgeError, match="stop takes"):
            _ = chat(stop=wrong).stops


def test_a_prompt_is_one_message_and_several_are_several_tasks() -> None:
    body = CompletionBody(model="m", prompt=["a", "b"], max_tokens=5)
    assert [item["messages"] for item in body.inputs()] == [
        [{"role": "user", "content": "a"}],
        [{"role": "user", "content": "b"}],
    ]
    assert refused(CompletionBody(model="m", prompt=["a", "b"], stream=True)) == "prompt"
    assert refused(CompletionBody(model="m", prompt=[1, 2])) == "prompt"
    for field, value in (("echo", True), ("suffix", "x"), ("best_of", 2), ("logprobs", 1)):
        assert refused(CompletionBody.model_validate({"model": "m", "prompt": "a", field: value})) == field
    in_json = {"model": "m", "prompt": "a", "response_format": {"type": "json_object"}}
    assert refused(CompletionBody.model_validate(in_json)) == "response_format"


def test_embeddings_take_texts_and_refuse_tokens() -> None:
    assert EmbeddingBody(model="m", input="a").inputs() == [{"text": "a"}]
    assert EmbeddingBody(model="m", input=["a", "b"]).inputs() == [{"text": "a"}, {"text": "b"}]
    wrong: list[Any] = [[], [1], [[1, 2]], ["a", ""], "", ["a"] * (MAX_INPUTS + 1)]
    for value in wrong:
        assert refused(EmbeddingBody(model="m", input=value)) == "input"


def test_the_extension_chooses_how_a_task_is_done_and_nothing_else() -> None:
    body = chat(mlbridge={"seats": 5, "max_price_wei": 7, "verified": "wait"})
    assert (body.mlbridge.seats, body.mlbridge.max_price_wei, body.mlbridge.verified) == (5, 7, "wait")
    wrong: list[dict[str, Any]] = [{"seats": 2}, {"lane": "fast"}, {"typo": 1}, {"max_price_wei": -1}]
    for value in wrong:
        with pytest.raises(ValidationError):
            chat(mlbridge=value)


@given(
    temperature=st.none() | st.floats(0, 2),
    seed=st.none() | st.integers(-(2**63), 2**63 - 1),
    tokens=st.integers(1, 8192),
    texts=st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5),
)
def test_every_accepted_chat_is_a_payload(
    temperature: float | None, seed: int | None, tokens: int, texts: list[str]
) -> None:
    messages = [{"role": "user", "content": text} for text in texts]
    body = chat(messages=messages, temperature=temperature, seed=seed, max_tokens=tokens)
    encode_input("chat", body.inputs()[0])
