"""A real model in the channel lane, put together as its replica does it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest
from eth_account import Account
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from mlbridge.protocol import agreed, exchange, orders712, payload, wire
from mlbridge.protocol.committee import streamer
from mlbridge.protocol.exchange import Answer, ClosedSet, Offer, Pledge, Refusal, Revealed
from mlbridge.protocol.orders712 import Commitment
from mlbridge.protocol.snapshots import Snapshots
from mlbridge.protocol.streams import FrameReader, Opener, StreamOpening
from serve.assembly import start, torch_runner
from serve.config import parse
from serve.lane.store import LaneStore
from tests.support import lane_members as made
from tests.support.fake_serve import FakeRecorder
from tests.support.packs import built
from tests.support.providers import write_keys

pytestmark = pytest.mark.integration

ACCOUNT = made.ACCOUNTS[0]
IMAGE = payload.encode_input("classification", {"image": [0, 8, 16, 8] * 16})


async def replica(
    home: Path, *, pack: str = "digits", kind: str = "classification", account: int = ACCOUNT
) -> httpx2.AsyncClient:
    """A model with a seat, over HTTP without a server."""
    key = Account.from_key(made.node_key(account))
    write_keys(home, key, key)
    made.write_view(home / "view.sqlite", account)
    lane = {
        "channels": made.DOMAIN.contract,
        "view": str(home / "view.sqlite"),
        "store": str(home / "lane.sqlite"),
        "key": {"keystore": str(home / "node.json"), "password_file": str(home / "password")},
        "stale_s": 3600,
    }
    config = parse(
        {
            "name": pack,
            "model_id": "0x" + made.MODEL.hex(),
            "chain_id": made.DOMAIN.chain_id,
            "directory": str(built(pack).directory),
            "kind": kind,
            "node_keys": [key.address],
            "lane": lane,
        }
    )
    _, face = await start(config, torch_runner(config), FakeRecorder())

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await face(Request({**scope, "root_path": "/m"}, receive))
        await response(scope, receive, send)

    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://replica/m/v1/lane")


async def ask(
    client: httpx2.AsyncClient, route: str, *items: Offer | ClosedSet, account: int = ACCOUNT
) -> list[Answer]:
    answer = await post(client, route, exchange.join([item.to_bytes() for item in items]), account)
    return [exchange.read_answer(item) for item in exchange.split(answer)]


async def post(client: httpx2.AsyncClient, route: str, body: bytes, account: int) -> bytes:
    header = exchange.sign_request(body, account, made.NOW + 60, made.DOMAIN, made.COORDINATOR)
    answer = await client.post(f"/{route}", content=body, headers={exchange.HEADER: header})
    assert answer.status_code == 200, answer.text
    return answer.content


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


async def test_a_chat_model_streams_its_words_as_it_finds_them(tmp_path: Path) -> None:
    secret, key = agreed.new_key()
    asked = {"messages": [{"role": "user", "content": "What is the capital of France?"}], "max_tokens": 12}
    data = payload.encode_input("chat", asked)
    order = made.order_of(content=data, params_digest=exchange.parameters_digest(key))
    offer = made.offer_of(order, content=data, stream=key)
    snapshots = Snapshots()
    for one in made.ACCOUNTS:
        snapshots.record_weight(made.MODEL, one, 3, 10_000)
    account = streamer(order, made.SEED, snapshots)
    digest = made.digest_of(order)
    async with await replica(tmp_path, pack="smollm2", kind="chat", account=account) as client:
        (committed,), streamed = await asyncio.gather(
            ask(client, "orders", offer, account=account),
            post(client, "streams", exchange.join([digest]), account),
        )
    assert isinstance(committed, wire.Signed)
    opening, *frames = [sealed for _, sealed in FrameReader().feed(streamed)]
    opener = Opener(secret, wire.parse(opening, StreamOpening).message)
    words = [opener.open(sealed) for sealed in frames]
    assert opener.ended
    assert len(words) > 3
    assert "Paris" in "".join(words)
    # What was streamed is what the seat is bound to.
    held = LaneStore(tmp_path / "lane.sqlite").held(digest)
    assert held is not None
    assert payload.decode_output("chat", held.output).text == "".join(words)
