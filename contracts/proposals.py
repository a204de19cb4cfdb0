"""Proposals as values: categories and their terms, calls, states. The same order as in the Solidity enums."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Category(IntEnum):
    """What a proposal is about. GOVERNANCE is the strictest, and that of every call nobody listed."""

    TECHNICAL = 0
    ECONOMIC = 1
    GOVERNANCE = 2
    ECOSYSTEM = 3


class ProposalState(IntEnum):
    """Where a proposal stands; same order as OpenZeppelin's IGovernor."""

    PENDING = 0
    ACTIVE = 1
    CANCELED = 2
    DEFEATED = 3
    SUCCEEDED = 4
    QUEUED = 5
    EXPIRED = 6
    EXECUTED = 7


class Support(IntEnum):
    """A vote."""

    AGAINST = 0
    FOR = 1
    ABSTAIN = 2


@dataclass(frozen=True)
class Terms:
    """How proposals of a category are decided.

    voting_delay, voting_period, timelock_delay: seconds; quorum, approval: basis points; proposal_threshold:
    MLB with 18 decimals; quorum_floor: the same, or weight of the roll where quadratic.
    """

    voting_delay: int
    voting_period: int
    timelock_delay: int
    quorum: int
    approval: int
    quadratic: bool
    proposal_threshold: int
    quorum_floor: int

    def as_tuple(self) -> tuple[int, ...]:
        """In the order of the Solidity struct."""
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)


@dataclass(frozen=True)
class Call:
    """What the timelock is to call. target: checksummed address; value: wei from the treasury."""

    target: str
    value: int = 0
    data: bytes = b""


@dataclass(frozen=True)
class ProposalInfo:
    """A proposal and where it stands.

    snapshot, deadline, eta: unix seconds, eta 0 before it is queued; against, for_, abstain, quorum: MLB with
    18 decimals, or weight of the roll where quadratic; quorum: None before the vote opens.
    """

    id: int
    proposer: str
    category: Category
    quadratic: bool
    state: ProposalState
    description: str
    calls: tuple[Call, ...]
    snapshot: int
    deadline: int
    eta: int
    against: int
    for_: int
    abstain: int
    quorum: int | None


def id_text(proposal_id: int) -> str:
    """A proposal's id as people copy it: 0x and 64 hex digits."""
    return f"0x{proposal_id:064x}"
