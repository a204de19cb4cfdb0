"""Committees that Python draws are those that the contracts would let stand, on a real chain."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from contracts.lane import read_snapshots
from contracts.reads import call
from contracts.sender import Sender
from mlbridge.protocol.committee import arrivals, outrunners, seated
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.orders712 import TaskOrder
from mlbridge.protocol.types import Policy, Role
from tests.support.lane import LaneRig, lane_rig
from tests.support.seats import FAST, MLB, fund, stake

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

DRAWS = 40


@pytest.fixture
async def rig() -> AsyncIterator[LaneRig]:
    async with lane_rig(members=8, verifiers=0) as made:
        yield made


def order_of(rig: LaneRig, number: int, epoch: int, seats: int) -> TaskOrder:
    chance = random.Random(number)  # noqa: S311 - the same orders every time
    channel = keccak(b"channel %d" % chance.randrange(5))
    nothing = bytes(32)
    return TaskOrder(
        channel, chance.randrange(2**32), epoch, rig.model, nothing, nothing, seats, Policy.EXACT, 1, 1
    )


async def outrun(rig: LaneRig, order: TaskOrder, account: int, better: list[int]) -> bool:
    return bool(await call(rig.lane.channels.functions.isOutrun(order.as_tuple(), account, better)))


async def test_draws_agree_with_the_contract(rig: LaneRig) -> None:
    epochs = [await rig.advance()]
    # From the next epoch on one is heavier and one is gone.
    heavier, gone = rig.members[0], rig.members[1]
    await fund(rig.treasury, rig.chain, heavier.operator.address, mlb=400_000 * MLB)
    await stake(rig.chain, Sender(rig.chain, heavier.operator, FAST), Role.COMPUTE, 400_000 * MLB)
    owner = Sender(rig.chain, gone.operator, FAST)
    await owner.send(rig.chain.tasks.functions.stopServing(rig.model, gone.account))
    await rig.record()
    epochs.append(await rig.advance())
    epochs.append(await rig.advance())

    snapshots = await read_snapshots(rig.lane, rig.model)
    known = [member.account for member in rig.members]
    for epoch in [epochs[0] - 1, *epochs]:
        for account in [*known, 10**6]:
            at = rig.lane.snapshots.functions.weightAt(rig.model, epoch, account)
            assert await call(at) == snapshots.weight(rig.model, epoch, account)
    assert snapshots.weight(rig.model, epochs[1], heavier.account) > 5 * snapshots.weight(
        rig.model, epochs[0], heavier.account
    )
    assert snapshots.weight(rig.model, epochs[1], gone.account) == 0
    terms = snapshots.terms(rig.model, epochs[0])
    assert terms is not None
    price, provider, _ = await call(rig.lane.snapshots.functions.termsAt(rig.model, epochs[0], []))
    assert (terms.price, terms.provider) == (price, provider)

    for number in range(DRAWS):
        epoch = epochs[number % len(epochs)]
        seed = await rig.lane.seed(epoch)
        assert seed is not None
        order = order_of(rig, number, epoch, seats=3 + number % 3)
        running = [account for account in known if snapshots.weight(rig.model, epoch, account)]
        line = arrivals(order, seed, snapshots, len(running))
        assert sorted(line) == running
        # One seat: the contract says who of two arrives first. So the whole line is as Python drew it.
        single = replace(order, seats=1)
        for ahead, behind in itertools.pairwise(line):
            assert await outrun(rig, single, behind, [ahead])
            assert not await outrun(rig, single, ahead, [behind])
        committee = seated(order, seed, snapshots)
        assert committee == sorted(line[: order.seats])
        for account in [*line[order.seats :], *set(known) - set(running), 10**6]:
            assert outrunners(order, seed, snapshots, account) == committee
            assert await outrun(rig, order, account, committee)
        for account in committee:
            assert outrunners(order, seed, snapshots, account) is None
