"""Task inputs and outputs: strict, one spelling, clear refusals."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.encoding import decode, encode
from mlbridge.protocol.json_schema import ANY_OBJECT, schema_text
from mlbridge.protocol.payload import (
    MAX_INPUT_BYTES,
    ChatInput,
    ChatOutput,
    ClassificationOutput,
    EmbeddingInput,
    EmbeddingOutput,
    Message,
    decode_input,
    decode_output,
    encode_input,
    encode_output,
    pack_vector,
    unpack_vector,
)
from tests.support.json_schemas import SCHEMAS, Schema

IMAGE = [0, 16] * 32
CHAT = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 8}
ANSWER = {"token_ids": [1, 2], "text": "ok", "finish_reason": "stop"}


def test_inputs_are_the_documented_maps() -> None:
    assert decode(encode_input("embedding", {"text": "a"})) == {"kind": "embedding", "text": "a"}
    assert decode(encode_input("classification", {"image": IMAGE})) == {
        "kind": "classification",
        "image": IMAGE,
    }
    assert decode(encode_input("chat", CHAT)) == {"kind": "chat", "seed": None, **CHAT}


def test_a_schema_is_one_more_field_and_none_is_no_field() -> None:
    plain = encode_input("chat", CHAT)
    assert plain.hex() == (
        "a4646b696e6464636861746473656564f6686d6573736167657381a264726f6c65647573657267636f6e74656e746268696a"
        "6d61785f746f6b656e7308"
    )
    assert encode_input("chat", {**CHAT, "json_schema": None}) == plain
    held = encode_input("chat", {**CHAT, "json_schema": ANY_OBJECT})
    assert decode(held) == {"kind": "chat", "seed": None, "json_schema": ANY_OBJECT, **CHAT}
    assert encode_input("chat", decode_input(held)) == held
    assert encode_input("chat", decode_input(plain)) == plain
    with pytest.raises(MLBridgeError, match="json_schema is spelt out"):
        decode_input(encode({"kind": "chat", "seed": None, "json_schema": None, **CHAT}))


@given(SCHEMAS)
def test_an_input_with_a_schema_survives_exactly(schema: Schema) -> None:
    text = schema_text(schema)
    payload = encode_input("chat", {**CHAT, "json_schema": text})
    given_back = decode_input(payload)
    assert isinstance(given_back, ChatInput)
    assert given_back.json_schema == text
    assert encode_input("chat", given_back) == payload


@pytest.mark.parametrize("text", ['{"type": "object"}', '{"pattern":"a","type":"string"}', "{", "", "[]"])
def test_a_schema_that_may_not_be_used_is_refused_both_ways(text: str) -> None:
    fields = {**CHAT, "json_schema": text}
    for attempt in (
        lambda: encode_input("chat", fields),
        lambda: decode_input(encode({"kind": "chat", "seed": None, **fields})),
    ):
        with pytest.raises(MLBridgeError) as caught:
            attempt()
        assert (caught.value.code, caught.value.exit_code) == ("input.json_schema", 2)


def test_outputs_are_the_documented_maps() -> None:
    vector = struct.pack("<2f", 1.5, -2.0)
    assert decode(encode_output("embedding", EmbeddingOutput.of([1.5, -2.0]))) == {"embedding": vector}
    assert decode(encode_output("classification", {"label": 7})) == {"label": 7}
    assert decode(encode_output("chat", ANSWER)) == ANSWER


def test_decoders_give_the_schema() -> None:
    assert decode_input(encode_input("embedding", EmbeddingInput(text="a"))) == EmbeddingInput(text="a")
    chat = ChatInput(messages=[Message(role="user", content="hi")], max_tokens=8, seed=3)
    assert decode_input(encode_input("chat", chat)) == chat
    assert decode_output("chat", encode_output("chat", ANSWER)) == ChatOutput.model_validate(ANSWER)
    label = decode_output("classification", encode_output("classification", {"label": 7}))
    assert label == ClassificationOutput(label=7)


@pytest.mark.parametrize(
    ("kind", "fields", "field"),
    [
        ("embedding", {}, "text"),
        ("embedding", {"text": ""}, "text"),
        ("embedding", {"text": 1}, "text"),
        ("embedding", {"text": b"a"}, "text"),
        ("embedding", {"text": "a", "extra": 1}, "extra"),
        ("classification", {"image": IMAGE[:-1]}, "image"),
        ("classification", {"image": [*IMAGE, 0]}, "image"),
        ("classification", {"image": [17, *IMAGE[1:]]}, "image.0"),
        ("classification", {"image": [-1, *IMAGE[1:]]}, "image.0"),
        ("classification", {"image": [1.0, *IMAGE[1:]]}, "image.0"),
        ("classification", {"image": [True, *IMAGE[1:]]}, "image.0"),
        ("chat", {**CHAT, "messages": []}, "messages"),
        ("chat", {**CHAT, "messages": [{"role": "root", "content": ""}]}, "messages.0.role"),
        ("chat", {**CHAT, "max_tokens": 0}, "max_tokens"),
        ("chat", {**CHAT, "max_tokens": 8193}, "max_tokens"),
        ("chat", {**CHAT, "seed": -1}, "seed"),
        ("chat", {**CHAT, "seed": 2**63}, "seed"),
        ("chat", {**CHAT, "json_schema": {"type": "object"}}, "json_schema"),
        ("chat", {**CHAT, "json_schema": ANY_OBJECT.encode()}, "json_schema"),
    ],
)
def test_bad_inputs_are_named(kind: str, fields: dict[str, object], field: str) -> None:
    with pytest.raises(MLBridgeError, match=rf"valid: {field}:") as caught:
        encode_input(kind, fields)
    assert (caught.value.code, caught.value.exit_code) == ("payload.invalid", 2)
    with pytest.raises(MLBridgeError, match=field):
        decode_input(
            encode({"kind": kind, "seed": None, **fields} if kind == "chat" else {"kind": kind, **fields})
        )


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("embedding", {"embedding": b""}),
        ("embedding", {"embedding": b"\x00" * 3}),
        ("embedding", {"embedding": b"\x00" * 4 * 16385}),
        ("embedding", {"embedding": struct.pack("<2f", 1.0, math.nan)}),
        ("embedding", {"embedding": struct.pack("<f", math.inf)}),
        ("embedding", {"embedding": "0000"}),
        ("embedding", {"embedding": [0.0]}),
        ("classification", {"label": -1}),
        ("classification", {"label": "1"}),
        ("chat", {**ANSWER, "finish_reason": "error"}),
        ("chat", {**ANSWER, "token_ids": [-1]}),
        ("chat", {**ANSWER, "token_ids": [2**32]}),
        ("chat", {**ANSWER, "token_ids": [0] * 8193}),
    ],
)
def test_bad_outputs_are_refused_both_ways(kind: str, fields: dict[str, object]) -> None:
    for attempt in (lambda: encode_output(kind, fields), lambda: decode_output(kind, encode(fields))):
        with pytest.raises(MLBridgeError) as caught:
            attempt()
        assert caught.value.code == "payload.invalid"


def test_the_kind_of_the_fields_must_be_the_one_asked_for() -> None:
    with pytest.raises(MLBridgeError, match="valid: kind:"):
        encode_input("embedding", {"text": "a", "kind": "chat"})
    with pytest.raises(MLBridgeError, match="valid: kind:"):
        encode_input("chat", EmbeddingInput(text="a"))


def test_decoding_wants_every_field() -> None:
    with pytest.raises(MLBridgeError, match="seed is missing"):
        decode_input(encode({"kind": "chat", **CHAT}))


@pytest.mark.parametrize("value", [None, 1, "x", [1]])
def test_a_payload_is_a_map(value: object) -> None:
    for attempt in (lambda: decode_input(encode(value)), lambda: decode_output("chat", encode(value))):
        with pytest.raises(MLBridgeError, match="not a map"):
            attempt()


@pytest.mark.parametrize("kind", ["video", "", None, 3, ["chat"]])
def test_unknown_kinds_are_refused(kind: object) -> None:
    for attempt in (
        lambda: encode_input(kind, {}),  # type: ignore[arg-type]
        lambda: decode_input(encode({"kind": kind})),
        lambda: decode_output(kind, encode({})),  # type: ignore[call-overload]
    ):
        with pytest.raises(MLBridgeError, match="Known: embedding, classification, chat") as caught:
            attempt()
        assert caught.value.code == "payload.kind"


def test_inputs_are_limited() -> None:
    with pytest.raises(MLBridgeError) as caught:
        encode_input("embedding", {"text": "x" * MAX_INPUT_BYTES})
    assert caught.value.code == "payload.too_large"
    with pytest.raises(MLBridgeError) as caught:
        decode_input(encode({"kind": "embedding", "text": "x" * MAX_INPUT_BYTES}))
    assert caught.value.code == "payload.too_large"


def test_an_output_is_not_an_input() -> None:
    with pytest.raises(MLBridgeError):
        decode_output("embedding", encode_input("embedding", {"text": "a"}))


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_float32_vectors_survive_exactly(vector: list[float]) -> None:
    assert unpack_vector(pack_vector(vector)) == tuple(vector)
    output = decode_output("embedding", encode_output("embedding", EmbeddingOutput.of(vector)))
    assert output.vector == tuple(vector)


@pytest.mark.parametrize("vector", [[], [math.nan], [1.0, -math.inf], [1e39], ["a"]])
def test_bad_vectors_are_refused(vector: list[float]) -> None:
    with pytest.raises(MLBridgeError) as caught:
        pack_vector(vector)
    assert caught.value.code == "payload.invalid"
