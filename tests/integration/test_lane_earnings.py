"""What a provider's agent does for its seat in the channel lane, on a real chain."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cluster.agent import Agent
from cluster.config import parse_config
from cluster.context import Context
from cluster.lane.earnings import Earnings, Seat
from cluster.lane.evidence import Collector
from cluster.lane.peers import Peers
from cluster.metrics import NoMeter
from contracts import artifacts, batches, channels, reads
from contracts.network import save
from contracts.reads import call, claimable
from contracts.sender import Sender
from mlbridge.protocol import batch_data, exchange, orders712, wire
from mlbridge.protocol.batch import Batch, build
from mlbridge.protocol.evidence import Evidence, Outcome, prove
from mlbridge.protocol.exchange import ClosedSet, Offer, Pledge, Refusal, Revealed
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.orders712 import Attestation, Close, Voucher
from mlbridge.protocol.types import Policy
from mlbridge.storage import LocalStore
from serve.lane.store import Claim, LaneStore
from serve.lane.view import View, ViewWriter
from tests.support.lane import CHALLENGE, EPOCH, SETTLE
from tests.support.lane_scene import Scene, lane_scene
from tests.support.lane_serve import Provider, followed
from tests.support.providers import provider_fields, write_keys
from tests.support.ray_local import free_port
from tests.support.seats import FAST, register_model, until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(400),
    pytest.mark.asyncio(loop_scope="module"),
]

MARGIN = 30


class Tally(NoMeter):
    """Keeps what was counted."""

    def __init__(self) -> None:
        self.wei = 0
        self.endings: Counter[str] = Counter()

    def earned(self, kind: str, amount: int) -> None:
        assert kind == "lane"
        self.wei += amount

    def lane_order(self, ending: str) -> None:
        self.endings[ending] += 1


class Desk:
    """The agent's earnings of the first member, whose store holds what its replicas attested."""

    def __init__(self, provider: Provider, home: Path, peers: Peers) -> None:
        rig = provider.scene.rig
        self.provider, self.scene = provider, provider.scene
        self.now = 10_000.0
        self.content = LocalStore(home / "content")
        self.store = LaneStore(home / "lane.sqlite")
        self.writer = ViewWriter(provider.view)
        self.meter = Tally()
        self.earnings = Earnings(
            rig.lane,
            Sender(rig.chain, rig.members[0].node, FAST),
            Seat(provider.account, MARGIN),
            writer=self.writer,
            store=self.store,
            content=self.content,
            collector=Collector(self.store, provider.view, peers, rig.lane.domain),
            meter=self.meter,
            clock=lambda: self.now,
        )

    async def round(self) -> None:
        await self.provider.sync()
        await self.earnings.round([self.scene.rig.model])

    async def attested(
        self, sequence: int, *, channel: int = 0, **changes: object
    ) -> tuple[Evidence, Outcome]:
        """An order done by all members, of which the store has our part alone."""
        world = self.scene.world
        made = world.order(sequence, channel=channel, seats=6, **changes)
        evidence = world.evidence(made, channel=channel)
        outcome = prove(evidence, world.facts)
        order = evidence.order
        digest = order.digest(world.domain)
        words = {
            seat.account: orders712.commitment(digest, seat.account, evidence.result, seat.word)
            for seat in evidence.seats
        }
        root = orders712.commitments_root(list(words.values()))
        ours = next(seat for seat in evidence.seats if seat.account == self.provider.account)
        message = Attestation(digest, ours.account, evidence.result, ours.word, root)
        offer = Offer(wire.Signed(order, evidence.order_signature), evidence.terms, b"")
        closed = ClosedSet(digest, tuple(Pledge(account, word, b"s" * 65) for account, word in words.items()))
        await self.store.accept(
            Claim(
                digest, ours.account, order.channel, sequence, order.max_fee, order.deadline,
                world.coordinator, offer.to_bytes(), 10**30, 0, 0,
            )
        )  # fmt: skip
        await self.store.bind(digest, result=evidence.result, salt=ours.word, commitment=b"c", output=b"")
        signed = wire.Signed(message, ours.signature)
        await self.store.attest(digest, closed=closed.to_bytes(), attestation=signed.to_bytes())
        return evidence, outcome

    async def earned(self) -> int:
        """Wei that the operator can claim."""
        return (await claimable(self.scene.rig.chain, self.scene.rig.members[0].operator.address))[0]


