"""What a member or coordinator checks before it spends anything on an order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.admission import ChannelFacts, LaneFacts, Wants, admit
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.orders712 import TaskOrder
from mlbridge.protocol.types import Policy
from mlbridge.protocol.wire import Signed, sign
from tests.support.settled import FEE, World

WORLD = World.made(channels=2)
CHANNEL = ChannelFacts(WORLD.terms(), balance=10 * FEE, floor=3, window=0b100, closing=False)
LANE = LaneFacts(
    WORLD.domain, WORLD.snapshots, WORLD.seeds, WORLD.facts.operators, WORLD.epoch, WORLD.now, 600, 3
)


def signed(key: bytes = WORLD.requester_key, **changes: Any) -> Signed[TaskOrder]:
    return sign(WORLD.order(changes.pop("sequence", 3), **changes), WORLD.domain, key)


def test_an_order_that_can_be_done_settled_and_paid() -> None:
    order = signed()
    found = admit(order, CHANNEL, LANE, Wants(seconds=30))
    assert found.accounts == tuple(WORLD.committee(order.message))
    weight = WORLD.snapshots.weight
    assert found.weights == tuple(weight(WORLD.model, WORLD.epoch, account) for account in found.accounts)
    assert found.digest == order.message.digest(WORLD.domain)
    assert found.settle_by == order.message.deadline + 600
    assert (found.order, found.order_signature) == (order.message, order.signature)
    member = Wants(account=found.accounts[0], seat_fee=FEE // 4)
    assert admit(order, CHANNEL, LANE, member) == found


OUTSIDER = next(account for account in WORLD.keys if account not in WORLD.committee(WORLD.order(3)))
OTHER = keccak(b"another order")


@pytest.mark.parametrize(
    ("code", "order", "channel", "lane", "wants"),
    [
        ("channel", {"channel": 1}, {}, {}, {}),
        ("policy", {"policy": Policy.NUMERIC}, {}, {}, {}),
        ("seats", {"seats": 2}, {}, {}, {}),
        ("seats", {"seats": 16}, {}, {}, {}),
        ("epoch", {"epoch": 4}, {}, {}, {}),
        ("epoch", {"epoch": 7}, {}, {}, {}),
        ("epoch", {}, {}, {"epoch": 9}, {}),
        ("deadline", {}, {}, {}, {"seconds": 61}),
        ("deadline", {"deadline": WORLD.now - 1}, {}, {}, {}),
        ("sequence", {"sequence": 2}, {}, {}, {}),
        ("sequence", {"sequence": 5}, {}, {}, {}),
        ("sequence", {"sequence": 67}, {}, {}, {}),
        ("sequence", {}, {"taken": {3: OTHER}}, {}, {}),
        ("closing", {}, {"closing": True}, {}, {}),
        ("signature", {"key": keccak(b"somebody")}, {}, {}, {}),
        ("price", {"max_fee": 10**12}, {}, {}, {}),
        ("price", {}, {}, {}, {"seat_fee": FEE // 3}),
        ("funds", {"max_fee": 10 * FEE + 1}, {}, {}, {}),
        ("funds", {}, {"in_flight": 10 * FEE}, {}, {}),
        ("model", {"model_id": OTHER}, {}, {}, {}),
        ("seed", {}, {}, {"seeds": {}}, {}),
        ("no_seat", {}, {}, {}, {"account": OUTSIDER}),
    ],
    ids=str,
)
def test_what_is_not_taken(
    code: str, order: dict[str, Any], channel: dict[str, Any], lane: dict[str, Any], wants: dict[str, Any]
) -> None:
    with pytest.raises(MLBridgeError) as caught:
        admit(signed(**order), replace(CHANNEL, **channel), replace(LANE, **lane), Wants(**wants))
    assert caught.value.code == f"order.{code}"


def test_a_signature_that_is_none() -> None:
    with pytest.raises(MLBridgeError) as caught:
        admit(replace(signed(), signature=bytes(65)), CHANNEL, LANE, Wants())
    assert caught.value.code == "order.signature"


def test_the_same_order_again_is_the_same() -> None:
    order = signed()
    taken = {3: order.message.digest(WORLD.domain)}
    assert admit(order, replace(CHANNEL, taken=taken), LANE, Wants()).order == order.message


def test_too_few_accounts_for_the_committee() -> None:
    with pytest.raises(MLBridgeError) as caught:
        admit(signed(seats=9), CHANNEL, LANE, Wants())
    assert caught.value.code == "committee.too_few"
