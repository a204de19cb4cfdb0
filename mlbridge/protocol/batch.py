"""A coordinator's batch: leaves, totals, trees and the bytes that are stored (docs/design/channel-lane.md).

Everything follows from the settled orders and the floors of their channels; the same orders give the same
batch, whoever builds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.evidence import Evidence, Outcome
from mlbridge.protocol.hashing import hash_words, keccak, words
from mlbridge.protocol.leaves import ChannelDebit, LedgerLeaf, TaskLeaf, amounts
from mlbridge.protocol.merkle import Tree
from mlbridge.protocol.orders712 import Message

WINDOW: Final = 64
MAX_STRIDE: Final = 4_096
MAX_DEBITS: Final = 256

_HEADER: Final = (
    "address",
    "uint32",
    "uint40",
    "uint32",
    "uint32",
    "uint96",
    "bytes32",
    "bytes32",
    "bytes32",
    "bytes32",
)


@dataclass(frozen=True, slots=True)
class BatchStatement(Message):
    """What a batch's attesters sign, for the Settlement contract: everything but place and time."""

    TYPE: ClassVar[str] = (
        "Batch(address coordinator,uint32 tasks,uint32 entries,bytes32 taskRoot,bytes32 ledgerRoot,"
        "bytes32 data,bytes32 debits)"
    )
    coordinator: str
    tasks: int
    entries: int
    task_root: bytes
    ledger_root: bytes
    data: bytes
    debits: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """All that the chain knows of a batch, by its hash.

    epoch: beacon's at posting; posted_at: unix seconds; pot: wei, the sum of the debits; data: digest of the
    CID of the stored bytes; debits: see `debits_hash`.
    """

    coordinator: str
    epoch: int
    posted_at: int
    tasks: int
    entries: int
    pot: int
    task_root: bytes
    ledger_root: bytes
    data: bytes
    debits: bytes

    def batch_id(self) -> bytes:
        """The batch's id."""
        return hash_words(_HEADER, self.as_tuple())

    def as_tuple(self) -> tuple[str | int | bytes, ...]:
        """In the order of the Solidity struct."""
        times = self.epoch, self.posted_at
        roots = self.task_root, self.ledger_root, self.data, self.debits
        return self.coordinator, *times, self.tasks, self.entries, self.pot, *roots


@dataclass(frozen=True)
class Item:
    """One settled order as a batch shows it: a leaf, and what it is the hash of."""

    leaf: TaskLeaf
    evidence: Evidence
    outcome: Outcome


@dataclass(frozen=True)
class Batch:
    """What is stored of a batch: its leaves in the order of their trees."""

    items: tuple[Item, ...]
    entries: tuple[LedgerLeaf, ...]

    @cached_property
    def tasks(self) -> Tree:
        """The tree of the task leaves."""
        return Tree([item.leaf.hash() for item in self.items])

    @cached_property
    def ledger(self) -> Tree:
        """The tree of the ledger leaves."""
        return Tree([entry.hash() for entry in self.entries])

    def task_proof(self, place: int) -> tuple[object, list[bytes]]:
        """A task leaf and its path, as TaskProof in Solidity. place: in the tree."""
        return self.items[place].leaf.as_tuple(), self.tasks.path(place)

    def entry_proof(self, place: int) -> tuple[object, list[bytes]]:
        """A ledger leaf and its path, as LedgerProof in Solidity. place: in the tree."""
        return self.entries[place].as_tuple(), self.ledger.path(place)

    def claims(self) -> dict[int, int]:
        """Place of the last entry of each party: what it is paid by."""
        return {entry.party: place for place, entry in enumerate(self.entries) if entry.last}

    def statement(self, coordinator: str, data: bytes, debits: Sequence[ChannelDebit]) -> BatchStatement:
        """What attesters sign. data: digest of the CID of the stored bytes, 32 bytes."""
        sizes = len(self.items), len(self.entries)
        return BatchStatement(
            coordinator, *sizes, self.tasks.root, self.ledger.root, data, debits_hash(debits)
        )


def build(
    coordinator: str, settled: Sequence[tuple[Evidence, Outcome]], floors: Mapping[bytes, int]
) -> tuple[Batch, list[ChannelDebit]]:
    """The batch of these orders and the debits that go with it.

    floors: channel -> its floor on chain. Raises MLBridgeError `batch.empty`, `batch.twice` (an order given
    twice), `batch.window` (a sequence below its floor or too far ahead of the ones before) or
    `batch.channels` (more than 256).
    """
    if not settled:
        raise MLBridgeError("batch.empty", "A batch needs at least one settled order.")
    ordered = sorted(settled, key=lambda pair: (pair[0].order.channel, pair[0].order.sequence))
    items: list[Item] = []
    debits: list[ChannelDebit] = []
    for place, (evidence, outcome) in enumerate(ordered):
        order = evidence.order
        previous = items[-1].leaf if items and items[-1].leaf.channel == order.channel else None
        following = ordered[place + 1][0].order if place + 1 < len(ordered) else None
        leaf = TaskLeaf(
            index=place,
            channel=order.channel,
            sequence=order.sequence,
            rank=previous.rank + 1 if previous else 1,
            debit=outcome.debit,
            total=(previous.total if previous else 0) + outcome.debit,
            last=following is None or following.channel != order.channel,
            outcome=outcome.hash(),
            evidence=evidence.hash(),
        )
        floor = floors[order.channel]
        _require_place(leaf, floor, previous)
        items.append(Item(leaf, evidence, outcome))
        if leaf.last:
            debits.append(ChannelDebit(evidence.terms.details(), leaf.total, floor, leaf.sequence + 1))
    if len(debits) > MAX_DEBITS:
        raise MLBridgeError(
            "batch.channels",
            f"A batch holds {MAX_DEBITS} channels at most, not {len(debits)}.",
            hint="Post the rest in another batch.",
        )
    return Batch(tuple(items), tuple(_entries(coordinator, items))), debits


def debits_hash(debits: Sequence[ChannelDebit]) -> bytes:
    """keccak256 of abi.encode of the list, as the header names it."""
    head = (32).to_bytes(32, "big") + len(debits).to_bytes(32, "big")
    kinds = ("bytes32", "uint88", "uint32", "uint32")
    listed = [words(kinds, (debit.details, debit.debit, debit.start, debit.end)) for debit in debits]
    return keccak(head + b"".join(listed))


def _require_place(leaf: TaskLeaf, floor: int, previous: TaskLeaf | None) -> None:
    if previous is not None and previous.sequence == leaf.sequence:
        raise MLBridgeError("batch.twice", f"Order {leaf.sequence} of a channel was given twice.")
    most = min(floor + leaf.rank - 1 + WINDOW, floor + MAX_STRIDE)
    if not floor <= leaf.sequence < most:
        raise MLBridgeError(
            "batch.window",
            f"Order {leaf.sequence} is not from {floor} on and below {most}, where its channel can settle.",
            hint="Settle the orders before it, or have the requester's voucher pass them.",
        )


def _entries(coordinator: str, items: Sequence[Item]) -> list[LedgerLeaf]:
    paid = sorted(
        (party, item.leaf.index, amount)
        for item in items
        for party, amount in amounts(item.outcome, coordinator).items()
    )
    entries: list[LedgerLeaf] = []
    total = 0
    for place, (party, task, amount) in enumerate(paid):
        total = amount + (total if place and paid[place - 1][0] == party else 0)
        last = place + 1 == len(paid) or paid[place + 1][0] != party
        entries.append(LedgerLeaf(place, party, task, amount, total, last))
    return entries
