"""kill -9 under load of all that runs on a Ray cluster: a provider's, then that of coordinator and gateway.

Nobody lends a hand: `provider up`, `coordinator up` and `gateway up` run, and are left alone. No accepted
task is lost, none is paid twice, and the killed provider's seat is paid for orders that were signed after it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mlbridge import procs
from mlbridge.sdk import LaneReceipt
from tests.support.lane_load import Load, right_label
from tests.support.lane_paid import done_orders, nothing_is_paid_twice
from tests.support.lane_ray_town import RayTown, ray_town
from tests.support.seats import until

pytestmark = [pytest.mark.integration, pytest.mark.ray, pytest.mark.timeout(900)]

BASE_PORT = 16200
EVERY_S = 0.1
AT_ONCE = 64
"""Clients: as many orders as one channel may have under way."""
ENOUGH = 20
PATIENCE_S = 240.0


async def test_no_task_is_lost_or_paid_twice_whichever_cluster_is_killed(tmp_path: Path) -> None:
    async with ray_town(tmp_path, BASE_PORT) as here:
        load = Load(here.town, EVERY_S, at_once=AT_ONCE)
        async with load.under_way(timeout_s=PATIENCE_S):
            await service_is_back(here, load)
            for whose in ("provider", "coordinator"):
                before = here.head(whose).leader()
                dead = here.kill_cluster(whose)
                await service_is_back(here, load)
                assert here.head(whose).leader() not in (None, before)
                nothing_is_left_of(here, whose, dead)
        answered = right_or_unpaid(load)
        await nothing_is_paid_twice(here.town, answered, timeout_s=PATIENCE_S)


async def service_is_back(here: RayTown, load: Load) -> None:
    """Of the tasks that begin from now on many are answered, and some of them by the provider too."""
    since, read = load.begun, set[str]()
    await load.more(ENOUGH, timeout_s=PATIENCE_S)

    async def by_the_provider() -> bool:
        late = {task["id"] for number, task in load.tasks.items() if number >= since} - read
        receipts = [one.receipt for one in done_orders(here.town) if one.key in late]
        read.update(late)
        return any(here.account in LaneReceipt.from_bytes(told or b"").cost.winners for told in receipts)

    await until(by_the_provider, timeout_s=PATIENCE_S, every_s=1.0)


def nothing_is_left_of(here: RayTown, whose: str, dead: set[procs.Process]) -> None:
    """Neither a process nor a session's files: what is killed often must not fill the disk."""
    assert len(dead) > 3, "a head, its store, a raylet and workers were there"
    assert not [process for process in dead if procs.alive(process)]
    assert len(list(here.head(whose).spec.logs.parents[1].glob("session_2*"))) == 1


def right_or_unpaid(load: Load) -> list[str]:
    """Ids of the tasks that were answered. What has no answer costs nothing."""
    assert load.refused > 0, "nobody noticed that anything was killed"
    assert len({task["id"] for task in load.tasks.values()}) == len(load.tasks) == load.begun
    answered = []
    for number, task in load.tasks.items():
        if task["status"] == "finalized":
            assert task["result"]["label"] == right_label(load.town, number), task
            answered.append(task["id"])
        else:
            assert (task["status"], task["cost_wei"]) == ("refunded", "0"), task
    return answered
