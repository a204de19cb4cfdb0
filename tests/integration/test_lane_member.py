"""A provider's seat in the channel lane: real Serve replicas, real chain, the requests of a coordinator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from contracts import channels
from contracts.reads import call, claimable, stake_of
from mlbridge.protocol import exchange, orders712, wire
from mlbridge.protocol.exchange import Answer, ClosedSet, Pledge, Refusal, Revealed
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.orders712 import Commitment
from mlbridge.protocol.types import Policy, Role
from tests.support.lane_scene import DEPOSIT, lane_scene
from tests.support.lane_serve import OUTPUT, Provider, followed
from tests.support.ray_local import LocalServe, local_serve
from tests.support.seats import until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.timeout(400),
    pytest.mark.asyncio(loop_scope="module"),
]

REPLICAS = 2


@pytest.fixture(scope="module")
def ray_here() -> AsyncIterator[LocalServe]:
    with local_serve() as local:
        yield local  # type: ignore[misc]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider(ray_here: LocalServe, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Provider]:
    home: Path = tmp_path_factory.mktemp("provider")
    async with lane_scene() as scene, followed(scene, home) as made:
        await made.renew()
        from ray import serve

        from tests.support.serve_apps import build

        application = build({"model": made.application(replicas=REPLICAS)})
        await asyncio.to_thread(serve.run, application, name="parrot", route_prefix="/m/parrot")
        made.url = f"{ray_here.url}/m/parrot"
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    limits = httpx2.Limits(max_connections=100)
    async with httpx2.AsyncClient(timeout=60, limits=limits) as made:
        yield made


_sequences = iter(range(64))


def next_sequence() -> int:
    """The first channel's next free one."""
    return next(_sequences)


def codes(answers: list[Answer]) -> list[str]:
    return [answer.code if isinstance(answer, Refusal) else "ok" for answer in answers]


def twin_of(provider: Provider, closed: ClosedSet) -> ClosedSet:
    """A second set that looks right: another member gave the coordinator two commitments."""
    world = provider.scene.world
    other = next(seat for seat in closed.seats if seat.account != provider.account)
    word = Commitment(closed.order, other.account, keccak(b"second"))
    pledge = Pledge.of(wire.sign(word, world.domain, world.keys[other.account]))
    return replace(closed, seats=tuple(pledge if s.account == other.account else s for s in closed.seats))


async def test_what_a_provider_attests_settles_on_chain_and_pays_it(
    provider: Provider, client: httpx2.AsyncClient
) -> None:
    rig = provider.scene.rig
    operator = rig.members[0].operator.address
    before, _ = await claimable(rig.chain, operator)
    offer = provider.offer(next_sequence())
    (committed,) = await provider.ask(client, "orders", offer)
    closed = provider.closed(offer, committed)
    (revealed,) = await provider.ask(client, "reveals", closed)
    assert isinstance(revealed, Revealed)
    assert revealed.output == OUTPUT
    evidence = provider.evidence(offer, closed, revealed)
    outcome = await call(rig.lane.channels.functions.check(evidence.as_tuple()))
    debit = await channels.settle(rig.lane, rig.treasury, evidence)
    assert provider.account in outcome[7]
    after, _ = await claimable(rig.chain, operator)
    assert after - before == outcome[5] > 0
    state = await channels.channel_state(rig.lane, offer.terms.channel())
    assert state.balance == DEPOSIT - debit
    # The view follows: the sequence is done with, for replicas too.
    await provider.sync()
    again = provider.offer(0, content=b"other")
    assert codes(await provider.ask(client, "orders", again)) == ["order.sequence"]


