"""Every room of the channel lane in a process of its own, started again when it dies, and a load of tasks.

The chain keeps its state in a file as a devnet's does: a killed anvil forgets its last blocks. Its time is
that of the wall, because an anvil that is started again knows no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2
import yaml

from contracts import batches, channels, keystore
from contracts.anvil import Anvil, free_port
from contracts.keyfile import load_key
from contracts.network import save
from contracts.seeds import post_seed
from contracts.sender import Sender
from gateway.config import GatewayConfig
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.orders712 import ChannelTerms
from mlbridge.storage import LocalStore
from tests.support.gateways import make_config, make_key
from tests.support.lane import BOND, DELAY, EPOCH, LaneRig, lane_rig
from tests.support.lane_process import Seats
from tests.support.seats import FAST, until

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
    """rooms: by name; gateway: its file; secret: an API key; terms: of the gateway's channel."""

    rig: LaneRig
    rooms: dict[str, Kept]
    gateway: GatewayConfig
    secret: str
    terms: ChannelTerms
    content: LocalStore

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
async def lane_town(folder: Path, *, own_coordinator: bool = False) -> AsyncIterator[Town]:
    """A chain with four members, one of them alone in its process, attesters, coordinator and gateway.

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
    async with lane_rig(members=4, verifiers=3, anvil=anvil) as rig:
        network = rig.chain.network.model_copy(
            update={"storage_url": f"file://{folder / 'content'}", "block_time": 1.0}
        )
        save(network, folder / "network.json")
        seats = seat_files(rig, folder)
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
        gateway = await make_config(
            folder / "gateway",
            network,
            rig.treasury,
            coins=2 * DEPOSIT,
            name=NAME,
            channel=channel,
            limits={"rate": "60000/minute"},
        )
        _, secret = await make_key(gateway)
        (folder / "gateway.yaml").write_text(
            yaml.safe_dump(gateway.model_dump(mode="json", exclude_none=True))
        )
        (folder / "coordinator.yaml").write_text(yaml.safe_dump(coordinator_file(folder, port, seats)))
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
        rooms = {
            "member": Kept("seats", folder / "alone.json"),
            "others": Kept("seats", folder / "others.json"),
            "coordinator": Kept("coordinator", folder / "coordinator.yaml"),
            "gateway": Kept("gateway", folder / "gateway.yaml"),
        }
        town = Town(rig, rooms, gateway, secret, terms, LocalStore(folder / "content"))
        watching = asyncio.create_task(town.watch())
        try:
            yield town
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
            for room in rooms.values():
                room.kill()


def seat_files(rig: LaneRig, folder: Path) -> list[Seats]:
    """The first member alone, the others with the attesters."""
    made = []
    for name, members, verifiers in (
        ("alone", rig.members[:1], []),
        ("others", rig.members[1:], rig.verifiers),
    ):
        seats = Seats(
            network=str(folder / "network.json"),
            home=str(folder / "members"),
            port=free_port(),
            model="0x" + rig.model.hex(),
            members={one.account: "0x" + bytes(one.node.key).hex() for one in members},
            verifiers={one.account: "0x" + bytes(one.node.key).hex() for one in verifiers},
        )
        seats.save(folder / f"{name}.json")
        made.append(seats)
    return made


def coordinator_file(folder: Path, port: int, seats: list[Seats]) -> dict[str, Any]:
    return {
        "network": str(folder / "network.json"),
        "home": str(folder / "coordinator"),
        "key": {"keystore": str(folder / "key.json"), "password_file": str(folder / "password")},
        "http": {"port": port},
        "pokes": {"enabled": False},
        "receipts": False,
        "lane": {
            "members": [url for one in seats for url in one.nodes],
            "attesters": [url for one in seats for url in one.attesters],
            "batch_age_s": 1.0,
            "late_s": 2.0,
            "refresh_s": 2.0,
        },
    }


@dataclass
class Load:
    """Tasks at a rate, each sent under one idempotency key until the gateway takes it. tasks: by number, as
    they ended.
    """

    town: Town
    every_s: float
    tasks: dict[int, dict[str, Any]] = field(default_factory=dict)
    refused: int = 0
    _next: int = 0
    _work: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        """Begin new tasks until cancelled."""
        for number in itertools.count():
            self._next = number + 1
            task = asyncio.create_task(self._one(number))
            self._work.add(task)
            await asyncio.sleep(self.every_s)

    async def _one(self, number: int) -> None:
        body = {"model": "0x" + self.town.rig.model.hex(), "input": image(number)}
        headers = {"Idempotency-Key": f"task-{number}"}
        made = await self._until(
            lambda http: http.post("/v1/tasks", json=body, headers=headers),
            lambda answer: answer.status_code == 202,
        )
        path, params = f"/v1/tasks/{made['id']}", {"wait": "20"}
        self.tasks[number] = await self._until(
            lambda http: http.get(path, params=params),
            lambda answer: answer.status_code == 200 and bool(answer.json()["ended"]),
        )

    async def _until(
        self, ask: Callable[[httpx2.AsyncClient], Any], done: Callable[[httpx2.Response], bool]
    ) -> dict[str, Any]:
        async with self.http() as http:
            while True:
                try:
                    answer = await ask(http)
                except httpx2.HTTPError:
                    self.refused += 1
                else:
                    assert answer.status_code < 400 or answer.status_code == 503, answer.text
                    if done(answer):
                        found: dict[str, Any] = answer.json()
                        return found
                    self.refused += answer.status_code >= 500
                await asyncio.sleep(0.3)

    def http(self) -> httpx2.AsyncClient:
        headers = {"Authorization": f"Bearer {self.town.secret}"}
        return httpx2.AsyncClient(base_url=self.town.gateway.local_url, headers=headers, timeout=30)

    async def more(self, count: int, *, timeout_s: float) -> None:
        """Until so many tasks that are begun from now on have ended. Raises TimeoutError."""
        first = self._next

        async def enough() -> bool:
            return sum(number >= first for number in self.tasks) >= count

        await until(enough, timeout_s=timeout_s, every_s=0.2)

    async def end(self) -> None:
        """Until all that was begun has ended."""
        await asyncio.gather(*self._work)

    def stop(self) -> None:
        for task in self._work:
            task.cancel()


def image(number: int) -> dict[str, Any]:
    """Another picture for each number."""
    return {"kind": "classification", "image": [(number >> place) % 17 for place in range(64)]}
