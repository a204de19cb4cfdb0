"""Whatever a coordinator says or leaves unsaid, an order's seats are asked before it is given up, and no more
often than that is worth.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.answers import Told
from mlbridge.protocol.orders712 import Attestation
from mlbridge.protocol.wire import Signed
from mlbridge.sdk import order_course
from mlbridge.sdk.channel_book import DONE, FAILED, OPEN, ChannelBook, Kept
from mlbridge.sdk.lane_accept import lie
from mlbridge.sdk.lane_fetch import Look
from mlbridge.sdk.order_course import GRACE_S, LONGEST_LOOK_S, TROUBLE_S, OrderCourse, OrderFailedError
from tests.support.lane_members import ACCOUNTS, NOW, digest_of, offer_of, order_of

TIME_S = 60
OFFER = offer_of(order_of(deadline=NOW + TIME_S))
CHANNEL = OFFER.order.message.channel
RIGHT, WRONG = Told("decided", output=b"right"), Told("decided", output=b"wrong")
GONE = Told("decided", output="bafk-that-nobody-stores")
UNREACHABLE = MLBridgeError("coordinator.unreachable", "It does not answer.")
REFUSED = MLBridgeError("order.price", "Too cheap.", exit_code=4)

_sleep = asyncio.sleep


class Receipt:
    """Of an accepted answer."""

    def to_bytes(self) -> bytes:
        return b"receipt"


@dataclass
class Play:
    """Coordinator, seats and chain. says: what the coordinator does, in turn, the last for ever; waits: how
    long it was given each time; seats: what a look finds, in turn; looks: when they were asked, in seconds of
    the order's time.
    """

    says: list[Told | MLBridgeError]
    seats: list[Callable[[Look], None]] = field(default_factory=list)
    clock: float = float(NOW)
    waits: list[float] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)
    url: str = "http://coordinator"

    def now(self) -> float:
        return self.clock

    async def refresh(self) -> None:
        return

    async def order(self, offer: bytes, wait_s: float) -> Told:
        said = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        self.waits.append(wait_s)
        if isinstance(said, MLBridgeError):
            raise said
        if said.state == "open":
            self.clock += wait_s
        return said

    async def look(self, offer: object) -> Look:
        self.looks.append(self.clock - NOW)
        look = Look(digest_of(OFFER.order.message), ACCOUNTS)
        if self.seats:
            (self.seats.pop(0) if len(self.seats) > 1 else self.seats[0])(look)
        return look

    @property
    def facts(self) -> Any:
        """What is asked of the chain beside its time: it is away."""
        raise MLBridgeError("rpc.unreachable", "The chain is away.")

    async def sleep(self, seconds: float) -> None:
        self.clock += seconds
        await _sleep(0)


def have_it(look: Look) -> None:
    look.told = RIGHT


def wait(look: Look) -> None:
    look.waiting = set(ACCOUNTS)


def know_nothing(look: Look) -> None:
    look.unknown = set(ACCOUNTS)


async def accept(offer: object, told: Told, view: object, fetch: object) -> tuple[Receipt, object]:
    if told == WRONG:
        raise lie("its answer is not the one that the seats attested")
    if told == GONE:
        raise MLBridgeError("content.missing", "Nobody stores it.")
    return Receipt(), told.output


@dataclass
class Stage:
    """One order in a book."""

    book: ChannelBook
    kept: Kept

    async def carry(self, play: Play, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setattr(order_course, "accept_answer", accept)
        monkeypatch.setattr(asyncio, "sleep", play.sleep)
        made: Any = OrderCourse
        return await made(play, self.book, play, play, None).carry(self.kept)

    @property
    def state(self) -> str:
        (kept,) = self.book.orders(CHANNEL)
        return kept.state


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    book = ChannelBook(tmp_path / "book.db")
    book.put(CHANNEL, chain_id=1, contract="0x", url="http://coordinator")
    kept = book.take(CHANNEL, "k", least=0, kind=None, make=lambda _: OFFER.to_bytes())
    return Stage(book, kept)


async def test_an_honest_answer_asks_no_seat(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    play = Play([RIGHT])
    assert (await stage.carry(play, monkeypatch))[1] == b"right"
    assert (play.looks, stage.state) == ([], DONE)


async def test_a_silent_coordinator_is_left_alone_for_half_of_the_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    play = Play([Told("open")], [have_it])
    assert (await stage.carry(play, monkeypatch))[1] == b"right"
    assert play.waits == [TIME_S / 2]
    assert play.looks == [TIME_S / 2]
    assert stage.state == DONE


async def test_seats_are_asked_less_and_less_and_once_more_in_the_end(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    play = Play([Told("open")], [wait])
    with pytest.raises(OrderFailedError):
        await stage.carry(play, monkeypatch)
    gaps = [later - earlier for earlier, later in zip(play.looks, play.looks[1:], strict=False)]
    assert gaps[:4] == sorted(gaps[:4])
    assert all(1 <= gap <= LONGEST_LOOK_S + 1 for gap in gaps)
    assert play.looks[-1] >= TIME_S + GRACE_S
    assert stage.state == FAILED


@pytest.mark.parametrize(
    "said", [Told("failed", reason="no"), REFUSED, WRONG, GONE], ids=["failed", "refused", "lie", "lost"]
)
async def test_nothing_that_it_says_ends_an_order_that_its_seats_answered(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, said: Told | MLBridgeError
) -> None:
    play = Play([said], [have_it])
    assert (await stage.carry(play, monkeypatch))[1] == b"right"
    assert (play.looks, stage.state) == ([0], DONE)


@pytest.mark.parametrize(
    ("said", "code", "state"),
    [
        (Told("failed", reason="no"), "channel.no_verdict", FAILED),
        (REFUSED, "order.price", FAILED),
        (WRONG, "channel.lie", OPEN),
        (GONE, "content.missing", OPEN),
    ],
    ids=["failed", "refused", "lie", "lost"],
)
async def test_where_the_seats_know_nothing_it_is_heard_at_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, said: Told | MLBridgeError, code: str, state: str
) -> None:
    play = Play([said], [know_nothing])
    with pytest.raises(MLBridgeError) as caught:
        await stage.carry(play, monkeypatch)
    assert (caught.value.code, play.looks, stage.state) == (code, [0], state)


async def test_after_a_lie_seats_that_wait_for_their_set_are_asked_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    play = Play([WRONG], [wait, wait, have_it])
    assert (await stage.carry(play, monkeypatch))[1] == b"right"
    assert (len(play.looks), stage.state) == (3, DONE)


async def test_a_coordinator_that_is_only_started_again_is_waited_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    play = Play([UNREACHABLE, UNREACHABLE, RIGHT], [have_it])
    assert (await stage.carry(play, monkeypatch))[1] == b"right"
    assert play.looks == []


async def test_one_that_stays_away_is_not(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    play = Play([UNREACHABLE], [wait, have_it])
    assert (await stage.carry(play, monkeypatch))[1] == b"right"
    first, second = play.looks
    assert TROUBLE_S <= first < second < TIME_S / 2
    assert stage.state == DONE


async def test_an_order_that_nobody_could_be_asked_about_stays_open(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    play = Play([UNREACHABLE], [know_nothing])
    with pytest.raises(MLBridgeError) as caught:
        await stage.carry(play, monkeypatch)
    assert (caught.value.code, stage.state) == ("coordinator.unreachable", OPEN)
    assert play.looks[-1] >= TIME_S


async def test_one_that_answered_once_needs_nobody(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    play = Play([UNREACHABLE])
    monkeypatch.setattr(order_course.LaneReceipt, "from_bytes", lambda data: data)
    stage.book.done(CHANNEL, stage.kept.sequence, b"receipt")
    (stage.kept,) = stage.book.orders(CHANNEL)
    assert await stage.carry(play, monkeypatch) == (b"receipt", None)
    assert (play.waits, play.looks) == ([], [])


async def test_a_failure_is_written_down_though_who_lied_cannot_be_checked_now(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = digest_of(OFFER.order.message)
    said = tuple(
        Signed(Attestation(order, account, bytes([account]) * 32, bytes(32), bytes(32)), bytes(65))
        for account in ACCOUNTS
    )
    play = Play([Told("failed", reason="the seats disagree", attested=said)], [know_nothing])
    with pytest.raises(OrderFailedError):
        await stage.carry(play, monkeypatch)
    (kept,) = stage.book.orders(CHANNEL)
    assert (kept.state, kept.reason, kept.attested) == (FAILED, "the seats disagree", None)
