"""OpenAI's request and response shapes over the task kinds. For the operator's own use of a model."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any, Final

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import payload
from mlbridge.protocol.json_schema import ANY_OBJECT, schema_text
from serve.service import ModelService

MAX_TEXTS: Final = 64
DEFAULT_MAX_TOKENS: Final = 256


def models(info: dict[str, Any]) -> dict[str, Any]:
    """The list of this one model."""
    return {
        "object": "list",
        "data": [{"id": info["name"], "object": "model", "created": 0, "owned_by": "mlbridge"}],
    }


async def embeddings(service: ModelService, body: dict[str, Any]) -> dict[str, Any]:
    """OpenAI's embeddings; `input` is a text or at most 64 of them.

    Raises MLBridgeError openai.* and those of ModelService.run.
    """
    texts = body.get("input")
    if isinstance(texts, str):
        texts = [texts]
    if not isinstance(texts, list) or not 1 <= len(texts) <= MAX_TEXTS:
        raise _refused("input", f"must be a text or a list of 1 to {MAX_TEXTS} texts")
    form = body.get("encoding_format", "float")
    if form not in ("float", "base64"):
        raise _refused("encoding_format", "must be float or base64")
    data = []
    for index, text in enumerate(texts):
        output = await service.run(payload.encode_input("embedding", {"text": text}))
        vector = payload.decode_output("embedding", output)
        assert isinstance(vector, payload.EmbeddingOutput)  # noqa: S101  # decode_output's promise
        value = base64.b64encode(vector.embedding).decode() if form == "base64" else list(vector.vector)
        data.append({"object": "embedding", "index": index, "embedding": value})
    return {"object": "list", "model": service.info()["name"], "data": data}


async def chat(service: ModelService, body: dict[str, Any]) -> dict[str, Any]:
    """OpenAI's chat completion, not streamed. Raises MLBridgeError openai.* and those of run.

    Sampling is the model's own rule (greedy, or seeded), because that is what the network serves; a
    request for another temperature is refused rather than ignored.
    """
    if body.get("n", 1) != 1:
        raise _refused("n", "must be 1")
    if body.get("temperature") not in (None, 0) and body.get("seed") is None:
        raise _refused("temperature", "must be 0, or give a seed to sample by the model's own rule")
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or DEFAULT_MAX_TOKENS
    fields = {"messages": _messages(body.get("messages")), "max_tokens": limit, "seed": body.get("seed")}
    fields |= {"json_schema": _json_schema(body.get("response_format"))}
    output = payload.decode_output("chat", await service.run(payload.encode_input("chat", fields)))
    assert isinstance(output, payload.ChatOutput)  # noqa: S101  # decode_output's promise
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": service.info()["name"],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": output.text},
                "finish_reason": output.finish_reason,
                "token_ids": output.token_ids,
            }
        ],
    }


def as_events(answer: dict[str, Any]) -> Iterator[str]:
    """A finished answer as server-sent events, for clients that only stream: the text comes in one piece."""
    choice = answer["choices"][0]
    shared = {**answer, "object": "chat.completion.chunk"}
    for delta, finish in ((choice["message"], None), ({}, choice["finish_reason"])):
        chunk = {**shared, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        yield f"data: {json.dumps(chunk)}\n\n"
    yield "data: [DONE]\n\n"


def _messages(value: object) -> list[dict[str, str]]:
    if not isinstance(value, list):
        raise _refused("messages", "must be a list")
    return [{"role": _text(item, "role"), "content": _text(item, "content")} for item in value]


def _json_schema(given: object) -> str | None:
    """What response_format says of the answer. Raises MLBridgeError openai.unsupported, input.json_schema."""
    said = given if isinstance(given, dict) else {"type": "text" if given is None else None}
    if said.get("type") == "text":
        return None
    if said.get("type") == "json_object":
        return ANY_OBJECT
    inner = said.get("json_schema") if said.get("type") == "json_schema" else None
    schema = inner.get("schema") if isinstance(inner, dict) else None
    if not isinstance(schema, dict):
        raise _refused("response_format", "must be text, json_object, or json_schema with a schema")
    return schema_text(schema)


def _text(item: object, name: str) -> str:
    value = item.get(name) if isinstance(item, dict) else None
    if isinstance(value, list):  # content in parts
        value = "".join(_text(part, "text") for part in value)
    if not isinstance(value, str):
        raise _refused("messages", f"each needs a text as {name}")
    return value


def _refused(field: str, reason: str) -> MLBridgeError:
    return MLBridgeError("openai.unsupported", f"{field} {reason}.", exit_code=2)
