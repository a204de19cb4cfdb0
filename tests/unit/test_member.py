"""The member's decisions, one by one and over every state that hypothesis can think of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.member import Action, Held, Margins, View, due_since, next_step
from mlbridge.protocol.types import RoundKind, Seat, TaskStatus

OURS = b"\x01" * 32
THEIRS = b"\x02" * 32
NO_POKE = Margins(commit=2)
WAITING = (TaskStatus.SUBMITTED, TaskStatus.REDRAWING, TaskStatus.ESCALATED)


def seat(
    *, committed: bool = False, revealed: bool = False, faulty: bool = False, value: bytes = bytes(32)
) -> Seat:
    return Seat(4, 1000, committed, revealed, faulty, value)


def view(status: TaskStatus = TaskStatus.COMMITTING, **changes: Any) -> View:
    base = View(
        now=100, head=50, status=status, round=0, kind=RoundKind.RESULT, seats=3, committed=0, revealed=0,
        faulty=0, phase_deadline=160, randomness_block=40, idle_since=90, seat=seat(), settled=True,
        held=Held(),
    )  # fmt: skip
    return replace(base, **changes)


def act(seen: View, margins: Margins = NO_POKE) -> Action:
    return next_step(seen, margins).action


REVEALING = view(
    TaskStatus.REVEALING,
    committed=3,
    seat=seat(committed=True, value=OURS),
    held=Held(result=True, commitment=OURS),
)


@pytest.mark.parametrize("kind", RoundKind)
def test_a_fresh_seat_executes_first(kind: RoundKind) -> None:
    assert act(view(kind=kind)) is Action.EXECUTE


def test_with_a_result_a_result_round_commits() -> None:
    assert act(view(held=Held(result=True))) is Action.COMMIT


def test_a_vote_round_votes_before_it_commits() -> None:
    vote = view(kind=RoundKind.VOTE, held=Held(result=True))
    assert act(vote) is Action.VOTE
    assert act(replace(vote, held=Held(result=True, votes=True))) is Action.COMMIT


def test_after_a_crash_before_the_transaction_the_same_commitment_goes_out() -> None:
    held = Held(result=True, commitment=OURS)
    assert act(view(held=held)) is Action.COMMIT
    assert act(view(held=held, now=159.9)) is Action.COMMIT
    assert act(view(held=held, now=160)) is Action.GIVE_UP


def test_nothing_begins_inside_the_margin() -> None:
    assert act(view(now=157.9)) is Action.EXECUTE
    assert act(view(now=158)) is Action.GIVE_UP
    assert act(view(now=158, held=Held(result=True))) is Action.GIVE_UP


def test_a_commitment_on_chain_is_not_sent_again() -> None:
    assert act(view(seat=seat(committed=True, value=OURS), held=Held(True, False, OURS))) is Action.NOTHING


def test_the_closed_set_is_opened_once() -> None:
    assert act(REVEALING) is Action.REVEAL
    opened = seat(committed=True, revealed=True, value=THEIRS)
    assert act(replace(REVEALING, seat=opened, revealed=1)) is Action.NOTHING
    wrong = seat(committed=True, faulty=True, value=OURS)
    assert act(replace(REVEALING, seat=wrong, faulty=1)) is Action.NOTHING


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"held": Held(result=True)}, "the journal holds no commitment"),
        ({"held": Held(result=True, commitment=THEIRS)}, "that the journal does not"),
        ({"seat": seat()}, "without our commitment"),
        ({"now": 160}, "window closed"),
    ],
)
def test_a_round_that_cannot_be_opened_is_given_up(changes: dict[str, Any], reason: str) -> None:
    step = next_step(replace(REVEALING, **changes), NO_POKE)
    assert step.action is Action.GIVE_UP
    assert reason in step.reason


def test_revealing_waits_for_confirmations() -> None:
    assert act(replace(REVEALING, settled=False)) is Action.NOTHING


@pytest.mark.parametrize("status", WAITING)
def test_between_draws_there_is_nothing_to_do(status: TaskStatus) -> None:
    assert act(view(status, seat=None)) is Action.NOTHING
    assert (
        act(view(status, seat=seat(committed=True, value=OURS), held=Held(True, False, OURS)))
        is Action.NOTHING
    )


@pytest.mark.parametrize("status", [s for s in TaskStatus if s.terminal])
def test_a_task_is_done_when_its_ending_is_deep_enough(status: TaskStatus) -> None:
    assert act(view(status)) is Action.DONE
    assert act(view(status, settled=False)) is Action.NOTHING


def test_a_task_that_one_answer_does_not_know_is_not_given_up() -> None:
    assert act(view(TaskStatus.NONE, seat=None), Margins(poke=0)) is Action.NOTHING


@pytest.mark.parametrize("status", WAITING)
def test_a_ready_draw_is_poked_after_the_others_had_their_time(status: TaskStatus) -> None:
    waiting = view(status, seat=None, head=41)
    assert act(waiting, Margins(poke=11)) is Action.NOTHING
    assert next_step(waiting, Margins(poke=11)).at == 101
    assert act(waiting, Margins(poke=10)) is Action.POKE
    assert act(replace(waiting, head=40), Margins(poke=0)) is Action.NOTHING


def test_a_closed_window_is_poked_but_never_before_our_own_work_is_done() -> None:
    late = view(now=170, seat=seat(committed=True, value=OURS), committed=1)
    assert act(late, Margins(poke=10)) is Action.POKE
    assert act(late, Margins(poke=11)) is Action.NOTHING
    assert act(late) is Action.NOTHING
    assert act(view(now=150, held=Held(result=True)), Margins(poke=0)) is Action.COMMIT


def test_when_all_have_opened_the_verdict_is_due_at_once() -> None:
    opened = seat(committed=True, revealed=True, value=THEIRS)
    ready = replace(REVEALING, seat=opened, revealed=2, faulty=1)
    assert due_since(ready) == 90
    assert act(ready, Margins(poke=5)) is Action.POKE
    assert due_since(replace(ready, faulty=0)) is None


# ---- everything at once ----
hashes = st.sampled_from([OURS, THEIRS])
seats = st.one_of(
    st.none(),
    st.builds(Seat, st.just(4), st.just(1), st.booleans(), st.booleans(), st.booleans(), hashes),
)
helds = st.builds(Held, st.booleans(), st.booleans(), st.one_of(st.none(), hashes))
views = st.builds(
    View,
    now=st.floats(0, 200),
    head=st.integers(0, 100),
    status=st.sampled_from(TaskStatus),
    round=st.integers(0, 4),
    kind=st.sampled_from(RoundKind),
    seats=st.integers(1, 15),
    committed=st.integers(0, 15),
    revealed=st.integers(0, 15),
    faulty=st.integers(0, 15),
    phase_deadline=st.floats(0, 200),
    randomness_block=st.integers(0, 100),
    idle_since=st.floats(0, 200),
    seat=seats,
    settled=st.booleans(),
    held=helds,
)
all_margins = st.builds(Margins, st.floats(0, 50), st.one_of(st.none(), st.floats(0, 50)))


@settings(max_examples=3000)
@given(seen=views, margins=all_margins)
def test_what_never_happens(seen: View, margins: Margins) -> None:
    step = next_step(seen, margins)
    mine = seen.seat
    if step.action is Action.REVEAL:
        assert seen.status is TaskStatus.REVEALING
        assert seen.settled
        assert mine is not None
        assert mine.committed
        assert not mine.revealed
        assert not mine.faulty
        assert seen.held.commitment == mine.value
        assert seen.now < seen.phase_deadline
    if step.action in (Action.EXECUTE, Action.VOTE, Action.COMMIT):
        assert seen.status is TaskStatus.COMMITTING
        assert mine is not None
        assert not mine.committed
        assert seen.now < seen.phase_deadline
    if step.action is Action.COMMIT and seen.held.commitment is None:
        assert seen.held.result
        assert seen.held.votes or seen.kind is RoundKind.RESULT
        assert seen.now < seen.phase_deadline - margins.commit
    if step.action in (Action.EXECUTE, Action.VOTE):
        assert seen.held.commitment is None
    if step.action is Action.POKE:
        assert margins.poke is not None
        assert not seen.status.terminal
    assert (step.action is Action.DONE) == (seen.status.terminal and seen.settled)
    assert step.at is None or (step.action in (Action.NOTHING, Action.GIVE_UP) and step.at > seen.now)


@given(seen=views, margins=all_margins)
def test_the_next_look_is_named_whenever_time_alone_changes_the_step(seen: View, margins: Margins) -> None:
    step = next_step(seen, margins)
    if step.action is not Action.NOTHING or step.at is None:
        return
    between = replace(seen, now=(seen.now + step.at) / 2)
    assert next_step(between, margins).action is Action.NOTHING


class Simulation:
    """A member over a whole round; it may crash between any two steps and lose all but journal and chain."""

    def __init__(self, kind: RoundKind) -> None:
        self.held = Held()
        self.chain = view(kind=kind)
        self.salts = 0
        self.commitments: list[bytes] = []
        self.executions = 0

    def apply(self, action: Action, *, lost: bool) -> None:
        """Do it; `lost`: the crash comes after the journal and before the chain saw it."""
        if action is Action.EXECUTE:
            self.executions += 1
            self.held = replace(self.held, result=not lost)
        elif action is Action.VOTE:
            self.held = replace(self.held, votes=not lost)
        elif action is Action.COMMIT:
            if self.held.commitment is None:
                self.salts += 1
                self.held = replace(self.held, commitment=bytes([self.salts]) * 32)
            assert self.held.commitment is not None
            self.commitments.append(self.held.commitment)
            if not lost:
                mine = seat(committed=True, value=self.held.commitment)
                self.chain = replace(self.chain, seat=mine, committed=3, status=TaskStatus.REVEALING)
        elif action is Action.REVEAL and not lost:
            assert self.chain.seat is not None
            mine = replace(self.chain.seat, revealed=True)
            self.chain = replace(self.chain, seat=mine, revealed=3, status=TaskStatus.FINALIZED)


@given(kind=st.sampled_from(RoundKind), crashes=st.lists(st.booleans(), max_size=12))
def test_every_crash_point_is_resumed_with_one_salt_and_one_commitment(
    kind: RoundKind, crashes: list[bool]
) -> None:
    member = Simulation(kind)
    for lost in [*crashes, *[False] * 6]:
        step = next_step(replace(member.chain, held=member.held), NO_POKE)
        if step.action is Action.DONE:
            break
        member.apply(step.action, lost=lost)
    assert member.chain.status is TaskStatus.FINALIZED
    assert member.salts == 1
    assert len(set(member.commitments)) == 1
