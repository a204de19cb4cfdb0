"""The lane under a load that lasts: rate, CPU by process, memory, time to finality, gas."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from typing import Any, Final

from benchmarks.lane_bed import Bed, Tell
from benchmarks.lane_load import Inputs, Orders
from benchmarks.timing import measure_for
from contracts import artifacts
from coordinator import database
from coordinator.lane.rows import BatchStage, Status
from coordinator.lane.store import LaneStore
from mlbridge.protocol.batch_wire import read_header

SAMPLE_S: Final = 10.0
DRAIN_PAUSE_S: Final = 0.5
DRAIN_TRIES: Final = 50


async def sustain(
    bed: Bed, tell: Tell, *, minutes: float, tasks: int | None, requesters: int, seats: int
) -> dict[str, Any]:
    """Orders of a model of no work for so long, or until `tasks` are done; batches settle all the while."""
    orders, inputs = Orders(bed, bed.model, seats), Inputs()
    lasting = 60 * minutes if tasks is None else 86_400.0
    began, before = time.perf_counter(), bed.cpu()
    samples: list[dict[str, float]] = []
    watching = asyncio.create_task(_sample(bed, orders, samples, tell))

    async def call(number: int) -> bool:
        if tasks is not None and number >= tasks:
            return False
        return await orders.call(inputs.sleeping(0))

    try:
        if tasks is None:
            told = await measure_for(call, lasting, requesters)
        else:
            told = await measure_for(call, 0, requesters, least=tasks)
    finally:
        watching.cancel()
    spent = {name: used - before[name] for name, used in bed.cpu().items()}
    tell("waiting for the last batch")
    settled = await _settled(bed)
    return {
        "seconds": time.perf_counter() - began,
        "requesters": requesters,
        "seats": seats,
        "members": len(bed.urls),
        "tasks": len(told.each),
        "failed": dict(orders.failed),
        "rate": told.rate,
        "p50_s": told.p50,
        "p99_s": told.p99,
        "cpu_s_a_task": {name: used / len(told.each) for name, used in spent.items()},
        "memory": samples,
        **settled,
    }


async def _sample(bed: Bed, orders: Orders, samples: list[dict[str, float]], tell: Tell) -> None:
    began, before = time.perf_counter(), 0
    while True:
        await asyncio.sleep(SAMPLE_S)
        at = time.perf_counter() - began
        resident = bed.memory("coordinator") / 2**20
        samples.append({"at_s": round(at, 1), "tasks": orders.done, "coordinator_mib": round(resident, 1)})
        failed = f", {orders.failed.total()} failed" if orders.failed else ""
        tell(
            f"{at:.0f} s: {orders.done} tasks{failed}, {(orders.done - before) / SAMPLE_S:.1f}/s lately, "
            f"coordinator {resident:.0f} MiB, load {os.getloadavg()[0]:.1f}"
        )
        before = orders.done


async def _settled(bed: Bed) -> dict[str, Any]:
    """What became of the orders, by the coordinator's store and the chain."""
    engine = database.open_engine(database.database_url(f"sqlite:///{bed.database}"))
    store = LaneStore(engine, "benchmark")
    try:
        for _ in range(DRAIN_TRIES):
            if not await store.batchable(limit=1) and not await store.batches(BatchStage.MADE):
                break
            await asyncio.sleep(DRAIN_PAUSE_S)
        included, sizes = [], []
        rows = await store.batches(BatchStage.POSTED, BatchStage.FINAL)
        for row in rows:
            assert row.header is not None
            header = read_header(row.header)
            sizes.append(header.tasks)
            included += [
                header.posted_at - order.decided_at
                for order in await store.orders_of(row.root)
                if order.decided_at is not None
            ]
        counts = await store.counts()
    finally:
        await engine.dispose()
    lane = bed.rig.params
    gas = await _gas(bed)
    return {
        "batches": len(rows),
        "batches_final": sum(row.status is BatchStage.FINAL for row in rows),
        "tasks_in_batches": sum(sizes),
        "tasks_waiting": counts.get(Status.DECIDED.value, 0) + counts.get(Status.DONE.value, 0) - sum(sizes),
        "orders": counts,
        "verdict_to_inclusion_s": _spread(included),
        "challenge_window_s": lane.challenge_window,
        "gas_a_task": gas / sum(sizes) if sizes else None,
        "tasks_a_batch": statistics.mean(sizes) if sizes else None,
    }


async def _gas(bed: Bed) -> int:
    """Gas of all postings."""
    eth = bed.rig.chain.w3.eth
    posted = await bed.rig.lane.events(artifacts.SETTLEMENT, "BatchPosted")
    receipts = await asyncio.gather(*(eth.get_transaction_receipt(event.tx_hash) for event in posted))  # type: ignore[arg-type]
    return sum(int(receipt["gasUsed"]) for receipt in receipts)


def _spread(values: list[float]) -> dict[str, float] | None:
    if not values:
        return None
    ordered = sorted(values)
    return {
        "p50": statistics.median(ordered),
        "p99": ordered[max(0, round(0.99 * len(ordered)) - 1)],
        "max": ordered[-1],
    }