async def test_every_refusal_says_why_and_one_spoils_no_other(
    provider: Provider, client: httpx2.AsyncClient
) -> None:
    await provider.renew()
    world, at = provider.scene.world, next_sequence()
    unknown = replace(world.terms(), salt=keccak(b"never opened"))
    nowhere = provider.offer(at, channel=0)
    lost = replace(
        nowhere,
        terms=unknown,
        order=wire.sign(
            replace(nowhere.order.message, channel=unknown.channel()), world.domain, world.requester_key
        ),
    )
    cases = {
        "order.deadline": provider.offer(at, deadline=world.now - 1),
        "lane.validity": provider.offer(at, deadline=world.now + 100_000),
        "lane.model": provider.offer(at, model_id=keccak(b"other")),
        "order.policy": provider.offer(at, policy=Policy.NUMERIC),
        "order.seats": provider.offer(at, seats=2),
        "committee.too_few": provider.offer(at, seats=7),
        "order.params": provider.offer(at, params_digest=keccak(b"p")),
        "order.input": provider.offer(at, input_digest=keccak(b"i")),
        "order.channel": replace(provider.offer(at), terms=unknown),
        "lane.channel_unknown": lost,
        "order.sequence_ahead": provider.offer(500),
        "order.epoch": provider.offer(at, epoch=world.opened_in),
        "order.epoch_ahead": provider.offer(at, epoch=world.epoch + 1),
        "order.funds": provider.offer(at, max_fee=2 * DEPOSIT),
        "order.price": provider.offer(at, max_fee=1),
        "order.signature": provider.offer(at, key=keccak(b"thief")),
        "message.malformed": b"rubbish",
    }
    good = provider.offer(at)
    answers = await provider.ask(client, "orders", *cases.values(), good)
    assert codes(answers) == [*cases, "ok"]
    later = {answer.code for answer in answers if isinstance(answer, Refusal) and answer.retry_after}
    assert later == {"lane.channel_unknown", "order.sequence_ahead", "order.epoch_ahead"}
    # Whoever is not drawn is told so: with one seat fewer, somebody is left out.
    drawn = [
        number
        for number in range(40)
        if provider.account not in world.committee(replace(good.order.message, sequence=number, seats=3))
    ]
    outside = provider.offer(max(drawn), seats=3)
    assert codes(await provider.ask(client, "orders", outside)) == ["lane.seat"]


