"""The gateway over a real chain with scripted members: tasks, receipts, idempotency, budgets, refusals."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest

from contracts.chain import Chain
from contracts.events import Event
from contracts.keyfile import load_key
from contracts.sender import Sender
from gateway.catalogue import Catalogue
from gateway.config import GatewayConfig
from gateway.direct_lane import DirectLane
from gateway.lanes import LaneEvent, Order, Refused, Verdict
from gateway.lanes import Receipt as Proof
from mlbridge.protocol.payload import encode_input
from mlbridge.sdk import AsyncClient, Receipt
from tests.support.coordinators import IMAGE, submitted_by
from tests.support.gateways import (
    HONEST,
    Market,
    Running,
    answer,
    make_config,
    make_key,
    open_market,
    opened,
    serving,
)
from tests.support.seats import FAST, Script, acting, until

pytestmark = pytest.mark.integration

LIE = {"messages": [{"role": "user", "content": "a lie"}], "max_tokens": 5}
BODY: dict[str, Any] = {"input": IMAGE}


@pytest.fixture
def config(running: Running) -> GatewayConfig:
    return running.config


@pytest.fixture
def market(running: Running) -> Market:
    return running.market


@pytest.fixture
async def own(market: Market, treasury: Sender, tmp_path: Path) -> GatewayConfig:
    """A gateway's file of the test's own, on the same market; nothing runs."""
    return await make_config(tmp_path / "gateway", market.network, treasury)


@pytest.fixture
def body(market: Market) -> dict[str, Any]:
    return BODY | {"model": market.name("classification")}


async def client_of(config: GatewayConfig, **changes: Any) -> httpx2.AsyncClient:
    """A client with a key of its own."""
    return client_with((await make_key(config, **changes))[1], config)


def client_with(secret: str, config: GatewayConfig) -> httpx2.AsyncClient:
    headers = {"Authorization": f"Bearer {secret}"}
    return httpx2.AsyncClient(base_url=config.local_url, headers=headers, timeout=60)


def hexed(event: Event) -> str:
    """The task that a TaskSubmitted event is about."""
    return "0x" + bytes(event.args["taskId"]).hex()


def address_of(config: GatewayConfig) -> str:
    return str(load_key(config.key).address)


async def test_a_task_is_made_waited_for_listed_and_proved(
    config: GatewayConfig, market: Market, body: dict[str, Any]
) -> None:
    key, secret = await make_key(config)
    async with client_with(secret, config) as client:
        made = await client.post("/v1/tasks", json=body)
        assert (made.status_code, made.json()["status"]) == (202, "queued")
        path = made.headers["Location"]
        done = (await client.get(path, params={"wait": 30})).json()
        assert (done["status"], done["confidence"], len(done["committee"])) == ("finalized", 1.0, 3)
        assert 0 < int(done["cost_wei"]) <= int(done["price_wei"])
        assert 0 <= done["result"]["label"] < 10
        second = (await client.post("/v1/tasks", json=body, params={"wait": 30})).json()
        page = (await client.get("/v1/tasks", params={"limit": 1})).json()
        assert ([item["id"] for item in page["data"]], page["has_more"]) == ([second["id"]], True)
        rest = (await client.get("/v1/tasks", params={"after": page["next_cursor"]})).json()
        assert ([item["id"] for item in rest["data"]], rest["has_more"]) == ([done["id"]], False)

        receipt = Receipt.from_bytes((await client.get(done["receipt"])).content)
        async with AsyncClient(market.network) as verifier:
            report = await verifier.verify(receipt)
        assert report.failures == []
        assert receipt.task.id == done["id"]
        async with opened(config) as keys:
            key = await keys.get(key.id)
        assert (key.spent, key.reserved) == (int(done["cost_wei"]) + int(second["cost_wei"]), 0)


async def test_tasks_and_receipts_of_others_do_not_exist(config: GatewayConfig, body: dict[str, Any]) -> None:
    async with await client_of(config) as owner, await client_of(config) as stranger:
        made = (await owner.post("/v1/tasks", json=body, params={"wait": 30})).json()
        for method, path in [
            ("GET", f"/v1/tasks/{made['id']}"),
            ("GET", f"/v1/receipts/{made['id']}"),
            ("POST", f"/v1/tasks/{made['id']}/cancel"),
        ]:
            answer = await stranger.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (404, "task.unknown")
        assert (await stranger.get("/v1/tasks")).json()["data"] == []


async def test_an_idempotency_key_pays_once_on_either_dialect(
    config: GatewayConfig, market: Market, chain: Chain, body: dict[str, Any]
) -> None:
    once = {"Idempotency-Key": "once"}
    chat = {"model": market.name("chat"), "messages": [{"role": "user", "content": "hi"}]}
    async with await client_of(config) as client:
        first, *others = await asyncio.gather(
            *(client.post("/v1/tasks", json=body, headers=once) for _ in range(4))
        )
        assert {item.json()["id"] for item in others} == {first.json()["id"]}
        other = await client.post("/v1/tasks", json=body | {"seats": 3}, headers=once)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency.mismatch")
        again = await client.post("/v1/tasks", json=body, headers=once, params={"wait": 30})
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.json()["status"] == "finalized"

        # the scope is the route: the same key on another one is another request
        asking = asyncio.create_task(client.post("/v1/chat/completions", json=chat, headers=once))
        await until(lambda: _under_way(client))
        early = await client.post("/v1/chat/completions", json=chat, headers=once)
        assert (early.status_code, early.json()["error"]["code"]) == (409, "idempotency.running")
        assert int(early.headers["Retry-After"]) > 0
        answer = await asking
        replay = await client.post("/v1/chat/completions", json=chat, headers=once)
        assert replay.json() == answer.json()
        assert (answer.headers.get("Idempotent-Replayed"), replay.headers["Idempotent-Replayed"]) == (
            None,
            "true",
        )
        streamed = await client.post("/v1/chat/completions", json=chat | {"stream": True}, headers=once)
        assert streamed.status_code == 422
        made = await client.get("/v1/tasks")
    ids = {item["id"] for item in made.json()["data"]}
    assert len(ids) == 2
    assert len({hexed(event) for event in await submitted_by(chain, address_of(config))} & ids) == 2


async def test_a_budget_ends_what_a_key_can_spend(
    config: GatewayConfig, market: Market, body: dict[str, Any]
) -> None:
    model = market.models[market.name("classification")]
    async with AsyncClient(market.network) as reader:
        price = await reader.quote(model)
    async with await client_of(config, budget=2 * price) as client:
        tries = await asyncio.gather(*(client.post("/v1/tasks", json=body) for _ in range(6)))
        assert sorted(item.status_code for item in tries) == [202] * 2 + [402] * 4
        refused = next(item for item in tries if item.status_code == 402).json()
        assert refused["code"] == "budget.exceeded"
        chat = {"model": market.name("chat"), "messages": [{"role": "user", "content": "hi"}]}
        told = await client.post("/v1/chat/completions", json=chat)
        assert (told.status_code, told.json()["error"]["code"]) == (402, "insufficient_quota")
        assert told.headers["x-should-retry"] == "false"


async def test_keys_are_bounded_by_scope_rate_price_and_their_end(
    config: GatewayConfig, body: dict[str, Any]
) -> None:
    async with await client_of(config, scopes=frozenset({"read"}), rate="3/minute") as reader:
        refused = await reader.post("/v1/tasks", json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "key.scope")
        fine = await reader.get("/v1/models")
        assert fine.headers["RateLimit-Policy"] == '"default";q=3;w=60'
        assert fine.headers["RateLimit"].startswith('"default";r=1;t=')
        assert fine.headers["x-ratelimit-remaining-requests"] == "1"
        await reader.get("/v1/models")
        often = await reader.get("/v1/models")
        assert (often.status_code, often.json()["error"]["code"]) == (429, "rate_limit_exceeded")
        assert 0 < int(often.headers["Retry-After"]) <= 60
    key, secret = await make_key(config)
    known = {"Authorization": f"Bearer {secret}"}
    async with httpx2.AsyncClient(base_url=config.local_url, headers=known) as client:
        assert (await client.get("/v1/tasks")).status_code == 200
        async with opened(config) as keys:
            await keys.revoke(key.id)
        gone = await client.get("/v1/tasks")
        assert (gone.status_code, gone.json()["code"]) == (401, "key.revoked")
        assert gone.headers["WWW-Authenticate"] == "Bearer"


async def test_refusals_are_documents_with_a_code_and_a_hint(
    config: GatewayConfig, market: Market, body: dict[str, Any]
) -> None:
    async with await client_of(config) as client:
        for method, path, sent, status, code in [
            ("GET", "/v1/tasks/0x00", None, 404, "task.unknown"),
            ("GET", "/nothing", None, 404, "http.not_found"),
            ("DELETE", "/v1/tasks", None, 405, "http.method"),
            ("POST", "/v1/tasks", {"model": "x"}, 422, "http.invalid"),
            ("POST", "/v1/tasks", body | {"extra": 1}, 422, "http.invalid"),
            ("POST", "/v1/tasks", body | {"input": {"kind": "nonsense"}}, 422, "payload.kind"),
            ("POST", "/v1/tasks", body | {"input": {"image": [1]}}, 422, "payload.invalid"),
            ("POST", "/v1/tasks", body | {"model": "no-such"}, 404, "model.unknown"),
            ("POST", "/v1/tasks", body | {"max_price_wei": 1}, 402, "price.too_high"),
            ("GET", "/v1/tasks?after=x", None, 422, "task.bad_cursor"),
            ("POST", "/v1/tasks", body | {"model": "x" * 2**20}, 413, "http.too_large"),
        ]:
            answer = await client.request(method, path, json=sent)
            found = answer.json()
            assert (answer.status_code, found["status"], found["code"]) == (status, status, code)
            assert answer.headers["Content-Type"] == "application/problem+json", path
            assert found["hint"], path
            assert found["detail"], path
        given = await client.get("/v1/tasks", headers={"x-request-id": "mine-1"})
        assert given.headers["x-request-id"] == "mine-1"
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/readyz")).json() == {"status": "ready"}
        scraped = (await client.get("/metrics")).text
        assert 'mlbridge_gateway_requests_total{route="/v1/tasks",status="404"}' in scraped


async def test_a_full_gateway_says_when_to_come_again(
    market: Market, treasury: Sender, tmp_path: Path, body: dict[str, Any]
) -> None:
    # its key is too poor to send anything, so what it takes stays open
    config = await make_config(
        tmp_path / "full", market.network, treasury, coins=10**9, limits={"open_tasks": 1}
    )
    async with serving(config), await client_of(config) as client:
        assert (await client.post("/v1/tasks", json=body)).status_code == 202
        full = await client.post("/v1/tasks", json=body)
        assert (full.status_code, full.json()["code"]) == (503, "gateway.full")
        assert int(full.headers["Retry-After"]) > 0


async def test_a_task_can_be_taken_back_until_its_committee_can_be_known(
    config: GatewayConfig, body: dict[str, Any]
) -> None:
    key, secret = await make_key(config)
    async with client_with(secret, config) as client:
        made = (await client.post("/v1/tasks", json=body)).json()
        while True:
            answer = await client.post(f"/v1/tasks/{made['id']}/cancel")
            if answer.status_code != 409 or answer.json()["code"] != "task.unsent":
                break
            await asyncio.sleep(0.02)
        found = answer.json()
        # the test's chain makes a block for every transaction: either outcome is right, a mixture is not
        if answer.status_code == 200:
            assert (found["status"], found["cost_wei"]) == ("cancelled", "0")
        else:
            assert found["code"] in ("contract.TooLateToCancel", "task.ended")
        over = await client.post(f"/v1/tasks/{made['id']}/cancel")
        assert over.status_code == 409
    async with opened(config) as keys:
        key = await keys.get(key.id)
    assert key.reserved == 0 or found["code"] == "contract.TooLateToCancel"


async def test_a_gateway_that_comes_back_carries_on_and_pays_once(
    own: GatewayConfig, chain: Chain, body: dict[str, Any]
) -> None:
    once = {"Idempotency-Key": "once"}
    async with serving(own), await client_of(own) as client:
        made = (await client.post("/v1/tasks", json=body, headers=once)).json()
        secret = client.headers["Authorization"]
    async with serving(own), httpx2.AsyncClient(base_url=own.local_url, timeout=60) as client:
        again = await client.post(
            "/v1/tasks", json=body, headers=once | {"Authorization": secret}, params={"wait": 30}
        )
        assert (again.json()["id"], again.json()["status"]) == (made["id"], "finalized")
    assert len(await submitted_by(chain, address_of(own))) == 1


async def _under_way(client: httpx2.AsyncClient) -> bool:
    page = (await client.get("/v1/tasks", params={"limit": 1})).json()
    return page["data"][0]["kind"] == "chat"


async def test_no_verdict_is_no_answer_and_costs_only_tips(
    own: GatewayConfig, chain: Chain, treasury: Sender, tmp_path: Path
) -> None:
    liar = Script(result=lambda _: answer(encode_input("chat", LIE)))
    scripts = [HONEST, HONEST, liar]  # and nobody to judge them
    market = await open_market(chain, treasury, tmp_path, scripts=scripts, kinds=("chat",))
    key, secret = await make_key(own)
    chat = {"model": market.name("chat"), "messages": [{"role": "user", "content": "hi"}]}
    async with acting(market.members), serving(own), client_with(secret, own) as client:
        whole, streamed = await asyncio.gather(
            client.post("/v1/chat/completions", json=chat),
            client.post("/v1/chat/completions", json=chat | {"stream": True}),
        )
        for refused in (whole, streamed):
            assert (refused.status_code, refused.json()["error"]["code"]) == (502, "answer.none")
            assert refused.headers["x-should-retry"] == "false"
        tasks = (await client.get("/v1/tasks")).json()["data"]
        assert [task["status"] for task in tasks] == ["refunded"] * 2
        costs = [int(task["cost_wei"]) for task in tasks]
        assert all(0 <= cost < int(task["price_wei"]) for cost, task in zip(costs, tasks, strict=True))
        proof = Receipt.from_bytes((await client.get(f"/v1/receipts/{tasks[0]['id']}")).content)
        assert (proof.status, proof.result) == ("refunded", None)
    async with opened(own) as keys:
        key = await keys.get(key.id)
    assert (key.spent, key.reserved) == (sum(costs), 0)


# ---- the direct lane by itself ----


async def carried(lane: DirectLane, offer: Any, *, resumed: bool = False) -> list[LaneEvent]:
    return [event async for event in lane.carry(offer, resumed=resumed)]


async def test_an_offer_carried_twice_at_once_is_paid_once(
    own: GatewayConfig, market: Market, chain: Chain
) -> None:
    async with AsyncClient(market.network, load_key(own.key), policy=FAST) as client:
        lane = DirectLane(client, claim_wei=None)
        order = await _order(market)
        offer = await lane.offer(order)
        first, second, third = await asyncio.gather(
            carried(lane, offer), carried(lane, offer, resumed=True), carried(lane, offer)
        )
        late = await carried(lane, offer, resumed=True)
    assert first[-1] == second[-1] == third[-1] == late[-1]
    assert isinstance(first[-1], Proof)
    verdict = first[-2]
    assert isinstance(verdict, Verdict)
    assert verdict.cost_wei <= offer.price_wei
    (task,) = await submitted_by(chain, client.account.address if client.account else "")
    assert hexed(task) == offer.id


async def test_an_offer_that_nobody_carried_in_time_is_refused_for_good(
    own: GatewayConfig, market: Market, chain: Chain
) -> None:
    async with AsyncClient(market.network, load_key(own.key), policy=FAST) as client:
        lane = DirectLane(client, claim_wei=None)
        offer = await lane.offer(await _order(market))
        late = type(offer)(offer.id, offer.price_wei, offer.terms | {"deadline": 1})
        for resumed in (False, True):
            (end,) = await carried(lane, late, resumed=resumed)
            assert isinstance(end, Refused)
            assert end.code == "contract.BadDeadline"
    assert await submitted_by(chain, address_of(own)) == []


async def _order(market: Market) -> Order:
    async with AsyncClient(market.network) as client:
        model = await Catalogue(client).find(market.name("classification"))
    payload = encode_input("classification", {"image": IMAGE["image"]})
    return Order(model=model, payload=payload, seats=None, max_price_wei=10**15, deadline_s=60)


@pytest.mark.parametrize(
    "sent",
    [
        rb'{"model": "\ud800", "messages": [{"role": "user", "content": "x"}]}',
        rb'{"model": "MODEL", "messages": [{"role": "user", "content": "\ud800"}]}',
        rb'{"model": "MODEL", "messages": [{"role": "user", "content": "x"}], "stop": "\ud800"}',
        rb'{"model": "MODEL", "messages": [{"role": "user", "content": "x"}], "temperature": NaN}',
        rb'{"model": "MODEL", "messages": [{"role": "user", "content": "x"}], "mlbridge": {"\ud800": 1}}',
        rb'{"model": "MODEL", "messages": [{"role": "user", "content": "x"}], "n": 1e999}',
        b"[" * 100_000,
        b"\xff",
        b"",
    ],
)
async def test_odd_requests_are_the_clients_fault(config: GatewayConfig, market: Market, sent: bytes) -> None:
    model = market.name("chat").encode()
    async with await client_of(config) as client:
        for path in ("/v1/chat/completions", "/v1/tasks"):
            answer = await client.post(
                path,
                content=sent.replace(b"MODEL", model),
                headers={"Content-Type": "application/json"},
            )
            assert answer.status_code in (400, 404, 422), (path, answer.text)
