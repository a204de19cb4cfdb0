"""What a JSON schema may hold that an answer is to fit: nothing that an engine ignores or chokes on.

Requesters are strangers and members must decide alike, so this is fixed by counting, not by how long a
grammar compiler takes. A keyword that is not among these is refused: an engine that passes over one gives
answers that do not fit.

A schema is one of
- `{}`: any value
- `{"$ref": "#/$defs/NAME"}`, never to itself; `$defs` stands at the top alone
- `{"anyOf": [...]}`
- `{"enum": [...]}` or `{"const": ...}` of texts, whole numbers, booleans and null, with their type or without
- `{"type": ...}`, one type or several, with the keywords that KEYWORDS gives them.
An object has no properties but those it names, or any that `additionalProperties` describes. Patterns, texts
of a length, recursion and other formats are left out: compiling them costs seconds, or more than can be
counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, NoReturn

from mlbridge.errors import MLBridgeError

MAX_HEIGHT: Final = 24
"""Most schemas inside one another; a reference is one, and what it refers to the next."""
MAX_NODES: Final = 512
"""Most schemas in all, one that is referred to counted at each use."""
MAX_READINGS: Final = 16
"""Most ways in which an unfinished answer may fit: a grammar engine follows all of them at every token."""
MAX_ITEMS: Final = 128
MAX_NUMBER: Final = 2**53 - 1
"""Beyond it not every reader of JSON keeps whole numbers."""
FORMATS: Final = ("date", "date-time", "time", "uuid")

_LEAST: Final = ("minimum", "exclusiveMinimum")
_MOST: Final = ("maximum", "exclusiveMaximum")
KEYWORDS: Final[Mapping[str, frozenset[str]]] = {
    "array": frozenset({"items", "minItems", "maxItems"}),
    "boolean": frozenset(),
    "integer": frozenset({*_LEAST, *_MOST}),
    "null": frozenset(),
    "number": frozenset({*_LEAST, *_MOST}),
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "string": frozenset({"format"}),
}
_STARTS: Final = {name: "number" if name == "integer" else name for name in KEYWORDS}
"""What the first character of a value tells of its type."""
_REFERENCE: Final = re.compile(r"#/\$defs/([A-Za-z0-9_.-]{1,64})")
_TOO_HIGH: Final = f"it has more than {MAX_HEIGHT} schemas inside one another"
_HINT: Final = (
    "It can have type, properties, required, additionalProperties: false, items, minItems, maxItems, "
    "minimum, maximum, anyOf, enum, const, $ref to $defs, and format date, date-time, time or uuid."
)


class _Size(NamedTuple):
    """What a schema costs. readings: ways to fit, by what a value starts with."""

    nodes: int
    height: int
    readings: Mapping[str, int]


def check_dialect(schema: Mapping[str, object]) -> None:
    """Raises MLBridgeError `input.json_schema` unless every part of a schema is described above."""
    whole = dict(schema)
    defined = whole.pop("$defs", {})
    if not isinstance(defined, dict):
        _refuse("$defs", "it is not an object")
    reader = _Reader(defined)
    size = reader.size(whole, "")
    unused = sorted(defined.keys() - reader.known.keys())
    if unused:
        _refuse(f"$defs.{unused[0]}", "nothing refers to it")
    if size.height > MAX_HEIGHT:
        _refuse("", _TOO_HIGH)
    if size.nodes > MAX_NODES:
        _refuse("", f"it has more than {MAX_NODES} schemas")
    if max(size.readings.values()) > MAX_READINGS:
        _refuse("", f"it has more than {MAX_READINGS} alternatives of one type open at once")


def invalid(where: str, why: str, *, hint: str = "") -> MLBridgeError:
    """The error for a schema. where: the way to its part, dotted; why: without a full stop."""
    place = f" at {where[:200]}" if where else ""
    return MLBridgeError(
        "input.json_schema", f"The JSON schema cannot be used{place}: {why}.", hint=hint, exit_code=2
    )


class _Reader:
    """Reads a schema through. known: the definitions that were referred to, with their sizes."""

    def __init__(self, defined: Mapping[str, object]) -> None:
        self._defined = defined
        self._open: set[str] = set()
        self._depth = 0
        self.known: dict[str, _Size] = {}

    def size(self, schema: object, where: str) -> _Size:
        """What it costs. Raises MLBridgeError `input.json_schema` where it may not be used."""
        self._depth += 1
        if self._depth > MAX_HEIGHT:
            _refuse("", _TOO_HIGH)
        found = self._size(schema, where)
        self._depth -= 1
        return found

    def _size(self, schema: object, where: str) -> _Size:
        if not isinstance(schema, dict):
            _refuse(where, "it is not an object")
        if "$ref" in schema:
            _only(schema, {"$ref"}, where)
            found = self._referred(schema["$ref"], where)
            return found._replace(height=found.height + 1)
        if "anyOf" in schema:
            _only(schema, {"anyOf"}, where)
            return self._any_of(schema["anyOf"], where)
        if "enum" in schema or "const" in schema:
            return _fixed(schema, where)
        if not schema:
            return _Size(1, 1, dict.fromkeys(_STARTS.values(), 1))
        return self._typed(schema, where)

    def _referred(self, reference: object, where: str) -> _Size:
        match = _REFERENCE.fullmatch(reference) if isinstance(reference, str) else None
        if match is None or match[1] not in self._defined:
            _refuse(where, "$ref must be #/$defs/ and a name that is there")
        name = match[1]
        if name in self._open:
            _refuse(where, f"{name} refers to itself")
        if name not in self.known:
            self._open.add(name)
            self.known[name] = self.size(self._defined[name], f"$defs.{name}")
            self._open.remove(name)
        return self.known[name]

    def _any_of(self, branches: object, where: str) -> _Size:
        if not isinstance(branches, list) or not branches:
            _refuse(where, "anyOf must be a list of schemas")
        sizes = [self.size(branch, _in(where, f"anyOf.{at}")) for at, branch in enumerate(branches)]
        starts = {start for size in sizes for start in size.readings}
        return _above(sizes, {start: sum(size.readings.get(start, 0) for size in sizes) for start in starts})

    def _typed(self, schema: dict[str, Any], where: str) -> _Size:
        types = _types(schema, where)
        _only(schema, {"type"}.union(*(KEYWORDS[name] for name in types)), where)
        readings = {_STARTS[name]: 1 for name in types}
        inner: list[_Size] = []
        if "object" in types:
            members = self._members(schema, where)
            inner += members
            readings["object"] = _most(members)
        if "array" in types:
            _check_items(schema, where)
            items = [self.size(schema["items"], _in(where, "items"))] if "items" in schema else []
            inner += items
            readings["array"] = _most(items)
        _check_range(schema, where, whole="integer" in types)
        if "format" in schema and schema["format"] not in FORMATS:
            _refuse(where, f"format can be {', '.join(FORMATS)}")
        return _above(inner, readings)

    def _members(self, schema: dict[str, Any], where: str) -> list[_Size]:
        names, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(names, dict):
            _refuse(where, "properties must be an object")
        if not _distinct_texts(required) or not names.keys() >= set(required):
            _refuse(where, "required must be a list of different names that are among properties")
        sizes = [self.size(inner, _in(where, f"properties.{name}")) for name, inner in names.items()]
        others = schema.get("additionalProperties", False)
        if others is not False:
            if "properties" in schema:
                _refuse(where, "additionalProperties must be false beside properties")
            sizes.append(self.size({} if others is True else others, _in(where, "additionalProperties")))
        return sizes


def _fixed(schema: dict[str, Any], where: str) -> _Size:
    word = "enum" if "enum" in schema else "const"
    _only(schema, {word, "type"}, where)
    values = schema["enum"] if word == "enum" else [schema["const"]]
    if not isinstance(values, list) or not values:
        _refuse(where, "enum must be a list of values")
    allowed = _types(schema, where) if "type" in schema else tuple(KEYWORDS)
    starts: set[str] = set()
    for value in values:
        fits = _type_of(value)
        if fits is None:
            _refuse(where, f"{word} can hold texts, whole numbers below 2^53, true, false and null")
        if fits not in allowed and not (fits == "integer" and "number" in allowed):
            _refuse(where, f"{word} holds a value that is not of its type")
        starts.add(_STARTS[fits])
    return _Size(1, 1, dict.fromkeys(starts, 1))


def _types(schema: dict[str, Any], where: str) -> tuple[str, ...]:
    given = schema.get("type")
    types = given if isinstance(given, list) else [given]
    if not types or not _distinct_texts(types) or not KEYWORDS.keys() >= set(types):
        _refuse(where, f"type must be there, one or several of {', '.join(KEYWORDS)}")
    return tuple(types)


def _type_of(value: object) -> str | None:
    """The type of a value that enum can hold, None for any other."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    return "integer" if _is_whole(value) else None


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER


