"""Three verified answers, one of each kind, shown as a person wants to see them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from contracts.network import Network
from mlbridge.devnet import accounts
from mlbridge.devnet.plan import Plan
from mlbridge.protocol.payload import ChatOutput, ClassificationOutput, EmbeddingOutput
from mlbridge.sdk import AsyncClient
from mlbridge.storage import open_store

# Number 7 of the pictures that scikit-learn ships; it shows a seven.
PICTURE = [
    0, 0, 7, 8, 13, 16, 15, 1, 0, 0, 7, 7, 4, 11, 12, 0, 0, 0, 0, 0, 8, 13, 1, 0, 0, 4, 8, 8, 15, 15, 6, 0,
    0, 2, 11, 15, 15, 4, 0, 0, 0, 0, 0, 16, 5, 0, 0, 0, 0, 0, 9, 15, 1, 0, 0, 0, 0, 0, 13, 5, 0, 0, 0, 0,
]  # fmt: skip


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


async def demonstrate(network: Network, plan: Plan, console: Console, receipts: Path) -> list[dict[str, Any]]:
    """Run one task a model and print what came out; returns the same as plain values."""
    shown = []
    store = open_store(network.storage_url)
    async with AsyncClient(network, accounts.requester(), store=store) as client:
        for model in plan.models:
            example = EXAMPLES[model]
            handle = await client.submit(example.model, example.value)
            result = await handle.wait(timeout=600)
            receipts.mkdir(parents=True, exist_ok=True)
            file = receipts / f"{handle.task_id}.json"
            file.write_bytes(result.receipt.to_bytes())
            shown.append(
                {
                    "model": model,
                    "task": handle.task_id,
                    "answer": summary(result.output),
                    "confidence": result.confidence,
                    "committee": [member.operator for member in result.committee],
                    "cost_wei": result.cost_wei,
                    "receipt": str(file),
                }
            )
            console.print(describe(shown[-1]), highlight=False, soft_wrap=True)
    return shown


def describe(item: dict[str, Any]) -> str:
    """A demo result in five lines."""
    members = ", ".join(address[:10] for address in item["committee"])
    return (
        f"\n[bold]{item['model']}[/bold]  {item['answer']}\n"
        f"  confidence {item['confidence']:.0%}   committee {members}\n"
        f"  cost {item['cost_wei'] / 10**18:.6f} ETH   receipt {item['receipt']}"
    )


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
