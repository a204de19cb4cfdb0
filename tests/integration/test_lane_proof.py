"""Where an order stands, found out without believing anybody: batches, their faults, orders settled alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from contracts import batches, channels
from contracts.batches import Posted
from coordinator.lane.attest import Attester
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import batch_data
from mlbridge.protocol.answers import Settlement, Told
from mlbridge.protocol.batch import build
from mlbridge.protocol.evidence import Evidence, prove
from mlbridge.protocol.watch import Challenge, examine
from mlbridge.protocol.wire import sign
from mlbridge.sdk import LaneReceipt
from mlbridge.sdk.coordinators import CoordinatorTerms
from mlbridge.sdk.lane_proof import Stage, prove_settlement, standing
from mlbridge.sdk.lane_verify import verify_offline, verify_receipt
from tests.support.lane import CHALLENGE
from tests.support.lane_rooms import LaneStage
from tests.support.lane_shop import IMAGE, Shop, in_a_batch, lane_shop

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(loop_scope="module")
async def hushed(stage: LaneStage, tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop whose coordinator finds no attesters, so that the test posts its batches."""
    async with lane_shop(stage, tmp_path, attesters=()) as made:
        yield made


class SilentDoor:
    """A coordinator that is gone, or shows what it is told to."""

    url = "http://nowhere"

    def __init__(self, shown: Settlement | None = None) -> None:
        self.shown = shown

    async def terms(self) -> CoordinatorTerms:
        raise AssertionError("nobody asks for its terms")

    async def order(self, offer: bytes, wait_s: float) -> Told:
        raise AssertionError("nobody sends it orders")

    async def settlement(self, digest: bytes) -> Settlement:
        if self.shown is None:
            raise MLBridgeError("coordinator.unreachable", "It is gone.")
        return self.shown

    async def close(self) -> None:
        return


async def ordered(shop: Shop) -> LaneReceipt:
    return (await shop.channel.order(shop.stage.rig.model, IMAGE)).receipt


async def stage_of(shop: Shop, receipt: LaneReceipt) -> Stage:
    await shop.view.refresh()
    return (await standing(receipt, shop.stage.rig.lane, shop.view.now())).stage


async def test_the_proof_needs_chain_and_storage_and_nobody_else(shop: Shop) -> None:
    receipt, lane = await ordered(shop), shop.stage.rig.lane
    placed = await in_a_batch(shop, receipt)
    await shop.engine.stop()
    again = await prove_settlement(receipt, lane, shop.content)
    assert again == placed
    assert await stage_of(shop, again) is Stage.POSTED
    assert verify_offline(again).ok
    # The book answers a repeated key with what was proved.
    kept = shop.channel._book.current(shop.channel.id, await key_of(shop, receipt))
    assert kept is not None
    assert kept.receipt == placed.to_bytes()
    await shop.stage.rig.warp(CHALLENGE + 10)
    assert await stage_of(shop, again) is Stage.FINAL


async def key_of(shop: Shop, receipt: LaneReceipt) -> str:
    query = "SELECT key FROM orders WHERE channel=? AND sequence=?"
    ((key,),) = await asyncio.to_thread(
        shop.channel._book._read, query, shop.channel.id, receipt.order.sequence
    )
    return str(key)


async def test_without_storage_the_coordinator_shows_the_same_or_is_a_liar(shop: Shop) -> None:
    first, second = await ordered(shop), await ordered(shop)
    placed = await in_a_batch(shop, first)
    other = await in_a_batch(shop, second)
    lane, door = shop.stage.rig.lane, shop.channel._door
    assert await prove_settlement(first, lane, None, door) == placed
    shown, wrong = await door.settlement(first.digest), await door.settlement(second.digest)
    assert other.batch is not None
    lies = (
        wrong,
        replace(shown, path=(bytes(32), *shown.path)),
        replace(shown, leaf=replace(shown.leaf, debit=shown.leaf.debit - 1)),
        replace(shown, outcome=replace(shown.outcome, debit=1)),
        replace(shown, header=replace(shown.header, posted_at=shown.header.posted_at + 1)),
    )
    for lie in lies:
        with pytest.raises(MLBridgeError) as caught:
            await prove_settlement(first, lane, None, SilentDoor(lie))
        assert caught.value.code == "channel.lie"
    with pytest.raises(MLBridgeError) as gone:
        await prove_settlement(first, lane, None, SilentDoor())
    assert gone.value.code == "coordinator.unreachable"
    with pytest.raises(MLBridgeError) as nowhere:
        await prove_settlement(first, lane, None)
    assert nowhere.value.code == "lane.no_source"


async def test_an_order_that_settled_by_itself_says_so(hushed: Shop) -> None:
    receipt, lane = await ordered(hushed), hushed.stage.rig.lane
    assert await stage_of(hushed, receipt) is Stage.OPEN
    with pytest.raises(MLBridgeError) as none:
        await prove_settlement(receipt, lane, hushed.content)
    assert none.value.code == "lane.not_settled"
    paid = await channels.settle(lane, hushed.stage.rig.treasury, receipt.evidence())
    assert await stage_of(hushed, receipt) is Stage.ALONE
    found = await verify_receipt(receipt, hushed.view)
    assert found.ok
    assert any(f"for {paid} wei" in line for line in found.proved)


