"""The words of the direct lane, in the same order as contracts/src/interfaces/Types.sol."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class TaskStatus(IntEnum):
    """Where a task stands; the only moves are those of docs/design/direct-lane.md."""

    NONE = 0
    SUBMITTED = 1
    COMMITTING = 2
    REVEALING = 3
    REDRAWING = 4
    ESCALATED = 5
    FINALIZED = 6
    REFUNDED = 7
    CANCELLED = 8

    @property
    def terminal(self) -> bool:
        """No transaction moves the task any more."""
        return self in (TaskStatus.FINALIZED, TaskStatus.REFUNDED, TaskStatus.CANCELLED)


class RoundKind(IntEnum):
    """What the members of a round commit to: a result, or votes on the results of round 0."""

    RESULT = 0
    VOTE = 1


class Policy(IntEnum):
    """How results of a model are compared."""

    NONE = 0
    EXACT = 1
    NUMERIC = 2


class Role(IntEnum):
    """What a stake stands for; only COMPUTE and VERIFIER accounts hold seats."""

    HOLDER = 0
    MODEL_PROVIDER = 1
    COMPUTE = 2
    VERIFIER = 3


class Fault(IntEnum):
    """Why stake was taken."""

    ABSENT = 0
    UNOPENED = 1
    INCORRECT = 2
    MALICIOUS = 3


class Vote(IntEnum):
    """A member's word on one candidate; GREY abstains."""

    GREY = 0
    ACCEPT = 1
    REJECT = 2


@dataclass(frozen=True, slots=True)
class Seat:
    """One place in a committee.

    account: operatorId * 2 + (1 if Verifier); weight: whole MLB x reputation (basis points) when drawn;
    faulty: the opening did not match the commitment; value (32 bytes): once revealed the digest (Result
    round) or the packed votes (Vote round), the commitment before.
    """

    account: int
    weight: int
    committed: bool
    revealed: bool
    faulty: bool
    value: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tally of one round says.

    winner: 32 bytes, zero unless passed; confidence: weight share of the leading value, basis points, rounded
    down; accepted, rejected: bit i stands for candidate seat i of round 0 (Vote rounds only).
    """

    passed: bool
    dissent: bool
    winner: bytes
    confidence: int
    accepted: int
    rejected: int
