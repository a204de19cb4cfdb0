"""What may be asked of an answer, vLLM's grammar engine can hold it to, and quickly."""

from __future__ import annotations

import json
import random
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbridge.protocol.json_schema import ordered, schema_text
from tests.support.json_schemas import SCHEMAS, Schema

xgrammar = pytest.importorskip("xgrammar")

END = 256
VOCABULARY = [bytes([value]) for value in range(256)] + [b"<end>"]
COMPACT: dict[str, Any] = {"any_whitespace": False, "separators": (",", ":")}  # as serve.engines.vllm has it
MOST_BYTES = 400


def compiled(text: str) -> Any:
    info = xgrammar.TokenizerInfo(VOCABULARY, vocab_size=END + 1, stop_token_ids=[END])
    return xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False).compile_json_schema(
        text, **COMPACT
    )


def said(text: str, seed: int) -> bytes | None:
    """What somebody says who picks at random among what the grammar lets him; None if he finds no end."""
    choose = random.Random(seed)  # noqa: S311
    matcher = xgrammar.GrammarMatcher(compiled(text))
    mask = xgrammar.allocate_token_bitmask(1, END + 1)
    found = bytearray()
    while len(found) < MOST_BYTES:
        matcher.fill_next_token_bitmask(mask)
        words = mask[0].tolist()
        may = [token for token in range(END + 1) if words[token >> 5] >> (token & 31) & 1]
        assert may, (text, found)
        # Whoever may end soon finds an end more often.
        ends = [token for token in may if token == END or chr(token) in '"]}']
        token = choose.choice(ends) if ends and choose.random() < 0.5 else choose.choice(may)
        assert matcher.accept_token(token)
        if token == END:
            return bytes(found)
        found.append(token)
    return None


@settings(deadline=None, max_examples=60)
@given(SCHEMAS, st.integers(0, 2**32))
def test_whatever_may_be_asked_compiles_and_every_answer_fits_it(schema: Schema, seed: int) -> None:
    answer = said(ordered(schema_text(schema)), seed)
    if answer is None:
        return
    value = json.loads(answer)
    jsonschema.validate(value, schema)
    if isinstance(value, dict) and schema.get("required"):
        assert list(value)[: len(schema["required"])] == json.loads(schema_text(schema))["required"]
