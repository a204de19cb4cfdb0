"""Orders that requesters sign and pay themselves, through a gateway; and what its document says of them."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from schemathesis.generation import GenerationMode

from contracts.channels import channel_state
from gateway.config import GatewayConfig
from mlbridge.protocol.answers import Told
from mlbridge.protocol.exchange import Offer
from mlbridge.protocol.orders712 import Attestation
from mlbridge.protocol.payload import decode_output
from mlbridge.protocol.streams import Kind
from mlbridge.protocol.wire import Signed
from mlbridge.sdk import LaneReceipt
from mlbridge.sdk.coordinators import CoordinatorDoor
from mlbridge.sdk.lane_verify import verify_receipt
from tests.support.gateway_lane import INPUT, Counter, drawable
from tests.support.gateways import ORIGIN, answer, make_key, opened, serving
from tests.support.lane_servers import Ways
from tests.support.openapi import ask_everything
from tests.support.seats import fresh_account, honest_label, until
from tests.support.wallets import PAYLOAD, PRICE, Wallet, as_json, text

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(loop_scope="module")
async def wallet(counter: Counter, tmp_path: Path) -> AsyncIterator[Wallet]:
    async with serving(counter.config):
        yield Wallet(counter, tmp_path, counter.config.local_url)


async def test_whoever_speaks_to_a_coordinator_speaks_to_a_gateway(wallet: Wallet) -> None:
    """The SDK unchanged: no API key, nothing charged to one, and the requester's own channel pays."""
    counter, lane = wallet.counter, wallet.stage.rig.lane
    before = await channel_state(lane, wallet.stage.terms.channel())
    async with wallet.sdk() as client:
        channel = await client.channel(wallet.stage.terms.channel(), url=wallet.url)
        found = await channel.order(wallet.stage.rig.model, INPUT)
        assert found.payload == honest_label(PAYLOAD)
        assert found.receipt.channel_terms().requester == wallet.stage.requester.address
        await until(lambda: settled(wallet, found.receipt))
        assert (await verify_receipt(await channel.settled(found.receipt), counter.view)).failures == []
        another = await client.open_channel(wallet.url, 10**15)
        assert another.terms.coordinator == wallet.stage.coordinator.address
        for one in (channel, another):
            await one.close_connection()
    after = await channel_state(lane, wallet.stage.terms.channel())
    assert before.balance - after.balance == found.cost_wei
    async with opened(counter.config) as keys:
        assert [(key.spent, key.reserved) for key in await keys.all()] == [(0, 0)]
    async with counter.http() as client:
        assert (await client.get("/v1/tasks")).json()["data"] == []


async def settled(wallet: Wallet, receipt: LaneReceipt) -> bool:
    """Whether the gateway shows the order in a batch."""
    async with wallet.http() as client:
        told = await client.get(f"/v1/lane/orders/{text(receipt.digest)}/proof")
    assert told.status_code in (200, 404), told.text
    return told.status_code == 200


async def test_a_wallet_sends_json_and_reads_verdict_and_receipt(wallet: Wallet) -> None:
    offer = await wallet.next()
    answered = await wallet.send(offer)
    done = answered.json()
    assert (answered.status_code, done["state"], done["reason"]) == (200, "decided", None)
    assert done["id"] == text(offer.order.message.digest(wallet.stage.rig.lane.domain))
    assert done["result"] == decode_output("classification", honest_label(PAYLOAD)).model_dump()
    assert (done["confidence"], len(done["committee"])) == (1.0, 3)
    assert 0 < int(done["cost_wei"]) <= int(done["price_wei"]) == PRICE
    receipt = LaneReceipt.from_bytes(json.dumps(done["receipt"]).encode())
    assert (await verify_receipt(receipt, wallet.counter.view)).failures == []
    # The same again, in either spelling, is the same order.
    assert (await wallet.send(offer)).json()["id"] == done["id"]
    async with wallet.http() as client:
        as_cbor = {"Content-Type": "application/cbor"}
        raw = await client.post("/v1/lane/orders", content=offer.to_bytes(), headers=as_cbor)
    assert Told.from_bytes(raw.content).output == honest_label(PAYLOAD)


