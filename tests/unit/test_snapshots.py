"""Weights and prices by epoch, and the committees that follow from them."""

from __future__ import annotations

import pytest

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import race
from mlbridge.protocol.committee import arrivals, draw_of, outrunners, seated
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.orders712 import TaskOrder
from mlbridge.protocol.snapshots import ModelTerms, Snapshots
from mlbridge.protocol.types import Policy

MODEL, OTHER, SEED = keccak(b"model"), keccak(b"other"), keccak(b"seed")
PROVIDER = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


def order(epoch: int, seats: int = 3, sequence: int = 7) -> TaskOrder:
    return TaskOrder(keccak(b"c"), sequence, epoch, MODEL, bytes(32), bytes(32), seats, Policy.EXACT, 1, 1)


def recorded(weights: dict[int, int], epoch: int = 5) -> Snapshots:
    found = Snapshots()
    for account, weight in weights.items():
        found.record_weight(MODEL, account, epoch, weight)
    return found


def test_a_record_counts_from_its_epoch_on_until_the_next() -> None:
    found = recorded({2: 10})
    found.record_weight(MODEL, 2, 8, 30)
    found.record_weight(MODEL, 2, 8, 20)
    assert [found.weight(MODEL, epoch, 2) for epoch in (0, 4, 5, 7, 8, 99)] == [0, 0, 10, 10, 20, 20]
    assert found.weight(MODEL, 9, 4) == found.weight(OTHER, 9, 2) == 0


def test_records_out_of_order_are_refused() -> None:
    found = recorded({2: 10})
    with pytest.raises(MLBridgeError) as caught:
        found.record_weight(MODEL, 2, 4, 1)
    assert caught.value.code == "snapshots.order"


def test_terms() -> None:
    found = Snapshots()
    assert found.terms(MODEL, 9) is None
    found.record_model(MODEL, 5, PROVIDER, 10**12)
    found.record_model(MODEL, 7, PROVIDER, None)
    found.record_model(MODEL, 8, PROVIDER, 0)
    price = ModelTerms(10**12, PROVIDER)
    assert [found.terms(MODEL, epoch) for epoch in (4, 5, 6, 7)] == [None, price, price, None]
    assert found.terms(MODEL, 8) == ModelTerms(0, PROVIDER)


def test_a_later_record_changes_later_draws_alone() -> None:
    found = recorded({2: 10, 4: 10, 6: 10, 8: 10})
    before = found.field(MODEL, 5), found.field(MODEL, 6)
    assert found.field(MODEL, 5) is before[0]
    found.record_weight(MODEL, 8, 6, 0)
    assert found.field(MODEL, 5) is before[0]
    assert len(found.field(MODEL, 5)) == 4
    assert len(found.field(MODEL, 6)) == 3


def test_old_fields_are_made_again() -> None:
    found = recorded({2: 10})
    for epoch in range(5, 200):
        assert len(found.field(MODEL, epoch)) == 1
    assert found.field(MODEL, 5).weight(2) == 10


def test_committee() -> None:
    weights = {2 * i: 100 + i for i in range(1, 30)}
    found = recorded(weights)
    asked = order(5, seats=5)
    committee = seated(asked, SEED, found)
    assert committee == race.committee(draw_of(asked, SEED), weights, 5) == sorted(committee)
    assert sorted(arrivals(asked, SEED, found, 29)) == sorted(weights)
    assert sorted(arrivals(asked, SEED, found, 29)[:5]) == committee
    outside = next(account for account in weights if account not in committee)
    assert outrunners(asked, SEED, found, outside) == committee
    assert outrunners(asked, SEED, found, 9_999) == committee
    assert outrunners(asked, SEED, found, committee[0]) is None
    assert seated(order(5, seats=5, sequence=8), SEED, found) != committee


def test_too_few_to_seat() -> None:
    found = recorded({2: 1, 4: 1})
    with pytest.raises(MLBridgeError) as caught:
        seated(order(5), SEED, found)
    assert caught.value.code == "committee.too_few"
    assert outrunners(order(5), SEED, found, 6) is None
