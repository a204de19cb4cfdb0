"""Verified answers, one of each kind and one of the channel lane, shown as a person wants to see them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.markup import escape

from contracts.network import Network
from mlbridge.console import eth, mlb
from mlbridge.devnet import accounts
from mlbridge.devnet.plan import Plan
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.payload import ChatOutput, ClassificationOutput, EmbeddingOutput, pack_vector
from mlbridge.sdk import AsyncClient, TaskResult
from mlbridge.storage import open_store

# Number 7 of the pictures that scikit-learn ships; it shows a seven.
PICTURE = [
    0, 0, 7, 8, 13, 16, 15, 1, 0, 0, 7, 7, 4, 11, 12, 0, 0, 0, 0, 0, 8, 13, 1, 0, 0, 4, 8, 8, 15, 15, 6, 0,
    0, 2, 11, 15, 15, 4, 0, 0, 0, 0, 0, 16, 5, 0, 0, 0, 0, 0, 9, 15, 1, 0, 0, 0, 0, 0, 13, 5, 0, 0, 0, 0,
]  # fmt: skip


CHANNEL_TRIES = 5  # each asks up to six committees, of which a liar may sit in every one
MOST_TRIES = 20  # half of all committees of three out of six hold a given provider


@dataclass(frozen=True)
class Example:
    """A demo input of a model, and how to type it."""

    model: str
    value: dict[str, Any]
    typed: str


EXAMPLES = {
    "minilm": Example(
        "minilm",
        {"kind": "embedding", "text": "Nobody has to be believed."},
        "'Nobody has to be believed.'",
    ),
    "digits": Example("digits", {"kind": "classification", "image": PICTURE}, "digit:7"),
    "smollm2": Example(
        "smollm2",
        {
            "kind": "chat",
            "messages": [{"role": "user", "content": "What is the capital of France?"}],
            "max_tokens": 24,
            "seed": None,
        },
        "'What is the capital of France?'",
    ),
}


async def demonstrate_channel(plan: Plan, console: Console, receipts: Path) -> dict[str, Any]:
    """Ask the gateway for an answer on the channel lane; what came, as plain values."""
    model = plan.channel_models[0]
    fields = {name: value for name, value in EXAMPLES[model].value.items() if name != "kind"}
    known = {"Authorization": f"Bearer {plan.gateway_key_file.read_text().strip()}"}
    body = {"model": model, "input": fields, "lane": "channel"}
    async with httpx2.AsyncClient(base_url=plan.gateway_url, headers=known, timeout=120) as client:
        for _ in range(CHANNEL_TRIES):
            began = time.monotonic()
            made = await client.post("/v1/tasks", json=body, params={"wait": 100})
            took = time.monotonic() - began
            task: dict[str, Any] = made.json()
            if task.get("status") == "finalized":
                break
            console.print(f"  no verdict: {_reason(task)}; once more", highlight=False)
        else:
            raise MLBridgeError("devnet.no_answer", "The channel lane gave no answer.", exit_code=6)
        receipt = await client.get(task["receipt"])
    receipts.mkdir(parents=True, exist_ok=True)
    file = receipts / f"{task['id']}.json"
    file.write_bytes(receipt.content)
    found = {
        "model": model,
        "task": task["id"],
        "answer": summary(decoded(task["kind"], task["result"])),
        "confidence": task["confidence"],
        "committee": task["committee"],
        "cost_wei": int(task["cost_wei"]),
        "seconds": round(took, 3),
        "receipt": str(file),
    }
    console.print(describe_channel(found), highlight=False, soft_wrap=True)
    return found


def _reason(task: dict[str, Any]) -> str:
    return str((task.get("error") or task).get("message") or task.get("detail") or task.get("status"))


def decoded(kind: str, result: dict[str, Any]) -> object:
    """An output as the gateway's JSON has it."""
    if kind == "embedding":
        return EmbeddingOutput(embedding=pack_vector(result["embedding"]))
    return ChatOutput(**result) if kind == "chat" else ClassificationOutput(**result)


def describe_channel(item: dict[str, Any]) -> str:
    """An answer of the channel lane in a few lines of rich markup."""
    members = ", ".join(map(str, item["committee"]))
    lines = [
        f"\n[bold]{escape(item['model'])}[/bold] on the channel lane, no transaction: "
        f"{escape(item['answer'])}",
        f"  verified in {item['seconds']:.2f} s, confidence {item['confidence']:.0%}, "
        f"cost {eth(item['cost_wei'])}",
        f"  committee  accounts {members}",
        f"  receipt    {escape(item['receipt'])}",
    ]
    return "\n".join(lines)


async def demonstrate(network: Network, plan: Plan, console: Console, receipts: Path) -> list[dict[str, Any]]:
    """Run one task a model and print what came out; returns the same as plain values.

    With liars about, go on until one was drawn and caught: luck decides who sits in a committee.
    """
    shown: list[dict[str, Any]] = []
    store = open_store(network.storage_url)
    queue = list(plan.models)
    async with AsyncClient(network, accounts.requester(), store=store) as client:
        while queue:
            model = queue.pop(0)
            example = EXAMPLES[model]
            handle = await client.submit(example.model, example.value)
            result = await handle.wait(600)
            receipts.mkdir(parents=True, exist_ok=True)
            file = receipts / f"{handle.task_id}.json"
            result.receipt.save(file)
            shown.append(plain(example.model, result, file))
            console.print(describe(shown[-1]), highlight=False, soft_wrap=True)
            caught = any(item["slashed"] for item in shown)
            if plan.faults and not caught and not queue and len(shown) < MOST_TRIES:
                console.print("  the liar was not drawn; once more")
                queue.append(plan.models[0])
    return shown


def plain(model: str, result: TaskResult, receipt: Path) -> dict[str, Any]:
    """A result for machines. committee: operators of the first round's seats; cost in wei."""
    return {
        "model": model,
        "task": result.task_id,
        "answer": summary(result.output),
        "confidence": result.confidence,
        "committee": [seat.operator for seat in result.committee],
        "rounds": len(result.receipt.rounds),
        "cost_wei": result.cost_wei,
        "gas_used": result.gas_used,
        "slashed": [slash.model_dump(mode="json") for slash in result.receipt.payment.slashes],
        "receipt": str(receipt),
    }


def describe(item: dict[str, Any]) -> str:
    """A demo result in a few lines of rich markup."""
    members = ", ".join(item["committee"])
    lines = [
        f"\n[bold]{escape(item['model'])}[/bold]  {escape(item['answer'])}",
        f"  confidence {item['confidence']:.0%}, rounds {item['rounds']}, cost {eth(item['cost_wei'])}",
        f"  committee  {members}",
        f"  receipt    {escape(item['receipt'])}",
    ]
    lines += [
        f"  [red]slashed[/red]    account {slash['account']}: {mlb(int(slash['amount']))}, {slash['fault']}"
        for slash in item["slashed"]
    ]
    return "\n".join(lines)


def summary(output: object) -> str:
    """An output in one line."""
    match output:
        case EmbeddingOutput():
            vector = output.vector
            head = ", ".join(f"{value:+.4f}" for value in vector[:4])
            return f"[{head}, ...] ({len(vector)} values)"
        case ClassificationOutput():
            return f"label {output.label}"
        case ChatOutput():
            return output.text.strip()
        case _:
            return str(output)
