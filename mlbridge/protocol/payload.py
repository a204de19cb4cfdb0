"""Inputs and outputs of the task kinds: strict schemas over canonical CBOR maps.

An encoder and a decoder that disagree about one byte would make honest members disagree, so nothing is
coerced and every field is spelt out, but for `json_schema`: it came later, and is left out where there is
none, so that older payloads keep their bytes. Schema errors raise MLBridgeError `payload.invalid` (exit
code 2) naming the field.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping
from typing import Annotated, Final, Literal, TypeVar, overload

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.encoding import MAX_BYTES, decode, encode
from mlbridge.protocol.json_schema import check_schema

Kind = Literal["embedding", "classification", "chat"]
KINDS: Final[tuple[Kind, ...]] = ("embedding", "classification", "chat")

MAX_INPUT_BYTES: Final = 256 * 1024
MAX_OUTPUT_BYTES: Final = MAX_BYTES
MAX_MESSAGES: Final = 128
MAX_NEW_TOKENS: Final = 8192
MAX_DIMENSIONS: Final = 16384


def _is_none(value: object) -> bool:
    return value is None


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class EmbeddingInput(_Schema):
    """Text to embed."""

    kind: Literal["embedding"] = "embedding"
    text: Annotated[str, Field(min_length=1)]


class ClassificationInput(_Schema):
    """An 8x8 grey image, row by row: 64 ints from 0 (background) to 16."""

    kind: Literal["classification"] = "classification"
    image: Annotated[list[Annotated[int, Field(ge=0, le=16)]], Field(min_length=64, max_length=64)]


class Message(_Schema):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class ChatInput(_Schema):
    """A conversation to continue by at most max_tokens tokens; greedy if seed is None, else sampled.

    json_schema: what the answer is to fit, as mlbridge.protocol.json_schema spells it.
    """

    kind: Literal["chat"] = "chat"
    messages: Annotated[list[Message], Field(min_length=1, max_length=MAX_MESSAGES)]
    max_tokens: Annotated[int, Field(ge=1, le=MAX_NEW_TOKENS)]
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] | None = None
    json_schema: Annotated[str | None, Field(exclude_if=_is_none)] = None

    @field_validator("json_schema")
    @classmethod
    def _usable(cls, value: str | None) -> str | None:
        if value is not None:
            check_schema(value)
        return value


class EmbeddingOutput(_Schema):
    """embedding: finite float32 values, little-endian, 4 bytes each, shape (dimensions,)."""

    embedding: bytes

    @field_validator("embedding")
    @classmethod
    def _finite(cls, value: bytes) -> bytes:
        unpack_vector(value)
        return value

    @classmethod
    def of(cls, vector: Iterable[float]) -> EmbeddingOutput:
        """From floats that fit float32; rounded to it."""
        return cls(embedding=pack_vector(vector))

    @property
    def vector(self) -> tuple[float, ...]:
        """The values, exactly."""
        return unpack_vector(self.embedding)


class ClassificationOutput(_Schema):
    """The class index."""

    label: Annotated[int, Field(ge=0, lt=1 << 31)]


class ChatOutput(_Schema):
    """Generated token ids, their text, and why generation ended."""

    token_ids: Annotated[list[Annotated[int, Field(ge=0, lt=1 << 32)]], Field(max_length=MAX_NEW_TOKENS)]
    text: str
    finish_reason: Literal["stop", "length"]


TaskInput = EmbeddingInput | ClassificationInput | ChatInput
TaskOutput = EmbeddingOutput | ClassificationOutput | ChatOutput

_S = TypeVar("_S", bound=_Schema)

_INPUTS: Final[Mapping[str, type[TaskInput]]] = {
    "embedding": EmbeddingInput,
    "classification": ClassificationInput,
    "chat": ChatInput,
}
_OUTPUTS: Final[Mapping[str, type[TaskOutput]]] = {
    "embedding": EmbeddingOutput,
    "classification": ClassificationOutput,
    "chat": ChatOutput,
}


def encode_input(kind: str, value: Mapping[str, object] | TaskInput) -> bytes:
    """Payload of a task input; value is the schema or a map of its fields.

    In the map `kind`, `seed` and `json_schema` may be left out.
    Raises MLBridgeError `payload.kind`, `payload.invalid`, `payload.too_large`, `input.json_schema`.
    """
    return _encode(_lookup(_INPUTS, kind), value, f"{kind} input", MAX_INPUT_BYTES)


def decode_input(payload: bytes) -> TaskInput:
    """The task input in a payload, of the kind it names. Every field must be there, or `json_schema` unset.

    Raises MLBridgeError `payload.kind`, `payload.invalid`, `payload.too_large`, `input.json_schema` or
    `encoding.*`.
    """
    fields = _decode(payload, "task input", MAX_INPUT_BYTES)
    kind = fields.get("kind")
    return _complete(_lookup(_INPUTS, kind), fields, f"{kind} input")


def encode_output(kind: str, value: Mapping[str, object] | TaskOutput) -> bytes:
    """Payload of a task output; value is the schema or a map of its fields.

    Raises MLBridgeError `payload.kind`, `payload.invalid`, `payload.too_large`.
    """
    return _encode(_lookup(_OUTPUTS, kind), value, f"{kind} output", MAX_OUTPUT_BYTES)


@overload
def decode_output(kind: Literal["embedding"], payload: bytes) -> EmbeddingOutput: ...
@overload
def decode_output(kind: Literal["classification"], payload: bytes) -> ClassificationOutput: ...
@overload
def decode_output(kind: Literal["chat"], payload: bytes) -> ChatOutput: ...
@overload
def decode_output(kind: str, payload: bytes) -> TaskOutput: ...
def decode_output(kind: str, payload: bytes) -> TaskOutput:
    """The task output in a payload of a known kind.

    Raises MLBridgeError `payload.kind`, `payload.invalid`, `payload.too_large` or `encoding.*`.
    """
    schema = _lookup(_OUTPUTS, kind)
    return _complete(schema, _decode(payload, f"{kind} output", MAX_OUTPUT_BYTES), f"{kind} output")


def pack_vector(vector: Iterable[float]) -> bytes:
    """Floats, rounded to little-endian float32.

    Raises MLBridgeError `payload.invalid` if empty, too long or not finite.
    """
    values = tuple(vector)
    try:
        data = struct.pack(f"<{len(values)}f", *values)
    except (OverflowError, struct.error) as error:
        raise MLBridgeError(
            "payload.invalid", f"A value of the vector does not fit float32: {error}.", exit_code=2
        ) from error
    unpack_vector(data)
    return data


def unpack_vector(data: bytes) -> tuple[float, ...]:
    """Little-endian float32 as floats, exactly.

    Raises MLBridgeError `payload.invalid` if empty, too long or not finite.
    """
    if not data or len(data) % 4 or len(data) > 4 * MAX_DIMENSIONS:
        raise MLBridgeError(
            "payload.invalid",
            f"A float32 vector of 1 to {MAX_DIMENSIONS} values cannot have {len(data)} bytes.",
            exit_code=2,
        )
    values = struct.unpack(f"<{len(data) // 4}f", data)
    if not all(map(math.isfinite, values)):
        raise MLBridgeError("payload.invalid", "A float32 vector holds NaN or infinity.", exit_code=2)
    return values


def _lookup(schemas: Mapping[str, type[_S]], kind: object) -> type[_S]:
    schema = schemas.get(kind) if isinstance(kind, str) else None
    if schema is None:
        raise MLBridgeError(
            "payload.kind",
            f"The task kind {kind!r} is unknown.",
            hint=f"Known: {', '.join(KINDS)}.",
            exit_code=2,
        )
    return schema


def _encode(schema: type[_S], value: Mapping[str, object] | _Schema, what: str, limit: int) -> bytes:
    if isinstance(value, _Schema):
        value = value.model_dump()
    return _limited(encode(_validate(schema, value, what).model_dump()), what, limit)


def _decode(payload: bytes, what: str, limit: int) -> dict[str, object]:
    fields = decode(_limited(payload, what, limit))
    if not isinstance(fields, dict):
        raise _invalid(what, "it is not a map")
    return fields


def _complete(schema: type[_S], fields: Mapping[str, object], what: str) -> _S:
    for name, field in sorted(schema.model_fields.items()):
        if field.exclude_if is None and name not in fields:
            raise _invalid(what, f"{name} is missing")
        if field.exclude_if is not None and name in fields and field.exclude_if(fields[name]):
            raise _invalid(what, f"{name} is spelt out, and this value is said by leaving it out")
    return _validate(schema, fields, what)


def _validate(schema: type[_S], fields: Mapping[str, object], what: str) -> _S:
    try:
        return schema.model_validate(dict(fields))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise _invalid(what, f"{where}: {first['msg']}") from error


def _limited(payload: bytes, what: str, limit: int) -> bytes:
    if len(payload) > limit:
        raise MLBridgeError(
            "payload.too_large", f"The {what} has {len(payload)} bytes, more than {limit}.", exit_code=2
        )
    return payload


def _invalid(what: str, why: str) -> MLBridgeError:
    return MLBridgeError("payload.invalid", f"The {what} is not valid: {why}.", exit_code=2)
