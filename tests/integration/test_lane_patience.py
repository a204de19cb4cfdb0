"""A dead and a silent seat cost an order of three seats its committee, not its time.

Orders have ten minutes here, of which the coordinator would wait seven: longer than a test may take.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from contracts.anvil import free_port
from coordinator.lane.members import Members
from tests.support.lane_rooms import LaneStage, lane_stage
from tests.support.lane_servers import Ways
from tests.support.lane_shop import IMAGE, Shop, in_a_batch, lane_shop

ORDER_S: Final = 600.0
TRIES: Final = 30

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[LaneStage]:
    # Eight members: of two that are away the next committee is rid with a chance above a third.
    async with lane_stage(members=8) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def shop(stage: LaneStage, tmp_path: Path) -> AsyncIterator[Shop]:
    async with lane_shop(stage, tmp_path, unreachable_s=0.5, hedge_s=1.0) as made:
        yield made


@pytest.mark.parametrize("faults", [("dead",), ("silent",), ("dead", "silent")])
async def test_the_next_committee_answers_and_alone_is_paid(shop: Shop, faults: tuple[str, ...]) -> None:
    bad = dict(zip(await shop.drawn(0), faults, strict=False))
    for account, fault in bad.items():
        if fault == "dead":
            bury(shop, account)
        else:
            shop.server.seats[account].ways = Ways(silent=True)
    before = (await shop.channel.state()).balance

    found = await shop.channel.order(shop.stage.rig.model, IMAGE, deadline_s=ORDER_S, tries=TRIES)

    assert found.sequence > 0
    assert not bad.keys() & set(found.committee)
    # Of the orders that failed nobody showed a result to anybody.
    attested = {digest for seat in shop.server.seats.values() for digest in seat.attested}
    assert attested == {found.receipt.digest}
    settled = await in_a_batch(shop, found.receipt)
    assert before - (await shop.channel.state()).balance == settled.cost.debit <= found.price_wei


async def test_a_seat_is_waited_for_where_no_other_committee_is_in_sight(shop: Shop) -> None:
    first = await shop.drawn(0)
    for account in shop.server.seats.keys() - set(first):
        members_of(shop).presence.missed(account)
    shop.server.seats[first[0]].ways = Ways(delay_s=3.0)
    found = await shop.channel.order(shop.stage.rig.model, IMAGE, deadline_s=ORDER_S, tries=1)
    assert set(found.committee) == set(first)


def members_of(shop: Shop) -> Members:
    assert shop.engine.lane is not None
    return shop.engine.lane.runner._members


def bury(shop: Shop, account: int) -> None:
    """Nobody listens any more where the account's model answered."""
    gone = f"http://127.0.0.1:{free_port()}"
    node = f"{shop.server.base}/m/{account}"
    members_of(shop).directory._claims[node] = {(account, shop.stage.rig.model): gone}
