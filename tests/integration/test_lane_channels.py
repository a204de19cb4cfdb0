"""Channels from open to close on a real chain, by the typed doors; and those who sign what is not so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from contracts import channels
from contracts.errors import ContractError
from contracts.lane import read_snapshots
from contracts.reads import call, claimable, get_account
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import orders712
from mlbridge.protocol.committee import outrunners
from mlbridge.protocol.evidence import Evidence
from mlbridge.protocol.orders712 import Attestation, Close, Voucher
from mlbridge.protocol.wire import Signed, sign
from tests.support.lane import EPOCH, SETTLE
from tests.support.lane_scene import DEPOSIT, Scene, lane_scene
from tests.support.settled import RESULT, WRONG

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with lane_scene() as made:
        await made.refresh()
        yield made


def attestation(scene: Scene, evidence: Evidence, place: int, result: bytes) -> Signed[Attestation]:
    """What the seat at a place signs for a result, to the set that the evidence shows."""
    world = scene.world
    digest = evidence.order.digest(world.domain)
    account = evidence.seats[place].account
    salt = world.salt(evidence.order, account)
    words = [
        orders712.commitment(digest, seat.account, evidence.result, world.salt(evidence.order, seat.account))
        for seat in evidence.seats
    ]
    message = Attestation(digest, account, result, salt, orders712.commitments_root(words))
    return sign(message, world.domain, world.keys[account])


async def state_of(scene: Scene, channel: bytes) -> channels.ChannelState:
    """Where a channel stands, as it is read and as the ABI reads it."""
    state = await channels.channel_state(scene.rig.lane, channel)
    assert state == channels.ChannelState(*await call(scene.rig.lane.channels.functions.channels(channel)))
    return state


async def bonded(scene: Scene, account: int) -> int:
    return (await get_account(scene.rig.chain, account)).bonded


async def test_hashes_of_the_deployed_contract(scene: Scene) -> None:
    """What Python signs is what the contract on this chain, at this address, would hash."""
    functions, world = scene.rig.lane.channels.functions, scene.world
    evidence = world.evidence(world.order(0))
    terms, order = evidence.terms, evidence.order
    assert bytes(await call(functions.channelId(terms.as_tuple()))) == terms.channel()
    assert bytes(await call(functions.orderHash(order.as_tuple()))) == order.digest(world.domain)
    seat = attestation(scene, evidence, 0, RESULT).message
    assert bytes(await call(functions.attestationHash(seat.as_tuple()))) == seat.digest(world.domain)
    voucher, close = Voucher(order.channel, 5, 6), Close(order.channel, 5, 6)
    assert bytes(await call(functions.voucherHash(voucher.as_tuple()))) == voucher.digest(world.domain)
    assert bytes(await call(functions.closeHash(close.as_tuple()))) == close.digest(world.domain)


async def test_from_open_to_close(scene: Scene) -> None:
    lane, world, anybody = scene.rig.lane, scene.world, scene.rig.treasury
    terms = world.terms(0)
    channel = terms.channel()
    state = await state_of(scene, channel)
    assert (state.balance, state.deposited, state.floor) == (DEPOSIT, DEPOSIT, 0)
    await channels.top_up(lane, scene.client, terms, 10**18)
    assert (await state_of(scene, channel)).balance == DEPOSIT + 10**18

    evidence, outcome = world.settled(0)
    assert await channels.settle(lane, anybody, evidence) == outcome.debit
    with pytest.raises(ContractError) as again:
        await channels.settle(lane, anybody, evidence)
    assert again.value.name == "AlreadySettled"
    for member in scene.rig.members:
        coins, _ = await claimable(scene.rig.chain, member.operator.address)
        assert coins == (outcome.seat_fee if member.account in outcome.winners else 0)
    await channels.collect(lane, anybody, terms)
    coins, _ = await claimable(scene.rig.chain, world.coordinator)
    assert coins == outcome.coordinator_fee

    total = outcome.debit + 10**17
    voucher = sign(Voucher(channel, total, 5), world.domain, world.requester_key)
    due = await channels.present_voucher(lane, scene.coordinator, terms, voucher)
    assert (await state_of(scene, channel)).due_at == due
    await scene.rig.warp(SETTLE)
    assert await channels.redeem_voucher(lane, anybody, terms) == 10**17
    state = await state_of(scene, channel)
    assert (state.floor, state.due_at) == (5, 0)

    closes = await channels.start_close(lane, scene.client, terms)
    consent = sign(Close(channel, total, 5), world.domain, scene.coordinator_key)
    sooner = await channels.close_together(lane, scene.client, terms, consent)
    assert sooner < closes
    await scene.rig.warp(SETTLE)
    refund = await channels.finish_close(lane, anybody, terms)
    assert refund == DEPOSIT + 10**18 - total
    coins, _ = await claimable(scene.rig.chain, terms.requester)
    assert coins == refund


async def test_a_channel_that_is_none(scene: Scene) -> None:
    with pytest.raises(MLBridgeError) as caught:
        await channels.find_terms(scene.rig.lane, bytes(32))
    assert caught.value.code == "channel.unknown"
    assert (await channels.channel_state(scene.rig.lane, bytes(32))).deposited == 0


async def test_two_results_for_one_order_cost_everything(scene: Scene) -> None:
    evidence = scene.world.evidence(scene.world.order(0))
    guilty = evidence.seats[1].account
    first, second = (attestation(scene, evidence, 1, result) for result in (RESULT, WRONG))
    with pytest.raises(ContractError) as caught:
        await channels.report_contradiction(scene.rig.lane, scene.rig.treasury, first, first)
    assert caught.value.name == "NotContradicting"
    await channels.report_contradiction(scene.rig.lane, scene.rig.treasury, first, second)
    assert await bonded(scene, guilty) == 0


async def test_a_seat_that_was_not_drawn_costs_a_tenth(scene: Scene) -> None:
    world, lane = scene.world, scene.rig.lane
    order = world.order(0)
    drawn = world.committee(order)
    outsider = next(account for account in world.keys if account not in drawn)
    evidence = world.evidence(order, accounts=sorted([*drawn[1:], outsider]))
    place = [seat.account for seat in evidence.seats].index(outsider)
    better = outrunners(order, world.seeds[order.epoch], world.snapshots, outsider)
    assert better == drawn
    before = await bonded(scene, outsider)
    await channels.prove_false_seat(
        lane, scene.rig.treasury, order, attestation(scene, evidence, place, RESULT), better
    )
    assert await bonded(scene, outsider) == before - before // 10
    honest = attestation(scene, world.evidence(order), 0, RESULT)
    others = sorted(account for account in world.keys if account not in drawn)
    with pytest.raises(ContractError) as caught:
        await channels.prove_false_seat(lane, scene.rig.treasury, order, honest, others)
    assert caught.value.name == "SeatNotFalse"


async def test_dissent_is_recorded_and_costs_nothing(scene: Scene) -> None:
    world, lane = scene.world, scene.rig.lane
    order = world.order(0, seats=5)
    evidence = world.evidence(order, silent=[4])
    dissenter = evidence.seats[4].account
    dissent = attestation(scene, evidence, 4, WRONG)
    before = await bonded(scene, dissenter)
    await channels.report_dissent(lane, scene.rig.treasury, evidence, dissent)
    recorded = await call(lane.dissents.functions.resultOf(order.digest(world.domain), dissenter))
    assert bytes(recorded) == WRONG
    assert await bonded(scene, dissenter) == before
    agreeing = replace(dissent, message=replace(dissent.message, result=RESULT))
    with pytest.raises(ContractError) as caught:
        await channels.report_dissent(lane, scene.rig.treasury, evidence, agreeing)
    assert caught.value.name == "NoDissent"


async def test_records_count_from_the_next_epoch(scene: Scene) -> None:
    lane, sender, model = scene.rig.lane, scene.rig.treasury, scene.rig.model
    account = scene.rig.members[0].account
    epoch = await lane.current_epoch()
    assert await channels.record_weight(lane, sender, model, account) == epoch + 1
    assert await channels.record_model(lane, sender, model) == epoch + 1
    snapshots = await read_snapshots(lane, model)
    assert snapshots.weight(model, epoch + 1, account) > 0
    assert await lane.seed(epoch + 1) is None
    await scene.rig.warp(EPOCH)
    assert await lane.current_epoch() == epoch + 1
