"""What the coordinator's half of the channel lane costs: orders a second and CPU an order, members scripted.

One process holds everything: coordinator, six members and three attesters over HTTP, batches settling on an
anvil beside it. `python -m benchmarks.lane_runner` prints the figures; docs/measurements/lane.md keeps them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import statistics
import tempfile
import time
from pathlib import Path

import structlog

from contracts import channels
from coordinator.loops import Bell, forever
from coordinator.metrics import Metrics
from mlbridge.protocol.exchange import Offer
from tests.support.lane_rooms import LaneScene, lane_scene, lane_stage

CHANNELS = 16
ORDERS = 40
AT_ONCE = (1, 64)


async def measure(scene: LaneScene, offers: list[Offer], at_once: int) -> str:
    """One line of the table."""
    room, gate, waited = scene.here, asyncio.Semaphore(at_once), list[float]()

    async def one(offer: Offer) -> None:
        async with gate:
            start = time.perf_counter()
            told = await room.order(offer, 60.0)
            waited.append(time.perf_counter() - start)
            if told.state != "decided":
                raise RuntimeError(f"an order is {told.state}: {told.reason}")

    cpu, start = time.process_time(), time.perf_counter()
    await asyncio.gather(*(one(offer) for offer in offers))
    took, spent = time.perf_counter() - start, time.process_time() - cpu
    rate, each = len(offers) / took, 1_000 * spent / len(offers)
    return (
        f"{at_once:>8} {len(offers):>7} {rate:>9.1f} {1_000 * statistics.median(waited):>9.1f} {each:>13.1f}"
    )


async def main() -> None:
    """Print the table."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    async with lane_stage() as stage:
        terms = [
            await channels.open_channel(
                stage.rig.lane,
                stage.client,
                stage.coordinator.address,
                deposit=10**18,
                salt=bytes([number + 1]) * 32,
                share=300,
            )
            for number in range(CHANNELS)
        ]
        await stage.rig.record()
        await stage.rig.advance()
        with tempfile.TemporaryDirectory() as folder:
            async with lane_scene(stage, Path(folder)) as scene:
                room = await scene.open(batch_age_s=1.0)
                metrics = Metrics()
                loops = [
                    asyncio.create_task(forever(name, step, Bell(), pause_s=pause, metrics=metrics))
                    for name, step, pause in room.steps
                ]
                offers: list[Offer] = []
                for each in terms:
                    scene.terms, scene.sequence = each, 0
                    deadline = int(scene.view.now()) + 600
                    offers += [await scene.order(deadline=deadline) for _ in range(ORDERS)]
                print(f"load average {os.getloadavg()[0]:.1f} before")
                print(f"{'at once':>8} {'orders':>7} {'orders/s':>9} {'p50 ms':>9} {'CPU ms/order':>13}")
                alone = len(offers) // 4
                print(await measure(scene, offers[:alone], AT_ONCE[0]))
                print(await measure(scene, offers[alone:], AT_ONCE[1]))
                for loop in loops:
                    loop.cancel()
                await asyncio.gather(*loops, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())
