"""The coordinator's half of the channel lane on a real chain, with members that speak real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.routing import Mount

from contracts import channels
from contracts.anvil import free_port
from contracts.batches import longest_course
from coordinator.lane import course
from coordinator.lane.rows import BatchStage, Status
from coordinator.lane.runner import FETCHES_OF_CHANNEL
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import exchange
from mlbridge.protocol.evidence import prove
from mlbridge.protocol.exchange import ClosedSet, Pledge
from mlbridge.protocol.signatures import sign_digest
from mlbridge.protocol.wire import Signed, sign
from tests.support.lane import CHALLENGE
from tests.support.lane_rooms import FEE, LaneScene, LaneStage, course_of, lane_scene
from tests.support.lane_servers import ScriptedSeat, Ways, serving
from tests.support.seats import honest_label, wrong_label

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(loop_scope="module")
async def scene(stage: LaneStage, tmp_path: Path) -> AsyncIterator[LaneScene]:
    async with lane_scene(stage, tmp_path) as made:
        await made.open()
        yield made


async def test_an_order_is_answered_settled_in_a_batch_and_paid(scene: LaneScene) -> None:
    offers = [await scene.order() for _ in range(5)]
    before = await scene.balances()
    told = await asyncio.gather(*(scene.here.order(offer, 20.0) for offer in offers))
    for offer, answer in zip(offers, told, strict=True):
        assert answer.state == "decided"
        assert answer.confidence == 10_000
        assert isinstance(offer.content, bytes)
        assert answer.output == honest_label(offer.content)
        assert answer.result == exchange.result_of(
            scene.rig.lane.domain, scene.digest(offer), honest_label(offer.content)
        )
    store = scene.here.runner.store
    await scene.until(lambda: in_stage(scene, BatchStage.POSTED))
    (batch,) = await store.batches(BatchStage.POSTED)
    settlement = await scene.here.settlement(scene.digest(offers[2]))
    assert settlement.leaf.sequence == 2
    assert settlement.outcome.debit <= FEE

    await scene.rig.warp(CHALLENGE)
    await scene.until(lambda: in_stage(scene, BatchStage.FINAL))
    orders = await store.orders_of(batch.root)
    assert {row.status for row in orders} == {Status.DONE}
    assert len(orders) == 5
    after = await scene.balances()
    spent = before["requester"] - after["requester"]
    assert 0 < spent <= 5 * FEE
    # Its own share, claimed by itself; the members' wait for whoever claims them.
    assert after["coordinator"] - before["coordinator"] == 5 * settlement.outcome.coordinator_fee
    assert after["bond"] == before["bond"]


async def in_stage(scene: LaneScene, stage: BatchStage) -> bool:
    return bool(await scene.here.runner.store.batches(stage))


async def test_the_same_order_twice_is_one_order(scene: LaneScene) -> None:
    offer = await scene.order()
    told = await asyncio.gather(*(scene.here.order(offer, 20.0) for _ in range(4)))
    assert len(set(told)) == 1
    assert told[0].state == "decided"
    assert await scene.here.order(offer, 0.0) == told[0]
    for seat in await scene.committee(offer):
        assert seat.seen["orders"] == 1


async def test_an_answer_is_for_whoever_has_its_input(scene: LaneScene) -> None:
    """A batch shows order, signature and terms to everybody."""
    offer = await scene.order()
    other = sign_digest(bytes(32), bytes(scene.coordinator.key))
    strange = [
        replace(offer, content=b""),
        replace(offer, content="bafk"),
        replace(offer, order=replace(offer.order, signature=other)),
    ]
    for seat in scene.seats:
        seat.ways = Ways(delay_s=0.3)
    under_way = asyncio.create_task(scene.here.order(offer, 20.0))
    while course_of(scene.here, scene.digest(offer)) is None:  # noqa: ASYNC110 - it begins without a word
        await asyncio.sleep(0.01)
    for _ in range(2):
        for one in strange:
            with pytest.raises(MLBridgeError) as caught:
                await scene.here.order(one, 20.0)
            assert caught.value.code == "lane.other_offer"
        assert (await under_way).state == "decided"
    assert await scene.here.order(offer, 20.0) == await under_way


async def test_an_order_that_could_not_be_paid_or_settled_is_not_taken(scene: LaneScene) -> None:
    good = await scene.order()
    order = good.order.message
    stranger = sign(order, scene.rig.lane.domain, b"\x07" * 32)
    refused = {
        "order.signature": replace(good, order=stranger),
        "order.input": replace(good, content=b"another input"),
        "lane.coordinator": replace(good, terms=replace(good.terms, coordinator=scene.requester.address)),
        "order.channel": replace(good, terms=replace(good.terms, opened_in=good.terms.opened_in + 1)),
        "order.funds": await scene.order(sequence=0, max_fee=10**20),
        "order.price": await scene.order(sequence=0, max_fee=10**12),
        "order.deadline": await scene.order(sequence=0, deadline=int(scene.view.now())),
        "lane.validity": await scene.order(sequence=0, deadline=int(scene.view.now()) + 10**5),
        "order.sequence_ahead": await scene.order(sequence=64),
        "order.seats": await scene.order(sequence=0, seats=2),
        "committee.too_few": await scene.order(sequence=0, seats=9),
        "order.epoch": await scene.order(sequence=0, epoch=order.epoch - 5),
        "order.model": await scene.order(sequence=0, model_id=bytes(32)),
    }
    for code, offer in refused.items():
        with pytest.raises(MLBridgeError) as caught:
            await scene.here.order(offer, 1.0)
        assert caught.value.code == code
    assert await scene.here.runner.store.counts() == {}
    assert all(not seat.seen for seat in scene.seats)


async def test_a_sequence_serves_one_order_and_a_deposit_is_promised_once(scene: LaneScene) -> None:
    first = await scene.order(max_fee=6 * 10**18)
    await scene.here.order(first, 20.0)
    with pytest.raises(MLBridgeError) as taken:
        await scene.here.order(await scene.order(sequence=0, max_fee=10**16), 1.0)
    assert taken.value.code == "lane.sequence_taken"
    with pytest.raises(MLBridgeError) as funds:
        await scene.here.order(await scene.order(sequence=1, max_fee=6 * 10**18), 1.0)
    assert funds.value.code == "lane.funds"


async def test_members_that_are_busy_are_asked_again(scene: LaneScene) -> None:
    offer = await scene.order()
    for seat in await scene.committee(offer):
        seat.ways = Ways(busy=2)
    assert (await scene.here.order(offer, 20.0)).state == "decided"


async def test_members_that_have_yet_to_read_the_seed_are_asked_again_soon(
    scene: LaneScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are a block or two behind, and say how long that may last at most."""
    monkeypatch.setattr(course, "LONGEST_PAUSE_S", 3_600.0)
    for _ in range(2):
        # The second time each of them has proved to be who it is.
        offer = await scene.order()
        for seat in scene.seats:
            seat.ways = Ways(behind=2)
        assert (await scene.here.order(offer, 30.0)).state == "decided"


