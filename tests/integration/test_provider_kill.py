"""kill -9 of everything a provider is, between its commit and its reveal: it returns and loses nothing."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.supervisor import read_supervisor_state
from contracts import reads
from contracts.chain import Chain
from contracts.sender import Sender
from mlbridge import procs
from tests.support.rigs import Rig, digits_script, make_rig, publish_digits
from tests.support.seats import MLB, acting, make_member, next_epoch, until
from tests.support.tasks import IMAGE, client_for

pytestmark = [pytest.mark.integration, pytest.mark.ray, pytest.mark.timeout(1200)]

BASE_PORT = 27000


async def test_a_provider_killed_between_commit_and_reveal_opens_in_time(
    calm: Chain, bank: Sender, tmp_path: Path
) -> None:
    model = await publish_digits(calm, bank, tmp_path)
    script = digits_script(tmp_path)
    waiting = [await make_member(calm, bank, [model], script=replace(script, commit=False)) for _ in range(2)]
    rig = await make_rig(calm, bank, tmp_path, "alpha", {"base_port": BASE_PORT})
    try:
        await rig.up()
        await next_epoch(calm)
        status = await rig.status()
        assert status is not None
        (account,) = map(int, status["accounts"])
        async with client_for(calm) as client, acting(waiting):
            handle = await client.submit(model, IMAGE)
            answer = asyncio.create_task(handle.wait(500))

            async def seat() -> reads.Seat | None:
                seats = await reads.get_seats(calm, handle.id, 0)
                return next((seat for seat in seats if seat.account == account), None)

            async def committed() -> bool:
                found = await seat()
                return found is not None and found.committed

            await until(committed, timeout_s=120)
            kill_all(rig)
            await until(lambda: dead(rig))
            before = await seat()
            for member in waiting:
                member.script = script
            await until(lambda: revealed(calm, handle.id, 2), timeout_s=60)

            await rig.up()
            result = await answer
            await until(lambda: rig.outcome("won", 1))
        assert before is not None
        assert not before.revealed
        (after,) = [seat for seat in result.receipt.rounds[0].seats if seat.account == account]
        assert after.commitment == "0x" + before.value.hex()
        assert account in result.receipt.payment.winners
        assert not result.receipt.payment.slashes
        assert result.confidence == 1
        found = await reads.get_account(calm, account)
        assert (found.bonded, found.unbonding) == (50_000 * MLB, 0)
    finally:
        await asyncio.to_thread(rig.kill)


def kill_all(rig: Rig) -> None:
    """SIGKILL for the supervisor first, so that it starts nothing again, then for every other process."""
    state = read_supervisor_state(rig.home)
    assert state is not None
    procs.send(procs.Process(state["pid"], state["pid_started"]), signal.SIGKILL)
    for process in rig.head().pids():
        procs.send(process, signal.SIGKILL)


async def dead(rig: Rig) -> bool:
    return not rig.head().alive() and not rig.head().pids() and read_supervisor_state(rig.home) is None


async def revealed(chain: Chain, task: bytes, count: int) -> bool:
    return (await reads.get_task(chain, task)).revealed == count
