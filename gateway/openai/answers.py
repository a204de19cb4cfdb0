"""Decided tasks as OpenAI's answers. Pure: the same tasks always give the same bytes."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.book import Task
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import ChatOutput, EmbeddingOutput, decode_output, pack_vector


def receipt_path(task: Task) -> str:
    """Where a task's receipt is."""
    return f"/v1/receipts/{task.id}"


def proof(tasks: Sequence[Task]) -> dict[str, Any]:
    """What was verified: the `mlbridge` part of usage. confidence: of the least certain task; cost in wei."""
    return {
        "lane": tasks[0].lane,
        "task_ids": [task.id for task in tasks],
        "receipts": [receipt_path(task) for task in tasks],
        "confidence": min(task.confidence or 0.0 for task in tasks),
        "cost_wei": str(sum(task.cost or 0 for task in tasks)),
    }


def proof_headers(tasks: Sequence[Task]) -> dict[str, str]:
    """The same as header fields; of tasks under way only what is known."""
    found = {
        "x-mlbridge-task-id": ",".join(task.id for task in tasks),
        "x-mlbridge-receipt": ",".join(receipt_path(task) for task in tasks),
    }
    if all(task.status == "finalized" for task in tasks):
        told = proof(tasks)
        found |= {
            "x-mlbridge-confidence": f"{told['confidence']:.4f}",
            "x-mlbridge-cost": told["cost_wei"],
        }
    return found


def usage(tasks: Sequence[Task], prompt_tokens: int, completion_tokens: int | None) -> dict[str, Any]:
    """OpenAI's usage. completion_tokens None: embeddings have none."""
    counted = {"prompt_tokens": prompt_tokens}
    if completion_tokens is not None:
        counted["completion_tokens"] = completion_tokens
    return {**counted, "total_tokens": sum(counted.values()), "mlbridge": proof(tasks)}


def cut(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """The text before the first stop in it, and whether there was one."""
    at = min((found for stop in stops if (found := text.find(stop)) >= 0), default=-1)
    return (text, False) if at < 0 else (text[:at], True)


@dataclass(frozen=True, slots=True)
class Said:
    """A generated answer. tokens: how many were generated, those behind a stop included."""

    text: str
    finish_reason: str
    tokens: int


def said(task: Task, stops: Sequence[str]) -> Said:
    """What a finalized chat task answered."""
    output = decode_output("chat", task.payload or b"")
    assert isinstance(output, ChatOutput)  # noqa: S101  # decode_output's promise
    text, stopped = cut(output.text, stops)
    return Said(text, "stop" if stopped else output.finish_reason, len(output.token_ids))


@dataclass(frozen=True, slots=True)
class Shape:
    """How chat and plain completions differ on the wire."""

    prefix: str
    whole: str
    piece: str
    chat: bool

    def _head(self, tasks: Sequence[Task], model: str, kind: str) -> dict[str, Any]:
        return {
            "id": f"{self.prefix}-{tasks[0].id[2:34]}",
            "object": kind,
            "created": int(tasks[0].created_at),
            "model": model,
        }

    def _content(self, text: str) -> dict[str, Any]:
        if not self.chat:
            return {"text": text}
        return {"message": {"role": "assistant", "content": text, "refusal": None}}

    def answer(
        self, tasks: Sequence[Task], model: str, stops: Sequence[str], prompt_tokens: int
    ) -> dict[str, Any]:
        """The whole answer, one choice a task."""
        answers = [said(task, stops) for task in tasks]
        choices = [
            {
                "index": index,
                **self._content(item.text),
                "logprobs": None,
                "finish_reason": item.finish_reason,
            }
            for index, item in enumerate(answers)
        ]
        total = sum(item.tokens for item in answers)
        return {
            **self._head(tasks, model, self.whole),
            "choices": choices,
            "usage": usage(tasks, prompt_tokens, total),
        }

    def chunk(self, task: Task, model: str, *, usage_follows: bool, **choice: Any) -> dict[str, Any]:
        """One chunk of a stream with one choice: text (None: it opens the answer) or finish_reason."""
        text, finish = choice.get("text"), choice.get("finish_reason")
        if self.chat:
            delta: dict[str, Any] = {} if finish else {"content": text or ""}
            if choice.get("opens"):
                delta = {"role": "assistant", "content": ""}
            body: dict[str, Any] = {"delta": delta}
        else:
            body = {"text": text or ""}
        told = {"usage": None} if usage_follows else {}
        return {
            **self._head([task], model, self.piece),
            "choices": [{"index": 0, **body, "logprobs": None, "finish_reason": finish}],
            **told,
        }

    def last_chunk(self, task: Task, model: str, prompt_tokens: int, tokens: int) -> dict[str, Any]:
        """The chunk with the usage, for those who asked for it."""
        return {
            **self._head([task], model, self.piece),
            "choices": [],
            "usage": usage([task], prompt_tokens, tokens),
        }


CHAT = Shape("chatcmpl", "chat.completion", "chat.completion.chunk", chat=True)
COMPLETION = Shape("cmpl", "text_completion", "text_completion", chat=False)


def embeddings(
    tasks: Sequence[Task], model: str, *, as_base64: bool, dimensions: int | None, prompt_tokens: int
) -> dict[str, Any]:
    """The list of embeddings. Raises MLBridgeError `openai.dimensions`."""
    data = []
    for index, task in enumerate(tasks):
        output = decode_output("embedding", task.payload or b"")
        assert isinstance(output, EmbeddingOutput)  # noqa: S101  # decode_output's promise
        packed = output.embedding if dimensions is None else pack_vector(shorter(output.vector, dimensions))
        value: object = base64.b64encode(packed).decode()
        if not as_base64:
            value = list(EmbeddingOutput(embedding=packed).vector)
        data.append({"object": "embedding", "index": index, "embedding": value})
    return {"object": "list", "data": data, "model": model, "usage": usage(tasks, prompt_tokens, None)}


def shorter(vector: Sequence[float], dimensions: int) -> list[float]:
    """The first values of a vector, scaled to length 1. Raises MLBridgeError `openai.dimensions`."""
    if dimensions > len(vector):
        raise MLBridgeError(
            "openai.dimensions",
            f"dimensions is {dimensions}, but this model's vectors have {len(vector)}.",
            hint="Leave dimensions out, or ask for fewer.",
            exit_code=2,
            param="dimensions",
        )
    kept = list(vector[:dimensions])
    length = math.sqrt(sum(value * value for value in kept))
    return [value / length for value in kept] if length else kept


def texts_of(inputs: Sequence[dict[str, Any]]) -> list[str]:
    """Every text of task inputs: what a tokenizer counts."""
    found: list[str] = []
    for fields in inputs:
        found += [message["content"] for message in fields.get("messages", ())]
        found += [fields["text"]] if "text" in fields else []
    return found
