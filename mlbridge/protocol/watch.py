"""What is wrong with a posted batch, and the challenge that shows it: the core of `mlbridge watch`.

Everything is recomputed from the stored bytes and from what the chain says. A fault that voids the batch
makes all others idle; a struck leaf leaves the others standing. An honest batch has no fault.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any, Final, TypeVar

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.batch import WINDOW, Batch, Header, Item, debits_hash
from mlbridge.protocol.committee import seated
from mlbridge.protocol.evidence import Evidence, Facts, is_fit, prove
from mlbridge.protocol.leaves import (
    ChannelDebit,
    LedgerLeaf,
    TaskLeaf,
    amounts,
    entry_broken,
    task_broken,
)

MOST_DEMANDS: Final = 4
"""Missing leaves of a tree that a report names: one that is not shown in time voids the batch."""

L = TypeVar("L", bound=TaskLeaf | LedgerLeaf)
K = TypeVar("K", tuple[bytes, int], tuple[int, int])


class Challenge(StrEnum):
    """The function of Settlement that takes it; all take the header first."""

    TASKS = "challengeTasks"
    LEDGER = "challengeLedger"
    ENTRY = "challengeEntry"
    MISSING_ENTRY = "challengeMissingEntry"
    DEBIT = "challengeDebit"
    EMPTY_DEBIT = "challengeEmptyDebit"
    EVIDENCE = "strikeEvidence"
    COMMITTEE = "strikeCommittee"
    DUPLICATE = "strikeDuplicate"
    DEMAND = "demand"
    OMITTED = "reopenOmitted"

    @property
    def voids(self) -> bool:
        """Whether the whole batch falls."""
        return self.value.startswith("challenge")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. place: of the leaf in its tree, or of the debit in its list, whichever the
    challenge names; arguments: what the contract's function takes after the header.
    """

    challenge: Challenge
    place: int
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """What the chain says beside the batch.

    settle_window: seconds; order_epochs: as PaymentChannels has them; seeds: epoch -> seed, 32 bytes;
    settled: (channel, sequence) of orders that were settled by themselves before the batch passed them.
    """

    facts: Facts
    settle_window: int
    order_epochs: int
    seeds: Mapping[int, bytes]
    settled: frozenset[tuple[bytes, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Report:
    """faults: those that void the batch first; unchecked: places of task leaves whose committee cannot be
    looked at before the seed of their epoch is posted.
    """

    faults: tuple[Fault, ...]
    unchecked: tuple[int, ...] = ()


def examine(header: Header, debits: Sequence[ChannelDebit], batch: Batch, rules: Rules) -> Report:
    """Everything that is wrong with a batch whose stored bytes are these.

    debits: as they were posted. Raises MLBridgeError `batch.hidden` if these are not the header's leaves or
    debits: then the batch has not shown itself, and leaves are to be demanded.
    """
    roots = header.task_root, header.ledger_root, header.debits
    if (batch.tasks.root, batch.ledger.root, debits_hash(debits)) != roots:
        raise MLBridgeError(
            "batch.hidden",
            "The stored bytes are not the leaves that the batch was posted with.",
            hint="Demand leaves on chain; without an answer the batch is void.",
        )
    return _Examination(header, debits, batch, rules).report()


def omitted(
    header: Header, debits: Sequence[ChannelDebit], batch: Batch, held: Sequence[Evidence]
) -> list[Fault]:
    """The orders among those held that a batch passed without holding them; each can be settled alone then.

    The batch's leaves must be sorted: see `examine`.
    """
    keys = [item.leaf.key for item in batch.items]
    ranges = {debit.channel(header.coordinator): (place, debit) for place, debit in enumerate(debits)}
    found = []
    for evidence in held:
        order = evidence.order
        place, debit = ranges.get(order.channel, (0, None))
        if debit is None or not debit.start <= order.sequence < debit.end:
            continue
        pair = _neighbours(keys, (order.channel, order.sequence))
        if pair is None:
            continue
        proofs = batch.task_proof(pair[0]), batch.task_proof(pair[1])
        plain = _plain(debits)
        found.append(Fault(Challenge.OMITTED, place, (plain, place, order.sequence, *proofs)))
    return found


class _Examination:
    def __init__(self, header: Header, debits: Sequence[ChannelDebit], batch: Batch, rules: Rules) -> None:
        self._header = header
        self._debits = {debit.channel(header.coordinator): debit for debit in reversed(debits)}
        self._listed = debits
        self._plain = _plain(debits)
        self._batch = batch
        self._rules = rules
        self._leaves = [item.leaf for item in batch.items]
        self._unchecked: list[int] = []

    def report(self) -> Report:
        structure = [*self._task_tree(), *self._ledger_tree(), *self._debit_faults(), *self._entry_faults()]
        if not structure:
            # Neighbours tell only in sorted trees.
            structure = [*self._empty_debits(), *self._missing_entries()]
        faults = [*structure, *self._demands(), *self._strikes()]
        return Report(
            tuple(sorted(faults, key=lambda fault: not fault.challenge.voids)), tuple(self._unchecked)
        )

    # ---- what voids ----

    def _task_tree(self) -> Iterator[Fault]:
        count = self._header.tasks

        def broken(a: TaskLeaf, b: TaskLeaf) -> bool:
            return task_broken(a, b, count)

        for a, b in _broken_pairs(self._leaves, broken):
            proofs = self._batch.task_proof(a), self._batch.task_proof(b)
            yield Fault(Challenge.TASKS, a, proofs)

    def _ledger_tree(self) -> Iterator[Fault]:
        count, tasks = self._header.entries, self._header.tasks

        def broken(a: LedgerLeaf, b: LedgerLeaf) -> bool:
            return entry_broken(a, b, count, tasks)

        for a, b in _broken_pairs(self._batch.entries, broken):
            proofs = self._batch.entry_proof(a), self._batch.entry_proof(b)
            yield Fault(Challenge.LEDGER, a, proofs)

    def _debit_faults(self) -> Iterator[Fault]:
        for place, leaf in enumerate(self._leaves):
            if not self._fits(leaf):
                yield Fault(Challenge.DEBIT, place, (self._plain, self._batch.task_proof(place)))

    def _fits(self, leaf: TaskLeaf) -> bool:
        debit = self._debits.get(leaf.channel)
        if debit is None or (leaf.last and leaf.total != debit.debit):
            return False
        if not debit.start <= leaf.sequence < debit.end or leaf.rank == 0:
            return False
        return leaf.sequence < debit.start + leaf.rank - 1 + WINDOW

    def _entry_faults(self) -> Iterator[Fault]:
        shown = {item.leaf.index: place for place, item in enumerate(self._batch.items) if _shows(item)}
        for place, entry in enumerate(self._batch.entries):
            at = shown.get(entry.task)
            if at is None:
                continue
            item = self._batch.items[at]
            if entry.amount != amounts(item.outcome, self._header.coordinator).get(entry.party, 0):
                proofs = self._batch.entry_proof(place), self._batch.task_proof(at)
                yield Fault(Challenge.ENTRY, place, (*proofs, item.outcome.as_tuple()))

    def _missing_entries(self) -> Iterator[Fault]:
        keys = [entry.key for entry in self._batch.entries]
        for place, item in enumerate(self._batch.items):
            if not _shows(item):
                continue
            for party in amounts(item.outcome, self._header.coordinator):
                pair = _neighbours(keys, (party, item.leaf.index))
                if pair is not None:
                    proofs = self._batch.entry_proof(pair[0]), self._batch.entry_proof(pair[1])
                    task = self._batch.task_proof(place)
                    yield Fault(
                        Challenge.MISSING_ENTRY, place, (task, item.outcome.as_tuple(), party, *proofs)
                    )

    def _empty_debits(self) -> Iterator[Fault]:
        keys = [leaf.key for leaf in self._leaves]
        held = {leaf.channel for leaf in self._leaves}
        for place, debit in enumerate(self._listed):
            channel = debit.channel(self._header.coordinator)
            pair = None if channel in held else _neighbours(keys, (channel, 0))
            if pair is not None:
                proofs = self._batch.task_proof(pair[0]), self._batch.task_proof(pair[1])
                yield Fault(Challenge.EMPTY_DEBIT, place, (self._plain, place, *proofs))

    # ---- what must be shown ----

    def _demands(self) -> Iterator[Fault]:
        # A header may name four thousand million leaves, none of which is there.
        tasks = {leaf.index for leaf in self._leaves}
        for index in islice((n for n in range(self._header.tasks) if n not in tasks), MOST_DEMANDS):
            yield Fault(Challenge.DEMAND, index, (False, index))
        entries = {entry.index for entry in self._batch.entries}
        for index in islice((n for n in range(self._header.entries) if n not in entries), MOST_DEMANDS):
            yield Fault(Challenge.DEMAND, index, (True, index))
        for place, item in enumerate(self._batch.items):
            if item.leaf.index < self._header.tasks and not (
                _shows(item) and item.evidence.hash() == item.leaf.evidence
            ):
                yield Fault(Challenge.DEMAND, place, (False, item.leaf.index))

    # ---- what strikes a leaf: one fault each ----

    def _strikes(self) -> Iterator[Fault]:
        for place, item in enumerate(self._batch.items):
            leaf = item.leaf
            if leaf.channel not in self._debits or not _shows(item):
                continue
            proof, outcome = self._batch.task_proof(place), item.outcome.as_tuple()
            if leaf.key in self._rules.settled:
                yield Fault(Challenge.DUPLICATE, place, (proof, outcome, self._plain))
            elif item.evidence.hash() == leaf.evidence:
                data = proof, item.evidence.as_tuple(), outcome, self._plain
                if not self._proves(item):
                    yield Fault(Challenge.EVIDENCE, place, data)
                else:
                    yield from self._committee(place, item.evidence, data)

    def _proves(self, item: Item) -> bool:
        order, header, rules = item.evidence.order, self._header, self._rules
        if (order.channel, order.sequence) != item.leaf.key or item.outcome.debit != item.leaf.debit:
            return False
        if not is_fit(order, header.posted_at, header.epoch, rules.settle_window, rules.order_epochs):
            return False
        try:
            return prove(item.evidence, rules.facts) == item.outcome
        except MLBridgeError:
            return False

    def _committee(self, place: int, evidence: Evidence, data: tuple[Any, ...]) -> Iterator[Fault]:
        seed = self._rules.seeds.get(evidence.order.epoch)
        if seed is None:
            self._unchecked.append(place)
            return
        drawn = seated(evidence.order, seed, self._rules.facts.snapshots)
        for number, seat in enumerate(evidence.seats):
            if seat.account not in drawn:
                yield Fault(Challenge.COMMITTEE, place, (*data, number, drawn))
                return


def _broken_pairs(leaves: Sequence[L], broken: Callable[[L, L], bool]) -> Iterator[tuple[int, int]]:
    """Places of leaves that show a fault of their tree, each leaf at most once as the first."""
    places: dict[int, list[int]] = {}
    indices: list[int] = [leaf.index for leaf in leaves]
    for place, index in enumerate(indices):
        places.setdefault(index, []).append(place)
    for place, own in enumerate(indices):
        near = [place, *places[own], *places.get(own + 1, [])]
        other = next((b for b in near if broken(leaves[place], leaves[b])), None)
        if other is not None:
            yield place, other


def _neighbours(keys: Sequence[K], wanted: K) -> tuple[int, int] | None:
    """Places on both sides of where a key would be; an end stands twice. None if the key is there."""
    place = bisect_left(keys, wanted)
    if place < len(keys) and keys[place] == wanted:
        return None
    return max(place - 1, 0), min(place, len(keys) - 1)


def _shows(item: Item) -> bool:
    return item.outcome.hash() == item.leaf.outcome


def _plain(debits: Sequence[ChannelDebit]) -> list[tuple[bytes, int, int, int]]:
    return [(debit.details, debit.debit, debit.start, debit.end) for debit in debits]
