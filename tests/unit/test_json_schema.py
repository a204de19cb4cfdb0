"""The JSON schemas that chat answers are to fit: one spelling each, and none that could hurt an engine."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from hypothesis import given, settings

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.json_dialect import MAX_HEIGHT, MAX_NODES, MAX_READINGS
from mlbridge.protocol.json_schema import (
    ANY_OBJECT,
    MAX_SCHEMA_BYTES,
    check_schema,
    ordered,
    schema_text,
)
from tests.support.json_schemas import ANY_JSON, SCHEMAS, Schema

TEXT: Schema = {"type": "string"}


def spelt(schema: object) -> str:
    return json.dumps(schema, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def refused(schema: object) -> str:
    """Why a schema is refused, spelt as it must be."""
    with pytest.raises(MLBridgeError) as caught:
        check_schema(spelt(schema))
    assert (caught.value.code, caught.value.exit_code) == ("input.json_schema", 2)
    return caught.value.message


def an_object(**properties: object) -> Schema:
    return {"type": "object", "properties": properties, "required": sorted(properties)}


def nested(schema: Schema, times: int) -> Schema:
    for _ in range(times):
        schema = {"type": "array", "items": schema}
    return schema


def forked(branches: int, times: int) -> Schema:
    schema: Schema = TEXT
    for _ in range(times):
        schema = {"anyOf": [{"type": "array", "items": schema}] * branches}
    return schema


def laughing(names: int, uses: int) -> Schema:
    """Definitions that each use the next one several times: a short text that says a long one."""
    below = {
        f"a{at}": an_object(**{f"p{use}": {"$ref": f"#/$defs/a{at + 1}"} for use in range(uses)})
        for at in range(names)
    }
    return {"$defs": {**below, f"a{names}": TEXT}, "$ref": "#/$defs/a0"}


@given(SCHEMAS)
def test_a_schema_has_one_spelling_which_is_its_own(schema: Schema) -> None:
    text = schema_text(schema)
    check_schema(text)
    assert schema_text(text) == schema_text(json.loads(text)) == text
    assert schema_text(json.dumps(schema, indent=1)) == text


@settings(max_examples=500)
@given(ANY_JSON)
def test_whatever_is_no_schema_is_refused_in_words(value: Any) -> None:
    for check, given_ in ((check_schema, spelt(value)), (schema_text, value), (schema_text, spelt(value))):
        try:
            check(given_)
        except MLBridgeError as error:
            assert error.code == "input.json_schema"  # noqa: PT017


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "object"}',
        '{"type":"object"} ',
        '{"type":"array","items":{}}',
        '{"type":"object","type":"object"}',
        '{"const":"\\u0061"}',
        '{"maximum":1.0,"type":"number"}',
        '{"maximum":1e2,"type":"number"}',
        '{"maximum":-0,"type":"number"}',
        '{"maximum":NaN,"type":"number"}',
        '{"maximum":Infinity,"type":"number"}',
        '{"const":"\\ud800"}',
        '{"title":"t","type":"object"}',
        "",
        "{",
        "[]",
        "true",
        '"object"',
        "null",
        "[" * 5_000,
        '{"items":' * 1_500 + "{}" + "}" * 1_500,
    ],
)
def test_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(MLBridgeError) as caught:
        check_schema(text)
    assert caught.value.code == "input.json_schema"


def test_what_only_describes_is_left_out_and_names_of_properties_are_not() -> None:
    described = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Answer",
        "description": "What is said.",
        "type": "object",
        "properties": {
            "title": {"title": "Title", "type": "string", "default": "none", "examples": ["a"]},
            "default": {"anyOf": [{"type": "null", "title": "No"}, {"$ref": "#/$defs/Part"}]},
        },
        "required": ["title"],
        "$defs": {
            "Part": {"type": "array", "items": {"title": "I", "minimum": 0.0, "type": "number"}},
        },
    }  # fmt: skip
    assert json.loads(schema_text(described)) == {
        "$defs": {"Part": {"type": "array", "items": {"minimum": 0, "type": "number"}}},
        "type": "object",
        "properties": {"title": TEXT, "default": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/Part"}]}},
        "required": ["title"],
    }


def test_an_answer_has_its_properties_in_the_order_in_which_they_were_given() -> None:
    inner = {"type": "object", "properties": {"y": TEXT, "x": TEXT}, "required": ["x", "y"]}
    given_ = {"type": "object", "properties": {"why": inner, "answer": TEXT, "also": TEXT}}
    text = schema_text({**given_, "required": ["answer", "why"]})
    assert json.loads(text)["required"] == ["why", "answer"]
    found = json.loads(ordered(text))
    assert list(found["properties"]) == ["why", "answer", "also"]
    assert list(found["properties"]["why"]["properties"]) == ["y", "x"]
    assert found == json.loads(text)
    assert json.loads(schema_text({**given_, "required": []}))["required"] == []


def test_the_order_is_that_of_the_keyword_and_not_of_properties_that_are_called_like_it() -> None:
    text = schema_text(an_object(properties=TEXT, required=an_object(b=TEXT, a=TEXT)))
    assert json.loads(ordered(text)) == json.loads(text)


def test_of_sorted_properties_the_order_is_what_required_says() -> None:
    schema = {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "required": ["b", "a"]}
    assert list(json.loads(ordered(schema_text(schema)))["properties"]) == ["b", "a"]


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "string", "pattern": "(a{999}){999}"}, "'pattern' is not a keyword"),
        ({"type": "string", "maxLength": 10**9}, "'maxLength' is not a keyword"),
        ({"type": "string", "minLength": 1}, "'minLength' is not a keyword"),
        ({"type": "object", "patternProperties": {".*": {}}}, "'patternProperties' is not"),
        ({"type": "object", "propertyNames": {}}, "'propertyNames' is not"),
        ({"type": "object", "minProperties": 10**9}, "'minProperties' is not"),
        ({"type": "array", "uniqueItems": True}, "'uniqueItems' is not"),
        ({"type": "array", "prefixItems": [{}]}, "'prefixItems' is not"),
        ({"type": "number", "multipleOf": 3}, "'multipleOf' is not"),
        ({"type": "integer", "format": "int64"}, "'format' is not"),
        ({"type": "string", "format": "email"}, "format can be date, "),
        ({"type": "string", "format": ["date"]}, "format can be date, "),
        ({"type": "string", "minimum": 1}, "'minimum' is not"),
        ({"properties": {}}, "type must be there"),
        ({"type": "any"}, "type must be there"),
        ({"type": []}, "type must be there"),
        ({"type": ["string", "string"]}, "type must be there"),
        ({"type": {"a": 1}}, "type must be there"),
        ({"not": TEXT}, "type must be there"),
        ({"oneOf": [TEXT]}, "type must be there"),
        ({"allOf": [TEXT]}, "type must be there"),
        ({"anyOf": []}, "anyOf must be a list"),
        ({"anyOf": {}}, "anyOf must be a list"),
        ({"anyOf": [TEXT], "type": "string"}, "'type' is not a keyword"),
        ({"anyOf": [TEXT, True]}, "at anyOf.1: it is not an object"),
        ({"enum": []}, "enum must be a list"),
        ({"enum": "ab"}, "enum must be a list"),
        ({"enum": [1.5]}, "enum can hold"),
        ({"enum": [{}]}, "enum can hold"),
        ({"enum": [2**53]}, "enum can hold"),
        ({"const": []}, "const can hold"),
        ({"const": 1, "enum": [1]}, "'const' is not a keyword"),
        ({"enum": ["a", 1], "type": "string"}, "not of its type"),
        ({"enum": [True], "type": "integer"}, "not of its type"),
        ({"type": "array", "minItems": 3, "maxItems": 2}, "minItems and maxItems"),
        ({"type": "array", "maxItems": 1025}, "minItems and maxItems"),
        ({"type": "array", "minItems": -1}, "minItems and maxItems"),
        ({"type": "array", "minItems": True}, "minItems and maxItems"),
        ({"type": "array", "items": [TEXT]}, "at items: it is not an object"),
        ({"type": "integer", "minimum": 2, "maximum": 1}, "no number lies"),
        ({"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2}, "no number lies"),
        ({"type": "number", "minimum": 1, "exclusiveMaximum": 1}, "no number lies"),
        ({"type": "number", "minimum": 1, "exclusiveMinimum": 1}, "not both"),
        ({"type": "number", "minimum": 0.5}, "whole number"),
        ({"type": "number", "minimum": 2**53}, "whole number"),
        ({"type": "number", "minimum": 10**400}, "whole number"),
        ({"type": "number", "minimum": True}, "whole number"),
        ({"type": "object", "required": ["a"]}, "required must be a list"),
        ({"type": "object", "properties": {"a": TEXT}, "required": ["a", "a"]}, "required must be a list"),
        ({"type": "object", "properties": {"a": TEXT}, "required": [["a"]]}, "required must be a list"),
        ({"type": "object", "properties": [TEXT]}, "properties must be an object"),
        ({"type": "object", "properties": {"a": False}}, "at properties.a: it is not an object"),
        ({"type": "object", "properties": {}, "additionalProperties": True}, "must be false beside"),
        ({"type": "object", "additionalProperties": 0}, "at additionalProperties: it is not"),
        ({"$ref": "https://example.org/schema.json"}, r"\$ref must be"),
        ({"$ref": "file:///etc/passwd"}, r"\$ref must be"),
        ({"$ref": "#"}, r"\$ref must be"),
        ({"$ref": "#/$defs/a"}, r"\$ref must be"),
        ({"$defs": {"a/b": TEXT}, "$ref": "#/$defs/a/b"}, r"\$ref must be"),
        ({"$ref": 1}, r"\$ref must be"),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "a refers to itself"),
        (
            {
                "$defs": {
                    "a": {"type": "array", "items": {"$ref": "#/$defs/b"}},
                    "b": {"anyOf": [TEXT, {"$ref": "#/$defs/a"}]},
                },
                "$ref": "#/$defs/a",
            },
            "a refers to itself",
        ),
        ({"$defs": {"a": TEXT}, "type": "string"}, r"at \$defs.a: nothing refers"),
        ({"$defs": [], "type": "string"}, r"at \$defs: it is not an object"),
        (an_object(a={"$defs": {}, "type": "string"}), r"properties.a: '\$defs' is not"),
        (nested(TEXT, MAX_HEIGHT), f"more than {MAX_HEIGHT} schemas inside"),
        (
            {
                "$defs": {"a": nested(TEXT, MAX_HEIGHT // 2)},
                **an_object(a={"$ref": "#/$defs/a"}, b=nested({"$ref": "#/$defs/a"}, MAX_HEIGHT // 2)),
            },
            f"more than {MAX_HEIGHT} schemas inside",
        ),
        (an_object(**{f"p{at}": {} for at in range(MAX_NODES)}), f"more than {MAX_NODES} schemas"),
        (laughing(8, 3), f"more than {MAX_NODES} schemas"),
        ({"anyOf": [TEXT] * (MAX_READINGS + 1)}, f"more than {MAX_READINGS} alternatives"),
        (forked(2, 6), f"more than {MAX_READINGS} alternatives"),
        (an_object(a=forked(6, 2)), f"more than {MAX_READINGS} alternatives"),
    ],
)  # fmt: skip
def test_what_an_engine_would_ignore_or_choke_on_is_refused(schema: object, why: str) -> None:
    assert re.search(why, refused(schema)), refused(schema)


def test_what_is_just_allowed() -> None:
    for schema in (
        nested(TEXT, MAX_HEIGHT - 1),
        an_object(**{f"p{at}": {} for at in range(MAX_NODES - 1)}),
        {"anyOf": [TEXT] * MAX_READINGS},
        # A value's first character tells these apart, so that an engine follows one of them.
        {"anyOf": [TEXT, {"type": "null"}, {"type": "array"}, {"type": "object"}] * MAX_READINGS},
        forked(2, 4),
        laughing(3, 7),
        {"type": ["integer", "null"], "minimum": -(2**53 - 1), "exclusiveMaximum": 2**53 - 1},
        {"type": "object", "additionalProperties": {"type": "array", "maxItems": 128}},
        {"enum": [1], "type": "number"},
    ):
        check_schema(spelt(schema))


def test_a_schema_is_small() -> None:
    small = {"enum": ["x" * (MAX_SCHEMA_BYTES - len(spelt({"enum": [""]})))]}
    check_schema(spelt(small))
    assert "more than 16384" in refused({"enum": [small["enum"][0] + "x"]})
    assert "more than 16384" in refused({"enum": ["é" * (MAX_SCHEMA_BYTES // 2)]})
    # What describes does not count.
    assert schema_text(spelt({"type": "object", "description": "x" * MAX_SCHEMA_BYTES})) == ANY_OBJECT


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": {1, 2}},
        {"enum": ["\ud800"]},
        {1: "a", "type": "object"},
        {"type": "object", "properties": {"b": TEXT, 1: TEXT}, "required": []},
        {"type": "object", "properties": {"b": TEXT, "a": TEXT}, "required": [["b"]]},
        {"type": "number", "minimum": float("nan")},
        "{",
        nested(TEXT, 100),
    ],
)
def test_what_is_no_json_is_refused_when_it_is_spelt(schema: Any) -> None:
    with pytest.raises(MLBridgeError) as caught:
        schema_text(schema)
    assert caught.value.code == "input.json_schema"


def test_refusing_is_quick_whatever_the_text() -> None:
    chain = {f"a{at}": {"$ref": f"#/$defs/a{at + 1}"} for at in range(560)}
    names = {f"a{at}": {"anyOf": [{"$ref": f"#/$defs/a{at + 1}"}] * 2} for at in range(280)}
    hostile = [
        spelt({"$defs": {**names, "a280": TEXT}, "$ref": "#/$defs/a0"}),
        spelt(laughing(100, 3)),
        '{"anyOf":[' * 1_600,
        spelt({"enum": [10**4_000]}),
        spelt({"$defs": chain, "$ref": "#/$defs/a0"}),
    ]
    started = time.process_time()
    for text in hostile:
        with pytest.raises(MLBridgeError):
            check_schema(text)
    assert time.process_time() - started < 1