async def test_a_silent_seat_of_five_does_not_hold_up_the_answer(scene: LaneScene) -> None:
    offer = await scene.order(seats=5, deadline=int(scene.view.now()) + 600)
    lightest = min(
        await scene.committee(offer),
        key=lambda seat: scene.view.facts.snapshots.weight(
            scene.rig.model, offer.order.message.epoch, seat.account
        ),
    )
    lightest.ways = Ways(silent=True)
    told = await scene.here.order(offer, 20.0)
    assert told.state == "decided"
    assert {seat.account for seat in told.seats if not seat.signature} == {lightest.account}


async def test_too_few_who_will_ever_answer_fail_the_order_at_once(scene: LaneScene) -> None:
    offer = await scene.order(deadline=int(scene.view.now()) + 600)
    (await scene.committee(offer))[0].ways = Ways(refuses=True)
    before = await scene.balances()
    told = await scene.here.order(offer, 20.0)
    assert told.state == "failed"
    assert "committed" in told.reason
    assert await scene.balances() == before
    row = await scene.here.runner.store.order(scene.digest(offer))
    assert row is not None
    assert row.status is Status.FAILED


async def test_a_liar_is_outvoted_or_nobody_is_charged(scene: LaneScene) -> None:
    # Three of three are needed: one liar means no verdict, and no charge.
    offer = await scene.order()
    (await scene.committee(offer))[0].ways = Ways(result=wrong_label)
    told = await scene.here.order(offer, 20.0)
    assert told.state == "failed"
    assert "disagree" in told.reason


