"""The gateway's channel lane: a real coordinator and chain, members that answer by script."""

from __future__ import annotations

import pytest
import yaml

from contracts.channels import channel_state
from contracts.laneview import LaneView
from coordinator.engine import Engine
from gateway.channel_lane import ChannelLane
from gateway.lanes import LaneEvent, Offer, Order, Verdict
from gateway.lanes import Receipt as Proof
from gateway.service import Service
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import encode_input
from mlbridge.protocol.types import Policy
from mlbridge.sdk import LaneReceipt
from mlbridge.sdk.lane_verify import verify_receipt
from tests.support.gateway_lane import INPUT, Counter, drawable, has_channel, lane_of
from tests.support.gateways import opened, serving
from tests.support.lane import CHALLENGE
from tests.support.lane_servers import Ways
from tests.support.seats import register_model, until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]


async def test_the_default_lane_needs_no_transaction_once_its_channel_is_open(counter: Counter) -> None:
    async with serving(counter.config) as service, counter.http() as client:
        await until(lambda: has_channel(service))
        early = await client.post("/v1/tasks", json=counter.body)
        assert (early.status_code, early.json()["code"]) == (503, "channel.too_young")
        assert int(early.headers["Retry-After"]) > 0
        await drawable(counter, service)
        before = await counter.sent()
        done = (await client.post("/v1/tasks", json=counter.body, params={"wait": 30})).json()
        assert (done["status"], done["lane"], done["confidence"]) == ("finalized", "channel", 1.0)
        assert len(done["committee"]) == 3
        assert 0 < int(done["cost_wei"]) <= int(done["price_wei"])
        assert await counter.sent() == before
        receipt = LaneReceipt.from_bytes((await client.get(done["receipt"])).content)
        assert receipt.channel_terms().requester == counter.address
        assert (await verify_receipt(receipt, await LaneView.open(counter.stage.rig.lane))).failures == []
        async with opened(counter.config) as keys:
            (key,) = await keys.all()
        assert (key.spent, key.reserved) == (int(done["cost_wei"]), 0)
        refused = await client.post(f"/v1/tasks/{done['id']}/cancel")
        assert (refused.status_code, refused.json()["code"]) == (409, "task.ended")


async def test_what_was_signed_is_not_taken_back(counter: Counter) -> None:
    for seat in counter.server.seats.values():
        seat.ways = Ways(delay_s=1.0)
    async with serving(counter.config) as service, counter.http() as client:
        await drawable(counter, service)
        task = (await client.post("/v1/tasks", json=counter.body)).json()
        problem = (await client.post(f"/v1/tasks/{task['id']}/cancel")).json()
        assert (problem["status"], problem["code"]) == (409, "task.signed")
        assert problem["deadline"] > counter.view.now()
        done = (await client.get(f"/v1/tasks/{task['id']}", params={"wait": 30})).json()
        assert done["status"] == "finalized"


async def test_a_receipt_fetched_after_its_batch_proves_it(counter: Counter) -> None:
    async with serving(counter.config) as service, counter.http() as client:
        await drawable(counter, service)
        done = (await client.post("/v1/tasks", json=counter.body, params={"wait": 30})).json()

        async def placed() -> bool:
            return (await fetched()).batch is not None

        async def fetched() -> LaneReceipt:
            return LaneReceipt.from_bytes((await client.get(done["receipt"])).content)

        await until(placed)
        receipt, view = await fetched(), await LaneView.open(counter.stage.rig.lane)
        found = await verify_receipt(receipt, view)
        assert found.ok, found.failures
        assert any("of batch 0x" in line for line in found.proved)
        assert any("can be challenged until" in line for line in found.not_proved)
        await counter.stage.rig.warp(CHALLENGE + 10)
        assert any("any more" in line for line in (await verify_receipt(await fetched(), view)).proved)
        # It is kept: neither coordinator nor storage is needed for it again.
        await counter.engine.stop()
        assert await fetched() == receipt


async def test_a_task_that_is_carried_again_is_the_same_order(counter: Counter) -> None:
    async with serving(counter.config) as service:
        await drawable(counter, service)
        lane = lane_of(service)
        offer = await offered(counter, service)
        first, again = [await events(lane, offer) for _ in range(2)]
    async with serving(counter.config) as service:
        later = await events(lane_of(service), offer)
    assert proof_of(first) == proof_of(again) == proof_of(later)
    book = counter.book()
    assert [known.next for known in book.all(counter.stage.rig.chain.chain_id)] == [1]
    book.close()


async def test_a_gateway_that_lost_its_book_finds_its_deposit_again(counter: Counter) -> None:
    async with serving(counter.config) as service:
        await drawable(counter, service)
        first = await offered(counter, service)
        await events(lane_of(service), first)
    for file in counter.config.home.glob("channels.db*"):
        file.unlink()
    async with serving(counter.config) as service:
        await until(lambda: has_channel(service))
        offer = await offered(counter, service, 7)
        assert offer.terms["channel"] == first.terms["channel"]
        # The first sequence belongs to the order that was forgotten; the coordinator says so.
        found = await events(lane_of(service), offer)
        assert isinstance(found[-2], Verdict)
        receipt = LaneReceipt.from_bytes(proof_of(found).encode())
        assert receipt.order.sequence == 1


async def test_without_a_verdict_nothing_is_charged(counter: Counter) -> None:
    for seat in counter.server.seats.values():
        seat.ways = Ways(refuses=True)
    async with serving(counter.config) as service, counter.http() as client:
        await drawable(counter, service)
        done = (await client.post("/v1/tasks", json=counter.body, params={"wait": 60})).json()
        assert (done["status"], done["cost_wei"], done["lane"]) == ("refunded", "0", "channel")


