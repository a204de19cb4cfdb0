"""What a committee member does next: a pure function of what the chain and the journal say.

Nothing is remembered here. Every look starts from the task as it stands on chain, so a restart, a missed
event or a reorganised chain all lead to the same decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mlbridge.protocol.types import RoundKind, Seat, TaskStatus


class Action(Enum):
    """What to do now."""

    EXECUTE = "execute"  # run the model on the task's input
    VOTE = "vote"  # judge the candidates against our own result
    COMMIT = "commit"  # journal a salt if there is none yet, then send the commitment
    REVEAL = "reveal"  # open the journalled commitment
    POKE = "poke"  # move the task on: nobody else did
    NOTHING = "nothing"  # wait for the chain or until `at`
    GIVE_UP = "give_up"  # this round is lost for us; keep watching
    DONE = "done"  # the task has ended


@dataclass(frozen=True, slots=True)
class Step:
    """at: chain time of the next look when nothing happens before; None: only an event helps."""

    action: Action
    reason: str
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Margins:
    """Seconds. commit: a commitment is not begun later than this before its deadline; poke: how long others
    get to move the task on first; None: never poke.
    """

    commit: float = 1.0
    poke: float | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """What the journal holds for our seat. result: our own result of this task; votes: our votes of this
    round; commitment: what we bound ourselves to, with its salt and payload, in this round.
    """

    result: bool = False
    votes: bool = False
    commitment: bytes | None = None


@dataclass(frozen=True, slots=True)
class View:
    """One look. now: chain time; head: block number; seat: ours in the current round, None if we have none;
    round, kind, committed, revealed, seats, phase_deadline, randomness_block: of the current round;
    idle_since: chain time at which the task was first seen as it is;
    settled: what the status says, a closed commitment set or an ending, has enough confirmations to be
    relied on.
    """

    now: float
    head: int
    status: TaskStatus
    round: int
    kind: RoundKind
    seats: int
    committed: int
    revealed: int
    faulty: int
    phase_deadline: float
    randomness_block: int
    idle_since: float
    seat: Seat | None
    settled: bool
    held: Held


def next_step(view: View, margins: Margins) -> Step:
    """The one thing to do now. Safe to call after any crash and as often as one likes.

    Never COMMIT at or after the commit deadline, never REVEAL before the commitment set is closed, never
    REVEAL anything but the journalled commitment that the chain holds.
    """
    if view.status.terminal:
        if view.settled:
            return Step(Action.DONE, view.status.name.lower())
        # An ending that a reorganisation takes back needs our reveal again.
        return Step(Action.NOTHING, f"{view.status.name.lower()}: waiting for confirmations of the ending")
    if view.status is TaskStatus.NONE:
        return Step(Action.NOTHING, "the chain does not know the task")
    own = _seat_step(view, margins)
    if own.action not in (Action.NOTHING, Action.GIVE_UP):
        return own
    if own.at is not None and own.at <= view.now:
        own = Step(own.action, own.reason)
    return _poke_step(view, margins, own)


def _seat_step(view: View, margins: Margins) -> Step:
    if view.seat is None:
        return Step(Action.NOTHING, "no seat in this round")
    if view.status is TaskStatus.COMMITTING:
        return _committing(view, view.seat, margins)
    if view.status is TaskStatus.REVEALING:
        return _revealing(view, view.seat)
    return Step(Action.NOTHING, f"{view.status.name.lower()}: waiting for the draw")


def _committing(view: View, seat: Seat, margins: Margins) -> Step:
    if seat.committed:
        return Step(Action.NOTHING, "committed; waiting for the others", view.phase_deadline)
    if view.now >= view.phase_deadline:
        return Step(Action.GIVE_UP, "the commit window closed before we committed")
    if not view.held.commitment:
        # What is journalled is worth sending to the last second; what would only begin now is not.
        if view.now >= view.phase_deadline - margins.commit:
            return Step(Action.GIVE_UP, "too little time left to commit", view.phase_deadline)
        if not view.held.result:
            return Step(Action.EXECUTE, "seated")
        if view.kind is RoundKind.VOTE and not view.held.votes:
            return Step(Action.VOTE, "seated in a vote")
    return Step(Action.COMMIT, "ready to commit")


def _revealing(view: View, seat: Seat) -> Step:
    if not seat.committed:
        return Step(Action.GIVE_UP, "the round closed without our commitment", view.phase_deadline)
    if seat.revealed or seat.faulty:
        return Step(Action.NOTHING, "opened; waiting for the verdict", view.phase_deadline)
    if view.held.commitment is None:
        return Step(Action.GIVE_UP, "the journal holds no commitment of this round", view.phase_deadline)
    if view.held.commitment != seat.value:
        return Step(
            Action.GIVE_UP, "the chain holds a commitment that the journal does not", view.phase_deadline
        )
    if view.now >= view.phase_deadline:
        return Step(Action.GIVE_UP, "the reveal window closed before we opened")
    if not view.settled:
        return Step(
            Action.NOTHING, "waiting for confirmations of the closed commitment set", view.phase_deadline
        )
    return Step(Action.REVEAL, "the commitment set is closed")


def due_since(view: View) -> float | None:
    """Chain time since when anybody may move the task on; None while it waits for members or blocks."""
    waits_for_draw = view.status in (TaskStatus.SUBMITTED, TaskStatus.REDRAWING, TaskStatus.ESCALATED)
    if waits_for_draw:
        return view.idle_since if view.head > view.randomness_block else None
    if view.status is TaskStatus.REVEALING and view.revealed + view.faulty >= view.committed:
        return view.idle_since
    return max(view.idle_since, view.phase_deadline) if view.now > view.phase_deadline else None


def _poke_step(view: View, margins: Margins, own: Step) -> Step:
    since = due_since(view)
    if margins.poke is None or since is None:
        return own
    at = since + margins.poke
    if view.now >= at:
        return Step(Action.POKE, f"{view.status.name.lower()}: nobody moved it on")
    ahead = [when for when in (own.at, at) if when is not None and when > view.now]
    return Step(own.action, own.reason, min(ahead))