def _distinct_texts(value: object) -> bool:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return False
    return len(set(value)) == len(value)


def _check_items(schema: dict[str, Any], where: str) -> None:
    low, high = schema.get("minItems", 0), schema.get("maxItems", MAX_ITEMS)
    if not (_is_whole(low) and _is_whole(high) and 0 <= low <= high <= MAX_ITEMS):
        _refuse(where, f"minItems and maxItems must lie in 0 to {MAX_ITEMS}, the greater one last")


def _check_range(schema: dict[str, Any], where: str, *, whole: bool) -> None:
    low, above = _bound(schema, _LEAST, where)
    high, below = _bound(schema, _MOST, where)
    if low is None or high is None:
        return
    if whole:
        low, high = low + above, high - below
    if low > high or (low == high and not whole and (above or below)):
        _refuse(where, "no number lies between its bounds")


def _bound(schema: dict[str, Any], words: tuple[str, str], where: str) -> tuple[int | None, bool]:
    """A bound, and whether it is itself shut out."""
    given = [word for word in words if word in schema]
    if not given:
        return None, False
    value = schema[given[0]]
    if len(given) == 2 or not _is_whole(value):
        _refuse(where, f"{words[0]} or {words[1]}, not both, must be a whole number below 2^53")
    return value, given[0] == words[1]


def _above(inner: list[_Size], readings: Mapping[str, int]) -> _Size:
    nodes = 1 + sum(size.nodes for size in inner)
    return _Size(nodes, 1 + max((size.height for size in inner), default=0), readings)


def _most(inner: list[_Size]) -> int:
    return max((readings for size in inner for readings in size.readings.values()), default=1)


def _only(schema: dict[str, Any], allowed: set[str] | frozenset[str], where: str) -> None:
    other = sorted(schema.keys() - allowed)
    if other:
        _refuse(where, f"{other[0][:64]!r} is not a keyword that it can have here")


def _in(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _refuse(where: str, why: str) -> NoReturn:
    raise invalid(where, why, hint=_HINT)
