"""A coordinator of the channel lane on a real chain with scripted members: what the lane's tests share."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount

from contracts import batches, channels
from contracts.deploy_params import LaneParams
from contracts.laneview import LaneView
from contracts.reads import claimable, get_account
from contracts.sender import Sender
from coordinator import database
from coordinator.lane.course import Course
from coordinator.lane.room import LaneRoom
from coordinator.lane.settings import LaneConfig
from mlbridge.protocol.committee import seated
from mlbridge.protocol.exchange import NO_PARAMETERS, Offer
from mlbridge.protocol.hashing import payload_root
from mlbridge.protocol.orders712 import ChannelTerms, TaskOrder
from mlbridge.protocol.payload import encode_input
from mlbridge.protocol.types import Policy
from mlbridge.protocol.wire import sign
from mlbridge.storage import LocalStore
from tests.support.lane import BOND, LANE, LaneRig, lane_rig
from tests.support.lane_servers import ScriptedSeat, SeatServer, seat_server
from tests.support.seats import FAST

DEPOSIT = 10**19
FEE = 10**16
QUICK: dict[str, Any] = {
    "batch_age_s": 0.0,
    "late_s": 1.0,
    "linger_share": 0.05,
    "refresh_s": 600,
    "max_seconds": 900,
}


@dataclass
class LaneScene:
    """One requester with a channel to one coordinator, whose parts the test moves."""

    rig: LaneRig
    view: LaneView
    content: LocalStore
    server: SeatServer
    requester: LocalAccount
    client: Sender
    coordinator: LocalAccount
    sender: Sender
    terms: ChannelTerms
    database: Path
    room: LaneRoom | None = None
    sequence: int = 0
    _rooms: list[LaneRoom] = field(default_factory=list)

    @property
    def here(self) -> LaneRoom:
        """The open room."""
        assert self.room is not None
        return self.room

    @property
    def seats(self) -> list[ScriptedSeat]:
        """The scripted members."""
        return list(self.server.seats.values())

    async def staked(self) -> dict[int, int]:
        """MLB at stake, by member."""
        accounts = [member.account for member in self.rig.members]
        return {account: (await get_account(self.rig.chain, account)).bonded for account in accounts}

    async def open(self, **changes: Any) -> LaneRoom:
        """A coordinator on the scene's database; the one before is as if killed."""
        engine = database.open_engine(database.database_url(f"sqlite:///{self.database}"))
        await database.migrate(engine)
        parts = {"members": self.server.nodes, "attesters": self.server.verifiers}
        config = LaneConfig(**(QUICK | parts | changes))
        self.room = await LaneRoom.open(
            self.rig.chain,
            self.rig.lane.addresses,
            self.coordinator,
            engine,
            config,
            content=self.content,
            sender=self.sender,
        )
        self._rooms.append(self.room)
        return self.room

    async def kill(self) -> None:
        """End the room as kill -9 does: nothing is said, nothing is written any more."""
        room, self.room = self.here, None
        runner = room.runner
        for task in list(runner._tasks):
            task.cancel()
        await asyncio.gather(*runner._tasks, return_exceptions=True)
        # A dead process does not renew its lease.
        await runner.store.beat(0.0)

    async def close(self) -> None:
        for room in self._rooms:
            await room.stop()

    async def order(self, text: bytes | None = None, **changes: Any) -> Offer:
        """The next order of the channel, signed, with its input."""
        image = list((text or self.sequence.to_bytes(64, "big"))[:64])
        payload = encode_input("classification", {"image": [value % 17 for value in image]})
        members: dict[str, Any] = {
            "channel": self.terms.channel(),
            "sequence": self.sequence,
            "epoch": await self.view.drawing_epoch(self.terms.opened_in),
            "model_id": self.rig.model,
            "input_digest": payload_root(payload),
            "params_digest": NO_PARAMETERS,
            "seats": 3,
            "policy": Policy.EXACT,
            "max_fee": FEE,
            "deadline": int(self.view.now()) + 60,
        }
        order = TaskOrder(**(members | changes))
        self.sequence = order.sequence + 1
        signed = sign(order, self.rig.lane.domain, bytes(self.requester.key))
        return Offer(signed, self.terms, payload)

    def digest(self, offer: Offer) -> bytes:
        return offer.order.message.digest(self.rig.lane.domain)

    async def committee(self, offer: Offer) -> list[ScriptedSeat]:
        """Who is drawn for an order."""
        order = offer.order.message
        seed = await self.view.seed(order.epoch)
        assert seed is not None
        accounts = seated(order, seed, self.view.facts.snapshots)
        return [self.server.seats[account] for account in accounts]

    async def balances(self) -> dict[str, int]:
        """Wei that each party could take home; the requester: what its channel still holds."""
        found = {"requester": (await channels.channel_state(self.rig.lane, self.terms.channel())).balance}
        for member in self.rig.members:
            found[str(member.account)] = (await claimable(self.rig.chain, member.operator.address))[0]
        found["coordinator"] = (await claimable(self.rig.chain, self.coordinator.address))[0]
        found["bond"] = (await batches.bond_of(self.rig.lane, self.coordinator.address))[0]
        return found

    async def batch_step(self) -> None:
        """One turn of everything that the coordinator does about batches and evidence."""
        for name, step, _ in self.here.steps:
            if name in ("lane-batch", "lane-report"):
                await step()

    async def until(self, what: Callable[[], Awaitable[bool]], *, turns: int = 400) -> None:
        """Move the coordinator on until something holds."""
        for _ in range(turns):
            if await what():
                return
            await self.batch_step()
            await asyncio.sleep(0.02)
        raise AssertionError("it never came")


