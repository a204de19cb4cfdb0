"""What the coordinator knows of one task: values without behaviour, and their JSON form.

Times are unix seconds, amounts wei (MLB base units where said), identifiers and digests 0x hex.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mlbridge.protocol.types import RoundKind, TaskStatus

DRAW_PENDING = frozenset({TaskStatus.SUBMITTED, TaskStatus.REDRAWING, TaskStatus.ESCALATED})


@dataclass(frozen=True, slots=True)
class SeatState:
    """One seat of a round. value: the digest (or packed votes) that was opened; faulty: opened wrongly."""

    account: int
    weight: int
    commitment: str | None = None
    value: str | None = None
    faulty: bool = False

    @property
    def opened(self) -> bool:
        return self.value is not None or self.faulty


@dataclass(frozen=True, slots=True)
class RoundState:
    """One round of a task. draws: 1 plus the redraws; last_reveal_at: time of its last opening."""

    number: int
    kind: RoundKind
    judges: bool
    seats: tuple[SeatState, ...]
    drawn_at: int
    commit_deadline: int
    draws: int = 1
    opened_at: int | None = None
    reveal_deadline: int | None = None
    last_reveal_at: int | None = None
    closed_at: int | None = None
    passed: bool | None = None
    dissent: bool | None = None
    winner: str | None = None
    confidence: int | None = None


@dataclass(frozen=True, slots=True)
class Slash:
    """Stake taken over this task. amount: MLB base units (18 decimals); restored: it was given back."""

    account: int
    fault: int
    amount: int
    restored: bool = False


@dataclass(frozen=True, slots=True)
class TaskState:
    """Everything that the events up to `position` (block, log index) say about a task.

    confidence: basis points; refunded: wei that came back; tips: wei paid to pokers; reason: why it was
    refunded; randomness_block: the block that the pending draw waits for, None when no draw is pending;
    review: a panel judges something else (docs/design/verdict.md): nobody pays, nothing is delivered.
    """

    task_id: str
    status: TaskStatus
    requester: str
    model_id: str
    reward: int
    deadline: int
    committee_size: int
    submitted_at: int
    position: tuple[int, int]
    randomness_block: int | None = None
    rounds: tuple[RoundState, ...] = ()
    digest: str | None = None
    delivered_account: int | None = None
    delivered_round: int | None = None
    confidence: int | None = None
    winners: tuple[int, ...] = ()
    refunded: int = 0
    reason: str = ""
    tips: int = 0
    slashes: tuple[Slash, ...] = ()
    finished_at: int | None = None
    review: bool = False

    @property
    def current(self) -> RoundState | None:
        """The round drawn last."""
        return self.rounds[-1] if self.rounds else None

    @property
    def phase_deadline(self) -> int | None:
        """When the open commit or reveal window closes, unix seconds; None in the other statuses."""
        if self.current is None:
            return None
        if self.status is TaskStatus.COMMITTING:
            return self.current.commit_deadline
        return self.current.reveal_deadline if self.status is TaskStatus.REVEALING else None

    def to_json(self) -> dict[str, Any]:
        """JSON-ready form; `from_json` gives an equal state back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> TaskState:
        """The state that `to_json` wrote."""
        fields = dict(data)
        fields["status"] = TaskStatus(fields["status"])
        fields["position"] = (fields["position"][0], fields["position"][1])
        fields["winners"] = tuple(fields["winners"])
        fields["slashes"] = tuple(Slash(**slash) for slash in fields["slashes"])
        fields["rounds"] = tuple(_round(item) for item in fields["rounds"])
        return cls(**fields)


def _round(data: dict[str, Any]) -> RoundState:
    fields = dict(data)
    fields["kind"] = RoundKind(fields["kind"])
    fields["seats"] = tuple(SeatState(**seat) for seat in fields["seats"])
    return RoundState(**fields)
