"""`mlbridge run`: one task from input to verified answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mlbridge.cli.channel_orders import RECEIPTS, ChannelOption, ChannelWish, run_on_channel
from mlbridge.cli.context import JsonOption, KeyOption, NetworkOption, PasswordFileOption, open_client
from mlbridge.cli.inputs import read_input, read_schema
from mlbridge.cli.paying import MAX_PRICE, IdempotencyOption, JsonSchemaOption, MaxPriceOption, Order
from mlbridge.console import data, emit_json, people, run_async
from mlbridge.devnet.demo import describe, plain
from mlbridge.sdk import AsyncClient, Progress, TaskResult


def run(
    model: Annotated[str, typer.Argument(help="Name or id of a model; see: mlbridge model list")],
    text: Annotated[str, typer.Argument(metavar="INPUT", help="The input; - reads stdin, @FILE a file.")],
    seats: Annotated[int | None, typer.Option(help="Committee size, 3 to 15.")] = None,
    max_price: MaxPriceOption = MAX_PRICE,
    deadline: Annotated[int | None, typer.Option(help="Seconds the committee has to commit in.")] = None,
    max_tokens: Annotated[int, typer.Option(help="Chat models: most tokens to generate.")] = 64,
    json_schema: JsonSchemaOption = None,
    key_id: IdempotencyOption = None,
    lane: Annotated[
        Literal["direct", "channel"],
        typer.Option(help="direct: every step on chain; channel: paid from an open channel."),
    ] = "direct",
    channel: ChannelOption = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="With --lane channel: show the answer before its verdict.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the verdict.")] = 900,
    receipts: Annotated[Path, typer.Option(help="Folder that receipts are written to.")] = RECEIPTS,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send one task, wait for its verified answer, keep the receipt.

    Examples: mlbridge run minilm "hello"   mlbridge run digits digit:7   mlbridge run smollm2 @question.txt
    mlbridge run minilm "hello" --lane channel   (no transaction; see: mlbridge channel open)
    """
    if stream and lane != "channel":
        raise typer.BadParameter("only the channel lane streams", param_hint="--stream")
    schema = read_schema(json_schema)
    if lane == "channel":
        asked = model, read_input(text), max_tokens, max_price, seats, deadline, key_id
        wish = ChannelWish(*asked, channel, stream, schema)
        run_async(run_on_channel(open_client(network, key, password_file), wish, receipts, as_json))
        return
    order = Order(model, read_input(text), max_tokens, max_price, seats, deadline, key_id, schema)
    run_async(_run(open_client(network, key, password_file), order, timeout, receipts, as_json))


async def _run(client: AsyncClient, order: Order, timeout: float, receipts: Path, as_json: bool) -> None:
    async with client:
        handle = await order.place(client)
        with order.resumable():
            result = await handle.wait(timeout, progress=tell)
    file = keep(result, receipts)
    facts = plain(order.model, result, file)
    if as_json:
        extra = {"idempotency_key": handle.idempotency_key, "warnings": order.warnings}
        emit_json(facts | {"output": result.output.model_dump()} | extra)
        return
    show_result(facts)
    people.print(f"  check it:  mlbridge verify {file}", soft_wrap=True, markup=False)


def keep(result: TaskResult, receipts: Path) -> Path:
    """Write a result's receipt; its file."""
    receipts.mkdir(parents=True, exist_ok=True)
    file = receipts / f"{result.task_id}.json"
    result.receipt.save(file)
    return file


def show_result(facts: dict[str, Any]) -> None:
    """The answer on stdout, what it rests on on stderr."""
    data.print(facts["answer"], soft_wrap=True, markup=False)
    people.print(describe(facts | {"answer": ""}), soft_wrap=True)


def tell(step: Progress) -> None:
    """One line of progress on stderr."""
    people.print(f"[dim]  {step}[/dim]")
