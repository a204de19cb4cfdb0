"""Providers on a cluster that runs already: two by `provider up`, one by `ray job submit`, as in a fleet."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.config import load_config
from cluster.registration import Registration
from contracts import reads
from contracts.chain import Chain
from contracts.keyfile import load_key
from contracts.sender import Sender
from mlbridge.rayproc import HeadSpec, RayHead
from tests.support.rigs import Rig, make_rig, publish_digits
from tests.support.seats import next_epoch, until
from tests.support.tasks import IMAGE, client_for

pytestmark = [pytest.mark.integration, pytest.mark.ray, pytest.mark.timeout(900)]

BASE_PORT = 28000
README = Path(__file__).parents[2] / "README.md"


async def test_providers_share_a_cluster_and_leave_it_one_by_one(
    calm: Chain, bank: Sender, tmp_path: Path
) -> None:
    model = await publish_digits(calm, bank, tmp_path)
    head = RayHead(HeadSpec("fleet", tmp_path / "fleet", BASE_PORT, num_cpus=4, include_dashboard=True))
    join = {
        "mode": "join",
        "address": head.spec.address,
        "token_file": str(head.spec.token_file),
        "http_port": head.spec.ports.http,
    }
    rigs = [await make_rig(calm, bank, tmp_path, name, join) for name in ("alpha", "beta", "gamma")]
    *kept, submitted = rigs
    await asyncio.to_thread(head.start)
    try:
        for rig in kept:
            await rig.up()
        await serve_by_job(submitted, head, model)
        await next_epoch(calm)
        async with client_for(calm) as client:
            await (await client.submit(model, IMAGE)).wait(120)
            for rig in rigs:
                await until(lambda rig=rig: rig.outcome("won", 1))  # type: ignore[misc]
        for place, rig in enumerate(rigs):
            down = await asyncio.to_thread(rig.command, "down")
            assert down.returncode == 0, down.stderr
            here = [await one.answers() for one in rigs]
            assert here == [False] * (place + 1) + [True] * (len(rigs) - place - 1)
        assert head.alive()
    finally:
        for rig in kept:
            rig.kill()
        await asyncio.to_thread(head.stop)
    assert head.pids() == set()


async def serve_by_job(rig: Rig, head: RayHead, model: bytes) -> None:
    """Registered with the operator's key elsewhere, the agent and its models run by a Ray job."""
    config = load_config(rig.file)
    assert config.keys.operator is not None
    operator = Registration(rig.chain, load_key(config.keys.operator), config)
    await operator.register(load_key(config.keys.node))
    submitted = await asyncio.to_thread(submit, head, rig.file)
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    assert "digits" in submitted.stdout
    await operator.serve([(model, (await reads.get_model(rig.chain, model)).exec_class)])


def submit(head: RayHead, file: Path) -> subprocess.CompletedProcess[str]:
    """The README's own line, with this cluster's address and this provider's file."""
    line = next(
        line for line in README.read_text().splitlines() if "ray job submit" in line and "cluster" in line
    )
    line = line.replace("http://HEAD:8265", f"http://127.0.0.1:{head.spec.ports.dashboard}")
    command, *arguments = shlex.split(line.replace("provider.yaml", str(file)))
    assert command == "ray"
    return subprocess.run(
        [sys.executable, "-m", "ray.scripts.scripts", *arguments],
        capture_output=True,
        text=True,
        env=head.spec.environment(),
        timeout=600,
        check=False,
    )
