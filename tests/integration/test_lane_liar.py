"""A liar in a committee, from its lie to its stake: who loses what is read from the chain.

Three of three seats must agree, so a liar among three spoils the order and nobody is charged; a liar among
five is outvoted. Either is judged by a panel and pays (docs/design/channel-lane.md, "Dissent cases").
"""

from __future__ import annotations

import pytest

from contracts import dissents, summons
from contracts.reads import call
from coordinator.lane.rows import BatchStage
from mlbridge.protocol.evidence import Evidence
from mlbridge.protocol.types import Role
from tests.support.lane_judges import judged
from tests.support.lane_rooms import FEE, LaneScene
from tests.support.lane_servers import ScriptedSeat, Ways
from tests.support.seats import ScriptedMember, honest_label, make_member

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]


async def the_lightest(scene: LaneScene, committee: list[ScriptedSeat], epoch: int) -> ScriptedSeat:
    weights = scene.view.facts.snapshots.weights(scene.rig.model, epoch)
    return min(committee, key=lambda seat: weights[seat.account])


async def with_judges(scene: LaneScene) -> list[ScriptedMember]:
    rig = scene.rig
    judges = [await make_member(rig.chain, rig.treasury, [rig.model], role=Role.VERIFIER) for _ in range(6)]
    # A panel is drawn of those who stood in the epoch before.
    await rig.record()
    await rig.advance()
    await scene.view.refresh()
    await scene.open()
    return judges


async def test_a_liar_of_three_spoils_the_order_and_pays_for_it(scene: LaneScene) -> None:
    judges = await with_judges(scene)
    rig, lane, anybody = scene.rig, scene.rig.lane, scene.rig.treasury
    offer = await scene.order()
    digest, committee = scene.digest(offer), await scene.committee(offer)
    liar = committee[0]
    liar.ways = Ways(wrong_first=True)
    before, stakes = await scene.balances(), await scene.staked()
    told = await scene.here.order(offer, 30.0)
    assert (told.state, told.reason) == ("failed", "the seats disagree")
    assert await scene.balances() == before
    # A coordinator that was killed meanwhile tells the same.
    await scene.kill()
    await scene.open()
    assert await scene.here.order(offer, 30.0) == told

    # Anybody opens the case, with what the seats attested.
    assert isinstance(offer.content, bytes)
    held = int(await call(rig.chain.token.functions.balanceOf(anybody.address)))
    bond = await summons.case_bond(lane)
    await dissents.open_split(lane, anybody, offer.order.message, told.attested, offer.content, most=bond)
    await judged(rig, judges, digest, honest_label(offer.content))
    assert await dissents.condemn_shown(lane, anybody, digest) == [liar.account]
    assert await dissents.condemn_shown(lane, anybody, digest) == []
    lost = {account: stakes[account] - left for account, left in (await scene.staked()).items()}
    assert lost == {account: stakes[account] // 2 * (account == liar.account) for account in stakes}
    assert await dissents.conclude(lane, anybody, digest, scene.view.now())
    assert int(await call(rig.chain.token.functions.balanceOf(anybody.address))) == held


async def test_a_liar_of_five_is_reported_judged_and_pays(scene: LaneScene) -> None:
    judges = await with_judges(scene)
    rig, lane, anybody = scene.rig, scene.rig.lane, scene.rig.treasury
    offer = await scene.order(seats=5)
    digest, order = scene.digest(offer), offer.order.message
    committee = await scene.committee(offer)
    liar = await the_lightest(scene, committee, order.epoch)
    liar.ways = Ways(wrong_first=True)
    before, stakes = await scene.balances(), await scene.staked()

    told = await scene.here.order(offer, 30.0)
    assert isinstance(offer.content, bytes)
    assert (told.state, told.output) == ("decided", honest_label(offer.content))
    store = scene.here.runner.store

    async def settled_and_reported() -> bool:
        posted = await store.batches(BatchStage.POSTED)
        return bool(posted) and not await store.unreported("dissent")

    await scene.until(settled_and_reported)
    # The requester pays the right answer alone, and the four who gave it: the liar's fee stays with it.
    outcome = (await scene.here.settlement(digest)).outcome
    assert set(outcome.winners) == {seat.account for seat in committee} - {liar.account}
    after = await scene.balances()
    assert before["requester"] - after["requester"] == outcome.debit < FEE
    assert await scene.staked() == stakes

    # Anybody opens the case, with the evidence that the requester was told.
    bond = await summons.case_bond(lane)
    assert lane.dissent_cases is not None
    await anybody.send(rig.chain.token.functions.approve(lane.dissent_cases.address, bond))
    evidence = Evidence(offer.terms, order, offer.order.signature, told.result, told.seats)
    await summons.open_case(lane, anybody, evidence, liar.account, offer.content)
    panel = await judged(rig, judges, digest, honest_label(offer.content))
    assert not {account // 2 for account in panel} & {seat.account // 2 for seat in committee}

    await summons.condemn_reported(lane, anybody, digest, liar.account)
    lost = {account: stakes[account] - left for account, left in (await scene.staked()).items()}
    # A panel of one mind takes half of the stake.
    assert lost == {account: stakes[account] // 2 * (account == liar.account) for account in stakes}
    held = int(await call(rig.chain.token.functions.balanceOf(anybody.address)))
    await summons.conclude(lane, anybody, digest)
    assert int(await call(rig.chain.token.functions.balanceOf(anybody.address))) == held + bond
    assert (await summons.dissent_case(lane, digest)).status is summons.CaseStatus.CLOSED
