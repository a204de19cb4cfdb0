"""Processes of the lane's benchmark that no command starts: the coordinator's engine, the members' agents.

`python -m benchmarks.lane_processes coordinator FILE` or `... agents FILE`; each ends at SIGTERM.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from cluster.lane.follower import LaneFollower
from contracts.chain import Chain
from contracts.lane import Lane
from contracts.network import load_network
from coordinator.config import load_config
from coordinator.engine import Engine
from coordinator.logs import log_to_file
from serve.lane.view import ViewWriter


def agents_file(network: Path, views: dict[int, Path]) -> str:
    """What `agents` reads: views by account."""
    return json.dumps({"network": str(network), "views": {str(at): str(path) for at, path in views.items()}})


async def coordinator(file: Path, ended: asyncio.Event) -> None:
    """The engine that the coordinator's actor runs."""
    config = load_config(file)
    log_to_file(config.home / "coordinator.log")
    engine = await Engine.start(config)
    try:
        await ended.wait()
    finally:
        await engine.stop()


async def agents(file: Path, ended: asyncio.Event) -> None:
    """What each member's agent does while orders run: keep its replicas' view of the chain."""
    asked: dict[str, Any] = json.loads(file.read_text())
    network = load_network(asked["network"])
    async with await Chain.connect(network) as chain, asyncio.TaskGroup() as group:
        assert network.lane is not None
        lane = Lane(chain, network.lane)
        running = []
        for account, view in asked["views"].items():
            follower = LaneFollower(
                lane, ViewWriter(Path(view)), int(account), confirmations=0, poll_s=network.block_time / 2
            )
            running.append(group.create_task(follower.run()))
        await ended.wait()
        for task in running:
            task.cancel()


async def _until_told(work: Any, file: Path) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    job: Awaitable[None] = work(file, ended)
    with contextlib.suppress(asyncio.CancelledError):
        await job


def main() -> None:
    what, file = sys.argv[1], Path(sys.argv[2])
    asyncio.run(_until_told({"coordinator": coordinator, "agents": agents}[what], file))


if __name__ == "__main__":
    main()
