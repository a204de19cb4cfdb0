"""Streams: tokens as they come, the verdict at the end, and trouble that nobody overlooks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from gateway import carrier as carrier_module
from gateway.keys import Keys
from gateway.lanes import Accepted, LaneEvent, Refunded, Tokens
from gateway.openai import streams as module
from gateway.openai.answers import CHAT, COMPLETION, Shape
from gateway.openai.streams import Line, Stream
from gateway.store import Store
from mlbridge.errors import MLBridgeError
from tests.support.lanes import ScriptedLane, accepted, carrying, said, store_in


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with store_in(tmp_path) as opened:
        yield opened


async def streamed(
    store: Store,
    events: Sequence[LaneEvent],
    *,
    stops: Sequence[str] = (),
    shape: Shape = CHAT,
    shut: bool = False,
    wait_s: float = 5.0,
) -> list[str]:
    """The lines of a stream of one scripted task. shut: the lane says nothing at all."""
    lane = ScriptedLane(events)
    if shut:
        lane.gate.clear()
    line = Line(shape, "chat", stops, True, 7, wait_s)
    return await read(store, lane, line, first_s=0.05 if shut else 5)


async def read(
    store: Store, lane: ScriptedLane, line: Line | None = None, *, first_s: float = 5
) -> list[str]:
    """The lines of a stream of a lane's one task."""
    line = line or Line(CHAT, "chat", (), True, 7, 5.0)
    async with carrying(store, lane) as (book, carrier):
        task = await accepted(book, Keys(store))
        carrier.carry(task)
        stream = Stream(carrier, task, line)
        await stream.first(first_s)
        return [event async for event in stream.events()]


def chunks(lines: list[str]) -> list[dict[str, Any]]:
    found = [line.removeprefix("data: ") for line in lines if line.startswith("data: {")]
    return [json.loads(line) for line in found]


def text_of(lines: list[str]) -> str:
    return "".join(
        choice["delta"].get("content", "") if "delta" in choice else choice["text"]
        for chunk in chunks(lines)
        for choice in chunk["choices"]
    )


def tokens(*pieces: str) -> list[LaneEvent]:
    """The text so far, piece by piece."""
    return [Tokens(text) for text in accumulate(pieces)]


def error_of(lines: list[str]) -> dict[str, Any]:
    assert lines[-1].startswith("event: error\ndata: ")
    found: dict[str, Any] = json.loads(lines[-1].partition("data: ")[2])["error"]
    return found


async def test_tokens_come_first_and_the_verdict_confirms_them(store: Store) -> None:
    lines = await streamed(store, [Accepted(), *tokens("Hello", " you"), *said("Hello you.")])
    assert text_of(lines) == "Hello you."
    assert lines[-1] == "data: [DONE]\n\n"
    first, *_, finish, usage = chunks(lines)
    assert first["choices"][0]["delta"]["role"] == "assistant"
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert (usage["usage"]["prompt_tokens"], usage["usage"]["completion_tokens"]) == (7, 3)
    assert {chunk["id"] for chunk in chunks(lines)} == {first["id"]}


@pytest.mark.parametrize("pieces", [["one STOP two"], ["one S", "TOP two"], list("one STOP two")])
async def test_a_stop_is_never_shown_however_the_tokens_fall(store: Store, pieces: list[str]) -> None:
    events = [Accepted(), *tokens(*pieces), *said("one STOP two")]
    lines = await streamed(store, events, stops=["STOP", "never"])
    assert text_of(lines) == "one "
    assert lines[-1] == "data: [DONE]\n\n"


async def test_what_could_have_been_a_stop_is_shown_when_it_was_none(store: Store) -> None:
    lines = await streamed(store, [*tokens("a ST", "ART"), *said("a START")], stops=["STOP"])
    assert text_of(lines) == "a START"


async def test_another_answer_than_was_streamed_is_an_error(store: Store) -> None:
    lines = await streamed(store, [Accepted(), Tokens("Hello"), *said("Goodbye")])
    assert error_of(lines)["code"] == "answer.overruled"
    assert "data: [DONE]\n\n" not in lines


@pytest.mark.parametrize("told", ["Hello", "Goodbye, and more"])
async def test_what_was_taken_back_costs_its_reader_nothing(store: Store, told: str) -> None:
    lane = ScriptedLane([Accepted(), Tokens(told), *said("Goodbye")])
    async with carrying(store, lane) as (book, carrier):
        task = await accepted(book, Keys(store))
        carrier.carry(task)
        (done,) = await carrier.decided([task.id], 5, ended=True)
    assert (done.status, done.cost, done.error_code) == ("failed", 0, "answer.overruled")
    # The proof of who said what is kept; the answer is not given away.
    assert (done.payload, done.receipt) == (None, '{"proof":1}')
    key = await Keys(store).get(task.key_id)
    assert (key.spent, key.reserved) == (0, 0)


async def test_a_stream_that_begins_anew_goes_on_where_it_was(store: Store, monkeypatch: Any) -> None:
    monkeypatch.setattr(carrier_module, "FIRST_RETRY_S", 0.01)
    trouble = MLBridgeError("chain.unreachable", "No answer.")
    lane = ScriptedLane(
        [Accepted(), *tokens("Hel", "lo")],
        [Accepted(), *tokens("H"), trouble],
        [Accepted(), *tokens("H", "ello y"), *said("Hello you.")],
    )
    lines = await read(store, lane)
    assert text_of(lines) == "Hello you."
    assert lines[-1] == "data: [DONE]\n\n"


async def test_another_try_that_says_something_else_is_not_shown(store: Store, monkeypatch: Any) -> None:
    monkeypatch.setattr(carrier_module, "FIRST_RETRY_S", 0.01)
    trouble = MLBridgeError("chain.unreachable", "No answer.")
    lane = ScriptedLane(
        [Accepted(), *tokens("Hello"), trouble], [Accepted(), *tokens("Good", "bye"), *said("Goodbye")]
    )
    lines = await read(store, lane)
    assert "bye" not in text_of(lines)
    assert error_of(lines)["code"] == "answer.overruled"


async def test_a_refund_after_the_first_token_is_an_error(store: Store) -> None:
    lines = await streamed(store, [Accepted(), Tokens("Hello"), Refunded(0, "no verdict")])
    assert error_of(lines)["code"] == "answer.none"
    assert "data: [DONE]\n\n" not in lines


async def test_a_silent_network_is_commented_and_then_an_error(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COMMENT_S", 0.05)
    monkeypatch.setattr(carrier_module, "LOOK_S", 0.02)
    lines = await streamed(store, [Accepted()], shut=True, wait_s=0.4)
    assert ": waiting for the network\n\n" in lines
    assert error_of(lines)["code"] == "task.timeout"


async def test_completions_stream_text(store: Store) -> None:
    lines = await streamed(store, [Tokens("Hi"), *said("Hi there")], shape=COMPLETION)
    assert text_of(lines) == "Hi there"
    assert {chunk["object"] for chunk in chunks(lines)} == {"text_completion"}
