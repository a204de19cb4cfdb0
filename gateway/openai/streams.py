"""A generated answer as server-sent events.

The response begins with the first token, or with the verdict where a lane has no tokens before it; until
then a refusal is still a plain HTTP error. A stream that waits for long begins all the same and comments, so
that proxies keep it open. Trouble after its beginning is `event: error` with OpenAI's error body, and no
[DONE]: nobody takes half an answer for a whole one. What was told before a verdict that says something else
makes such an error too (gateway.carrier sees to it, and that nobody is charged).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.book import Task
from gateway.carrier import Carrier
from gateway.openai.answers import Shape, said
from gateway.openai.outcomes import require
from gateway.refusals import openai_error
from mlbridge.errors import MLBridgeError

COMMENT_S = 10.0


@dataclass(frozen=True, slots=True)
class Line:
    """What a stream is made of."""

    shape: Shape
    model: str
    stops: Sequence[str]
    include_usage: bool
    prompt_tokens: int
    wait_s: float


class Stream:
    """One task's answer on its way to one client."""

    def __init__(self, carrier: Carrier, task: Task, line: Line) -> None:
        self._carrier, self._task, self._line = carrier, task, line
        self._told = ""
        self._until = asyncio.get_running_loop().time() + line.wait_s

    async def first(self, hold_s: float) -> Task:
        """Wait until there is something to show, at most `hold_s` seconds; the task as it is then."""
        until = min(self._until, asyncio.get_running_loop().time() + hold_s)
        while not self._task.decided and not self._told and self._left(until) > 0:
            await self._look(self._left(until))
        return self._task

    async def events(self) -> AsyncIterator[str]:
        """The events, up to [DONE] or an error."""
        try:
            yield self._chunk(opens=True)
            shown = ""
            async for event, text in self._texts():
                shown += text
                yield event
            require([self._task], self._line.wait_s)
            answer = said(self._task, self._line.stops)
            if answer.text[len(shown) :]:
                yield self._chunk(text=answer.text[len(shown) :])
            yield self._chunk(finish_reason=answer.finish_reason)
            if self._line.include_usage:
                last = self._line.shape.last_chunk(
                    self._task, self._line.model, self._line.prompt_tokens, answer.tokens
                )
                yield f"data: {json.dumps(last)}\n\n"
            yield "data: [DONE]\n\n"
        except MLBridgeError as error:
            yield f"event: error\ndata: {json.dumps(openai_error(error))}\n\n"

    async def _texts(self) -> AsyncIterator[tuple[str, str]]:
        """(event, text in it) of what comes before the verdict; comments while nothing comes."""
        sent = 0
        loop = asyncio.get_running_loop()
        comment_at = loop.time() + COMMENT_S
        while True:
            safe = self._safe()
            if len(safe) > sent:
                yield self._chunk(text=safe[sent:]), safe[sent:]
                sent = len(safe)
                comment_at = loop.time() + COMMENT_S
            if self._task.decided or self._left(self._until) <= 0:
                return
            await self._look(self._left(min(self._until, comment_at)))
            if loop.time() >= comment_at:
                comment_at = loop.time() + COMMENT_S
                yield ": waiting for the network\n\n", ""

    def _safe(self) -> str:
        """What of the text may be shown: nothing that a stop may yet turn out to begin in."""
        text = self._told
        longest = max((len(stop) for stop in self._line.stops), default=1)
        for stop in self._line.stops:
            if stop in text:
                text = text[: text.index(stop)]
                longest = 1
        return text[: len(text) - longest + 1]

    async def _look(self, seconds: float) -> None:
        told = await self._carrier.told(self._task.id, len(self._told), max(0.0, seconds))
        if len(told) > len(self._told):
            self._told = told
        self._task = (await self._carrier.decided([self._task.id], 0))[0]

    def _left(self, until: float) -> float:
        return until - asyncio.get_running_loop().time()

    def _chunk(self, **choice: Any) -> str:
        line = self._line
        chunk = line.shape.chunk(self._task, line.model, usage_follows=line.include_usage, **choice)
        return f"data: {json.dumps(chunk)}\n\n"
