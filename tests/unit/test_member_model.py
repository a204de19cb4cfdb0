"""A member's course: what it signs, when, and what it never signs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlbridge.protocol.course import SILENT, Accuse, End, Keep, Send, Settle
from mlbridge.protocol.evidence import Evidence
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.orders712 import Attestation, Commitment
from tests.support import member_model
from tests.support.lane_order import SETTLE_WINDOW, Parties
from tests.support.member_model import (
    AskEvidence,
    Bound,
    Earned,
    Execute,
    Executed,
    Failed,
    Member,
    Opened,
    Paid,
    Shown,
    Taken,
    Tick,
    advance,
    restore,
)
from tests.support.settled import RESULT, WRONG

PARTIES = Parties()
OURS = PARTIES.accounts[1]
POST = PARTIES.post(OURS)
NOW, DEADLINE = PARTIES.now, float(PARTIES.order.deadline)


def run(*events: Any, state: Member | None = None) -> tuple[Member, list[Any]]:
    """The state after these events, and the effects of the last one."""
    state, effects = state or Member(), []
    for event in events:
        state, effects = advance(POST, state, event)
    return state, effects


TAKEN = Taken(NOW)
DONE = PARTIES.executed(OURS)
CLOSED = PARTIES.closed(PARTIES.words())
COMMITMENT = Send(PARTIES.commitment(OURS).message)
ATTESTATION = Send(PARTIES.attestation(OURS, PARTIES.words()).message)
EVIDENCE = PARTIES.world.evidence(PARTIES.order)


def evidence(**changes: Any) -> Evidence:
    return replace(EVIDENCE, **changes)


def test_the_whole_course() -> None:
    state, effects = run(TAKEN)
    assert effects == [Execute()]
    state, effects = run(DONE, state=state)
    assert effects == [Keep(Bound(RESULT, PARTIES.salt(OURS))), COMMITMENT]
    state, effects = run(CLOSED, state=state)
    assert effects == [Keep(Opened(CLOSED)), ATTESTATION]
    state, effects = run(Shown(EVIDENCE), state=state)
    assert effects == [Keep(Earned(EVIDENCE))]
    state, effects = run(Paid(), state=state)
    assert effects[-1] == End("paid")
    for late in (TAKEN, DONE, CLOSED, Shown(EVIDENCE), Tick(NOW + 10**6), Paid()):
        assert advance(POST, state, late) == (state, [])


def test_nothing_is_signed_without_being_kept_first() -> None:
    for events in ([TAKEN, DONE], [TAKEN, DONE, CLOSED]):
        _, effects = run(*events)
        kinds = [type(effect) for effect in effects]
        assert kinds == [Keep, Send]


def test_another_result_does_not_change_what_was_committed() -> None:
    state, effects = run(TAKEN, DONE, Executed(WRONG, keccak(b"other salt"), NOW))
    assert effects == []
    assert state.bound == Bound(RESULT, PARTIES.salt(OURS))


def test_repeated_messages_get_the_same_answers() -> None:
    state, effects = run(TAKEN, DONE, TAKEN)
    assert effects == [COMMITMENT]
    state, effects = run(CLOSED, CLOSED, state=state)
    assert effects == [ATTESTATION]
    assert run(TAKEN, state=state)[1] == [COMMITMENT, ATTESTATION]
    assert run(TAKEN, TAKEN)[1] == []


def test_a_result_that_nobody_asked_for_is_ignored() -> None:
    assert run(DONE) == (Member(), [])


@pytest.mark.parametrize(
    "event",
    [
        PARTIES.closed(PARTIES.words(), key=PARTIES.world.keys[OURS]),
        PARTIES.closed((PARTIES.word(PARTIES.accounts[0]), SILENT, PARTIES.word(PARTIES.accounts[2]))),
        PARTIES.closed((PARTIES.word(PARTIES.accounts[0]), keccak(b"x"), PARTIES.word(PARTIES.accounts[2]))),
        PARTIES.closed(PARTIES.words()[:2]),
        PARTIES.closed((*PARTIES.words()[1:], PARTIES.words()[0])),
        PARTIES.closed((SILENT, PARTIES.word(OURS), SILENT)),
        replace(CLOSED, words=(*PARTIES.words()[:2], SILENT)),
        replace(CLOSED, words=(b"", *PARTIES.words())),
    ],
    ids=[
        "not the coordinator's",
        "without us",
        "with another commitment for us",
        "of another size",
        "in another order",
        "that can give no verdict",
        "other words than the root's",
        "of other sizes",
    ],
)
def test_a_member_does_not_reveal_to_a_set(event: Any) -> None:
    state, effects = run(TAKEN, DONE, event)
    assert effects == []
    assert state.opened is None


def test_a_member_does_not_reveal_before_it_committed() -> None:
    for events in ([CLOSED], [TAKEN, CLOSED]):
        assert run(*events)[0].opened is None


def test_a_second_set_is_kept_as_evidence_and_not_signed() -> None:
    other = PARTIES.closed((keccak(b"x"), *PARTIES.words()[1:]))
    state, effects = run(TAKEN, DONE, CLOSED, other)
    assert effects == [Accuse(0, CLOSED.signed, other.signed)]
    assert state.opened == Opened(CLOSED)


def test_too_late() -> None:
    assert run(Taken(DEADLINE))[1][-1] == End("the order came after its deadline")
    late = replace(DONE, now=DEADLINE)
    assert run(TAKEN, late)[1][-1] == End("the result came after the deadline")
    assert run(TAKEN, Tick(DEADLINE))[1][-1] == End("the deadline passed before there was a result")
    assert run(TAKEN, DONE, Tick(DEADLINE))[1] == []
    end = run(TAKEN, DONE, Tick(DEADLINE + SETTLE_WINDOW))[1][-1]
    assert end == End("no closed set came in time")
    assert run(TAKEN, Failed("out of memory"))[1][-1] == End("out of memory")
    assert run(TAKEN, DONE, Failed("out of memory"))[1] == []


def test_a_member_that_is_not_paid_sees_to_it() -> None:
    state, _ = run(TAKEN, DONE, CLOSED)
    assert run(Tick(POST.settle_after - 1), state=state)[1] == []
    assert run(Tick(POST.settle_after), state=state)[1] == [AskEvidence()]
    state, _ = run(Shown(EVIDENCE), state=state)
    assert run(Tick(POST.settle_after - 1), state=state)[1] == []
    for _ in range(2):
        state, effects = run(Tick(POST.settle_after), state=state)
        assert effects == [Settle(EVIDENCE)]
    assert run(Tick(PARTIES.commission.settle_by), state=state)[1][-1] == End("its time to settle is over")


@pytest.mark.parametrize(
    "shown",
    [
        evidence(order_signature=b""),
        evidence(seats=EVIDENCE.seats[:2]),
        evidence(result=WRONG),
        PARTIES.world.evidence(PARTIES.world.order(5)),
    ],
    ids=["not signed", "not whole", "of another result", "of another order"],
)
def test_evidence_that_does_not_pay_is_not_kept(shown: Evidence) -> None:
    state, effects = run(TAKEN, DONE, CLOSED, Shown(shown))
    assert (effects, state.earned) == ([], None)


def test_evidence_without_us_is_not_kept() -> None:
    parties = Parties(seats=5)
    ours = parties.accounts[0]
    post = parties.post(ours)
    state = Member()
    for event in (Taken(NOW), parties.executed(ours), parties.closed(parties.words())):
        state, _ = advance(post, state, event)
    without = parties.world.evidence(parties.order, silent=[0])
    assert advance(post, state, Shown(without)) == (state, [])


def test_evidence_before_we_attested_is_ignored() -> None:
    assert run(TAKEN, DONE, Shown(EVIDENCE))[1] == []


@pytest.mark.parametrize("events", [[], [DONE], [DONE, CLOSED], [DONE, CLOSED, Shown(EVIDENCE)]])
def test_after_a_crash_the_same_is_sent_again(events: list[Any]) -> None:
    state, records = Member(), []
    for event in (TAKEN, *events):
        state, effects = advance(POST, state, event)
        records += [effect.record for effect in effects if isinstance(effect, Keep)]
    again, effects = restore(POST, records)
    assert again == (state if events else Member())
    messages = [effect.message for effect in effects if isinstance(effect, Send)]
    assert [type(message) for message in messages] == [Commitment, Attestation][: len(events)]


def test_what_is_over_stays_over() -> None:
    over = member_model.Over("paid")
    state, effects = restore(POST, [Bound(RESULT, PARTIES.salt(OURS)), over])
    assert (state.over, effects) == (over, [])
