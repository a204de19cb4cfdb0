"""Signed orders at a gateway: what one requester may hold, and what refusals say."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from gateway.orders import MOST_WAITING, SignedOrders
from gateway.refusals import status_of
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.answers import Told
from mlbridge.protocol.exchange import Offer
from mlbridge.protocol.signatures import address_of
from mlbridge.protocol.wire import sign
from tests.support.lane_order import Parties


class SlowDoor:
    """A coordinator that answers once it is let. fails: with this instead."""

    url = "http://coordinator"

    def __init__(self, fails: MLBridgeError | None = None) -> None:
        self.gate, self.asked, self._fails = asyncio.Event(), asyncio.Semaphore(0), fails

    async def order(self, offer: bytes, wait_s: float) -> Told:
        self.asked.release()
        await self.gate.wait()
        if self._fails is not None:
            raise self._fails
        return Told("open")


def orders_with(door: Any) -> SignedOrders:
    nobody: Any = None
    return SignedOrders(nobody, door, nobody)


def offer_of(parties: Parties, **terms: Any) -> Offer:
    world = parties.world
    signed = sign(parties.order, world.domain, world.requester_key)
    return Offer(signed, dataclasses.replace(world.terms(), **terms), b"input")


async def test_one_requester_does_not_hold_every_connection() -> None:
    door, parties = SlowDoor(), Parties()
    orders, offer = orders_with(door), offer_of(parties)
    waiting = [asyncio.create_task(orders.told(offer, 30)) for _ in range(MOST_WAITING)]
    other = offer_of(parties, requester=address_of(bytes([7] * 32)))
    waiting.append(asyncio.create_task(orders.told(other, 30)))
    for _ in waiting:
        await door.asked.acquire()
    with pytest.raises(MLBridgeError, match="wait for their verdicts already") as refused:
        await orders.told(offer, 30)
    assert status_of(refused.value, openai=False) == 429
    door.gate.set()
    assert {told.state for told in await asyncio.gather(*waiting)} == {"open"}
    assert (await orders.told(offer, 30)).state == "open"


async def test_an_answer_that_cannot_be_read_is_not_the_requesters_fault() -> None:
    door = SlowDoor(MLBridgeError("message.malformed", "The answer cannot be read.", exit_code=2))
    door.gate.set()
    with pytest.raises(MLBridgeError) as refused:
        await orders_with(door).told(offer_of(Parties()), 30)
    assert (refused.value.code, status_of(refused.value, openai=False)) == ("coordinator.lie", 502)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("channel.lie", 502),
        ("lane.full", 503),
        ("lane.not_settled", 404),
        ("lane.sequence_taken", 422),
        ("lane.unknown_order", 404),
        ("order.deadline", 422),
        ("order.epoch", 422),
        ("order.funds", 402),
        ("order.paused", 503),
        ("order.seed", 503),
        ("order.sequence_ahead", 503),
        ("order.signature", 403),
    ],
)
def test_a_refusal_says_whether_the_same_order_may_be_sent_again(code: str, status: int) -> None:
    """Whatever exit code it came with: over HTTP a coordinator's codes are all that is left of it."""
    for exit_code in (1, 2, 4, 6):
        assert status_of(MLBridgeError(code, "no", exit_code=exit_code), openai=False) == status
