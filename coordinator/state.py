"""One task's course, as a pure function: (state, event) -> (state, effects).

Statuses move only along the transition table of docs/design/direct-lane.md. An event at or before the
state's position changes nothing, so that delivering events again is harmless; replaying the rest from any
checkpoint gives the state that replaying everything gives. Effects follow from the states before and after;
each has a key and may be carried out more than once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from coordinator.events import TaskEvent
from coordinator.task import DRAW_PENDING, RoundState, SeatState, Slash, TaskState
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import RoundKind, TaskStatus

S = TaskStatus
TRANSITIONS: Mapping[TaskStatus, frozenset[TaskStatus]] = {
    S.NONE: frozenset({S.SUBMITTED}),
    S.SUBMITTED: frozenset({S.CANCELLED, S.COMMITTING, S.REFUNDED}),
    S.COMMITTING: frozenset({S.REVEALING, S.REDRAWING, S.REFUNDED}),
    S.REDRAWING: frozenset({S.COMMITTING, S.REFUNDED, S.REVEALING}),
    S.REVEALING: frozenset({S.FINALIZED, S.COMMITTING, S.ESCALATED, S.REFUNDED}),
    S.ESCALATED: frozenset({S.COMMITTING, S.REFUNDED}),
    S.FINALIZED: frozenset(),
    S.REFUNDED: frozenset(),
    S.CANCELLED: frozenset(),
}


# Punishments name what they are for: a task, or an order of the channel lane, or a case of decoys.
PUNISHMENTS = frozenset({"Slashed", "SlashSplit", "SlashRestored"})


class TransitionError(MLBridgeError):
    """An event that the transition table does not allow in the task's status."""

    def __init__(self, task_id: str, status: TaskStatus, event: str) -> None:
        super().__init__(
            "task.transition",
            f"{event} cannot follow in status {status.name} of task {task_id}.",
            hint="The contracts and this coordinator disagree: check that the network file is current.",
            task=task_id,
        )


@dataclass(frozen=True, slots=True)
class Poke:
    """The one transaction by which anyone may move the task on from here.

    Due once the head is past `after_block` and its time past `after_time` (unix seconds). The key changes
    with every step, so that one step is never paid for twice.
    """

    task_id: str
    key: str
    after_block: int
    after_time: int


@dataclass(frozen=True, slots=True)
class Notify:
    """Wake whoever waits for this task: its status, round or seats changed."""

    task_id: str
    key: str


@dataclass(frozen=True, slots=True)
class Archive:
    """The task ended: build and keep its receipt."""

    task_id: str
    key: str


Effect = Poke | Notify | Archive


def apply(state: TaskState | None, event: TaskEvent) -> tuple[TaskState, list[Effect]]:
    """The state after `event`, and what follows from the change.

    state: None before the task's first event. Raises TransitionError when the table forbids the move.
    """
    after = advance(state, event)
    return after, effects(state, after)


def fold(events: Iterable[TaskEvent], start: TaskState | None = None) -> TaskState | None:
    """The state after all `events` in chain order, from `start`. Raises TransitionError."""
    state = start
    for event in events:
        state = advance(state, event)
    return state


def advance(state: TaskState | None, event: TaskEvent) -> TaskState:
    """As `apply`, without the effects."""
    if state is None:
        if event.name != "TaskSubmitted":
            raise TransitionError(event.task_id, S.NONE, event.name)
        return _submitted(event)
    if event.position <= state.position:
        return state
    handler = HANDLERS.get(event.name)
    after = state if handler is None else handler(state, event)
    if after.status is not state.status and after.status not in TRANSITIONS[state.status]:
        raise TransitionError(event.task_id, state.status, event.name)
    return replace(after, position=event.position)


def effects(before: TaskState | None, after: TaskState | None) -> list[Effect]:
    """What follows from a change of state; nothing when nothing changed."""
    if after is None or after == before:
        return []
    found: list[Effect] = []
    due = due_poke(after)
    if due is not None and (before is None or due != due_poke(before)):
        found.append(due)
    block, index = after.position
    if before is None or replace(before, position=after.position) != after:
        found.append(Notify(after.task_id, f"{after.task_id}:{block}:{index}"))
    if after.status.terminal and not after.review and (before is None or not before.status.terminal):
        found.append(Archive(after.task_id, f"{after.task_id}:{after.status.name}"))
    return found


