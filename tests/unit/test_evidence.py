"""Evidence of settled orders: its hash, and what it proves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode as abi_encode
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.evidence import Evidence, Outcome, SeatProof, is_fit, prove
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.signatures import sign_digest
from mlbridge.protocol.types import Policy
from tests.support.settled import FEE, World

TERMS = "(address,address,uint32,uint16,uint16,bytes32)"
ORDER = "(bytes32,uint32,uint32,bytes32,bytes32,bytes32,uint8,uint8,uint96,uint40)"
EVIDENCE = f"({TERMS},{ORDER},bytes,bytes32,(uint32,bytes32,bytes)[])"
OUTCOME = "(bytes32,address,uint96,uint96,uint96,uint96,uint96,uint32[])"

WORLD = World.made()
words = st.binary(min_size=32, max_size=32)
uint32 = st.integers(0, 2**32 - 1)
uint96 = st.integers(0, 2**96 - 1)
seats = st.builds(SeatProof, uint32, words, st.binary(max_size=70))


@settings(deadline=None)
@given(st.binary(max_size=100), words, st.lists(seats, max_size=6), uint96)
def test_evidence_hashes_as_solidity_encodes_it(
    signature: bytes, result: bytes, drawn: list[SeatProof], fee: int
) -> None:
    evidence = Evidence(WORLD.terms(), WORLD.order(3, max_fee=fee), signature, result, tuple(drawn))
    assert evidence.hash() == keccak(abi_encode([EVIDENCE], [evidence.as_tuple()]))


@settings(deadline=None)
@given(words, st.lists(uint96, min_size=5, max_size=5), st.lists(uint32, max_size=7))
def test_outcomes_hash_as_solidity_encodes_them(order: bytes, fees: list[int], winners: list[int]) -> None:
    outcome = Outcome(order, WORLD.coordinator, *fees, winners=tuple(winners))
    assert outcome.hash() == keccak(abi_encode([OUTCOME], [outcome.as_tuple()]))


def test_what_three_of_three_are_paid() -> None:
    order = WORLD.order(0)
    outcome = prove(WORLD.evidence(order), WORLD.facts)
    assert outcome.order == order.digest(WORLD.domain)
    assert outcome.winners == tuple(WORLD.committee(order))
    assert (outcome.coordinator_fee, outcome.protocol_fee) == (FEE * 300 // 10_000, FEE * 500 // 10_000)
    assert outcome.model_fee == 10**12
    paid = outcome.coordinator_fee + outcome.protocol_fee + outcome.model_fee + 3 * outcome.seat_fee
    assert outcome.debit == paid <= FEE < paid + 3


def test_a_silent_seat_of_five_is_not_paid() -> None:
    order = WORLD.order(1, seats=5)
    outcome = prove(WORLD.evidence(order, silent=[2]), WORLD.facts)
    everybody = WORLD.committee(order)
    assert outcome.winners == tuple(account for account in everybody if account != everybody[2])
    assert outcome.debit == prove(WORLD.evidence(order), WORLD.facts).debit - outcome.seat_fee


def refused(evidence: Evidence) -> str:
    with pytest.raises(MLBridgeError) as caught:
        prove(evidence, WORLD.facts)
    assert caught.value.code == "evidence.invalid"
    return str(caught.value.context["reason"])


def forged(**changes: Any) -> Evidence:
    return replace(WORLD.evidence(WORLD.order(0)), **changes)


def ordered(**changes: Any) -> Evidence:
    return WORLD.evidence(WORLD.order(0, **changes))


def seat(place: int, **changes: Any) -> Evidence:
    evidence = WORLD.evidence(WORLD.order(0))
    listed = list(evidence.seats)
    listed[place] = replace(listed[place], **changes)
    return replace(evidence, seats=tuple(listed))


def test_what_does_not_prove() -> None:
    good = WORLD.evidence(WORLD.order(0))
    other = World.made()
    other.requester_key = keccak(b"somebody else")
    digest = good.order.digest(WORLD.domain)
    assert refused(forged(terms=replace(good.terms, coordinator_share=301))) == "WrongChannel"
    assert refused(ordered(policy=Policy.NUMERIC)) == "PolicyNotSettled"
    young = WORLD.order(0, epoch=WORLD.opened_in)
    assert refused(WORLD.evidence(young, accounts=[2, 4, 6])) == "ChannelTooYoung"
    assert refused(forged(order_signature=sign_digest(digest, keccak(b"x")))) == "BadOrderSignature"
    assert refused(forged(order_signature=b"")) == "BadOrderSignature"
    assert refused(forged(order=replace(good.order, max_fee=FEE + 1))) == "BadOrderSignature"
    assert refused(forged(seats=good.seats[:2])) == "BadCommittee"
    assert refused(forged(seats=good.seats[::-1])) == "BadCommittee"
    assert refused(forged(seats=(good.seats[0],) * 3)) == "BadCommittee"
    assert refused(seat(1, account=good.seats[1].account + 1)) == "BadCommittee"
    assert refused(seat(1, word=keccak(b"another salt"))) == "BadSeatSignature"
    assert refused(seat(1, signature=good.seats[0].signature)) == "BadSeatSignature"
    assert refused(forged(result=keccak(b"other"))) == "BadSeatSignature"
    assert refused(WORLD.evidence(good.order, silent=[0])) == "NoVerdict"
    assert refused(WORLD.evidence(WORLD.order(0, seats=5), silent=[0, 1])) == "NoVerdict"
    assert refused(ordered(max_fee=10**12)) == "FeeTooLow"


def test_models_and_accounts_must_have_been_recorded() -> None:
    accounts = WORLD.committee(WORLD.order(0))
    unknown = WORLD.order(0, model_id=keccak(b"another model"))
    assert refused(WORLD.evidence(unknown, accounts=accounts)) == "ModelNotRecorded"
    world = World.made()
    world.snapshots.record_weight(world.model, accounts[0], 6, 0)
    with pytest.raises(MLBridgeError) as caught:
        prove(WORLD.evidence(WORLD.order(0), accounts=accounts), world.facts)
    assert caught.value.context["reason"] == "NotEligible"


@pytest.mark.parametrize(
    ("time", "epoch", "fit"),
    [(0, 6, True), (660, 6, True), (661, 6, False), (0, 5, False), (0, 8, True), (0, 9, False)],
)
def test_when_an_order_can_be_settled(time: int, epoch: int, fit: bool) -> None:
    assert is_fit(WORLD.order(0), WORLD.now + time, epoch, 600, 3) is fit
