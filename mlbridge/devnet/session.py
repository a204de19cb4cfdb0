"""One `mlbridge up`: start, show, demonstrate."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Any

from rich.console import Console

from contracts.network import Network
from mlbridge.devnet import accounts
from mlbridge.devnet.commands import overview
from mlbridge.devnet.demo import EXAMPLES, demonstrate, demonstrate_channel
from mlbridge.devnet.launch import launch
from mlbridge.devnet.plan import Plan
from mlbridge.devnet.report import Report
from mlbridge.devnet.services import write_json


async def start(plan: Plan, *, demo: bool, as_json: bool) -> None:
    """Bring the devnet up and print where it is.

    demo: then show one verified answer a model, and one of the channel lane.
    """
    console = Console(stderr=True, highlight=False)
    began = time.monotonic()
    network = await launch(plan, Report(console))
    started = time.monotonic() - began
    facts = describe(plan, network) | {"started_s": round(started, 1)}
    if not as_json:
        show(console, plan, facts)
    if demo:
        console.print("\n[bold]Verified answers[/bold]")
        receipts = plan.home / "receipts"
        facts["answers"] = await demonstrate(network, plan, console, receipts)
        if plan.channel_models:
            facts["channel_answer"] = await demonstrate_channel(plan, console, receipts)
        facts["total_s"] = round(time.monotonic() - began, 1)
        console.print(f"\nall in {facts['total_s']:.0f} s")
    memory = overview(plan.home)
    facts["pss_mb"] = sum(item["pss_mb"] for item in memory["services"])
    console.print(f"memory (sum of PSS): {facts['pss_mb'] / 1000:.1f} GB")
    public = {name: value for name, value in facts.items() if name != "openai_api_key"}
    write_json(plan.home / "last_start.json", public)
    if as_json:
        from mlbridge.console import emit_json

        emit_json(facts)
    sys.stdout.flush()


def describe(plan: Plan, network: Network) -> dict[str, Any]:
    """Addresses, URLs and accounts as plain values."""
    return {
        "home": str(plan.home),
        "network": str(plan.network_file),
        "rpc_url": plan.rpc_url,
        "chain_id": network.chain_id,
        "contracts": network.addresses.model_dump(),
        "openai_base_url": f"{plan.gateway_url}/v1",
        "openai_api_key": plan.gateway_key_file.read_text().strip(),
        "coordinator": f"http://127.0.0.1:{plan.coordinator_port}",
        "metrics": f"http://127.0.0.1:{plan.coordinator_port}/metrics",
        "dashboard": f"http://127.0.0.1:{plan.ray_port(0) + 2}",
        "accounts": {
            "requester": accounts.requester().address,
            "model_provider": accounts.model_provider().address,
            "coordinator": accounts.coordinator().address,
            "gateway": accounts.gateway().address,
            **{
                plan.provider_name(number): accounts.operator(number).address
                for number in range(1, plan.providers + 1)
            },
        },
    }


def show(console: Console, plan: Plan, facts: dict[str, Any]) -> None:
    """The same for people, with a first command to try."""
    console.print(f"\n[bold]ML Bridge devnet[/bold] is up after {facts['started_s']:.0f} s")
    for name in ("rpc_url", "coordinator", "metrics", "dashboard", "network"):
        console.print(f"  {name:<14} {facts[name]}", soft_wrap=True, markup=False)
    console.print(f"  export OPENAI_BASE_URL={facts['openai_base_url']}", soft_wrap=True, markup=False)
    console.print(f"  export OPENAI_API_KEY={facts['openai_api_key']}", soft_wrap=True, markup=False)
    console.print("  accounts (keys of the public test phrase; never send real coin to them)")
    for name, address in facts["accounts"].items():
        number = int(name.removeprefix("provider-")) if name.startswith("provider-") else 0
        fault = f"   [red]{plan.faults[number]}[/red]" if number in plan.faults else ""
        console.print(f"    {name:<16} {address}{fault}")
    example = EXAMPLES[plan.models[0]]
    command = "mlbridge" if shutil.which("mlbridge") else ".venv/bin/mlbridge"
    console.print(f"\nTry:  {command} run {example.model} {example.typed}")
    console.print(f"Stop: {command} down      Forget: {command} reset")