def due_poke(state: TaskState) -> Poke | None:
    """The poke that the task waits for, or None when it has ended.

    A draw may be made after its randomness block; a window be closed after its deadline, a reveal window at
    once when every member has opened.
    """
    current = state.current
    if state.status in DRAW_PENDING:
        block = state.randomness_block or 0
        number = len(state.rounds) if state.status is not S.REDRAWING else max(len(state.rounds) - 1, 0)
        return Poke(state.task_id, _key(state, number, "draw", block), block, 0)
    if current is None or state.status not in (S.COMMITTING, S.REVEALING):
        return None
    if state.status is S.COMMITTING:
        key = _key(state, current.number, "commits", current.commit_deadline)
        return Poke(state.task_id, key, 0, current.commit_deadline)
    owed = [seat for seat in current.seats if seat.commitment is not None]
    if all(seat.opened for seat in owed):
        return Poke(state.task_id, _key(state, current.number, "tally", 0), 0, 0)
    deadline = current.reveal_deadline or 0
    return Poke(state.task_id, _key(state, current.number, "reveals", deadline), 0, deadline)


def _key(state: TaskState, number: int, step: str, marker: int) -> str:
    return f"{state.task_id}:{number}:{step}:{marker}"


def _submitted(event: TaskEvent) -> TaskState:
    args = event.args
    return TaskState(
        task_id=event.task_id,
        status=S.SUBMITTED,
        requester=args["requester"],
        model_id=args["modelId"],
        reward=args["reward"],
        deadline=args["deadline"],
        committee_size=args["seats"],
        submitted_at=event.timestamp,
        position=event.position,
        randomness_block=args["randomnessBlock"],
    )


def _again(state: TaskState, event: TaskEvent) -> TaskState:
    raise TransitionError(event.task_id, state.status, event.name)


def _armed(state: TaskState, event: TaskEvent) -> TaskState:
    status = S.REDRAWING if state.status is S.COMMITTING else state.status
    if status not in DRAW_PENDING:
        raise TransitionError(event.task_id, state.status, event.name)
    return replace(state, status=status, randomness_block=event.args["randomnessBlock"])


def _drawn(state: TaskState, event: TaskEvent) -> TaskState:
    args = event.args
    number, kind = args["round"], RoundKind(args["kind"])
    pairs = list(zip(args["accounts"], args["weights"], strict=True))
    known = next((item for item in state.rounds if item.number == number), None)
    if known is None:
        fresh = RoundState(
            number=number,
            kind=kind,
            judges=state.review or state.status is S.ESCALATED,
            seats=tuple(SeatState(account, weight) for account, weight in pairs),
            drawn_at=event.timestamp,
            commit_deadline=args["commitDeadline"],
        )
        rounds = (*state.rounds, fresh)
    else:
        kept = {seat.account: seat for seat in known.seats}
        seats = tuple(kept.get(account, SeatState(account, weight)) for account, weight in pairs)
        redrawn = replace(
            known, kind=kind, seats=seats, draws=known.draws + 1, commit_deadline=args["commitDeadline"]
        )
        rounds = _with_round(state, redrawn)
    return replace(state, status=S.COMMITTING, rounds=rounds, randomness_block=None)


def _committed(state: TaskState, event: TaskEvent) -> TaskState:
    _require(state, event, S.COMMITTING)
    return _with_seat(state, event, commitment=event.args["commitment"])


def _reveal_opened(state: TaskState, event: TaskEvent) -> TaskState:
    current = _round(state, event)
    opened = replace(current, opened_at=event.timestamp, reveal_deadline=event.args["revealDeadline"])
    return replace(state, status=S.REVEALING, rounds=_with_round(state, opened), randomness_block=None)


def _revealed(state: TaskState, event: TaskEvent) -> TaskState:
    if state.status is S.SUBMITTED:
        return state  # a review's candidates: they stand before its panel is drawn
    _require(state, event, S.REVEALING)
    return _with_seat(state, event, value=event.args["digest"])


def _faulted(state: TaskState, event: TaskEvent) -> TaskState:
    _require(state, event, S.REVEALING)
    return _with_seat(state, event, faulty=True)


def _vacated(state: TaskState, event: TaskEvent) -> TaskState:
    status = S.REDRAWING if state.status is S.COMMITTING else state.status
    if status is not S.REDRAWING and not status.terminal and status is not S.REVEALING:
        raise TransitionError(event.task_id, state.status, event.name)
    _round(state, event)
    return replace(state, status=status)


