"""Every room of the channel lane in a process of its own, started again when it dies.

The chain keeps its state in a file as a devnet's does: a killed anvil forgets its last blocks. Its time is
that of the wall, because an anvil that is started again knows no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from contracts import batches, channels, keystore
from contracts.anvil import Anvil, free_port
from contracts.keyfile import load_key
from contracts.network import save
from contracts.seeds import post_seed
from contracts.sender import Sender
from gateway.config import GatewayConfig
from mlbridge.models import Manifest
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.orders712 import ChannelTerms
from mlbridge.storage import LocalStore
from tests.support.gateways import make_config, make_key
from tests.support.lane import BOND, DELAY, EPOCH, LaneRig, lane_rig
from tests.support.lane_process import Seats
from tests.support.seats import FAST, honest_label

ROOT: Final = Path(__file__).parents[2]
NAME: Final = "town"
DEPOSIT: Final = 10**18
MARGIN_S: Final = 60


@dataclass
class Kept:
    """One process. role, file: see tests.support.lane_process."""

    role: str
    file: Path
    process: subprocess.Popen[bytes] | None = None

    def keep(self) -> None:
        """Start it unless it runs."""
        if self.process is None or self.process.poll() is not None:
            with self.file.with_suffix(f".{self.role}.log").open("ab") as log:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "tests.support.lane_process", self.role, str(self.file)],
                    cwd=ROOT,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

    def kill(self) -> None:
        """SIGKILL, for it and whatever it started."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@dataclass
