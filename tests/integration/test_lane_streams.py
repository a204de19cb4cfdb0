"""Streams on the channel lane from model to requester: real members, coordinator, chain; scripted words."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from contracts.laneview import LaneView
from coordinator.engine import Engine
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import agreed, exchange, wire
from mlbridge.protocol.committee import streamer
from mlbridge.protocol.orders712 import draw
from mlbridge.protocol.payload import ChatOutput
from mlbridge.protocol.streams import Kind, Opener, Sealer, StreamOpening
from mlbridge.sdk import AsyncChannel, AsyncClient, ChannelResult, OrderFailedError, StreamMismatchError
from mlbridge.sdk.lane_verify import verify_receipt
from mlbridge.storage import LocalStore
from serve.lane.settings import LaneFault
from tests.support.lane_rooms import LaneStage, lane_stage
from tests.support.lane_shop import running
from tests.support.lane_speakers import PIECES, TEXT, Speakers, speakers
from tests.support.seats import FAST, until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]

ASK: dict[str, Any] = {"kind": "chat", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}
Frames = AsyncGenerator[tuple[Kind, bytes], None]


@dataclass
class Hall:
    """A running coordinator, its members, and a client with a channel."""

    stage: LaneStage
    server: Speakers
    engine: Engine
    channel: AsyncChannel
    view: LaneView

    def stream(self, **choices: Any) -> AsyncGenerator[str | ChannelResult, None]:
        return self.channel.stream(self.stage.rig.model, ASK, **choices)

    def behave(self, fault: LaneFault | None) -> None:
        """All members: which of them streams depends on the order."""
        for account in self.server.speakers:
            self.server.behave(account, fault)

    def forge(self, change: Callable[[Frames], Frames]) -> None:
        """A coordinator that does something to streams."""
        honest = self.channel._door.stream
        self.channel._door.stream = lambda offer: change(honest(offer))  # type: ignore[method-assign]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[LaneStage]:
    async with lane_stage(members=3) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def hall(stage: LaneStage, tmp_path: Path) -> AsyncIterator[Hall]:
    provider = stage.rig.chain.provider
    snapshot = await provider.request("evm_snapshot", [])
    async with (
        speakers(stage.rig, tmp_path / "members") as server,
        running(stage, server, tmp_path) as engine,
    ):
        content, book = LocalStore(tmp_path / "content"), tmp_path / "book.db"
        client = AsyncClient(engine.network, stage.requester, content, policy=FAST, channel_book=book)
        async with client:
            channel = await client.channel(stage.terms.channel(), url=engine.config.local_url)
            yield Hall(stage, server, engine, channel, await LaneView.open(stage.rig.lane))
            await channel.close_connection()
    await provider.request("evm_revert", [snapshot])


def text_of(result: object) -> str:
    assert isinstance(result, ChannelResult), result
    assert isinstance(result.output, ChatOutput)
    return result.output.text


async def heard(found: AsyncIterator[str | ChannelResult]) -> tuple[list[str], ChannelResult]:
    """Pieces and result of what is left of a stream."""
    *pieces, result = [item async for item in found]
    assert isinstance(result, ChannelResult)
    return [str(piece) for piece in pieces], result


async def test_the_first_piece_is_there_before_any_member_has_committed(hall: Hall) -> None:
    stream = hall.stream()
    assert await anext(stream) == PIECES[0]
    # The models have not ended, so nobody has committed and there is no set to reveal to.
    assert not hall.server.voice.go.is_set()
    assert (hall.server.asked("reveals"), hall.server.asked("streams")) == (0, 1)
    hall.server.voice.go.set()
    pieces, result = await heard(stream)
    assert PIECES[0] + "".join(pieces) == text_of(result) == TEXT
    assert (result.confidence, result.sequence) == (1.0, 0)
    report = await verify_receipt(result.receipt, hall.view)
    assert report.failures == []
    # The key that the order names is in the receipt, as everything that was signed.
    assert result.receipt.order.params_digest != "0x" + bytes(32).hex()


async def test_whoever_does_not_ask_gets_no_stream(hall: Hall) -> None:
    hall.server.voice.go.set()
    result = await hall.channel.order(hall.stage.rig.model, ASK)
    assert text_of(result) == TEXT
    assert hall.server.asked("streams") == 0
    assert result.receipt.order.params_digest == "0x" + bytes(32).hex()


async def test_a_streamer_that_says_something_else_is_shown_up_by_the_verdict(hall: Hall) -> None:
    hall.behave("wrong-stream")
    stream = hall.stream()
    assert await anext(stream) == "No. " + PIECES[0]
    hall.server.voice.go.set()
    with pytest.raises(StreamMismatchError) as caught:
        async for _ in stream:
            pass
    assert caught.value.code == "channel.stream_mismatch"
    assert caught.value.streamed.startswith("No. ")
    # The answer itself is right and proved.
    assert text_of(caught.value.result) == TEXT
    assert (await verify_receipt(caught.value.result.receipt, hall.view)).failures == []


async def test_a_stream_of_an_answer_that_nobody_agrees_to_costs_nothing(hall: Hall) -> None:
    epoch = await hall.view.drawing_epoch(hall.channel.terms.opened_in)
    seed = await hall.view.seed(epoch)
    assert seed is not None
    field = hall.view.facts.snapshots.field(hall.stage.rig.model, epoch)
    first = field.arrivals(draw(seed, hall.channel.id, 0), 1)[0]
    hall.server.behave(first, "wrong-result")
    before = (await hall.channel.state()).balance
    stream = hall.stream(tries=1)
    assert await anext(stream) == "No. " + PIECES[0]
    hall.server.voice.go.set()
    with pytest.raises(OrderFailedError):
        async for _ in stream:
            pass
    assert (await hall.channel.state()).balance == before


async def test_a_streamer_that_stops_leaves_the_rest_to_the_verdict(hall: Hall) -> None:
    hall.behave("half-stream")
    hall.server.voice.told = 2
    stream = hall.stream()
    assert await anext(stream) == PIECES[0]
    hall.server.voice.go.set()
    pieces, result = await heard(stream)
    assert pieces == ["".join(PIECES[1:])]
    assert text_of(result) == TEXT


async def swapped(frames: Frames) -> Frames:
    """The second and third frame change places: the opening is the first."""
    opening, first, second = [await anext(frames) for _ in range(3)]
    for item in (opening, second, first):
        yield item
    async for item in frames:
        yield item


async def dropped(frames: Frames) -> Frames:
    place = 0
    async for item in frames:
        place += 1
        if place != 2:
            yield item


async def repeated(frames: Frames) -> Frames:
    async for item in frames:
        yield item
        yield item


async def changed(frames: Frames) -> Frames:
    async for kind, payload in frames:
        yield kind, payload[:-1] + bytes([payload[-1] ^ 1]) if kind is Kind.SEALED else payload


async def truncated(frames: Frames) -> Frames:
    """Cut off after the first piece, the verdict included."""
    for _ in range(2):
        yield await anext(frames)


async def nothing(frames: Frames) -> Frames:
    for item in ():
        yield item


def made_up(hall: Hall) -> Callable[[Frames], Frames]:
    """A coordinator's own stream, sealed to the order's key and opened in the streamer's name."""

    async def forged(frames: Frames) -> Frames:
        offer = exchange.parse_offer(hall.channel._book.open_orders(hall.channel.id)[-1].offer)
        order, domain = offer.order.message, hall.view.lane.domain
        seed = await hall.view.seed(order.epoch)
        assert seed is not None
        assert offer.stream is not None
        account = streamer(order, seed, hall.view.facts.snapshots)
        sealer = Sealer(order.digest(domain), account, offer.stream)
        opening = wire.sign(sealer.opening, domain, bytes(hall.stage.coordinator.key))
        yield Kind.SEALED, opening.to_bytes()
        yield Kind.SEALED, sealer.seal("No. ", last=True)
        async for kind, payload in frames:
            if kind is Kind.TOLD:
                yield kind, payload

    return forged


