"""The lane benchmark's results as a page."""

from __future__ import annotations

from typing import Any


def as_markdown(found: dict[str, Any]) -> str:
    """found: parts `latency` and `sustain`, each None or missing until it was run."""
    lines = [
        "# The channel lane against its own Serve deployments",
        "",
        "`python -m benchmarks.channel_lane` makes the first part, `--sustain MINUTES` the second. Direct: "
        "as many members as the committee has seats asked at once for the same input, over the same HTTP and "
        "the same deployments, at the same number of requesters; its latency is that of the slowest answer. "
        "Verified: the SDK's whole way, from signing the order to the checked receipt. Models sleep as long "
        "as they say; SmolLM2 computes on the same cores.",
        "",
    ]
    if found.get("latency"):
        lines += _latency(found["latency"])
    if found.get("sustain"):
        lines += _sustain(found["sustain"])
    return "\n".join(lines)


def _ran(part: dict[str, Any]) -> str:
    machine = part["machine"]
    ingress = "HAProxy" if machine["haproxy"] else "Serve's proxy"
    return (
        f"{machine['cores']} cores ({machine['cpu']}), Python {machine['python']}, load average "
        f"{machine['load_before']} before; {part['members']} members behind {ingress}, chain, coordinator, "
        "verifier and requester on the same machine."
    )


def _latency(part: dict[str, Any]) -> list[str]:
    lines = [
        "## Latency and throughput",
        _ran(part),
        "",
        "| model | seats | requesters | direct p50 / p99 ms | verified p50 / p99 ms | ratio p50 / p99 | "
        "added p50 ms | verified tasks/s | x seats / direct requests/s | coordinator CPU ms a task | "
        "failed |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in part["cells"]:
        name = "SmolLM2" if row["sleep_ms"] < 0 else f"{row['sleep_ms']} ms"
        lines.append(
            f"| {name} | {row['seats']} | {row['requesters']} | "
            f"{_ms(row['direct_p50'])} / {_ms(row['direct_p99'])} | {_ms(row['p50'])} / {_ms(row['p99'])} | "
            f"{row['latency_ratio_p50']:.2f} / {row['latency_ratio_p99']:.2f} | {_ms(row['added_p50'])} | "
            f"{row['rate']:.1f} | {row['throughput_ratio']:.2f} | {_ms(row['cpu']['coordinator'])} | "
            f"{row['failed']} |"
        )
    tasks = sorted({row["tasks"] for row in part["cells"]})
    return [*lines, "", f"Each row holds {tasks[0]:,} to {tasks[-1]:,} verified tasks.", ""]


def _sustain(part: dict[str, Any]) -> list[str]:
    inclusion = part["verdict_to_inclusion_s"]
    cpu = part["cpu_s_a_task"]
    memory = part["memory"]
    lines = [
        "## A load that lasts",
        _ran(part),
        "",
        f"{part['tasks']:,} verified tasks of a model of no work in {part['tasks'] / part['rate']:.0f} s, "
        f"{part['requesters']} requesters, {part['seats']} seats: **{part['rate']:.1f} tasks a second**, p50 "
        f"{_ms(part['p50_s'])} ms, p99 {_ms(part['p99_s'])} ms, {sum(part['failed'].values())} failed.",
        "",
        "| process | CPU ms a task |",
        "|---|---|",
        *(f"| {name} | {_ms(spent)} |" for name, spent in cpu.items()),
        f"| all | {_ms(sum(cpu.values()))} |",
        "",
    ]
    if inclusion:
        lines += [
            f"{part['batches']} batches of {part['tasks_a_batch']:.0f} tasks on average, "
            f"{part['batches_final']} past their challenge window of {part['challenge_window_s']} s; "
            f"{part['tasks_in_batches']:,} tasks in them, {part['tasks_waiting']:,} waiting at the end. From "
            f"verdict to inclusion, where the answer is final: p50 {inclusion['p50']:.1f} s, p99 "
            f"{inclusion['p99']:.1f} s, at most {inclusion['max']:.1f} s. Gas of posting a task: "
            f"{part['gas_a_task']:.0f}.",
            "",
        ]
    if memory:
        places = sorted({0, len(memory) // 4, len(memory) // 2, 3 * len(memory) // 4, len(memory) - 1})
        lines += [
            "| tasks so far | coordinator resident MiB |",
            "|---|---|",
            *(f"| {memory[at]['tasks']:,} | {memory[at]['coordinator_mib']:.0f} |" for at in places),
            "",
        ]
    return lines


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f}"
