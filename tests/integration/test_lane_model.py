"""A real model in the channel lane, put together as its replica does it."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from eth_account import Account
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from mlbridge.protocol import exchange, orders712, payload, wire
from mlbridge.protocol.exchange import Answer, ClosedSet, Offer, Pledge, Refusal, Revealed
from mlbridge.protocol.orders712 import Commitment
from serve.assembly import start, torch_runner
from serve.config import parse
from tests.support import lane_members as made
from tests.support.fake_serve import FakeRecorder
from tests.support.packs import built
from tests.support.providers import write_keys

pytestmark = pytest.mark.integration

ACCOUNT = made.ACCOUNTS[0]
IMAGE = payload.encode_input("classification", {"image": [0, 8, 16, 8] * 16})


async def replica(home: Path) -> httpx2.AsyncClient:
    """The digits model with a seat, over HTTP without a server."""
    key = Account.from_key(made.node_key(ACCOUNT))
    write_keys(home, key, key)
    made.write_view(home / "view.sqlite", ACCOUNT)
    lane = {
        "channels": made.DOMAIN.contract,
        "view": str(home / "view.sqlite"),
        "store": str(home / "lane.sqlite"),
        "key": {"keystore": str(home / "node.json"), "password_file": str(home / "password")},
        "stale_s": 3600,
    }
    config = parse(
        {
            "name": "digits",
            "model_id": "0x" + made.MODEL.hex(),
            "chain_id": made.DOMAIN.chain_id,
            "directory": str(built("digits").directory),
            "kind": "classification",
            "node_keys": [key.address],
            "lane": lane,
        }
    )
    _, face = await start(config, torch_runner(config), FakeRecorder())

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await face(Request({**scope, "root_path": "/m"}, receive))
        await response(scope, receive, send)

    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://replica/m/v1/lane")


async def ask(client: httpx2.AsyncClient, route: str, *items: Offer | ClosedSet) -> list[Answer]:
    body = exchange.join([item.to_bytes() for item in items])
    header = exchange.sign_request(body, ACCOUNT, made.NOW + 60, made.DOMAIN, made.COORDINATOR)
    answer = await client.post(f"/{route}", content=body, headers={exchange.HEADER: header})
    assert answer.status_code == 200, answer.text
    return [exchange.read_answer(item) for item in exchange.split(answer.content)]


def pledge(order: bytes, account: int) -> Pledge:
    """Another seat's."""
    word = orders712.commitment(order, account, order, order)
    return Pledge.of(wire.sign(Commitment(order, account, word), made.DOMAIN, made.node_key(account)))


async def test_a_model_answers_an_order_and_refuses_an_input_that_nobody_can_run(tmp_path: Path) -> None:
    offers = [
        made.offer_of(made.order_of(number, content=data), content=data)
        for number, data in enumerate((IMAGE, b"rubbish"))
    ]
    async with await replica(tmp_path) as client:
        committed, refused = await ask(client, "orders", *offers)
        assert isinstance(refused, Refusal)
        assert refused.code.startswith("encoding.")
        assert isinstance(committed, wire.Signed)
        assert isinstance(committed.message, Commitment)
        order = committed.message.order
        ours = Pledge(ACCOUNT, committed.message.word, committed.signature)
        seats = (ours, *(pledge(order, account) for account in made.ACCOUNTS[1:]))
        (revealed,) = await ask(client, "reveals", ClosedSet(order, seats))
    assert isinstance(revealed, Revealed)
    assert isinstance(revealed.output, bytes)
    assert payload.decode_output("classification", revealed.output).label in range(10)
    assert revealed.attestation.message.result == exchange.result_of(made.DOMAIN, order, revealed.output)
