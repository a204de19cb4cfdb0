"""The state machine: the table's moves only; replay from any checkpoint; effects that name one step."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.events import TaskEvent
from coordinator.state import (
    TRANSITIONS,
    Archive,
    Notify,
    Poke,
    TransitionError,
    advance,
    apply,
    due_poke,
    effects,
    fold,
)
from coordinator.task import TaskState
from mlbridge.protocol.types import RoundKind, TaskStatus
from tests.support.coordinator_walks import ADDRESS, Scribe, chains, digest

TASK = digest(1)


def states_of(events: list[TaskEvent], start: dict[str, TaskState] | None = None) -> dict[str, TaskState]:
    states = dict(start or {})
    for event in events:
        states[event.task_id] = advance(states.get(event.task_id), event)
    return states


@given(chains())
def test_every_course_of_the_table_is_followed(events: list[TaskEvent]) -> None:
    states: dict[str, TaskState] = {}
    for event in events:
        before = states.get(event.task_id)
        after = states[event.task_id] = advance(before, event)
        origin = TaskStatus.NONE if before is None else before.status
        assert after.status is origin or after.status in TRANSITIONS[origin]
        assert after.position == event.position


@given(chains(), st.data())
def test_replay_from_any_checkpoint_gives_the_same_state(
    events: list[TaskEvent], data: st.DataObject
) -> None:
    whole = states_of(events)
    cut = data.draw(st.integers(0, len(events)))
    saved = {
        task_id: TaskState.from_json(json.loads(json.dumps(state.to_json())))
        for task_id, state in states_of(events[:cut]).items()
    }
    # delivered again from an earlier point, as a follower does after a crash
    again = data.draw(st.integers(0, cut))
    assert states_of(events[again:], saved) == whole


@given(chains(), st.data())
def test_a_reorganisation_is_undone_by_folding_what_remains(
    events: list[TaskEvent], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(9, events[-1].block + 1))
    kept = [event for event in events if event.block < cut]
    replayed = [
        replace(event, block_hash=digest(99), tx_hash=digest(98)) for event in events if event.block >= cut
    ]
    rebuilt = {
        task_id: fold([event for event in kept if event.task_id == task_id])
        for task_id in {event.task_id for event in kept}
    }
    assert rebuilt == states_of(kept)
    assert states_of(replayed, {k: v for k, v in rebuilt.items() if v is not None}) == states_of(events)


@settings(max_examples=200)
@given(chains(tasks=1), st.randoms(use_true_random=False))
def test_events_in_any_order_never_leave_the_table(events: list[TaskEvent], random: object) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    state: TaskState | None = None
    for place, event in enumerate(shuffled):
        moved = replace(event, block=10 + place, log_index=0)
        origin = TaskStatus.NONE if state is None else state.status
        try:
            state = advance(state, moved)
        except TransitionError:
            continue
        assert state.status is origin or state.status in TRANSITIONS[origin]


@given(chains())
def test_effects_are_idempotent_and_name_each_step_once(events: list[TaskEvent]) -> None:
    states: dict[str, TaskState] = {}
    keys: dict[str, Poke] = {}
    for event in events:
        before = states.get(event.task_id)
        after, found = apply(before, event)
        assert effects(before, after) == found
        assert apply(after, event) == (after, [])
        for effect in found:
            if isinstance(effect, Poke):
                assert keys.setdefault(effect.key, effect) == effect
            if isinstance(effect, Archive):
                assert after.status.terminal
                assert before is not None
                assert not before.status.terminal
        states[event.task_id] = after
    for state in states.values():
        assert (due_poke(state) is None) == state.status.terminal


class TestOneTask:
    """What each event leaves in the state, on one course with a redraw, a vote and judges."""

    def setup_method(self) -> None:
        self.scribe = Scribe()
        self.state: TaskState | None = None
        self.effects: list[object] = []

    def say(self, name: str, **args: object) -> TaskState:
        self.scribe.next_block()
        self.scribe.log(TASK, name, **args)
        self.state, self.effects = apply(self.state, self.scribe.written[-1])
        return self.state

    def submit(self) -> TaskState:
        return self.say(
            "TaskSubmitted",
            requester=ADDRESS,
            modelId=digest(7),
            inputData="0x00",
            reward=5,
            deadline=9,
            seats=3,
            randomnessBlock=13,
        )

    def drawn(self, number: int, kind: int, accounts: list[int]) -> TaskState:
        return self.say(
            "CommitteeDrawn",
            round=number,
            kind=kind,
            accounts=accounts,
            weights=[1] * len(accounts),
            commitDeadline=500,
            seed=digest(0),
        )

    def commit_all(self, number: int, accounts: list[int]) -> TaskState:
        for account in accounts:
            self.say("ResultCommitted", account=account, round=number, commitment=digest(account))
        return self.say("RevealOpened", round=number, revealDeadline=600)

    def test_a_draw_is_due_after_its_randomness_block(self) -> None:
        self.submit()
        assert self.effects == [
            Poke(TASK, f"{TASK}:0:draw:13", after_block=13, after_time=0),
            Notify(TASK, f"{TASK}:11:0"),
        ]

    def test_a_window_is_closed_after_its_deadline_and_at_once_when_all_opened(self) -> None:
        self.submit()
        committing = self.drawn(0, 0, [2, 4, 6])
        assert due_poke(committing) == Poke(TASK, f"{TASK}:0:commits:500", 0, 500)
        revealing = self.commit_all(0, [2, 4, 6])
        assert due_poke(revealing) == Poke(TASK, f"{TASK}:0:reveals:600", 0, 600)
        for account in (2, 4):
            self.say("ResultRevealed", account=account, round=0, digest=digest(1), result="0x00")
        opened = self.say("RevealFault", account=6, round=0)
        assert due_poke(opened) == Poke(TASK, f"{TASK}:0:tally:0", 0, 0)

    def test_a_redraw_keeps_who_committed(self) -> None:
        self.submit()
        self.drawn(0, 0, [2, 4, 6])
        self.say("ResultCommitted", account=4, round=0, commitment=digest(44))
        assert self.say("SeatsVacated", round=0, accounts=[2, 6]).status is TaskStatus.REDRAWING
        armed = self.say("RandomnessArmed", round=0, randomnessBlock=30)
        assert due_poke(armed) == Poke(TASK, f"{TASK}:0:draw:30", 30, 0)
        redrawn = self.drawn(0, 0, [8, 4, 10])
        assert redrawn.current is not None
        assert redrawn.current.draws == 2
        assert [(seat.account, seat.commitment) for seat in redrawn.current.seats] == [
            (8, None),
            (4, digest(44)),
            (10, None),
        ]
        assert redrawn.randomness_block is None

    def test_dissent_goes_through_a_vote_and_judges_to_the_end(self) -> None:
        self.submit()
        self.drawn(0, 0, [2, 4, 6])
        self.commit_all(0, [2, 4, 6])
        vote = self.drawn(1, 1, [2, 4, 6])
        assert (vote.status, vote.current.kind, vote.current.judges) == (  # type: ignore[union-attr]
            TaskStatus.COMMITTING,
            RoundKind.VOTE,
            False,
        )
        self.commit_all(1, [2, 4, 6])
        self.say("RoundClosed", round=1, passed=False, dissent=True, winner=digest(0), confidence=6000)
        self.say("TaskEscalated", round=2, judges=5, randomnessBlock=40)
        judged = self.drawn(2, 1, [3, 5, 7, 9, 11])
        assert judged.current is not None
        assert judged.current.judges
        self.commit_all(2, [3, 5, 7, 9, 11])
        self.say("Slashed", account=6, fault=2, amount=7, basisPoints=1000)
        final = self.say(
            "TaskFinalized", digest=digest(1), account=2, round=0, confidence=9000, winners=[2, 4]
        )
        assert [type(effect) for effect in self.effects] == [Notify, Archive]
        late = self.say("RoundClosed", round=2, passed=True, dissent=False, winner=digest(1), confidence=9000)
        assert late.status is TaskStatus.FINALIZED
        assert final.winners == (2, 4)
        assert final.slashes[0].amount == 7
        assert late.rounds[2].passed

    def test_a_review_is_a_vote_of_judges_on_what_was_put_before_them(self) -> None:
        self.submit()
        put = self.say("ResultRevealed", account=2, round=0, digest=digest(1), result="0x00")
        assert put.status is TaskStatus.SUBMITTED
        assert self.say("JudgesEarmarked", model=1, amount=300).review
        panel = self.drawn(1, 1, [3, 5, 7])
        assert panel.current is not None
        assert panel.current.judges
        self.commit_all(1, [3, 5, 7])
        final = self.say("TaskFinalized", digest=digest(0), account=0, round=1, confidence=9000, winners=[])
        assert final.status is TaskStatus.FINALIZED
        assert [type(effect) for effect in self.effects] == [Notify]  # it has no receipt

    def test_judges_of_a_dissent_make_no_review(self) -> None:
        self.submit()
        self.drawn(0, 0, [2, 4, 6])
        self.commit_all(0, [2, 4, 6])
        assert not self.say("JudgesEarmarked", model=1, amount=300).review

    def test_a_slash_that_was_given_back_is_marked_once(self) -> None:
        self.submit()
        self.say("Slashed", account=6, fault=2, amount=7, basisPoints=5000)
        self.say("Slashed", account=4, fault=2, amount=8, basisPoints=5000)
        state = self.say("SlashRestored", account=4, fault=2, toBonded=8, toUnbonding=0)
        assert [(slash.account, slash.restored) for slash in state.slashes] == [(6, False), (4, True)]

    @pytest.mark.parametrize(
        ("name", "args"),
        [
            ("ResultCommitted", {"account": 2, "round": 0, "commitment": digest(1)}),
            ("RevealOpened", {"round": 0, "revealDeadline": 1}),
            ("TaskEscalated", {"round": 1, "judges": 5, "randomnessBlock": 1}),
            (
                "TaskFinalized",
                {"digest": digest(1), "account": 2, "round": 0, "confidence": 1, "winners": []},
            ),
        ],
    )
    def test_what_the_table_forbids_is_refused(self, name: str, args: dict[str, object]) -> None:
        self.submit()
        with pytest.raises(TransitionError):
            self.say(name, **args)

    def test_the_first_event_is_the_submission(self) -> None:
        with pytest.raises(TransitionError):
            self.say("TaskCancelled", amount=1)
        self.submit()
        with pytest.raises(TransitionError):
            self.submit()

    def test_an_unknown_event_only_moves_the_position(self) -> None:
        before = self.submit()
        after = self.say("Credited", to=ADDRESS, amount=1)
        assert replace(after, position=before.position) == before
        assert self.effects == []
