"""Each fault of the channel lane in turn: who loses is read from balances on the chain.

A watcher does what `mlbridge watch` does; members settle by themselves as a provider's agent does, from what
they signed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from contracts import batches, channels
from contracts.anvil import free_port
from contracts.reads import call, claimable, get_account
from coordinator.lane.attest import PATH, Attesters
from coordinator.lane.batching import MOST_TRIES, Batcher
from coordinator.lane.rows import BatchStage
from coordinator.lane.watching import Finding, Watcher
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import batch_data
from mlbridge.protocol.batch import Batch, Header, Item, build
from mlbridge.protocol.encoding import encode
from mlbridge.protocol.evidence import Evidence, Outcome, prove
from mlbridge.protocol.leaves import ChannelDebit
from mlbridge.protocol.signatures import sign_digest
from mlbridge.protocol.watch import Challenge, Fault
from mlbridge.protocol.wire import sign
from tests.support.lane import ANSWER, BOND, CHALLENGE, DEMAND_BOND, LEAF_PENALTY, SETTLE
from tests.support.lane_rooms import DEPOSIT, FEE, LaneScene, LaneStage, lane_scene
from tests.support.lane_servers import Ways, serving
from tests.support.seats import honest_label

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]

Forge = Callable[[LaneScene, list[tuple[Evidence, Outcome]]], list[tuple[Evidence, Outcome]]]


@pytest_asyncio.fixture(loop_scope="module")
async def scene(stage: LaneStage, tmp_path: Path) -> AsyncIterator[LaneScene]:
    async with lane_scene(stage, tmp_path) as made:
        await made.open()
        yield made


async def answered(scene: LaneScene, count: int) -> list[tuple[Evidence, Outcome]]:
    """Orders that were done, as the coordinator could settle them."""
    offers = [await scene.order() for _ in range(count)]
    told = await asyncio.gather(*(scene.here.order(offer, 20.0) for offer in offers))
    settled = []
    for offer, answer in zip(offers, told, strict=True):
        assert answer.state == "decided"
        order = offer.order
        evidence = Evidence(offer.terms, order.message, order.signature, answer.result, answer.seats)
        settled.append((evidence, prove(evidence, scene.view.facts)))
    return settled


async def post(scene: LaneScene, batch: Batch, debits: list[ChannelDebit], *, stored: bool = True) -> Header:
    """Post a batch as a coordinator whose attesters sign whatever it shows them."""
    data = batch_data.to_bytes(batch)
    if stored:
        await scene.content.put(data)
    lane = scene.rig.lane
    statement = batch.statement(scene.coordinator.address, batch_data.digest(data), debits)
    signed = [
        (verifier.account, sign(statement, lane.batch_domain, bytes(verifier.node.key)))
        for verifier in scene.rig.verifiers
    ]
    return await batches.post(lane, scene.sender, statement, debits, batches.signed_by(signed))


async def watched(scene: LaneScene) -> tuple[Watcher, list[Finding]]:
    _, sender = await scene.rig.funded()
    watcher = Watcher(scene.view, scene.content, sender)
    return watcher, await watcher.step()


def forged_leaf(scene: LaneScene, settled: list[tuple[Evidence, Outcome]]) -> list[tuple[Evidence, Outcome]]:
    """An order that the requester never signed."""
    evidence, outcome = settled[0]
    return [(replace(evidence, order_signature=evidence.seats[0].signature), outcome), *settled[1:]]


def overcharged(scene: LaneScene, settled: list[tuple[Evidence, Outcome]]) -> list[tuple[Evidence, Outcome]]:
    """More for the coordinator than its share."""
    evidence, outcome = settled[0]
    more = replace(outcome, coordinator_fee=outcome.coordinator_fee + FEE, debit=outcome.debit + FEE)
    return [(evidence, more), *settled[1:]]


@pytest.mark.parametrize("forge", [forged_leaf, overcharged])
async def test_a_forged_leaf_is_struck_and_its_coordinator_pays(scene: LaneScene, forge: Forge) -> None:
    settled = await answered(scene, 3)
    before = await scene.balances()
    floors = {scene.terms.channel(): 0}
    lies = forge(scene, settled)
    batch, debits = build(scene.coordinator.address, lies, floors)
    header = await post(scene, batch, debits)
    watcher, found = await watched(scene)
    assert [finding.what for finding in found] == [Challenge.EVIDENCE.value]
    # The honest leaves stand; the struck one's debit is back in the channel.
    after = await scene.balances()
    honest = sum(outcome.debit for _, outcome in settled[1:])
    assert before["requester"] - after["requester"] == honest
    assert before["bond"] - after["bond"] == LEAF_PENALTY
    assert await watcher.collect() == LEAF_PENALTY // 10
    # Whoever worked on that order has its attestations still: it settles by itself.
    await channels.settle_reopened(scene.rig.lane, scene.client, settled[0][0], 1)
    await scene.rig.warp(CHALLENGE)
    await paid_out(scene, header, batch)
    final = await scene.balances()
    for member in scene.rig.members:
        gained = final[str(member.account)] - before[str(member.account)]
        assert gained == sum(o.seat_fee for _, o in settled if member.account in o.winners)


async def paid_out(scene: LaneScene, header: Header, batch: Batch) -> None:
    for party in batch.claims():
        await batches.claim(scene.rig.lane, scene.client, header, batch, party)


async def test_a_batch_that_sums_wrong_is_void_and_every_channel_whole(scene: LaneScene) -> None:
    settled = await answered(scene, 2)
    before = await scene.balances()
    batch, debits = build(scene.coordinator.address, settled, {scene.terms.channel(): 0})
    leaf = batch.items[1].leaf
    items = (batch.items[0], Item(replace(leaf, total=leaf.total + FEE), *_rest(batch.items[1])))
    lying = Batch(items, batch.entries)
    await post(scene, lying, [replace(debits[0], debit=debits[0].debit + FEE)])
    watcher, found = await watched(scene)
    assert [finding.what for finding in found] == [Challenge.TASKS.value, "restored"]
    after = await scene.balances()
    assert after["requester"] == before["requester"]
    assert before["bond"] - after["bond"] == BOND
    assert await watcher.collect() == BOND // 10
    # Members settle what they signed, in the window that the void batch opened again.
    for evidence, _ in settled:
        await channels.settle_reopened(scene.rig.lane, scene.client, evidence, 2)
    paid = await scene.balances()
    assert before["requester"] - paid["requester"] == sum(outcome.debit for _, outcome in settled)


def _rest(item: Item) -> tuple[Evidence, Outcome]:
    return item.evidence, item.outcome


async def test_a_batch_that_hides_itself_is_void(scene: LaneScene) -> None:
    settled = await answered(scene, 2)
    before = await scene.balances()
    batch, debits = build(scene.coordinator.address, settled, {scene.terms.channel(): 0})
    await post(scene, batch, debits, stored=False)
    watcher, found = await watched(scene)
    assert [finding.what for finding in found] == ["hidden", "demanded"]
    # A watcher that was killed meanwhile is followed by another, which sees on the chain what was asked.
    await scene.rig.warp(ANSWER + 1)
    again = Watcher(scene.view, scene.content, watcher._sender)
    assert [finding.what for finding in await again.step()] == ["voided", "restored"]
    after = await scene.balances()
    assert after["requester"] == before["requester"]
    assert before["bond"] - after["bond"] == BOND
    assert await again.collect() == BOND // 10 + DEMAND_BOND


async def test_a_void_batch_gives_the_bonds_of_other_demands_back(scene: LaneScene) -> None:
    settled = await answered(scene, 2)
    batch, debits = build(scene.coordinator.address, settled, {scene.terms.channel(): 0})
    header = await post(scene, batch, debits, stored=False)
    _, sender = await scene.rig.funded()
    for place in range(2):
        leaf = (False, place)
        await batches.challenge(scene.rig.lane, sender, header, Fault(Challenge.DEMAND, place, leaf))
    await scene.rig.warp(ANSWER + 1)
    watcher = Watcher(scene.view, scene.content, sender)
    assert [finding.what for finding in await watcher.step()] == ["voided", "restored", "returned"]
    assert await watcher.collect() == BOND // 10 + 2 * DEMAND_BOND
    assert await watcher.step() == []


async def test_an_honest_batch_passes_and_a_demand_is_answered(scene: LaneScene) -> None:
    offers = [await scene.order() for _ in range(2)]
    await asyncio.gather(*(scene.here.order(offer, 20.0) for offer in offers))
    store = scene.here.runner.store

    async def posted() -> bool:
        return bool(await store.batches(BatchStage.POSTED))

    await scene.until(posted)
    before = await scene.balances()
    watcher, found = await watched(scene)
    assert [finding.what for finding in found] == ["ok"]
    assert await watcher.step() == []
    # Somebody who cannot see the data asks for a leaf, and pays for the answer.
    blind = Watcher(scene.view, scene.content.__class__(scene.database.parent / "empty"), watcher._sender)
    assert [finding.what for finding in await blind.step()] == ["hidden", "demanded"]
    await scene.batch_step()
    owed = await call(scene.rig.lane.settlement.functions.withdrawable(scene.coordinator.address))
    assert owed == DEMAND_BOND
    assert (await scene.balances())["bond"] == before["bond"]


async def test_one_batch_that_cannot_be_read_holds_up_no_other(
    scene: LaneScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither at its coordinator, when bytes are lost, nor at a watcher, when they are made to break it."""
    await answered(scene, 1)
    store = scene.here.runner.store

    async def posted() -> list[str]:
        return [row.root for row in await store.batches(BatchStage.POSTED)]

    async def one() -> bool:
        return len(await posted()) == 1

    async def two() -> bool:
        return len(await posted()) == 2

    await scene.until(one)
    (lost,) = await store.batches(BatchStage.POSTED)
    get = scene.content.get

    async def lossy(cid: str, **limits: int) -> bytes:
        if cid == lost.cid:
            raise RuntimeError("made to break its reader")
        return await get(cid, **limits)

    monkeypatch.setattr(scene.content, "get", lossy)
    blind = Watcher(scene.view, scene.content.__class__(scene.database.parent / "empty"), scene.client)
    assert [finding.what for finding in await blind.step()] == ["hidden", "demanded"]
    await answered(scene, 1)
    await scene.until(two)
    _, found = await watched(scene)
    assert sorted(finding.what for finding in found) == ["failed", "ok"]


