"""The main job: one command brings up a network with a liar in it, and the liar loses its stake."""

from __future__ import annotations

import asyncio
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

from contracts import artifacts, batches
from contracts.anvil import free_port
from mlbridge.devnet.demo import PICTURE
from mlbridge.devnet.services import process_of, read_running
from mlbridge.protocol.leaves import party_of
from mlbridge.sdk import AsyncClient, LaneReceipt

pytestmark = [pytest.mark.integration, pytest.mark.ray, pytest.mark.timeout(1500)]

LIAR = 2
MLB = 10**18


@dataclass
class Devnet:
    """A devnet of the test's own: folder, ports, and what `up` said."""

    home: Path
    options: list[str]
    facts: dict[str, Any]

    def command(self, *arguments: str, limit: float = 900) -> Any:
        """`mlbridge ... --json`, its answer."""
        done = subprocess.run(
            [sys.executable, "-m", "mlbridge.cli", *arguments, "--json"],
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
            cwd=self.home,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def up(self) -> Any:
        return self.command("up", "--detach", "--home", str(self.home / "devnet"), *self.options)

    def pid(self, service: str) -> int | None:
        process = process_of(read_running(self.home / "devnet").get(service))
        return process.pid if process else None


@pytest.fixture(scope="module")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    home = tmp_path_factory.mktemp("devnet")
    options = ["--fault", f"wrong-result@{LIAR}", "--models", "digits", "--shared-ray"]
    options += ["--block-time", "0.5", "--base-port", str(free_port()), "--ray-base-port", "26000"]
    made = Devnet(home, options, {})
    try:
        made.facts = made.command(
            "up", "--detach", "--demo", "--home", str(home / "devnet"), *options, limit=1200
        )
        yield made
    finally:
        made.command("down", "--home", str(home / "devnet"), limit=600)


def test_the_right_answer_is_final_and_the_liar_has_lost_stake(devnet: Devnet) -> None:
    answers = devnet.facts["answers"]
    assert {item["answer"] for item in answers} == {"label 7"}
    judged = [item for item in answers if item["slashed"]]
    assert judged, "the liar was never drawn"
    assert judged[-1]["rounds"] == 2
    network = str(devnet.home / "devnet" / "network.yaml")
    liar = devnet.facts["accounts"][f"provider-{LIAR}"]
    stake = devnet.command("account", "show", liar, "--network", network)["stakes"]["compute"]
    assert 25_000 * MLB <= stake <= 45_000 * MLB
    honest = [name for name in devnet.facts["accounts"] if name.startswith("provider-")]
    honest.remove(f"provider-{LIAR}")
    shown = [
        devnet.command("account", "show", devnet.facts["accounts"][name], "--network", network)
        for name in honest
    ]
    assert all(item["stakes"]["compute"] == 50_000 * MLB for item in shown)
    assert any(item["claimable_wei"] > 0 or item["balance_wei"] > 0 for item in shown)
    checked = devnet.command("verify", judged[-1]["receipt"], "--network", network)
    assert checked["failures"] == []


def test_the_gateway_answers_with_the_devnets_own_key(devnet: Devnet) -> None:
    known = {"Authorization": f"Bearer {devnet.facts['openai_api_key']}"}
    base = devnet.facts["openai_base_url"]
    listed = httpx2.get(f"{base}/models", headers=known, timeout=30).json()
    assert [model["id"] for model in listed["data"]] == ["digits"]
    body = {"model": "digits", "input": {"image": PICTURE}, "lane": "direct"}
    done = httpx2.post(f"{base}/tasks", json=body, headers=known, params={"wait": 240}, timeout=300).json()
    assert (done["status"], done["result"]) == ("finalized", {"label": 7})


def test_killed_chain_and_coordinator_come_back_and_the_next_task_is_answered(devnet: Devnet) -> None:
    for service in ("chain", "coordinator"):
        before = devnet.pid(service)
        assert before is not None
        os.killpg(psutil.Process(before).pid, signal.SIGKILL)
        limit = time.monotonic() + 120
        while devnet.pid(service) in (None, before):
            assert time.monotonic() < limit, f"{service} was not started again"
            time.sleep(0.2)
    devnet.up()
    network = str(devnet.home / "devnet" / "network.yaml")
    answer = devnet.command("run", "digits", "digit:7", "--network", network, "--timeout", "400")
    assert answer["answer"] == "label 7"


def test_an_answer_of_the_channel_lane_proves_itself_and_is_paid_for_by_a_batch(devnet: Devnet) -> None:
    answer = devnet.facts["channel_answer"]
    assert (answer["answer"], len(answer["committee"])) == ("label 7", 3)
    network = str(devnet.home / "devnet" / "network.yaml")
    checked = devnet.command("verify", answer["receipt"], "--network", network)
    assert (checked["ok"], checked["failures"]) == (True, [])
    receipt = LaneReceipt.from_bytes(Path(answer["receipt"]).read_bytes())
    assert receipt.channel_terms().requester == devnet.facts["accounts"]["gateway"]
    paid = asyncio.run(settled_and_claimed(network, receipt))
    # The coordinator claims for itself; whether a seat is worth the gas its provider decides.
    assert party_of(devnet.facts["accounts"]["coordinator"]) in paid


async def settled_and_claimed(network: str, receipt: LaneReceipt) -> dict[int, int]:
    """What each party drew from the batch that holds a receipt's order, in wei; waits for the batch's end."""
    async with AsyncClient(network) as client:
        lane = (await client.lane_view()).lane
        async with asyncio.timeout(150):
            while True:
                holding = [
                    posted
                    for posted in await batches.posted(lane)
                    for debit in posted.debits
                    if debit.channel(posted.header.coordinator) == receipt.task_order().channel
                    and debit.start <= receipt.order.sequence < debit.end
                ]
                if holding:
                    batch = "0x" + holding[0].header.batch_id().hex()
                    claimed = await lane.events(artifacts.SETTLEMENT, "BatchClaimed", batch)
                    if claimed:
                        return {event.args["party"]: event.args["amount"] for event in claimed}
                await asyncio.sleep(1)


def test_going_down_leaves_no_process_behind(devnet: Devnet) -> None:
    assert devnet.command("down", "--home", str(devnet.home / "devnet"), limit=600) == {"stopped": True}
    left = [
        process.info
        for process in psutil.process_iter(["pid", "cmdline"])
        if str(devnet.home) in " ".join(process.info["cmdline"] or [])
    ]
    assert left == []
