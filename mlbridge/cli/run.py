"""`mlbridge run`: one task from input to verified answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mlbridge.cli.context import JsonOption, KeyOption, NetworkOption, PasswordFileOption, open_client
from mlbridge.cli.inputs import build_input, read_input
from mlbridge.console import emit_json, eth, people, run_async
from mlbridge.devnet.demo import summary

RECEIPTS = Path("receipts")


def run(
    model: Annotated[str, typer.Argument(help="Name or id of a model; see: mlbridge model list")],
    text: Annotated[str, typer.Argument(metavar="INPUT", help="The input; - reads stdin, @FILE a file.")],
    seats: Annotated[int | None, typer.Option(help="Committee size, 3 to 15.")] = None,
    max_price: Annotated[float | None, typer.Option(help="Most to pay, in ETH.")] = None,
    deadline: Annotated[int | None, typer.Option(help="Seconds the committee has to commit in.")] = None,
    max_tokens: Annotated[int, typer.Option(help="Chat models: most tokens to generate.")] = 64,
    key_id: Annotated[
        str | None, typer.Option("--idempotency-key", help="The same key never pays twice for one task.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the verdict.")] = 900,
    receipts: Annotated[Path, typer.Option(help="Folder that receipts are written to.")] = RECEIPTS,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send one task, wait for its verified answer, keep the receipt.

    Examples: mlbridge run minilm "hello"   mlbridge run digits digit:7   mlbridge run smollm2 @question.txt
    """
    run_async(
        _run(
            model=model, text=read_input(text), seats=seats, max_price=max_price, deadline=deadline,
            max_tokens=max_tokens, key_id=key_id, timeout=timeout, receipts=receipts,
            network=network, key=key, password_file=password_file, as_json=as_json,
        )
    )  # fmt: skip


async def _run(
    *, model: str, text: str, seats: int | None, max_price: float | None, deadline: int | None, max_tokens: int,
    key_id: str | None, timeout: float, receipts: Path,
    network: str | None, key: Path | None, password_file: Path | None, as_json: bool,
) -> None:  # fmt: skip
    async with open_client(network, key, password_file) as client:
        info = await client.model(model)
        manifest = await client.manifest(info)
        value = build_input(manifest.kind, text, max_tokens=max_tokens)
        handle = await client.submit(
            info.id,
            value,
            seats=seats,
            deadline_s=deadline,
            max_price_wei=None if max_price is None else round(max_price * 10**18),
            idempotency_key=key_id,
        )
        people.print(f"task {handle.task_id}")
        result = await handle.wait(timeout=timeout, progress=_tell)
    receipts.mkdir(parents=True, exist_ok=True)
    file = receipts / f"{handle.task_id}.json"
    file.write_bytes(result.receipt.to_bytes())
    if as_json:
        emit_json(_plain(handle.task_id, result, file))
        return
    people.print("")
    print(summary(result.output))  # noqa: T201 - the answer is this command's output
    members = ", ".join(member.operator for member in result.committee)
    people.print(f"\nconfidence {result.confidence:.0%}   cost {eth(result.cost_wei)}")
    people.print(f"committee  {members}", soft_wrap=True)
    people.print(f"receipt    {file}   (check it: mlbridge verify {file})", soft_wrap=True)


def _tell(step: Any) -> None:
    people.print(f"[dim]  {step}[/dim]")


def _plain(task_id: str, result: Any, file: Path) -> dict[str, Any]:
    return {
        "task": task_id,
        "output": result.output.model_dump(),
        "confidence": result.confidence,
        "committee": [member.operator for member in result.committee],
        "cost_wei": result.cost_wei,
        "receipt": str(file),
    }
