"""A whole provider on a real chain: `provider up`, digits on Ray Serve, an earned seat, and nothing left.

The two other seats are held by scripted members that run the same model folder in this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from cluster.config import load_config
from cluster.raycluster import head_spec
from cluster.supervisor import read_agent_status, read_supervisor_state
from contracts import reads
from contracts.chain import Chain
from contracts.network import save
from contracts.sender import Sender
from mlbridge.protocol.types import Role
from mlbridge.rayproc import RayHead
from mlbridge.sdk import AsyncClient
from mlbridge.storage import open_store
from serve import packs
from serve.engines import torch_engine
from serve.packs.draft import manifest_draft
from serve.packs.folder import PACK_FILE
from tests.support.providers import write_keys
from tests.support.seats import FAST, MLB, Script, acting, fresh_account, fund, make_member, next_epoch, until
from tests.support.tasks import IMAGE, client_for

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

BASE_PORT = 27000


@dataclass
class Rig:
    """A provider's file and home, beside two scripted members of the same model."""

    file: Path
    home: Path
    model: bytes
    members: list[Any]
    chain: Chain

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cluster.commands", *arguments, "--config", str(self.file)],
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )

    def head(self) -> RayHead:
        return RayHead(head_spec(load_config(self.file)))


@pytest.fixture
async def rig(chain: Chain, treasury: Sender, tmp_path: Path) -> AsyncIterator[Rig]:
    store_url = f"file://{tmp_path / 'store'}"
    network = chain.network.model_copy(update={"storage_url": store_url})
    pack = await asyncio.to_thread(packs.build, "digits", tmp_path / "digits", lambda _: None)
    draft = await asyncio.to_thread(manifest_draft, pack)
    publisher = fresh_account()
    await fund(treasury, chain, publisher.address, mlb=10_000 * MLB)
    async with AsyncClient(network, publisher, store=open_store(store_url), policy=FAST) as client:
        published = await client.publish(pack.directory, 10**12, stake=True, draft=draft, ignore={PACK_FILE})
    engine = torch_engine("classification", pack.directory, device="cpu", threads=1)
    engine.load()
    script = Script(result=engine.run)
    members = [await make_member(chain, treasury, [published.id], script=script) for _ in range(2)]

    home = tmp_path / "alpha"
    operator, node = fresh_account(), fresh_account()
    await fund(treasury, chain, operator.address, mlb=50_000 * MLB)
    await fund(treasury, chain, node.address)
    write_keys(home, node, operator)
    key = {"password_file": "password"}
    fields = {
        "name": "alpha",
        "network": str(save(network, tmp_path / "network.yaml")),
        "home": str(home),
        "keys": {"node": key | {"keystore": "node.json"}, "operator": key | {"keystore": "operator.json"}},
        "stake": {"compute": 50_000},
        "models": [{"model": "0x" + published.id.hex()}],
        "ray": {"base_port": BASE_PORT},
        "limits": {"claim_every_s": 5},
    }
    file = home / "provider.yaml"
    file.write_text(yaml.safe_dump(fields))
    rig = Rig(file, home, published.id, members, chain)
    try:
        yield rig
    finally:
        state = read_supervisor_state(home)
        if state is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(state["pid"], signal.SIGKILL)
        rig.head().stop(grace=2)


async def test_a_provider_earns_and_leaves_nothing_behind(rig: Rig) -> None:
    doctor = await asyncio.to_thread(rig.command, "doctor")
    assert doctor.returncode == 0, doctor.stderr
    began = time.monotonic()
    up = await asyncio.to_thread(rig.command, "up", "--detach")
    assert up.returncode == 0, up.stderr + (rig.home / "logs" / "supervisor.log").read_text()
    print(f"up after {time.monotonic() - began:.1f} s")
    await next_epoch(rig.chain)

    async with client_for(rig.chain) as client, acting(rig.members):
        for _ in range(2):
            began = time.monotonic()
            result = await (await client.submit(rig.model, IMAGE)).wait(60)
            print(f"answer after {time.monotonic() - began:.1f} s")
            assert result.confidence == 1
    await until(lambda: _won(rig, 2))

    async with httpx2.AsyncClient() as http:
        node = (await http.get(f"http://127.0.0.1:{BASE_PORT + 9}/node")).json()
        metrics = (await http.get(f"http://127.0.0.1:{BASE_PORT + 6}/metrics")).text
    assert node["stakeAmount"] == str(50_000 * MLB)
    assert node["reputation"] > 2500
    assert {"cpuCores", "gpuMemory", "ramSize", "storageCapacity", "networkBandwidth"} <= set(
        node["capabilities"]
    )
    assert [model["name"] for model in node["models"]] == ["digits"]
    assert "mlbridge_provider_assignments_total" in metrics

    status = json.loads((await asyncio.to_thread(rig.command, "status", "--json")).stdout)
    print(f"memory {status['memory'] / 2**20:.0f} MiB PSS")
    assert status["supervisor"]["state"] == "running"
    assert status["agent"]["outcomes"] == {"won": 2}

    temp_dir = rig.head().spec.temp_dir
    began = time.monotonic()
    down = await asyncio.to_thread(rig.command, "down")
    assert down.returncode == 0, down.stderr
    print(f"down after {time.monotonic() - began:.1f} s")
    assert rig.head().pids() == set()
    assert not temp_dir.exists()
    account = await reads.account_id(rig.chain, status["agent"]["operator"], Role.COMPUTE)
    assert str(account) in status["agent"]["accounts"]


async def _won(rig: Rig, count: int) -> bool:
    status = read_agent_status(rig.home)
    return status is not None and status["outcomes"].get("won") == count