async def test_order_and_signature_without_the_input_bring_no_answer(wallet: Wallet) -> None:
    """A batch shows them to everybody."""
    offer = await wallet.next()
    assert (await wallet.send(offer)).json()["state"] == "decided"
    refused = await wallet.send(as_json(offer) | {"input": INPUT | {"image": [0] * 64}})
    assert (refused.status_code, refused.json()["code"]) == (422, "order.input")
    elsewhere = dataclasses.replace(offer, content="bafkreiaaaa")
    async with wallet.http() as client:
        as_cbor = {"Content-Type": "application/cbor"}
        refused = await client.post("/v1/lane/orders", content=elsewhere.to_bytes(), headers=as_cbor)
    assert (refused.status_code, refused.json()["code"]) == (422, "lane.other_offer")


async def test_a_committee_without_a_verdict_costs_nothing(wallet: Wallet) -> None:
    for seat in wallet.counter.server.seats.values():
        seat.ways = Ways(refuses=True)
    failed = (await wallet.send(await wallet.next())).json()
    assert (failed["state"], failed["cost_wei"], failed["receipt"]) == ("failed", "0", None)
    assert failed["reason"]
    assert failed["attested"] is None


async def test_a_wallet_is_shown_what_seats_signed_that_disagree(wallet: Wallet) -> None:
    offer = await wallet.next()
    for seat in wallet.counter.server.seats.values():
        seat.ways = Ways(wrong_first=True)
    failed = (await wallet.send(offer)).json()
    assert (failed["state"], failed["reason"], failed["cost_wei"]) == ("failed", "the seats disagree", "0")
    assert len({one["result"] for one in failed["attested"]}) > 1
    domain = wallet.stage.rig.lane.domain
    for one in failed["attested"]:
        result, salt, commitments, signature = (
            bytes.fromhex(one[name][2:]) for name in ("result", "salt", "commitments", "signature")
        )
        digest = offer.order.message.digest(domain)
        said = Signed(Attestation(digest, one["account"], result, salt, commitments), signature)
        assert wallet.counter.view.facts.operators[said.signer(domain)] == one["account"] // 2


