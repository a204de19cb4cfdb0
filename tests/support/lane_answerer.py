"""The first member of a scene as a provider whose agent answers summonses; the other seats are scripted."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cluster.config import parse_config
from cluster.served import Served, write_served
from contracts import summons
from contracts.network import save
from contracts.reads import get_account
from contracts.sender import Sender
from contracts.summons import Summoned
from mlbridge.protocol import exchange, orders712
from mlbridge.protocol.exchange import ClosedSet, Offer, Pledge
from mlbridge.protocol.hashing import payload_root
from mlbridge.protocol.orders712 import Attestation, TaskOrder
from mlbridge.protocol.types import Policy
from mlbridge.protocol.wire import Signed, sign
from serve.lane.store import Claim, LaneStore
from tests.support.lane_scene import Scene
from tests.support.providers import (
    SHA,
    Node,
    ScriptedDoor,
    manifest_folder,
    provider_fields,
    write_keys,
)
from tests.support.seats import FAST, until

INPUT: Final = b"input"
OUTPUT: Final = b"read input"

_sequences = itertools.count()


@dataclass
class Summoner:
    """A requester of a scene who summons, and the seats that are not the agent's.

    node: the first member's provider; output: of the other seats.
    """

    scene: Scene
    node: Node
    output: bytes = OUTPUT

    @property
    def account(self) -> int:
        """The agent's."""
        return self.scene.rig.members[0].account

    @property
    def store(self) -> Path:
        return self.node.config.lane_store_path

    # ---- orders ----
    def order(self, seats: int, *, sequence: int | None = None) -> Signed[TaskOrder]:
        """The first channel's next one."""
        world = self.scene.world
        number = next(_sequences) if sequence is None else sequence
        made = world.order(number, seats=seats, input_digest=payload_root(INPUT), deadline=world.now + 600)
        return sign(made, world.domain, world.requester_key)

    def drawn(self, *, ours: bool) -> Signed[TaskOrder]:
        """An order of three seats among which the agent's is, or is not."""
        while True:
            order = self.order(3)
            if (self.account in self.scene.world.committee(order.message)) is ours:
                return order

    async def summon(self, order: Signed[TaskOrder], seats: Sequence[int]) -> bytes:
        """The order's digest."""
        lane = self.scene.rig.lane
        bond = 2 * await summons.bond_for(lane, len(seats))
        terms = self.scene.world.terms(0)
        await summons.summon(lane, self.scene.client, terms, order, INPUT, seats, bond=bond)
        return order.message.digest(self.scene.world.domain)

    def result(self, digest: bytes, output: bytes | None = None) -> bytes:
        return exchange.result_of(self.scene.world.domain, digest, output or self.output)

    def word(self, order: TaskOrder, account: int) -> bytes:
        """What a scripted seat commits to."""
        digest = order.digest(self.scene.world.domain)
        salt = self.scene.world.salt(order, account)
        return orders712.commitment(digest, account, self.result(digest), salt)

    # ---- the other seats ----
    async def commit(self, order: TaskOrder, seats: Sequence[int]) -> None:
        """All of these but the agent's."""
        digest = order.digest(self.scene.world.domain)
        done = (await self.state(digest)).committed
        for place, account in enumerate(seats):
            if account != self.account and not done >> place & 1:
                member = next(m for m in self.scene.rig.members if m.account == account)
                sender = Sender(self.scene.rig.chain, member.node, FAST)
                await summons.commit(self.scene.rig.lane, sender, digest, account, self.word(order, account))

    async def open(self, order: TaskOrder, seats: Sequence[int]) -> None:
        """All of these but the agent's."""
        world, lane = self.scene.world, self.scene.rig.lane
        digest = order.digest(world.domain)
        root = orders712.commitments_root(await summons.commitments(lane, digest))
        for account in seats:
            if account != self.account:
                said = Attestation(digest, account, self.result(digest), world.salt(order, account), root)
                signed = sign(said, world.domain, world.keys[account])
                await summons.open_seat(lane, self.scene.rig.treasury, signed, b"\0" + self.output)

    async def answer_all(self, order: TaskOrder, seats: Sequence[int]) -> bytes:
        """Let every seat do its part; the order's digest."""
        digest = order.digest(self.scene.world.domain)
        await self.commit(order, seats)
        await self.until_ours(digest, "opened")
        await self.open(order, seats)
        return digest

    async def finish(self, order: TaskOrder, seats: Sequence[int]) -> Summoned:
        """The same, and close the summons."""
        digest = await self.answer_all(order, seats)
        await summons.close(self.scene.rig.lane, self.scene.rig.treasury, digest)
        return await self.state(digest)

    # ---- what was off chain before ----
    async def attested(self, order: Signed[TaskOrder], seats: Sequence[int], *, others: bool) -> None:
        """Have the provider's replicas attested the order to a set that its coordinator closed; they know of
        the other attestations too if `others`.
        """
        world = self.scene.world
        message, digest = order.message, order.message.digest(world.domain)
        words = {account: self.word(message, account) for account in seats}
        root = orders712.commitments_root(list(words.values()))
        signed = {
            account: sign(
                Attestation(digest, account, self.result(digest), world.salt(message, account), root),
                world.domain,
                world.keys[account],
            )
            for account in seats
        }
        terms = world.terms(0)
        offer = Offer(order, terms, b"")
        closed = ClosedSet(digest, tuple(Pledge(one, word, b"s" * 65) for one, word in words.items()))
        store = LaneStore(self.store)
        await store.accept(
            Claim(
                digest, self.account, message.channel, message.sequence, message.max_fee, message.deadline,
                world.coordinator, offer.to_bytes(), 10**30, 0, 0,
            )
        )  # fmt: skip
        ours = signed.pop(self.account)
        salt = world.salt(message, self.account)
        await store.bind(digest, result=self.result(digest), salt=salt, commitment=b"c", output=self.output)
        await store.attest(digest, closed=closed.to_bytes(), attestation=ours.to_bytes())
        if others:
            await store.keep_others(digest, [(one, said.to_bytes()) for one, said in signed.items()])
        store.close()

    # ---- looking ----
    async def state(self, digest: bytes) -> Summoned:
        return await summons.summoned(self.scene.rig.lane, digest)

    async def until_ours(self, digest: bytes, what: str) -> None:
        """Wait until the agent's seat has `committed` or `opened`."""

        async def done() -> bool:
            state = await self.state(digest)
            if self.account not in state.seats:
                return False
            return bool(getattr(state, what) >> state.seats.index(self.account) & 1)

        await until(done, timeout_s=60)

    async def until_state(self, digest: bytes, condition: Callable[[Summoned], bool]) -> Summoned:
        """Wait until the summons is as it should be."""

        async def done() -> bool:
            return condition(await self.state(digest))

        await until(done, timeout_s=60)
        return await self.state(digest)

    def told(self) -> dict[str, Any]:
        """What the agent says of its lane; nothing before it runs."""
        agent = self.node.agent
        return (agent.status()["lane"] if agent is not None else None) or {}

    def step(self, digest: bytes) -> str:
        """The agent's last, of a summons."""
        return str(self.told().get("summonses", {}).get("0x" + digest.hex(), ""))

    async def until_caught_up(self) -> None:
        """Wait until the agent knows the chain's seeds and weights."""

        async def done() -> bool:
            return bool(self.told().get("caught_up"))

        await until(done, timeout_s=60)

    async def bonded(self, account: int | None = None) -> int:
        return (await get_account(self.scene.rig.chain, account or self.account)).bonded


def provider_of(
    scene: Scene,
    home: Path,
    *,
    serves: bool = True,
    confirmations: int = 0,
    door: ScriptedDoor | None = None,
    **changes: Any,
) -> Node:
    """The first member's files, with the scene's model deployed unless it does not serve it."""
    rig = scene.rig
    member = rig.members[0]
    write_keys(home, member.node, member.operator)
    network = rig.chain.network.model_copy(
        update={
            "lane": rig.lane.addresses,
            "storage_url": f"file://{home.parent / 'store'}",
            "confirmations": confirmations,
        }
    )
    fields = provider_fields(home, save(network, home / "network.yaml"), "answerer", **changes)
    config = parse_config(json.loads(json.dumps(fields)))
    manifest = manifest_folder(home / "model", Policy.EXACT)
    served = Served(
        "0x" + rig.model.hex(), manifest.name, manifest.kind, "b", "0x" + SHA, "/m/scripted", "scripted",
        str(home / "model"), 1,
    )  # fmt: skip
    write_served(home, [served] if serves else [])
    return Node(config, member, door or ScriptedDoor(lambda _: OUTPUT))
