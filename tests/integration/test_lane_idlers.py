"""Seats that want to be paid and do no work: one that copies, one that says nothing. Balances and stakes are
read from the chain before and after.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts import batches, summons
from contracts.errors import ContractError
from contracts.reads import call
from contracts.sender import Sender
from coordinator.lane.rows import BatchStage
from mlbridge.protocol.answers import Told
from mlbridge.protocol.evidence import Evidence, Outcome
from mlbridge.protocol.exchange import Offer
from mlbridge.storage.batches import fetch_batch
from tests.support.lane import CHALLENGE, LANE
from tests.support.lane_rooms import DEPOSIT, FEE, LaneScene
from tests.support.lane_servers import ScriptedSeat, Ways
from tests.support.seats import FAST, honest_label

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]


async def idler_of_five(scene: LaneScene) -> tuple[Offer, ScriptedSeat, ScriptedSeat]:
    """An order of five seats, the lightest of them, and another."""
    offer = await scene.order(seats=5)
    committee = await scene.committee(offer)
    weights = scene.view.facts.snapshots.weights(scene.rig.model, offer.order.message.epoch)
    idler, other, *_ = sorted(committee, key=lambda seat: weights[seat.account])
    return offer, idler, other


async def paid_out(scene: LaneScene, offer: Offer) -> Outcome:
    """The order's batch is posted and final, and everybody in it claims; what the order pays."""
    store = scene.here.runner.store

    async def posted() -> bool:
        return bool(await store.batches(BatchStage.POSTED))

    await scene.until(posted)
    outcome = (await scene.here.settlement(scene.digest(offer))).outcome
    found = (await batches.posted(scene.rig.lane))[-1]
    batch = await fetch_batch(scene.content, found.header.data)
    await scene.rig.warp(CHALLENGE)
    for party in batch.claims():
        await batches.claim(scene.rig.lane, scene.client, found.header, batch, party)
    return outcome


async def only_the_others_are_paid(scene: LaneScene, offer: Offer, told: Told, idler: ScriptedSeat) -> None:
    """The answer is right, and the requester keeps the idler's fee."""
    assert isinstance(offer.content, bytes)
    assert (told.state, told.output) == ("decided", honest_label(offer.content))
    before, stakes = await scene.balances(), await scene.staked()
    outcome = await paid_out(scene, offer)
    committee = {seat.account for seat in await scene.committee(offer)}
    assert set(outcome.winners) == committee - {idler.account}
    after = await scene.balances()
    gained = {account: after[str(account)] - before[str(account)] for account in stakes}
    assert gained == {account: outcome.seat_fee * (account in outcome.winners) for account in stakes}
    assert DEPOSIT - after["requester"] == outcome.debit <= FEE - outcome.seat_fee
    assert await scene.staked() == stakes


async def test_a_copied_commitment_opens_nothing_and_earns_nothing(scene: LaneScene) -> None:
    """A commitment names its account: whoever repeats another's, and then its answer, has bound itself to
    what it can never open.
    """
    await scene.open(linger_s=10)
    offer, copier, victim = await idler_of_five(scene)
    copier.ways = Ways(copies=victim)
    told = await scene.here.order(offer, 30.0)
    digest = scene.digest(offer)
    words = {seat.account: seat.word for seat in told.seats}
    assert words[copier.account] == copier.word(digest) == victim.word(digest)
    # It attested the right result, with the salt that it found; the contract takes no evidence with it.
    (said,) = copier.attested[digest]
    assert said.message.result == told.result
    seats = tuple(
        replace(seat, word=said.message.salt, signature=said.signature)
        if seat.account == copier.account
        else seat
        for seat in told.seats
    )
    order = offer.order
    evidence = Evidence(offer.terms, order.message, order.signature, told.result, seats)
    with pytest.raises(ContractError) as refused:
        await call(scene.rig.lane.channels.functions.check(evidence.as_tuple()))
    assert refused.value.name == "BadSeatSignature"
    await only_the_others_are_paid(scene, offer, told, copier)


async def test_a_silent_seat_of_five_earns_nothing_and_loses_nothing(scene: LaneScene) -> None:
    """Off chain nobody can prove that it was asked."""
    await scene.open()
    offer, silent, _ = await idler_of_five(scene)
    silent.ways = Ways(silent=True)
    told = await scene.here.order(offer, 30.0)
    await only_the_others_are_paid(scene, offer, told, silent)


async def test_a_seat_that_is_silent_to_a_summons_too_loses_a_twentieth(scene: LaneScene) -> None:
    await scene.open(hedge=1, hedge_s=0.5)
    lane, chain = scene.rig.lane, scene.rig.chain
    offer = await scene.order(deadline=int(scene.view.now()) + 20)
    digest, committee = scene.digest(offer), await scene.committee(offer)
    silent, *others = committee
    silent.ways = Ways(silent=True)
    before, stakes = await scene.balances(), await scene.staked()
    assert (await scene.here.order(offer, 40.0)).state == "failed"
    assert (await scene.balances(), await scene.staked()) == (before, stakes)

    # The requester asks on chain, where silence can be seen.
    accounts = [seat.account for seat in committee]
    bond = await summons.bond_for(lane, len(accounts))
    await summons.summon(lane, scene.client, offer.terms, offer.order, offer.content, accounts, bond=2 * bond)
    for seat in others:
        node = next(one.node for one in scene.rig.members if one.account == seat.account)
        await summons.commit(lane, Sender(chain, node, FAST), digest, seat.account, seat.word(digest))
    await scene.rig.warp(LANE.summons_commit + 1)
    await summons.close(lane, scene.rig.treasury, digest)
    lost = {account: stakes[account] - left for account, left in (await scene.staked()).items()}
    assert lost == {account: stakes[account] // 20 * (account == silent.account) for account in stakes}
    # No verdict, no price; who committed has its fee of the bond, and the rest is the requester's.
    assert await scene.balances() == before
    state = await summons.summoned(lane, digest)
    operators = {one.account: one.operator.address for one in scene.rig.members}
    fees = {account: await summons.owed(lane, operators[account]) for account in accounts}
    assert fees == {account: state.fee * (account != silent.account) for account in accounts}
    left = await summons.owed(lane, scene.requester.address)
    assert left >= LANE.summons_deposit + state.fee
