"""A town whose coordinator, gateway and one provider run on Ray, kept running by the commands of operators.

As on a devnet: the gateway is a Serve application on the coordinator's cluster, and the provider has a
cluster of its own. The other members share a process, which runs the same model.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from coordinator import supervisor
from coordinator.config import load_config as load_coordinator
from coordinator.supervisor import ServiceConfig
from mlbridge import procs
from mlbridge.models import publish_folder
from mlbridge.models.manifest import PACK_FILE
from mlbridge.rayproc import RayHead, RayPorts
from mlbridge.storage import LocalStore
from serve.packs.draft import manifest_draft
from tests.support.lane_process import loaded
from tests.support.lane_town import Ground, Kept, Town, town_ground
from tests.support.packs import built
from tests.support.rigs import Rig, write_rig

UP_S: Final = 400.0
MEMBERS: Final = 6
"""So many that half of the committees do without the provider, and orders go on while it is away."""


@dataclass
class RayTown:
    """folder: of the files `coordinator.yaml` and `gateway.yaml`."""

    town: Town
    folder: Path
    provider: Rig

    @property
    def account(self) -> int:
        """The provider's seat."""
        return self.town.rig.members[0].account

    @property
    def coordinator(self) -> ServiceConfig:
        return load_coordinator(self.folder / "coordinator.yaml")

    def head(self, whose: str) -> RayHead:
        """The cluster of the provider, or that of coordinator and gateway, as its files describe it."""
        return self.provider.head() if whose == "provider" else supervisor.head_of(self.coordinator)

    async def up(self) -> None:
        """Everything, by `up --detach`."""

        async def rooms() -> None:
            for name in ("coordinator", "gateway"):
                await asyncio.to_thread(self._command, name, "up", "--detach")

        await asyncio.gather(self.provider.up(), rooms())

    def _command(self, room: str, *arguments: str) -> None:
        config = str(self.folder / f"{room}.yaml")
        done = subprocess.run(
            [sys.executable, "-m", f"{room}.commands", *arguments, "--config", config],
            capture_output=True,
            text=True,
            timeout=UP_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def kill_cluster(self, whose: str) -> set[procs.Process]:
        """SIGKILL for every process of a cluster, as when the machine's power fails; who they were."""
        dead = self.head(whose).pids()
        for process in dead:
            procs.send(process, signal.SIGKILL)
        return dead

    def end(self) -> None:
        """The supervisors and what they keep, at once and without a word."""
        self.kill_cluster("provider")
        self.provider.kill()
        for home in (self.coordinator.home, self.town.gateway.home):
            running = supervisor.supervisor_of(home)
            if running is not None:
                procs.send(running, signal.SIGKILL)
        self.kill_cluster("coordinator")
        self.head("coordinator").stop(grace=0)


@contextlib.asynccontextmanager
async def ray_town(folder: Path, base_port: int) -> AsyncIterator[RayTown]:
    """Two clusters with ports from base_port on, up and answering."""
    ports = {"provider": RayPorts(base_port), "rooms": RayPorts(base_port + 300)}
    pack = await asyncio.to_thread(built, "digits")
    draft = await asyncio.to_thread(manifest_draft, pack)
    store = LocalStore(folder / "content")
    manifest, cid = await publish_folder(pack.directory, store, draft=draft, ignore={PACK_FILE})
    ground = Ground(
        members=MEMBERS,
        alone=f"http://127.0.0.1:{ports['provider'].http}",
        model=(pack.directory, manifest, cid),
        coordinator={"ray": {"base_port": ports["rooms"].base, "include_dashboard": False}},
        gateway={
            "http": {"port": ports["rooms"].http},
            "ray": {
                "mode": "join",
                "address": f"127.0.0.1:{ports['rooms'].gcs}",
                "token_file": str(folder / "coordinator" / "ray.token"),
            },
        },
    )
    async with town_ground(folder, ground, own_coordinator=True) as town:
        town.answer = await asyncio.to_thread(loaded, pack.directory)
        town.rooms = {"others": Kept("seats", folder / "others.json")}
        made = RayTown(town, folder, _provider(town, folder, ports["provider"].base))
        async with town.kept():
            try:
                await made.up()
                yield made
            finally:
                await asyncio.to_thread(made.end)


def _provider(town: Town, folder: Path, base_port: int) -> Rig:
    """The first member's: it is registered already."""
    member = town.rig.members[0]
    ray: dict[str, Any] = {"base_port": base_port}
    network = str(folder / "network.json")
    return write_rig(
        town.rig.chain,
        folder / "provider",
        "provider",
        (member.node, member.operator),
        ray,
        network=network,
    )
