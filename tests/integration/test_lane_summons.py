"""Summonses on a real chain, by the typed doors: seats that answer, one that does not, and a false one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from contracts import channels, summons
from contracts.errors import ContractError
from contracts.reads import get_account
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import orders712
from mlbridge.protocol.committee import outrunners
from mlbridge.protocol.evidence import Evidence, SeatProof
from mlbridge.protocol.hashing import keccak, result_digest
from mlbridge.protocol.orders712 import Attestation, TaskOrder
from mlbridge.protocol.wire import Signed, sign
from tests.support.lane import LANE
from tests.support.lane_scene import Scene, lane_scene
from tests.support.seats import FAST

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
INPUT = b"input"
OUTPUT = b"output"


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with lane_scene() as made:
        await made.refresh()
        yield made


def asked(scene: Scene, seats: int) -> Signed[TaskOrder]:
    order = scene.world.order(0, seats=seats, input_digest=keccak(INPUT), deadline=scene.world.now + 600)
    return sign(order, scene.world.domain, scene.world.requester_key)


async def summon(scene: Scene, order: Signed[TaskOrder], seats: list[int]) -> bytes:
    lane = scene.rig.lane
    bond = 2 * await summons.bond_for(lane, len(seats))
    await summons.summon(lane, scene.client, scene.world.terms(0), order, INPUT, seats, bond=bond)
    return order.message.digest(scene.world.domain)


def result_of(scene: Scene, digest: bytes) -> bytes:
    return result_digest(scene.world.domain.chain_id, digest, keccak(OUTPUT))


async def commit(scene: Scene, order: TaskOrder, account: int) -> None:
    digest, world = order.digest(scene.world.domain), scene.world
    word = orders712.commitment(digest, account, result_of(scene, digest), world.salt(order, account))
    member = next(m for m in scene.rig.members if m.account == account)
    await summons.commit(scene.rig.lane, Sender(scene.rig.chain, member.node, FAST), digest, account, word)


async def opened(scene: Scene, order: Signed[TaskOrder], seats: list[int]) -> Evidence:
    """Every seat that committed opens; the evidence that this gives."""
    world, lane, message = scene.world, scene.rig.lane, order.message
    digest = message.digest(world.domain)
    words = await summons.commitments(lane, digest)
    root, result = orders712.commitments_root(words), result_of(scene, digest)
    proofs = []
    for account, word in zip(seats, words, strict=True):
        if not any(word):
            proofs.append(SeatProof(account, word))
            continue
        salt = world.salt(message, account)
        seat = sign(Attestation(digest, account, result, salt, root), world.domain, world.keys[account])
        await summons.open_seat(lane, scene.rig.treasury, seat, b"\0" + OUTPUT)
        proofs.append(SeatProof(account, salt, seat.signature))
    return Evidence(world.terms(0), message, order.signature, result, tuple(proofs))


async def bonded(scene: Scene, account: int) -> int:
    return (await get_account(scene.rig.chain, account)).bonded


async def test_ignored_seats_answer_and_are_paid_by_the_channel(scene: Scene) -> None:
    lane, anybody = scene.rig.lane, scene.rig.treasury
    order = asked(scene, 3)
    seats = scene.world.committee(order.message)
    digest = await summon(scene, order, seats)
    for account in seats:
        await commit(scene, order.message, account)
    evidence = await opened(scene, order, seats)
    await summons.close(lane, anybody, digest)
    state = await summons.summoned(lane, digest)
    assert (state.status, state.committed, state.opened) == (summons.SummonsStatus.ENDED, 7, 7)
    assert await channels.settle(lane, anybody, evidence) > 0
    operators = [m.operator.address for m in scene.rig.members if m.account in seats]
    assert [await summons.owed(lane, who) for who in operators] == [state.fee] * 3
    due = await summons.owed(lane, scene.client.address)
    assert due >= LANE.summons_deposit + state.fee
    await summons.withdraw(lane, scene.client)
    assert await summons.owed(lane, scene.client.address) == 0


async def test_silence_costs_an_absence(scene: Scene) -> None:
    lane, anybody = scene.rig.lane, scene.rig.treasury
    order = asked(scene, 3)
    seats = scene.world.committee(order.message)
    digest = await summon(scene, order, seats)
    for account in seats[1:]:
        await commit(scene, order.message, account)
    before = [await bonded(scene, account) for account in seats]
    with pytest.raises(ContractError) as early:
        await summons.close(lane, anybody, digest)
    assert early.value.name == "TooEarly"
    await scene.rig.warp(LANE.summons_commit + 1)
    await summons.close(lane, anybody, digest)
    after = [await bonded(scene, account) for account in seats]
    assert after == [before[0] - before[0] // 20, *before[1:]]


async def test_a_seat_that_was_not_drawn_takes_the_summons_back(scene: Scene) -> None:
    world, lane = scene.world, scene.rig.lane
    order = asked(scene, 3)
    drawn = world.committee(order.message)
    outsider = next(account for account in world.keys if account not in drawn)
    digest = await summon(scene, order, sorted([*drawn[1:], outsider]))
    better = outrunners(order.message, world.seeds[world.epoch], world.snapshots, outsider)
    assert better is not None
    await summons.refute(lane, scene.coordinator, order.message, outsider, better)
    assert await summons.owed(lane, scene.coordinator.address) > LANE.summons_deposit
    assert (await summons.summoned(lane, digest)).status is summons.SummonsStatus.NONE
    await summon(scene, order, drawn)


async def test_what_settled_is_not_summoned_and_no_case_opens_without_a_dissent(scene: Scene) -> None:
    world, lane = scene.world, scene.rig.lane
    evidence, _ = world.settled(0)
    await channels.settle(lane, scene.rig.treasury, evidence)
    order = asked(scene, 3)
    with pytest.raises(ContractError) as settled:
        await summon(scene, order, world.committee(order.message))
    assert settled.value.name == "AlreadySettled"
    assert await summons.case_bond(lane) > 0
    with pytest.raises(ContractError) as unknown:
        await summons.open_case(lane, scene.rig.treasury, evidence, evidence.seats[0].account, INPUT)
    assert unknown.value.name == "NotOnRecord"
    found = await summons.dissent_case(lane, evidence.order.digest(world.domain))
    assert (found.status, found.bond) == (summons.CaseStatus.NONE, 0)


async def test_a_lane_without_summonses_says_so(scene: Scene) -> None:
    lane = scene.rig.lane
    older = type(lane)(lane.chain, lane.addresses.model_copy(update={"summons": None, "dissent_cases": None}))
    with pytest.raises(MLBridgeError) as caught:
        await summons.bond_for(older, 3)
    assert caught.value.code == "lane.without_summons"
