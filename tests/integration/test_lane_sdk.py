"""Channels from a requester's side: a real coordinator over HTTP, and one that lies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts import batches
from coordinator.engine import Engine
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.answers import Told
from mlbridge.protocol.batch import WINDOW
from mlbridge.protocol.evidence import SeatProof
from mlbridge.protocol.exchange import MAX_INLINE_BYTES, parse_offer
from mlbridge.protocol.payload import encode_input
from mlbridge.sdk import Client, LaneReceipt, OrderFailedError
from mlbridge.sdk.coordinators import CoordinatorDoor
from mlbridge.sdk.lane_verify import verify_offline, verify_receipt
from mlbridge.sdk.receipt_model import leaves
from tests.support.lane import CHALLENGE
from tests.support.lane_rooms import QUICK, LaneStage
from tests.support.lane_servers import Ways
from tests.support.lane_shop import IMAGE, Shop, in_a_batch
from tests.support.seats import FAST, honest_label, wrong_label

OTHER = IMAGE | {"image": [index % 13 for index in range(64)]}

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]


async def test_an_order_needs_no_transaction_and_its_receipt_proves_itself(shop: Shop) -> None:
    count = await shop.stage.rig.chain.w3.eth.get_transaction_count(shop.stage.requester.address)
    found = await shop.channel.order(shop.stage.rig.model, IMAGE)
    after = await shop.stage.rig.chain.w3.eth.get_transaction_count(shop.stage.requester.address)
    assert count == after
    assert found.confidence == 1.0
    assert found.payload == honest_label(_payload())
    assert found.cost_wei <= found.price_wei == await shop.channel.quote(shop.stage.rig.model)

    # The file alone, without any chain.
    receipt = LaneReceipt.from_bytes(found.receipt.to_bytes())
    assert receipt == found.receipt
    alone = verify_offline(receipt)
    assert alone.ok
    assert any("draw exactly the committee" in line for line in alone.proved)
    assert any("money moved" in line for line in alone.not_proved)

    # On the chain, first without and then with its batch.
    early = await verify_receipt(receipt, shop.view)
    assert early.ok, early.failures
    assert any("names no batch" in line for line in early.not_proved)
    settled = await in_a_batch(shop, receipt)
    held = await verify_receipt(settled, shop.view)
    assert held.ok, held.failures
    assert any("can be challenged until" in line for line in held.not_proved)
    await shop.stage.rig.warp(CHALLENGE + 10)
    final = await verify_receipt(settled, shop.view)
    assert final.ok
    assert any("cannot be challenged any more" in line for line in final.proved)


def _payload() -> bytes:
    return encode_input("classification", IMAGE)


async def test_an_input_beyond_64_kib_travels_by_cid_and_must_be_the_one_that_was_signed(shop: Shop) -> None:
    for seat in shop.server.seats.values():
        seat.ways = Ways(store=shop.content)
    long = {"kind": "embedding", "text": "a long text " * 8_000}
    payload = encode_input("embedding", long)
    assert len(payload) > MAX_INLINE_BYTES
    found = await shop.channel.order(shop.stage.rig.model, long)
    assert found.payload == honest_label(payload)
    assert verify_offline(found.receipt).ok
    (kept, *_) = await shop.channel.orders()
    assert isinstance(parse_offer(kept.offer).content, str)

    order = parse_offer(kept.offer)
    swapped = replace(order, content=await shop.content.put(b"another input"))
    with pytest.raises(MLBridgeError) as other:
        await CoordinatorDoor(shop.url).order(swapped.to_bytes(), 5.0)
    assert other.value.code == "lane.other_offer"


async def test_no_member_of_a_receipt_can_be_changed_unseen(shop: Shop) -> None:
    found = await shop.channel.order(shop.stage.rig.model, IMAGE)
    receipt = await in_a_batch(shop, found.receipt)
    assert (await verify_receipt(receipt, shop.view)).ok
    data = json.loads(receipt.to_bytes())
    for path, value in leaves(data):
        if path == "answer.cid":
            continue
        changed = json.loads(receipt.to_bytes())
        _set(changed, path.split("."), _other(value))
        assert await refused(shop, json.dumps(changed).encode()), path


async def refused(shop: Shop, data: bytes) -> bool:
    try:
        forged = LaneReceipt.from_bytes(data)
    except MLBridgeError as error:
        return error.code == "receipt.invalid"
    return not (await verify_receipt(forged, shop.view)).ok


def _set(data: Any, path: list[str], value: Any) -> None:
    for part in path[:-1]:
        data = data[int(part)] if isinstance(data, list) else data[part]
    if isinstance(data, list):
        data[int(path[-1])] = value
    else:
        data[path[-1]] = value


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 2
    if isinstance(value, str) and value.isdecimal():
        return str(int(value) + 1)
    if isinstance(value, str) and value.startswith("0x") and len(value) == 42:
        return "0x" + "11" * 20
    if isinstance(value, str) and value.startswith("0x"):
        return value[:-1] + ("0" if value[-1] != "0" else "1")
    return str(value) + "x"


Lie = Callable[[Told], Told]


def other_answer(told: Told) -> Told:
    return replace(told, output=wrong_label(b"x"))


def other_result(told: Told) -> Told:
    return replace(told, result=bytes(32))


def other_seat(told: Told) -> Told:
    first, *rest = told.seats
    return replace(
        told, seats=tuple(sorted([replace(first, account=first.account + 100), *rest], key=_account))
    )


def stolen_signature(told: Told) -> Told:
    first, second, *rest = told.seats
    return replace(told, seats=(replace(first, signature=second.signature), second, *rest))


def too_few(told: Told) -> Told:
    first, *rest = told.seats
    return replace(told, seats=(SeatProof(first.account, bytes(32)), *rest))


def no_seats(told: Told) -> Told:
    return replace(told, seats=())


def _account(seat: SeatProof) -> int:
    return seat.account


@pytest.mark.parametrize("lie", [other_answer, other_result, other_seat, stolen_signature, too_few, no_seats])
async def test_a_coordinator_that_forges_an_answer_is_not_believed(shop: Shop, lie: Lie) -> None:
    door, told = shop.channel._door, shop.channel._door.order

    async def lying(offer: bytes, wait_s: float) -> Told:
        return lie(await told(offer, wait_s))

    door.order = lying  # type: ignore[method-assign]
    with pytest.raises(MLBridgeError) as caught:
        await shop.channel.order(shop.stage.rig.model, IMAGE, idempotency_key="k")
    assert caught.value.code == "channel.lie"
    # The same order is still there for an honest answer.
    door.order = told  # type: ignore[method-assign]
    (found,) = await shop.channel.resume()
    assert found.sequence == 0


@pytest.mark.parametrize("said", ["coordinator.http", "coordinator.lie", "message.malformed"])
async def test_an_answer_that_is_none_has_no_second_order_signed(shop: Shop, said: str) -> None:
    door, told = shop.channel._door, shop.channel._door.order

    async def broken(offer: bytes, wait_s: float) -> Told:
        await told(offer, wait_s)
        raise MLBridgeError(said, "It was taken and done, and its answer is lost.")

    door.order = broken  # type: ignore[method-assign]
    with pytest.raises(MLBridgeError) as caught:
        await shop.channel.order(shop.stage.rig.model, IMAGE, idempotency_key="k")
    assert caught.value.code == said
    door.order = told  # type: ignore[method-assign]
    found = await shop.channel.order(shop.stage.rig.model, IMAGE, idempotency_key="k")
    assert found.sequence == 0


async def test_a_client_that_is_killed_finds_its_orders_again(shop: Shop) -> None:
    for seat in shop.server.seats.values():
        seat.ways = Ways(delay_s=5)  # no order ends before all are signed
    work = [
        asyncio.create_task(shop.channel.order(shop.stage.rig.model, IMAGE, idempotency_key=f"k{n}"))
        for n in range(3)
    ]
    async with asyncio.timeout(60):
        while len(shop.channel._book.open_orders(shop.channel.id)) < 3:  # noqa: ASYNC110 - written in a thread
            await asyncio.sleep(0.02)
    for task in work:
        task.cancel()
    await asyncio.gather(*work, return_exceptions=True)

    async with shop.again() as client:
        channel = await client.channel(shop.channel.id)
        found = await channel.resume()
        assert {result.sequence for result in found} == {0, 1, 2}
        again = await channel.order(shop.stage.rig.model, IMAGE, idempotency_key="k1")
        assert again.order == next(result.order for result in found if result.idempotency_key == "k1")
        assert (await channel.order(shop.stage.rig.model, IMAGE)).sequence == 3
        await channel.close_connection()


async def test_a_coordinator_that_dies_and_comes_back_answers_the_same_order(
    shop: Shop, tmp_path: Path
) -> None:
    for seat in shop.server.seats.values():
        seat.ways = Ways(delay_s=0.5)
    work = asyncio.create_task(shop.channel.order(shop.stage.rig.model, IMAGE))
    await asyncio.sleep(0.2)
    await shop.engine.stop()
    port = shop.engine.config.http.port
    await asyncio.sleep(0.3)
    config = shop.engine.config.model_copy(
        update={"http": shop.engine.config.http.model_copy(update={"port": port})}
    )
    engine = await Engine.start(config)
    try:
        found = await work
        assert found.sequence == 0
    finally:
        await engine.stop()


async def test_a_committee_that_disagrees_costs_nothing_and_the_next_is_asked(shop: Shop) -> None:
    for account in await shop.drawn(0):
        shop.server.seats[account].ways = Ways(wrong_first=True, result=honest_label)
    before = (await shop.channel.state()).balance
    with pytest.raises(OrderFailedError):
        await shop.channel.order(shop.stage.rig.model, IMAGE, tries=1)
    assert (await shop.channel.state()).balance == before
    found = await shop.channel.order(shop.stage.rig.model, IMAGE)
    assert found.sequence == 1
    assert found.payload == honest_label(_payload())


async def test_channels_open_fill_and_close(shop: Shop) -> None:
    channel = await shop.client.open_channel(shop.url, 10**18)
    assert channel.terms.coordinator_share == QUICK.get("share", 300)
    assert (await channel.state()).balance == 10**18
    await channel.top_up(10**17)
    assert (await channel.state()).deposited == 10**18 + 10**17
    with pytest.raises(MLBridgeError) as young:
        await channel.order(shop.stage.rig.model, IMAGE)
    assert young.value.code == "channel.too_young"
    listed = await shop.client.channels()
    assert [terms.channel() for terms, _, _ in listed] == [shop.channel.id, channel.id]
    assert listed[1][2] == shop.url
    due = await channel.close()
    assert due > shop.view.now()
    assert await channel.close() == due
    await shop.stage.rig.warp(due - int(shop.view.now()) + 10)
    assert await channel.close() == 0
    assert (await channel.state()).balance == 0
    await channel.close_connection()


async def test_a_key_that_stands_for_another_input_is_refused(shop: Shop) -> None:
    """Otherwise the first answer would pass for one to the second question."""
    first = await shop.channel.order(shop.stage.rig.model, IMAGE, idempotency_key="k")
    with pytest.raises(MLBridgeError) as caught:
        await shop.channel.order(shop.stage.rig.model, OTHER, idempotency_key="k")
    assert caught.value.code == "idempotency.mismatch"
    again = await shop.channel.order(shop.stage.rig.model, IMAGE, idempotency_key="k")
    assert (again.order, again.output) == (first.order, first.output)


async def test_more_orders_at_once_than_sequences_do_not_use_the_channel_up(shop: Shop) -> None:
    """What is too much waits for the next batch, which then makes room for it."""
    room = await shop.channel.room()
    assert room == WINDOW

    async def one(number: int) -> int:
        while True:
            try:
                key = f"k{number}"
                return (await shop.channel.order(shop.stage.rig.model, IMAGE, idempotency_key=key)).sequence
            except MLBridgeError as error:
                if error.code != "channel.full":
                    raise
                await asyncio.sleep(0.2)

    async with asyncio.timeout(120):
        found = await asyncio.gather(*(one(number) for number in range(room + 6)))
    assert sorted(found) == list(range(room + 6))


async def test_too_dear_is_refused_before_anything_is_signed(shop: Shop) -> None:
    with pytest.raises(MLBridgeError) as dear:
        await shop.channel.order(shop.stage.rig.model, IMAGE, max_price_wei=1)
    assert dear.value.code == "price.too_high"
    assert (await shop.channel.order(shop.stage.rig.model, IMAGE)).sequence == 0


async def test_the_client_that_waits(stage: LaneStage, shop: Shop) -> None:
    def work() -> int:
        with Client(
            shop.client.network, stage.requester, shop.content, policy=FAST, channel_book=shop.book
        ) as client:
            return client.channel(shop.channel.id).order(stage.rig.model, IMAGE).sequence

    assert await asyncio.to_thread(work) == 0


async def test_the_bond_is_kept_by_the_coordinator_itself(shop: Shop) -> None:
    found = await shop.channel.order(shop.stage.rig.model, IMAGE)
    await in_a_batch(shop, found.receipt)
    held, _ = await batches.bond_of(shop.stage.rig.lane, shop.stage.coordinator.address)
    assert held > 0