async def test_a_gateway_spends_no_more_than_its_operator_allows(counter: Counter) -> None:
    assert counter.config.channel is not None
    poor = counter.config.channel.model_copy(update={"deposit_wei": 10**12, "limit_wei": 10**12})
    less = counter.config.model_copy(update={"channel": poor})
    async with serving(less) as service, counter.http() as client:
        await drawable(counter, service)
        refused = await client.post("/v1/tasks", json=counter.body)
        assert (refused.status_code, refused.json()["code"]) == (503, "channel.limit")
        direct = await client.post("/v1/tasks", json=counter.body | {"lane": "direct"})
        # Never silently another lane; who asks for the other one gets it.
        assert direct.status_code == 202


async def test_models_of_tolerant_policies_are_for_the_direct_lane(counter: Counter) -> None:
    """The channel lane compares bit for bit, so their members hold no seats there."""
    rig = counter.stage.rig
    tolerant = await register_model(rig.chain, rig.treasury, policy=Policy.NUMERIC)
    body = counter.body | {"model": "0x" + tolerant.hex()}
    async with serving(counter.config) as service, counter.http() as client:
        await drawable(counter, service)
        refused = await client.post("/v1/tasks", json=body | {"lane": "channel"})
        assert (refused.status_code, refused.json()["code"]) == (422, "lane.policy")
        # By default such a task takes the direct lane, where nobody serves this one.
        direct = (await client.post("/v1/tasks", json=body, params={"wait": 30})).json()
        assert (direct["lane"], direct["error"]["code"]) == ("direct", "contract.TooFewProviders")


async def test_beside_its_own_coordinator_a_gateway_needs_it_only_for_batches(counter: Counter) -> None:
    """As a library in the gateway the coordinator's part is done while the coordinator itself is down."""
    file = counter.config.home.parent / "coordinator.yaml"
    file.write_text(yaml.safe_dump(counter.engine.config.model_dump(mode="json", exclude_none=True)))
    assert counter.config.channel is not None
    beside = counter.config.channel.model_copy(update={"coordinator_file": file})
    config = counter.config.model_copy(update={"channel": beside})
    async with serving(config) as service, counter.http() as client:
        await drawable(counter, service)
        beside_it = (await client.post("/v1/tasks", json=counter.body, params={"wait": 30})).json()
        receipt = LaneReceipt.from_bytes((await client.get(beside_it["receipt"])).content)
        await until(lambda: posted(counter.engine, receipt))
        await counter.engine.stop()
        alone = (await client.post("/v1/tasks", json=counter.body, params={"wait": 30})).json()
        for done in (beside_it, alone):
            assert (done["status"], done["lane"]) == ("finalized", "channel")
        receipt = LaneReceipt.from_bytes((await client.get(alone["receipt"])).content)
    later = await Engine.start(counter.engine.config)
    try:
        await until(lambda: posted(later, receipt))
    finally:
        await later.stop()


async def posted(engine: Engine, receipt: LaneReceipt) -> bool:
    """Whether a batch on chain holds a receipt's order."""
    assert engine.lane is not None
    try:
        return (await engine.lane.settlement(receipt.digest)).leaf.sequence == receipt.order.sequence
    except MLBridgeError as error:
        if error.code != "lane.not_settled":
            raise
        return False


async def test_a_channel_is_filled_up_again_once_half_of_it_is_spent(counter: Counter) -> None:
    assert counter.config.channel is not None
    small = counter.config.channel.model_copy(update={"deposit_wei": 6 * 10**13, "limit_wei": 10**15})
    config = counter.config.model_copy(update={"channel": small})
    async with serving(config) as service, counter.http() as client:
        await drawable(counter, service)
        done = (await client.post("/v1/tasks", json=counter.body, params={"wait": 30})).json()
        assert done["status"] == "finalized"
        receipt = LaneReceipt.from_bytes((await client.get(done["receipt"])).content)
        channel, lane = receipt.task_order().channel, counter.stage.rig.lane

        async def full_again() -> bool:
            state = await channel_state(lane, channel)
            return state.deposited > small.deposit_wei and state.balance == small.deposit_wei

        await until(full_again)


async def test_a_task_that_finds_the_deposit_spoken_for_ends_at_once(counter: Counter) -> None:
    assert counter.config.channel is not None
    for_one = counter.config.channel.model_copy(update={"deposit_wei": 5 * 10**13, "limit_wei": 5 * 10**13})
    for seat in counter.server.seats.values():
        seat.ways = Ways(delay_s=1.0)
    config = counter.config.model_copy(update={"channel": for_one})
    async with serving(config) as service, counter.http() as client:
        await drawable(counter, service)
        made = [(await client.post("/v1/tasks", json=counter.body)).json()["id"] for _ in range(2)]
        done = [(await client.get(f"/v1/tasks/{task}", params={"wait": 30})).json() for task in made]
        assert sorted(task["status"] for task in done) == ["failed", "finalized"]
        (failed,) = (task for task in done if task["status"] == "failed")
        assert (failed["error"]["code"], failed["cost_wei"]) == ("channel.limit", "0")


async def offered(counter: Counter, service: Service, *pixels: int) -> Offer:
    """pixels: with them the picture is another one."""
    model = await service.catalogue.find(counter.body["model"])
    fields = {"image": [*pixels, *INPUT["image"]][:64]}
    order = Order(model, encode_input("classification", fields), 3, 10**15, 300)
    return await lane_of(service).offer(order)


async def events(lane: ChannelLane, offer: Offer) -> list[LaneEvent]:
    return [event async for event in lane.carry(offer, resumed=True)]


def proof_of(found: list[LaneEvent]) -> str:
    assert isinstance(found[-1], Proof)
    return found[-1].document
