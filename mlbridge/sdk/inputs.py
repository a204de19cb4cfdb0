"""From what a user hands over to the payload of a task."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from mlbridge.errors import MLBridgeError
from mlbridge.models import Manifest
from mlbridge.protocol import content
from mlbridge.protocol.json_schema import schema_text
from mlbridge.protocol.payload import (
    KINDS,
    ChatInput,
    TaskInput,
    TaskOutput,
    decode_input,
    decode_output,
    encode_input,
)
from mlbridge.storage import ContentStore

DEFAULT_MAX_TOKENS = 256

Input = bytes | str | Mapping[str, object] | TaskInput


def to_payload(value: Input, model_kind: str | None) -> bytes:
    """The validated payload.

    value: a payload, a schema of mlbridge.protocol.payload, a map of its fields (see `spelt`), or for
    embedding and chat models simply the text. model_kind: from the manifest; None when it cannot be had, and
    then the value must say its kind. Raises MLBridgeError `payload.*`, `input.kind` or `input.json_schema`.
    """
    if isinstance(value, bytes):
        kind = decode_input(value).kind
        _require_kind(kind, model_kind)
        return value
    if isinstance(value, str):
        return _from_text(value, model_kind)
    named = value.kind if isinstance(value, BaseModel) else value.get("kind", model_kind)
    if not isinstance(named, str):
        raise _no_kind()
    _require_kind(named, model_kind)
    return encode_input(named, spelt(value) if isinstance(value, Mapping) else value)


def payload_for(value: Input, manifest: Manifest | None) -> bytes:
    """As `to_payload`, for the model of a manifest; None when it cannot be had.

    Raises MLBridgeError `input.json_schema` too where the model's engine knows no JSON schemas: its members
    could only say so, and be paid for that.
    """
    payload = to_payload(value, None if manifest is None else manifest.kind)
    if manifest is not None and manifest.kind == "chat" and not manifest.takes_json_schema:
        asked = decode_input(payload)
        if isinstance(asked, ChatInput) and asked.json_schema is not None:
            raise no_json_schema(manifest.name)
    return payload


def spelt(fields: Mapping[str, object]) -> Mapping[str, object]:
    """The fields of an input with `json_schema`, a map or JSON text in any spelling, as payloads spell it.

    Raises MLBridgeError `input.json_schema`.
    """
    schema = fields.get("json_schema")
    if not isinstance(schema, Mapping | str):
        return fields
    return {**fields, "json_schema": schema_text(schema)}


def no_json_schema(model: str) -> MLBridgeError:
    """The error for a JSON schema that a model's engine could not hold an answer to. model: its name."""
    return MLBridgeError(
        "input.json_schema",
        f"The model {model} cannot hold its answer to a JSON schema: its engine has no grammar.",
        hint="Leave the schema out, or ask a chat model whose manifest says engine vllm.",
        exit_code=2,
    )


def _from_text(text: str, kind: str | None) -> bytes:
    if kind is None:
        raise _no_kind()
    if kind == "embedding":
        return encode_input(kind, {"text": text})
    if kind == "chat":
        messages = [{"role": "user", "content": text}]
        return encode_input(kind, {"messages": messages, "max_tokens": DEFAULT_MAX_TOKENS})
    raise MLBridgeError(
        "input.kind",
        f"A {kind} model does not take text.",
        hint='For classification give {"image": [64 ints from 0 to 16]}.',
        exit_code=2,
    )


def _require_kind(kind: str, model_kind: str | None) -> None:
    if model_kind is not None and kind != model_kind:
        raise MLBridgeError(
            "input.kind",
            f"The model does {model_kind}, but the input is for {kind}.",
            hint="Choose a model of the right kind.",
            exit_code=2,
        )


def _no_kind() -> MLBridgeError:
    return MLBridgeError(
        "input.kind",
        "The input does not say its kind, and the model's manifest cannot be had to look it up.",
        hint='Add "kind" to the input, or configure the content store of the network.',
        exit_code=2,
    )


async def to_content(payload: bytes, store: ContentStore | None) -> bytes:
    """Tagged bytes for the chain: inline up to 4,095 bytes, otherwise stored and referenced.

    Raises MLBridgeError `input.too_large` without a store, or `storage.*`.
    """
    if len(payload) <= content.MAX_INLINE_PAYLOAD:
        return content.inline(payload)
    if store is None:
        raise MLBridgeError(
            "input.too_large",
            f"The input has {len(payload)} bytes; above {content.MAX_INLINE_PAYLOAD} it needs a store.",
            hint="Configure storage_url in the network, or hand the client a store.",
            exit_code=2,
        )
    return content.reference(payload, await store.put(payload))


async def from_content(data: bytes, store: ContentStore | None) -> bytes:
    """The payload behind tagged bytes, checked against its hash.

    Raises MLBridgeError `content.*`, or `result.no_store` when it lies in a store and none is configured.
    """
    parsed = content.parse(data)
    if isinstance(parsed, content.Inline):
        return parsed.payload
    if store is None:
        raise MLBridgeError(
            "result.no_store",
            f"The payload lies at {parsed.cid}, and no content store is configured.",
            hint="Configure storage_url in the network, or hand the client a store.",
        )
    payload = await store.get(parsed.cid)
    if content.Inline(payload).root != parsed.root:
        raise MLBridgeError("content.corrupt", f"The payload at {parsed.cid} is not the one named on chain.")
    return payload


async def task_kind(input_data: bytes, store: ContentStore | None) -> str | None:
    """The kind of a task, from its tagged input; None if the input cannot be had or read."""
    try:
        return decode_input(await from_content(input_data, store)).kind
    except MLBridgeError:
        return None


def to_output(payload: bytes, kind: str | None) -> TaskOutput:
    """The decoded result. kind: None tries them all, which no payload fits twice. Raises `payload.*`."""
    if kind is not None:
        return decode_output(kind, payload)
    for candidate in KINDS:
        try:
            return decode_output(candidate, payload)
        except MLBridgeError:
            continue
    raise MLBridgeError(
        "payload.kind", "The result is of no known kind.", hint="Its bytes are in the receipt."
    )
