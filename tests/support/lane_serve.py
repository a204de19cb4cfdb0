"""A provider of the channel lane: real chain, real replicas; the other seats are keys of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import httpx2

from cluster.lane.follower import LaneFollower
from mlbridge.protocol import exchange, orders712, wire
from mlbridge.protocol.evidence import Evidence, SeatProof
from mlbridge.protocol.exchange import Answer, ClosedSet, Offer, Pledge, Revealed
from mlbridge.protocol.hashing import payload_root
from mlbridge.protocol.orders712 import Attestation, Commitment, TaskOrder
from serve.lane.settings import LaneSettings
from serve.lane.view import ViewWriter
from tests.support.lane_scene import Scene
from tests.support.providers import write_keys
from tests.support.seats import until

INPUT: Final = b"input"
OUTPUT: Final = b"read input"
SEATS: Final = 6


@dataclass
class Provider:
    """The first member of a scene, as its operator would run it. url: of its model; home: its files."""

    scene: Scene
    home: Path
    follower: asyncio.Task[None]
    url: str = ""

    @property
    def account(self) -> int:
        return self.scene.rig.members[0].account

    @property
    def view(self) -> Path:
        return self.home / "lane-view.sqlite"

    def settings(self, **changes: Any) -> LaneSettings:
        """Of its replicas' seat."""
        key = {"keystore": str(self.home / "node.json"), "password_file": str(self.home / "password")}
        made = {
            "channels": self.scene.rig.lane.addresses.channels,
            "view": str(self.view),
            "store": str(self.home / "lane.sqlite"),
            "key": key,
            "stale_s": 120,  # whole tests run on a loaded machine
        }
        return LaneSettings.model_validate(made | changes)

    def application(self, **changes: Any) -> dict[str, Any]:
        """Arguments of a ModelAppConfig with this seat."""
        made = {
            "name": "parrot",
            "model_id": "0x" + self.scene.rig.model.hex(),
            "chain_id": self.scene.rig.chain.chain_id,
            "directory": str(self.home),
            "kind": "chat",
            "node_keys": [self.scene.rig.members[0].node.address],
            "queue": 127,
            "lane": self.settings().model_dump(mode="json"),
        }
        return made | changes

    async def lose_the_chain(self) -> None:
        """The agent goes, and time with it until nothing it told counts."""
        self.follower.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.follower
        head = await self.scene.rig.chain.head()
        with contextlib.closing(ViewWriter(self.view)) as view:
            view.put_head(head.number + 1, head.timestamp - 200, time.time() - 200)

    # ---- orders ----
    async def sync(self) -> None:
        """Wait until the view is where the chain is."""
        head = await self.scene.rig.chain.head()

        async def there() -> bool:
            with contextlib.closing(ViewWriter(self.view)) as view:
                told = view.fact("head")
            return told is not None and f'"number": {head.number},' in told

        await until(there)

    async def renew(self) -> None:
        """The view, and the time and seed of orders to come."""
        await self.sync()
        await self.scene.refresh()

    def offer(
        self,
        sequence: int,
        *,
        channel: int = 0,
        content: bytes = INPUT,
        key: bytes | None = None,
        **changes: Any,
    ) -> Offer:
        """The requester's signed order for all six seats."""
        world = self.scene.world
        fields = {"seats": SEATS, "input_digest": payload_root(content), "deadline": world.now + 600}
        order = replace(world.order(sequence, channel=channel), **(fields | changes))
        signed = wire.sign(order, world.domain, key or world.requester_key)
        return Offer(signed, world.terms(channel), content)

    def body(self, items: Sequence[Offer | ClosedSet | bytes]) -> bytes:
        return exchange.join([item if isinstance(item, bytes) else item.to_bytes() for item in items])

    def headers(self, body: bytes, *, key: bytes | None = None) -> dict[str, str]:
        """The coordinator's signature."""
        world, expires = self.scene.world, self.scene.world.now + 100
        signed = exchange.sign_request(
            body, self.account, expires, world.domain, key or self.scene.coordinator_key
        )
        return {exchange.HEADER: signed}

    async def ask(
        self, client: httpx2.AsyncClient, route: str, *items: Offer | ClosedSet | bytes
    ) -> list[Answer]:
        """What the provider answers over HTTP to the coordinator's request."""
        body = self.body(items)
        answer = await client.post(f"{self.url}/v1/lane/{route}", content=body, headers=self.headers(body))
        assert answer.status_code == 200, answer.text
        return [exchange.read_answer(item) for item in exchange.split(answer.content)]

    # ---- the other seats ----
    def others(self, offer: Offer, *, output: bytes = OUTPUT) -> dict[int, Attestation]:
        """What the other members bind themselves to, but for the set."""
        world, order = self.scene.world, offer.order.message
        digest = order.digest(world.domain)
        result = exchange.result_of(world.domain, digest, output)
        return {
            account: Attestation(digest, account, result, world.salt(order, account), bytes(32))
            for account in sorted(world.keys)
            if account != self.account
        }

    def closed(self, offer: Offer, ours: Answer, *, output: bytes = OUTPUT) -> ClosedSet:
        """The closed set with the provider's commitment in it."""
        world = self.scene.world
        assert isinstance(ours, wire.Signed), ours
        assert isinstance(ours.message, Commitment)
        pledges = [Pledge(ours.message.account, ours.message.word, ours.signature)]
        for account, told in self.others(offer, output=output).items():
            word = orders712.commitment(told.order, account, told.result, told.salt)
            commitment = Commitment(told.order, account, word)
            pledges.append(Pledge.of(wire.sign(commitment, world.domain, world.keys[account])))
        pledges.sort(key=lambda pledge: pledge.account)
        return ClosedSet(ours.message.order, tuple(pledges))

    def attested(self, offer: Offer, closed: ClosedSet) -> list[wire.Signed[Attestation]]:
        """What the other members reveal."""
        world = self.scene.world
        return [
            wire.sign(replace(told, commitments=closed.root), world.domain, world.keys[account])
            for account, told in self.others(offer).items()
        ]

    def evidence(self, offer: Offer, closed: ClosedSet, ours: Answer) -> Evidence:
        """What settles the order."""
        assert isinstance(ours, Revealed), ours
        signed = [ours.attestation, *self.attested(offer, closed)]
        signed.sort(key=lambda one: one.message.account)
        seats = [SeatProof(one.message.account, one.message.salt, one.signature) for one in signed]
        result = ours.attestation.message.result
        return Evidence(offer.terms, offer.order.message, offer.order.signature, result, tuple(seats))


@contextlib.asynccontextmanager
async def followed(scene: Scene, home: Path) -> AsyncIterator[Provider]:
    """The first member's files, and its agent's view of the chain kept up to date."""
    member = scene.rig.members[0]
    write_keys(home, member.node, member.operator)
    writer = ViewWriter(home / "lane-view.sqlite")
    follower = LaneFollower(scene.rig.lane, writer, member.account, confirmations=0, poll_s=0.05)
    task = asyncio.create_task(follower.run())
    provider = Provider(scene, home, task)
    try:
        await provider.sync()
        yield provider
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        writer.close()


def order_of(offer: Offer) -> TaskOrder:
    return offer.order.message
