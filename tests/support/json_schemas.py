"""Hypothesis strategies of JSON schemas that chat answers can be held to."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.json_dialect import FORMATS, KEYWORDS, MAX_NUMBER
from mlbridge.protocol.json_schema import check_schema

Schema = dict[str, Any]

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
WHOLE = st.integers(-MAX_NUMBER, MAX_NUMBER)
VALUES = st.one_of(NAMES, st.integers(-99, 99), WHOLE, st.booleans(), st.none())


@st.composite
def _numbers(draw: st.DrawFn) -> Schema:
    low, high = sorted((draw(WHOLE | st.integers(-30, 30)), draw(WHOLE | st.integers(-30, 30))))
    found: Schema = {"type": draw(st.sampled_from(["integer", "number"]))}
    if draw(st.booleans()):
        found[draw(st.sampled_from(["minimum", "exclusiveMinimum"]))] = low
    if draw(st.booleans()):
        found[draw(st.sampled_from(["maximum", "exclusiveMaximum"]))] = high
    return found


@st.composite
def _objects(draw: st.DrawFn, inner: st.SearchStrategy[Schema]) -> Schema:
    names = draw(st.dictionaries(NAMES, inner, max_size=4))
    required = draw(st.permutations(list(names)))[: draw(st.integers(0, len(names)))]
    return {"type": "object", "properties": names, "required": required}


@st.composite
def _arrays(draw: st.DrawFn, inner: st.SearchStrategy[Schema]) -> Schema:
    low, high = sorted((draw(st.integers(0, 4)), draw(st.integers(0, 4))))
    return {"type": "array", "items": draw(inner), "minItems": low, "maxItems": high}


_LEAVES: st.SearchStrategy[Schema] = st.one_of(
    st.just({}),
    st.sampled_from(["string", "boolean", "null", "array", "object"]).map(lambda name: {"type": name}),
    st.sampled_from(FORMATS).map(lambda name: {"type": "string", "format": name}),
    st.lists(st.sampled_from(["string", "boolean", "null", "integer"]), min_size=1, unique=True).map(
        lambda names: {"type": names}
    ),
    st.lists(VALUES, min_size=1, max_size=4).map(lambda values: {"enum": values}),
    VALUES.map(lambda value: {"const": value}),
    _numbers(),
)


def _nodes(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.one_of(
        _objects(inner),
        _arrays(inner),
        inner.map(lambda schema: {"type": "object", "additionalProperties": schema}),
        st.lists(inner, min_size=1, max_size=3).map(lambda schemas: {"anyOf": schemas}),
    )


def _usable(schema: Schema) -> bool:
    try:
        check_schema(json.dumps(schema, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
    except MLBridgeError:
        return False
    return True


_WORDS = st.sampled_from(
    [
        "$defs",
        "$ref",
        "title",
        "anyOf",
        "enum",
        "const",
        "type",
        *sorted(frozenset().union(*KEYWORDS.values())),
    ]
)
_MEANT = st.sampled_from([*KEYWORDS, *FORMATS, "#/$defs/a", "#/$defs/type", "type"])
ANY_JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(VALUES, _MEANT, st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_WORDS | NAMES, inner, max_size=4)),
    max_leaves=12,
)
"""Whatever JSON can say, in the words of schemas."""

_PLAIN = st.recursive(_LEAVES, _nodes, max_leaves=12)


def _referring(schema: Schema) -> Schema:
    items = {"$ref": "#/$defs/a.b-1"}
    return {"$defs": {"a.b-1": schema}, "type": "array", "items": items, "maxItems": 2}


SCHEMAS: st.SearchStrategy[Schema] = st.one_of(_PLAIN, _PLAIN.map(_referring)).filter(_usable)
"""Schemas that may be used, of every form that there is."""
