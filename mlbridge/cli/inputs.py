"""From what a person types to a task's input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.json_schema import schema_text


def read_input(text: str) -> str:
    """The text itself; `-` reads standard input, `@file` a file. Raises MLBridgeError `input.unreadable`."""
    if text != "-" and not text.startswith("@"):
        return text
    try:
        return sys.stdin.read() if text == "-" else Path(text[1:]).read_text()
    except (OSError, ValueError) as error:
        where = "Standard input" if text == "-" else f"The input file {text[1:]}"
        raise MLBridgeError("input.unreadable", f"{where} cannot be read: {error}.", exit_code=2) from error


def read_schema(text: str | None) -> str | None:
    """The spelling of a JSON schema that is given as JSON, or as the name of a file that holds it.

    Raises MLBridgeError `input.unreadable`, `input.json_schema`.
    """
    if text is None:
        return None
    if text.lstrip().startswith("{"):
        return schema_text(text)
    try:
        return schema_text(Path(text).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MLBridgeError(
            "input.unreadable",
            f"The file of the JSON schema {text[:80]} cannot be read: {error}.",
            hint="Give the schema itself, which begins with {, or a file that holds it.",
            exit_code=2,
        ) from error


def build_input(kind: str, text: str, *, max_tokens: int, schema: str | None = None) -> dict[str, Any]:
    """A task input of a model's kind from text. schema: what a chat answer is to fit, see `read_schema`.

    embedding: the text. chat: one user message, or a JSON list of {role, content}. classification: 64 numbers
    0-16 (an 8x8 digit, row by row) as JSON, or separated by spaces or commas; or `digit:N`, the N-th picture
    of the digits that scikit-learn ships.
    """
    if schema is not None and kind != "chat":
        raise MLBridgeError(
            "input.json_schema",
            f"A {kind} model gives no text that could fit a JSON schema.",
            hint="Leave --json-schema out.",
            exit_code=2,
        )
    if kind == "embedding":
        return {"kind": kind, "text": text}
    if kind == "chat":
        asked = {"kind": kind, "messages": _messages(text), "max_tokens": max_tokens, "seed": None}
        return asked if schema is None else {**asked, "json_schema": schema}
    if kind == "classification":
        return {"kind": kind, "image": _image(text)}
    raise MLBridgeError(
        "input.unknown_kind", f"This command cannot build an input for a model of kind {kind!r}.", exit_code=2
    )


def _messages(text: str) -> list[dict[str, str]]:
    if not text.lstrip().startswith("["):
        return [{"role": "user", "content": text}]
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return [{"role": "user", "content": text}]
    if not all(isinstance(item, dict) and {"role", "content"} <= item.keys() for item in found):
        raise MLBridgeError(
            "input.not_messages",
            f"A chat as JSON is a list of {{role, content}}, not {text[:40]!r}.",
            hint="Plain text needs no JSON; put quotes or words before a leading [ to send it as it is.",
            exit_code=2,
        )
    return [{"role": str(item["role"]), "content": str(item["content"])} for item in found]


def _image(text: str) -> list[int]:
    if text.startswith("digit:"):
        return _shipped_digit(text.removeprefix("digit:"))
    words = text.replace("[", " ").replace("]", " ").replace(",", " ").split()
    try:
        return [round(float(word)) for word in words]
    except (ValueError, OverflowError) as error:  # nan and inf are numbers to float only
        raise MLBridgeError(
            "input.not_an_image",
            f"The digits classifier takes 64 numbers from 0 to 16, not {text[:40]!r}.",
            hint="Give an 8x8 picture row by row, or digit:N for the N-th picture that scikit-learn ships.",
            exit_code=2,
        ) from error


def _shipped_digit(number: str) -> list[int]:
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise MLBridgeError(
            "install.extra_missing",
            "digit:N needs scikit-learn, which is not installed.",
            hint="Install it with: pip install 'mlbridge[demo]'",
        ) from error
    pictures = load_digits().data
    if not number.isdigit() or int(number) >= len(pictures):
        raise MLBridgeError(
            "input.no_such_digit",
            f"digit:N takes N from 0 to {len(pictures) - 1}, not {number!r}.",
            exit_code=2,
        )
    return [int(value) for value in pictures[int(number)]]
