"""The spelling of the JSON schema that a chat answer is to fit: one meaning, one text.

It is JSON with sorted keys, without white space, with whole numbers alone, and without the keywords that only
describe. Sorting loses the order of properties, so an answer has them in the order of `required`, then the
others by name. What a schema may hold: mlbridge.protocol.json_dialect.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import from_json

from mlbridge.protocol.json_dialect import check_dialect, invalid

MAX_SCHEMA_BYTES: Final = 16 * 1024
ANY_OBJECT: Final = '{"type":"object"}'
"""The schema that every JSON object fits."""
DESCRIBING: Final = frozenset(
    {
        "$comment",
        "$schema",
        "default",
        "deprecated",
        "description",
        "examples",
        "readOnly",
        "title",
        "writeOnly",
    }
)

_MAX_GIVEN_BYTES: Final = 16 * MAX_SCHEMA_BYTES
_MAX_GIVEN_DEPTH: Final = 64


def schema_text(schema: Mapping[str, object] | str) -> str:
    """The spelling of a schema that is given as a map or as JSON text.

    What only describes is left out, and `required` takes the order of the properties unless those are sorted
    and so tell none. Raises MLBridgeError `input.json_schema`.
    """
    given = _parse(schema, _MAX_GIVEN_BYTES) if isinstance(schema, str) else schema
    try:
        text = _spell(_plain(given, _MAX_GIVEN_DEPTH))
    except (TypeError, ValueError) as error:
        raise invalid("", f"it is not JSON: {error}") from error
    check_schema(text)
    return text


def check_schema(text: str) -> None:
    """Raises MLBridgeError `input.json_schema` unless this is the spelling of a schema that may be used."""
    schema = _parse(text, MAX_SCHEMA_BYTES)
    if not isinstance(schema, dict):
        raise invalid("", "it is not a JSON object")
    if _spell(schema) != text:
        raise invalid(
            "",
            "it is not spelt with sorted keys, each of them once, and without white space",
            hint="mlbridge.protocol.json_schema.schema_text spells it.",
        )
    check_dialect(schema)


def ordered(text: str) -> str:
    """The schema of a spelling, with the properties of each object in the order that answers have them in."""
    return json.dumps(_ordered(_parse(text, MAX_SCHEMA_BYTES)), separators=(",", ":"), ensure_ascii=False)


def _parse(text: str, limit: int) -> Any:
    try:
        size = len(text.encode())
        if size > limit:
            raise invalid("", f"it has {size} bytes, more than {limit}")
        # json.loads recurses as deep as Python's limit, which may lie beyond what the C stack holds.
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise invalid("", f"it is not JSON: {error}") from error


def _spell(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _plain(schema: object, depth: int) -> object:
    if not isinstance(schema, Mapping):
        return schema
    if depth == 0:
        raise invalid("", "it nests too deeply")
    found = {key: value for key, value in schema.items() if key not in DESCRIBING}
    for key, value in found.items():
        if key in ("properties", "$defs") and isinstance(value, Mapping):
            found[key] = {name: _plain(inner, depth - 1) for name, inner in value.items()}
        elif key == "anyOf" and isinstance(value, list):
            found[key] = [_plain(inner, depth - 1) for inner in value]
        elif key in ("items", "additionalProperties"):
            found[key] = _plain(value, depth - 1)
        elif isinstance(value, float) and value.is_integer():
            found[key] = int(value)  # validators write ge=0.0 as 0.0
    names, required = found.get("properties"), found.get("required")
    if isinstance(names, Mapping) and isinstance(required, list):
        places = {name: place for place, name in enumerate(names)}
        known = all(isinstance(name, str) and name in places for name in required)
        if known and list(names) != sorted(names):
            found["required"] = sorted(required, key=places.__getitem__)
    return found


def _ordered(value: Any) -> Any:
    if isinstance(value, list):
        return [_ordered(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _ordered(item) for key, item in value.items()}
    names, required = found.get("properties"), found.get("required")
    # Both may be names of properties themselves; then `required` is a schema and no list.
    if isinstance(names, dict) and isinstance(required, list):
        found["properties"] = {name: names[name] for name in dict.fromkeys([*required, *names])}
    return found