async def test_an_attested_answer_that_nobody_hands_over_is_not_charged(scene: LaneScene) -> None:
    offer = await scene.order()
    for seat in await scene.committee(offer):
        seat.ways = Ways(hands_over=False)
    told = await scene.here.order(offer, 20.0)
    assert told.state == "failed"
    assert "handed over" in told.reason


async def test_one_honest_seat_is_enough_to_hand_over_the_answer(scene: LaneScene) -> None:
    offer = await scene.order()
    for seat in (await scene.committee(offer))[1:]:
        seat.ways = Ways(hands_over=False)
    told = await scene.here.order(offer, 20.0)
    assert isinstance(offer.content, bytes)
    assert told.output == honest_label(offer.content)


async def test_large_outputs_come_by_cid(scene: LaneScene) -> None:
    offer = await scene.order()
    for seat in await scene.committee(offer):
        seat.ways = Ways(store=scene.content)
    told = await scene.here.order(offer, 20.0)
    assert isinstance(told.output, str)
    assert isinstance(offer.content, bytes)
    assert await scene.content.get(told.output) == honest_label(offer.content)


async def test_orders_at_once_travel_together(scene: LaneScene) -> None:
    offers = [await scene.order() for _ in range(40)]
    told = await asyncio.gather(*(scene.here.order(offer, 30.0) for offer in offers))
    assert {answer.state for answer in told} == {"decided"}
    sizes = [size for seat in scene.seats for size in seat.sizes]
    assert max(sizes) > 1
    assert sum(sizes) == 2 * 3 * 40


async def test_no_more_are_taken_than_can_be_carried(scene: LaneScene) -> None:
    await scene.kill()
    await scene.open(max_in_flight=2)
    for seat in scene.seats:
        seat.ways = Ways(delay_s=0.5)
    offers = [await scene.order() for _ in range(3)]
    under_way = [asyncio.create_task(scene.here.order(offer, 20.0)) for offer in offers[:2]]
    await asyncio.sleep(0.2)
    with pytest.raises(MLBridgeError) as full:
        await scene.here.order(offers[2], 1.0)
    assert full.value.code == "lane.full"
    assert full.value.context["retry_after_s"] == 1
    assert {answer.state for answer in await asyncio.gather(*under_way)} == {"decided"}
    assert (await scene.here.order(offers[2], 20.0)).state == "decided"


