"""Agent and models on a cluster that runs already, by `ray job submit`, as a fleet's operator does it."""

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
from tests.support.rigs import digits_script, make_rig, publish_digits
from tests.support.seats import acting, make_member, next_epoch, until
from tests.support.tasks import IMAGE, client_for

pytestmark = [pytest.mark.integration, pytest.mark.ray, pytest.mark.timeout(900)]

BASE_PORT = 28000
README = Path(__file__).parents[2] / "README.md"


async def test_a_submitted_job_leaves_agent_and_models_running(
    calm: Chain, bank: Sender, tmp_path: Path
) -> None:
    model = await publish_digits(calm, bank, tmp_path)
    members = [await make_member(calm, bank, [model], script=digits_script(tmp_path)) for _ in range(2)]
    head = RayHead(HeadSpec("fleet", tmp_path / "fleet", BASE_PORT, num_cpus=4, include_dashboard=True))
    join = {
        "mode": "join",
        "address": head.spec.address,
        "token_file": str(head.spec.token_file),
        "http_port": head.spec.ports.http,
    }
    rig = await make_rig(calm, bank, tmp_path, "beta", join)
    config = load_config(rig.file)
    assert config.keys.operator is not None
    operator = Registration(calm, load_key(config.keys.operator), config)
    await operator.register(load_key(config.keys.node))

    await asyncio.to_thread(head.start)
    try:
        submitted = await asyncio.to_thread(submit, head, rig.file)
        assert submitted.returncode == 0, submitted.stdout + submitted.stderr
        assert "digits" in submitted.stdout
        await operator.serve([(model, (await reads.get_model(calm, model)).exec_class)])
        await next_epoch(calm)
        async with client_for(calm) as client, acting(members):
            await (await client.submit(model, IMAGE)).wait(120)
            await until(lambda: rig.outcome("won", 1))
        down = await asyncio.to_thread(rig.command, "down")
        assert down.returncode == 0, down.stderr
        assert head.alive()
    finally:
        await asyncio.to_thread(head.stop)
    assert head.pids() == set()


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
