"""A requester with a key and a channel of his own, who sends his orders over HTTP."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from mlbridge.protocol.exchange import NO_PARAMETERS, Offer
from mlbridge.protocol.hashing import payload_root
from mlbridge.protocol.orders712 import ChannelTerms, TaskOrder
from mlbridge.protocol.payload import encode_input
from mlbridge.protocol.types import Policy
from mlbridge.protocol.wire import sign
from mlbridge.sdk import AsyncClient
from tests.support.gateway_lane import INPUT, Counter
from tests.support.lane_rooms import LaneStage
from tests.support.seats import FAST

PRICE = 10**16
PAYLOAD = encode_input("classification", {"image": INPUT["image"]})


@dataclass
class Wallet:
    """A requester with a key and a channel of his own, and a gateway before the channel's coordinator."""

    counter: Counter
    folder: Path
    url: str
    sequence: int = 0

    @property
    def stage(self) -> LaneStage:
        return self.counter.stage

    async def order(self, terms: ChannelTerms | None = None, key: bytes | None = None, **other: Any) -> Offer:
        """The next order of his channel, signed; with other members where they are named."""
        terms = terms or self.stage.terms
        members: dict[str, Any] = {
            "channel": terms.channel(),
            "sequence": self.sequence,
            "epoch": await self.counter.view.drawing_epoch(self.stage.terms.opened_in),
            "model_id": self.stage.rig.model,
            "input_digest": payload_root(PAYLOAD),
            "params_digest": NO_PARAMETERS,
            "seats": 3,
            "policy": Policy.EXACT,
            "max_fee": PRICE,
            "deadline": int(self.counter.view.now()) + 60,
        }
        order = TaskOrder(**(members | other))
        signed = sign(order, self.stage.rig.lane.domain, key or bytes(self.stage.requester.key))
        return Offer(signed, terms, PAYLOAD)

    async def next(self) -> Offer:
        """An order that uses up its sequence."""
        made = await self.order()
        self.sequence += 1
        return made

    def http(self) -> httpx2.AsyncClient:
        """Without any key."""
        return httpx2.AsyncClient(base_url=self.url, timeout=60)

    async def send(self, offer: Offer | dict[str, Any], **options: Any) -> httpx2.Response:
        """As JSON, as a wallet in a browser does."""
        async with self.http() as client:
            body = as_json(offer) if isinstance(offer, Offer) else offer
            return await client.post("/v1/lane/orders", json=body, **options)

    @contextlib.asynccontextmanager
    async def sdk(self) -> AsyncIterator[AsyncClient]:
        """His client, which knows the gateway's URL alone."""
        network, book = self.counter.engine.network, self.folder / "wallet.db"
        async with AsyncClient(network, self.stage.requester, policy=FAST, channel_book=book) as client:
            yield client


def as_json(offer: Offer) -> dict[str, Any]:
    """An order as wallets show and send it."""
    order, terms = offer.order.message, offer.terms
    return {
        "order": {
            "channel": text(order.channel),
            "sequence": order.sequence,
            "epoch": order.epoch,
            "modelId": text(order.model_id),
            "inputDigest": text(order.input_digest),
            "paramsDigest": text(order.params_digest),
            "seats": order.seats,
            "policy": int(order.policy),
            "maxFee": str(order.max_fee),
            "deadline": order.deadline,
        },
        "signature": text(offer.order.signature),
        "terms": {
            "requester": terms.requester,
            "coordinator": terms.coordinator.lower(),
            "openedIn": terms.opened_in,
            "coordinatorShare": terms.coordinator_share,
            "protocolShare": terms.protocol_share,
            "salt": text(terms.salt),
        },
        "input": INPUT,
    }


def text(raw: bytes) -> str:
    return "0x" + raw.hex()
