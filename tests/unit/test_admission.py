"""What a member or coordinator checks before it spends anything on an order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.admission import ChannelFacts, LaneFacts, admit, require_price, require_sequence
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
    found = admit(order, CHANNEL, LANE, seconds=30)
    assert found.accounts == tuple(WORLD.committee(order.message))
    weight = WORLD.snapshots.weight
    assert found.weights == tuple(weight(WORLD.model, WORLD.epoch, account) for account in found.accounts)
    assert found.digest == order.message.digest(WORLD.domain)
    assert found.settle_by == order.message.deadline + 600
    assert (found.order, found.order_signature) == (order.message, order.signature)


OTHER = keccak(b"another order")


@pytest.mark.parametrize(
    ("code", "order", "channel", "lane", "seconds"),
    [
        ("channel", {"channel": 1}, {}, {}, 0.0),
        ("policy", {"policy": Policy.NUMERIC}, {}, {}, 0.0),
        ("seats", {"seats": 2}, {}, {}, 0.0),
        ("seats", {"seats": 16}, {}, {}, 0.0),
        ("epoch", {"epoch": 4}, {}, {}, 0.0),
        ("epoch", {"epoch": 7}, {}, {}, 0.0),
        ("epoch", {}, {}, {"epoch": 9}, 0.0),
        ("deadline", {}, {}, {}, 61.0),
        ("deadline", {"deadline": WORLD.now - 1}, {}, {}, 0.0),
        ("sequence", {"sequence": 2}, {}, {}, 0.0),
        ("sequence", {"sequence": 5}, {}, {}, 0.0),
        ("sequence_ahead", {"sequence": 67}, {}, {}, 0.0),
        ("params", {"params_digest": OTHER}, {}, {}, 0.0),
        ("closing", {}, {"closing": True}, {}, 0.0),
        ("paused", {}, {}, {"paused": True}, 0.0),
        ("signature", {"key": keccak(b"somebody")}, {}, {}, 0.0),
        ("price", {"max_fee": 10**12}, {}, {}, 0.0),
        ("funds", {"max_fee": 10 * FEE + 1}, {}, {}, 0.0),
        ("model", {"model_id": OTHER}, {}, {}, 0.0),
        ("seed", {}, {}, {"seeds": {}}, 0.0),
    ],
    ids=str,
)
def test_what_is_not_taken(
    code: str, order: dict[str, Any], channel: dict[str, Any], lane: dict[str, Any], seconds: float
) -> None:
    with pytest.raises(MLBridgeError) as caught:
        admit(signed(**order), replace(CHANNEL, **channel), replace(LANE, **lane), seconds=seconds)
    assert caught.value.code == f"order.{code}"


def test_a_signature_that_is_none() -> None:
    with pytest.raises(MLBridgeError) as caught:
        admit(replace(signed(), signature=bytes(65)), CHANNEL, LANE, seconds=0)
    assert caught.value.code == "order.signature"


def test_what_a_member_wants_beyond_it() -> None:
    order, terms = signed().message, WORLD.terms()
    require_price(order, terms, WORLD.snapshots, FEE // 4)
    with pytest.raises(MLBridgeError) as poor:
        require_price(order, terms, WORLD.snapshots, FEE // 3)
    assert poor.value.code == "order.price"
    require_sequence(order, 3, 0, covered=3)
    with pytest.raises(MLBridgeError) as covered:
        require_sequence(order, 3, 0, covered=4)
    assert covered.value.code == "order.sequence"


def test_too_few_accounts_for_the_committee() -> None:
    with pytest.raises(MLBridgeError) as caught:
        admit(signed(seats=9), CHANNEL, LANE, seconds=0)
    assert caught.value.code == "committee.too_few"
