"""Wrong batches: each is one change to an honest draft, with the challenge that shows it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from mlbridge.protocol.batch import Batch, Item, build
from mlbridge.protocol.evidence import Evidence, Outcome, prove
from mlbridge.protocol.leaves import ChannelDebit, LedgerLeaf, party_of
from mlbridge.protocol.watch import Challenge
from tests.support.lane import SETTLE
from tests.support.lane_scene import Scene

Wrong = tuple[Batch, list[ChannelDebit]]
Lie = Callable[[Scene, Batch, list[ChannelDebit]], Awaitable[Wrong]]


def rebuilt(batch: Batch, items: list[Item] | None = None, entries: list[LedgerLeaf] | None = None) -> Batch:
    return Batch(
        batch.items if items is None else tuple(items), batch.entries if entries is None else tuple(entries)
    )


def with_leaf(batch: Batch, place: int, **changes: Any) -> Batch:
    items = list(batch.items)
    items[place] = replace(items[place], leaf=replace(items[place].leaf, **changes))
    return rebuilt(batch, items)


def with_entry(batch: Batch, place: int, **changes: Any) -> Batch:
    entries = list(batch.entries)
    entries[place] = replace(entries[place], **changes)
    return rebuilt(batch, entries=entries)


async def missummed(scene: Scene, batch: Batch, debits: list[ChannelDebit]) -> Wrong:
    """A channel's running total jumps."""
    leaf = batch.items[1].leaf
    return with_leaf(batch, 1, total=leaf.total + 5), [replace(debits[0], debit=leaf.total + 5), debits[1]]


async def unsorted(scene: Scene, batch: Batch, debits: list[ChannelDebit]) -> Wrong:
    """Two orders of a channel stand the wrong way round."""
    first, second = batch.items[0].leaf, batch.items[1].leaf
    changed = with_leaf(batch, 0, sequence=second.sequence)
    return with_leaf(changed, 1, sequence=first.sequence), debits


async def twice(scene: Scene, batch: Batch, debits: list[ChannelDebit]) -> Wrong:
    """One order stands in two leaves."""
    return with_leaf(batch, 1, sequence=batch.items[0].leaf.sequence), debits


async def misnumbered(scene: Scene, batch: Batch, debits: list[ChannelDebit]) -> Wrong:
    """Two leaves share a place, and a leaf has none."""
    return with_leaf(batch, 1, index=0), debits


async def never_last(scene: Scene, batch: Batch, debits: list[ChannelDebit]) -> Wrong:
    """The last leaf says that more come."""
    return with_leaf(batch, 3, last=False), debits


async def ledger_missummed(scene: Scene, batch: Batch, debits: list[ChannelDebit]) -> Wrong:
    """A party claims more than its entries say."""
    return with_entry(batch, len(batch.entries) - 1, total=10**18), debits


async def ledger_empty_entry(scene: Scene, batch: Batch, debits: list[ChannelDebit]) -> Wrong:
    """An entry of nothing."""
    return with_entry(batch, 0, amount=0, total=0), debits


async def ledger_no_task(scene: Scene, batch: Batch, debits: list[ChannelDebit]) -> Wrong:
    """An entry for a task that is not there."""
    place = next(i for i, entry in enumerate(batch.entries) if entry.last)
    return with_entry(batch, place, task=99), debits


async def wrong_entry(scene: Scene, batch: Batch, debits: list[ChannelDebit]) -> Wrong:
    """The coordinator takes a seat's wei into its own entry, and all sums are right."""
    entries = [list(entry.as_tuple()) for entry in batch.entries]
    poor = next(row for row in entries if row[5] and 0 < row[1] < 2**32)
    rich = next(row for row in entries if row[1] == party_of(scene.world.coordinator) and row[5])
    for row, change in ((poor, -7), (rich, 7)):
        row[3] += change
        row[4] += change
    return rebuilt(batch, entries=[LedgerLeaf(*row) for row in entries]), debits