async def test_requests_that_are_not_the_coordinators_are_refused_whole(
    provider: Provider, client: httpx2.AsyncClient
) -> None:
    body = provider.body([provider.offer(next_sequence())])
    url = f"{provider.url}/v1/lane/orders"
    for headers, status, code in (
        ({}, 401, "request.unsigned"),
        (provider.headers(b"other"), 403, "request.foreign"),
    ):
        answer = await client.post(url, content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    stranger = provider.headers(body, key=provider.scene.world.requester_key)
    answer = await client.post(url, content=body, headers=stranger)
    assert codes([exchange.read_answer(item) for item in exchange.split(answer.content)]) == [
        "lane.coordinator"
    ]
    empty = exchange.encode([])
    answer = await client.post(url, content=empty, headers=provider.headers(empty))
    assert (answer.status_code, answer.json()["code"]) == (400, "request.malformed")
    answer = await client.post(url, content=b"x" * (exchange.MAX_BODY_BYTES + 1))
    assert answer.status_code == 413


async def test_two_replicas_hold_one_seat(provider: Provider, client: httpx2.AsyncClient) -> None:
    pids = {(await client.get(f"{provider.url}/pid")).text for _ in range(40)}
    assert len(pids) == REPLICAS
    offer = provider.offer(next_sequence())
    asked = await asyncio.gather(*(patient(provider, client, offer) for _ in range(16)))
    assert all(answer == asked[0] for answer in asked)
    closed = provider.closed(offer, asked[0])
    sets = [closed, twin_of(provider, closed)]
    told = await asyncio.gather(*(provider.ask(client, "reveals", sets[n % 2]) for n in range(16)))
    roots = {answer.attestation.message.commitments for (answer,) in told if isinstance(answer, Revealed)}
    refused = {answer.code for (answer,) in told if isinstance(answer, Refusal)}
    assert (len(roots), refused) == (1, {"lane.other_set"})


async def patient(provider: Provider, client: httpx2.AsyncClient, *offers: exchange.Offer) -> Answer:
    """The commitment, asked for again as often as the provider says."""
    while True:
        (answer,) = await provider.ask(client, "orders", *offers)
        if not isinstance(answer, Refusal) or answer.retry_after is None:
            return answer
        await asyncio.sleep(answer.retry_after)


async def test_sixty_four_offers_at_once(provider: Provider, client: httpx2.AsyncClient) -> None:
    before = provider.scene.world
    offers = [provider.offer(number, channel=1) for number in range(64)]
    answers = await asyncio.gather(*(patient(provider, client, offer) for offer in offers))
    assert codes(list(answers)) == ["ok"] * 64
    # And in one request, as under load: the same words.
    assert await provider.ask(client, "orders", *offers) == list(answers)
    sets = [provider.closed(offer, answer) for offer, answer in zip(offers, answers, strict=True)]
    told = await provider.ask(client, "reveals", *sets)
    assert codes(told) == ["ok"] * 64
    for offer, answer in zip(offers, told, strict=True):
        assert isinstance(answer, Revealed)
        digest = offer.order.message.digest(before.domain)
        assert answer.attestation.message.result == exchange.result_of(before.domain, digest, OUTPUT)


async def test_kill_9_between_commit_and_reveal(
    provider: Provider, client: httpx2.AsyncClient, ray_here: LocalServe
) -> None:
    offer = provider.offer(next_sequence())
    committed = await patient(provider, client, offer)
    closed = provider.closed(offer, committed)
    replicas = ray_here.processes("ray::ServeReplica:parrot")
    assert len(replicas) == REPLICAS
    for replica in replicas:
        replica.kill()

    async def back() -> bool:
        try:
            answer = await client.get(f"{provider.url}/pid", timeout=2)
        except httpx2.HTTPError:
            return False
        return answer.status_code == 200 and int(answer.text) not in [replica.pid for replica in replicas]

    await until(back, timeout_s=60, every_s=0.3)
    await provider.sync()
    assert await patient(provider, client, offer) == committed
    (revealed,) = await provider.ask(client, "reveals", closed)
    assert isinstance(revealed, Revealed)
    message = revealed.attestation.message
    opened = orders712.commitment(closed.order, provider.account, message.result, message.salt)
    assert isinstance(committed, wire.Signed)
    assert isinstance(committed.message, Commitment)
    assert opened == committed.message.word
    assert codes(await provider.ask(client, "reveals", twin_of(provider, closed))) == ["lane.other_set"]
    (given,) = [
        exchange.read_answer(item)
        for item in exchange.split(
            (
                await client.post(
                    f"{provider.url}/v1/lane/attestations", content=exchange.join([closed.order])
                )
            ).content
        )
    ]
    assert given == Revealed(revealed.attestation, None)


async def test_a_double_signer_loses_its_whole_stake(
    provider: Provider, client: httpx2.AsyncClient, ray_here: LocalServe
) -> None:
    from ray import serve

    from tests.support.serve_apps import build

    rig = provider.scene.rig
    lane = provider.settings(store=str(provider.home / "liar.sqlite"), fault="double-sign")
    application = build({"model": provider.application(name="liar", lane=lane.model_dump(mode="json"))})
    await asyncio.to_thread(serve.run, application, name="liar", route_prefix="/m/liar")
    await provider.renew()
    liar = replace(provider, url=f"{ray_here.url}/m/liar")
    offer = liar.offer(next_sequence())
    closed = liar.closed(offer, await patient(liar, client, offer))
    first, second = [(await liar.ask(client, "reveals", closed))[0] for _ in range(2)]
    assert isinstance(first, Revealed)
    assert isinstance(second, Revealed)
    operator = rig.members[0].operator.address
    assert await stake_of(rig.chain, operator, Role.COMPUTE) > 0
    await channels.report_contradiction(rig.lane, rig.treasury, first.attestation, second.attestation)
    assert await stake_of(rig.chain, operator, Role.COMPUTE) == 0


async def test_a_provider_cut_off_from_the_chain_takes_nothing_new_and_keeps_its_word(
    provider: Provider, client: httpx2.AsyncClient
) -> None:
    known, new = provider.offer(next_sequence()), provider.offer(next_sequence())
    committed = await patient(provider, client, known)
    await provider.lose_the_chain()
    again, refused = await provider.ask(client, "orders", known, new)
    assert again == committed
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.retry_after) == ("lane.stale", 5)
    assert codes(await provider.ask(client, "reveals", provider.closed(known, committed))) == ["ok"]
