"""A lane with two open channels of one requester, and a coordinator with a bond."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from contracts import batches, channels
from contracts.batches import BatchStatus, Posted
from contracts.deploy_params import ReviewParams
from contracts.lane import read_snapshots
from contracts.laneview import LaneView
from contracts.sender import Sender
from mlbridge.protocol import batch_data
from mlbridge.protocol.batch import Batch, Header, build
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.leaves import ChannelDebit
from mlbridge.protocol.orders712 import ChannelTerms
from mlbridge.protocol.snapshots import Snapshots
from mlbridge.protocol.watch import Fault, examine
from mlbridge.protocol.wire import sign
from tests.support.lane import BOND, LaneRig, lane_rig
from tests.support.settled import World

DEPOSIT: Final = 10**19


@dataclass
class Scene:
    """A rig with two channels of one requester, ready for orders."""

    rig: LaneRig
    world: World
    client: Sender
    coordinator: Sender
    coordinator_key: bytes

    async def refresh(self) -> None:
        """Orders of now: epoch, time, seeds and weights."""
        lane = self.rig.lane
        self.world.epoch = await lane.current_epoch()
        self.world.now = await self.rig.now()
        seed = await lane.seed(self.world.epoch)
        assert seed is not None
        self.world.seeds[self.world.epoch] = seed
        self.world.snapshots = await read_snapshots(lane, self.rig.model, into=Snapshots())

    async def floors(self) -> dict[bytes, int]:
        found = {}
        for channel in range(2):
            identity = self.world.terms(channel).channel()
            found[identity] = (await channels.channel_state(self.rig.lane, identity)).floor
        return found

    async def draft(self, count: int = 2) -> tuple[Batch, list[ChannelDebit]]:
        """An honest batch of `count` orders of each channel, from their floors on."""
        await self.refresh()
        floors = await self.floors()
        settled = []
        for channel in range(2):
            floor = floors[self.world.terms(channel).channel()]
            settled += [self.world.settled(floor + i, channel=channel) for i in range(count)]
        return build(self.world.coordinator, settled, floors)

    async def post(self, batch: Batch, debits: list[ChannelDebit]) -> Posted:
        """Sign by the verifiers, post, and read back what was posted."""
        lane = self.rig.lane
        data = batch_data.digest(batch_data.to_bytes(batch))
        statement = batch.statement(self.world.coordinator, data, debits)
        signed = [
            (verifier.account, sign(statement, lane.batch_domain, bytes(verifier.node.key)))
            for verifier in self.rig.verifiers
        ]
        header = await batches.post(lane, self.coordinator, statement, debits, batches.signed_by(signed))
        found = (await batches.posted(lane, first=(await self.rig.chain.head()).number))[-1]
        assert found == Posted(header, tuple(debits))
        return found

    async def examined(self, found: Posted, batch: Batch) -> tuple[Fault, ...]:
        """As a watcher sees it, from stored bytes and the chain alone."""
        read = batch_data.from_bytes(batch_data.to_bytes(batch))
        view = await LaneView.open(self.rig.lane)
        rules = await batches.rules_of(self.rig.lane, found, read, self.world.facts, alone=view.alone)
        # Whoever asks for each leaf is told the same.
        assert rules == await batches.rules_of(self.rig.lane, found, read, self.world.facts)
        report = examine(found.header, found.debits, read, rules)
        assert report.unchecked == ()
        return report.faults

    async def status(self, header: Header) -> BatchStatus:
        return (await batches.batch_state(self.rig.lane, header.batch_id())).status


@contextlib.asynccontextmanager
async def lane_scene(*, reviews: ReviewParams | None = None) -> AsyncIterator[Scene]:
    """Deploy, open, bond. reviews: with an escrow, or without."""
    async with lane_rig(members=6, verifiers=3, reviews=reviews) as rig:
        client, client_sender = await rig.funded()
        coordinator, coordinator_sender = await rig.funded(10**21)
        salts = [keccak(b"first"), keccak(b"second")]
        opened: list[ChannelTerms] = [
            await channels.open_channel(
                rig.lane, client_sender, coordinator.address, deposit=DEPOSIT, salt=salt, share=300
            )
            for salt in salts
        ]
        world = World(
            domain=rig.lane.domain,
            snapshots=Snapshots(),
            model=rig.model,
            coordinator=coordinator.address,
            requester_key=bytes(client.key),
            keys={member.account: bytes(member.node.key) for member in rig.members},
            seeds={},
            epoch=0,
            now=0,
            opened_in=opened[0].opened_in,
            salts=salts,
        )
        assert [world.terms(0), world.terms(1)] == opened
        assert await channels.find_terms(rig.lane, opened[1].channel()) == opened[1]
        operators = await channels.read_operators(rig.chain)
        assert world.facts.operators.items() <= operators.items()
        await batches.deposit_bond(rig.lane, coordinator_sender, 3 * BOND)
        await rig.advance()
        yield Scene(rig, world, client_sender, coordinator_sender, bytes(coordinator.key))