async def test_an_order_that_a_batch_passes_without_holding_it_says_so(hushed: Shop) -> None:
    first, second = await ordered(hushed), await ordered(hushed)
    await hushed.engine.stop()
    await posted_by_hand(hushed, second.evidence())
    with pytest.raises(MLBridgeError) as left_out:
        await prove_settlement(first, hushed.stage.rig.lane, hushed.content)
    assert left_out.value.code == "lane.left_out"
    assert await stage_of(hushed, first) is Stage.PASSED


async def test_attesters_sign_no_order_that_settled_by_itself(hushed: Shop) -> None:
    """The chain says of a batch that is posted what was settled before it, of this one only the channel."""
    first, second = await ordered(hushed), await ordered(hushed)
    await hushed.engine.stop()
    lane, rig = hushed.stage.rig.lane, hushed.stage.rig
    third = rig.verifiers[0]
    attester = Attester(hushed.view, hushed.content, third.account, bytes(third.node.key))
    await channels.settle(lane, rig.treasury, second.evidence())
    await hushed.view.refresh()
    for receipts, fit in (((first, second), False), ((first,), True)):
        settled = [(one.evidence(), prove(one.evidence(), hushed.view.facts)) for one in receipts]
        state = await channels.channel_state(lane, hushed.channel.id)
        batch, debits = build(hushed.stage.coordinator.address, settled, {hushed.channel.id: state.floor})
        data = batch_data.to_bytes(batch)
        await hushed.content.put(data)
        statement = batch.statement(hushed.stage.coordinator.address, batch_data.digest(data), debits)
        if fit:
            signed = await attester.look(statement, debits)
            assert signed.signer(lane.batch_domain) == third.node.address
        else:
            with pytest.raises(MLBridgeError) as refused:
                await attester.look(statement, debits)
            assert refused.value.code == "batch.faulty"
            assert refused.value.context["challenge"] == Challenge.DUPLICATE.value


async def test_a_struck_leaf_and_a_void_batch_prove_no_payment(hushed: Shop) -> None:
    receipt, rig = await ordered(hushed), hushed.stage.rig
    await hushed.engine.stop()
    evidence = receipt.evidence()
    one, two, *rest = evidence.seats
    forged = replace(evidence, seats=(replace(one, signature=two.signature), two, *rest))
    found, batch = await posted_by_hand(hushed, evidence, forged)
    placed = await prove_settlement(receipt, rig.lane, hushed.content)
    assert await stage_of(hushed, placed) is Stage.POSTED
    stored = batch_data.from_bytes(await hushed.content.get(batch))
    rules = await batches.rules_of(rig.lane, found, stored, hushed.view.facts)
    (fault,) = examine(found.header, found.debits, stored, rules).faults
    assert fault.challenge is Challenge.EVIDENCE
    snapshot = await rig.chain.provider.request("evm_snapshot", [])
    await batches.challenge(rig.lane, rig.treasury, found.header, fault)
    assert await stage_of(hushed, placed) is Stage.STRUCK
    await rig.warp(CHALLENGE + 10)
    said = await verify_receipt(placed, hushed.view)
    assert said.ok
    assert not any("is final" in line for line in said.proved)
    assert any("was struck" in line for line in said.not_proved)

    await rig.chain.provider.request("evm_revert", [snapshot])
    demand = Challenge.DEMAND
    await batches.challenge(
        rig.lane, rig.treasury, found.header, replace(fault, challenge=demand, arguments=(False, 0))
    )
    await rig.warp(10_000)
    await batches.void_unanswered(rig.lane, rig.treasury, found.header, ledger=False, index=0)
    assert await stage_of(hushed, placed) is Stage.VOID
    said = await verify_receipt(placed, hushed.view)
    assert any("was voided" in line for line in said.not_proved)
    with pytest.raises(MLBridgeError) as none:
        await prove_settlement(placed, rig.lane, hushed.content)
    assert none.value.code == "lane.not_settled"


async def posted_by_hand(shop: Shop, evidence: Evidence, shown: Evidence | None = None) -> tuple[Posted, str]:
    """A batch of one order, from its channel's floor on, and its CID. shown: evidence instead of its own."""
    stage, lane = shop.stage, shop.stage.rig.lane
    outcome = prove(evidence, shop.view.facts)
    state = await channels.channel_state(lane, evidence.order.channel)
    floors = {evidence.order.channel: state.floor}
    batch, debits = build(stage.coordinator.address, [(shown or evidence, outcome)], floors)
    data = batch_data.to_bytes(batch)
    cid = await shop.content.put(data)
    statement = batch.statement(stage.coordinator.address, batch_data.digest(data), debits)
    signed = [
        (one.account, sign(statement, lane.batch_domain, bytes(one.node.key))) for one in stage.rig.verifiers
    ]
    header = await batches.post(lane, stage.sender, statement, debits, batches.signed_by(signed))
    return Posted(header, tuple(debits)), cid