async def test_a_batch_whose_transaction_is_out_is_not_given_up(
    scene: LaneScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may yet be posted, and nobody would answer a demand for it: that costs the bond."""
    await answered(scene, 1)
    store = scene.here.runner.store
    failing = ["tx.timeout"]

    async def fails(*_: object) -> Header:
        raise MLBridgeError(failing[-1], "No receipt came.")

    monkeypatch.setattr(batches, "post", fails)

    async def made() -> bool:
        return bool(await store.batches(BatchStage.MADE))

    await scene.until(made)
    for code, stands in (("tx.timeout", True), ("lane.too_few_attesters", False)):
        failing.append(code)
        (row,) = await store.batches(BatchStage.MADE)
        await store.mark_batch(row.root, tries=MOST_TRIES, not_before=0.0)
        await scene.batch_step()
        after = await store.batch(row.root)
        assert after is not None
        assert (after.status is BatchStage.MADE) is stands


async def test_attesters_sign_nothing_that_is_wrong(scene: LaneScene) -> None:
    settled = await answered(scene, 2)
    runner = scene.here.runner
    attesters = Attesters(scene.server.verifiers, scene.here._session, scene.rig.lane)
    for lies in (forged_leaf(scene, settled), overcharged(scene, settled)):
        batch, debits = build(scene.coordinator.address, lies, {scene.terms.channel(): 0})
        await scene.content.put(batch_data.to_bytes(batch))
        data = batch_data.digest(batch_data.to_bytes(batch))
        statement = batch.statement(runner.address, data, debits)
        assert await attesters.sign(statement, debits) == []
        # Honest leaves, taken from a place where the channel does not stand.
    batch, debits = build(scene.coordinator.address, settled, {scene.terms.channel(): 0})
    await scene.content.put(batch_data.to_bytes(batch))
    statement = batch.statement(runner.address, batch_data.digest(batch_data.to_bytes(batch)), debits)
    assert len(await attesters.sign(statement, debits)) == 3
    assert await attesters.sign(replace(statement, tasks=3), debits) == []
    # One that signs in the name of another, or of nobody who counts, does not spoil the others' signatures.
    accounts = [int(url.rsplit("/", 1)[1]) for url in scene.server.verifiers]

    async def forged(request: Request) -> Response:
        account = int(request.path_params["account"])
        return Response(encode({"account": account, "signature": sign_digest(bytes(32), b"\x05" * 32)}))

    port = free_port()
    async with serving(Starlette(routes=[Route("/{account}" + PATH, forged, methods=["POST"])]), port):
        liars = [f"http://127.0.0.1:{port}/{account}" for account in (*accounts, 2, 4_001)]
        several = Attesters((*scene.server.verifiers, *liars), scene.here._session, scene.rig.lane)
        signed = await several.sign(statement, debits)
        assert [account for account, _ in signed] == sorted(accounts)
        assert {item.signer(scene.rig.lane.batch_domain) for _, item in signed} == {
            member.node.address for member in scene.rig.verifiers
        }


async def test_two_results_for_one_order_cost_everything(scene: LaneScene) -> None:
    offer = await scene.order(deadline=int(scene.view.now()) + 8)
    committee = await scene.committee(offer)
    guilty = committee[0]
    guilty.ways = Ways(contradict=True)
    staked = (await get_account(scene.rig.chain, guilty.account)).bonded
    assert staked > 0
    before = await scene.balances()
    # Three of three are needed, and a word that was taken back counts for nothing: nobody is charged.
    assert (await scene.here.order(offer, 30.0)).state == "failed"
    assert (await scene.balances())["requester"] == before["requester"]

    async def punished() -> bool:
        return (await get_account(scene.rig.chain, guilty.account)).bonded == 0

    await scene.until(punished)
    for seat in committee[1:]:
        assert (await get_account(scene.rig.chain, seat.account)).bonded > 0


async def test_a_dissenter_of_five_is_on_record_and_unpaid(scene: LaneScene) -> None:
    offer = await scene.order(seats=5)
    committee = await scene.committee(offer)
    weights = scene.view.facts.snapshots.weights(scene.rig.model, offer.order.message.epoch)
    liar = min(committee, key=lambda seat: weights[seat.account])
    liar.ways = Ways(wrong_first=True)
    told = await scene.here.order(offer, 30.0)
    assert told.state == "decided"
    assert isinstance(offer.content, bytes)
    assert told.output == honest_label(offer.content)
    store = scene.here.runner.store

    async def posted() -> bool:
        return bool(await store.batches(BatchStage.POSTED))

    await scene.until(posted)
    settlement = await scene.here.settlement(scene.digest(offer))
    assert liar.account not in settlement.outcome.winners
    assert len(settlement.outcome.winners) == 4

    async def on_record() -> bool:
        await scene.batch_step()
        return not await store.unreported("dissent")

    await scene.until(on_record)


async def test_what_a_coordinator_withholds_settles_in_its_members_hands(scene: LaneScene) -> None:
    """It collects attestations and answers nobody: the seats have each other's, and the order."""
    settled = await answered(scene, 1)
    evidence, outcome = settled[0]
    before = await scene.balances()
    await scene.kill()
    member = scene.rig.members[0]
    assert await channels.settle(scene.rig.lane, member._sender, evidence) == outcome.debit
    after = await scene.balances()
    assert before["requester"] - after["requester"] == outcome.debit <= FEE
    for account in outcome.winners:
        assert after[str(account)] - before[str(account)] == outcome.seat_fee
    # Alive again, it finds the order settled and charges it no second time.
    room = await scene.open()
    await room.runner.step()
    await scene.batch_step()
    await scene.batch_step()
    assert (await scene.balances())["requester"] == after["requester"]
    assert await room.runner.store.batches(BatchStage.MADE, BatchStage.POSTED) == []


async def test_a_coordinator_that_ignores_orders_or_dies_keeps_nothing(scene: LaneScene) -> None:
    """The requester asks, nobody answers; its deposit comes home after the delay."""
    await scene.order()
    await scene.kill()
    lane = scene.rig.lane
    due = await channels.start_close(lane, scene.client, scene.terms)
    await scene.rig.warp(due - await scene.rig.now() + 1)
    assert await channels.finish_close(lane, scene.client, scene.terms) == DEPOSIT
    assert (await claimable(scene.rig.chain, scene.requester.address))[0] == DEPOSIT
    assert due - await scene.rig.now() <= 2 * SETTLE


async def test_two_batchers_never_cover_one_range(scene: LaneScene) -> None:
    offers = [await scene.order() for _ in range(3)]
    await asyncio.gather(*(scene.here.order(offer, 20.0) for offer in offers))
    room, runner = scene.here, scene.here.runner
    attesters = Attesters(scene.server.verifiers, room._session, scene.rig.lane)

    async def ripe() -> bool:
        return len(await runner.store.batchable(limit=9)) == 3

    for _ in range(300):
        if await ripe():
            break
        await asyncio.sleep(0.02)
    both = [
        Batcher(runner, runner.store, scene.sender, scene.content, attesters, room.config, room.metrics)
        for _ in range(2)
    ]
    steps: list[Awaitable[bool]] = [batcher.step() for batcher in both for _ in range(3)]
    await asyncio.gather(*steps, return_exceptions=True)
    found = await batches.posted(scene.rig.lane)
    mine = [one for one in found if one.header.coordinator == scene.coordinator.address]
    assert sum(one.header.tasks for one in mine) <= 3
    assert (await channels.channel_state(scene.rig.lane, scene.terms.channel())).floor in (0, 3)