@pytest.mark.parametrize("change", [swapped, dropped, repeated, changed, truncated, nothing, made_up])
async def test_whatever_a_coordinator_does_to_a_stream_no_false_word_is_heard(
    hall: Hall, change: Any
) -> None:
    hall.server.voice.told = 3
    hall.forge(change(hall) if change is made_up else change)
    hall.server.voice.go.set()
    pieces, result = await heard(hall.stream())
    assert "".join(pieces) == text_of(result) == TEXT
    assert result.confidence == 1.0


async def test_nobody_between_them_reads_a_word(hall: Hall) -> None:
    passed: list[tuple[Kind, bytes]] = []

    async def kept(frames: Frames) -> Frames:
        async for item in frames:
            passed.append(item)
            yield item

    hall.forge(kept)
    hall.server.voice.told = 3
    stream = hall.stream()
    seen = ""
    while seen != TEXT:
        seen += str(await anext(stream))
    sealed = [payload for kind, payload in passed if kind is Kind.SEALED]
    opening = wire.parse(sealed[0], StreamOpening).message
    assert all(piece.encode() not in payload for piece in (*PIECES, TEXT) for payload in sealed)
    # Another member has the order, and its own keys; neither opens anything.
    for member in hall.stage.rig.members:
        for secret in (bytes(member.node.key), agreed.new_key()[0]):
            with pytest.raises(MLBridgeError):
                Opener(secret, opening).open(sealed[1])
    hall.server.voice.go.set()
    await heard(stream)


async def test_a_requester_that_hangs_up_finds_its_answer_later(hall: Hall) -> None:
    stream = hall.stream(idempotency_key="k")
    assert await anext(stream) == PIECES[0]
    await stream.aclose()

    async def let_go() -> bool:
        assert hall.engine.lane is not None
        return not hall.engine.lane._relay._listeners

    await until(let_go)
    hall.server.voice.go.set()
    (found,) = await hall.channel.resume()
    assert (text_of(found), found.idempotency_key) == (TEXT, "k")
    # The key is done with: asked again there is no stream, but its answer.
    pieces, again = await heard(hall.stream(idempotency_key="k"))
    assert ("".join(pieces), again.order) == (TEXT, found.order)


async def test_a_coordinator_lends_an_order_few_ears(hall: Hall) -> None:
    stream = hall.stream()
    await anext(stream)
    offer = hall.channel._book.open_orders(hall.channel.id)[-1].offer
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(3):
            frames = await stack.enter_async_context(contextlib.aclosing(hall.channel._door.stream(offer)))
            assert (await anext(frames))[0] is Kind.SEALED
        with pytest.raises(MLBridgeError) as caught:
            await anext(hall.channel._door.stream(offer))
        assert caught.value.code == "lane.listeners"
    hall.server.voice.go.set()
    _, result = await heard(stream)
    assert text_of(result) == TEXT
