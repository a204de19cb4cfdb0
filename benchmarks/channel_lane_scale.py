"""What the channel lane's arithmetic costs at scale: committee draw, tally, batch building.

A pure simulation on one core, without signatures' keys, network or chain: 10,000 providers over the models
they serve, 1,000,000 tasks, batch after batch. `python -m benchmarks.channel_lane_scale` writes
benchmarks/results/channel_lane_scale.md and .json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eth_utils.address import to_checksum_address

from mlbridge.protocol import batch_data
from mlbridge.protocol.batch import build
from mlbridge.protocol.committee import seated
from mlbridge.protocol.evidence import Evidence, Outcome, SeatProof, split
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.orders712 import ChannelTerms, Domain, TaskOrder
from mlbridge.protocol.race import Field
from mlbridge.protocol.signatures import recover, sign_digest
from mlbridge.protocol.snapshots import Snapshots
from mlbridge.protocol.tally import tally_results
from mlbridge.protocol.types import Policy, Seat

RESULTS = Path(__file__).parent / "results"
EPOCH = 6
SEED = keccak(b"seed")
SIGNATURE = sign_digest(SEED, keccak(b"anybody"))
DIGESTS = [keccak(b"digest %d" % number) for number in range(500)]
SIGNATURES = [sign_digest(digest, keccak(b"anybody")) for digest in DIGESTS]
chance = random.Random(7)  # noqa: S311 - the same figures' inputs every time


def address(name: str) -> str:
    return str(to_checksum_address(keccak(name.encode())[:20]))


DOMAIN = Domain(31337, address("PaymentChannels"))
COORDINATOR, PROVIDER = address("coordinator"), address("provider")


def each(count: int, work: Callable[[int], Any]) -> float:
    """Median CPU microseconds of a call."""
    spent = []
    for number in range(count):
        began = time.process_time()
        work(number)
        spent.append(time.process_time() - began)
    return statistics.median(spent) * 1e6


def weights(count: int) -> dict[int, int]:
    """Stakes of 50,000 to 5,000,000 MLB times a reputation of 2,500 to 10,000."""
    return {
        2 * i: chance.randint(50_000, 5_000_000) * chance.randint(2_500, 10_000) for i in range(1, count + 1)
    }


def draws(providers: int) -> list[dict[str, Any]]:
    """One draw of five seats among 10 and more providers of one model."""
    found = []
    size = 10
    while size <= providers:
        began = time.process_time()
        field = Field(weights(size))
        ready = (time.process_time() - began) * 1e6
        spent = each(max(20, 20_000 // size), lambda i, field=field: field.arrivals(keccak(b"%d" % i), 5))
        found.append({"providers": size, "us": spent, "us_a_provider": spent / size, "ready_us": ready})
        size *= 10
    return found


def tallies() -> list[dict[str, Any]]:
    """One verdict over seats of which one dissents and one is silent."""
    found = []
    for seats in (3, 5, 7, 9, 15):
        ballot = [
            Seat(2 * i, weight, True, i > 1, False, SEED if i > 2 else bytes(32))
            for i, weight in enumerate(weights(seats).values(), 1)
        ]
        found.append({"seats": seats, "us": each(2_000, lambda _, ballot=ballot: tally_results(ballot))})
    return found


class Market:
    """Providers over models, channels over requesters, and orders that are done as soon as they are made."""

    def __init__(self, providers: int, models: int, channels: int) -> None:
        self.snapshots = Snapshots()
        self.models = [keccak(b"model %d" % i) for i in range(models)]
        for place, (account, weight) in enumerate(weights(providers).items()):
            self.snapshots.record_weight(self.models[place % models], account, EPOCH, weight)
        self.terms = [
            ChannelTerms(address(f"requester {i}"), COORDINATOR, 1, 300, 500, keccak(b"%d" % i))
            for i in range(channels)
        ]
        self.ids = [terms.channel() for terms in self.terms]
        self.floors = dict.fromkeys(self.ids, 0)

    def order(self, channel: int, sequence: int) -> TaskOrder:
        model = self.models[(channel + sequence) % len(self.models)]
        nothing = bytes(32)
        return TaskOrder(
            self.ids[channel], sequence, EPOCH, model, nothing, nothing, 3, Policy.EXACT, 10**14, 2**35
        )

    def done(self, channel: int, order: TaskOrder, accounts: list[int]) -> tuple[Evidence, Outcome]:
        seats = tuple(SeatProof(account, SEED, SIGNATURE) for account in accounts)
        evidence = Evidence(self.terms[channel], order, SIGNATURE, SEED, seats)
        winners = tuple(accounts)
        digest = order.digest(DOMAIN)
        return evidence, split(order, self.terms[channel], digest, winners, 10**9, PROVIDER)


def run(tasks: int, providers: int, models: int, batch_size: int) -> dict[str, Any]:
    """Every task drawn, tallied and put into a batch; CPU seconds of each part, and bytes stored."""
    channels = 50
    market = Market(providers, models, channels)
    spent = dict.fromkeys(("draw", "tally", "build", "store"), 0.0)
    stored = batches = entries = 0
    last = {"memory": 0}
    per_channel = batch_size // channels
    for first in range(0, tasks, batch_size):
        start = first // channels
        orders = [
            (channel, market.order(channel, start + step))
            for channel in range(channels)
            for step in range(per_channel)
        ]
        at = time.process_time()
        committees = [seated(order, SEED, market.snapshots) for _, order in orders]
        at = _lap(spent, "draw", at)
        for (_, order), accounts in zip(orders, committees, strict=True):
            weight = market.snapshots.weight
            ballot = [
                Seat(account, weight(order.model_id, EPOCH, account), True, True, False, SEED)
                for account in accounts
            ]
            assert tally_results(ballot).passed
        at = _lap(spent, "tally", at)
        settled = [
            market.done(channel, order, accounts)
            for (channel, order), accounts in zip(orders, committees, strict=True)
        ]
        batch, debits = build(COORDINATOR, settled, market.floors)
        assert len(batch.tasks.root) == len(batch.ledger.root)
        at = _lap(spent, "build", at)
        stored += len(batch_data.to_bytes(batch))
        _lap(spent, "store", at)
        entries += len(batch.entries)
        market.floors = {debit.channel(COORDINATOR): debit.end for debit in debits}
        batches += 1
        if batches == 20:
            last["memory"] = _memory_mib()
    return {
        "tasks": batches * len(orders),
        "batches": batches,
        "entries": entries,
        "cpu_s": spent,
        "us_a_task": {name: seconds / tasks * 1e6 for name, seconds in spent.items()},
        "bytes_a_task": stored / tasks,
        "memory_mib_after_20_batches": last["memory"],
        "memory_mib_at_the_end": _memory_mib(),
    }


def sizes(market_providers: int) -> list[dict[str, Any]]:
    """Building and storing one batch of different sizes."""
    found = []
    for size in (50, 250, 1_000, 4_000, 16_000):
        market = Market(market_providers, 100, 50)
        accounts = [2, 4, 6]
        settled = [
            market.done(channel, market.order(channel, step), accounts)
            for channel in range(50)
            for step in range(size // 50)
        ]
        began = time.process_time()
        batch, _ = build(COORDINATOR, settled, market.floors)
        roots = batch.tasks.root, batch.ledger.root
        built = time.process_time() - began
        data = batch_data.to_bytes(batch)
        assert all(roots)
        found.append({"tasks": size, "us_a_task": built / size * 1e6, "bytes_a_task": len(data) / size})
    return found


def _lap(spent: dict[str, float], name: str, since: float) -> float:
    now = time.process_time()
    spent[name] += now - since
    return now


def _memory_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def table(rows: list[list[str]]) -> str:
    head, *body = rows
    lines = ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *body]]
    return "\n".join(lines)


def report(found: dict[str, Any]) -> str:
    whole = found["whole"]
    draw = [["providers of the model", "ms a draw of 5", "us a provider"]]
    draw += [
        [f"{row['providers']:,}", f"{row['us'] / 1e3:.2f}", f"{row['us_a_provider']:.2f}"]
        for row in found["draws"]
    ]
    tally = [["seats", "us a verdict"]]
    tally += [[str(row["seats"]), f"{row['us']:.1f}"] for row in found["tallies"]]
    size = [["tasks in the batch", "us a task to build", "bytes a task stored"]]
    size += [
        [f"{row['tasks']:,}", f"{row['us_a_task']:.0f}", f"{row['bytes_a_task']:.0f}"]
        for row in found["sizes"]
    ]
    cost = [["part", "CPU s", "us a task"]]
    cost += [
        [name, f"{seconds:.0f}", f"{whole['us_a_task'][name]:.0f}"]
        for name, seconds in whole["cpu_s"].items()
    ]
    memory = whole["memory_mib_after_20_batches"], whole["memory_mib_at_the_end"]
    lines = [
        "# The channel lane's arithmetic at scale",
        "",
        f"`python -m benchmarks.channel_lane_scale` on {found['machine']}. CPU time of one core, pure "
        "simulation: no network, chain or keys. Beside it, signing costs "
        f"{found['sign_us']:.0f} us and checking {found['recover_us']:.0f} us a signature.",
        "",
        f"## {whole['tasks']:,} tasks, {found['providers']:,} providers over {found['models']:,} models",
        f"{whole['batches']:,} batches, {whole['entries']:,} ledger entries, "
        f"{whole['bytes_a_task']:.0f} bytes stored a task; at most {memory[0]} MiB resident after 20 batches "
        f"and {memory[1]} MiB at the end.",
        "",
        table(cost),
        "",
        "## Committee draw",
        "Grows with the providers that serve the model: one hash for each, since nobody can be left out of "
        "the race. Those who arrive about when the last seat does are compared exactly.",
        "",
        table(draw),
        "",
        "## Tally",
        table(tally),
        "",
        "## One batch",
        table(size),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--providers", type=int, default=10_000)
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--batch", type=int, default=1_000)
    options = parser.parse_args()
    found = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "providers": options.providers,
        "models": options.models,
        "sign_us": each(500, lambda i: sign_digest(keccak(b"%d" % i), SEED)),
        "recover_us": each(500, lambda i: recover(DIGESTS[i], SIGNATURES[i])),
        "draws": draws(options.providers),
        "tallies": tallies(),
        "sizes": sizes(options.providers),
        "whole": run(options.tasks, options.providers, options.models, options.batch),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "channel_lane_scale.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "channel_lane_scale.md").write_text(report(found), encoding="utf-8")
    print(report(found))


if __name__ == "__main__":
    main()