class PeerNode:
    """A node that says what the other members attested, and some things that they did not."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.known: dict[bytes, Evidence] = {}
        self.asked = 0

    async def node(self, request: Request) -> Response:
        endpoint = str(request.base_url).rstrip("/")
        return JSONResponse({"models": [{"id": "0x" + self._scene.rig.model.hex(), "endpoint": endpoint}]})

    async def attestations(self, request: Request) -> Response:
        self.asked += 1
        (digest,) = exchange.split(await request.body())
        evidence = self.known.get(digest)
        if evidence is None:
            return Response(exchange.join([exchange.write_answer(Refusal("lane.unknown_order", "No."))]))
        root = orders712.commitments_root(
            [orders712.commitment(digest, s.account, evidence.result, s.word) for s in evidence.seats]
        )
        answers = []
        for seat in evidence.seats[1:]:
            true = Attestation(digest, seat.account, evidence.result, seat.word, root)
            for message, signature in (
                (replace(true, result=keccak(b"lie")), seat.signature),
                (replace(true, commitments=keccak(b"set")), seat.signature),
                (true, evidence.seats[0].signature),
                (true, seat.signature),
            ):
                told = Revealed(wire.Signed(message, signature))
                answers.append(exchange.write_answer(told))
        return Response(exchange.join(answers))


@contextlib.contextmanager
def served(node: PeerNode) -> Iterator[str]:
    """The peer over real HTTP; the URL of its /node."""
    routes = [Route("/node", node.node), Route("/v1/lane/attestations", node.attestations, methods=["POST"])]
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{port}/node"
    server.should_exit = True
    thread.join(10)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene() -> AsyncIterator[Scene]:
    async with lane_scene() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def desk(scene: Scene, tmp_path: Path) -> AsyncIterator[tuple[Desk, PeerNode]]:
    node = PeerNode(scene)
    with served(node) as url:
        peers = Peers(["http://127.0.0.1:9/node", url])
        async with followed(scene, tmp_path / "home") as provider:
            yield Desk(provider, tmp_path, peers), node
        await peers.close()


async def fresh(scene: Scene) -> None:
    """An epoch that can draw, with everybody in it."""
    await scene.rig.record()
    await scene.rig.advance()
    await scene.refresh()


async def floor_of(scene: Scene, channel: int) -> int:
    return (await scene.floors())[scene.world.terms(channel).channel()]


async def test_an_order_that_its_coordinator_withheld_is_settled_by_its_seats(
    scene: Scene, desk: tuple[Desk, PeerNode]
) -> None:
    mine, peer = desk
    await fresh(scene)
    evidence, outcome = await mine.attested(await floor_of(scene, 0))
    digest = evidence.order.digest(scene.world.domain)
    before = await mine.earned()
    await mine.round()
    assert mine.store.endings() == {"open": 1}
    assert peer.asked == 0
    await scene.rig.warp(60 + MARGIN + 1)
    # Nobody tells the other attestations yet, and what is told is not all true.
    await mine.round()
    assert mine.store.endings() == {"open": 1}
    assert peer.asked == 1
    peer.known[digest] = evidence
    mine.now += 1000
    await mine.round()
    assert mine.store.endings() == {"settled": 1}
    assert await mine.earned() - before == outcome.seat_fee > 0
    assert len(mine.store.others(digest)) == 5
    asked = peer.asked
    await mine.round()
    assert peer.asked == asked


async def test_an_order_that_somebody_else_settled_is_left_alone(
    scene: Scene, desk: tuple[Desk, PeerNode]
) -> None:
    mine, peer = desk
    await fresh(scene)
    evidence, _ = await mine.attested(await floor_of(scene, 0))
    await channels.settle(scene.rig.lane, scene.rig.treasury, evidence)
    await scene.rig.warp(60 + MARGIN + 1)
    await mine.round()
    assert mine.store.endings() == {"passed": 1}
    assert peer.asked == 0


async def test_what_a_final_batch_credits_is_claimed_and_what_it_left_out_is_settled(
    scene: Scene, desk: tuple[Desk, PeerNode]
) -> None:
    mine, peer = desk
    await fresh(scene)
    floors = await scene.floors()
    first = floors[scene.world.terms(1).channel()]
    done = [await mine.attested(first + number, channel=1) for number in range(3)]
    evidence, outcome = done[1]
    peer.known[evidence.order.digest(scene.world.domain)] = evidence
    for other in (done[0], done[2]):
        peer.known[other[0].order.digest(scene.world.domain)] = other[0]
    # The coordinator leaves the second order out.
    batch, debits = build(scene.world.coordinator, [done[0], done[2]], floors)
    await mine.content.put(batch_data.to_bytes(batch))
    posted = await scene.post(batch, debits)
    before = await mine.earned()
    await mine.round()
    assert await mine.earned() - before == outcome.seat_fee > 0
    assert mine.store.endings() == {"settled": 1, "open": 2}
    await scene.rig.warp(CHALLENGE + 1)
    await mine.round()
    assert await mine.earned() - before == 3 * outcome.seat_fee
    assert mine.writer.open_batches() == []
    state = await batches.batch_state(scene.rig.lane, posted.header.batch_id())
    assert state.pot == posted.header.pot - 2 * outcome.seat_fee
    assert mine.store.endings() == {"settled": 1, "passed": 2}
    assert (mine.meter.wei, mine.meter.endings) == (2 * outcome.seat_fee, {"settled": 1, "passed": 2})


@pytest.mark.parametrize(("way", "channel"), [("voucher", 0), ("close", 1)])
async def test_nobody_empties_a_channel_over_the_heads_of_its_seats(
    scene: Scene, desk: tuple[Desk, PeerNode], way: str, channel: int
) -> None:
    """By a voucher that says that nothing was spent, or by closing, before the order is due."""
    mine, peer = desk
    lane, world = scene.rig.lane, scene.world
    await fresh(scene)
    terms, floor = world.terms(channel), await floor_of(scene, channel)
    evidence, outcome = await mine.attested(floor, channel=channel, deadline=world.now + 500)
    peer.known[evidence.order.digest(world.domain)] = evidence
    before = await mine.earned()
    if way == "voucher":
        voucher = wire.sign(Voucher(terms.channel(), 0, floor + 64), world.domain, world.requester_key)
        due = await channels.present_voucher(lane, scene.coordinator, terms, voucher)
    else:
        consent = wire.sign(Close(terms.channel(), 0, floor + 64), world.domain, world.requester_key)
        due = await channels.close_together(lane, scene.coordinator, terms, consent)
    await mine.round()
    assert await mine.earned() == before
    await scene.rig.warp(due - await scene.rig.now() - SETTLE // 2)
    await mine.round()
    assert await mine.earned() - before == outcome.seat_fee > 0
    assert mine.store.endings() == {"settled": 1}


def due(batch: Batch, mine: Desk) -> int:
    """Wei that a batch owes the provider."""
    place = batch.claims().get(mine.provider.account)
    return 0 if place is None else batch.entries[place].total


async def test_a_batch_whose_data_cannot_be_had_holds_up_nothing_else(
    scene: Scene, desk: tuple[Desk, PeerNode]
) -> None:
    mine, _ = desk
    await fresh(scene)
    hidden, debits = await scene.draft(3)
    lost = (await scene.post(hidden, debits)).header.batch_id()
    shown, debits = await scene.draft(3)
    await mine.content.put(batch_data.to_bytes(shown))
    found = (await scene.post(shown, debits)).header.batch_id()
    before = await mine.earned()
    await scene.rig.warp(CHALLENGE + 1)
    await mine.round()
    assert await mine.earned() - before == due(shown, mine)
    waiting = [batch for batch, _ in mine.writer.open_batches()]
    assert lost in waiting
    assert found not in waiting
    # Whoever finds the data later is still paid.
    paid = await mine.earned()
    await mine.content.put(batch_data.to_bytes(hidden))
    await mine.round()
    assert await mine.earned() == paid
    mine.now += 1000
    await mine.round()
    assert await mine.earned() - paid == due(hidden, mine)
    assert lost not in [batch for batch, _ in mine.writer.open_batches()]


async def test_a_provider_records_its_weight_so_that_it_is_drawn(
    scene: Scene, desk: tuple[Desk, PeerNode]
) -> None:
    mine, _ = desk
    rig = scene.rig
    account, epoch = mine.provider.account, await rig.lane.current_epoch()
    weight_at = rig.lane.snapshots.functions.weightAt
    known = await call(weight_at(rig.model, epoch, account))
    owner = Sender(rig.chain, rig.members[0].operator, FAST)
    await owner.send(rig.chain.tasks.functions.stopServing(rig.model, account))
    await mine.round()
    assert await call(weight_at(rig.model, epoch + 1, account)) == 0
    assert await call(weight_at(rig.model, epoch, account)) == known
    await mine.provider.sync()
    view = View(mine.provider.view, rig.model, stale_s=EPOCH)

    async def known_to_replicas() -> bool:
        return view.snapshots().weight(rig.model, epoch + 1, account) == 0

    await until(known_to_replicas)


async def test_nothing_is_recorded_of_models_that_have_no_seat_in_the_lane(
    scene: Scene, desk: tuple[Desk, PeerNode]
) -> None:
    """Members of a model with a tolerance refuse the lane's orders, so nobody may draw them for it."""
    mine, _ = desk
    rig = scene.rig
    tolerant = await register_model(rig.chain, rig.treasury, policy=Policy.NUMERIC)
    owner = Sender(rig.chain, rig.members[0].operator, FAST)
    exec_class = (await reads.get_model(rig.chain, tolerant)).exec_class
    await owner.send(rig.chain.tasks.functions.serveModel(tolerant, mine.provider.account, exec_class))
    await mine.earnings.round([tolerant])
    functions, epoch = rig.lane.snapshots.functions, await rig.lane.current_epoch() + 1
    assert await call(functions.weightAt(tolerant, epoch, mine.provider.account)) == 0
    assert await rig.lane.events(artifacts.SNAPSHOTS, "ModelRecorded", "0x" + tolerant.hex()) == []