async def test_inputs_that_are_nowhere_take_nobody_s_place(
    scene: LaneScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One channel's money admits any number of orders that differ in their deadline and are never kept."""
    await scene.kill()
    await scene.open(max_in_flight=1)
    nowhere = await scene.content.put(b"nowhere")
    looking = asyncio.Semaphore(0)

    async def search(cid: str, **_: int) -> bytes:
        looking.release()
        return await asyncio.Future()

    monkeypatch.setattr(scene.content, "get", search)
    sequence = scene.sequence + 1
    offers = [
        replace(
            await scene.order(sequence=sequence, deadline=int(scene.view.now()) + 60 + n), content=nowhere
        )
        for n in range(FETCHES_OF_CHANNEL + 1)
    ]
    hung = [asyncio.create_task(scene.here.order(one, 20.0)) for one in offers[:-1]]
    for _ in hung:
        await looking.acquire()
    with pytest.raises(MLBridgeError) as full:
        await scene.here.order(offers[-1], 20.0)
    assert full.value.code == "lane.full"
    scene.sequence = sequence - 1
    assert (await scene.here.order(await scene.order(), 20.0)).state == "decided"
    for task in hung:
        task.cancel()
    await asyncio.gather(*hung, return_exceptions=True)
    assert not scene.here.runner._fetching


async def test_of_two_nodes_of_one_account_the_one_that_committed_attests(scene: LaneScene) -> None:
    """The first has proved itself before, and knows nothing of this order."""
    offer = await scene.order()
    model, directory = scene.rig.model, scene.here.runner._members.directory
    committee = await scene.committee(offer)
    empty = ScriptedSeat(committee[0].account, committee[0].key, committee[0].domain, committee[0].now)
    empty.ways = Ways(refuses=True)
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    app = Starlette(routes=[Mount(f"/m/{empty.account}", empty.app(model, base))])
    async with serving(app, port):
        url = f"http://0.0.0.0:{port}/m/{empty.account}/model"  # sorts first
        directory._claims[base] = {(empty.account, model): url}
        directory.proved(empty.account, url)
        directory.proved(empty.account, f"{scene.server.base}/m/{empty.account}/model")
        assert (await scene.here.order(offer, 20.0)).state == "decided"
    assert empty.seen["orders"] == 1


async def test_two_processes_on_one_order_show_its_members_one_set(scene: LaneScene) -> None:
    """One was taken for dead while it only stalled, and the other closed the set with whom it had heard."""
    offer = await scene.order(seats=5)
    digest, committee = scene.digest(offer), await scene.committee(offer)
    runner = scene.here.runner
    pledges = [Pledge(seat.account) for seat in committee]
    for place, seat in enumerate(committee[:4]):
        url = f"{scene.server.base}/m/{seat.account}/model"
        item, until = offer.to_bytes(), float(offer.order.message.deadline)
        answer = await runner._members.ask(url, seat.account, "orders", item, until=until)
        assert isinstance(answer, Signed)
        pledges[place] = Pledge.of(answer)
    for seat in committee:
        seat.ways = Ways(busy=1)
    await runner.accept(offer)
    others = ClosedSet(digest, tuple(pledges))
    assert await runner.store.close(digest, others.to_bytes())
    # Whoever waits is told to ask again.
    with pytest.raises(MLBridgeError) as caught:
        await scene.here.order(offer, 20.0)
    assert caught.value.code == "lane.interrupted"

    async def decided() -> bool:
        row = await runner.store.order(digest)
        return row is not None and row.status is not Status.OPEN

    await scene.until(decided)
    assert (await scene.here.order(offer, 20.0)).state == "decided"
    assert {root for seat in committee for root in seat.closed.get(digest, ())} == {others.root}


async def test_whoever_answers_for_another_account_gains_nothing(scene: LaneScene) -> None:
    """A node that claims all accounts: its signatures are not theirs, and the right ones are asked."""
    offer = await scene.order()
    committee = await scene.committee(offer)
    thief = next(seat for seat in scene.seats if seat not in committee)
    directory = scene.here.runner._members.directory
    endpoint = f"{scene.server.base}/m/{thief.account}/model"
    claimed = {(seat.account, scene.rig.model): endpoint for seat in scene.seats}
    directory._claims["http://127.0.0.1:1"] = claimed
    told = await scene.here.order(offer, 20.0)
    assert told.state == "decided"
    assert all(seat.account != thief.account for seat in told.seats)


async def test_whoever_claims_all_accounts_and_stalls_silences_nobody(scene: LaneScene) -> None:
    """Also after a restart, when nobody has proved anything yet and sets are shown again."""

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    tarpit = await asyncio.start_server(stall, "127.0.0.1", 0)
    port = tarpit.sockets[0].getsockname()[1]
    claimed = {(seat.account, scene.rig.model): f"http://0.0.0.0:{port}" for seat in scene.seats}
    async with tarpit:
        for seat in scene.seats:
            seat.ways = Ways(busy=1, reveals=False)
        scene.here.runner._members.directory._claims["http://0.0.0.0:1"] = claimed
        offer = await scene.order()
        digest = await scene.here.runner.accept(offer)

        async def closed() -> bool:
            row = await scene.here.runner.store.order(digest)
            return row is not None and row.closed is not None

        await scene.until(closed)
        await scene.kill()
        for seat in scene.seats:
            seat.ways = Ways()
        again = await scene.open()
        again.runner._members.directory._claims["http://0.0.0.0:1"] = claimed
        await again.runner.step()
        assert (await again.order(offer, 20.0)).state == "decided"


async def test_a_killed_coordinator_is_followed_by_one_that_finds_everything(scene: LaneScene) -> None:
    seats = scene.seats
    for seat in seats:
        seat.ways = Ways(delay_s=0.4)
    offers = [await scene.order() for _ in range(4)]
    waiting = [asyncio.create_task(scene.here.order(offer, 20.0)) for offer in offers]
    await asyncio.sleep(0.2)
    await scene.kill()
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)

    room = await scene.open()
    await room.runner.step()
    told = await asyncio.gather(*(room.order(offer, 20.0) for offer in offers))
    assert {answer.state for answer in told} == {"decided"}
    # Nobody saw two closed sets for one order, and nobody signed twice.
    for seat in seats:
        assert all(len(roots) == 1 for roots in seat.closed.values())
        assert all(len(signed) == 1 for signed in seat.attested.values())
    for offer, answer in zip(offers, told, strict=True):
        row = await room.runner.store.order(scene.digest(offer))
        assert row is not None
        found = await room.runner.outcome_of(row)
        assert found.evidence is not None
        assert found.evidence.seats == answer.seats
        prove(found.evidence, room.runner.view.facts)


