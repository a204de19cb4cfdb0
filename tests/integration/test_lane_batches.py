"""Batches built in Python, on a real chain: paid out when honest, and every kind of wrong leaf shown.

Each kind is one change to an honest draft. What `examine` finds must be taken by the contract, and the honest
batch must survive every challenge that was made of a wrong one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import astuple, replace
from pathlib import Path

import pytest

from contracts import batches, channels
from contracts.batches import BatchStatus
from contracts.errors import ContractError
from contracts.laneview import LaneView
from contracts.reads import call, claimable
from coordinator.lane.attest import Attester
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import batch_data
from mlbridge.protocol.batch import build
from mlbridge.protocol.evidence import SeatProof, prove
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.leaves import party_of
from mlbridge.protocol.watch import Challenge, Fault, omitted
from mlbridge.storage import LocalStore
from tests.support.lane import (
    ANSWER,
    BOND,
    CHALLENGE,
    DEMAND_BOND,
    LEAF_PENALTY,
    SETTLE,
)
from tests.support.lane_lies import STRIKING, VOIDING, forged, forged_seat
from tests.support.lane_scene import Scene, lane_scene

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with lane_scene() as made:
        yield made


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


async def test_an_order_that_was_settled_by_itself_is_not_attested_and_is_struck(
    scene: Scene, tmp_path: Path
) -> None:
    lane, watcher = scene.rig.lane, (await scene.rig.funded())[1]
    await scene.refresh()
    evidence, outcome = scene.world.settled(1)
    assert await channels.settle(lane, watcher, evidence) == outcome.debit
    assert (await channels.channel_state(lane, evidence.order.channel)).settled(1)
    floors = await scene.floors()
    batch, debits = build(
        scene.world.coordinator, [scene.world.settled(0), (evidence, outcome), scene.world.settled(2)], floors
    )
    content, verifier = LocalStore(tmp_path), scene.rig.verifiers[0]
    stored = batch_data.to_bytes(batch)
    await content.put(stored)
    statement = batch.statement(scene.world.coordinator, batch_data.digest(stored), debits)
    attester = Attester(await LaneView.open(lane), content, verifier.account, bytes(verifier.node.key))
    with pytest.raises(MLBridgeError) as faulty:
        await attester.look(statement, debits)
    assert (faulty.value.code, faulty.value.context["challenge"]) == ("batch.faulty", "strikeDuplicate")

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


async def test_a_posted_batch_keeps_its_limits(scene: Scene) -> None:
    lane, watcher = scene.rig.lane, (await scene.rig.funded())[1]
    found = await scene.post(*await scene.draft())
    before, course = await batches.limits(lane), await batches.longest_course(lane)
    assert (before.challenge_window, before.bond, before.demand_bond) == (CHALLENGE, BOND, DEMAND_BOND)
    changed = replace(before, challenge_window=2 * CHALLENGE, answer_window=1, demand_bond=2 * DEMAND_BOND)
    await scene.rig.treasury.send(lane.settlement.functions.setLimits(astuple(changed)))
    assert await batches.limits(lane) == changed
    assert await batches.limits_of(lane, found.header.batch_id()) == before
    # The longer of what ever held, each by itself.
    assert await batches.longest_course(lane) == course + 2 * CHALLENGE
    await batches.challenge(lane, watcher, found.header, Fault(Challenge.DEMAND, 0, (False, 0)))
    assert (await batches.batch_state(lane, found.header.batch_id())).demands == 1


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