async def stranger(scene: Scene, batch: Batch, debits: list[ChannelDebit]) -> Wrong:
    """Somebody is paid who has nothing to do with the order."""
    place = len(batch.entries)
    entries = [*batch.entries, LedgerLeaf(place, 2**165, 0, 1, 1, True)]
    return rebuilt(batch, entries=entries), debits


async def missing_entry(scene: Scene, batch: Batch, debits: list[ChannelDebit]) -> Wrong:
    """A seat is left out of the ledger, and all that is there is right."""
    gone = next(entry for entry in batch.entries if entry.last and 0 < entry.party < 2**32)
    kept = [entry for entry in batch.entries if entry.party != gone.party]
    entries = [replace(entry, index=place) for place, entry in enumerate(kept)]
    return rebuilt(batch, entries=entries), debits


async def overdebited(scene: Scene, batch: Batch, debits: list[ChannelDebit]) -> Wrong:
    """More is taken from a channel than its leaves say."""
    return batch, [replace(debits[0], debit=debits[0].debit + 1), debits[1]]


async def outside_its_range(scene: Scene, batch: Batch, debits: list[ChannelDebit]) -> Wrong:
    """A leaf beyond the range that the channel was debited for."""
    return batch, [replace(debits[0], end=debits[0].end - 1), debits[1]]


async def too_far_ahead(scene: Scene, batch: Batch, debits: list[ChannelDebit]) -> Wrong:
    """A leaf so far ahead that its committee could have been looked for."""
    world = scene.world
    far = world.settled(debits[0].start + 70)
    floors = {debit.channel(world.coordinator): debit.start for debit in debits}
    lifted = {**floors, world.terms(0).channel(): debits[0].start + 60}
    other = [(item.evidence, item.outcome) for item in batch.items if item.evidence.terms == world.terms(1)]
    made, taken = build(world.coordinator, [far, *other], lifted)
    return made, [replace(debit, start=floors[debit.channel(world.coordinator)]) for debit in taken]


async def empty_debit(scene: Scene, batch: Batch, debits: list[ChannelDebit]) -> Wrong:
    """A channel is debited without any leaf."""
    world = scene.world
    floors = {debit.channel(world.coordinator): debit.start for debit in debits}
    kept = [(item.evidence, item.outcome) for item in batch.items if item.evidence.terms == world.terms(0)]
    made, taken = build(world.coordinator, kept, floors)
    extra = [debit for debit in debits if debit.details == world.terms(1).details()]
    both = sorted([*taken, *extra], key=lambda debit: debit.channel(world.coordinator))
    return made, both


VOIDING: dict[Lie, Challenge] = {
    missummed: Challenge.TASKS,
    unsorted: Challenge.TASKS,
    twice: Challenge.TASKS,
    misnumbered: Challenge.TASKS,
    never_last: Challenge.TASKS,
    ledger_missummed: Challenge.LEDGER,
    ledger_empty_entry: Challenge.LEDGER,
    ledger_no_task: Challenge.LEDGER,
    wrong_entry: Challenge.ENTRY,
    stranger: Challenge.ENTRY,
    missing_entry: Challenge.MISSING_ENTRY,
    overdebited: Challenge.DEBIT,
    outside_its_range: Challenge.DEBIT,
    too_far_ahead: Challenge.DEBIT,
    empty_debit: Challenge.EMPTY_DEBIT,
}


Forgery = Callable[[Scene, Evidence], tuple[Evidence, dict[str, Any]]]


def forged_order(scene: Scene, evidence: Evidence) -> tuple[Evidence, dict[str, Any]]:
    """An order that the requester never signed."""
    return replace(evidence, order_signature=evidence.seats[0].signature), {}