def _closed(state: TaskState, event: TaskEvent) -> TaskState:
    # The verifier may log the tally before or after the manager logs what follows from it.
    args = event.args
    tallied = replace(
        _round(state, event),
        closed_at=event.timestamp,
        passed=args["passed"],
        dissent=args["dissent"],
        winner=args["winner"] if args["passed"] else None,
        confidence=args["confidence"],
    )
    return replace(state, rounds=_with_round(state, tallied))


def _escalated(state: TaskState, event: TaskEvent) -> TaskState:
    return replace(state, status=S.ESCALATED, randomness_block=event.args["randomnessBlock"])


def _finalized(state: TaskState, event: TaskEvent) -> TaskState:
    args = event.args
    return replace(
        state,
        status=S.FINALIZED,
        digest=args["digest"],
        delivered_account=args["account"],
        delivered_round=args["round"],
        confidence=args["confidence"],
        winners=tuple(args["winners"]),
        randomness_block=None,
        finished_at=event.timestamp,
    )


def _refunded(state: TaskState, event: TaskEvent) -> TaskState:
    return replace(
        state,
        status=S.REFUNDED,
        refunded=event.args["amount"],
        reason=event.args["reason"],
        randomness_block=None,
        finished_at=event.timestamp,
    )


def _cancelled(state: TaskState, event: TaskEvent) -> TaskState:
    return replace(
        state,
        status=S.CANCELLED,
        refunded=event.args["amount"],
        randomness_block=None,
        finished_at=event.timestamp,
    )


def _settled(state: TaskState, event: TaskEvent) -> TaskState:
    return replace(state, refunded=event.args["refund"])


def _tipped(state: TaskState, event: TaskEvent) -> TaskState:
    return replace(state, tips=state.tips + event.args["amount"])


def _slashed(state: TaskState, event: TaskEvent) -> TaskState:
    args = event.args
    slash = Slash(args["account"], args["fault"], args["amount"])
    return replace(state, slashes=(*state.slashes, slash))


def _restored(state: TaskState, event: TaskEvent) -> TaskState:
    args = event.args
    slashes = list(state.slashes)
    for place, slash in enumerate(slashes):
        if (slash.account, slash.fault, slash.restored) == (args["account"], args["fault"], False):
            slashes[place] = replace(slash, restored=True)
            break
    return replace(state, slashes=tuple(slashes))


def _earmarked(state: TaskState, event: TaskEvent) -> TaskState:
    # Judges of a task are paid for when its first committee dissents; a panel, when its review is opened.
    return replace(state, review=True) if state.status is S.SUBMITTED else state


def _require(state: TaskState, event: TaskEvent, status: TaskStatus) -> None:
    if state.status is not status:
        raise TransitionError(event.task_id, state.status, event.name)


def _round(state: TaskState, event: TaskEvent) -> RoundState:
    for known in state.rounds:
        if known.number == event.args["round"]:
            return known
    raise TransitionError(event.task_id, state.status, event.name)


def _with_round(state: TaskState, changed: RoundState) -> tuple[RoundState, ...]:
    return tuple(changed if item.number == changed.number else item for item in state.rounds)


def _with_seat(state: TaskState, event: TaskEvent, **changes: Any) -> TaskState:
    current = _round(state, event)
    account = event.args["account"]
    if all(seat.account != account for seat in current.seats):
        raise TransitionError(event.task_id, state.status, event.name)
    seats = tuple(replace(seat, **changes) if seat.account == account else seat for seat in current.seats)
    changed = replace(current, seats=seats)
    if "commitment" not in changes:
        changed = replace(changed, last_reveal_at=event.timestamp)
    return replace(state, rounds=_with_round(state, changed))


HANDLERS: Mapping[str, Callable[[TaskState, TaskEvent], TaskState]] = {
    "TaskSubmitted": _again,
    "RandomnessArmed": _armed,
    "CommitteeDrawn": _drawn,
    "ResultCommitted": _committed,
    "RevealOpened": _reveal_opened,
    "ResultRevealed": _revealed,
    "RevealFault": _faulted,
    "SeatsVacated": _vacated,
    "RoundClosed": _closed,
    "TaskEscalated": _escalated,
    "TaskFinalized": _finalized,
    "TaskRefunded": _refunded,
    "TaskCancelled": _cancelled,
    "TaskSettled": _settled,
    "TipPaid": _tipped,
    "Slashed": _slashed,
    "SlashRestored": _restored,
    "JudgesEarmarked": _earmarked,
}
