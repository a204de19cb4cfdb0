"""Whole providers for tests: `provider up` as an operator would run it, on a chain of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import yaml
from eth_account.signers.local import LocalAccount

from cluster.config import ProviderConfig, load_config
from cluster.raycluster import head_spec
from cluster.supervisor import read_agent_status, read_supervisor_state
from contracts.chain import Chain
from contracts.network import save
from contracts.reserves import ensure_reserve
from contracts.sender import Sender
from mlbridge.models.manifest import PACK_FILE
from mlbridge.rayproc import RayHead
from mlbridge.sdk import AsyncClient
from mlbridge.storage import open_store
from serve import packs
from serve.engines import torch_engine
from serve.execclass import EngineName
from serve.packs.draft import manifest_draft
from tests.support.providers import write_keys
from tests.support.seats import FAST, MLB, RESERVE, Script, fresh_account, fund


@dataclass
class Rig:
    """A provider's file and home on a chain."""

    file: Path
    chain: Chain

    @property
    def config(self) -> ProviderConfig:
        return load_config(self.file)

    @property
    def home(self) -> Path:
        return self.config.home

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`mlbridge provider ARGUMENTS` with this provider's file."""
        return subprocess.run(
            [sys.executable, "-m", "cluster.commands", *arguments, "--config", str(self.file)],
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )

    async def up(self) -> None:
        done = await asyncio.to_thread(self.command, "up", "--detach")
        assert done.returncode == 0, done.stderr + self.log()

    def log(self) -> str:
        return (self.home / "logs" / "supervisor.log").read_text()

    def head(self) -> RayHead:
        return RayHead(head_spec(self.config))

    def kill(self) -> None:
        """End whatever of it still runs."""
        state = read_supervisor_state(self.home)
        if state is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(state["pid"], signal.SIGKILL)
        if self.config.ray.mode == "own":
            self.head().stop(grace=2)

    async def answers(self) -> bool:
        """Whether node application and agent answer."""
        return await self.status() is not None

    async def status(self) -> dict[str, Any] | None:
        async with httpx2.AsyncClient() as http:
            try:
                answer = await http.get(f"{self.config.local_url}/node/status")
            except httpx2.HTTPError:
                return None
        return dict(answer.json()) if answer.status_code == httpx2.codes.OK else None

    async def outcome(self, name: str, count: int) -> bool:
        """Whether so many seats ended so."""
        told = await asyncio.to_thread(read_agent_status, self.home)
        return told is not None and told.get("outcomes", {}).get(name) == count


async def publish_digits(chain: Chain, treasury: Sender, folder: Path, name: str = "digits") -> bytes:
    """Register the digits model under a name, by a provider of its own, in the chain's store; its id."""
    pack = await asyncio.to_thread(packs.build, "digits", folder / name, lambda _: None)
    return await publish_pack(chain, treasury, pack, name=name)


async def publish_pack(
    chain: Chain, treasury: Sender, pack: packs.Pack, *, name: str, engine: EngineName = "torch"
) -> bytes:
    """Register a pack for an engine on this machine's CPU; its id."""
    draft = {**await asyncio.to_thread(manifest_draft, pack, engine=engine), "name": name}
    publisher = fresh_account()
    await fund(treasury, chain, publisher.address, mlb=10_000 * MLB)
    store = open_store(chain.network.storage_url)
    async with AsyncClient(chain.network, publisher, store=store, policy=FAST) as client:
        model = (await client.publish(pack.directory, 10**12, stake=True, draft=draft, ignore={PACK_FILE})).id
    await ensure_reserve(chain, treasury, model, RESERVE)
    return model


def digits_script(folder: Path, name: str = "digits") -> Script:
    """A scripted member that runs the same model folder in this process."""
    engine = torch_engine("classification", folder / name, device="cpu", threads=1)
    engine.load()
    return Script(result=engine.run)


async def make_rig(
    chain: Chain, treasury: Sender, folder: Path, name: str, ray: dict[str, Any], **changes: Any
) -> Rig:
    """Fund an operator and a node key, and write their files; nothing runs or is registered yet."""
    operator, node = fresh_account(), fresh_account()
    await fund(treasury, chain, operator.address, mlb=60_000 * MLB)
    await fund(treasury, chain, node.address)
    network = save(chain.network, folder / "network.yaml")
    return write_rig(chain, folder / name, name, (node, operator), ray, network=str(network), **changes)


def write_rig(
    chain: Chain,
    home: Path,
    name: str,
    keys: tuple[LocalAccount, LocalAccount],
    ray: dict[str, Any],
    **changes: Any,
) -> Rig:
    """The files of a provider whose keys (node, operator) there are; changes: to its file, with `network`."""
    write_keys(home, *keys)
    key = {"password_file": "password"}
    fields = {
        "name": name,
        "home": "state",
        "keys": {"node": key | {"keystore": "node.json"}, "operator": key | {"keystore": "operator.json"}},
        "stake": {"compute": 50_000},
        "models": [{"model": "*"}],
        "ray": ray,
        "limits": {"claim_every_s": 5},
    }
    file = home / "provider.yaml"
    file.write_text(yaml.safe_dump(fields | changes))
    return Rig(file, chain)