def forged_seat(scene: Scene, evidence: Evidence) -> tuple[Evidence, dict[str, Any]]:
    """A seat's attestation by somebody else's key."""
    seat = replace(evidence.seats[0], signature=evidence.seats[1].signature)
    return replace(evidence, seats=(seat, *evidence.seats[1:])), {}


def no_verdict(scene: Scene, evidence: Evidence) -> tuple[Evidence, dict[str, Any]]:
    """Two of three."""
    return scene.world.evidence(evidence.order, silent=[0]), {}


def overcharged(scene: Scene, evidence: Evidence) -> tuple[Evidence, dict[str, Any]]:
    """More for a seat than the price leaves."""
    return evidence, {"seat_fee": prove(evidence, scene.world.facts).seat_fee + 1}


def out_of_time(scene: Scene, evidence: Evidence) -> tuple[Evidence, dict[str, Any]]:
    """An order whose time to settle is over."""
    late = replace(evidence.order, deadline=scene.world.now - SETTLE - 100)
    return scene.world.evidence(late), {}


def other_order(scene: Scene, evidence: Evidence) -> tuple[Evidence, dict[str, Any]]:
    """The evidence of another sequence."""
    return scene.world.evidence(replace(evidence.order, sequence=evidence.order.sequence + 9)), {}


def false_committee(scene: Scene, evidence: Evidence) -> tuple[Evidence, dict[str, Any]]:
    """Three friends that were not all drawn."""
    drawn = scene.world.committee(evidence.order)
    outsider = next(account for account in scene.world.keys if account not in drawn)
    return scene.world.evidence(evidence.order, accounts=sorted([*drawn[1:], outsider])), {}


STRIKING: dict[Forgery, Challenge] = {
    forged_order: Challenge.EVIDENCE,
    forged_seat: Challenge.EVIDENCE,
    no_verdict: Challenge.EVIDENCE,
    overcharged: Challenge.EVIDENCE,
    out_of_time: Challenge.EVIDENCE,
    other_order: Challenge.EVIDENCE,
    false_committee: Challenge.COMMITTEE,
}


def forged(scene: Scene, batch: Batch, debits: list[ChannelDebit], how: Forgery) -> Wrong:
    """The first leaf of the first channel forged; totals and ledger follow, so that nothing else is wrong."""
    world = scene.world
    settled: list[tuple[Evidence, Outcome]] = []
    target = next(item for item in batch.items if item.evidence.terms == world.terms(0))
    for item in batch.items:
        evidence, outcome = item.evidence, item.outcome
        if item is target:
            evidence, changes = how(scene, evidence)
            winners = tuple(seat.account for seat in evidence.seats)
            outcome = replace(outcome, winners=winners, order=evidence.order.digest(world.domain), **changes)
            paid = outcome.coordinator_fee + outcome.protocol_fee + outcome.model_fee
            outcome = replace(outcome, debit=paid + outcome.seat_fee * len(winners))
        settled.append((evidence, outcome))
    floors = {debit.channel(world.coordinator): debit.start for debit in debits}
    if how is other_order:
        return misplaced(scene, settled, target, floors)
    return build(world.coordinator, settled, floors)


def misplaced(
    scene: Scene, settled: list[tuple[Evidence, Outcome]], target: Item, floors: dict[bytes, int]
) -> Wrong:
    """A leaf says one sequence and its evidence another."""
    honest = [
        (target.evidence, outcome)
        if evidence.order.sequence - target.leaf.sequence == 9
        else (evidence, outcome)
        for evidence, outcome in settled
    ]
    batch, debits = build(scene.world.coordinator, honest, floors)
    items = list(batch.items)
    place = next(i for i, item in enumerate(items) if item.evidence == target.evidence)
    evidence = next(e for e, _ in settled if e.order.sequence - target.leaf.sequence == 9)
    leaf = replace(items[place].leaf, evidence=evidence.hash())
    items[place] = Item(leaf, evidence, items[place].outcome)
    return rebuilt(batch, items), debits
