"""What `mlbridge provider doctor` and `status` show people."""

from __future__ import annotations

import time
from typing import Any

from cluster.doctor import Finding
from mlbridge.console import eth, mlb, people, table


def show_findings(findings: list[Finding]) -> None:
    """One line a finding, and the way out below where one is needed."""
    for finding in findings:
        colour, mark = (
            ("red", "no") if not finding.ok else ("yellow", "!") if finding.warning else ("green", "ok")
        )
        people.print(f"[{colour}]{mark:<3}[/] {finding.name:<13} {finding.detail}", soft_wrap=True)
        if finding.fix:
            people.print(f"    {'':<13} fix: {finding.fix}", soft_wrap=True)


def show_status(
    name: str, file: str, supervisor: dict[str, Any] | None, agent: dict[str, Any] | None, memory: int
) -> None:
    """What `provider status` prints."""
    if supervisor is None:
        people.print(f"provider {name} does not run; start it with: mlbridge provider up --config {file}")
    else:
        people.print(
            f"provider {name}: {supervisor['state']}, process {supervisor['pid']}, {supervisor['url']}"
        )
        people.print(f"memory: {memory / 2**20:,.0f} MiB")
        _problem(supervisor)
        rows = [[app, item["status"], item["message"]] for app, item in sorted(supervisor["apps"].items())]
        table("applications", ["name", "status", "message"], rows)
    if agent is not None:
        _show_agent(agent)


def _show_agent(agent: dict[str, Any]) -> None:
    age = time.time() - agent["time"]
    late = f" [yellow](as of {age:.0f} s ago)[/]" if age > 10 else ""
    people.print(f"agent: {agent['state']}{late}, node {agent['node']}, gas {eth(int(agent['gas_balance']))}")
    _problem(agent)
    stakes = [
        [number, item["role"], mlb(int(item["bonded"])), str(item["reputation"]), _jail(item["jailed_until"])]
        for number, item in agent["stakes"].items()
    ]
    table("accounts", ["account", "role", "bonded", "reputation", "jailed"], stakes)
    income = {kind: int(amount) for kind, amount in agent["income"].items()}
    seats = ", ".join(f"{count} {outcome}" for outcome, count in sorted(agent["outcomes"].items()))
    people.print(
        f"seats: {seats or 'none yet'}; earned {eth(income.get('seat', 0))} "
        f"and {mlb(income.get('judge', 0))}, lost {mlb(income.get('slash', 0))}"
    )
    tasks = [
        [task[:18], item["step"], item["reason"], item["problem"] or ""]
        for task, item in agent["open_tasks"].items()
    ]
    table("open assignments", ["task", "step", "reason", "problem"], tasks)


def _problem(state: dict[str, Any]) -> None:
    if state["problem"]:
        people.print(f"[yellow]problem:[/] {state['problem']}", soft_wrap=True)


def _jail(until: int) -> str:
    return time.strftime("until %Y-%m-%d %H:%M:%S UTC", time.gmtime(until)) if until else ""
