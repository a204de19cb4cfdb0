"""The coordinator on its own Ray cluster: kill -9 of actor, head and supervisor; a Ray job; the commands."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
import yaml

from contracts.chain import Chain
from contracts.keyfile import load_key
from contracts.sender import Sender
from coordinator import supervisor
from coordinator.client import ask
from coordinator.config import CoordinatorConfig
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import Role
from tests.integration.conftest import DevChain
from tests.support import gateways
from tests.support.coordinators import IMAGE, make_config, submitted_by
from tests.support.seats import Script, acting, make_members, register_model, scripts

pytestmark = [pytest.mark.integration, pytest.mark.ray, pytest.mark.timeout(900)]

BASE_PORT = 18400
UP_S = 400.0
REPLICA = "ray::ServeReplica:mlbridge-gateway"


@dataclass
class Deployed:
    """A coordinator's file and what was said when it came up."""

    config: CoordinatorConfig
    file: Path
    module: str = "coordinator.commands"

    def command(self, *arguments: str, timeout: float = UP_S) -> Any:
        """`mlbridge coordinator ... --json`, its answer."""
        done = subprocess.run(
            [sys.executable, "-m", self.module, *arguments, "--config", str(self.file), "--json"],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def status(self) -> dict[str, Any] | None:
        try:
            return ask(self.config, "GET", "/v1/status", timeout_s=5)
        except MLBridgeError:
            return None

    async def back(self, *, other_than: int, timeout_s: float = UP_S) -> dict[str, Any]:
        """The status once another process than this one answers and follows the chain."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            found = await asyncio.to_thread(self.status)
            if found is not None and found["pid"] != other_than and found["ready"]:
                return found
            await asyncio.sleep(0.5)
        raise AssertionError(f"no coordinator came back: {self.log()}")

    def log(self) -> str:
        return "\n".join(
            path.read_text()[-3000:] for path in sorted((self.config.home / "logs").glob("*.log"))
        )


@pytest.fixture(scope="module")
def deployed(devchain: DevChain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """One coordinator by `up --detach`, for the module; taken down with everything it started."""
    from contracts.anvil import dev_account
    from tests.support.seats import FAST

    folder = tmp_path_factory.mktemp("coordinator")

    async def write() -> CoordinatorConfig:
        async with await Chain.connect(devchain.network) as chain:
            return await make_config(
                folder,
                chain,
                Sender(chain, dev_account(0), FAST),
                ray={"base_port": BASE_PORT, "num_cpus": 1},
            )

    config = asyncio.run(write())
    file = folder / "coordinator.yaml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    found = Deployed(config, file)
    try:
        found.command("up", "--detach", "--timeout", str(UP_S - 20))
        yield found
    finally:
        found.command("down")
        assert supervisor.supervisor_of(config.home) is None
        assert supervisor.head_of(config).pids() == set()


@pytest.fixture
async def members(chain: Chain, treasury: Sender) -> tuple[bytes, list[Any]]:
    model = await register_model(chain, treasury)
    return model, await make_members(chain, treasury, model, scripts(honest=3))


async def view(deployed: Deployed, task_id: str, *, wait: float = 0.0) -> dict[str, Any]:
    return await asyncio.to_thread(
        ask, deployed.config, "GET", f"/v1/tasks/{task_id}", params={"wait": wait}, timeout_s=wait + 15
    )


async def submit(deployed: Deployed, model: bytes, key: str) -> dict[str, Any]:
    body = {"model": "0x" + model.hex(), "input": IMAGE, "idempotency_key": key, "deadline_s": 3600}
    return await asyncio.to_thread(ask, deployed.config, "POST", "/v1/tasks", body=body)


async def until_view(deployed: Deployed, task_id: str, check: Any, timeout_s: float = 60.0) -> dict[str, Any]:
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        found = await view(deployed, task_id)
        if check(found):
            return found
        await asyncio.sleep(0.2)
    raise AssertionError(f"{task_id} did not get there: {deployed.log()}")


async def test_killed_between_commit_and_reveal_it_resumes(
    deployed: Deployed, chain: Chain, treasury: Sender
) -> None:
    model = await register_model(chain, treasury)
    # one keeps its result back, so that the reveal window can only be closed by a poke after its deadline
    made = await make_members(chain, treasury, model, scripts(Script(reveal="no"), honest=2))
    judges = await make_members(chain, treasury, model, scripts(honest=3), role=Role.VERIFIER)
    before = deployed.command("status")
    async with acting([*made, *judges]):
        task = await submit(deployed, model, "commit-reveal")
        await until_view(
            deployed,
            task["task_id"],
            lambda found: (
                found.get("rounds") and any(seat["committed"] for seat in found["rounds"][0]["seats"])
            ),
        )
        os.kill(before["pid"], signal.SIGKILL)
        after = await deployed.back(other_than=before["pid"])
        done = await until_view(deployed, task["task_id"], lambda found: found["ended"], 120)
    assert done["status"] == "finalized"
    assert len(await submitted_by(chain, after["address"])) == 1
    # the receipt is built by a Ray task
    proven = await until_view(deployed, task["task_id"], lambda found: found["receipt"] is not None, 120)
    assert proven["receipt"]["status"] == "finalized"


async def test_killed_head_and_supervisor_all_comes_back(
    deployed: Deployed, chain: Chain, members: tuple[bytes, list[Any]]
) -> None:
    model, made = members
    before = deployed.command("status")
    head = supervisor.head_of(deployed.config)
    leader = head.leader()
    assert leader is not None
    async with acting(made):
        task = await submit(deployed, model, "head")
        os.kill(leader.pid, signal.SIGKILL)
        await deployed.back(other_than=before["pid"])
        done = await until_view(deployed, task["task_id"], lambda found: found["ended"], 120)
        assert done["status"] == "finalized"
        new_leader = supervisor.head_of(deployed.config).leader()
        assert new_leader is not None
        assert new_leader != leader

        keeper = supervisor.supervisor_of(deployed.config.home)
        assert keeper is not None
        os.kill(keeper.pid, signal.SIGKILL)
        task = await submit(deployed, model, "no supervisor")  # the actor needs none to work
        adopted = await asyncio.to_thread(deployed.command, "up", "--detach")
        assert adopted["ready"]
        assert supervisor.supervisor_of(deployed.config.home) not in (None, keeper)
        assert supervisor.head_of(deployed.config).leader() == new_leader
        done = await until_view(deployed, task["task_id"], lambda found: found["ended"], 120)
    assert done["status"] == "finalized"
    address = adopted["address"]
    assert len(await submitted_by(chain, address)) == len(await _submissions(deployed))


async def _submissions(deployed: Deployed) -> list[dict[str, Any]]:
    """Tasks of the coordinator's own key, as it knows them."""
    status = await asyncio.to_thread(deployed.command, "status")
    listed = await asyncio.to_thread(deployed.command, "tasks", "--limit", "500")
    return [item for item in listed if item["requester"] == status["address"]]


async def ray_job(deployed: Deployed, *arguments: str) -> str:
    """`ray job submit ... -- python -m coordinator.job ...` on the head's Jobs API; what it printed."""
    spec = supervisor.head_of(deployed.config).spec
    job = await asyncio.to_thread(
        subprocess.run,
        [
            *(sys.executable, "-m", "ray.scripts.scripts", "job", "submit"),
            *("--address", f"http://127.0.0.1:{spec.ports.dashboard}"),
            *("--", "python", "-m", "coordinator.job", "--config", str(deployed.file), *arguments),
        ],
        env=spec.driver_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert job.returncode == 0, job.stdout + job.stderr
    assert "succeeded" in job.stdout
    return job.stdout


async def test_a_ray_job_starts_the_actor_and_tasks_travel_through_ray(
    deployed: Deployed, chain: Chain, members: tuple[bytes, list[Any]]
) -> None:
    model, made = members
    before = deployed.command("status")
    keeper = supervisor.supervisor_of(deployed.config.home)
    assert keeper is not None
    os.kill(keeper.pid, signal.SIGKILL)  # it would put the actor back itself
    assert '"stopped": true' in await ray_job(deployed, "--stop")
    assert deployed.status() is None
    assert '"network": "test"' in await ray_job(deployed)
    started = await deployed.back(other_than=before["pid"])
    assert (await asyncio.to_thread(deployed.command, "up", "--detach"))["pid"] == started["pid"]

    asked = {"model": "0x" + model.hex(), "input": IMAGE, "idempotency_key": "through-ray"}
    head = supervisor.head_of(deployed.config)
    async with acting(made):
        answer = await asyncio.to_thread(
            head.run, "tests.support.coordinator_driver", {"request": asked, "wait_s": 60}, timeout=180
        )
    assert answer["status"] == "finalized"
    assert answer["missing_key"] == "submission.key_missing"


async def test_a_gateway_on_the_same_cluster_outlives_its_replica(
    deployed: Deployed, chain: Chain, treasury: Sender, tmp_path: Path
) -> None:
    head = supervisor.head_of(deployed.config)
    market = await gateways.open_market(chain, treasury, tmp_path, kinds=("classification", "chat"))
    config = await gateways.make_config(
        tmp_path / "gateway",
        market.network,
        treasury,
        http={"port": head.spec.ports.http},
        ray={"mode": "join", "address": head.spec.address, "token_file": str(head.spec.token_file)},
    )
    file = tmp_path / "gateway.yaml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    _, secret = await gateways.make_key(config)
    known = {"Authorization": f"Bearer {secret}", "Idempotency-Key": "once"}
    body = {"model": market.name("classification"), "input": IMAGE}
    gateway = Deployed(deployed.config, file, "gateway.commands")
    await asyncio.to_thread(gateway.command, "up", "--detach")
    try:
        async with httpx2.AsyncClient(base_url=config.local_url, headers=known, timeout=90) as client:
            made = await client.post("/v1/tasks", json=body)
            assert made.status_code == 202, made.text
            assert len(made.headers.get_list("x-request-id")) == 1
            for process in psutil.process_iter(["cmdline"]):
                if any(word.startswith(REPLICA) for word in process.info["cmdline"] or []):
                    process.kill()
            async with acting(market.members):
                done = await answered(client, body)
                text = await streamed(client, market.name("chat"))
        assert (done["id"], done["status"]) == (made.json()["id"], "finalized")
        payer = str(load_key(config.key).address)
        paid = ["0x" + bytes(event.args["taskId"]).hex() for event in await submitted_by(chain, payer)]
        assert (paid.count(done["id"]), len(paid)) == (1, 2)  # the other one is the stream's
        assert text.startswith("data: ")
        assert text.endswith("data: [DONE]\n\n")
        assert gateway.command("status")["ready"]
    finally:
        assert gateway.command("down") == {"stopped": True}
    assert deployed.status() is not None


async def streamed(client: httpx2.AsyncClient, model: str) -> str:
    """A streamed chat as it comes."""
    chat = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": True}
    answer = await client.post("/v1/chat/completions", json=chat)
    assert answer.headers["content-type"].startswith("text/event-stream"), answer.text
    return answer.text


async def answered(client: httpx2.AsyncClient, body: dict[str, Any]) -> Any:
    """The task of a repeated request, once a replica answers again and the task has ended."""
    until = time.monotonic() + UP_S
    while time.monotonic() < until:
        with contextlib.suppress(httpx2.HTTPError):  # nobody answers while the replica is replaced
            answer = await client.post("/v1/tasks", json=body, params={"wait": 60})
            if answer.status_code == httpx2.codes.ACCEPTED and answer.json()["cost_wei"] is not None:
                return answer.json()
        await asyncio.sleep(0.5)
    raise AssertionError("no replica came back")


async def test_commands_submit_wait_and_list(deployed: Deployed, members: tuple[bytes, list[Any]]) -> None:
    model, made = members
    async with acting(made):
        done = await asyncio.to_thread(
            deployed.command, "submit", "0x" + model.hex(), json.dumps(IMAGE), "--wait", "60"
        )
    assert done["status"] == "finalized"
    listed = deployed.command("tasks", "--limit", "500")
    assert done["task_id"] in [item["task_id"] for item in listed]
