"""JSON schemas on their way into an input: from what users and people at a terminal hand over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlbridge.cli.inputs import build_input, read_schema
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.json_schema import ANY_OBJECT
from mlbridge.protocol.payload import ChatInput, decode_input, encode_input
from mlbridge.sdk.inputs import payload_for, to_payload
from tests.support.gateways import manifest_of

ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 8}
SCHEMA = {"title": "Mood", "type": "object", "properties": {"mood": {"enum": ["good", "bad"]}}}
SPELT = '{"properties":{"mood":{"enum":["good","bad"]}},"type":"object"}'
VLLM, TORCH = (manifest_of("chat", "talker", engine) for engine in ("vllm", "torch"))


@pytest.mark.parametrize(
    "schema",
    [SCHEMA, SPELT, SPELT.replace(":", " :\n")],
)
def test_every_form_of_a_schema_is_one_payload(schema: object) -> None:
    payload = to_payload({**ASKED, "json_schema": schema}, "chat")
    assert payload == encode_input("chat", {**ASKED, "json_schema": SPELT})
    assert to_payload(payload, "chat") == to_payload(decode_input(payload), "chat") == payload


def test_no_schema_is_the_payload_that_it_always_was() -> None:
    assert to_payload({**ASKED, "json_schema": None}, "chat") == encode_input("chat", ASKED)


@pytest.mark.parametrize("schema", [{"pattern": "a"}, "{", 7])
def test_a_schema_that_may_not_be_used_is_refused(schema: object) -> None:
    with pytest.raises(MLBridgeError, match=r"schema") as caught:
        to_payload({**ASKED, "json_schema": schema}, "chat")
    assert caught.value.exit_code == 2


def test_a_model_whose_engine_has_no_grammar_is_not_paid_to_say_so() -> None:
    held = {**ASKED, "json_schema": SCHEMA}
    payload = payload_for(held, VLLM)
    assert payload == payload_for({**held, "kind": "chat"}, None)
    for form in (held, payload, decode_input(payload)):
        with pytest.raises(MLBridgeError, match="talker cannot hold") as caught:
            payload_for(form, TORCH)
        assert (caught.value.code, caught.value.exit_code) == ("input.json_schema", 2)
    assert payload_for(ASKED, TORCH) == payload_for(ASKED, VLLM)
    assert not manifest_of("embedding", "e", "vllm").takes_json_schema


def test_a_terminal_gives_a_schema_or_the_file_that_holds_it(tmp_path: Path) -> None:
    file = tmp_path / "mood.json"
    file.write_text('{"type": "object", "properties": {"mood": {"enum": ["good", "bad"]}}}')
    assert read_schema(str(file)) == read_schema(file.read_text()) == read_schema(f" {SPELT}") == SPELT
    assert read_schema(None) is None
    asked = build_input("chat", "hi", max_tokens=8, schema=SPELT)
    found = decode_input(to_payload(asked, "chat"))
    assert isinstance(found, ChatInput)
    assert found.json_schema == SPELT
    assert "json_schema" not in build_input("chat", "hi", max_tokens=8)


def test_a_terminal_is_told_what_is_wrong_with_its_schema(tmp_path: Path) -> None:
    (tmp_path / "torn.json").write_bytes(b"\xff")
    for text, code in (
        (str(tmp_path / "none.json"), "input.unreadable"),
        (str(tmp_path), "input.unreadable"),
        (str(tmp_path / "torn.json"), "input.unreadable"),
        ("a\0b", "input.unreadable"),
        ("{", "input.json_schema"),
        ('{"type":"string","pattern":"a"}', "input.json_schema"),
    ):
        with pytest.raises(MLBridgeError) as caught:
            read_schema(text)
        assert (caught.value.code, caught.value.exit_code) == (code, 2)
    with pytest.raises(MLBridgeError, match="Leave --json-schema out"):
        build_input("embedding", "hi", max_tokens=8, schema=ANY_OBJECT)