class Town:
    """rooms: by name; gateway: its file; secret: an API key; terms: of the gateway's channel.

    answer: what the model makes of an input.
    """

    rig: LaneRig
    rooms: dict[str, Kept]
    gateway: GatewayConfig
    secret: str
    terms: ChannelTerms
    content: LocalStore
    answer: Callable[[bytes], bytes] = honest_label

    async def watch(self) -> None:
        """What a supervisor does, until cancelled."""
        while True:
            if not self.rig.anvil.running:
                await asyncio.to_thread(self.rig.anvil.start)
            for room in self.rooms.values():
                room.keep()
            await asyncio.sleep(0.5)

    def kill(self, name: str) -> None:
        """SIGKILL of a room or the chain."""
        if name == "chain":
            self.rig.anvil.kill()
        else:
            self.rooms[name].kill()

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Its rooms and chain run, and are started again when they die, until the block ends."""
        watching = asyncio.create_task(self.watch())
        try:
            yield
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
            for room in self.rooms.values():
                room.kill()


@contextlib.asynccontextmanager
async def lane_town(folder: Path, *, own_coordinator: bool = False) -> AsyncIterator[Town]:
    """A chain with four members, one of them alone in its process, attesters, coordinator and gateway.

    own_coordinator: as in `town_ground`.
    """
    async with town_ground(folder, own_coordinator=own_coordinator) as town:
        town.rooms = {
            "member": Kept("seats", folder / "alone.json"),
            "others": Kept("seats", folder / "others.json"),
            "coordinator": Kept("coordinator", folder / "coordinator.yaml"),
            "gateway": Kept("gateway", folder / "gateway.yaml"),
        }
        async with town.kept():
            yield town


@dataclass(frozen=True)
class Ground:
    """How a town differs. alone: URL of the first member's node, where another than a process of seats runs
    it; model: folder, manifest and CID of a classifier that all answer with, in the town's store already;
    coordinator, gateway: added to their files.
    """

    members: int = 4
    alone: str | None = None
    model: tuple[Path, Manifest, str] | None = None
    coordinator: Mapping[str, Any] = field(default_factory=dict)
    gateway: Mapping[str, Any] = field(default_factory=dict)


@contextlib.asynccontextmanager
async def town_ground(
    folder: Path, ground: Ground = Ground(), *, own_coordinator: bool = False
) -> AsyncIterator[Town]:
    """A town with its chain, keys, files and channel, and no room in it yet.

    own_coordinator: the gateway carries orders itself, with the coordinator's key and store, as on a devnet.
    """
    # As much time lies before now as the setup lets pass, and some of an epoch whose seed can be posted.
    start = int(time.time()) - (4 * EPOCH + DELAY + MARGIN_S)
    anvil = Anvil(
        free_port(),
        block_time=None,
        state_file=folder / "chain.json",
        log_file=folder / "anvil.log",
        extra_arguments=("--timestamp", str(start)),
    )
    published = None if ground.model is None else ground.model[1:]
    async with lane_rig(members=ground.members, verifiers=3, anvil=anvil, published=published) as rig:
        network = rig.chain.network.model_copy(
            update={"storage_url": f"file://{folder / 'content'}", "block_time": 1.0}
        )
        save(network, folder / "network.json")
        nodes, attesters = seat_files(rig, folder, ground)
        coordinator, paying = await rig.funded(10**21)
        await batches.deposit_bond(rig.lane, paying, 2 * BOND)
        keystore.create(folder / "key.json", "test", coordinator, rounds=2)
        (folder / "password").write_text("test\n")
        port = free_port()
        channel: dict[str, Any] = {
            "coordinator": f"http://127.0.0.1:{port}",
            "deposit_wei": DEPOSIT,
            "limit_wei": DEPOSIT,
            "order_s": 30,
        }
        if own_coordinator:
            channel["coordinator_file"] = str(folder / "coordinator.yaml")
        changes: dict[str, Any] = {"limits": {"rate": "60000/minute"}} | dict(ground.gateway)
        gateway = await make_config(
            folder / "gateway",
            network,
            rig.treasury,
            coins=2 * DEPOSIT,
            name=NAME,
            channel=channel,
            **changes,
        )
        _, secret = await make_key(gateway)
        (folder / "gateway.yaml").write_text(
            yaml.safe_dump(gateway.model_dump(mode="json", exclude_none=True))
        )
        fields = coordinator_file(folder, port, nodes, attesters) | dict(ground.coordinator)
        (folder / "coordinator.yaml").write_text(yaml.safe_dump(fields))
        # The gateway finds its channel by its name, and a committee is drawn for it at once.
        terms = await channels.open_channel(
            rig.lane,
            Sender(rig.chain, load_key(gateway.key), FAST),
            str(coordinator.address),
            deposit=DEPOSIT,
            salt=keccak(f"mlbridge-gateway:{NAME}".encode()),
            share=300,
        )
        # A seed is of a block that another one follows.
        await rig.warp(int(time.time()) - await rig.now() - 3)
        await rig.warp(1)
        epoch = await rig.lane.current_epoch()
        assert epoch > terms.opened_in
        assert await post_seed(rig.treasury, rig.chain, rig.lane.beacon, rig.source, epoch) is not None
        await asyncio.to_thread(anvil.stop)
        anvil.block_time, anvil.extra_arguments = 1.0, ()
        await asyncio.to_thread(anvil.start)
        yield Town(rig, {}, gateway, secret, terms, LocalStore(folder / "content"))


def seat_files(rig: LaneRig, folder: Path, ground: Ground) -> tuple[list[str], list[str]]:
    """The first member alone, the others with the attesters; URLs of nodes, and of attesters."""
    groups = {"others": (rig.members[1:], rig.verifiers)}
    nodes, attesters = [], []
    if ground.alone is None:
        groups = {"alone": (rig.members[:1], [])} | groups
    else:
        nodes.append(ground.alone)
    for name, (members, verifiers) in groups.items():
        seats = Seats(
            network=str(folder / "network.json"),
            home=str(folder / "members"),
            port=free_port(),
            model="0x" + rig.model.hex(),
            members={one.account: "0x" + bytes(one.node.key).hex() for one in members},
            verifiers={one.account: "0x" + bytes(one.node.key).hex() for one in verifiers},
            folder=None if ground.model is None else str(ground.model[0]),
        )
        seats.save(folder / f"{name}.json")
        nodes += seats.nodes
        attesters += seats.attesters
    return nodes, attesters


def coordinator_file(folder: Path, port: int, nodes: list[str], attesters: list[str]) -> dict[str, Any]:
    return {
        "network": str(folder / "network.json"),
        "home": str(folder / "coordinator"),
        "key": {"keystore": str(folder / "key.json"), "password_file": str(folder / "password")},
        "http": {"port": port},
        "pokes": {"enabled": False},
        "receipts": False,
        "lane": {
            "members": nodes,
            "attesters": attesters,
            "batch_age_s": 1.0,
            "late_s": 2.0,
            "refresh_s": 2.0,
        },
    }
