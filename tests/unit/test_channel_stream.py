"""What a requester is told of a stream, and when the verdict takes it back."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import MAX_OUTPUT_BYTES
from mlbridge.sdk import StreamMismatchError
from mlbridge.sdk.channel_stream import Ear, Hear, Latest, as_pieces


def result(text: str | None) -> Any:
    """A verdict's answer; None: one without text."""
    return SimpleNamespace(output=SimpleNamespace() if text is None else SimpleNamespace(text=text))


def heard(*pieces: str) -> tuple[Ear, list[str]]:
    told: list[str] = []
    ear = Ear(told.append)
    for piece in pieces:
        ear.piece(piece)
    return ear, told


def test_the_text_so_far_is_told_and_the_rest_with_the_verdict() -> None:
    ear, told = heard("Hel", "", "lo")
    assert told == ["Hel", "Hello"]
    ear.check(result("Hello, you."))
    assert told == ["Hel", "Hello", "Hello, you."]


@pytest.mark.parametrize("answer", ["Goodbye", "Hell", "hello", "", None])
def test_an_answer_that_does_not_begin_so_takes_it_back(answer: str | None) -> None:
    ear, told = heard("Hello")
    with pytest.raises(StreamMismatchError) as caught:
        ear.check(result(answer))
    assert (caught.value.code, caught.value.streamed) == ("channel.stream_mismatch", "Hello")
    assert caught.value.result.output is not None
    assert told == ["Hello"]


@pytest.mark.parametrize("answer", ["Hello", None])
def test_who_was_told_nothing_has_nothing_to_take_back(answer: str | None) -> None:
    ear, told = heard()
    ear.check(result(answer))
    assert told == ([] if answer is None else [answer])


def test_another_order_goes_on_where_the_one_before_was_heard_or_keeps_still() -> None:
    ear, told = heard("Hello")
    ear.begin()
    for piece in ("He", "llo, ", "you."):
        ear.piece(piece)
    ear.begin()
    ear.piece("Goodbye, all of you.")
    assert told == ["Hello", "Hello, ", "Hello, you."]
    ear.check(result("Hello, you."))


def test_a_stream_has_no_more_text_than_an_answer_may() -> None:
    ear, _ = heard("é" * (MAX_OUTPUT_BYTES // 2))
    with pytest.raises(MLBridgeError) as caught:
        ear.piece("x")
    assert caught.value.code == "stream.broken"


async def test_a_slow_reader_finds_all_of_it_in_the_newest_text() -> None:
    latest = Latest()
    for text in ("H", "He", "Hello"):
        latest.hear(text)
    texts = latest.texts()
    assert await anext(texts) == "Hello"
    waiting = asyncio.ensure_future(anext(texts))
    latest.hear("Hello.")
    assert await waiting == "Hello."
    latest.hear("Hello. Bye.")
    latest.end()
    assert [text async for text in texts] == ["Hello. Bye."]


async def test_pieces_come_one_by_one_and_the_result_last() -> None:
    let: asyncio.Queue[str | None] = asyncio.Queue()

    async def order(hear: Hear) -> Any:
        while (text := await let.get()) is not None:
            hear(text)
        return result("Hello")

    found = as_pieces(order)
    for text, piece in (("Hel", "Hel"), ("Hello", "lo")):
        let.put_nowait(text)
        assert await anext(found) == piece
    let.put_nowait(None)
    assert [item async for item in found] == [result("Hello")]


async def test_whoever_stops_reading_gives_it_up() -> None:
    given_up = asyncio.Event()

    async def order(hear: Hear) -> Any:
        hear("Hel")
        try:
            await asyncio.sleep(3600)
        finally:
            given_up.set()

    found = as_pieces(order)
    assert await anext(found) == "Hel"
    await found.aclose()
    assert given_up.is_set()
