"""A coordinator's course of one order: closing, counting, delivering, settling."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlbridge.protocol import orders712
from mlbridge.protocol.coordinator_side import Desk, Order, advance, evidence_of, restore
from mlbridge.protocol.coordinator_steps import (
    Accepted,
    Ask,
    Attested,
    Begun,
    Closed,
    Committed,
    Counted,
    Decided,
    Deliver,
    OpenCase,
    Over,
    ReportDissent,
    Show,
    Tick,
)
from mlbridge.protocol.course import SILENT, Accuse, End, Keep, Send, Settle
from mlbridge.protocol.evidence import prove
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.orders712 import Attestation, ClosedSet, Commitment
from tests.support.lane_order import CLOSE_AFTER, LINGER, Parties
from tests.support.settled import RESULT, WRONG

THREE, FIVE = Parties(3), Parties(5)
NOW, DEADLINE = THREE.now, float(THREE.order.deadline)


def run(parties: Parties, *events: Any, state: Order | None = None) -> tuple[Order, list[Any]]:
    """The state after these events, and the effects of the last one."""
    state, effects = state or Order(), []
    for event in events:
        state, effects = advance(parties.desk, state, event)
    return state, effects


def committed(parties: Parties, places: range | list[int], result: bytes = RESULT) -> list[Any]:
    return [Committed(parties.commitment(parties.accounts[place], result)) for place in places]


def attested(
    parties: Parties, place: int, words: tuple[bytes, ...] | None = None, result: bytes = RESULT
) -> Attested:
    account = parties.accounts[place]
    return Attested(parties.attestation(account, words or parties.words(), result), NOW + 1)


def closed_three() -> Order:
    return run(THREE, Accepted(NOW), *committed(THREE, range(3)))[0]


def kinds(effects: list[Any]) -> list[type]:
    return [type(effect) for effect in effects]


def test_three_of_three() -> None:
    state, effects = run(THREE, Accepted(NOW))
    assert effects == [Keep(Begun()), Ask(THREE.accounts)]
    state, effects = run(THREE, *committed(THREE, range(2)), state=state)
    assert effects == []
    state, effects = run(THREE, *committed(THREE, [2]), state=state)
    root = orders712.commitments_root(THREE.words())
    signed = tuple(THREE.commitment(account) for account in THREE.accounts)
    assert effects == [
        Keep(Closed(THREE.words(), signed)),
        Send(ClosedSet(THREE.digest, root), THREE.accounts, THREE.words()),
    ]
    state, effects = run(THREE, attested(THREE, 0), attested(THREE, 1), state=state)
    assert kinds(effects) == [Keep]
    state, effects = run(THREE, attested(THREE, 2), state=state)
    assert kinds(effects) == [Keep, Keep, Deliver, Keep, Settle, Show]
    assert effects[2] == Deliver(RESULT, 10_000)
    outcome = prove(effects[4].evidence, THREE.world.facts)
    assert outcome.winners == THREE.accounts == effects[5].to


def test_four_of_five_deliver_and_the_slow_one_is_paid() -> None:
    state, _ = run(FIVE, Accepted(NOW), *committed(FIVE, range(5)))
    state, effects = run(FIVE, *[attested(FIVE, place) for place in range(4)], state=state)
    assert kinds(effects) == [Keep, Keep, Deliver]
    _, effects = run(FIVE, attested(FIVE, 4), state=state)
    assert kinds(effects) == [Keep, Keep, Settle, Show]
    assert len(prove(effects[2].evidence, FIVE.world.facts).winners) == 5
    assert run(FIVE, Tick(NOW + LINGER), state=state)[1] == []
    state, effects = run(FIVE, Tick(NOW + 1 + LINGER), state=state)
    assert kinds(effects) == [Keep, Settle, Show]
    assert len(prove(effects[1].evidence, FIVE.world.facts).winners) == 4
    assert run(FIVE, attested(FIVE, 4), Tick(DEADLINE), state=state)[1] == []


def test_a_silent_seat_of_five_closes_with_the_rest_at_its_time() -> None:
    state, _ = run(FIVE, Accepted(NOW), *committed(FIVE, range(4)))
    assert run(FIVE, Tick(NOW + CLOSE_AFTER - 1), state=state)[1] == []
    state, effects = run(FIVE, Tick(NOW + CLOSE_AFTER), state=state)
    words = (*FIVE.words()[:4], SILENT)
    assert effects[1].words == words
    assert effects[1].to == FIVE.accounts[:4]
    late, effects = run(FIVE, *committed(FIVE, [4]), state=state)
    assert (late, effects) == (state, [])
    state, effects = run(FIVE, *[attested(FIVE, place, words) for place in range(4)], state=state)
    evidence = next(effect.evidence for effect in effects if isinstance(effect, Settle))
    assert prove(evidence, FIVE.world.facts).winners == FIVE.accounts[:4]


def test_too_few_commitments_end_in_the_direct_lane() -> None:
    state, effects = run(THREE, Accepted(NOW), *committed(THREE, range(2)), Tick(NOW + CLOSE_AFTER))
    assert kinds(effects) == [Keep, OpenCase, End]
    assert state.closed is None
    assert run(THREE, *committed(THREE, [2]), Tick(DEADLINE), state=state)[1] == []


def test_no_set_closes_at_the_deadline() -> None:
    desk = replace(FIVE.desk, close_at=DEADLINE + 100)
    state = run(FIVE, Accepted(NOW), *committed(FIVE, range(4)))[0]
    state, effects = advance(desk, state, Tick(DEADLINE))
    assert kinds(effects) == [Keep, OpenCase, End]


def test_no_verdict_ends_as_soon_as_none_is_possible() -> None:
    words = (THREE.word(THREE.accounts[0], WRONG), *THREE.words()[1:])
    events = [Committed(THREE.commitment(THREE.accounts[0], WRONG)), *committed(THREE, [1, 2])]
    state, _ = run(THREE, Accepted(NOW), *events)
    state, effects = run(THREE, attested(THREE, 0, words, WRONG), state=state)
    assert kinds(effects) == [Keep]
    state, effects = run(THREE, attested(THREE, 1, words), state=state)
    assert kinds(effects) == [Keep, Keep, OpenCase, End]
    assert {signed.message.result for signed in effects[2].attestations} == {RESULT, WRONG}
    assert run(THREE, attested(THREE, 2, words), state=state)[1] == []


def test_no_verdict_by_the_deadline() -> None:
    _, effects = run(THREE, attested(THREE, 0), Tick(DEADLINE), state=closed_three())
    assert kinds(effects) == [Keep, OpenCase, End]
    assert effects[1].reason == "no verdict by the deadline"


def test_a_dissenter_does_not_stop_the_others_and_is_reported() -> None:
    words = (*FIVE.words()[:4], FIVE.word(FIVE.accounts[4], WRONG))
    events = [*committed(FIVE, range(4)), *committed(FIVE, [4], WRONG)]
    state, _ = run(FIVE, Accepted(NOW), *events)
    state, _ = run(FIVE, attested(FIVE, 4, words, WRONG), state=state)
    state, effects = run(FIVE, *[attested(FIVE, place, words) for place in range(4)], state=state)
    assert kinds(effects) == [Keep, Keep, Deliver, Keep, Settle, Show, ReportDissent]
    evidence = effects[4].evidence
    assert prove(evidence, FIVE.world.facts).winners == FIVE.accounts[:4]
    assert effects[6].attestation.message.account == FIVE.accounts[4]
    assert effects[6].evidence == evidence


@pytest.mark.parametrize(
    "event",
    [
        Committed(
            THREE.by_node(Commitment(keccak(b"o"), THREE.accounts[0], keccak(b"w")), THREE.accounts[0])
        ),
        Committed(THREE.by_node(Commitment(THREE.digest, 9_998, keccak(b"w")), THREE.accounts[0])),
        Committed(
            THREE.by_node(Commitment(THREE.digest, THREE.accounts[0], keccak(b"w")), THREE.accounts[1])
        ),
        Committed(replace(THREE.commitment(THREE.accounts[0]), signature=bytes(65))),
        Committed(THREE.by_node(Commitment(THREE.digest, THREE.accounts[0], SILENT), THREE.accounts[0])),
    ],
    ids=["another order", "no seat", "another's key", "no signature", "nothing"],
)
def test_commitments_that_do_not_count(event: Committed) -> None:
    state, _ = run(THREE, Accepted(NOW))
    assert run(THREE, event, state=state) == (state, [])


def other_root() -> Attested:
    return attested(THREE, 0, (keccak(b"x"), *THREE.words()[1:]))


@pytest.mark.parametrize(
    "event",
    [
        Attested(replace(attested(THREE, 0).signed, signature=bytes(65)), NOW),
        Attested(THREE.by_node(attested(THREE, 0).signed.message, THREE.accounts[1]), NOW),
        Attested(
            THREE.by_node(
                replace(attested(THREE, 0).signed.message, order=keccak(b"other")), THREE.accounts[0]
            ),
            NOW,
        ),
        Attested(
            THREE.by_node(replace(attested(THREE, 0).signed.message, account=9_998), THREE.accounts[0]), NOW
        ),
        other_root(),
        attested(THREE, 0, result=WRONG),
    ],
    ids=["no signature", "another's key", "another order", "no seat", "another set", "not its commitment"],
)
def test_attestations_that_do_not_count(event: Attested) -> None:
    state, effects = run(THREE, event, state=closed_three())
    assert (state.counted, effects) == ({}, [])


def test_a_copier_cannot_attest_what_it_did_not_commit_to() -> None:
    """It committed to noise, saw a reveal, and attests that: no salt opens its commitment."""
    copier = THREE.accounts[2]
    noise = THREE.by_node(Commitment(THREE.digest, copier, keccak(b"noise")), copier)
    state, _ = run(THREE, Accepted(NOW), *committed(THREE, [0, 1]), Committed(noise))
    words = (*THREE.words()[:2], keccak(b"noise"))
    state, effects = run(THREE, *[attested(THREE, place, words) for place in range(3)], state=state)
    assert effects == []
    assert set(state.counted) == set(THREE.accounts[:2])


def test_two_results_by_one_member_are_evidence_once() -> None:
    first, second = attested(THREE, 0), attested(THREE, 0, result=WRONG)
    state, effects = run(THREE, first, second, state=closed_three())
    accused = Accuse(THREE.accounts[0], first.signed, second.signed)
    assert effects == [Keep(accused), accused]
    assert run(THREE, second, state=state) == (state, [])
    assert state.counted == {THREE.accounts[0]: first.signed}
    # To whatever set, and also when it comes first.
    stray = other_root()
    lie = attested(THREE, 0, result=WRONG)
    _, effects = run(THREE, stray, lie, state=closed_three())
    assert effects[-1] == Accuse(THREE.accounts[0], stray.signed, lie.signed)


def test_two_commitments_by_one_member_are_evidence_and_the_first_counts() -> None:
    account = THREE.accounts[0]
    second = Committed(THREE.commitment(account, WRONG))
    state, effects = run(THREE, Accepted(NOW), *committed(THREE, [0]), second)
    assert kinds(effects) == [Keep, Accuse]
    assert state.commitments == {account: THREE.commitment(account)}
    # Also after the set was closed.
    assert kinds(run(THREE, second, state=closed_three())[1]) == [Keep, Accuse]


def test_the_same_again_changes_nothing() -> None:
    state = closed_three()
    assert run(THREE, Accepted(NOW), *committed(THREE, range(3)), state=state) == (state, [])
    once, _ = run(THREE, attested(THREE, 0), state=state)
    assert run(THREE, attested(THREE, 0), state=once) == (once, [])


def test_before_it_began_and_too_late_nothing_happens() -> None:
    assert run(THREE, *committed(THREE, [0]), attested(THREE, 0), Tick(NOW)) == (Order(), [])
    assert run(THREE, Accepted(DEADLINE)) == (Order(), [])


def walked(parties: Parties, desk: Desk, events: list[Any]) -> tuple[Order, list[Any], list[Any]]:
    state, records, last = Order(), [], []
    for event in events:
        state, last = advance(desk, state, event)
        records += [effect.record for effect in last if isinstance(effect, Keep)]
    return state, records, last


EVENTS = [Accepted(NOW), *committed(THREE, range(3)), *[attested(THREE, place) for place in range(3)]]


@pytest.mark.parametrize("count", range(1, len(EVENTS) + 1))
def test_after_a_crash_it_goes_on_where_it_was(count: int) -> None:
    state, records, _ = walked(THREE, THREE.desk, EVENTS[:count])
    again, effects = restore(THREE.desk, records)
    assert (again.closed, again.counted, again.decided, again.over) == (
        state.closed,
        state.counted,
        state.decided,
        state.over,
    )
    expected: list[type] = [Ask] if count < 4 else [Send]
    assert kinds(effects) == ([Deliver, Settle, Show] if count == len(EVENTS) else expected)
    # What was not on disk comes again, and the end is the same.
    for event in EVENTS:
        again, _ = advance(THREE.desk, again, event)
    full, _, last = walked(THREE, THREE.desk, EVENTS)
    assert again.over == full.over
    assert evidence_of(THREE.desk, again) == evidence_of(THREE.desk, full) == last[-2].evidence


def test_a_case_is_opened_again_after_a_crash() -> None:
    _, records, _ = walked(THREE, THREE.desk, [Accepted(NOW), Tick(DEADLINE)])
    assert kinds(restore(THREE.desk, records)[1]) == [OpenCase, End]
    assert restore(THREE.desk, []) == (Order(), [])


def test_accusations_are_remembered() -> None:
    _, records, _ = walked(
        THREE, THREE.desk, [*EVENTS[:4], attested(THREE, 0), attested(THREE, 0, result=WRONG)]
    )
    assert restore(THREE.desk, records)[0].accused == {THREE.accounts[0]}


def test_without_a_verdict_there_is_no_evidence() -> None:
    with pytest.raises(ValueError, match="no verdict"):
        evidence_of(THREE.desk, closed_three())


def test_records_name_what_happened() -> None:
    _, records, _ = walked(THREE, THREE.desk, EVENTS)
    assert [type(record) for record in records] == [Begun, Closed, Counted, Counted, Counted, Decided, Over]
    assert isinstance(records[2].signed.message, Attestation)
    assert Over(True, records[-1].reason) == records[-1]