async def test_a_batch_survives_death_and_reorganisation_and_is_posted_once(scene: LaneScene) -> None:
    snapshot = await scene.rig.chain.provider.request("evm_snapshot", [])
    offers = [await scene.order() for _ in range(3)]
    await asyncio.gather(*(scene.here.order(offer, 20.0) for offer in offers))
    await scene.until(lambda: in_stage(scene, BatchStage.POSTED))
    store = scene.here.runner.store
    (batch,) = await store.batches(BatchStage.POSTED)
    # Killed after the transaction left and before it was written down.
    await store.mark_batch(batch.root, status=BatchStage.MADE.value, header=None)
    await scene.kill()
    room = await scene.open()
    await scene.until(lambda: in_stage(scene, BatchStage.POSTED))
    assert (await room.runner.store.batches(BatchStage.POSTED))[0].root == batch.root
    state = await channels.channel_state(scene.rig.lane, scene.terms.channel())
    assert state.floor == 3
    # The chain forgets it: it goes there again.
    await scene.rig.chain.provider.request("evm_revert", [snapshot])
    assert (await channels.channel_state(scene.rig.lane, scene.terms.channel())).floor == 0
    await scene.rig.warp(1)
    await scene.until(lambda: at_floor(scene, 3))
    await scene.until(lambda: in_stage(scene, BatchStage.POSTED))
    assert [row.root for row in await room.runner.store.batches(BatchStage.POSTED)] == [batch.root]


