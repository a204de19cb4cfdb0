"""`mlbridge run`: one task from input to verified answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mlbridge.cli.context import JsonOption, KeyOption, NetworkOption, PasswordFileOption, open_client
from mlbridge.cli.inputs import build_input, read_input
from mlbridge.console import data, emit_json, people, run_async
from mlbridge.devnet.demo import describe, plain
from mlbridge.sdk import AsyncClient, Progress

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
    price = None if max_price is None else round(max_price * 10**18)
    run_async(
        _run(
            open_client(network, key, password_file),
            model,
            read_input(text),
            max_tokens,
            {"seats": seats, "deadline_s": deadline, "max_price_wei": price, "idempotency_key": key_id},
            timeout,
            receipts,
            as_json,
        )
    )


async def _run(
    client: AsyncClient,
    model: str,
    text: str,
    max_tokens: int,
    terms: dict[str, Any],
    timeout: float,
    receipts: Path,
    as_json: bool,
) -> None:
    async with client:
        info = await client.model(model)
        manifest = await client.manifest(info)
        value = build_input(manifest.kind, text, max_tokens=max_tokens)
        handle = await client.submit(info.id, value, **terms)
        people.print(f"task {handle.task_id}")
        result = await handle.wait(timeout, progress=_tell)
    receipts.mkdir(parents=True, exist_ok=True)
    file = receipts / f"{handle.task_id}.json"
    result.receipt.save(file)
    facts = plain(model, result, file)
    if as_json:
        emit_json(facts | {"output": result.output.model_dump()})
        return
    data.print(facts["answer"], soft_wrap=True, markup=False)
    people.print(describe(facts | {"answer": ""}), soft_wrap=True)
    people.print(f"  check it:  mlbridge verify {file}", soft_wrap=True)


def _tell(step: Progress) -> None:
    people.print(f"[dim]  {step}[/dim]")
