"""The leaves of a batch and the rules between neighbours: the twin of BatchLeaves.sol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mlbridge.protocol.evidence import Outcome
from mlbridge.protocol.hashing import hash_words, keccak, words

PROTOCOL: Final = 0
_ADDRESS_TAG: Final = 1 << 160

_TASK: Final = ("uint32", "bytes32", "uint32", "uint32", "uint88", "uint88", "bool", "bytes32", "bytes32")
_ENTRY: Final = ("uint32", "uint256", "uint32", "uint96", "uint96", "bool")


@dataclass(frozen=True, slots=True)
class TaskLeaf:
    """One settled order. Sorted by channel, then sequence.

    index: from 0; rank: place among the leaves of its channel, from 1; debit: wei; total: wei of its channel
    up to and with this leaf; last: of its channel; outcome, evidence: hashes.
    """

    index: int
    channel: bytes
    sequence: int
    rank: int
    debit: int
    total: int
    last: bool
    outcome: bytes
    evidence: bytes

    def hash(self) -> bytes:
        """Hashed twice."""
        return keccak(keccak(words(_TASK, self.as_tuple())))

    def as_tuple(self) -> tuple[int, bytes, int, int, int, int, bool, bytes, bytes]:
        """In the order of the Solidity struct."""
        order = self.index, self.channel, self.sequence, self.rank, self.debit, self.total
        return (*order, self.last, self.outcome, self.evidence)

    @property
    def key(self) -> tuple[bytes, int]:
        """What leaves are sorted by."""
        return self.channel, self.sequence

    def opens(self) -> bool:
        """Whether it can be the first of its channel."""
        return self.rank == 1 and self.total == self.debit

    def followed_by(self, other: TaskLeaf) -> bool:
        """Whether the other may stand at the next place."""
        if self.channel != other.channel:
            return self.last and other.channel > self.channel and other.opens()
        in_line = not self.last and other.sequence > self.sequence and other.rank == self.rank + 1
        return in_line and other.total == self.total + other.debit


@dataclass(frozen=True, slots=True)
class LedgerLeaf:
    """What one party gets for one order. Sorted by party, then task.

    party: see `party_of`; task: index of the task leaf; amount: wei; total: wei of its party up to and with
    this leaf; last: of its party.
    """

    index: int
    party: int
    task: int
    amount: int
    total: int
    last: bool

    def hash(self) -> bytes:
        """Hashed twice."""
        return keccak(keccak(words(_ENTRY, self.as_tuple())))

    def as_tuple(self) -> tuple[int, int, int, int, int, bool]:
        """In the order of the Solidity struct."""
        return self.index, self.party, self.task, self.amount, self.total, self.last

    @property
    def key(self) -> tuple[int, int]:
        """What leaves are sorted by."""
        return self.party, self.task

    def followed_by(self, other: LedgerLeaf) -> bool:
        """Whether the other may stand at the next place."""
        if self.party != other.party:
            return self.last and other.party > self.party and other.total == other.amount
        in_line = not self.last and other.task > self.task
        return in_line and other.total == self.total + other.amount


@dataclass(frozen=True, slots=True)
class ChannelDebit:
    """One channel's part of a batch. details: ChannelTerms.details(); debit: wei; start, end: floor before
    and after it, so the batch holds all orders from `start` on and below `end` that were done.
    """

    details: bytes
    debit: int
    start: int
    end: int

    def channel(self, coordinator: str) -> bytes:
        """The channel's id."""
        return hash_words(["address", "bytes32"], [coordinator, self.details])


def task_broken(a: TaskLeaf, b: TaskLeaf, count: int) -> bool:
    """Whether two leaves of one tree show a fault in it; the same leaf twice shows one of its own."""
    if a.index >= count or (a.index == 0 and not a.opens()) or (a.index + 1 == count and not a.last):
        return True
    if a.index == b.index:
        return a != b
    return b.index == a.index + 1 and not a.followed_by(b)


def entry_broken(a: LedgerLeaf, b: LedgerLeaf, count: int, tasks: int) -> bool:
    """The same for a ledger. tasks: leaves of the batch's task tree."""
    if a.index >= count or a.task >= tasks or a.amount == 0:
        return True
    if (a.index == 0 and a.total != a.amount) or (a.index + 1 == count and not a.last):
        return True
    if a.index == b.index:
        return a != b
    return b.index == a.index + 1 and not a.followed_by(b)


def party_of(address: str) -> int:
    """A party that is an address; PROTOCOL is 0, an account is its own number."""
    return _ADDRESS_TAG | int(address, 16)


def amounts(outcome: Outcome, coordinator: str) -> dict[int, int]:
    """What an outcome gives to each party in all its roles, in wei; parties without anything are left out."""
    found: dict[int, int] = {PROTOCOL: outcome.protocol_fee}
    for party, amount in (
        (party_of(coordinator), outcome.coordinator_fee),
        (party_of(outcome.model_provider), outcome.model_fee),
        *((winner, outcome.seat_fee) for winner in outcome.winners),
    ):
        found[party] = found.get(party, 0) + amount
    return {party: amount for party, amount in found.items() if amount}
