"""What verification through the direct lane costs, as a ratio to calling the same Serve deployment directly.

Needs a running devnet (`make up`): `make bench`, or `python -m benchmarks.direct_lane`. Writes
benchmarks/results/direct_lane.md and .json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
from pathlib import Path
from typing import Any

from benchmarks.timing import Timings, measure
from cluster.config import load_config
from cluster.door import Door
from cluster.served import ServedModels
from contracts.network import Network, load_network
from mlbridge.console import fail
from mlbridge.devnet import accounts
from mlbridge.devnet.commands import is_running
from mlbridge.devnet.demo import EXAMPLES
from mlbridge.devnet.machines import provider_file
from mlbridge.devnet.plan import Plan, read_plan
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import encode_input
from mlbridge.sdk import AsyncClient, TaskResult

RESULTS = Path(__file__).parent / "results"
MODEL = "digits"
PHASES = (
    ("submit to draw", "TaskSubmitted", "CommitteeDrawn"),
    ("draw to last commit", "CommitteeDrawn", "RevealOpened"),
    ("last commit to verdict", "RevealOpened", "TaskFinalized"),
    ("submit to verdict", "TaskSubmitted", "TaskFinalized"),
)


async def direct(plan: Plan, network: Network, count: int, at_once: int) -> Timings:
    """Signed orders straight to provider 1's deployment of the model; each order is executed."""
    config = load_config(provider_file(plan, 1))
    served = next(model for model in ServedModels(config.home).all().values() if model.name == MODEL)
    payload = encode_input("classification", EXAMPLES[MODEL].value)
    door = Door(config.local_url, bytes(accounts.node(1).key), network.chain_id)
    run = os.urandom(24)

    async def call(number: int) -> None:
        task = run + number.to_bytes(8, "big")
        await door.execute(
            served.route, task=task, round=0, account=2, model=served.model_id, payload=payload, timeout=60
        )

    try:
        await measure(call, 2 * at_once, at_once)  # connections and caches
        run = os.urandom(24)
        return await measure(call, count, at_once)
    finally:
        await door.close()


async def lane(network: Network, count: int, at_once: int) -> tuple[Timings, list[TaskResult]]:
    """Verified tasks from submission to receipt; the coordinator alone moves them on."""
    results: list[TaskResult] = []
    async with AsyncClient(network, accounts.requester()) as client:
        model = await client.model(MODEL)

        async def call(number: int) -> None:
            handle = await client.submit(model, EXAMPLES[MODEL].value)
            results.append(await handle.wait(600, poke=False))

        timings = await measure(call, count, at_once)
    return timings, results


async def phases(network: Network, results: list[TaskResult]) -> dict[str, list[float]]:
    """Seconds between the blocks of a task's events; resolution is the block time."""
    spans: dict[str, list[float]] = {name: [] for name, _, _ in PHASES}
    async with AsyncClient(network) as client:
        chain = await client.chain()
        times: dict[int, int] = {}
        for result in results:
            at: dict[str, int] = {}
            for event in result.receipt.events:
                if event.block not in times:
                    header = await chain.header(event.block)
                    if header is None:
                        raise RuntimeError(f"the chain lost block {event.block}")
                    times[event.block] = header.timestamp
                at[event.event] = times[event.block]
            for name, first, last in PHASES:
                spans[name].append(at[last] - at[first])
    return spans


def running_plan(home: Path) -> Plan:
    """The plan of the devnet in `home`. Raises MLBridgeError `bench.no_devnet` unless it runs."""
    plan = read_plan(home)
    if plan is None or not is_running(home) or MODEL not in plan.models:
        raise MLBridgeError(
            "bench.no_devnet",
            f"The benchmark needs a running devnet that serves {MODEL}, and {home} holds none.",
            hint="Start one first: make up",
        )
    return plan


