"""kill -9 under load: every room of the channel lane and the chain, one after the other.

No accepted task is lost, none is paid twice, and service is back without a hand: each process is only started
again, as a supervisor does. With Ray clusters: test_lane_kill_ray.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.lane_load import Load, right_label
from tests.support.lane_paid import nothing_is_paid_twice
from tests.support.lane_town import lane_town

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

EVERY_S = 0.1
ENOUGH = 20
"""Tasks begun after a kill that must end well before the next one."""
PATIENCE_S = 90.0


@pytest.mark.parametrize("own_coordinator", [False, True], ids=["one hop more", "gateway carries orders"])
async def test_no_task_is_lost_or_paid_twice_whoever_is_killed(tmp_path: Path, own_coordinator: bool) -> None:
    async with lane_town(tmp_path, own_coordinator=own_coordinator) as town:
        load = Load(town, EVERY_S)
        async with load.under_way(timeout_s=PATIENCE_S):
            await load.more(ENOUGH, timeout_s=PATIENCE_S)
            for victim in ("member", "coordinator", "gateway", "chain"):
                town.kill(victim)
                await load.more(ENOUGH, timeout_s=PATIENCE_S)
        nothing_is_lost(load)
        tasks = [task["id"] for task in load.tasks.values()]
        await nothing_is_paid_twice(town, tasks, timeout_s=PATIENCE_S)


def nothing_is_lost(load: Load) -> None:
    assert load.refused > 0, "nobody noticed that anything was killed"
    for number, task in load.tasks.items():
        assert task["status"] == "finalized", task
        assert task["confidence"] == 1.0
        assert task["result"]["label"] == right_label(load.town, number)
    assert len({task["id"] for task in load.tasks.values()}) == len(load.tasks)
