"""What verification through the channel lane costs, as a ratio to asking the same Serve deployments directly.

`python -m benchmarks.channel_lane` starts all that it needs: a chain of its own, members behind Ray Serve, a
coordinator, a verifier. `--sustain MINUTES` measures a load that lasts instead. Writes
benchmarks/results/channel_lane.md and .json; each of the two ways replaces its own part.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import structlog

from benchmarks.lane_bed import bed
from benchmarks.lane_load import SEATS, cells, latencies
from benchmarks.lane_report import as_markdown
from benchmarks.lane_seat import SLEEPS_MS
from benchmarks.lane_sustain import sustain

RESULTS = Path(__file__).parent / "results"


def machine(haproxy: bool) -> dict[str, Any]:
    """Where and beside what this ran."""
    return {
        "cpu": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 1),
        "haproxy": haproxy,
    }


async def run(asked: argparse.Namespace) -> None:
    """The part of the results that was asked for, written before anything is stopped."""
    began = time.monotonic()

    def tell(text: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {text}", flush=True)

    told: dict[str, Any] = {"machine": machine(asked.haproxy)}
    lasting = asked.sustain is not None or asked.tasks is not None
    members = asked.members or (3 if lasting else 7)
    chat = asked.smollm2 and not lasting and not asked.cells
    with tempfile.TemporaryDirectory(prefix="mlb-lane-") as folder:
        async with bed(Path(folder), tell, members=members, chat=chat, haproxy=asked.haproxy) as made:
            if lasting:
                told |= await sustain(
                    made,
                    tell,
                    minutes=asked.sustain or 0.0,
                    tasks=asked.tasks,
                    requesters=asked.requesters,
                    seats=asked.seats,
                )
                write(asked.results, {"sustain": told})
            else:
                rows = await latencies(made, tell, asked.seconds, asked.cells or cells())
                write(asked.results, {"latency": told | {"members": members, "cells": rows}})
            tell("stopping")
    tell("done")


def write(folder: Path, found: dict[str, Any]) -> None:
    """Put a part beside what the other way found before."""
    file = folder / "channel_lane.json"
    kept = json.loads(file.read_text()) if file.exists() else {}
    whole = kept | found
    folder.mkdir(exist_ok=True)
    file.write_text(json.dumps(whole, indent=2) + "\n")
    (folder / "channel_lane.md").write_text(as_markdown(whole))
    print(as_markdown(whole))


def cell(text: str) -> tuple[int, int, int]:
    """A cell of the latency table from `50:3:16`: sleep in ms, seats, requesters."""
    numbers = [int(part) if part.isdecimal() else -1 for part in text.split(":")]
    if len(numbers) == 3 and numbers[0] in SLEEPS_MS and numbers[1] in SEATS and numbers[2] > 0:
        return numbers[0], numbers[1], numbers[2]
    raise argparse.ArgumentTypeError(
        f"{text!r} is no cell such as 50:3:16: a model sleeps {SLEEPS_MS} ms, a committee has {SEATS} seats"
    )


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--members", type=int, help="member providers; default 7, with --sustain 3")
    asked.add_argument("--seconds", type=float, default=3.0, help="of each half of a cell, at least")
    asked.add_argument(
        "--cells",
        type=cell,
        nargs="+",
        metavar="SLEEP_MS:SEATS:REQUESTERS",
        help="these alone, such as 0:3:1 50:3:16, in this order, and no SmolLM2; needs --results",
    )
    asked.add_argument("--no-smollm2", dest="smollm2", action="store_false")
    asked.add_argument("--no-haproxy", dest="haproxy", action="store_false")
    asked.add_argument("--sustain", type=float, metavar="MINUTES")
    asked.add_argument("--tasks", type=int, help="sustain until so many are done, whatever time it takes")
    asked.add_argument("--requesters", type=int, default=64, help="of --sustain and --tasks")
    asked.add_argument("--seats", type=int, default=3, help="of --sustain and --tasks")
    asked.add_argument("--results", type=Path, default=RESULTS)
    options = asked.parse_args()
    if options.cells and options.results == RESULTS:
        asked.error("these cells would replace the whole table: name a folder of their own with --results")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(run(options))


if __name__ == "__main__":
    main()
