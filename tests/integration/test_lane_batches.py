"""Batches built in Python, on a real chain: paid out when honest, and every kind of wrong leaf shown.

Each kind is one change to an honest draft. What `examine` finds must be taken by the contract, and the honest
batch must survive every challenge that was made of a wrong one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from contracts import batches, channels
from contracts.batches import BatchStatus
from contracts.errors import ContractError
from contracts.reads import call, claimable
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.batch import Batch, Item, build
from mlbridge.protocol.evidence import Evidence, Outcome, SeatProof, prove
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.leaves import ChannelDebit, LedgerLeaf, party_of
from mlbridge.protocol.watch import Challenge, Fault, omitted
from tests.support.lane import (
    ANSWER,
    BOND,
    CHALLENGE,
    DEMAND_BOND,
    LEAF_PENALTY,
    SETTLE,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with lane_scene() as made:
        yield made


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


async def test_an_honest_batch_is_paid_out(scene: Scene) -> None:
    batch, debits = await scene.draft(3)
    found = await scene.post(batch, debits)
    header = found.header
    assert header.batch_id() == bytes(
        await call(scene.rig.lane.settlement.functions.batchId(header.as_tuple()))
    )
    assert await scene.examined(found, batch) == ()
    assert set((await scene.floors()).values()) == {3}

    lane, anybody = scene.rig.lane, scene.rig.treasury
    with pytest.raises(ContractError) as early:
        await batches.claim(lane, anybody, header, batch, party_of(scene.world.coordinator))
    assert early.value.name == "BatchNotFinal"

    await scene.rig.warp(CHALLENGE)
    fees = await call(scene.rig.chain.distributor.functions.protocolFees())
    for party in batch.claims():
        await batches.claim(lane, anybody, header, batch, party)
    paid = {party: batch.entries[place].total for party, place in batch.claims().items()}
    assert (await batches.batch_state(lane, header.batch_id())).pot == 0
    assert sum(paid.values()) == header.pot == sum(debit.debit for debit in debits)
    assert await call(scene.rig.chain.distributor.functions.protocolFees()) == fees + paid[0]
    coins, _ = await claimable(scene.rig.chain, scene.world.coordinator)
    assert coins == paid[party_of(scene.world.coordinator)]
    for member in scene.rig.members:
        coins, _ = await claimable(scene.rig.chain, member.operator.address)
        assert coins == paid.get(member.account, 0)
    with pytest.raises(ContractError) as again:
        await batches.claim(lane, anybody, header, batch, 0)
    assert again.value.name == "AlreadyClaimed"
    await batches.withdraw_bond(lane, scene.coordinator, 3 * BOND)
    assert (await batches.bond_of(lane, scene.world.coordinator))[0] == 0


Wrong = tuple[Batch, list[ChannelDebit]]
Lie = Callable[[Scene, Batch, list[ChannelDebit]], Awaitable[Wrong]]


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


async def test_whatever_is_wrong_with_its_structure_voids_a_batch(scene: Scene) -> None:
    lane, watcher = scene.rig.lane, (await scene.rig.funded())[1]
    for lie, kind in VOIDING.items():
        balances = [
            (await channels.channel_state(lane, scene.world.terms(channel).channel())).balance
            for channel in range(2)
        ]
        batch, debits = await lie(scene, *await scene.draft())
        found = await scene.post(batch, debits)
        faults = [fault for fault in await scene.examined(found, batch) if fault.challenge.voids]
        assert kind in {fault.challenge for fault in faults}, lie.__name__
        # Every single one is taken by the contract.
        for fault in faults:
            snapshot = await scene.rig.chain.provider.request("evm_snapshot", [])
            await batches.challenge(lane, watcher, found.header, fault)
            assert await scene.status(found.header) is BatchStatus.VOID, lie.__name__
            await scene.rig.chain.provider.request("evm_revert", [snapshot])
        rewards = await call(lane.settlement.functions.withdrawable(watcher.address))
        await batches.challenge(lane, watcher, found.header, faults[0])
        gained = await call(lane.settlement.functions.withdrawable(watcher.address)) - rewards
        assert gained == BOND // 10
        # The victims come first.
        for position in range(len(debits)):
            await batches.restore(lane, watcher, found.header, debits, position)
        assert balances == [
            (await channels.channel_state(lane, scene.world.terms(channel).channel())).balance
            for channel in range(2)
        ]
        await batches.deposit_bond(lane, scene.coordinator, BOND)
        await scene.rig.warp(SETTLE)
        await scene.rig.record()
        await scene.rig.advance()


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


async def test_a_leaf_that_nothing_proves_is_struck(scene: Scene) -> None:
    lane, watcher = scene.rig.lane, (await scene.rig.funded())[1]
    for how, kind in STRIKING.items():
        batch, debits = forged(scene, *await scene.draft(), how)
        found = await scene.post(batch, debits)
        faults = await scene.examined(found, batch)
        assert [fault.challenge for fault in faults] == [kind], how.__name__
        struck = batch.items[faults[0].place].leaf
        before = (await channels.channel_state(lane, struck.channel)).balance
        await batches.challenge(lane, watcher, found.header, faults[0])
        assert (await channels.channel_state(lane, struck.channel)).balance == before + struck.debit
        state = await batches.batch_state(lane, found.header.batch_id())
        assert (state.status, state.pot) == (BatchStatus.POSTED, found.header.pot - struck.debit)
        with pytest.raises(ContractError) as again:
            await batches.challenge(lane, watcher, found.header, faults[0])
        assert again.value.name == "AlreadyStruck"
        # All honest leaves stand, and are paid.
        await scene.rig.warp(CHALLENGE)
        for party in batch.claims():
            await batches.claim(lane, watcher, found.header, batch, party)
        assert (await batches.batch_state(lane, found.header.batch_id())).pot == 0
        await batches.deposit_bond(lane, scene.coordinator, LEAF_PENALTY)
        await scene.rig.record()
        await scene.rig.advance()


async def test_an_order_that_was_settled_by_itself_is_struck(scene: Scene) -> None:
    lane, watcher = scene.rig.lane, (await scene.rig.funded())[1]
    await scene.refresh()
    evidence, outcome = scene.world.settled(1)
    assert await channels.settle(lane, watcher, evidence) == outcome.debit
    assert (await channels.channel_state(lane, evidence.order.channel)).settled(1)
    floors = await scene.floors()
    batch, debits = build(
        scene.world.coordinator, [scene.world.settled(0), (evidence, outcome), scene.world.settled(2)], floors
    )
    found = await scene.post(batch, debits)
    faults = await scene.examined(found, batch)
    assert [(fault.challenge, fault.place) for fault in faults] == [(Challenge.DUPLICATE, 1)]
    await batches.challenge(lane, watcher, found.header, faults[0])
    state = await batches.batch_state(lane, found.header.batch_id())
    assert state.pot == found.header.pot - outcome.debit


async def test_an_honest_batch_survives_every_challenge(scene: Scene) -> None:
    """The arguments that would show a fault of another batch show none of this one."""
    lane, watcher = scene.rig.lane, (await scene.rig.funded())[1]
    batch, debits = await scene.draft()
    found = await scene.post(batch, debits)
    plain = [(debit.details, debit.debit, debit.start, debit.end) for debit in debits]
    tried: list[Fault] = []
    for place, item in enumerate(batch.items):
        task, outcome = batch.task_proof(place), item.outcome.as_tuple()
        data = task, item.evidence.as_tuple(), outcome, plain
        tried += [Fault(Challenge.TASKS, place, (task, batch.task_proof(other))) for other in range(4)]
        tried.append(Fault(Challenge.DEBIT, place, (plain, task)))
        tried.append(Fault(Challenge.EVIDENCE, place, data))
        tried.append(Fault(Challenge.DUPLICATE, place, (task, outcome, plain)))
        drawn = scene.world.committee(item.evidence.order)
        others = sorted(account for account in scene.world.keys if account not in drawn)
        for seat in range(3):
            tried.append(Fault(Challenge.COMMITTEE, place, (*data, seat, others)))
        entries = [batch.entry_proof(at) for at in range(len(batch.entries))]
        for at, entry in enumerate(batch.entries):
            tried.append(Fault(Challenge.ENTRY, at, (entries[at], task, outcome)))
            follower = entries[min(at + 1, len(entries) - 1)]
            missing = task, outcome, entry.party, entries[at], follower
            tried.append(Fault(Challenge.MISSING_ENTRY, at, missing))
            if place == 0:
                tried.append(Fault(Challenge.LEDGER, at, (entries[at], follower)))
    tasks = [batch.task_proof(place) for place in range(4)]
    for position in range(2):
        tried.append(Fault(Challenge.EMPTY_DEBIT, position, (plain, position, tasks[1], tasks[2])))
        tried.append(
            Fault(Challenge.OMITTED, position, (plain, position, debits[position].start, *tasks[:2]))
        )
    for fault in tried:
        with pytest.raises(ContractError) as caught:
            await batches.challenge(lane, watcher, found.header, fault)
        assert caught.value.name == "NoFault", fault
    assert (await batches.batch_state(lane, found.header.batch_id())).pot == found.header.pot


async def test_a_demand_is_answered_or_voids(scene: Scene) -> None:
    lane, watcher = scene.rig.lane, (await scene.rig.funded())[1]
    batch, debits = await scene.draft()
    found = await scene.post(batch, debits)
    for ledger in (False, True):
        await batches.challenge(lane, watcher, found.header, Fault(Challenge.DEMAND, 1, (ledger, 1)))
        await batches.answer(lane, scene.coordinator, found.header, batch, ledger=ledger, place=1)
    earned = await call(lane.settlement.functions.withdrawable(scene.world.coordinator))
    assert earned == 2 * DEMAND_BOND
    await batches.challenge(lane, watcher, found.header, Fault(Challenge.DEMAND, 2, (False, 2)))
    await scene.rig.warp(ANSWER + 1)
    await batches.void_unanswered(lane, watcher, found.header, ledger=False, index=2)
    assert await scene.status(found.header) is BatchStatus.VOID
    await batches.withdraw(lane, watcher)
    assert await call(lane.settlement.functions.withdrawable(watcher.address)) == 0


async def test_an_order_left_out_settles_by_itself(scene: Scene) -> None:
    lane, watcher = scene.rig.lane, (await scene.rig.funded())[1]
    await scene.refresh()
    world = scene.world
    held, outcome = world.settled(1)
    batch, debits = build(
        world.coordinator, [world.settled(0), world.settled(2)], {world.terms(0).channel(): 0}
    )
    found = await scene.post(batch, debits)
    assert await scene.examined(found, batch) == ()
    with pytest.raises(ContractError) as passed:
        await channels.settle(lane, watcher, held)
    assert passed.value.name == "AlreadySettled"
    (fault,) = omitted(found.header, found.debits, batch, [held, world.settled(0)[0]])
    await batches.challenge(lane, watcher, found.header, fault)
    assert await channels.settle_reopened(lane, watcher, held, 2) == outcome.debit


async def test_evidence_proves_to_python_what_it_proves_to_the_contract(scene: Scene) -> None:
    """The same outcome, or the same word for why not."""
    await scene.refresh()
    world, order = scene.world, scene.world.order(0)
    good = world.evidence(order)
    cases = [
        good,
        world.evidence(world.order(1, seats=5), silent=[1]),
        world.evidence(world.order(1, seats=5), silent=[1, 2]),
        world.evidence(order, silent=[2]),
        world.evidence(world.order(0, max_fee=10**12)),
        world.evidence(world.order(0, epoch=world.epoch + 1), accounts=world.committee(order)),
        world.evidence(world.order(0, epoch=world.opened_in), accounts=world.committee(order)),
        world.evidence(world.order(0, model_id=keccak(b"other")), accounts=world.committee(order)),
        world.evidence(order, accounts=world.committee(order)[:2]),
        replace(good, terms=world.terms(1)),
        replace(good, result=keccak(b"x")),
        replace(good, order_signature=good.seats[0].signature),
        replace(good, seats=good.seats[::-1]),
        replace(good, seats=(*good.seats[:2], SeatProof(2 * 10**6, bytes(32)))),
        forged_seat(scene, good)[0],
    ]
    for evidence in cases:
        check = scene.rig.lane.channels.functions.check(evidence.as_tuple())
        try:
            said: object = prove(evidence, world.facts).as_tuple()
        except MLBridgeError as refused:
            said = refused.context["reason"]
        try:
            answered: object = tuple(await call(check))
        except ContractError as refused_too:
            answered = refused_too.name
        assert said == answered