async def run(home: Path, tasks: int, calls: int, at_once: int) -> dict[str, Any]:
    """The whole benchmark as plain values."""
    plan = running_plan(home)
    network = load_network(plan.network_file)
    raw = await direct(plan, network, calls, at_once)
    raw_alone = await direct(plan, network, calls, 1)
    alone, _ = await lane(network, 3, 1)
    verified, results = await lane(network, tasks, at_once)
    spans = await phases(network, results)
    seats = len(results[0].committee)
    return {
        "machine": {"cores": os.cpu_count(), "cpu": platform.processor() or platform.machine()},
        "plan": {"providers": plan.providers, "shared_ray": plan.shared_ray, "block_time_s": plan.block_time},
        "model": MODEL,
        "at_once": at_once,
        "direct": {"rate": raw.rate, "p50_s": raw.p50, "p95_s": raw.p95, "alone_p50_s": raw_alone.p50},
        "lane": {
            "rate": verified.rate, "p50_s": verified.p50, "p95_s": verified.p95,
            "alone_p50_s": alone.p50, "seats": seats, "tasks": tasks,
        },
        "phases_s": {
            name: {"mean": statistics.mean(values), "max": max(values)} for name, values in spans.items()
        },
        "ratio": {
            "executions a second, lane / direct": verified.rate * seats / raw.rate,
            "latency alone, lane / direct": alone.p50 / raw_alone.p50,
        },
    }  # fmt: skip


def as_markdown(found: dict[str, Any]) -> str:
    """The result as a page."""
    direct_, lane_, ratio = found["direct"], found["lane"], found["ratio"]
    rows = [
        f"| {name} | {span['mean']:.1f} | {span['max']:.1f} |" for name, span in found["phases_s"].items()
    ]
    return "\n".join(
        [
            "# The direct lane against its own Serve deployment",
            "",
            f"One run on {found['machine']['cores']} cores; {found['plan']['providers']} providers, a block "
            f"every {found['plan']['block_time_s']:g} s, model `{found['model']}`, {found['at_once']} at "
            "once. `python -m benchmarks.direct_lane` against a running devnet makes it again.",
            "",
            "| | direct call of the deployment | direct lane, 3 seats | ratio |",
            "|---|---|---|---|",
            f"| a second | {direct_['rate']:.1f} calls | {lane_['rate']:.2f} verified tasks "
            f"({lane_['rate'] * lane_['seats']:.2f} executions) | "
            f"{ratio['executions a second, lane / direct']:.4f} |",
            f"| latency alone, p50 | {direct_['alone_p50_s'] * 1000:.1f} ms | {lane_['alone_p50_s']:.2f} s | "
            f"{ratio['latency alone, lane / direct']:.0f} |",
            f"| latency under load, p50 / p95 | {direct_['p50_s'] * 1000:.1f} / "
            f"{direct_['p95_s'] * 1000:.1f} ms | {lane_['p50_s']:.2f} / {lane_['p95_s']:.2f} s | |",
            "",
            f"| phase ({lane_['tasks']} tasks, block times) | mean s | max s |",
            "|---|---|---|",
            *rows,
            "",
            "The lane's latency is blocks: one to submit, two of randomness, one each to draw, commit and "
            "reveal. It does not depend on the model as long as the model is quicker than a block.",
            "",
        ]
    )


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--home", type=Path, default=Path(".mlbridge/devnet"))
    asked.add_argument("--tasks", type=int, default=40)
    asked.add_argument("--calls", type=int, default=300)
    asked.add_argument("--at-once", type=int, default=8)
    options = asked.parse_args()
    try:
        found = asyncio.run(run(options.home.absolute(), options.tasks, options.calls, options.at_once))
    except MLBridgeError as error:
        fail(error, as_json=False)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "direct_lane.json").write_text(json.dumps(found, indent=2) + "\n")
    (RESULTS / "direct_lane.md").write_text(as_markdown(found))
    print(as_markdown(found))


if __name__ == "__main__":
    main()
