"""Unmodified clients of OpenAI's API against a devnet as `mlbridge up` starts it.

`tools/test clients` starts one and runs this against it. By hand: MLBRIDGE_DEVNET=.mlbridge/devnet pytest ...
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openai import OpenAI

from tests.support.openai_clients import HELLO, ask_by_node

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.skipif("MLBRIDGE_DEVNET" not in os.environ, reason="needs a devnet: tools/test clients"),
]
CHAT, EMBEDDING = "smollm2", "minilm"
DIMENSIONS = 384


@dataclass(frozen=True)
class Devnet:
    """What `mlbridge up` prints for clients."""

    base_url: str
    key: str

    def task(self, task_id: str) -> dict[str, Any]:
        """A task as the gateway's own route tells it."""
        known = {"Authorization": f"Bearer {self.key}"}
        found: dict[str, Any] = httpx2.get(f"{self.base_url}/tasks/{task_id}", headers=known).json()
        return found


@pytest.fixture(scope="module")
def devnet() -> Devnet:
    home = Path(os.environ["MLBRIDGE_DEVNET"])
    facts = json.loads((home / "last_start.json").read_text())
    return Devnet(facts["openai_base_url"], (home / "gateway" / "api.key").read_text().strip())


@pytest.fixture(scope="module")
def said(devnet: Devnet) -> str:
    """The answer to HELLO, in the channel lane without being asked to, and with a committee's verdict."""
    with OpenAI(base_url=devnet.base_url, api_key=devnet.key, max_retries=0) as client:
        raw = client.chat.completions.with_raw_response.create(model=CHAT, messages=HELLO)
    task = devnet.task(raw.headers["x-mlbridge-task-id"])
    assert (task["lane"], task["status"], len(task["committee"])) == ("channel", "finalized", 3)
    text = raw.parse().choices[0].message.content
    assert text
    return text


def test_openai_for_python_streams_and_embeds(devnet: Devnet, said: str) -> None:
    with OpenAI(base_url=devnet.base_url, api_key=devnet.key, max_retries=0) as client:
        chunks = list(client.chat.completions.create(model=CHAT, messages=HELLO, stream=True))
        vectors = client.embeddings.create(model=EMBEDDING, input=["a", "b"])
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks]
    assert "".join(texts) == said
    assert len([text for text in texts if text]) > 1, "it came in one piece"
    assert lengths([item.embedding for item in vectors.data]) == [DIMENSIONS] * 2


def test_litellm_chats_streams_and_embeds(devnet: Devnet, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # it would ask a server for prices
    import litellm

    known: dict[str, Any] = {"api_base": devnet.base_url, "api_key": devnet.key, "max_retries": 0}
    whole: Any = litellm.completion(model=f"openai/{CHAT}", messages=HELLO, **known)
    assert whole.choices[0].message.content == said
    pieces: Any = litellm.completion(model=f"openai/{CHAT}", messages=HELLO, stream=True, **known)
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == said
    asked: dict[str, Any] = {"input": ["a"], "encoding_format": "float", **known}
    vectors: Any = litellm.embedding(model=f"openai/{EMBEDDING}", **asked)
    assert lengths([vectors.data[0]["embedding"]]) == [DIMENSIONS]


def test_openai_for_node_does_the_same(devnet: Devnet, said: str) -> None:
    found = ask_by_node(devnet.base_url, devnet.key, CHAT, EMBEDDING)
    assert found["text"] == found["streamed"] == said
    assert devnet.task(found["task"])["lane"] == "channel"
    assert found["lengths"] == [DIMENSIONS] * 2
    assert {CHAT, EMBEDDING} <= set(found["models"])
    assert found["refused"] == {"kind": "NotFoundError", "status": 404, "code": "model_not_found"}


def lengths(vectors: Sequence[Sequence[float]]) -> list[int]:
    return [len(vector) for vector in vectors]