async def test_what_happens_is_measured(scene: LaneScene) -> None:
    def value(name: str, **labels: str) -> float:
        found = scene.here.metrics.registry.get_sample_value(f"mlbridge_lane_{name}", labels)
        assert found is not None, f"{name}{labels} is not exported"
        return found

    offers = [await scene.order() for _ in range(4)]
    (await scene.committee(offers[3]))[0].ways = Ways(refuses=True)
    await scene.here.order(offers[3], 20.0)
    for seat in scene.seats:
        seat.ways = Ways()
    await asyncio.gather(*(scene.here.order(offer, 20.0) for offer in offers[:3]))
    with pytest.raises(MLBridgeError):
        await scene.here.order(await scene.order(sequence=4, max_fee=10**20), 1.0)
    assert value("orders_accepted_total") == 4
    assert value("orders_total", outcome="decided") == 3
    assert value("orders_total", outcome="failed") == 1
    assert value("orders_refused_total", reason="order.funds") == 1
    assert value("verdict_seconds_count") == 3
    for phase in ("commit", "reveal"):
        assert value("phase_seconds_count", phase=phase) >= 3

    await scene.until(lambda: in_stage(scene, BatchStage.POSTED))
    (gauges,) = [step for name, step, _ in scene.here.steps if name == "lane-gauges"]
    await gauges()
    assert value("queue_depth", queue="batches") >= 1
    assert value("queue_depth", queue="undecided") == 0
    await scene.until(lambda: at_floor(scene, 3))
    posted = value("batches_total", outcome="posted")
    await scene.rig.warp(CHALLENGE)
    await scene.until(lambda: all_done(scene, 3))
    assert value("batches_total", outcome="final") == posted == value("batch_orders_count")
    assert value("batch_orders_sum") == value("orders_settled_total", how="batch") == 3
    assert value("phase_seconds_count", phase="post") == 3
    assert value("phase_seconds_count", phase="payout") == posted
    assert value("challenges_total", kind="strike") == 0


async def all_done(scene: LaneScene, count: int) -> bool:
    return (await scene.here.runner.store.counts()).get("done") == count


async def test_whoever_dies_while_a_batch_ends_is_followed_by_one_that_ends_it(scene: LaneScene) -> None:
    await scene.here.order(await scene.order(), 20.0)
    await scene.until(lambda: in_stage(scene, BatchStage.POSTED))
    store, marked = scene.here.runner.store, scene.here.runner.store.mark_batch
    await scene.rig.warp(CHALLENGE)

    class Killed(BaseException):
        """What nothing that goes on living catches."""

    async def dies(root: str, **values: object) -> None:
        raise Killed

    store.mark_batch = dies  # type: ignore[method-assign]
    with pytest.raises(Killed):
        await scene.until(lambda: in_stage(scene, BatchStage.FINAL))
    store.mark_batch = marked  # type: ignore[method-assign]
    await scene.until(lambda: in_stage(scene, BatchStage.FINAL))
    assert await store.counts() == {"done": 1}


async def test_orders_are_forgotten_once_nobody_can_ask_about_them(scene: LaneScene) -> None:
    await scene.kill()
    room = await scene.open(keep_s=0)
    (retain,) = [step for name, step, _ in room.steps if name == "lane-retention"]
    offers = [await scene.order() for _ in range(2)]
    await asyncio.gather(*(room.order(offer, 20.0) for offer in offers))
    await scene.until(lambda: at_floor(scene, 2))
    await scene.rig.warp(CHALLENGE)
    await scene.until(lambda: all_done(scene, 2))
    await retain()
    assert await room.runner.store.counts() == {"done": 2}
    await scene.rig.warp(await longest_course(scene.rig.lane) + 60)
    await retain()
    assert await room.runner.store.counts() == {}
    # Whoever sends a forgotten order again is told that its time is over.
    with pytest.raises(MLBridgeError) as late:
        await room.order(offers[0], 1.0)
    assert late.value.code == "order.deadline"


async def at_floor(scene: LaneScene, floor: int) -> bool:
    return (await channels.channel_state(scene.rig.lane, scene.terms.channel())).floor == floor


async def test_without_attesters_orders_settle_one_by_one(scene: LaneScene) -> None:
    await scene.kill()
    await scene.open(attesters=())
    offer = await scene.order(deadline=int(scene.view.now()) + 30)
    assert (await scene.here.order(offer, 20.0)).state == "decided"
    await scene.until(lambda: in_stage(scene, BatchStage.MADE))
    (batch,) = await scene.here.runner.store.batches(BatchStage.MADE)
    await scene.here.runner.store.mark_batch(batch.root, tries=9, not_before=0.0)
    await scene.rig.warp(400)
    await scene.until(lambda: settled(scene, 0))
    assert (await scene.balances())[str((await scene.committee(offer))[0].account)] > 0


async def settled(scene: LaneScene, sequence: int) -> bool:
    return (await channels.channel_state(scene.rig.lane, scene.terms.channel())).settled(sequence)
