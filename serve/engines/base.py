"""What every engine offers: bytes in, bytes out, the same bytes for the same input."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import payload

ENGINE_FILE = "engine.json"
WEIGHTS_FILE = "model.safetensors"

Device = Literal["cpu", "cuda"]

Hear = Callable[[str], None]
"""Told each piece of a chat answer's text as it is made; the pieces make its beginning, or all of it."""

PROBES: Mapping[str, Mapping[str, object]] = {
    "embedding": {"text": "The bridge carries."},
    "classification": {"image": [0, 8, 16, 8] * 16},
    "chat": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1},
}
"""One small input per kind, for health checks."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine is. threads: 0 where the engine schedules its own (GPU, vLLM)."""

    engine: str
    kind: payload.Kind
    architecture: str
    dtype: str
    device: Device
    threads: int


class Engine(Protocol):
    """A model that runs one input at a time.

    `load` and `run` are called from one worker thread. Equal payloads give equal bytes within an execution
    class, whatever ran before or runs beside them.
    """

    def load(self) -> None:
        """Reads the weights. Raises MLBridgeError engine.* when the folder or the machine does not fit."""

    def run(self, data: bytes, hear: Hear | None = None) -> bytes:
        """The output payload (canonical CBOR) of an input payload.

        hear: called from the worker thread, by engines whose answers grow. Raises MLBridgeError payload.* or
        input.* for inputs that no member of the class can answer.
        """

    def info(self) -> EngineInfo:
        """What this engine is."""


def read_settings(directory: Path) -> dict[str, Any]:
    """A model folder's `engine.json`. Raises MLBridgeError engine.folder."""
    path = directory / ENGINE_FILE
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError) as error:
        raise MLBridgeError(
            "engine.folder", f"{path} cannot be read: {error}.", hint="Build or fetch the model folder again."
        ) from error
    if not isinstance(settings, dict):
        raise MLBridgeError("engine.folder", f"{path} is not a JSON object.")
    return settings


def wrong_kind(kind: str, given: str) -> MLBridgeError:
    """The error for an input of another kind than the model's."""
    return MLBridgeError(
        "input.kind",
        f"This model takes {kind} inputs, not {given}.",
        hint="Check the task's model id.",
        exit_code=2,
    )


def no_json_schema() -> MLBridgeError:
    """The error for an input with a JSON schema where the engine has no grammar to hold its answer to it."""
    return MLBridgeError(
        "input.json_schema",
        "This model's engine cannot hold an answer to a JSON schema.",
        hint="Leave json_schema out, or ask a chat model whose manifest says engine vllm.",
        exit_code=2,
    )


def probe(engine: Engine) -> bytes:
    """The output for the kind's fixed small input: equal at every call while the engine is healthy."""
    kind = engine.info().kind
    return engine.run(payload.encode_input(kind, PROBES[kind]))
