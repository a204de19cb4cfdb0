"""A member streams as its model speaks: to its coordinator, sealed for the requester, and changes no seat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import agreed, exchange, signatures, wire
from mlbridge.protocol.committee import streamer
from mlbridge.protocol.exchange import Offer
from mlbridge.protocol.payload import encode_output
from mlbridge.protocol.snapshots import Snapshots
from mlbridge.protocol.streams import FrameReader, Kind, Opener, StreamOpening
from serve.engines.base import Hear
from serve.lane.settings import LaneFault
from tests.support.lane_members import (
    ACCOUNTS,
    DOMAIN,
    MODEL,
    REQUESTER,
    SEED,
    Seat,
    attested,
    closed_by,
    codes,
    digest_of,
    make_seat,
    node_key,
    offer_of,
    order_of,
)

SECRET = bytes(range(32))
TEXT = "Hello, you."


class Speaker:
    """A model that says a piece whenever it is let."""

    def __init__(self) -> None:
        self.let: asyncio.Queue[str | None] = asyncio.Queue()
        self.runs = 0

    async def run(self, data: bytes, hear: Hear | None) -> bytes:
        self.runs += 1
        said = ""
        while (piece := await self.let.get()) is not None:
            said += piece
            if hear is not None:
                hear(piece)
        return chat(said)

    def say(self, *pieces: str | None) -> None:
        for piece in pieces:
            self.let.put_nowait(piece)


def chat(text: str) -> bytes:
    return encode_output("chat", {"token_ids": [1], "text": text, "finish_reason": "stop"})


def streaming_offer(sequence: int = 0) -> Offer:
    key = agreed.public_of(SECRET)
    return offer_of(order_of(sequence, params_digest=exchange.parameters_digest(key)), stream=key)


def streamer_of(offer: Offer) -> int:
    snapshots = Snapshots()
    for account in ACCOUNTS:
        snapshots.record_weight(MODEL, account, 3, 10_000)
    return streamer(offer.order.message, SEED, snapshots)


def speaking(tmp_path: Path, account: int, speaker: Speaker, **changes: Any) -> Seat:
    return make_seat(tmp_path, account, kind="chat", speak=speaker.run, **changes)


class Listener:
    """A requester at the end of a stream."""

    def __init__(self, frames: AsyncIterator[bytes], account: int, order: bytes) -> None:
        self._frames, self._account, self._order = frames, account, order
        self._opener: Opener | None = None

    @property
    def ended(self) -> bool:
        return self._opener is not None and self._opener.ended

    async def piece(self) -> str | None:
        """The next piece; None: nothing more comes."""
        async for data in self._frames:
            ((kind, payload),) = FrameReader().feed(data)
            assert kind is Kind.SEALED
            if self._opener is not None:
                return self._opener.open(payload)
            signed = wire.parse(payload, StreamOpening)
            assert signed.signer(DOMAIN) == signatures.address_of(node_key(self._account))
            assert (signed.message.order, signed.message.account) == (self._order, self._account)
            self._opener = Opener(SECRET, signed.message)
        return None

    async def rest(self) -> str:
        found = ""
        while (piece := await self.piece()) is not None:
            found += piece
        return found


async def listener(seat: Seat, offer: Offer) -> Listener:
    order = digest_of(offer.order.message)
    return Listener(await seat.stream(order), seat.account, order)


async def test_pieces_come_while_the_model_speaks_and_the_commitment_after(tmp_path: Path) -> None:
    offer, speaker = streaming_offer(), Speaker()
    seat = speaking(tmp_path, streamer_of(offer), speaker)
    commit = asyncio.create_task(seat.commit(offer))
    stream = await listener(seat, offer)
    for piece in ("Hel", "lo"):
        speaker.say(piece)
        assert await stream.piece() == piece
    assert not commit.done()
    speaker.say(", you.", None)
    assert codes(await commit) == ["ok"]
    assert await stream.rest() == ", you."
    assert stream.ended
    assert speaker.runs == 1


async def test_who_comes_late_or_twice_hears_it_from_the_beginning(tmp_path: Path) -> None:
    offer, speaker = streaming_offer(), Speaker()
    seat = speaking(tmp_path, streamer_of(offer), speaker)
    commit = asyncio.create_task(seat.commit(offer))
    first = await listener(seat, offer)
    speaker.say("Hello")
    assert await first.piece() == "Hello"
    second = await listener(seat, offer)
    assert await second.piece() == "Hello"
    speaker.say(", you.", None)
    await commit
    after, restarted = await listener(seat, offer), await listener(seat.again(), offer)
    assert [await one.rest() for one in (first, second, after, restarted)] == [", you.", ", you.", TEXT, TEXT]
    assert all(one.ended for one in (first, second, after, restarted))


async def test_a_reader_that_goes_away_stops_nothing(tmp_path: Path) -> None:
    offer, speaker = streaming_offer(), Speaker()
    seat = speaking(tmp_path, streamer_of(offer), speaker)
    commit = asyncio.create_task(seat.commit(offer))
    frames = await seat.stream(digest_of(offer.order.message))
    await anext(frames)
    await frames.aclose()  # type: ignore[attr-defined]
    speaker.say(TEXT, None)
    assert codes(await commit) == ["ok"]


async def test_only_the_streamer_streams(tmp_path: Path) -> None:
    offer, speaker = streaming_offer(), Speaker()
    other = next(account for account in ACCOUNTS if account != streamer_of(offer))
    seat = speaking(tmp_path, other, speaker)
    speaker.say(TEXT, None)
    assert codes(await seat.commit(offer)) == ["ok"]
    with pytest.raises(MLBridgeError) as caught:
        await seat.stream(digest_of(offer.order.message))
    assert caught.value.code == "lane.no_stream"


async def test_an_order_without_a_key_is_not_streamed(tmp_path: Path) -> None:
    offer, speaker = offer_of(order_of()), Speaker()
    seat = speaking(tmp_path, streamer_of(offer), speaker)
    speaker.say(TEXT, None)
    assert codes(await seat.commit(offer)) == ["ok"]
    with pytest.raises(MLBridgeError) as caught:
        await seat.stream(digest_of(offer.order.message))
    assert caught.value.code == "lane.no_stream"


async def test_nobody_but_its_coordinator_gets_even_the_sealed_stream(tmp_path: Path) -> None:
    offer, speaker = streaming_offer(), Speaker()
    seat = speaking(tmp_path, streamer_of(offer), speaker)
    commit = asyncio.create_task(seat.commit(offer))
    await listener(seat, offer)
    order = digest_of(offer.order.message)
    for now in ("while it is made", "afterwards"):
        with pytest.raises(MLBridgeError) as caught:
            await seat.stream(order, key=REQUESTER)
        assert caught.value.code == "lane.unknown_order", now
        if not commit.done():
            speaker.say(TEXT, None)
            await commit
    with pytest.raises(MLBridgeError) as unsigned:
        await seat.member.stream(None, exchange.join([order]))
    assert unsigned.value.code == "request.unsigned"
    two = exchange.join([order, order])
    with pytest.raises(MLBridgeError) as many:
        await seat.member.stream(seat.header(two), two)
    assert many.value.code == "request.malformed"


async def test_an_order_that_nobody_offered_starts_no_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve.lane.member._TO_BEGIN_S", 0.01)
    offer, speaker = streaming_offer(), Speaker()
    seat = speaking(tmp_path, streamer_of(offer), speaker)
    with pytest.raises(MLBridgeError) as caught:
        await seat.stream(digest_of(offer.order.message))
    assert caught.value.code == "lane.unknown_order"
    assert caught.value.context["retry_after"] > 0
    assert speaker.runs == 0


async def test_a_swapped_key_makes_it_another_order(tmp_path: Path) -> None:
    """Whoever is between requester and member cannot have the stream sealed to himself."""
    offer, speaker = streaming_offer(), Speaker()
    seat = speaking(tmp_path, streamer_of(offer), speaker)
    theirs = agreed.new_key()[1]
    swapped = Offer(offer.order, offer.terms, offer.content, theirs)
    resigned = offer_of(
        order_of(params_digest=exchange.parameters_digest(theirs)), key=node_key(4), stream=theirs
    )
    stripped = Offer(offer.order, offer.terms, offer.content, None)
    answers = await seat.commit(swapped, resigned, stripped)
    assert codes(answers) == ["order.params", "order.signature", "order.params"]
    assert speaker.runs == 0


async def test_a_model_that_fails_leaves_a_stream_without_an_end(tmp_path: Path) -> None:
    async def fail(data: bytes, hear: Hear | None) -> bytes:
        assert hear is not None
        hear("Hel")
        raise MLBridgeError("engine.failed", "No memory.")

    offer = streaming_offer()
    seat = make_seat(tmp_path, streamer_of(offer), kind="chat", speak=fail)
    commit = asyncio.create_task(seat.commit(offer))
    stream = await listener(seat, offer)
    assert await stream.rest() == "Hel"
    assert not stream.ended
    assert codes(await commit) == ["engine.failed"]


async def test_text_that_the_answer_takes_back_has_no_end(tmp_path: Path) -> None:
    async def mumble(data: bytes, hear: Hear | None) -> bytes:
        assert hear is not None
        hear("Hem")
        return chat(TEXT)

    offer = streaming_offer()
    seat = make_seat(tmp_path, streamer_of(offer), kind="chat", speak=mumble)
    await seat.commit(offer)
    stream = await listener(seat, offer)
    assert await stream.rest() == "Hem"
    assert not stream.ended


async def test_streaming_changes_nothing_about_the_seat(tmp_path: Path) -> None:
    offer = streaming_offer()
    seats = []
    for account in ACCOUNTS:
        speaker = Speaker()
        speaker.say("Hel", "lo, you.", None)
        seats.append(speaking(tmp_path, account, speaker))
    closed = await closed_by(seats, offer)
    digest = digest_of(offer.order.message)
    for seat in seats:
        (answer,) = await seat.reveal(closed)
        assert attested(answer, seat.account).result == exchange.result_of(DOMAIN, digest, chat(TEXT))


@pytest.mark.parametrize(
    ("fault", "streamed", "ended", "committed"),
    [
        ("wrong-stream", "No. " + TEXT, True, TEXT),
        ("half-stream", "Hel", False, TEXT),
        ("wrong-result", "No. " + TEXT, True, "No. " + TEXT),
    ],
)
async def test_faults_of_a_streamer(
    tmp_path: Path, fault: LaneFault, streamed: str, ended: bool, committed: str
) -> None:
    offer, speaker = streaming_offer(), Speaker()
    seat = speaking(tmp_path, streamer_of(offer), speaker, fault=fault)
    speaker.say("Hel", "lo, you.", None)
    await seat.commit(offer)
    stream = await listener(seat, offer)
    assert await stream.rest() == streamed
    assert stream.ended == ended
    held = seat.store.held(digest_of(offer.order.message))
    assert held is not None
    assert held.output == chat(committed)