async def test_a_page_of_a_named_origin_may_ask_and_no_other(wallet: Wallet) -> None:
    async with wallet.http() as client:
        wish = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
        first = await client.options("/v1/lane/orders", headers=wish | {"Origin": ORIGIN})
        assert (first.status_code, first.headers["Access-Control-Allow-Origin"]) == (200, ORIGIN)
        other = await client.options("/v1/lane/orders", headers=wish | {"Origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in other.headers
        # Refusals too can be read, with what they say in their headers.
        refused = await client.get("/v1/tasks", headers={"Origin": ORIGIN})
        assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, ORIGIN)
        assert refused.headers["Access-Control-Expose-Headers"] == "*"
        assert "Access-Control-Allow-Credentials" not in refused.headers


async def test_an_answer_is_read_while_it_is_made(wallet: Wallet) -> None:
    door = CoordinatorDoor(wallet.url)
    frames = [found async for found in door.stream((await wallet.next()).to_bytes())]
    await door.close()
    kind, payload = frames[-1]
    assert kind is Kind.TOLD
    assert Told.from_bytes(payload).state == "decided"


Make = Callable[[Wallet], Any]


async def in_anothers_channel(wallet: Wallet) -> Offer:
    offer = await wallet.order()
    return dataclasses.replace(offer, terms=dataclasses.replace(offer.terms, salt=b"\1" * 32))


async def with_another_coordinator(wallet: Wallet) -> Offer:
    other = dataclasses.replace(wallet.stage.terms, coordinator=fresh_account().address)
    return await wallet.order(other)


async def by_another_key(wallet: Wallet) -> Offer:
    return await wallet.order(key=bytes(fresh_account().key))


async def of_a_spent_sequence(wallet: Wallet) -> Offer:
    spent = wallet.sequence
    assert (await wallet.send(await wallet.next())).json()["state"] == "decided"
    return await wallet.order(sequence=spent, max_fee=PRICE + 1)


async def too_cheap(wallet: Wallet) -> Offer:
    return await wallet.order(max_fee=1)


async def too_dear(wallet: Wallet) -> Offer:
    return await wallet.order(max_fee=10**20)


async def too_late(wallet: Wallet) -> Offer:
    return await wallet.order(deadline=int(wallet.counter.view.now()) - 1)


async def of_no_model(wallet: Wallet) -> Offer:
    return await wallet.order(model_id=b"\2" * 32)


async def with_a_member_missing(wallet: Wallet) -> dict[str, Any]:
    whole = as_json(await wallet.order())
    return whole | {"order": {name: value for name, value in whole["order"].items() if name != "epoch"}}


async def with_another_input(wallet: Wallet) -> dict[str, Any]:
    return as_json(await wallet.order()) | {"input": INPUT | {"image": [0] * 64}}


async def with_no_input(wallet: Wallet) -> dict[str, Any]:
    return as_json(await wallet.order()) | {"input": {"kind": "poem"}}


WRONG: dict[Make, tuple[int, str]] = {
    # The coordinator says so before a batch has settled the sequence, the chain afterwards.
    of_a_spent_sequence: (422, "lane.sequence_taken order.sequence"),
    in_anothers_channel: (422, "order.channel"),
    with_another_coordinator: (422, "lane.coordinator"),
    by_another_key: (403, "order.signature"),
    too_cheap: (402, "order.price"),
    too_dear: (402, "order.funds"),
    too_late: (422, "order.deadline"),
    of_no_model: (404, "order.model"),
    with_a_member_missing: (422, "http.invalid"),
    with_another_input: (422, "order.input"),
    with_no_input: (422, "payload.kind"),
}


async def test_what_is_wrong_with_an_order_is_said(wallet: Wallet) -> None:
    for make, (status, codes) in WRONG.items():
        refused = await wallet.send(await make(wallet))
        problem = refused.json()
        assert refused.status_code == problem["status"] == status, make.__name__
        assert problem["code"] in codes.split(), make.__name__
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert problem["detail"], make.__name__
        assert problem["hint"], make.__name__
        if make is with_another_coordinator:
            assert problem["coordinator"] == wallet.stage.coordinator.address


async def test_each_requester_has_a_rate_that_nobody_else_uses_up(counter: Counter, tmp_path: Path) -> None:
    limits = counter.config.limits.model_copy(update={"rate": "2/minute"})
    async with serving(counter.config.model_copy(update={"limits": limits})):
        wallet = Wallet(counter, tmp_path, counter.config.local_url)
        offer = await wallet.next()
        forged = await by_another_key(wallet)
        # As whoever reads a batch could send it.
        seen = as_json(offer) | {"input": INPUT | {"image": [0] * 64}}
        assert [(await wallet.send(sent)).status_code for sent in (forged, seen) * 3] == [403, 422] * 3
        told = [await wallet.send(offer) for _ in range(3)]
        assert [one.status_code for one in told] == [200, 200, 429]
        assert told[0].headers["RateLimit"].startswith('"default";r=1;')
        assert (told[2].json()["code"], int(told[2].headers["Retry-After"]) > 0) == ("rate.exceeded", True)
        stranger = fresh_account()
        terms = dataclasses.replace(wallet.stage.terms, requester=stranger.address)
        poor = await wallet.send(await wallet.order(terms, bytes(stranger.key)))
        # He has no channel, so nobody works for him.
        assert (poor.status_code, poor.json()["code"]) == (402, "order.funds")


async def test_beside_its_own_coordinator_a_gateway_takes_signed_orders_while_that_is_down(
    counter: Counter, tmp_path: Path
) -> None:
    async with serving(beside(counter)):
        wallet = Wallet(counter, tmp_path, counter.config.local_url)
        assert (await wallet.send(await wallet.next())).json()["state"] == "decided"
        await counter.engine.stop()
        assert (await wallet.send(await wallet.next())).json()["state"] == "decided"
        refused = await wallet.send(await too_cheap(wallet))
        assert (refused.status_code, refused.json()["code"]) == (402, "order.price")


def beside(counter: Counter) -> GatewayConfig:
    """A gateway's file with the coordinator as a library in it."""
    file = counter.config.home.parent / "coordinator.yaml"
    file.write_text(yaml.safe_dump(counter.engine.config.model_dump(mode="json", exclude_none=True)))
    assert counter.config.channel is not None
    channel = counter.config.channel.model_copy(update={"coordinator_file": file})
    return counter.config.model_copy(update={"channel": channel})


async def test_a_gateway_without_its_coordinator_says_when_to_come_back(
    counter: Counter, tmp_path: Path
) -> None:
    wallet = Wallet(counter, tmp_path, counter.config.local_url)
    offer = await wallet.next()
    async with serving(counter.config):
        await counter.engine.stop()
        away = await wallet.send(offer)
    assert (away.status_code, away.json()["code"]) == (503, "coordinator.unreachable")
    assert int(away.headers["Retry-After"]) > 0


# ---- what the documents say ----

ASKED = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")
PLAIN = {"messages", "prompt", "input", "max_tokens", "stream"}
EXAMPLES = 8


async def test_every_answer_of_this_lane_is_documented(counter: Counter, tmp_path: Path) -> None:
    """The gateway's default lane is the channel lane here, and its members answer every kind of task."""
    for seat in counter.server.seats.values():
        seat.ways = Ways(result=answer)
    async with serving(counter.config) as service, counter.http() as client:
        await drawable(counter, service)
        wallet = Wallet(counter, tmp_path, counter.config.local_url)
        offer = await wallet.next()
        assert (await wallet.send(offer)).json()["state"] == "decided"
        done = (await client.post("/v1/tasks", json=counter.body, params={"wait": 30})).json()
        _, poor = await make_key(counter.config, budget=6 * int(done["price_wei"]), rate="1000000/minute")
        mine = {"Authorization": f"Bearer {poor}"}
        task = (await client.post("/v1/tasks", json=counter.body, params={"wait": 30}, headers=mine)).json()

        def deepen(case: Any) -> None:
            name_a_task(counter, task["id"], case)
            name_an_order(counter, offer, case)

        for mode in GenerationMode:
            asked = partial(ask_everything, wallet.url, poor, deepen, mode=mode, examples=EXAMPLES)
            told = await asyncio.to_thread(asked)
            assert all(told.values()), told
            assert told["GET /healthz"] == told["GET /metrics"] == told["GET /v1/lane"] == {200}
            assert 200 in told["GET /readyz"]
            assert 200 in told["POST /v1/lane/orders"]
            assert 200 in told["POST /v1/lane/streams"]
        listed = (await client.get("/v1/tasks", headers=mine)).json()["data"]
    assert {item["lane"] for item in listed} == {"channel"}
    assert len([item for item in listed if item["status"] == "finalized"]) > 2


async def test_every_answer_of_a_coordinator_is_documented(counter: Counter, tmp_path: Path) -> None:
    config = counter.engine.config
    offer = await Wallet(counter, tmp_path, config.local_url).next()
    door = CoordinatorDoor(config.local_url)
    assert (await door.order(offer.to_bytes(), 30)).state == "decided"
    await door.close()
    token = config.http_token_file.read_text().strip()
    for mode in GenerationMode:
        deepen = partial(name_an_order, counter, offer)
        asked = partial(ask_everything, config.local_url, token, deepen, mode=mode, examples=EXAMPLES)
        told = await asyncio.to_thread(asked)
        assert all(told.values()), told
        assert told["GET /healthz"] == told["GET /metrics"] == told["GET /v1/lane"] == {200}
        assert 200 in told["POST /v1/lane/orders"]
        assert 200 in told["POST /v1/lane/streams"]


def name_a_task(counter: Counter, task_id: str, case: Any) -> None:
    """One that there is, its model, and nothing optional that is refused."""
    path, parameters = case.operation.path, case.path_parameters or {}
    if path in ASKED and isinstance(case.body, dict):
        asked = {name: value for name, value in case.body.items() if name in PLAIN}
        case.body = asked | {"model": counter.body["model"]}
    if path == "/v1/tasks" and isinstance(case.body, dict):
        case.body = counter.body
    for name, value in (("task_id", task_id), ("model", counter.body["model"])):
        if name in parameters:
            parameters[name] = value


def name_an_order(counter: Counter, offer: Offer, case: Any) -> None:
    """One that there is, in the spelling that the case has."""
    if case.operation.path in ("/v1/lane/orders", "/v1/lane/streams"):
        case.body = as_json(offer) if case.media_type == "application/json" else offer.to_bytes()
        case.query = {}
    if "digest" in (case.path_parameters or {}):
        digest = offer.order.message.digest(counter.stage.rig.lane.domain)
        case.path_parameters["digest"] = text(digest)