async def test_an_agent_keeps_a_desk_for_the_lane(scene: Scene, tmp_path: Path) -> None:
    rig, home = scene.rig, tmp_path / "agent"
    member = rig.members[1]
    write_keys(home, member.node, member.operator)
    network = rig.chain.network.model_copy(
        update={"lane": rig.lane.addresses, "storage_url": f"file://{tmp_path / 'store'}"}
    )
    fields = provider_fields(home, save(network, tmp_path / "network.yaml"), "agent")
    channel = scene.world.terms(0).channel()
    for joins in (True, False):
        config = parse_config(fields | {"lane": {"join": joins}})
        context = await Context.open(config)
        agent = Agent(context)
        running = asyncio.create_task(agent.run())

        async def at_work(agent: Agent = agent, joins: bool = joins) -> bool:
            told = agent.status()
            lane = told["lane"]
            return told["state"] == "running" and (lane["caught_up"] if joins else lane is None)

        try:
            await until(at_work, timeout_s=60)
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            await context.close()
    view = View(config.lane_view_path, rig.model, stale_s=EPOCH)
    assert view.rules().account == member.account
    known = view.channel(channel)
    assert known is not None
    assert known.balance == (await channels.channel_state(rig.lane, channel)).balance


async def test_a_reorganisation_takes_seeds_channels_and_weights_back(scene: Scene, tmp_path: Path) -> None:
    rig = scene.rig
    rpc = rig.chain.provider
    snapshot = await rpc.request("evm_snapshot", [])
    async with followed(scene, tmp_path / "home") as provider:
        view = View(provider.view, rig.model, stale_s=EPOCH)
        client, sender = await rig.funded()
        terms = await channels.open_channel(
            rig.lane, sender, client.address, deposit=10**18, salt=keccak(b"gone"), share=0
        )
        await channels.top_up(rig.lane, sender, scene.world.terms(0), 10**15)
        await rig.record()
        epoch = await rig.advance()
        await provider.sync()
        old = view.channel(scene.world.terms(0).channel())
        assert view.channel(terms.channel()) is not None
        assert view.seed(epoch) is not None
        await rpc.request("evm_revert", [snapshot])
        for _ in range(40):
            await rpc.request("evm_mine", [])

        async def taken_back() -> bool:
            now = view.channel(scene.world.terms(0).channel())
            assert old is not None
            gone = view.channel(terms.channel()) is None and view.seed(epoch) is None
            return gone and now is not None and now.balance == old.balance - 10**15

        await until(taken_back)
