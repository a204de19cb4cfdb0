"""What users may hand over as input, and how results are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import content
from mlbridge.protocol.payload import (
    ChatInput,
    ClassificationOutput,
    EmbeddingInput,
    decode_input,
    encode_input,
    encode_output,
)
from mlbridge.sdk.inputs import from_content, task_kind, to_content, to_output, to_payload
from mlbridge.storage import LocalStore


def test_text_means_what_the_model_takes() -> None:
    assert decode_input(to_payload("hello", "embedding")) == EmbeddingInput(text="hello")
    chat = decode_input(to_payload("hello", "chat"))
    assert isinstance(chat, ChatInput)
    assert chat.messages[0].content == "hello"
    for kind in ("classification", None):
        with pytest.raises(MLBridgeError, match=r"kind|text"):
            to_payload("hello", kind)


@pytest.mark.parametrize("kind", ["embedding", None])
def test_every_form_of_one_input_is_one_payload(kind: str | None) -> None:
    payload = encode_input("embedding", {"text": "x"})
    forms: list[Any] = [payload, EmbeddingInput(text="x"), {"kind": "embedding", "text": "x"}]
    assert {to_payload(form, kind) for form in forms} == {payload}
    assert to_payload({"text": "x"}, "embedding") == payload


def test_the_model_must_be_of_the_inputs_kind() -> None:
    payload = encode_input("embedding", {"text": "x"})
    for form in (payload, EmbeddingInput(text="x"), {"kind": "embedding", "text": "x"}):
        with pytest.raises(MLBridgeError) as caught:
            to_payload(form, "chat")
        assert caught.value.code == "input.kind"
    with pytest.raises(MLBridgeError):
        to_payload(b"\xff", "embedding")


async def test_content_is_inline_up_to_what_the_chain_takes(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    small, large = b"x" * content.MAX_INLINE_PAYLOAD, b"x" * (content.MAX_INLINE_PAYLOAD + 1)
    assert isinstance(content.parse(await to_content(small, None)), content.Inline)
    reference = await to_content(large, store)
    assert isinstance(content.parse(reference), content.Reference)
    assert await from_content(reference, store) == large
    with pytest.raises(MLBridgeError) as caught:
        await to_content(large, None)
    assert caught.value.code == "input.too_large"
    with pytest.raises(MLBridgeError) as caught:
        await from_content(reference, None)
    assert caught.value.code == "result.no_store"
    forged = content.reference(b"y" * 5_000, await store.put(large))
    with pytest.raises(MLBridgeError) as caught:
        await from_content(forged, store)
    assert caught.value.code == "content.corrupt"
    assert await task_kind(reference, None) is None
    assert await task_kind(content.inline(encode_input("embedding", {"text": "x"})), None) == "embedding"


def test_results_are_read_by_kind_or_by_shape() -> None:
    payload = encode_output("classification", {"label": 3})
    assert to_output(payload, "classification") == to_output(payload, None) == ClassificationOutput(label=3)
    with pytest.raises(MLBridgeError) as caught:
        to_output(b"\xa0", None)
    assert caught.value.code == "payload.kind"