def course_of(room: LaneRoom, digest: bytes) -> Course | None:
    """An order under way in a room."""
    return room.runner._courses.get(digest)


@dataclass
class LaneStage:
    """A rig with a coordinator that has a bond, a requester with a channel, and an epoch that draws."""

    rig: LaneRig
    requester: LocalAccount
    client: Sender
    coordinator: LocalAccount
    sender: Sender
    terms: ChannelTerms


@contextlib.asynccontextmanager
async def lane_stage(
    *, members: int = 6, verifiers: int = 3, params: LaneParams = LANE
) -> AsyncIterator[LaneStage]:
    """Deploy it all: some seconds, for all tests of a module."""
    async with lane_rig(members=members, verifiers=verifiers, params=params) as rig:
        requester, client = await rig.funded()
        coordinator, sender = await rig.funded(10**21)
        terms = await channels.open_channel(
            rig.lane, client, coordinator.address, deposit=DEPOSIT, salt=bytes(32), share=300
        )
        await batches.deposit_bond(rig.lane, sender, 2 * BOND)
        await rig.advance()
        yield LaneStage(rig, requester, client, coordinator, sender, terms)


@contextlib.asynccontextmanager
async def lane_scene(stage: LaneStage, tmp: Path) -> AsyncIterator[LaneScene]:
    """A scene on a stage, which stands afterwards as it stood before; the coordinator is not opened yet."""
    provider = stage.rig.chain.provider
    snapshot = await provider.request("evm_snapshot", [])
    view = await LaneView.open(stage.rig.lane)
    content = LocalStore(tmp / "content")
    try:
        async with seat_server(stage.rig, view, content) as server:
            scene = LaneScene(
                rig=stage.rig,
                view=view,
                content=content,
                server=server,
                requester=stage.requester,
                client=stage.client,
                coordinator=stage.coordinator,
                sender=Sender(stage.rig.chain, stage.coordinator, FAST),
                terms=stage.terms,
                database=tmp / "coordinator.db",
            )
            try:
                yield scene
            finally:
                await scene.close()
    finally:
        await provider.request("evm_revert", [snapshot])
