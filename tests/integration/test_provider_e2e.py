"""A whole provider on a real chain: `provider up`, digits on Ray Serve, an earned seat, and nothing left.

The two other seats are held by scripted members that run the same model folder in this process.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
import yaml

from cluster.registration import Registration
from cluster.supervisor import read_supervisor_state
from contracts import reads
from contracts.chain import Chain
from contracts.keyfile import load_key
from contracts.sender import Sender
from mlbridge import procs
from mlbridge.sdk import AsyncClient
from tests.support.rigs import Rig, digits_script, make_rig, publish_digits
from tests.support.seats import MLB, ScriptedMember, acting, make_member, next_epoch, until
from tests.support.tasks import IMAGE, client_for

pytestmark = [pytest.mark.integration, pytest.mark.ray, pytest.mark.timeout(1200)]

BASE_PORT = 27000


@pytest.fixture
async def model(calm: Chain, bank: Sender, tmp_path: Path) -> bytes:
    return await publish_digits(calm, bank, tmp_path)


@pytest.fixture
async def members(calm: Chain, bank: Sender, model: bytes, tmp_path: Path) -> list[ScriptedMember]:
    script = digits_script(tmp_path)
    return [await make_member(calm, bank, [model], script=script) for _ in range(2)]


@pytest.fixture
async def rig(calm: Chain, bank: Sender, tmp_path: Path) -> AsyncIterator[Rig]:
    made = await make_rig(calm, bank, tmp_path, "alpha", {"base_port": BASE_PORT})
    try:
        yield made
    finally:
        await asyncio.to_thread(made.kill)


async def test_a_provider_earns_and_leaves_nothing_behind(
    rig: Rig, model: bytes, members: list[ScriptedMember]
) -> None:
    doctor = await asyncio.to_thread(rig.command, "doctor")
    assert doctor.returncode == 0, doctor.stderr
    began = time.monotonic()
    await rig.up()
    print(f"up after {time.monotonic() - began:.1f} s")
    await next_epoch(rig.chain)

    async with client_for(rig.chain) as client, acting(members):
        for _ in range(2):
            began = time.monotonic()
            result = await (await client.submit(model, IMAGE)).wait(120)
            print(f"answer after {time.monotonic() - began:.1f} s")
            assert result.confidence == 1
    await until(lambda: rig.outcome("won", 2))

    async with httpx2.AsyncClient() as http:

        async def won_reputation() -> bool:
            return bool((await http.get(f"{rig.config.local_url}/node")).json()["reputation"] > 2500)

        async def counted() -> bool:
            metrics = (await http.get(f"http://127.0.0.1:{BASE_PORT + 6}/metrics")).text
            return "mlbridge_provider_assignments_total" in metrics

        # The agent writes its reputation down now and then; Ray exports counters every few seconds.
        await until(won_reputation)
        await until(counted)
        node = (await http.get(f"{rig.config.local_url}/node")).json()
    assert node["stakeAmount"] == str(50_000 * MLB)
    fields = {"cpuCores", "gpuMemory", "ramSize", "storageCapacity", "networkBandwidth"}
    assert fields <= set(node["capabilities"])
    assert [item["name"] for item in node["models"]] == ["digits"]

    status = json.loads((await asyncio.to_thread(rig.command, "status", "--json")).stdout)
    print(f"memory {status['memory'] / 2**20:.0f} MiB PSS")
    assert status["supervisor"]["state"] == "running"
    assert status["agent"]["outcomes"] == {"won": 2}
    people = await asyncio.to_thread(rig.command, "status")
    assert "2 won" in people.stderr

    temp_dir = rig.head().spec.temp_dir
    began = time.monotonic()
    down = await asyncio.to_thread(rig.command, "down")
    assert down.returncode == 0, down.stderr
    print(f"down after {time.monotonic() - began:.1f} s")
    assert rig.head().pids() == set()
    assert not temp_dir.exists()
    for account in status["agent"]["accounts"]:
        assert not await reads.call(rig.chain.tasks.functions.isServing(model, int(account)))


async def test_every_part_may_die_and_models_may_come(
    rig: Rig, model: bytes, members: list[ScriptedMember], bank: Sender, tmp_path: Path
) -> None:
    await rig.up()
    await next_epoch(rig.chain)
    async with client_for(rig.chain) as client, acting(members):
        await earn(rig, client, model, 1)

        # the agent's process: Ray starts it again
        os.kill(await agent_pid(rig), signal.SIGKILL)
        await earn(rig, client, model, 2)

        # the supervisor: nothing else notices, and the next one adopts what runs
        before = await agent_pid(rig)
        os.kill(supervisor_pid(rig), signal.SIGKILL)
        await earn(rig, client, model, 3)
        began = time.monotonic()
        await rig.up()
        print(f"adopted after {time.monotonic() - began:.1f} s")
        assert "adopted=true" in rig.log()
        assert await agent_pid(rig) == before
        again = await asyncio.to_thread(rig.command, "up")
        assert "runs already" in again.stderr

        # the whole cluster: the supervisor starts a new one
        leader = rig.head().leader()
        assert leader is not None
        os.kill(leader.pid, signal.SIGKILL)
        began = time.monotonic()
        await until(lambda: new_leader(rig, leader), timeout_s=300, every_s=0.5)
        await until(rig.answers, timeout_s=300, every_s=0.5)
        print(f"restarted after {time.monotonic() - began:.1f} s")
        await earn(rig, client, model, 4)

        # everything at once, between its commit and its reveal: it returns and loses nothing
        await die_between_commit_and_reveal(rig, client, model, members)
        await until(lambda: rig.outcome("won", 5))

        # a new model: served and in the draw without a restart
        second = await publish_digits(rig.chain, bank, tmp_path, "digits-2")
        status = await rig.status()
        assert status is not None
        serving = rig.chain.tasks.functions.isServing(second, int(next(iter(status["accounts"]))))
        await until(lambda: reads.call(serving), timeout_s=300, every_s=0.5)

    left = await asyncio.to_thread(rig.command, "stop-serving", "--json")
    assert len(json.loads(left.stdout)) == 2
    claimed = await asyncio.to_thread(rig.command, "claim", "--json")
    assert int(json.loads(claimed.stdout)["wei"]) > 0
    os.kill(supervisor_pid(rig), signal.SIGTERM)
    await until(lambda: stopped(rig), timeout_s=180, every_s=0.5)
    assert rig.head().pids() == set()


async def test_what_cannot_work_is_told_at_once(calm: Chain, bank: Sender, tmp_path: Path) -> None:
    ray = {"base_port": BASE_PORT}
    poor = await make_rig(calm, bank, tmp_path, "poor", ray, stake={"compute": 5_000_000})
    doctor = await asyncio.to_thread(poor.command, "doctor", "--json")
    found = {item["name"]: item for item in json.loads(doctor.stdout)["findings"]}
    assert doctor.returncode == 1
    assert not found["stake"]["ok"]
    assert "4.94e+06 MLB" in found["stake"]["fix"]
    assert found["network"]["ok"]
    up = await asyncio.to_thread(poor.command, "up", "--detach")
    assert up.returncode != 0
    assert "MLB" in poor.log()

    unknown = await make_rig(calm, bank, tmp_path, "unknown", ray, models=[{"model": "nobody-knows"}])
    up = await asyncio.to_thread(unknown.command, "up", "--detach")
    assert up.returncode != 0
    assert "no active model 'nobody-knows'" in unknown.log()
    assert unknown.head().pids() == set()

    fields = yaml.safe_load(unknown.file.read_text())
    unknown.file.write_text(yaml.safe_dump(fields | {"ray": {"base_prt": 1}}))
    up = await asyncio.to_thread(unknown.command, "up", "--detach")
    assert up.returncode == 2
    assert "Did you mean base_port?" in up.stderr


async def test_a_model_that_no_longer_runs_here_leaves_the_draw(
    rig: Rig, model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rig.config.keys.operator is not None
    operator = await asyncio.to_thread(load_key, rig.config.keys.operator)
    node = await asyncio.to_thread(load_key, rig.config.keys.node)
    registration = Registration(rig.chain, operator, rig.config)
    await registration.register(node)
    exec_class = (await reads.get_model(rig.chain, model)).exec_class
    ((_, account),) = await registration.serve([(model, exec_class)])

    fields = yaml.safe_load(rig.file.read_text())
    rig.file.write_text(yaml.safe_dump(fields | {"models": [{"model": "digits"}]}))
    # As after a change of libraries or of machine: other kernels, another execution class.
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    up = await asyncio.to_thread(rig.command, "up", "--detach")
    assert up.returncode != 0
    assert "another execution class" in rig.log()
    assert not await reads.call(rig.chain.tasks.functions.isServing(model, account))


async def die_between_commit_and_reveal(
    rig: Rig, client: AsyncClient, model: bytes, others: list[ScriptedMember]
) -> None:
    """kill -9 of all that the provider is; it opens in time what it had committed to, and is paid."""
    status = await rig.status()
    assert status is not None
    (account,) = map(int, status["accounts"])
    scripts = [member.script for member in others]
    for member in others:
        member.script = replace(member.script, commit=False)
    handle = await client.submit(model, IMAGE)
    answer = asyncio.create_task(handle.wait(500))

    async def seat() -> reads.Seat | None:
        seats = await reads.get_seats(rig.chain, handle.id, 0)
        return next((seat for seat in seats if seat.account == account), None)

    async def committed() -> bool:
        found = await seat()
        return found is not None and found.committed

    await until(committed, timeout_s=120)
    kill_all(rig)
    await until(lambda: dead(rig))
    before = await seat()
    for member, script in zip(others, scripts, strict=True):
        member.script = script
    await until(lambda: revealed(rig.chain, handle.id, 2), timeout_s=60)

    await rig.up()
    result = await answer
    assert before is not None
    assert not before.revealed
    (after,) = [seat for seat in result.receipt.rounds[0].seats if seat.account == account]
    assert after.commitment == "0x" + before.value.hex()
    assert account in result.receipt.payment.winners
    assert not result.receipt.payment.slashes
    assert result.confidence == 1
    found = await reads.get_account(rig.chain, account)
    assert (found.bonded, found.unbonding) == (50_000 * MLB, 0)


def kill_all(rig: Rig) -> None:
    """SIGKILL for the supervisor first, so that it starts nothing again, then for every other process."""
    os.kill(supervisor_pid(rig), signal.SIGKILL)
    for process in rig.head().pids():
        procs.send(process, signal.SIGKILL)


async def dead(rig: Rig) -> bool:
    return not rig.head().alive() and not rig.head().pids() and read_supervisor_state(rig.home) is None


async def revealed(chain: Chain, task: bytes, count: int) -> bool:
    return (await reads.get_task(chain, task)).revealed == count


async def earn(rig: Rig, client: AsyncClient, model: bytes, count: int) -> None:
    await (await client.submit(model, IMAGE)).wait(120)
    await until(lambda: rig.outcome("won", count))


async def agent_pid(rig: Rig) -> int:
    await until(rig.answers, timeout_s=60)
    status = await rig.status()
    assert status is not None
    return int(status["pid"])


def supervisor_pid(rig: Rig) -> int:
    state = read_supervisor_state(rig.home)
    assert state is not None
    return int(state["pid"])


async def new_leader(rig: Rig, old: procs.Process) -> bool:
    return rig.head().leader() not in (None, old)


async def stopped(rig: Rig) -> bool:
    return read_supervisor_state(rig.home) is None
