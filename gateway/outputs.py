"""Outputs of tasks as JSON has them."""

from __future__ import annotations

import json
from typing import Any

from mlbridge.protocol.payload import EmbeddingOutput, decode_output


def plain_output(kind: str, payload: bytes) -> dict[str, Any]:
    """The fields of an output, a vector as numbers. Raises MLBridgeError `payload.*`, `encoding.*`."""
    output = decode_output(kind, payload)
    if isinstance(output, EmbeddingOutput):
        return {"embedding": list(output.vector)}
    found: dict[str, Any] = json.loads(output.model_dump_json())
    return found
